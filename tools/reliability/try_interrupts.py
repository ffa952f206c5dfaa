"""Interrupts: Ctrl-C at random moments of each phase. It comes through, and the model is whole."""

from __future__ import annotations

import random
import resource
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from rows import Finding, row, scratch

from pycharrnn import CharRNN, Vocabulary, datasets
from pycharrnn.trained import learned

MOST = 0.25  # seconds from a signal to the exception
USUAL = 0.1  # for 95 of 100
SLACK = 4.0  # of the quick programme, which runs wherever the tests do: on slow and busy machines, too
LATEST = 2.5  # seconds of the clock, on a machine that others use


class Phase(NamedTuple):
    """Something that takes a while.

    Attributes
    ----------
    name : str
        What it is.
    act : callable
        Does it, and takes some seconds.
    model : CharRNN or None
        What must be whole afterwards.
    until : float
        The signal comes within so many seconds.
    threads : int
        How many take part; those that wait for another spin, so they use as many processors.
    most : float
        Seconds that it may take to answer.
    slow : bool
        Whether the quick programme leaves it out.
    """

    name: str
    act: Callable[[], Any]
    model: CharRNN | None
    until: float
    threads: int = 1
    most: float = MOST
    slow: bool = False


def phases(folder: Any) -> list[Phase]:
    """Those of a model's life, and some that once were slow to answer."""
    text = datasets.load("tinyshakespeare")
    long = text * 15
    forever: dict[str, Any] = {"max_seconds": 60.0, "epochs": None, "random_state": 0}
    tiny, large = CharRNN(hidden_size=8, **forever), CharRNN("rnn", hidden_size=2048, seq_length=512, **forever)
    deep = CharRNN("lstm", hidden_size=512, seq_length=64, batch_size=32, n_threads=2, **forever)
    huge = CharRNN("lstm", hidden_size=2700, batch_size=10, n_threads=1, **forever)  # 30 million weights
    ngrams, straight = CharRNN(ngram_order=6, **forever), CharRNN(hidden_size=1500, initializer="orthogonal", **forever)
    judged = CharRNN(hidden_size=64, n_threads=2, validation_fraction=0.5, **forever)
    made = CharRNN(hidden_size=64, max_updates=20, random_state=0).fit(text)
    heavy = CharRNN("lstm", hidden_size=1200, max_updates=1, seq_length=2).fit("abcdef" * 4)
    heavy.save(folder / "heavy")

    def callback(run: Any) -> None:
        time.sleep(0.01)

    def again(act: Callable[[], Any]) -> Callable[[], Any]:
        def repeat() -> None:
            while True:
                act()

        return repeat

    return [
        Phase("vocabulary", again(lambda: Vocabulary.from_text(long)), None, 0.5),
        Phase("encode", again(lambda: made.vocabulary_.encode(long, "skip")), None, 0.5),
        Phase("fit, a small network", lambda: tiny.fit(text), tiny, 1.0),
        Phase("fit, updates of seconds", lambda: large.fit(text[:4000]), large, 2.0),
        Phase("fit, several threads", lambda: deep.fit(text), deep, 1.5, 2),
        # Copies of the last good state, 600 MB each, are looked at and let go.
        Phase("fit, 30 million weights", lambda: huge.fit(text[:100_000]), huge, 10.0, most=0.6, slow=True),
        Phase("validate", lambda: judged.fit(long[:3_000_000]), judged, 2.0, 2),
        Phase("sample", lambda: made.sample(10**8), made, 1.0),
        Phase("save", again(lambda: heavy.save(folder / "copy")), heavy, 0.5),
        Phase("load", again(lambda: CharRNN.load(folder / "heavy")), None, 0.5),
        Phase("callback", lambda: tiny.fit(text, callbacks=[callback]), tiny, 1.0),
        Phase("n-grams", lambda: ngrams.fit(text), ngrams, 2.0),
        Phase("orthogonal start", lambda: straight.fit(text), straight, 1.0),
        Phase("evaluate", again(lambda: made.evaluate(text, window=4096)), made, 1.0),
    ]


def spent() -> float:
    """Seconds of the processor that this process and its threads have used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def interrupted(phase: Phase, after: float) -> tuple[float, float] | None:
    """Send a signal after so many seconds. Return how long it took to be heard, by the clock and of a processor."""
    sent: list[tuple[float, float]] = []
    main = threading.main_thread().ident
    assert main is not None

    def send() -> None:
        sent.append((time.perf_counter(), spent()))
        signal.pthread_kill(main, signal.SIGINT)

    timer = threading.Timer(after, send)
    timer.start()
    try:
        phase.act()
    except KeyboardInterrupt:
        return time.perf_counter() - sent[0][0], spent() - sent[0][1]
    finally:
        timer.join()
    return None


def whole(model: CharRNN | None) -> bool:
    """Whether a model can be used: its numbers are finite, and it writes; or nothing was learned yet."""
    if model is None or not model.__sklearn_is_fitted__():
        return True
    state = learned(model).state
    finite = all(np.isfinite(array).all() for array in (state.weights, state.best, state.m, state.v, state.carried))
    return finite and len(model.sample(5, random_state=0)) == 5


@row("R16", "Ctrl-C at random moments of 14 phases", seconds=900)
def interrupts(full: bool) -> Finding:
    found = Finding("signals", 280 if full else 39)
    slack = 1.0 if full else SLACK
    rng = random.Random(0)
    waited: list[float] = []
    slowest: dict[str, float] = {}
    with scratch() as folder:
        for phase in phases(folder):
            if phase.slow and not full:
                continue
            for _ in range(20 if full else 3):
                heard = interrupted(phase, rng.uniform(0.02, phase.until))
                if heard is None:
                    found.check(False, phase.name, "ended before the signal")
                    continue
                clock, processor = heard
                seconds = min(clock, processor / phase.threads)  # on a busy machine the clock tells of the others
                waited.append(seconds)
                slowest[phase.name] = max(slowest.get(phase.name, 0.0), seconds)
                right = seconds <= slack * phase.most and clock <= LATEST
                found.check(right, phase.name, f"{seconds:.3f} s, {clock:.3f} s of the clock")
                if not whole(phase.model):
                    found.fault(phase.name, "the model is not whole")
    p95 = sorted(waited)[int(0.95 * len(waited))]
    name = max(slowest, key=slowest.__getitem__)
    found.note = f"95 of 100 within {1000 * p95:.0f} ms, all within {1000 * slowest[name]:.0f} ms ({name})"
    if p95 > slack * USUAL:
        found.fault(f"95 of 100 within {1000 * slack * USUAL:.0f} ms is what is allowed")
    return found
