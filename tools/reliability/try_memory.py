"""Memory: none left, and none lost."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import pickle
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from rows import Finding, row, scratch
from shim import Case, in_child, under_shim

from pycharrnn import CharRNN
from pycharrnn.errors import ModelFileError

TEXT = "hello world, hello moon. " * 8
SMALLEST = 512  # smaller requests are Python's own, which has tests for them


def acts(folder: Path) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """What is done while memory fails, and what must then be as if it had not been tried."""
    model = CharRNN(cell="gru", hidden_size=24, max_updates=5, random_state=0, batch_size=2).fit(TEXT)
    model.save(folder / "m")
    rival = CharRNN(hidden_size=24, max_updates=5, random_state=0)

    def same() -> Any:
        return [model.sample(20, random_state=0), len(pickle.dumps(model)), model.evaluate(TEXT).nats]

    def trained() -> Any:
        return [rival.fit(TEXT).sample(20, random_state=0)]

    def further() -> Any:
        model.partial_fit(TEXT + "xyz", epochs=1)
        return [len(model.sample(20, random_state=0))]

    return {
        "fit": (lambda: rival.fit(TEXT), trained),
        "partial_fit": (lambda: model.partial_fit(TEXT + "xyz"), further),
        "sample": (lambda: model.sample(300, random_state=0), same),
        "several samples": (lambda: model.sample(50, n_samples=8, random_state=0), same),
        "evaluate": (lambda: model.evaluate(TEXT * 20), same),
        "save": (lambda: model.save(folder / "again"), same),
        "load": (lambda: CharRNN.load(folder / "m"), same),
        "pickle": (lambda: pickle.loads(pickle.dumps(model)), same),
        "gradients": (lambda: model.loss_and_gradients("hello world"), same),
    }


def told(outcome: object) -> list[str]:
    return [type(outcome).__name__, str(outcome)[:100]] if isinstance(outcome, BaseException) else ["", ""]


def shortages(full: bool) -> Finding:
    """Each request in turn finds no memory."""
    found = Finding("requests", 300 if full else 40)
    foreign = 0
    with scratch() as folder:
        for name, (act, usable) in acts(folder).items():
            act()  # what is imported and kept at the first time
            wanted = usable()
            for n in count(1, 1 if full else 5):

                def after(outcome: Any, usable: Any = usable, wanted: Any = wanted) -> Any:
                    return [*told(outcome), usable() == wanted]

                ended = in_child(Case(n, errno.ENOMEM, least=SMALLEST), act, after)
                unset = isinstance(ended.said, list) and ended.said[0] == "SystemError"
                if ended.code == 98 or unset:  # NumPy or Python, which have such places
                    foreign += 1
                elif ended.code:
                    found.check(False, name, "request", n, "ended with", ended.code)
                elif not ended.struck:
                    break
                else:
                    kind, text, right = ended.said if len(ended.said) == 3 else ("", ended.said, False)
                    known = kind in ("", "MemoryError", "_ArrayMemoryError") or "Cannot allocate memory" in text
                    right = right and known
                    found.check(right, name, "request", n, kind, text)
                if n > 600:
                    break
    found.note = f"{foreign} more ended in NumPy or in Python: a crash there, or an error that is not set"
    return found


@row("R10", "Let each request for memory fail, in nine kinds of calls")
def failing(full: bool) -> Finding:
    return under_shim("try_memory", "shortages", full)


def resident() -> int:
    """Bytes of this process in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@row("R17", "Train, save, load, fail again and again: memory, files, threads stay")
def soak(full: bool) -> Finding:
    found = Finding("rounds", 1000 if full else 120)
    warm = 100 if full else 50
    sizes: list[int] = []
    handles: list[tuple[int, int]] = []
    trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda n: 0)
    with scratch() as folder:
        (folder / "bad").write_bytes(b"\x40" + b"\0" * 7 + b"x" * 100)
        for n in range(found.least):
            model = CharRNN(hidden_size=16, max_updates=10, batch_size=2, n_threads=2, random_state=n).fit(TEXT)
            model.sample(50)
            model.save(folder / "m")
            CharRNN.load(folder / "m").evaluate(TEXT)
            for bad in (lambda: CharRNN.load(folder / "bad"), lambda: CharRNN(hidden_size=-1).fit(TEXT)):
                try:
                    bad()
                except (ModelFileError, ValueError):
                    found.count += 0
            del model
            gc.collect()
            if n >= warm:
                trim(0)
                sizes.append(resident())
                handles.append((len(os.listdir("/proc/self/fd")), threading.active_count()))
            found.count += 1
    slope = float(np.polyfit(np.arange(len(sizes)), np.array(sizes, float), 1)[0])
    found.note = f"{slope:+.0f} bytes a round, {(sizes[-1] - sizes[0]) / 2**20:+.2f} MiB in all"
    if slope > 1024 and sizes[-1] - sizes[0] > 2 << 20:
        found.fault("memory grows")
    if len(set(handles)) > 1:
        found.fault("files or threads", sorted(set(handles)))
    return found
