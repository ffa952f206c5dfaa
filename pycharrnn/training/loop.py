"""The training loop: budgets, callbacks, and what is remembered of a run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from pycharrnn.errors import TrainingDivergedError
from pycharrnn.training.callbacks import Callback
from pycharrnn.training.history import Divergence, Floats
from pycharrnn.training.run import Run

CUT, MOST_CUTS = 0.3, 5  # what multiplies the learning rate after a divergence, and how often


SLICE = 0.02  # seconds of updates between two looks at signals, clock and callbacks


class Trainer(Protocol):
    """Updates of a state over a text; `network.Trainer` is one."""

    state: Any
    batch_size: int

    @property
    def updates_per_epoch(self) -> int: ...

    @property
    def characters(self) -> int: ...

    def advance(self, loss: Floats, smooth: Floats, factors: Floats | float = 1.0) -> None: ...


@dataclass
class _Rollback:
    """Two states of the last half second, or of seconds when they are large, to return to when the weights go bad."""

    states: list[tuple[Any, int]] = field(default_factory=list)
    factors: list[Floats] = field(default_factory=list)  # of the learning rate, since the first of the states
    marked: float = -math.inf
    cost: float = 0.0

    def mark(self, state: Any, now: float) -> None:
        if now - self.marked > max(10 * SLICE, 200 * self.cost):  # copies of a large state take their time
            begin = time.perf_counter()
            kept = self.states[-1:]
            self.factors = [np.concatenate(self.factors)[kept[0][1] - self.states[0][1] :]] if kept else []
            self.states, self.marked = [*kept, (state.copy(), state.n_updates)], now
            self.cost = time.perf_counter() - begin

    def last_good(self, trainer: Trainer, bad: int) -> None:
        """Put back the state one update before `bad`, the number of updates that made a loss that is not finite."""
        saved, n_updates = next((s for s in reversed(self.states) if s[1] < bad), self.states[0])
        trainer.state.assign(saved)
        n = max(0, bad - 1 - n_updates)
        factors = np.concatenate(self.factors)[n_updates - self.states[0][1] :][:n]
        trainer.advance(np.empty(n), np.empty(n), factors)
        if not np.isfinite(trainer.state.params).all():
            trainer.state.assign(saved)


Factors = Callable[[Floats, Sequence[float]], Floats]


def train(
    trainer: Trainer,
    callbacks: Sequence[Callback],
    run: Run,
    factors: Factors | None = None,
    reserve: Callable[[Run], float] = lambda run: 0.0,
) -> None:
    """Update until the budget is spent or a callback returns True.

    Parameters
    ----------
    trainer : Trainer
        What is trained.
    callbacks : sequence of callable
        Each is called with `run` after every 20 ms or so, or, if it has an attribute `every`, after each `every`-th
        update exactly. True ends the training.
    run : Run
        What the callbacks see; its `budget` ends the training.
    factors : callable or None, default None
        ``factors(progress, validation)`` gives what multiplies the learning rate at each share of the budget; a limit
        of time counts like one of updates, whichever is nearer.
    reserve : callable
        ``reserve(run)`` gives the seconds of `max_seconds` to leave for what comes after the last update.

    Raises
    ------
    TrainingDivergedError
        If a loss or a weight is not finite, and cutting the learning rate has not helped.
    """
    state, budget, per_epoch = trainer.state, run.budget, trainer.updates_per_epoch
    rollback, size, now, then, before, cut = _Rollback(), 1, 0.0, 0.0, state.n_updates, 1.0
    loss = smooth = np.empty(0)
    most = math.inf  # seconds of updates

    def settle() -> float:
        """Note what has been done since `then`; twice does no harm, so that no interrupt comes at a bad moment."""
        now, done = time.perf_counter() - run.begin, max(0, state.n_updates - before)  # fewer after a rollback
        run.history.rewind(state.n_updates)
        run.history.extend(before, loss[:done], smooth[:done], then, now)
        run.n_updates, run.seconds = state.n_updates, now
        run.epoch = (run.n_updates - run.first) // per_epoch
        run.history.count_epochs(run.first, per_epoch, run.epoch)
        run.characters = run.epoch * trainer.characters + state.position * trainer.batch_size
        if done:
            run.loss, run.smooth_loss = float(loss[done - 1]), float(smooth[done - 1])
        return now

    try:
        settle()
        stop = _call(callbacks, run, start=True)
        now = time.perf_counter() - run.begin  # what the callbacks took is no time of updates
        while not stop and (run.total is None or state.n_updates - run.first < run.total):
            if budget.max_seconds is not None:
                most = budget.max_seconds - reserve(run)
                last = (now - then) / max(1, len(loss))  # seconds of an update
                if len(loss) and now + last / 2 >= most:  # at least one is made
                    break
                size = max(1, min(size, int((most - now) / last))) if len(loss) else 1
            n = _until_next(callbacks, state.n_updates, size)
            if run.total is not None:
                n = min(n, run.total - (state.n_updates - run.first))
            rollback.mark(state, now)
            loss, smooth, before, then = np.empty(n), np.empty(n), state.n_updates, now
            by = np.full(n, cut)
            if factors is not None:
                progress = np.full(n, now / most if most > 0 else 1.0)
                if run.total is not None:
                    progress = np.maximum(progress, (before - run.first + np.arange(n)) / run.total)
                by *= factors(np.minimum(progress, 1.0), [look.nats for look in run.history.validation])
            rollback.factors.append(by)
            trainer.advance(loss, smooth, by)
            run.note(loss[: state.n_updates - before], trainer.batch_size)
            now = settle()
            run.updating += now - then
            if state.n_updates < before + n or not np.isfinite(state.params).all():
                rollback.last_good(trainer, state.n_updates)
                now, cut, rollback, size = settle(), cut * CUT, _Rollback(), 1
                if cut < CUT ** (MOST_CUTS + 0.5):
                    raise TrainingDivergedError(state.n_updates)
                run.history.divergences.append(Divergence(state.n_updates, cut))
                continue
            size = max(1, min(2 * n, int(n * SLICE / max(now - then, 1e-6))))
            stop = _call(callbacks, run)
            now = time.perf_counter() - run.begin
    finally:
        settle()


def _until_next(callbacks: Sequence[Callback], n_updates: int, most: int) -> int:
    """Updates until a callback is due, at most `most`."""
    periods: list[int] = [every for c in callbacks if (every := getattr(c, "every", None))]
    return min([most, *(every - n_updates % every for every in periods)])


def _call(callbacks: Sequence[Callback], run: Run, start: bool = False) -> bool:
    """Call those that are due; whether one of them asks to stop."""
    stop = False
    for callback in callbacks:
        every = getattr(callback, "every", None)
        if (every is None and not start) or (every and run.n_updates % every == 0):
            stop |= callback(run) is True
    return stop
