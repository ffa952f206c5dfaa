"""Schedules: how the learning rate changes over the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from pycharrnn.training.history import Floats


def _cosine(share: Floats) -> Floats:
    """cos(pi x) of x from 0 to 1, by its series. Rates make weights: `np.cos` has other bits on other machines."""
    x, series = np.pi * np.minimum(share, 1 - share), np.ones_like(share)
    for n in range(22, 0, -2):  # 1 - x^2 / 2! + ..., up to the 22nd power
        series = 1 - x * x / (n * (n - 1)) * series
    return np.where(share > 0.5, -series, series)


@dataclass(frozen=True)
class _Schedule:
    name: ClassVar[str] = "constant"
    warmup: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup must be a share of the budget, at least 0 and below 1, got {self.warmup!r}")

    def numbers(self) -> dict[str, Any]:
        """The schedule's own numbers by name, as JSON has them."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def factors(self, progress: Floats, validation: Sequence[float]) -> Floats:
        """What multiplies the learning rate at each progress, from 0 at the start to 1 at the end of the budget.

        `validation` has the losses of the validation text so far.
        """
        rising = np.minimum(1.0, progress / self.warmup) if self.warmup else np.ones_like(progress)
        return np.asarray(rising * self._after_warmup(progress, validation))

    def _after_warmup(self, progress: Floats, validation: Sequence[float]) -> Floats | float:
        return 1.0


@dataclass(frozen=True)
class Constant(_Schedule):
    """The same learning rate all the way, after a linear rise in the `warmup` share of the budget."""


@dataclass(frozen=True)
class Cosine(_Schedule):
    """Half a cosine (Loshchilov and Hutter 2017) from 1 down to `final`, after a linear rise in the `warmup` share."""

    name: ClassVar[str] = "cosine"
    warmup: float = 0.02
    final: float = 0.02

    def _after_warmup(self, progress: Floats, validation: Sequence[float]) -> Floats:
        down = np.clip((progress - self.warmup) / (1 - self.warmup), 0, 1)
        return np.asarray(self.final + (1 - self.final) * (1 + _cosine(down)) / 2)


@dataclass(frozen=True)
class Step(_Schedule):
    """A `factor` at each of the shares `at` of the budget."""

    name: ClassVar[str] = "step"
    at: tuple[float, ...] = (0.5, 0.75, 0.9)
    factor: float = 0.3

    def _after_warmup(self, progress: Floats, validation: Sequence[float]) -> Floats:
        factor = np.ones_like(progress)
        for share in self.at:
            factor = np.where(progress >= share, factor * self.factor, factor)
        return factor


@dataclass(frozen=True)
class Plateau(_Schedule):
    """A `factor` each time the validation loss has not fallen to a new low for `patience` times in a row."""

    name: ClassVar[str] = "plateau"
    factor: float = 0.5
    patience: int = 2

    def _after_warmup(self, progress: Floats, validation: Sequence[float]) -> float:
        lowest, waiting, factor = np.inf, 0, 1.0
        for loss in validation:
            waiting = 0 if loss < lowest else waiting + 1
            lowest = min(lowest, loss)
            if waiting == self.patience:
                waiting, factor = 0, factor * self.factor
        return factor


Schedule = Constant | Cosine | Step | Plateau


SCHEDULES: dict[str, type[Schedule]] = {rule.name: rule for rule in (Constant, Cosine, Step, Plateau)}
