"""Losses of a network that was trained with label smoothing, with a part of the smoothing taken off its shares."""

from __future__ import annotations

import numpy as np

from pycharrnn.arrays import Array, Floats, Ids
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.engine import Engine
from pycharrnn.network.workspace import affordable_steps

_LEAST = 0.1  # of each share stays at least: a symbol that was learned as less likely than noise is still possible


def unsmoothed_losses(architecture: Architecture, weights: Array, ids: Ids, window: int | None, part: float) -> Floats:
    """Return the losses of a text that one stream reads, after a part of the label smoothing has been taken off.

    Of smoothed labels a network learns q = (1 - e) p + e / K. Taking off the part s gives
    p = max(q - s e / K, q / 10) / Z, where Z is the sum over all K symbols.

    Parameters
    ----------
    architecture : Architecture
        What reads the text.
    weights : ndarray, (P,)
        Flat weights.
    ids : ndarray of int32, (N,)
        The symbols.
    window : int or None
        The state is zero again after so many predictions. None carries it to the end.
    part : float
        The part s, in [0, 1).

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
    >>> lab = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5, label_smoothing=0.1)
    >>> weights, ids = lab.initial(np.random.default_rng(0)), np.array([0, 1, 2, 0, 1], np.int32)
    >>> unsmoothed_losses(lab, weights, ids, None, 0.5).round(1)
    array([1.1, 1.1, 1.1, 1.1])
    """
    architecture.check(ids)
    found = np.empty(len(ids) - 1)
    between = window or max(1, found.size)  # predictions from one zero state to the next
    most = max(1, min(architecture.chunk_size, between, found.size))
    engine = Engine(architecture, affordable_steps(architecture, 1, most))
    noise = part * architecture.label_smoothing / architecture.n_symbols
    for begin in range(0, found.size, between):
        engine.start()
        end = min(begin + between, found.size)
        for start in range(begin, end, engine.T):
            nats = found[start : min(start + engine.T, end)]
            engine.read(weights, ids[start : start + nats.size + 1], nats)
            nats += _more(engine.predictions()[: nats.size], nats, noise)
    return found


def _more(shares: Array, nats: Floats, noise: float) -> Floats:
    """What the nats of the true symbols grow by, (n,), when so much noise is taken off shares, (n, K)."""
    q = shares.astype(np.float64)
    z = np.maximum(q - noise, _LEAST * q).sum(axis=1)
    kept = np.maximum(1 - noise * np.exp(np.minimum(nats, 600)), _LEAST)  # of the true symbol's share
    more: Floats = np.log(z / kept)
    return more
