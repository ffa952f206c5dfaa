"""Streams that read pieces of texts side by side, on several threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from pycharrnn.arrays import Array, Floats, Ids
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.engine import Engine
from pycharrnn.network.memory import processors
from pycharrnn.network.pace import Pace
from pycharrnn.network.records import Team
from pycharrnn.network.teams import call_together
from pycharrnn.network.workspace import affordable_steps

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_Places = npt.NDArray[np.intp]

TILE = 13  # rows that a product takes at a time with AVX-512; the parts of a text are the same everywhere
MOST = 8 * TILE  # streams at once: four tiles for each of two threads, and parts as long as can be
_STEPS = 64  # of a window, at most
_WINDOW = 0.015  # seconds of a window: after each, signals have their turn
_FASTER = 8  # times as many symbols as one stream reads in 20 ms many streams read in one step
ALONE = 10**8  # multiplications that are not worth a second thread
_READ = 4  # streams whose step takes as long as reading the weights
TOLD = 0.005  # seconds of a window, at least, that tells how fast so many threads are
LARGE = 2**20  # weights that do not stay in a processor's cache: threads with few streams then share each step


class Pieces(NamedTuple):
    """Pieces of a text.

    Attributes
    ----------
    starts : ndarray of int, (S,)
        Where each begins: the place of the first symbol that is read.
    lengths : ndarray of int, (S,)
        Predictions in each, one or more.
    """

    starts: _Places
    lengths: _Places

    @classmethod
    def cut(cls, start: int, end: int, length: int) -> Pieces:
        """Pieces of this length, one after the other, of which the last may be shorter.

        Examples
        --------
        >>> Pieces.cut(0, 5, 2)
        Pieces(starts=array([0, 2, 4]), lengths=array([2, 2, 1]))
        """
        starts = np.arange(start, end, length)
        return cls(starts, np.minimum(length, end - starts))


class Readout(NamedTuple):
    """What streams have found.

    Attributes
    ----------
    losses : ndarray of float64, (sum of the lengths,)
        Nats of each prediction, one piece after the other.
    states : list of ndarray, (L, states, S, H)
        For each mark the states of the pieces after so many steps. Those of pieces that end before mean nothing.
    """

    losses: Floats
    states: list[Array]


class Streams:
    """Streams of one network. They read pieces of texts, several at once, and each sum has the bits of one stream.

    The weights are packed once. Threads share them, and the memory of the windows. Each has some of the streams, and
    never waits for the others; or, where the weights are many and the streams are few, some of the units of each.

    Parameters
    ----------
    architecture : Architecture
        What reads.
    weights : ndarray, (P,)
        Flat weights, which must not change meanwhile.
    n_streams : int
        B, at most.
    n_threads : int or None, default 1
        Threads that share the work, None as many as there are processors. The bits are the same for any number.

    Examples
    --------
    >>> lab = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5)
    >>> weights, ids = lab.initial(np.random.default_rng(0)), np.array([0, 1, 2, 0, 1, 2, 2], np.int32)
    >>> Streams(lab, weights, n_streams=2).read(ids, Pieces.cut(0, 6, 3)).losses.round(1)
    array([1.1, 1.1, 1.1, 1.1, 1.1, 1.1])
    """

    def __init__(self, architecture: Architecture, weights: Array, n_streams: int, n_threads: int | None = 1) -> None:
        self.architecture = architecture
        self.n_streams = n_streams
        self.n_threads = n_threads
        self._engine = Engine(architecture, affordable_steps(architecture, n_streams, _STEPS), n_streams)
        self._engine.pack(weights)
        self._pace = Pace()

    def read(self, ids: Ids, pieces: Pieces, carried: Array | None = None, marks: Sequence[int] = ()) -> Readout:
        """Read pieces of a text.

        Parameters
        ----------
        ids : ndarray of int32, (N,)
            The text, which has been checked.
        pieces : Pieces
            What is read. A stream reads several of them, one after the other, if there are more pieces than streams.
        carried : ndarray, (L, states, S, H), or None, default None
            The states before the pieces, of which there are then no more than streams. None is zeros.
        marks : sequence of int, default ()
            After so many steps states are kept, in ascending order. There are then no more pieces than streams.

        Returns
        -------
        Readout
            The losses, and the states at the marks.
        """
        tracks = _tracks(pieces, min(self.n_streams, pieces.starts.size))
        order = np.argsort(-tracks.lengths, kind="stable")
        n_threads = self._threads(int(tracks.lengths.sum()))
        together = self.architecture.layout.size > LARGE and order.size < TILE * n_threads
        n_threads = min(n_threads, max(order.size, processors() if together else 1))
        apart = 1 if together else n_threads
        n = apart * -(-order.size // (apart * _FASTER * self.architecture.chunk_size))  # shares
        n = min(n, order.size)
        order = np.concatenate([order[i::n] for i in range(n)])  # each share has long tracks and short ones
        tracks = _Tracks(tracks.begins[order], tracks.lengths[order])
        if carried is None:
            self._engine.start()
        else:
            padded = np.zeros(self.architecture.carried(self.n_streams), carried.dtype)
            padded[:, :, : order.size] = carried[:, :, order]
            self._engine.start(padded)
        work = _Work(self._engine, ids, pieces, tracks, carried is None, marks, self._pace)
        edges = [len(range(i, order.size, n)) for i in range(n)]
        work.read_all(np.cumsum([0, *edges]).tolist(), n_threads, together)
        states = []
        for kept in work.states:
            states.append(np.empty_like(kept[:, :, : order.size]))
            states[-1][:, :, order] = kept[:, :, : order.size]
        return Readout(work.losses, states)

    def _threads(self, n_symbols: int) -> int:
        """How many threads read so many symbols."""
        if self.n_threads is not None:
            return self.n_threads
        return processors() if n_symbols * self.architecture.layout.size > ALONE else 1


class _Tracks(NamedTuple):
    """What each stream reads: where it begins in the row of all pieces, one after the other, and how long it is."""

    begins: _Places
    lengths: _Places


def _tracks(pieces: Pieces, n_streams: int) -> _Tracks:
    """Deal the pieces to so many streams, in their order, nearly the same number of symbols to each."""
    ends = np.cumsum(pieces.lengths)
    if n_streams == ends.size:
        return _Tracks(ends - pieces.lengths, pieces.lengths)
    wanted = ends[-1] * np.arange(1, n_streams + 1) / n_streams
    last = np.searchsorted(ends - pieces.lengths / 2, wanted)  # a piece belongs to where its middle lies
    cuts = np.unique(np.concatenate([[0], ends[np.maximum(last, 1) - 1]]))
    return _Tracks(cuts[:-1], np.diff(cuts))


class _Work:
    """What the threads of one call share."""

    def __init__(
        self,
        engine: Engine,
        ids: Ids,
        pieces: Pieces,
        tracks: _Tracks,
        fresh: bool,
        marks: Sequence[int],
        pace: Pace,
    ) -> None:
        self._halted = False
        self._pace = pace
        self._pool: ThreadPoolExecutor | None = None  # of threads that share each window
        self._most = 1
        self._engine = engine
        self._ids = ids
        self._tracks = tracks
        self._fresh = fresh
        self._marks = marks
        self._ends = np.cumsum(pieces.lengths)
        self._begins = self._ends - pieces.lengths
        self._shifts = pieces.starts - self._begins
        self.losses = np.empty(int(self._ends[-1]))
        architecture = engine.architecture
        shape = architecture.carried(engine.B)
        self.states = [np.zeros(shape, architecture.precision.activations) for _ in marks]

    def read_all(self, edges: Sequence[int], n_threads: int, together: bool) -> None:
        """Read the tracks between the edges, by so many threads, of which this one is the first."""
        shares = list(pairwise(edges))
        if n_threads == 1:
            self._read_shares(shares)
            return
        from concurrent.futures import ThreadPoolExecutor  # only now: it takes a while to import

        with ThreadPoolExecutor(n_threads - 1) as pool:
            if together:
                self._pool, self._most = pool, n_threads
                self._read_shares(shares)
                return
            others = [pool.submit(self._read_shares, shares[rank::n_threads]) for rank in range(1, n_threads)]
            try:
                self._read_shares(shares[::n_threads])
                for other in others:
                    other.result()
            except BaseException:  # the pool is left only when its threads have ended
                self._halted = True
                raise

    def _read_shares(self, shares: Sequence[tuple[int, int]]) -> None:
        for lo, hi in shares:
            self._read(lo, hi)

    def _read(self, lo: int, hi: int) -> None:
        """Read the tracks lo to hi, of which the longest comes first, in windows, until halted."""
        lengths = self._tracks.lengths[lo:hi]
        at, T, marked = 0, 1, 0
        while at < lengths[0] and not self._halted:
            mark = self._marks[marked] if marked < len(self._marks) else lengths[0]
            steps = int(min(T, lengths[0] - at, max(mark - at, 1)))
            begin = time.perf_counter()
            self._window(lo, lo + int(np.count_nonzero(lengths > at)), at, steps)
            seconds = time.perf_counter() - begin
            at += steps
            T = max(1, min(2 * T, self._engine.T, int(_WINDOW * steps / max(seconds, 1e-6))))
            while marked < len(self._marks) and at >= min(self._marks[marked], lengths[0]):
                self._engine.take_streams(self.states[marked], lo, hi)
                marked += 1

    def _window(self, lo: int, hi: int, at: int, steps: int) -> None:
        """Read so many steps of the tracks lo to hi, of which some may end before."""
        shape = (steps, self._engine.B)
        x, y = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        fresh, losses = np.zeros(shape, np.uint8), np.empty(shape)
        inside = at + np.arange(steps)[:, None] < self._tracks.lengths[lo:hi]
        flat = self._tracks.begins[lo:hi] + np.minimum(at + np.arange(steps)[:, None], self._tracks.lengths[lo:hi] - 1)
        piece = np.searchsorted(self._ends, flat, side="right")
        places = flat + self._shifts[piece]
        x[:, lo:hi] = self._ids[places]
        y[:, lo:hi] = self._ids[places + 1]
        if self._fresh:
            fresh[:, lo:hi] = flat == self._begins[piece]
        read = partial(self._engine.read_streams, x, y, fresh, losses, lo, hi)
        if self._pool is None:
            read()
        else:
            self._read_together(self._pool, read, steps, hi - lo)
        self.losses[flat[inside]] = losses[:, lo:hi][inside]

    def _read_together(self, pool: ThreadPoolExecutor, read: Callable[[Team], None], steps: int, rows: int) -> None:
        """Read a window in as many of the threads as prove fastest."""
        size = self._pace.choose(self._most)
        begin = time.perf_counter()
        call_together(pool, size, read)
        seconds = time.perf_counter() - begin
        if seconds >= TOLD:
            self._pace.note(size, seconds / (steps * (rows + _READ)))
