"""The losses of a long text: in nats, one for each symbol after the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pycharrnn.arrays import Array, Floats, Ids
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.engine import Engine
from pycharrnn.network.workspace import affordable_steps

EXCERPTS = 16_384  # symbols that suffice to compare weights by
_COLD = 64  # windows that are read at once, each from a zero state


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
    parts = _Parts(architecture, weights, ids, length, warm_up)
    found[starts[:, None] + np.arange(length)] = parts.losses(starts, n_threads)
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
    return _Parts(architecture, weights, ids, places.shape[1], warm_up).losses(places[:, 0], n_threads).ravel()


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


def cold_losses(architecture: Architecture, weights: Array, ids: Ids, window: int) -> Floats:
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
    found = np.empty(len(ids) - 1)
    whole = found.size // window * window
    parts = _Parts(architecture, weights, ids, window, warm_up=0)
    for start in range(0, whole, _COLD * window):
        end = min(start + _COLD * window, whole)
        found[start:end] = parts.losses(np.arange(start, end, window)).ravel()
    if whole < found.size:
        found[whole:] = streamed_losses(architecture, weights, ids[whole:])
    return found


class _Parts(NamedTuple):
    """Parts of a text, all of one length, that are read at once, each after a warm-up from a zero state."""

    architecture: Architecture
    weights: Array
    ids: Ids
    length: int
    warm_up: int

    def losses(self, starts: npt.NDArray[np.intp], n_threads: int = 1) -> Floats:
        """Nats of the symbols after each start, (parts, length), by so many threads."""
        most = affordable_steps(self.architecture, len(starts), self.warm_up or self.length)
        T = next(T for T in range(most, 0, -1) if self.warm_up % T == 0)  # a window begins where the part does
        groups = np.array_split(starts, min(n_threads, len(starts)))
        halt: list[bool] = []
        if len(groups) == 1:
            return self._read(starts, T, halt)
        from concurrent.futures import ThreadPoolExecutor  # only now: it takes a while to import

        with ThreadPoolExecutor(len(groups)) as pool:
            try:
                return np.concatenate(list(pool.map(lambda group: self._read(group, T, halt), groups)))
            except BaseException:  # the pool is left only when its threads have ended
                halt.append(True)
                raise

    def _read(self, starts: npt.NDArray[np.intp], T: int, halt: Sequence[bool]) -> Floats:
        """Nats of the symbols after each start, in windows of T steps, until there is something in `halt`."""
        found = np.empty((len(starts), self.length))
        engine = Engine(self.architecture, T, len(starts))
        engine.start()
        for at in range(-self.warm_up, self.length, T):
            if halt:
                break
            steps = np.maximum(starts + np.minimum(at + np.arange(T), self.length - 1)[:, None], 0)
            losses = engine.losses(self.weights, self.ids[steps], self.ids[steps + 1]).reshape(T, -1)
            engine.go_on(begun=(starts > 0) | (at >= 0))  # before the first symbol there is nothing
            new = np.arange(max(at, 0), min(at + T, self.length))
            found[:, new] = losses[new - at].T
        return found
