"""Fitting: training on a text, judged by another one or by itself."""

from __future__ import annotations

from collections.abc import Sequence

from pycharrnn.errors import TrainingDivergedError
from pycharrnn.interrupts import insist
from pycharrnn.training.callbacks import Callback
from pycharrnn.training.judge import Judge, TrainingText, Unseen, UnseenText
from pycharrnn.training.loop import train
from pycharrnn.training.progress import Progress
from pycharrnn.training.run import Run
from pycharrnn.training.schedules import Schedule
from pycharrnn.training.standing import Standing
from pycharrnn.training.trainer import Trainer


def fit(
    trainer: Trainer,
    run: Run,
    schedule: Schedule,
    unseen: Unseen | None = None,
    callbacks: Sequence[Callback] = (),
    patience: int | None = None,
    shown: bool = False,
) -> None:
    """Train until the budget is spent, a callback says so or patience ends, and keep the best weights.

    The judge finds the weights with the lowest loss. However the training ends, the trainer's state is that after a
    whole update.

    Parameters
    ----------
    trainer : Trainer
        What is trained; it is closed at the end.
    run : Run
        What the callbacks see. Its `budget` ends the training. If it has a `standing`, it goes on from there.
    schedule : Schedule
        How the learning rate changes over the budget.
    unseen : Unseen or None
        A text to judge by, which also chooses the share of n-grams. None judges by the text that is trained on.
    callbacks : sequence of callable
        As of `train`. The method `on_start` of one, if it has any, is called with `run` before all else, and its
        method `on_end` at the end, however the training ends: after the last look of the judge, or before it if an
        interrupt or an error has come. After a divergence `run.standing` is None.
    patience : int or None
        Looks of the judge without a new lowest loss after which the training ends.
    shown : bool
        Whether to show progress.

    Raises
    ------
    TrainingDivergedError
        If a loss stays not finite at lower learning rates, too, or if the last weights are far worse than guessing and
        none were better than the first. The state then goes back to the best weights.
    """
    progress = Progress(disable=not shown)
    judge: Judge
    if unseen is None:
        judge = TrainingText(trainer, run, patience, progress)
    else:
        judge = UnseenText(trainer, run, unseen, patience, progress)

    started: list[Callback] = []

    def end() -> None:
        while started:
            callback = started.pop(0)
            try:
                if (on_end := getattr(callback, "on_end", None)) is not None:
                    on_end(run)
            except KeyboardInterrupt:
                started.insert(0, callback)  # it is called again
                raise

    try:
        for callback in callbacks:
            if (on_start := getattr(callback, "on_start", None)) is not None:
                on_start(run)
            started.append(callback)
        if run.standing is None:
            judge.begin()
        else:
            judge.resume(run.standing.memory)
        if run.standing is None or not run.standing.finished:
            factor = train(trainer, run, schedule, judge, [*callbacks, progress])
            judge.finish()
            run.standing = Standing.of(run, judge, factor, due=False, finished=True)
        insist(end)
    except TrainingDivergedError:
        run.standing = None
        insist(end)
        judge.interrupted()
        trainer.state.recover()
        raise
    except BaseException:
        try:
            insist(end)
        finally:
            judge.interrupted()
        raise
    finally:
        progress.close()
        trainer.close()
