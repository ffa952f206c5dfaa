"""Kill trainings at random moments, resume them, and compare: `python tools/kill_and_resume.py`.

Each run trains in a child process that writes checkpoints. SIGKILL ends it at a random moment, and another child goes
on from the folder, or begins anew where it has no checkpoint yet; a chain is killed so ten times. The saved model and
the losses of every update must be those of a training that nobody stopped, byte by byte. Needs fork.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pycharrnn import CharRNN, Checkpoint, SampleText, datasets
from pycharrnn.training.checkpoints import checkpoints_in

TEXT = datasets.load("topics")[:12_000]
NAMES = [word for word in TEXT.split() if word.isalpha()][:400]
TRAININGS: list[tuple[str | list[str], dict[str, Any]]] = [
    (TEXT, {"hidden_size": 24, "epochs": 2}),
    (TEXT, {"cell": "lstm", "num_layers": 2, "hidden_size": 16, "batch_size": 4, "optimizer": "adam", "epochs": 4}
     | {"schedule": "cosine", "dropout": 0.2, "zoneout": 0.05, "ema_decay": 0.99, "ngram_order": 4}),
    (NAMES, {"cell": "gru", "hidden_size": 16, "batch_size": 4, "optimizer": "rmsprop", "schedule": "plateau"}
     | {"validation_fraction": 0.1, "epochs": 12, "patience": 6}),
    (NAMES, {"cell": "gru", "hidden_size": 16, "batch_size": 2, "optimizer": "momentum", "learning_rate": 1e-3}
     | {"dtype": "bfloat16", "epochs": 5}),
]  # fmt: skip


def digest(model: CharRNN, folder: str) -> str:
    """The SHA-256 of the saved model, and of the losses, looks and texts of its history."""
    path = Path(folder, "last.safetensors")
    model.save(path)
    found = hashlib.sha256(path.read_bytes())
    history = model.history_
    for array in (history.updates, history.loss, history.smooth_loss, history.epochs):
        found.update(array.tobytes())
    looks = [(look.n_updates, look.nats) for look in (*history.validation, *history.training)]
    found.update(repr((looks, history.texts, history.baseline, model.best_)).encode())
    return found.hexdigest()


def finish(number: int, folder: str, every: int, n_threads: int) -> str:
    """Begin a training or go on with it, to its end; return the digest of what it has learned."""
    text, parameters = TRAININGS[number]
    checkpoints = os.path.join(folder, "checkpoints")
    callbacks = [SampleText(37, 20, file=None), Checkpoint(checkpoints, every=every)]
    if checkpoints_in(checkpoints):
        model = CharRNN.resume(checkpoints, text, callbacks=callbacks, n_threads=n_threads)
    else:
        model = CharRNN(**parameters, random_state=number, n_threads=n_threads).fit(text, callbacks=callbacks)
    return digest(model.set_params(n_threads=None), folder)


def child(work: Callable[[], str], seconds: float | None = None) -> str:
    """Do this in a child process and return its result; kill it after so many seconds, and return ""."""
    read, write = os.pipe()
    process = os.fork()
    if not process:
        os.close(read)
        try:
            os.write(write, work().encode())
        except BaseException as error:
            os.write(write, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.close(write)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
    with os.fdopen(read) as file:
        said = file.read()
    os.waitpid(process, 0)
    return said if seconds is None else ""


def survives(number: int, kills: int, whole: str, seconds: float, rng: random.Random) -> bool:
    """Kill one training so often, let it end, and compare."""
    folder = tempfile.mkdtemp()
    try:
        checkpoints = os.path.join(folder, "checkpoints")
        for _ in range(kills):
            every, threads = rng.choice((1, 3, 10, 25)), rng.choice((1, 2))
            child(partial(finish, number, folder, every, threads), rng.uniform(0, seconds))
        found = child(partial(finish, number, folder, 10, rng.choice((1, 2))))
        left = sorted(set(os.listdir(checkpoints)) - {os.path.basename(path) for path in checkpoints_in(checkpoints)})
        if found != whole or left != ["best.safetensors"]:
            print(f"training {number}: {found}, not {whole}; beside checkpoints there is {left}", flush=True)
            return False
        return True
    finally:
        shutil.rmtree(folder)


def main() -> int:
    """Run what the command line asks for, print what held, and return 1 if anything did not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--chains", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    wholes = []
    for number in range(len(TRAININGS)):
        folder = tempfile.mkdtemp()
        begin = time.perf_counter()
        wholes.append((child(partial(finish, number, folder, 10, 1)), time.perf_counter() - begin))
        shutil.rmtree(folder)
    held = [0, 0]
    for i in range(given.runs + given.chains):
        chain = i >= given.runs
        number = i % len(TRAININGS)
        whole, seconds = wholes[number]
        held[chain] += survives(number, 10 if chain else 1, whole, seconds, rng)
    print(f"{held[0]} of {given.runs} runs killed once and {held[1]} of {given.chains} chains of ten end the same")
    return held != [given.runs, given.chains]


if __name__ == "__main__":
    sys.exit(main())
