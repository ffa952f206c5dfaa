"""The losses of a long text: in nats, one for each symbol after the first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pycharrnn.arrays import Array, Floats, Ids
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.engine import Engine
from pycharrnn.network.streams import MOST, Pieces, Streams
from pycharrnn.network.workspace import affordable_steps

EXCERPTS = 16_384  # symbols that suffice to compare weights by


def streamed_losses(architecture: Architecture, weights: Array, ids: Ids, carried: Array | None = None) -> Floats:
    """Return the losses of a text that one stream reads from its start to its end.

    Parameters
    ----------
    architecture : Architecture
        What reads the text.
    weights : ndarray, (P,)
        Flat weights.
    ids : ndarray of int32, (N,)
        The symbols.
    carried : ndarray, (L, states, 1, H), or None, default None
        The state before the text; None is zeros.

    Returns
    -------
    ndarray of float64, (N - 1,)
        Nats of each symbol after the first.

    Raises
    ------
    TypeError, ValueError
        If the ids are no symbols of the architecture, or the weights not its.

    Examples
    --------
    >>> lab = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5)
    >>> weights, ids = lab.initial(np.random.default_rng(0)), np.array([0, 1, 2, 0, 1], np.int32)
    >>> streamed_losses(lab, weights, ids).round(1)
    array([1.1, 1.1, 1.1, 1.1])
    """
    architecture.check(ids)
    found = np.empty(len(ids) - 1)
    engine = Engine(architecture, affordable_steps(architecture, 1, min(architecture.seq_length, max(1, found.size))))
    engine.start(carried)
    for start in range(0, found.size, architecture.chunk_size):
        part = found[start : start + architecture.chunk_size]
        engine.read(weights, ids[start : start + part.size + 1], part)
    return found


def parallel_losses(
    architecture: Architecture, weights: Array, ids: Ids, streams: int = 64, warm_up: int = 256, n_threads: int = 1
) -> Floats:
    """Return the losses of `streamed_losses` nearly, but many times as fast: several streams read the text at once.

    Parameters
    ----------
    architecture : Architecture
        What reads the text.
    weights : ndarray, (P,)
        Flat weights.
    ids : ndarray of int32, (N,)
        The symbols.
    streams : int, default 64
        Parts of the text, one for each stream; fewer if it is short.
    warm_up : int, default 256
        Each stream but the first reads so many symbols before its part, from a zero state.
    n_threads : int, default 1
        Threads that share the streams. The bits are the same for any number.

    Returns
    -------
    ndarray of float64, (N - 1,)
        Nats of each symbol after the first.

    Raises
    ------
    TypeError, ValueError
        As of `streamed_losses`.

    Examples
    --------
    >>> lab = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5)
    >>> weights, ids = lab.initial(np.random.default_rng(0)), np.array([0, 1, 2, 0, 1], np.int32)
    >>> parallel_losses(lab, weights, ids, streams=2, warm_up=1).round(1)
    array([1.1, 1.1, 1.1, 1.1])
    """
    N = len(ids) - 1
    streams = min(streams, N // (2 * warm_up))
    if streams < 2:
        return streamed_losses(architecture, weights, ids)
    architecture.check(ids)
    length = -(-N // streams)
    starts = np.minimum(np.arange(streams) * length, N - length)
    found = np.empty(N)
    found[starts[:, None] + np.arange(length)] = _warm_losses(
        Streams(architecture, weights, streams, n_threads), ids, starts, length, warm_up
    )
    return found


def excerpt_losses(
    architecture: Architecture, weights: Array, ids: Ids, most: int = EXCERPTS, warm_up: int = 128, n_threads: int = 1
) -> Floats:
    """Return the losses of excerpts spread evenly over a text. A text of at most `most` predictions is read whole.

    Parameters
    ----------
    architecture : Architecture
        What reads the text.
    weights : ndarray, (P,)
        Flat weights.
    ids : ndarray of int32, (N,)
        The symbols.
    most : int, default EXCERPTS
        Symbols to read, those of the warm-up among them.
    warm_up : int, default 128
        Symbols read before each excerpt, from a zero state.
    n_threads : int, default 1
        Threads that share the excerpts. The bits are the same for any number.

    Returns
    -------
    ndarray of float64
        Nats. The same text has the same excerpts at each call, so that weights can be compared by them.

    Raises
    ------
    TypeError, ValueError
        As of `streamed_losses`.

    Examples
    --------
    >>> lab = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5)
    >>> weights, ids = lab.initial(np.random.default_rng(0)), np.array([0, 1, 2, 0, 1], np.int32)
    >>> excerpt_losses(lab, weights, ids).round(1)
    array([1.1, 1.1, 1.1, 1.1])
    """
    N = len(ids) - 1
    if most >= N:
        return parallel_losses(architecture, weights, ids, n_threads=n_threads)
    architecture.check(ids)
    places = excerpt_places(N, most, warm_up)
    streams = Streams(architecture, weights, len(places), n_threads)
    return _warm_losses(streams, ids, places[:, 0], places.shape[1], warm_up).ravel()


def _warm_losses(streams: Streams, ids: Ids, starts: npt.NDArray[np.intp], length: int, warm_up: int) -> Floats:
    """The losses of parts of a text, (parts, length), each read after a warm-up from a zero state."""
    begins = np.maximum(starts - warm_up, 0)
    pieces = Pieces(begins, starts + length - begins)
    found = streams.read(ids, pieces).losses
    ends = np.cumsum(pieces.lengths)
    parts: Floats = found[ends[:, None] - length + np.arange(length)]
    return parts


def excerpt_places(N: int, most: int = EXCERPTS, warm_up: int = 128) -> npt.NDArray[np.intp]:
    """Return which of the N predictions of a text `excerpt_losses` makes, (excerpts, length).

    Examples
    --------
    >>> excerpt_places(20, most=8, warm_up=1)
    array([[ 0,  1,  2],
           [17, 18, 19]])
    """
    if most >= N:
        return np.arange(N)[None]
    excerpts = max(2, min(32, most // (4 * warm_up)))
    length = most // excerpts - warm_up
    return (np.arange(excerpts) * (N - length) // (excerpts - 1))[:, None] + np.arange(length)


def cold_losses(architecture: Architecture, weights: Array, ids: Ids, window: int, n_threads: int | None = 1) -> Floats:
    """Return the losses of a text that is read in windows, each from a zero state.

    Parameters
    ----------
    architecture : Architecture
        What reads the text.
    weights : ndarray, (P,)
        Flat weights.
    ids : ndarray of int32, (N,)
        The symbols.
    window : int
        Predictions of a window.
    n_threads : int or None, default 1
        Threads that share the windows, None as many as there are processors. The bits are the same for any number.

    Returns
    -------
    ndarray of float64, (N - 1,)
        Nats of each symbol after the first.

    Raises
    ------
    TypeError, ValueError
        As of `streamed_losses`.

    Examples
    --------
    >>> lab = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5)
    >>> weights, ids = lab.initial(np.random.default_rng(0)), np.array([0, 1, 2, 0, 1], np.int32)
    >>> cold_losses(lab, weights, ids, window=2).round(1)
    array([1.1, 1.1, 1.1, 1.1])
    """
    architecture.check(ids)
    pieces = Pieces.cut(0, len(ids) - 1, window)
    if not pieces.starts.size:
        return np.empty(0)
    return Streams(architecture, weights, min(MOST, pieces.starts.size), n_threads).read(ids, pieces).losses
