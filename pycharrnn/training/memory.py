"""What a judge remembers from one look to the next, and what it has found of n-grams."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple


@dataclass
class Memory:
    """What a judge remembers from one look to the next.

    Attributes
    ----------
    lowest : float
        The lowest loss so far, in nats per character.
    improved : bool
        Whether some weights were better than those of the start.
    waited : int
        Looks since the lowest loss.
    diverged : int
        Looks in a row that found a divergence.
    looked : int or None
        Updates that had been made at the last look.
    seconds : float or None
        What the last look took.
    most : int
        Symbols that a look reads; 0 while the speed is not known.
    """

    lowest: float = math.inf
    improved: bool = False
    waited: int = 0
    diverged: int = 0
    looked: int | None = None
    seconds: float | None = None
    most: int = 0


class Mixture(NamedTuple):
    """What a text has found of n-grams beside the network.

    Attributes
    ----------
    share : float
        Their share.
    loss : float or None
        The loss of the mixture, in nats per character.
    """

    share: float
    loss: float | None
