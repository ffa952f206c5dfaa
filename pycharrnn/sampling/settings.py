"""How texts are drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pycharrnn.arrays import Floats, Ids
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.records import Drawing, Record, record


class Mixture(NamedTuple):
    """What predicts the next symbol beside the network.

    Parameters
    ----------
    share : float in [0, 1]
        Its share in the mixture; the network has the rest.
    reach : int
        How many symbols it looks back.
    following : callable
        ``following(context)`` gives the probabilities of all symbols after these, (K,).

    Examples
    --------
    >>> guess = Mixture(0.25, 2, lambda context: np.full(4, 0.25))
    >>> guess.remember(np.array([3, 1]), np.array([2]))
    array([1, 2])
    >>> guess.mix(np.array([1.0, 0.0, 0.0, 0.0]), np.array([1, 2]))
    array([0.8125, 0.0625, 0.0625, 0.0625])
    """

    share: float
    reach: int
    following: Callable[[Ids], Floats]

    def remember(self, context: Ids, more: Ids) -> Ids:
        """What counts of a context and of more symbols after it."""
        context = np.concatenate([context, more])
        return context[max(0, context.size - self.reach) :]

    def mix(self, network: Floats, context: Ids) -> Floats:
        """The probabilities of all symbols after a context, (K,), from those of the network."""
        return self.share * self.following(context) + (1 - self.share) * network


class Sampling(NamedTuple):
    """The settings by which symbols are drawn: one object from `CharRNN.sample` to the kernel.

    Parameters
    ----------
    length : int or None, default None
        Symbols of a text. None is `DEFAULT_LENGTH` for running text; a document is then written to its end, which must
        come within `LONGEST` symbols.
    temperature : float in [0, inf), default 1.0
        What the logits are divided by; 0 takes the likeliest symbol.
    mixture : Mixture or None, default None
        What the network is mixed with. The temperature is that of the mixture: p becomes p ** (1 / temperature).

    Examples
    --------
    >>> Sampling(temperature=0.5)
    Sampling(length=None, temperature=0.5, mixture=None)
    """

    length: int | None = None
    temperature: float = 1.0
    mixture: Mixture | None = None

    def drawing(self, architecture: Architecture, whole: bool) -> Record:
        """Return the record by which the kernel draws; a `whole` document ends with its end symbol.

        With a mixture the kernel only predicts: the temperature comes later.
        """
        temperature = float(self.temperature) if self.mixture is None else 1.0
        return record(Drawing(temperature, architecture.label_smoothing, whole))


def draw(p: Floats, temperature: float, u: float) -> int:
    """Return the index whose share of p ** (1 / temperature) covers u in [0, 1), as the kernel does for logits.

    Examples
    --------
    >>> p = np.array([0.25, 0.5, 0.25])
    >>> [draw(p, 1.0, u) for u in (0.0, 0.249, 0.25, 0.75)], draw(p, 0.0, 0.9), draw(p, 0.5, 0.2)
    ([0, 0, 1, 2], 1, 1)
    """
    likeliest = int(p.argmax())
    if temperature == 0:
        return likeliest
    below = np.cumsum(p if temperature == 1 else (p / p[likeliest]) ** (1 / temperature))
    return int(below.searchsorted(u * below[-1], side="right"))  # u times the sum is below the sum, however rounded


DEFAULT_LENGTH = 200
LONGEST = 10_000  # some models never come to an end
