"""Threads and processes: one model used by many at once, and models in forked children."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rows import Finding, row, scratch

from pycharrnn import CharRNN

TEXT = "hello world, hello moon. " * 20


def small(**params: Any) -> CharRNN:
    return CharRNN(**{"hidden_size": 16, "max_updates": 40, "random_state": 0} | params)


def saved(model: CharRNN, name: Any) -> bytes:
    model.save(name)
    with open(name, "rb") as file:
        return file.read()


@row("R13", "Eight threads sample, score, save, pickle and copy one model")
def hammer(full: bool) -> Finding:
    found = Finding("outputs", 10_000 if full else 1000)
    model = small(cell="gru").fit(TEXT)
    lock = threading.Lock()
    with scratch() as folder:
        acts: list[Callable[[int], Any]] = [
            lambda i: model.sample(30, random_state=i % 20),
            lambda i: model.evaluate(TEXT),
            lambda i: saved(model, folder / str(threading.get_ident())),
            lambda i: len(pickle.dumps(model)),
            lambda i: copy.deepcopy(model).sample(10, random_state=i % 20),
            lambda i: repr(model),
            lambda i: model.sample(20, n_samples=3, random_state=i % 20),
        ]
        serial = {(which, i): act(i) for which, act in enumerate(acts) for i in range(20)}
        end = time.monotonic() + (60 if full else 8)

        def work(first: int) -> None:
            i = first
            while time.monotonic() < end:
                which = i % len(acts)
                right = acts[which](i) == serial[which, i % 20]
                with lock:
                    found.check(right, "act", which, "of", i % 20)
                i += 1

        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            with ThreadPoolExecutor(8) as pool:
                for done in [pool.submit(work, 1000 * rank) for rank in range(8)]:
                    done.result()
        finally:
            sys.setswitchinterval(before)
    return found


@row("R14", "Train a model with growing vocabulary while threads read it")
def race(full: bool) -> Finding:
    found = Finding("outputs", 200)
    model = small(hidden_size=8, max_updates=10).fit(TEXT)
    end = time.monotonic() + (60 if full else 8)
    lock = threading.Lock()

    def read() -> None:
        while time.monotonic() < end:
            text = model.sample(30)
            again = pickle.loads(pickle.dumps(model))
            with lock:
                found.check(isinstance(text, str) and again.n_updates_ > 0, "a reader")

    def train() -> None:
        n = 0
        while time.monotonic() < end:
            n += 1
            more = "".join(map(chr, range(0x100 * (n % 50), 0x100 * (n % 50) + 40)))
            try:
                model.fit(TEXT) if n % 8 == 0 else model.partial_fit(TEXT + more)
            except RuntimeError as error:
                with lock:
                    found.check("being trained" in str(error), error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(6) as pool:
            for done in [*(pool.submit(read) for _ in range(4)), pool.submit(train), pool.submit(train)]:
                done.result()
    finally:
        sys.setswitchinterval(before)
    return found


def seconds(act: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


@row("R15", "Two trainings at once on two cores: at least 1.7 times as fast", quick=False)
def together(full: bool) -> Finding:
    found = Finding("tries")

    def train() -> None:
        small(hidden_size=128, n_threads=1, max_updates=2000, epochs=None).fit(TEXT)

    def both() -> None:
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(train) for _ in range(2)]:
                done.result()

    ratios: list[float] = []
    for _ in range(5):  # the best of five: others use the machine, too
        alone = 2 * min(seconds(train), seconds(train))
        ratios.append(alone / seconds(both))
        found.count += 1
        if ratios[-1] >= 1.7:
            break
    found.note = f"{max(ratios):.2f} times, with a load of {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    if max(ratios) < 1.7:
        found.fault("no faster than that")
    return found


def child(model: CharRNN, wanted: str, other: str) -> int:
    """What a forked child does: 0 if it writes what its parent writes."""
    right = model.sample(30, random_state=3) == wanted
    right = right and small(n_threads=2, batch_size=2).fit(TEXT).sample(30, random_state=3) == other
    return 0 if right else 1


def waited(pid: int, limit: float) -> int:
    """The code of a child; one that hangs is killed."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        gone, status = os.waitpid(pid, os.WNOHANG)
        if gone:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return -1


@row("R25", "Fork while threads train and sample; spawn; forkserver")
def forks(full: bool) -> Finding:
    found = Finding("children", 100 if full else 20)
    model = small().fit(TEXT)
    wanted = model.sample(30, random_state=3)
    other = small(n_threads=2, batch_size=2).fit(TEXT).sample(30, random_state=3)
    end = threading.Event()

    def busy() -> None:
        while not end.is_set():
            small(n_threads=2, batch_size=2).fit(TEXT)
            model.sample(200)

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    for n in range(found.least):
        if (pid := os.fork()) == 0:
            try:
                os._exit(child(model, wanted, other))
            except BaseException:
                os._exit(2)
        found.check((code := waited(pid, 30.0)) == 0, "fork", n, "ended with", code)
    end.set()
    for thread in threads:
        thread.join()
    for method in ("spawn", "forkserver"):
        context: Any = multiprocessing.get_context(method)
        process = context.Process(target=run_child, args=(model, wanted, other))
        process.start()
        process.join(60)
        found.check(process.exitcode == 0, method, process.exitcode)
    return found


def run_child(model: CharRNN, wanted: str, other: str) -> None:
    sys.exit(child(model, wanted, other))
