"""Optimisers: the numbers of each update rule. The rules themselves are kernels, fused with clipping."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar


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
