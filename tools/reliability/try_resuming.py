"""Resuming: trainings that are killed at random moments, and go on, end as those that nobody stopped."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rows import Finding, row, scratch

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


def differs(number: int, kills: int, whole: str, seconds: float, rng: random.Random) -> str:
    """Kill one training so often, let it end, and say what is not as if nobody had stopped it."""
    with scratch() as place:
        folder = str(place)
        checkpoints = os.path.join(folder, "checkpoints")
        for _ in range(kills):
            every, threads = rng.choice((1, 3, 10, 25)), rng.choice((1, 2))
            child(partial(finish, number, folder, every, threads), rng.uniform(0, seconds))
        found = child(partial(finish, number, folder, 10, rng.choice((1, 2))))
        left = sorted(set(os.listdir(checkpoints)) - {os.path.basename(path) for path in checkpoints_in(checkpoints)})
        if found != whole or left != ["best.safetensors"]:
            return f"{found}, not {whole}; beside checkpoints there is {left}"
        return ""


@row("R8", "trainings killed at random moments and resumed, once or ten times", seconds=1800)
def resuming(full: bool) -> Finding:
    """Compare the saved model, and the losses of every update, byte by byte."""
    found = Finding("trainings", least=320 if full else 12)
    rng = random.Random(8)
    wholes = []
    for number in range(len(TRAININGS)):
        with scratch() as folder:
            begin = time.perf_counter()
            wholes.append((child(partial(finish, number, str(folder), 10, 1)), time.perf_counter() - begin))
    for i in range(320 if full else 12):
        kills = 10 if i % 16 == 11 else 1
        number = (i if kills == 1 else i // 16) % len(TRAININGS)
        problem = differs(number, kills, *wholes[number], rng)
        found.check(not problem, f"training {i}, of kind {number}, killed {kills} times:", problem)
    return found
