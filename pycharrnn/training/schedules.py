"""Schedules: how the learning rate changes over the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np

from pycharrnn.arguments import Integer, Real, Several
from pycharrnn.arrays import Floats
from pycharrnn.errors import ParameterValueError
from pycharrnn.messages import shown
from pycharrnn.tables import Checked

__all__ = ["Constant", "Cosine", "Plateau", "Step"]

ScheduleName = Literal["constant", "cosine", "step", "plateau"]
_SHARE = Real(zero=True, below=1)


def _cosine(share: Floats) -> Floats:
    """cos(pi x) of x from 0 to 1, by its series. Weights depend on it, and the bits of `np.cos` on the machine."""
    x = np.pi * np.minimum(share, 1 - share)
    series = np.ones_like(share)
    for n in range(22, 0, -2):  # 1 - x^2 / 2! + ..., up to the 22nd power
        series = 1 - x * x / (n * (n - 1)) * series
    return np.where(share > 0.5, -series, series)


class Schedule(Checked):
    """What multiplies the learning rate at each point of the budget. The schedules differ in what follows the warm-up.

    Attributes
    ----------
    name : str
        What `CharRNN(schedule=...)` and files call it.
    warmup : float
        The share of the budget, at least 0 and below 1, in which the learning rate rises linearly from 0.

    Examples
    --------
    >>> Schedule.of("cosine")
    Cosine(warmup=0.02, final=0.02)
    >>> Schedule.of("step").factors(np.array([0.0, 0.6, 0.8]), []).tolist()
    [1.0, 0.3, 0.09]
    """

    name: ClassVar[ScheduleName]
    warmup: float

    @classmethod
    def of(cls, schedule: Schedule | ScheduleName | None) -> Schedule:
        """Make a schedule of a name.

        Parameters
        ----------
        schedule : Schedule, {"constant", "cosine", "step", "plateau"} or None
            The schedule or its name. None is a constant rate.

        Returns
        -------
        Schedule
            The schedule itself, or the one of that name with its default numbers.
        """
        return schedule if isinstance(schedule, Schedule) else SCHEDULES[schedule or "constant"]()

    def factors(self, progress: Floats, validation: Sequence[float]) -> Floats:
        """Compute what multiplies the learning rate of some updates.

        Parameters
        ----------
        progress : ndarray of float64, (n,)
            The share of the budget that is spent before each update, from 0 to 1.
        validation : sequence of float
            The losses of the validation text so far, in nats per character.

        Returns
        -------
        ndarray of float64, (n,)
            A factor for each update.
        """
        rising = np.minimum(1.0, progress / self.warmup) if self.warmup else np.ones_like(progress)
        return np.asarray(rising * self.after_warmup(progress, validation))

    def after_warmup(self, progress: Floats, validation: Sequence[float]) -> Floats | float:
        """Compute the factors without the warm-up.

        Parameters
        ----------
        progress : ndarray of float64, (n,)
            As of `factors`.
        validation : sequence of float
            As of `factors`.

        Returns
        -------
        ndarray of float64, (n,), or float
            A factor for each update, or one for all of them.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(Schedule):
    """The same learning rate all the way, after the warm-up.

    Parameters
    ----------
    warmup : float, default 0.0
        The share of the budget, at least 0 and below 1, in which the learning rate rises linearly from 0.

    Raises
    ------
    ValueError
        If a number is out of its range.
    TypeError
        If it is not a number.

    Examples
    --------
    >>> Constant(warmup=0.5).factors(np.array([0.0, 0.25, 0.5, 1.0]), [])
    array([0. , 0.5, 1. , 1. ])
    """

    name: ClassVar[ScheduleName] = "constant"
    warmup: Annotated[float, _SHARE] = 0.0

    def after_warmup(self, progress: Floats, validation: Sequence[float]) -> float:
        return 1.0


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from the full learning rate down to a small one.

    Parameters
    ----------
    warmup : float, default 0.02
        The share of the budget, at least 0 and below 1, in which the learning rate rises linearly from 0.
    final : float, default 0.02
        The factor at the end of the budget, at least 0.

    Raises
    ------
    ValueError
        If a number is out of its range.
    TypeError
        If it is not a number.

    Notes
    -----
    For the progress x from 0 to 1 and the warm-up w, from w on::

        factor = final + (1 - final) (1 + cos(pi (x - w) / (1 - w))) / 2

    References
    ----------
    I. Loshchilov and F. Hutter (2017). SGDR: Stochastic gradient descent with warm restarts. International Conference
    on Learning Representations. arXiv:1608.03983.

    Examples
    --------
    >>> Cosine(warmup=0.0, final=0.0).factors(np.array([0.0, 0.5, 1.0]), []).round(3)
    array([1. , 0.5, 0. ])
    """

    name: ClassVar[ScheduleName] = "cosine"
    warmup: Annotated[float, _SHARE] = 0.02
    final: Annotated[float, Real(zero=True)] = 0.02

    def after_warmup(self, progress: Floats, validation: Sequence[float]) -> Floats:
        down = np.clip((progress - self.warmup) / (1 - self.warmup), 0, 1)
        return np.asarray(self.final + (1 - self.final) * (1 + _cosine(down)) / 2)


@dataclass(frozen=True)
class Step(Schedule):
    """A learning rate that drops at some points of the budget.

    Parameters
    ----------
    warmup : float, default 0.0
        The share of the budget, at least 0 and below 1, in which the learning rate rises linearly from 0.
    at : tuple of float, default (0.5, 0.75, 0.9)
        The shares of the budget, from 0 to 1, at which the learning rate changes.
    factor : float, default 0.3
        What multiplies the learning rate at each, above 0.

    Raises
    ------
    ValueError
        If a number is out of its range.
    TypeError
        If it is not a number.

    Examples
    --------
    >>> Step(at=(0.5,), factor=0.1).factors(np.array([0.0, 0.4, 0.5, 1.0]), [])
    array([1. , 1. , 0.1, 0.1])
    """

    name: ClassVar[ScheduleName] = "step"
    warmup: Annotated[float, _SHARE] = 0.0
    at: Annotated[tuple[float, ...], Several(Real(zero=True))] = (0.5, 0.75, 0.9)
    factor: Annotated[float, Real()] = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(share > 1 for share in self.at):
            raise ParameterValueError("at", f"must be shares of the budget, from 0 to 1, got {shown(self.at)}")
        object.__setattr__(self, "at", tuple(self.at))  # of a list, or an array

    def after_warmup(self, progress: Floats, validation: Sequence[float]) -> Floats:
        factor = np.ones_like(progress)
        for share in self.at:
            factor = np.where(progress >= share, factor * self.factor, factor)
        return factor


@dataclass(frozen=True)
class Plateau(Schedule):
    """A learning rate that drops each time that the validation loss has stopped falling.

    Without a validation text the learning rate stays the same.

    Parameters
    ----------
    warmup : float, default 0.0
        The share of the budget, at least 0 and below 1, in which the learning rate rises linearly from 0.
    factor : float, default 0.5
        What multiplies the learning rate each time, above 0.
    patience : int, default 2
        The learning rate drops after so many validation losses in a row without a new lowest one, at least 1.

    Raises
    ------
    ValueError
        If a number is out of its range.
    TypeError
        If it is not a number.

    Examples
    --------
    >>> Plateau().factors(np.array([0.7]), validation=[2.5, 2.2, 2.3, 2.4])
    array([0.5])
    """

    name: ClassVar[ScheduleName] = "plateau"
    warmup: Annotated[float, _SHARE] = 0.0
    factor: Annotated[float, Real()] = 0.5
    patience: Annotated[int, Integer(1, 2**62)] = 2

    def after_warmup(self, progress: Floats, validation: Sequence[float]) -> float:
        factor = 1.0
        lowest = np.inf
        waiting = 0  # losses since the lowest one
        for loss in validation:
            waiting = 0 if loss < lowest else waiting + 1
            lowest = min(lowest, loss)
            if waiting == self.patience:
                waiting = 0
                factor *= self.factor
        return factor


SCHEDULES: dict[str, type[Schedule]] = {kind.name: kind for kind in (Constant, Cosine, Step, Plateau)}
