"""How well a network predicts a text."""

from __future__ import annotations

import math
from typing import NamedTuple, Self

from pycharrnn.arrays import Array, Floats, Ids
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.scoring import cold_losses, streamed_losses


class Evaluation(NamedTuple):
    """How well a model predicts a text, per character.

    Attributes
    ----------
    nats : float
        The mean of -log p, with the natural logarithm.
    bits : float
        The same with the logarithm to base 2.
    perplexity : float
        exp(nats): a guess among so many equally likely characters would be as hard.
    n_characters : int
        Characters that were predicted.

    Examples
    --------
    >>> import numpy as np
    >>> Evaluation.of(np.log([2.0, 8.0]))
    Evaluation(nats=1.3862943611198906, bits=2.0, perplexity=4.0, n_characters=2)
    """

    nats: float
    bits: float
    perplexity: float
    n_characters: int

    @classmethod
    def of(cls, losses: Floats) -> Self:
        """Sum up the losses of a text, nats of each prediction."""
        return cls.of_mean(float(losses.mean()), len(losses))

    @classmethod
    def of_mean(cls, nats: float, n_characters: int) -> Self:
        """Say it of a text of so many predictions with this mean loss."""
        perplexity = math.exp(nats) if nats < 700 else math.inf
        return cls(nats, nats / math.log(2), perplexity, n_characters)


def losses(architecture: Architecture, weights: Array, ids: Ids, window: int | None, unsmooth: float = 0.0) -> Floats:
    """Predict each symbol after the first from all before it, or from those of its window: nats of each, (N - 1,).

    `unsmooth` is the part of the label smoothing that is taken off.

    Examples
    --------
    >>> import numpy as np
    >>> small = Architecture("rnn", n_symbols=4, hidden_size=8, seq_length=5)
    >>> weights = small.initial(np.random.default_rng(0))
    >>> found = losses(small, weights, np.array([0, 1, 2, 3] * 10, np.int32), None)
    >>> len(found), round(Evaluation.of(found).perplexity)
    (39, 4)
    """
    if unsmooth * architecture.label_smoothing > 0:
        from pycharrnn.network.unsmoothing import unsmoothed_losses  # only now: few models need it

        return unsmoothed_losses(architecture, weights, ids, window, unsmooth)
    if window is None:
        return streamed_losses(architecture, weights, ids)
    return cold_losses(architecture, weights, ids, window)
