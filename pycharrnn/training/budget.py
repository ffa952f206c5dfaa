"""When a training ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from pycharrnn.messages import Message, advice


@dataclass
class Budget:
    """When a training ends: by whichever of its limits comes first.

    Parameters
    ----------
    epochs : int or None, default None
        Passes over the text, at least 1. None is no limit.
    max_updates : int or None, default None
        Updates, at least 1.
    max_seconds : float or None, default None
        Time since the training began, in seconds, above 0.

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
            limits = advice("give at least one of {epochs}, {max_updates} and {max_seconds}")
            raise ValueError(Message("training would never end: ", limits))
        if self.max_seconds is not None:
            self.max_seconds = float(self.max_seconds)

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Self:
        """Make the budget of a model from its parameters.

        Parameters
        ----------
        parameters : mapping of str to object
            `epochs`, `max_updates` and `max_seconds`, among others: what `CharRNN.get_params` returns.

        Returns
        -------
        Budget
            The budget.

        Raises
        ------
        ValueError
            If there is no limit.

        Examples
        --------
        >>> print(Budget.of({"hidden_size": 100, "epochs": 4, "max_updates": None, "max_seconds": None}))
        4 epochs
        """
        return cls(**{field.name: parameters[field.name] for field in fields(cls)})

    def __str__(self) -> str:
        limits = {"s": self.max_seconds, "updates": self.max_updates, "epochs": self.epochs}
        given = (f"{most:,} {unit}" for unit, most in limits.items() if most is not None)
        return " or ".join(given).replace(".0 s", " s")

    def updates(self, per_epoch: int) -> int | None:
        """Count the updates after which the training ends.

        Parameters
        ----------
        per_epoch : int
            Updates of one pass over the text.

        Returns
        -------
        int or None
            The updates. None if only time limits them.
        """
        limits = [self.max_updates, None if self.epochs is None else self.epochs * per_epoch]
        return min((n for n in limits if n is not None), default=None)
