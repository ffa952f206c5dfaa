"""Fitting: what of a text is trained on, what is held back, and training on the one that is judged by the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pycharrnn.baseline import KneserNey
from pycharrnn.callbacks import Progress, Validate
from pycharrnn.network import Ids, Trainer
from pycharrnn.optim import Schedule
from pycharrnn.training import Budget, Callback, History, Run, train


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
    budget: Budget,
    history: History,
    sample: Callable[..., str],
    callbacks: Sequence[Callback],
    patience: int | None,
    shown: bool,
) -> None:
    """Train until the budget is spent, a callback says so or patience ends.

    With an `unseen` text the best weights are those of the lowest loss there, and the history tells what counting
    n-grams of the training text would have achieved. However it ends, the trainer's state has made whole updates.
    """
    network, state = trainer.network, trainer.state
    run = Run(history, sample, first=state.n_updates, total=budget.updates(trainer.updates_per_epoch))
    progress, looks = Progress(disable=not shown), []
    if unseen is not None:

        def loss() -> float:
            return float(network.validation_losses(state.params, unseen, n_threads=trainer.n_threads).mean())

        looks = [Validate(trainer.updates_per_epoch, loss, state.keep, patience)]
    try:
        train(trainer, budget, [*looks, *callbacks, progress], run, schedule.factors)
        for look in looks:
            look(run)  # at the end, wherever in an epoch that is
        if unseen is not None:
            end = None if network.end < 0 else network.end
            counted = KneserNey(history.baseline_order).fit(trainer.ids, network.K, end)
            history.baseline = float(counted.nats(unseen).mean())
    finally:
        progress.close()
        trainer.close()
