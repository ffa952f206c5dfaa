"""Optimisers: the numbers of each update rule. The rules themselves are kernels, fused with clipping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Rule:
    name: ClassVar[str]
    moments: ClassVar[tuple[str, ...]] = ()  # which of the vectors m and v the rule keeps
    start: ClassVar[float] = 0.0  # what v starts from
    rate: ClassVar[float] = 0.01  # the learning rate when none is given
    sums: ClassVar[bool] = False  # v is a sum over all updates, not a mean of the last ones
    sparse: ClassVar[bool] = False  # a zero gradient changes nothing, so that rows not read need no step

    def numbers(self) -> dict[str, float]:
        """The rule's own numbers by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class SGD(_Rule):
    """Stochastic gradient descent: ``p -= rate * g``."""

    name: ClassVar[str] = "sgd"
    rate: ClassVar[float] = 0.005
    sparse: ClassVar[bool] = True


@dataclass(frozen=True)
class Momentum(_Rule):
    """Gradient descent with momentum (Polyak 1964): ``m = momentum * m + g``, ``p -= rate * m``."""

    name: ClassVar[str] = "momentum"
    moments: ClassVar[tuple[str, ...]] = ("m",)
    rate: ClassVar[float] = 0.0005
    momentum: float = 0.9


@dataclass(frozen=True)
class AdaGrad(_Rule):
    """AdaGrad (Duchi et al. 2011): ``v += g**2``, ``p -= rate * g / sqrt(v + eps)``."""

    name: ClassVar[str] = "adagrad"
    moments: ClassVar[tuple[str, ...]] = ("v",)
    rate: ClassVar[float] = 0.1
    start: ClassVar[float] = 1e-30  # drowned by eps, and no sum of tiny squares is subnormal
    sums: ClassVar[bool] = True
    sparse: ClassVar[bool] = True
    eps: float = 1e-8


@dataclass(frozen=True)
class RMSProp(_Rule):
    """RMSProp (Tieleman and Hinton 2012): ``v = decay * v + (1 - decay) * g**2``, then as AdaGrad."""

    name: ClassVar[str] = "rmsprop"
    moments: ClassVar[tuple[str, ...]] = ("v",)
    rate: ClassVar[float] = 0.002
    decay: float = 0.9
    eps: float = 1e-8


@dataclass(frozen=True)
class Adam(_Rule):
    """Adam (Kingma and Ba 2015): bias-corrected means m of g and v of g**2, ``p -= rate * m / (sqrt(v) + eps)``."""

    name: ClassVar[str] = "adam"
    moments: ClassVar[tuple[str, ...]] = ("m", "v")
    rate: ClassVar[float] = 0.002
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8


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
Optimizer = SGD | Momentum | AdaGrad | RMSProp | Adam
OPTIMIZERS: dict[str, type[Optimizer]] = {rule.name: rule for rule in (SGD, Momentum, AdaGrad, RMSProp, Adam)}


@dataclass(frozen=True)
class Update:
    """A rule with the learning rate and the clipping of a run, in the form that the kernels take."""

    rule: Optimizer
    rate: float | None
    clip_value: float | None
    clip_norm: float | None
    weight_decay: float = 0.0

    @property
    def name(self) -> str:
        return self.rule.name

    @property
    def moments(self) -> tuple[str, ...]:
        return self.rule.moments

    @property
    def start(self) -> float:
        return self.rule.start

    @property
    def sums(self) -> bool:
        return self.rule.sums

    def options(self) -> dict[str, Any]:
        clip = float("inf") if self.clip_value is None else self.clip_value
        hyper = dict.fromkeys(("momentum", "decay", "eps", "beta1", "beta2", "correction1", "correction2"), 0.0)
        hyper |= self.rule.numbers() | {"rate": self.rule.rate if self.rate is None else self.rate, "clip": clip}
        sparse = self.rule.sparse and not self.weight_decay  # which changes all
        return {"sparse": sparse, "clip_norm": self.clip_norm or 0.0, "weight_decay": self.weight_decay, "hyper": hyper}
