"""What training changes: weights, moments, carried state and counters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from pycharrnn.arrays import Array
from pycharrnn.network.memory import aligned


class Rule(Protocol):
    """What a network needs to know of an optimiser: see `optim`."""

    @property
    def name(self) -> str: ...
    @property
    def moments(self) -> tuple[str, ...]: ...
    @property
    def start(self) -> float: ...
    @property
    def sums(self) -> bool: ...
    def options(self) -> dict[str, Any]: ...


class Best(NamedTuple):
    """The weights that are kept: those of the lowest loss on the validation text or, without one, on the training text.

    Attributes
    ----------
    n_updates : int
        Updates that they have made.
    smooth_loss : float
        The smooth loss then, in nats per `seq_length` characters; infinite before the first update.
    validation_loss : float or None
        Nats per character of the validation text.
    training_loss : float or None
        Nats per character of the training text, or of some 16,000 characters spread evenly over a longer one.
    """

    n_updates: int
    smooth_loss: float
    validation_loss: float | None = None
    training_loss: float | None = None


class Squares(NamedTuple):
    """How large the squares of gradients were that a rule has kept: the mean of each array of v."""

    rule: str
    means: dict[str, float]


@dataclass
class State:
    """All that training changes: weights, moments, carried state and counters. Flat vectors, padding included."""

    params: Array
    best: Array
    m: Array
    v: Array
    carried: npt.NDArray[Any]  # (L, states, B, H)
    counts: npt.NDArray[np.int64]  # position in the text, updates made, seed, shift
    scalars: npt.NDArray[np.float64]  # smooth loss, negative before the first update; two powers of Adam
    rule: str  # whose moments m and v are; empty: there are none yet
    kept: Best  # what is known of the best weights
    squares: Squares | None = None  # of a state from a file: what is known of the v that it had

    def __setstate__(self, values: dict[str, Any]) -> None:
        """Take arrays as they come, mapped from a file and read-only perhaps, but none that lie across their items."""
        for name, value in values.items():
            setattr(self, name, np.require(value, None, "A") if isinstance(value, np.ndarray) else value)

    @property
    def n_updates(self) -> int:
        return int(self.counts[1])

    @property
    def position(self) -> int:
        """Characters of the text read in the current epoch."""
        return int(self.counts[0])

    @property
    def smooth_loss(self) -> float:
        """In nats per T characters; infinite before the first update."""
        return float(self.scalars[0]) if self.scalars[0] >= 0 else np.inf

    def restart(self) -> None:
        """Begin a text: from its start, with a smooth loss and a best model of its own."""
        self.counts[0] = 0
        self.scalars[0] = -1
        self.keep()

    def reach(self, n_updates: int, smooth_loss: float | None, **losses: float | None) -> None:
        """Become the state of a run whose best weights, read from a file, are all that is left of it."""
        self.counts[1] = n_updates
        self.scalars[0] = -1 if smooth_loss is None else smooth_loss
        self.kept = Best(n_updates, self.smooth_loss, **losses)

    def keep(self, training: float | None = None, validation: float | None = None) -> None:
        """Take the present weights for the best: they have these losses, in nats per character."""
        self.best[:] = self.params
        known = (nats if nats is not None and math.isfinite(nats) else None for nats in (validation, training))
        self.kept = Best(self.n_updates, self.smooth_loss, *known)

    def recover(self) -> None:
        """Go back to the best weights, with no moments: what came after them is worth nothing."""
        self.params[:] = self.best
        self.rule = ""

    def copy(self) -> State:
        params, best, m, v = (aligned(old.size, old.dtype) for old in (self.params, self.best, self.m, self.v))
        carried, counts, scalars = self.carried.copy(), self.counts.copy(), self.scalars.copy()
        new = State(params, best, m, v, carried, counts, scalars, self.rule, self.kept)
        new.assign(self)
        return new

    def assign(self, other: State) -> None:
        """Take the values of `other`, in place."""
        for name in ("params", "best", "m", "v", "carried", "counts", "scalars"):
            getattr(self, name)[:] = getattr(other, name)
        self.kept = other.kept
