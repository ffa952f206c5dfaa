"""Back to the last good state after a loss that is not finite."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import numpy as np

from pycharrnn.arrays import Floats
from pycharrnn.errors import TrainingDivergedError
from pycharrnn.network.state import State
from pycharrnn.training.trainer import Trainer

_CUT = 0.3  # what multiplies the learning rate after a divergence
_MOST_CUTS = 5
_APART = 0.2  # seconds between two marks, at least
_COSTS = 200.0  # and so many times what a copy of the state takes


@dataclass
class _Mark:
    """A state to return to, and the factors of the learning rate in the updates after it."""

    state: State
    factors: list[Floats] = field(default_factory=list)


class Rollback:
    """Puts back the last good weights when a loss or a weight is not finite, and lowers the learning rate.

    It remembers two states of the last half second, or of the last seconds where a copy takes long. From one of them
    it repeats the updates up to the one before the bad one.

    Parameters
    ----------
    trainer : Trainer
        What is trained.
    factor : float, default 1.0
        What multiplied the learning rate before: less than 1 if the run goes on after divergences.

    Attributes
    ----------
    factor : float
        What multiplies the learning rate: 1, and 0.3 times as much after each divergence.
    """

    def __init__(self, trainer: Trainer, factor: float = 1.0) -> None:
        self.factor = factor
        self._trainer = trainer
        self._forget()

    def _forget(self) -> None:
        self._marks: list[_Mark] = []
        self._marked = -math.inf  # when the last mark was made
        self._cost = 0.0  # seconds that it took

    def mark(self, now: float) -> None:
        """Remember the present state, which is finite, unless the last mark is fresh; `now` is seconds of the run."""
        if now - self._marked > max(_APART, _COSTS * self._cost):
            begin = time.perf_counter()
            self._marks = [*self._marks[-1:], _Mark(self._trainer.state.copy())]
            self._marked = now
            self._cost = time.perf_counter() - begin

    def note(self, factors: Floats) -> None:
        """Remember what multiplies the learning rate of the next updates."""
        self._marks[-1].factors.append(factors)

    def recover(self) -> None:
        """Put back the weights before the last update, which was bad, and cut the learning rate.

        Raises
        ------
        TrainingDivergedError
            If it has been cut five times already.
        """
        state = self._trainer.state
        bad = state.n_updates
        marks = [mark for mark in self._marks if mark.state.n_updates < bad] or self._marks[:1]
        saved = marks[-1].state
        state.assign(saved)
        n = max(0, bad - 1 - saved.n_updates)
        later = self._marks[len(marks) - 1 :]
        factors = np.concatenate([factor for mark in later for factor in mark.factors])[:n]
        self._trainer.advance(np.empty(n), np.empty(n), factors)
        if not state.is_finite():
            state.assign(saved)
        self.factor *= _CUT
        self._forget()
        if self.factor < _CUT ** (_MOST_CUTS + 0.5):
            raise TrainingDivergedError(state.n_updates)

    def leave_finite(self) -> None:
        """Put back the last good state if an interrupt came before `recover` could: no NaN is ever kept."""
        if self._marks and not self._trainer.state.is_finite():
            self._trainer.state.assign(self._marks[-1].state)
