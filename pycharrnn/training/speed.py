"""How fast this machine trains a network."""

from __future__ import annotations

import math
import time

import numpy as np

from pycharrnn.arrays import Ids
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.memory import aligned
from pycharrnn.network.state import Rule, State
from pycharrnn.training.trainer import Trainer

_MOST = 12  # updates that are timed


def characters_per_second(
    architecture: Architecture, rule: Rule, ids: Ids, batch_size: int, n_threads: int | None, max_seconds: float
) -> float:
    """Time a few updates of a network, and forget it.

    Parameters
    ----------
    architecture : Architecture
        The network.
    rule : Rule
        The optimiser.
    ids : ndarray of int32
        The text.
    batch_size : int
        Streams that are read at once.
    n_threads : int or None
        As of `Trainer`.
    max_seconds : float
        No update begins after so long; at least one is timed.

    Returns
    -------
    float
        Characters that the fastest of the updates would read in a second.

    Examples
    --------
    >>> from pycharrnn.training.descent import Descent
    >>> from pycharrnn.training.optimizers import Adam
    >>> small = Architecture("gru", n_symbols=3, hidden_size=4, seq_length=5)
    >>> rule, ids = Descent(Adam(), None, None, None), np.arange(30, dtype=np.int32) % 3
    >>> characters_per_second(small, rule, ids, 2, 1, max_seconds=0.01) > 0
    True
    """
    begin = time.perf_counter()
    weights = aligned(architecture.layout.size, architecture.precision.weights)  # zeros: no update is faster for it
    trainer = Trainer(architecture, State.begin(architecture, weights, rule, batch_size), rule, ids, n_threads)
    fastest = math.inf
    try:
        for _ in range(_MOST):
            now = time.perf_counter()
            trainer.advance(np.empty(1), np.empty(1), 0.0)
            fastest = min(fastest, time.perf_counter() - now)
            if time.perf_counter() - begin > max_seconds:
                break
    finally:
        trainer.close()
    return min(architecture.seq_length * batch_size, len(ids) - 1) / fastest
