"""When a training ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self


@dataclass
class Budget:
    """When a training ends: by whichever of its limits comes first.

    Parameters
    ----------
    epochs, max_updates : int or None, default None
        Passes over the text, and updates. None is no limit.
    max_seconds : float or None, default None
        Time since the training began, in seconds.

    Raises
    ------
    ValueError
        If there is no limit.

    Examples
    --------
    >>> budget = Budget(epochs=4, max_seconds=25.0)
    >>> print(budget)
    25 s or 4 epochs
    >>> budget.updates(per_epoch=100)
    400
    """

    epochs: int | None = None
    max_updates: int | None = None
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.epochs is None and self.max_updates is None and self.max_seconds is None:
            raise ValueError("training would never end: give at least one of epochs, max_updates and max_seconds")

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Self:
        """The budget that a model's parameters make."""
        return cls(**{field.name: parameters[field.name] for field in fields(cls)})

    def __str__(self) -> str:
        limits = {"s": self.max_seconds, "updates": self.max_updates, "epochs": self.epochs}
        given = (f"{most:,} {unit}" for unit, most in limits.items() if most is not None)
        return " or ".join(given).replace(".0 s", " s")

    def updates(self, per_epoch: int) -> int | None:
        """Updates after which it ends, or None where only time limits it; `per_epoch` of them are one pass."""
        limits = [self.max_updates, None if self.epochs is None else self.epochs * per_epoch]
        return min((n for n in limits if n is not None), default=None)
