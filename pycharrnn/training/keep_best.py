"""Looks at a text that choose the weights to keep."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any


class KeepBest:
    """Look at a text every so many updates, keep the weights that predict it best, and end what no longer gets better.

    Parameters
    ----------
    every : int
        Updates between two looks.
    loss : callable
        Gives nats per character of the text at the present weights.
    keep : callable
        Called with the loss when it is the lowest so far.
    remember : callable
        Called with ``(n_updates, seconds, nats)`` after each look.
    guess : float
        The loss of guessing.
    patience : int or None
        Looks without a new lowest loss after which the training ends.

    Attributes
    ----------
    seconds : float or None
        How long the last look took.
    """

    def __init__(
        self,
        every: int,
        loss: Callable[[], float],
        keep: Callable[[float], object],
        remember: Callable[[int, float, float], object],
        guess: float,
        patience: int | None = None,
    ) -> None:
        self.every, self._loss, self._keep, self._remember = every, loss, keep, remember
        self._guess, self._patience = guess, patience
        self._start, self._lowest, self._better = guess, math.inf, False
        self._waited, self._looked, self._lost = 0, -1, 0
        self.seconds: float | None = None

    def begin(self, run: Any, competes: bool) -> None:
        """Compare with `run.start`, the loss of the weights of the start, which may compete with the later ones."""
        self._start = run.start
        if competes:
            self._lowest = run.start
            self._keep(run.start)

    def __call__(self, run: Any) -> bool:
        if run.n_updates in (self._looked, run.first):
            return False
        nats = self._look(run)
        self._looked = run.n_updates
        self.consider(nats)
        self._lost = self._lost + 1 if self.diverged(run) else 0
        return self._lost > 1 or (self._patience is not None and self._waited >= self._patience)

    def _look(self, run: Any) -> float:
        begin, nats = time.perf_counter(), self._loss()
        self.seconds = time.perf_counter() - begin
        self._remember(run.n_updates, run.seconds, nats)
        return nats

    def consider(self, nats: float) -> None:
        """Keep the present weights if this loss of theirs is the lowest so far."""
        self._waited += 1
        if nats < self._lowest:
            self._lowest, self._waited, self._better = nats, 0, nats < self._start
            self._keep(nats)

    def diverged(self, run: Any) -> bool:
        """Whether the text that is trained on is predicted far worse than by guessing, and no weights were better."""
        return not self._better and run.nats > 10 * self._guess  # the first steps of AdaGrad may reach five times
