"""Dynamic evaluation: a network learns from a text while it reads it."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import numpy as np

from pycharrnn.arrays import Array, Floats, Ids
from pycharrnn.errors import TrainingDivergedError
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.engine import Engine
from pycharrnn.network.growth import mean
from pycharrnn.network.memory import aligned
from pycharrnn.network.records import Numbers, Run, Update, Windows, record
from pycharrnn.network.state import State
from pycharrnn.training.optimizers import OPTIMIZERS, Adam
from pycharrnn.training.trainer import SLICE

_LEAST = 0.1  # times the mean of its array: what a square counts at least, or rare symbols would take huge steps
_FAR = 3  # times the loss of guessing
_MEASURED = 16  # windows whose gradients tell how large those of a text are, where training has kept none
_RULE = "rmsprop"  # with a decay of 1: squares that stay as they are


class Adaptation(NamedTuple):
    """What a network has made of a text.

    Attributes
    ----------
    nats : float
        The mean loss, in nats per symbol. Each window is predicted before the weights learn from it.
    weights : ndarray, (P,)
        The weights after the last window.
    """

    nats: float
    weights: Array


def mean_squares(architecture: Architecture, state: State, batch_size: int) -> Array | None:
    """Return the mean squared gradient of each weight for one stream, as far as it is known; None if nothing is.

    A model file has one number for each array. AdaGrad sums squares over all updates, and Adam's mean is too small at
    first. The mean gradient of B streams has squares that are B times smaller, as far as the streams are independent.

    Examples
    --------
    >>> from pycharrnn.training.optimizers import SGD, Adam
    >>> small = Architecture("rnn", n_symbols=2, hidden_size=4, seq_length=5)
    >>> weights = small.initial(np.random.default_rng(0))
    >>> mean_squares(small, State.begin(small, weights, SGD()), batch_size=1) is None
    True
    """
    known = state.squares
    rule = state.rule or (known.rule if known is not None else "")
    if not rule or not (state.v.size or known) or "v" not in OPTIMIZERS[rule].moments:
        return None
    found = aligned(architecture.layout.size, architecture.precision.moments)
    if state.rule and state.v.size:
        found[:] = state.v
    else:
        assert known is not None
        for name, view in architecture.named(found).items():
            view[...] = known.means[name]
    unread = float(state.run["power2"][0])  # the share of v that is still the zero it began with
    if rule != "adam":
        unread = 0.0
    elif not state.rule:
        unread = _power(Adam.beta2, max(1, state.n_updates))
    found *= batch_size / (max(1, state.n_updates) if OPTIMIZERS[rule].sums else max(1 - unread, 1e-6))
    return _lifted(architecture, found)


def measured_squares(architecture: Architecture, weights: Array, ids: Ids) -> Array:
    """Return the mean squared gradient of each weight in the first 16 windows of a text, which stay as they are.

    The state is carried from one window to the next. Krause et al. (2018) measure them on the training text.

    Examples
    --------
    >>> small = Architecture("rnn", n_symbols=2, hidden_size=4, seq_length=5)
    >>> weights = small.initial(np.random.default_rng(0))
    >>> bool(measured_squares(small, weights, np.array([0, 1, 1] * 9, np.int32)).max() > 0)
    True
    """
    architecture.check(ids)
    found = aligned(weights.size, architecture.precision.moments)
    T, carried = architecture.seq_length, None
    starts = range(0, min(len(ids) - 1, _MEASURED * T), T)
    for start in starts:
        window = ids[start : start + T + 1]
        engine = Engine(architecture, len(window) - 1, training=True, noise=False)
        engine.start(carried)
        _, gradients = engine.gradients(weights, window[:-1], window[1:])
        found += gradients * gradients
        carried = engine.after()
    found /= len(starts)
    return _lifted(architecture, found)


def _lifted(architecture: Architecture, squares: Array) -> Array:
    """Raise each square, in place, to a share of the mean of its array."""
    for view in architecture.named(squares).values():
        np.maximum(view, _LEAST * mean(view) or 1.0, out=view)
    return squares


def _power(x: float, n: int) -> float:
    """x ** n by products alone: the power of the C library has other bits elsewhere."""
    found = 1.0
    while n:
        found = found * x if n % 2 else found
        x *= x
        n //= 2
    return found


def adapt(
    architecture: Architecture, weights: Array, squares: Array, ids: Ids, rate: float, window: int | None = None
) -> Adaptation:
    """Read a text, `seq_length` symbols at a time, and learn from them after they have been predicted.

    Parameters
    ----------
    architecture : Architecture
        The network. Nothing is dropped or smoothed.
    weights : ndarray, (P,)
        Flat weights; they stay as they are.
    squares : ndarray, (P,)
        The mean squared gradients of training: each weight steps by rate * gradient / sqrt(square).
    ids : ndarray of int32, (N,)
        The text.
    rate : float
        The learning rate, above 0.
    window : int or None, default None
        Predictions after which the state is zero again; what has been learned stays. None carries it to the end.

    Returns
    -------
    Adaptation
        The loss, and the weights in the end.

    Raises
    ------
    TrainingDivergedError
        If a loss or a weight is not finite, or if the text is predicted far worse than by guessing.

    References
    ----------
    B. Krause, E. Kahembwe, I. Murray and S. Renals (2018). Dynamic evaluation of neural sequence models. International
    Conference on Machine Learning, 2766-2775. arXiv:1709.07432.

    Examples
    --------
    >>> small = Architecture("rnn", n_symbols=4, hidden_size=8, seq_length=5)
    >>> weights = small.initial(np.random.default_rng(0))
    >>> ids = np.array([0, 1, 2, 3] * 200, np.int32)
    >>> round(adapt(small, weights, np.ones_like(weights), ids, rate=0.2).nats, 1), round(float(np.log(4)), 1)
    (0.2, 1.4)
    """
    architecture.check(ids)
    own = aligned(weights.size, weights.dtype)
    own[:] = weights
    windows = _windows(ids, architecture.seq_length, window)
    losses = np.empty(windows.steps.size)
    _read(architecture, own, squares, windows, rate, losses)
    nats = math.fsum(losses) / (len(ids) - 1)
    first = float(losses[0]) / int(windows.steps[0])  # which no step has touched
    if not np.isfinite(own).all() or nats > max(first, _FAR * math.log(architecture.n_symbols)):
        raise TrainingDivergedError(losses.size)
    return Adaptation(nats, own)


def _windows(ids: Ids, T: int, window: int | None) -> Windows:
    """The text of one stream in windows of at most T steps, none of them across a place where the state is zero."""
    N = len(ids) - 1
    between = window or N  # steps from one zero state to the next
    starts = (np.arange(0, N, between)[:, None] + np.arange(0, between, T)).ravel()
    starts = starts[starts < N]
    steps = np.diff(starts, append=N).astype(np.int32)
    return Windows(ids[:-1], ids[1:], steps, (starts % between == 0).astype(np.uint8)[:, None])


def _read(
    architecture: Architecture, weights: Array, squares: Array, windows: Windows, rate: float, losses: Floats
) -> None:
    """Change the weights in place by an update for each loss, in slices, so that signals have their turn."""
    engine = Engine(architecture, architecture.seq_length, training=True, noise=False)
    engine.start()
    none = aligned(0, architecture.precision.moments)
    v = aligned(squares.size, architecture.precision.moments)
    v[:] = squares
    numbers, run = record(Numbers(rate, math.inf, 0.0, 0.0, decay=1.0, eps=1e-30)), record(Run())
    done, at, size = 0, 0, 1
    while done < losses.size:
        begin = time.perf_counter()
        n = min(size, losses.size - done)
        steps = windows.steps[done : done + n]
        end = at + int(steps.sum())
        part = Windows(windows.x[at:end], windows.y[at:end], steps, windows.fresh[done : done + n])
        update = Update(_RULE, numbers, np.full(n, float(rate)), none, v, aligned(0, weights.dtype))
        engine.train(weights, part, update, run, losses[done : done + n])
        done, at = done + n, end
        if int(run["n_updates"][0]) < done:
            raise TrainingDivergedError(int(run["n_updates"][0]))
        size = max(1, min(2 * size, int(n * SLICE / max(time.perf_counter() - begin, 1e-6))))
