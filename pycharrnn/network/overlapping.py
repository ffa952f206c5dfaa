"""The losses of one stream, found by many: each reads a part of the text, and as far into the next one as matters."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pycharrnn.arrays import Array, Floats, Ids
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.scoring import streamed_losses
from pycharrnn.network.streams import MOST, TILE, Pieces, Streams

# How far apart two states may be that count as the same, beside the size of their numbers: a little more than what
# rounding keeps them apart for ever.
TOLERANCE = {"float32": 1e-5, "float64": 1e-9, "bfloat16": 2e-2}
_ROUNDING = 0.05  # of the tolerance: below it a difference may grow by chance
# Few units remember for long, and the losses hardly tell of it. States may be farther apart where both streams have
# found the same nats, but for so many times the tolerance, and where no more than this share of the difference is left
# since the last look.
_NATS = 2
_LEFT = 0.75
_LOOSE = {"float32": 3e-2, "float64": 3e-6, "bfloat16": 2e-2}

_FEW = 4  # streams: with fewer, one reads the text alone
_SHORTEST = 1024  # symbols of a stream's part
_SHAPE = 576  # symbols of a part for each part: little of a long text is read twice
_LOOK = 64  # symbols after which a stream compares its state, at first
RARE = 8  # of so many parts one may be read again from its start to its end


def overlapping_losses(architecture: Architecture, weights: Array, ids: Ids, n_threads: int | None = 1) -> Floats:
    """Return the losses of `streamed_losses` but for rounding errors, many times as fast.

    Documents begin from a zero state: streams read many of them at once, and the bits are those of one stream.

    Of running text, and of very long documents, streams read parts at once, each from a zero state. Then each reads on
    into the part after its own, until its state is the one that the other stream had there: from there on, what the
    other one has found holds. A state that comes nearer and has given the same losses of late is that one, too. Each
    looks twice: a small difference that grows does not count as none. If that never comes, because the network
    remembers for too long, it reads the part to its end, and so on.

    Parameters
    ----------
    architecture : Architecture
        What reads the text.
    weights : ndarray, (P,)
        Flat weights.
    ids : ndarray of int32, (N,)
        The symbols.
    n_threads : int or None, default 1
        Threads that share the work, None as many as there are processors. The bits are the same for any number.

    Returns
    -------
    ndarray of float64, (N - 1,)
        Nats of each symbol after the first. Short texts are read by one stream.

    Raises
    ------
    TypeError, ValueError
        As of `streamed_losses`.

    Examples
    --------
    >>> lab = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5)
    >>> weights, ids = lab.initial(np.random.default_rng(0)), np.array([0, 1, 2, 2] * 2000, np.int32)
    >>> found = overlapping_losses(lab, weights, ids, n_threads=2)
    >>> bool(abs(found - streamed_losses(lab, weights, ids)).max() < 1e-6)
    True
    """
    N = len(ids) - 1
    if architecture.end >= 0 and (documents := _documents(ids, architecture.end)) is not None:
        architecture.check(ids)
        rows = min(MOST, documents.starts.size, N // int(documents.lengths.max()))
        return Streams(architecture, weights, rows, n_threads).read(ids, documents).losses
    n = n_parts(N)
    if n < _FEW:
        return streamed_losses(architecture, weights, ids)
    architecture.check(ids)
    reading = _Reading(Streams(architecture, weights, n, n_threads), ids, Pieces.cut(0, N, -(-N // n)))
    wrong = np.arange(1, n)  # the parts that were read from a wrong state, from the states before them
    carried = reading.known[-1][:, :, :-1]
    while wrong.size:
        wrong, carried = reading.again(wrong, carried)
        if wrong.size > n // RARE:
            rest = int(reading.parts.starts[wrong[0]])
            reading.losses[rest:] = streamed_losses(architecture, weights, ids[rest:], carried[:, :, :1])
            break
    return reading.losses


def n_parts(N: int) -> int:
    """Return how many parts a text of N symbols is read in: whole tiles of a product, if they are two or more."""
    n = math.isqrt(N // _SHAPE)
    if n >= 2 * TILE:
        n -= n % TILE
    return min(MOST, max(n, min(_FEW, N // _SHORTEST)))


def _documents(ids: Ids, end: int) -> Pieces | None:
    """The documents of a text as pieces, or None if one of them is too long for streams to share the text evenly."""
    N = len(ids) - 1
    starts = np.flatnonzero(ids[:-1] == end)
    if not starts.size or starts[0]:  # the text begins within a document
        starts = np.concatenate([[0], starts])
    lengths = np.diff(starts, append=N)
    return Pieces(starts, lengths) if N > 0 and _FEW * lengths.max() <= N else None


class _Reading:
    """Parts of a text: the losses found in them, and the states that the streams had at some marks in each part."""

    def __init__(self, streams: Streams, ids: Ids, parts: Pieces) -> None:
        self.parts = parts
        self._streams = streams
        self._ids = ids
        self._marks = _marks(parts.lengths)
        self.losses, self.known = streams.read(ids, parts, marks=self._marks)

    def again(self, wrong: npt.NDArray[np.intp], carried: Array) -> tuple[npt.NDArray[np.intp], Array]:
        """Read parts from these states, (L, states, parts, H), until the states are the known ones.

        Returns the parts that this shows to be wrong, since those before them end in another state, and these states.
        """
        at, before, shift = 0, np.zeros(wrong.size), np.zeros(wrong.size)
        dtype = self._streams.architecture.dtype
        tolerance, loose = TOLERANCE[dtype], _LOOSE[dtype]
        for mark, known in zip(self._marks, self.known, strict=True):
            lengths = self.parts.lengths[wrong]
            pieces = Pieces(self.parts.starts[wrong] + at, np.minimum(mark, lengths) - at)
            losses, (carried,) = self._streams.read(self._ids, pieces, carried, [mark - at])
            places, first = _places(pieces), np.cumsum(pieces.lengths) - pieces.lengths
            nats = np.maximum.reduceat(np.abs(losses - self.losses[places]), first)
            self.losses[places] = losses
            now = _difference(carried, known[:, :, wrong])
            left = np.abs(carried - known[:, :, wrong]).max(axis=(0, 1, 3))
            near = (now <= loose) & (left <= _LEFT * shift) & (nats <= _NATS * tolerance)
            near |= (now <= tolerance) & (now <= np.maximum(before, _ROUNDING * tolerance))
            apart = ~near | (at == 0)
            known[:, :, wrong] = carried
            apart &= mark <= lengths  # the last part is shorter, and nothing comes after it
            wrong, carried, before, shift, at = wrong[apart], carried[:, :, apart], now[apart], left[apart], mark
            if not wrong.size:
                break
        followed = wrong + 1 < self.parts.starts.size
        return wrong[followed] + 1, carried[:, :, followed]


def _marks(lengths: npt.NDArray[np.intp]) -> list[int]:
    """After how many symbols states are compared: the later the more rarely, and at the end of the parts."""
    marks = [_LOOK]
    while marks[-1] < lengths[-1]:  # the last part is the shortest
        marks.append(marks[-1] + max(_LOOK, marks[-1] // 4 // _LOOK * _LOOK))
    return [*marks[:-1], int(lengths[0])]


def _places(pieces: Pieces) -> npt.NDArray[np.intp]:
    """Which predictions of the text the pieces make."""
    return np.concatenate([np.arange(start, start + n) for start, n in zip(*pieces, strict=True)])


def _difference(ours: Array, theirs: Array) -> Array:
    """The largest difference of two states of each stream, (S,), beside the number or the mean number, if it is larger.

    Means above 1 count as 1.
    """
    size = np.abs(theirs)
    least = np.clip(size.mean(axis=(0, 1, 3), keepdims=True), 1e-30, 1)
    found: Array = (np.abs(ours - theirs) / np.maximum(size, least)).max(axis=(0, 1, 3))
    return found
