"""In which windows a text is read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pycharrnn.arrays import Ids
from pycharrnn.network.records import Windows

REFRESH = 64  # windows; then a stream of a batch begins from a zero state again


class Beginning(NamedTuple):
    """Where a run begins.

    Attributes
    ----------
    n_updates : int
        Updates made before it.
    place : int
        The place of the text where its first pass begins.
    """

    n_updates: int
    place: int


class Reading:
    """In which windows a run reads a text: a function of the number of updates, so that an interrupt loses nothing.

    B streams of equal length S read the text at the same time, in windows of T steps. The last window of a pass over
    the text is as short as what is left. Each pass begins from zero states.

    In a batch, each pass after the first begins at a place of the text that is drawn at random, as if the ends of the
    text were joined: no two passes have the same windows. In a batch, too, each stream begins from a zero state every
    `REFRESH` windows, one stream after the other. A network that never starts from zero in training predicts badly when
    it has to.

    Parameters
    ----------
    ids : ndarray of int32, (N + 1,)
        The text: N symbols to read, each with the next one to predict.
    T, B : int
        Steps of a window and streams, 1 <= B <= N.
    first : int
        Updates that had been made when the run began.
    seed : int
        What the places are drawn from, 0 <= seed < 2**63.
    shift : int
        Where the first stream begins the first pass; it counts only if B > 1.

    Examples
    --------
    >>> reading = Reading(np.arange(8, dtype=np.int32), T=4, B=1)
    >>> windows = reading.cut(0, 2)
    >>> windows.x, windows.y, windows.steps
    (array([0, 1, 2, 3, 4, 5, 6], dtype=int32), array([1, 2, 3, 4, 5, 6, 7], dtype=int32), array([4, 3], dtype=int32))
    """

    def __init__(self, ids: Ids, T: int, B: int, first: int = 0, seed: int = 0, shift: int = 0) -> None:
        self._ids = ids
        self.T = T
        self.B = B
        self._seed = seed
        self.beginning = Beginning(first, shift)
        self.S = (len(ids) - 1) // B
        self.per_pass = -(-self.S // T)
        self._turns = REFRESH - np.arange(B) * REFRESH // B if B > 1 else None

    def position(self, n_updates: int) -> int:
        """Steps that the present pass has read after `n_updates` updates; 0 at the start of a pass."""
        return (n_updates - self.beginning.n_updates) % self.per_pass * self.T

    def shift(self, n_updates: int) -> int:
        """Where the first stream begins the pass of the next update, modulo the N symbols that can be read."""
        passes = (n_updates - self.beginning.n_updates) // self.per_pass
        return (
            key(self._seed, self.beginning.n_updates + passes * self.per_pass)
            if self.B > 1 and passes
            else self.beginning.place
        )

    def cut(self, n_updates: int, n: int) -> Windows:
        """The windows of the next n updates."""
        numbers = (
            np.arange(n_updates - self.beginning.n_updates, n_updates - self.beginning.n_updates + n) % self.per_pass
        )
        steps = np.minimum(self.T, self.S - numbers * self.T).astype(np.int32)
        fresh = np.zeros((n, self.B), np.uint8)
        fresh[numbers == 0] = 1
        if self._turns is not None:
            fresh |= np.arange(n_updates, n_updates + n)[:, None] % REFRESH == self._turns % REFRESH
        parts = []
        done = 0
        while done < n:
            number = int(numbers[done])
            some = min(n - done, self.per_pass - number)
            last = min(self.S, (number + some) * self.T)
            parts.append(self._rows(number * self.T, last, self.shift(n_updates + done)))
            done += some
        xs, ys = zip(*parts, strict=True) if parts else ((self._ids[:0],), (self._ids[:0],))
        if len(xs) == 1:
            return Windows(xs[0], ys[0], steps, fresh)
        return Windows(np.concatenate(xs), np.concatenate(ys), steps, fresh)

    def _rows(self, start: int, end: int, shift: int) -> tuple[Ids, Ids]:
        """The steps start .. end of a pass and the symbols that follow: slices of the text, or a column a stream."""
        if self.B == 1:
            return self._ids[start:end], self._ids[start + 1 : end + 1]
        N = len(self._ids) - 1
        x = np.empty((end - start, self.B), np.int32)
        y = np.empty((end - start, self.B), np.int32)
        for stream in range(self.B):
            at = (stream * self.S + start + shift) % N
            fit = min(N - at, end - start)  # steps before the end of the text
            x[:fit, stream] = self._ids[at : at + fit]
            y[:fit, stream] = self._ids[at + 1 : at + fit + 1]
            x[fit:, stream] = self._ids[: end - start - fit]
            y[fit:, stream] = self._ids[1 : end - start - fit + 1]
        return x.ravel(), y.ravel()


def key(seed: int, counter: int) -> int:
    """32 bits for each counter, the upper half of splitmix64 (Steele, Lea and Flood 2014, OOPSLA)."""
    z = (seed + (counter + 1) * 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return (z ^ z >> 31) >> 32
