"""What goes on in a network while it reads a text: its states and its predictions after each symbol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pycharrnn.arrays import Array, Floats, Ids
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.engine import Engine
from pycharrnn.network.workspace import affordable_steps


class Steps(NamedTuple):
    """Some consecutive steps of a reading. The arrays are views, which the next steps overwrite.

    Attributes
    ----------
    start : int
        Which symbol the first of them reads.
    states : list of list of ndarray, (n, H)
        The states after each step, by layer and by state, in the order of the cell's `states`.
    shares : ndarray, (n, K)
        What each step predicts: the probabilities of all symbols.
    nats : ndarray of float64, (n,)
        The loss of the symbol that follows. NaN after the last symbol of the text.
    """

    start: int
    states: list[list[Array]]
    shares: Array
    nats: Floats


def watch(architecture: Architecture, weights: Array, ids: Ids) -> Iterator[Steps]:
    """Read a text, one stream, and yield its steps, so many at once as fit into the working memory.

    Parameters
    ----------
    architecture : Architecture
        What reads the text, from a zero state.
    weights : ndarray, (P,)
        Flat weights.
    ids : ndarray of int32, (N,)
        The symbols. All of them are read, the last one too.

    Yields
    ------
    Steps
        In order; together they have N steps.

    Raises
    ------
    TypeError, ValueError
        If the ids are no symbols of the architecture, or the weights not its.

    Examples
    --------
    >>> lab = Architecture("lstm", n_symbols=3, hidden_size=4, seq_length=5)
    >>> weights, ids = lab.initial(np.random.default_rng(0)), np.array([0, 1, 2, 0, 1], np.int32)
    >>> for steps in watch(lab, weights, ids):
    ...     [[h, c]] = steps.states
    ...     steps.start, h.shape, c.shape, steps.shares.shape, steps.nats.round(1)
    (0, (5, 4), (5, 4), (5, 3), array([1. , 1.2, 1. , 1. , nan]))
    """
    architecture.check(ids)
    N = len(ids)
    if not N:
        return
    followed = np.append(ids, ids[-1:])  # what the last step predicts is not known: any symbol will do
    engine = Engine(architecture, affordable_steps(architecture, 1, min(architecture.chunk_size, N)))
    engine.start()
    for start in range(0, N, engine.T):
        nats = np.empty(min(engine.T, N - start))
        n = nats.size
        engine.read(weights, followed[start : start + n + 1], nats)
        if start + n == N:
            nats[-1] = np.nan
        states = [[state[:n, 0] for state in layer] for layer in engine.states()]
        yield Steps(start, states, engine.predictions()[:n], nats)
