"""Dynamic evaluation: a network learns from a text while it reads it."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import numpy as np

from pycharrnn.arrays import Array, Floats, Ids
from pycharrnn.errors import TrainingDivergedError
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.growth import mean
from pycharrnn.network.memory import aligned
from pycharrnn.network.records import Numbers
from pycharrnn.network.state import State
from pycharrnn.training.optimizers import OPTIMIZERS, Adam
from pycharrnn.training.trainer import SLICE, Trainer

_LEAST = 0.1  # times the mean of its array: what a square counts at least, or rare symbols would take huge steps


_FAR = 3  # times the loss of guessing


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


class _Step(NamedTuple):
    """The step of RMSProp with squares that stay as they are."""

    rate: float
    name: str = "rmsprop"
    moments: tuple[str, ...] = ("v",)
    start: float = 0.0
    sums: bool = False
    averages: bool = False

    def numbers(self) -> Numbers:
        return Numbers(self.rate, math.inf, 0.0, 0.0, decay=1.0, eps=1e-30)


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
    for view in architecture.named(found).values():
        np.maximum(view, _LEAST * mean(view) or 1.0, out=view)
    return found


def _power(x: float, n: int) -> float:
    """x ** n by products alone: the power of the C library has other bits elsewhere."""
    found = 1.0
    while n:
        found = found * x if n % 2 else found
        x *= x
        n //= 2
    return found


def adapt(architecture: Architecture, weights: Array, squares: Array, ids: Ids, rate: float) -> Adaptation:
    """Read a text, window by window, and learn from each window after it has been predicted.

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
    step = _Step(rate)
    own = aligned(weights.size, weights.dtype)
    own[:] = weights
    state = State.begin(architecture, own, step)
    state.v[:] = squares
    trainer = Trainer(architecture, state, step, ids, noise=False)
    losses = np.empty(trainer.updates_per_epoch)
    _read(trainer, losses)
    T = architecture.seq_length
    last = len(ids) - 1 - (losses.size - 1) * T  # symbols of the last window; losses are as of whole ones
    nats = (T * math.fsum(losses[:-1]) + last * float(losses[-1])) / T / (len(ids) - 1)
    first = float(losses[0]) / T  # which no step has touched
    if not np.isfinite(own).all() or nats > max(first, _FAR * math.log(architecture.n_symbols)):
        raise TrainingDivergedError(state.n_updates)
    return Adaptation(nats, own)


def _read(trainer: Trainer, losses: Floats) -> None:
    """Make an update for each loss, in slices, so that signals have their turn."""
    done, size = 0, 1
    while done < losses.size:
        begin = time.perf_counter()
        part = losses[done : done + size]
        trainer.advance(part, np.empty(part.size))
        done += part.size
        if trainer.state.n_updates < done:
            raise TrainingDivergedError(trainer.state.n_updates)
        size = max(1, min(2 * size, int(part.size * SLICE / max(time.perf_counter() - begin, 1e-6))))
