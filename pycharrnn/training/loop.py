"""The training loop: updates in slices of some 20 ms, and between them the clock, the callbacks and the history."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from pycharrnn.arrays import Floats
from pycharrnn.interrupts import insist
from pycharrnn.training.callbacks import Callback
from pycharrnn.training.entries import Divergence
from pycharrnn.training.judge import Judge
from pycharrnn.training.rollback import Rollback
from pycharrnn.training.run import Run
from pycharrnn.training.schedules import Schedule
from pycharrnn.training.standing import Standing
from pycharrnn.training.trainer import SLICE, Trainer


@dataclass
class _Slice:
    """Updates made in one call of the trainer, and their losses in nats per `seq_length` characters."""

    first: int  # updates made before
    begin: float  # seconds since the run began
    n: int
    loss: Floats = field(init=False)
    smooth_loss: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.loss = np.empty(self.n)
        self.smooth_loss = np.empty(self.n)


@dataclass
class _Turns:
    """The turns of the callbacks, and where the run stood before the last one."""

    callbacks: Sequence[Callback]
    run: Run
    judge: Judge
    rollback: Rollback
    _called: int = -1  # updates after which all of them were called
    _calling: bool = False  # where the run stands is from before the call: an interrupt may cut that short

    def take(self, start: bool = False) -> bool:
        """Call the callbacks that are due; return whether one of them asks to stop."""
        self.stand()
        self._calling = True
        stop = _call(self.callbacks, self.run, start)
        self._called = self.run.n_updates
        self._calling = stop  # a run that goes on later must be told again
        return stop

    def begin(self) -> bool:
        """Call them before the first update, or where the run stood when its process ended, unless they were called."""
        stood = self.run.standing
        if stood is not None and not stood.due:
            self._called = self.run.n_updates
            return False
        return self.take(start=self.run.n_updates == self.run.first)

    def stand(self) -> None:
        """Note where the run stands, unless callbacks have changed something of it and were then interrupted."""
        if not self._calling:
            due = self._called != self.run.n_updates
            self.run.standing = Standing.of(self.run, self.judge, self.rollback.factor, due)


def train(trainer: Trainer, run: Run, schedule: Schedule, judge: Judge, callbacks: Sequence[Callback]) -> float:
    """Make updates until the budget is spent, or the judge or a callback returns True.

    Parameters
    ----------
    trainer : Trainer
        What is trained.
    run : Run
        What the callbacks see. Its `budget` ends the training. If it has a `standing`, it goes on from there.
    schedule : Schedule
        What multiplies the learning rate at each share of the budget. Of two limits the nearer one counts.
    judge : Judge
        The first of the callbacks. It also tells how much of a time limit to leave for its last look.
    callbacks : sequence of callable
        Each is called with `run` after every slice, or, if it has an attribute `every`, at the start and after each
        `every`-th update exactly. True ends the training.

    Returns
    -------
    float
        What divergences have left of the learning rate.

    Raises
    ------
    TrainingDivergedError
        If a loss or a weight is not finite, and lowering the learning rate has not helped.
    """
    state = trainer.state
    called: list[Callback] = [judge, *callbacks]
    rollback = Rollback(trainer, 1.0 if run.standing is None else run.standing.factor)
    turns = _Turns(called, run, judge, rollback)
    size = 1  # updates that take the time of a slice
    spent = 0.0  # the share of the time: it never falls, though the deadline moves with what a look takes
    part = _Slice(state.n_updates, 0.0, 0)
    try:
        _settle(trainer, run, part)
        stop = turns.begin()
        while not stop and run.updates_left > 0:
            now = run.elapsed()
            deadline = judge.deadline()
            if part.n:  # at least one update is made
                seconds = (now - part.begin) / part.n  # of an update, with what callbacks take
                if now + seconds / 2 >= deadline:
                    break
                size = max(1, int(min(size, (deadline - now) / seconds)))
            n = int(min(size, run.updates_left, _until_next(called, state.n_updates)))
            rollback.mark(now)
            part = _Slice(state.n_updates, now, n)
            spent = max(spent, now / deadline if deadline > 0 else 1.0)
            factors = rollback.factor * _scheduled(schedule, run, n, spent)
            rollback.note(factors)
            trainer.advance(part.loss, part.smooth_loss, factors)
            run.note(part.loss[: state.n_updates - part.first], trainer.batch_size)
            _settle(trainer, run, part)
            run.updating += run.seconds - part.begin
            if state.n_updates < part.first + n or not state.is_finite():
                rollback.recover()
                _settle(trainer, run, part)
                run.history.divergences.append(Divergence(state.n_updates, rollback.factor))
                size = 1
            else:
                size = max(1, min(2 * n, int(n * SLICE / max(run.seconds - part.begin, 1e-6))))
                stop = turns.take()
    finally:
        insist(trainer.settle, rollback.leave_finite, partial(_settle, trainer, run, part), turns.stand)
    return rollback.factor


def _settle(trainer: Trainer, run: Run, part: _Slice) -> None:
    """Note how far `part` has come. A second call does no harm: an interrupt may come at any moment."""
    state = trainer.state
    history = run.history
    now = run.elapsed()
    done = max(0, state.n_updates - part.first)  # after a rollback perhaps none
    history.rewind(state.n_updates)
    history.extend(part.first, part.loss[:done], part.smooth_loss[:done], part.begin, now)
    run.n_updates = state.n_updates
    run.seconds = now
    run.epoch = (run.n_updates - run.first) // trainer.updates_per_epoch
    history.count_epochs(run.first, trainer.updates_per_epoch, run.epoch)
    run.characters = run.epoch * trainer.characters + trainer.position * trainer.batch_size
    if done:
        run.loss = float(part.loss[done - 1])
        run.smooth_loss = float(part.smooth_loss[done - 1])


def _scheduled(schedule: Schedule, run: Run, n: int, spent: float) -> Floats:
    """What multiplies the learning rate of the next n updates, when this share of the time is spent."""
    progress = np.full(n, spent)
    if run.total is not None:
        progress = np.maximum(progress, (run.n_updates - run.first + np.arange(n)) / run.total)
    return schedule.factors(np.minimum(progress, 1.0), [look.nats for look in run.history.validation])


def _period(callback: Callback) -> int | None:
    """Updates between two calls; None is a call after every slice."""
    return getattr(callback, "every", None)


def _until_next(callbacks: Sequence[Callback], n_updates: int) -> float:
    """Updates until a callback is due."""
    return min((every - n_updates % every for c in callbacks if (every := _period(c))), default=math.inf)


def _call(callbacks: Sequence[Callback], run: Run, start: bool) -> bool:
    """Call the callbacks that are due; return whether one of them asks to stop."""
    stop = False
    for callback in callbacks:
        every = _period(callback)
        if (every is None and not start) or (every and run.n_updates % every == 0):
            said = callback(run)
            stop |= said is True or (isinstance(said, np.bool_) and bool(said))
    return stop
