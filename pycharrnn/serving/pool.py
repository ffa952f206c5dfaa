"""Streams that write together: texts join and leave between two turns, and each has the bits of a stream alone."""

from __future__ import annotations

import time

import numpy as np

from pycharrnn.arrays import Array
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.drawing import Drawer
from pycharrnn.network.records import Drawing, Manner
from pycharrnn.serving.texts import Failure, Text, Turn

SECONDS = 0.01  # of a turn: so long a new text waits
_EACH = 0.0001  # and so long for each text, which has work of its own beside the steps
_STEPS = 512  # of a turn, at most


class Pace:
    """How many steps a turn has: as many as take `SECONDS`, or somewhat longer for many texts.

    Examples
    --------
    >>> pace = Pace()
    >>> pace.note(SECONDS / 100, n_texts=1)
    >>> pace.steps
    16
    """

    def __init__(self) -> None:
        self.steps = 8

    def note(self, seconds: float, n_texts: int) -> None:
        """Learn how long the last turn of so many texts took."""
        fitting = int(self.steps * (SECONDS + _EACH * n_texts) / max(seconds, 1e-6))
        self.steps = max(1, self.steps // 2, min(2 * self.steps, _STEPS, fitting))


class Pool:
    """Texts that are written together, by one thread.

    Parameters
    ----------
    architecture : Architecture
        What writes.
    weights : ndarray, (P,)
        Flat weights; they must not change meanwhile.
    size : int
        Texts at once, at most.

    Examples
    --------
    >>> from pycharrnn.sampling.rules import Rules
    >>> from pycharrnn.sampling.settings import Sampling
    >>> lab = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5)
    >>> pool = Pool(lab, lab.initial(np.random.default_rng(0)), size=2)
    >>> text = Text(lab, Rules(Sampling(), lab, "abc"), np.array([1], np.int32), np.random.default_rng(0), most=6)
    >>> pool.join(text)
    >>> while not text.is_over:
    ...     heard = pool.turn()
    >>> len(text.fetch().text), pool.n_texts
    (6, 0)
    """

    def __init__(self, architecture: Architecture, weights: Array, size: int) -> None:
        self._drawer = Drawer(architecture, size)
        self._drawer.pack(weights)
        self._drawer.start()
        self._texts: list[Text | None] = [None] * size
        self._rest = Turn(np.empty(0, np.int32), np.empty(0))
        self._resting = Manner.of(Drawing(), architecture.n_symbols)
        self._pace = Pace()

    @property
    def n_texts(self) -> int:
        """How many texts are being written."""
        return len(self._texts) - self._texts.count(None)

    def join(self, text: Text) -> None:
        """Let a text be written with the others. There must be room for it."""
        b = self._texts.index(None)
        self._drawer.begin(b)
        self._texts[b] = text

    def turn(self) -> list[Text]:
        """Let each text read or draw some symbols, and drop those that are over; return those that have news."""
        begin = time.perf_counter()
        self._texts = [None if text is None or text.left else text for text in self._texts]
        turns = [self._rest if text is None else text.turn(self._pace.steps) for text in self._texts]
        manners = [self._resting if text is None else text.manner for text in self._texts]
        drawn = self._drawer.draw_many([turn.read for turn in turns], manners, [turn.uniform for turn in turns])
        heard = []
        for b, text in enumerate(self._texts):
            if text is None or (not turns[b].uniform.size and text.n < text.most):
                continue
            if text.take(drawn[b]):
                heard.append(text)
        self._texts = [None if text is None or text.is_over else text for text in self._texts]
        self._pace.note(time.perf_counter() - begin, self.n_texts)
        return heard

    def dissolve(self, failure: Failure) -> list[Text]:
        """End all texts unfinished; return them, and any that ended in a turn that failed."""
        texts = [text for text in self._texts if text is not None]
        for text in texts:
            text.fail(failure)
        self._texts = [None] * len(self._texts)
        return texts
