"""Fitting: what of a text is trained on, what is held back, and training on the one that is judged by the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from pycharrnn.baseline import KneserNey
from pycharrnn.callbacks import KeepBest, Progress
from pycharrnn.network import LOOKED, Ids, Trainer
from pycharrnn.optim import Schedule
from pycharrnn.training import Callback, Look, Run, TrainingDivergedError, train

_COUNTED = 40_000  # characters of a text for each second of a time limit up to which counting n-grams is cheap


def _between(n_read: int) -> int:
    """Characters of training between two looks at so many, which take some 2 % of the time then."""
    return max(32 * n_read, 10_000)


def shuffled(ids: Ids, end: int | None, rng: np.random.Generator) -> Ids:
    """The documents in another order; running text as it is."""
    if end is None:
        return ids
    *documents, last = np.split(ids, np.flatnonzero(ids == end)[1:])
    return np.concatenate([documents[i] for i in rng.permutation(len(documents))] + [last])


def split(ids: Ids, end: int | None, fraction: float) -> tuple[Ids, Ids]:
    """The part to train on and the last `fraction`, cut between two documents if there are any."""
    cut = round(len(ids) * (1 - fraction))
    if end is not None:
        ends = np.flatnonzero(ids == end)
        cut = int(ends[min(max(1, round((len(ends) - 1) * (1 - fraction))), len(ends) - 2)])
    if min(cut, len(ids) - cut) < 2:
        raise ValueError(
            f"validation_fraction {fraction} leaves too little of the text to train on or to validate with"
        )
    return ids[: cut + (end is not None)], ids[cut:]


def fit(
    trainer: Trainer,
    unseen: Ids | None,
    schedule: Schedule,
    run: Run,
    callbacks: Sequence[Callback],
    patience: int | None,
    shown: bool,
) -> None:
    """Train until the budget is spent, a callback says so or patience ends, and keep the best weights.

    The best weights are those of the lowest loss on the `unseen` text, looked at after each epoch, or else on a fixed
    part of the training text, looked at now and then and at the end. So all are compared by the same characters, read
    from the same states and without dropout: a smooth loss is comparable neither from one part of a text to the next
    nor with that of another text. On the training text the weights of the start compete, too. However it ends, the
    trainer's state has made whole updates.

    Raises
    ------
    TrainingDivergedError
        If a loss is not finite, or if the last weights are far worse than guessing and none were better than the first.
    """
    network, state, history = trainer.network, trainer.state, run.history
    progress = Progress(disable=not shown)
    text, looks = (trainer.ids, history.training) if unseen is None else (unseen, history.validation)
    n_read = len(text) if unseen is not None else min(len(text), LOOKED)

    def loss(whole: bool) -> float:
        run.status = "validating"
        progress(run)
        read = network.validation_losses if whole else network.looked_losses
        try:
            return float(read(state.params, text, n_threads=trainer.n_threads).mean())
        finally:
            run.status = "training"

    def keep(nats: float) -> None:
        state.keep(training=nats) if unseen is None else state.keep(validation=nats)

    def reserve(run: Run) -> float:
        """Seconds of the look at the end: those of the last one, or at three times the speed of training."""
        if look.seconds is None and limit is not None and run.updating > limit / 20:  # else the speed is not known yet
            return n_read * run.updating / (3 * run.characters)
        return look.seconds or 0.0

    guess, limit, every = math.log(network.K), run.budget.max_seconds, trainer.updates_per_epoch
    if unseen is None:
        every = -(-_between(n_read) // (network.T * trainer.batch_size))
    look = KeepBest(
        every=every,
        loss=partial(loss, unseen is not None),
        keep=keep,
        remember=lambda *values: looks.append(Look(*values)),
        guess=guess,
        patience=patience,
    )
    try:
        if unseen is None:
            look.begin(run)
        if unseen is not None and (limit is None or len(trainer.ids) <= _COUNTED * limit):
            end = None if network.end < 0 else network.end
            counted = KneserNey(history.baseline_order).fit(trainer.ids, network.K, end)
            history.baseline = float(counted.nats(unseen).mean())
        train(trainer, [look, *callbacks, progress], run, schedule.factors, reserve)
        look(run)  # at the end, wherever in an epoch that is
        if look.diverged(run):
            raise TrainingDivergedError(state.n_updates, run.nats)
    except BaseException as error:
        if unseen is None:
            look(run)
        elif look.seconds is None and run.n_updates > run.first:  # interrupted: choose all the same, but quickly
            look.consider(loss(whole=False))
        if isinstance(error, TrainingDivergedError):
            state.recover()
        raise
    finally:
        progress.close()
        trainer.close()
