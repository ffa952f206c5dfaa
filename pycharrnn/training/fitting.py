"""Fitting: what of a text is trained on, what is held back, and training on the one that is judged by the other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pycharrnn.arrays import Ids
from pycharrnn.errors import TrainingDivergedError
from pycharrnn.network.engine import LOOKED
from pycharrnn.training.baseline import KneserNey
from pycharrnn.training.callbacks import Callback
from pycharrnn.training.history import Look
from pycharrnn.training.keep_best import KeepBest
from pycharrnn.training.loop import train
from pycharrnn.training.progress import Progress
from pycharrnn.training.run import Run
from pycharrnn.training.schedules import Schedule
from pycharrnn.training.trainer import Trainer

_COUNTED = 50_000  # characters of a text for each second of a time limit up to which counting n-grams is cheap
_WHOLE = 0.4  # seconds that reading all of a text may take
_FORWARD = 2.5  # a text is read so many times as fast as it is trained on
_OPERATIONS = 2e8  # of a weight on a symbol: a fiftieth of what a slow processor does in a second


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


class Judge:
    """The text by which weights are compared: an unseen one or, without one, the text that is trained on.

    Of a text to train on the same LOOKED symbols are read each time, spread evenly over it, or fewer where the whole
    training is short; of an unseen text all, or, with a time limit, as much as can be read in a twentieth of it. A text
    that one stream trains on is read whole if that takes little time: a network that has memorised it may go on as
    from its start wherever a reader begins.
    """

    def __init__(self, trainer: Trainer, unseen: Ids | None, run: Run, progress: Progress) -> None:
        self.trainer, self.unseen, self.run, self.progress = trainer, unseen, run, progress
        self.text = trainer.ids if unseen is None else unseen
        self.limit = run.budget.max_seconds
        self.whole = unseen is None and self._short()
        if unseen is None:
            self.most = len(self.text) if self.whole else self._looked()
        else:
            self.most = 0 if self.limit else len(unseen)  # 0: not known yet
        self.looks = run.history.training if unseen is None else run.history.validation

    @property
    def every(self) -> int:
        """Updates between two looks: an epoch, or so many that looks take some 2 % of the time."""
        if self.unseen is not None:
            return self.trainer.updates_per_epoch
        n_read = min(len(self.text), self.most)
        n_trained = max(32 * min(n_read, LOOKED), 8 * n_read, 10_000)
        return -(-n_trained // (self.trainer.network.T * self.trainer.batch_size))

    def nats(self) -> float:
        """The loss of the present weights, in nats per character."""
        return self.read(self.most or self._affordable())

    def read(self, most: int) -> float:
        self.run.status = "validating"
        self.progress(self.run)
        trainer, params = self.trainer, self.trainer.state.params
        try:
            if self.whole:
                losses = trainer.network.losses(params, self.text)
            else:
                losses = trainer.network.looked_losses(params, self.text, most, n_threads=trainer.n_threads)
            return math.fsum(losses) / len(losses)  # exact: the choice of weights is the same on every machine
        finally:
            self.run.status = "training"

    def keep(self, nats: float) -> None:
        self.trainer.state.keep(**{"training" if self.unseen is None else "validation": nats})

    def remember(self, n_updates: int, seconds: float, nats: float) -> None:
        self.looks.append(Look(n_updates, seconds, nats))

    def cost(self) -> float:
        """Seconds that a look is expected to take, as far as the speed of the training tells."""
        run = self.run
        if self.limit is None or run.updating < self.limit / 20:
            return 0.0
        self.most = self.most or self._affordable()
        return min(len(self.text), self.most) * run.updating / (_FORWARD * run.characters)

    def _short(self) -> bool:
        """Whether one stream reads all of the training text, in little time and hardly more than is trained on."""
        network, run = self.trainer.network, self.run
        trained = math.inf if run.total is None else max(LOOKED, run.total * network.T)
        seconds = min(_WHOLE, (self.limit or math.inf) / 20)
        most = min(8 * LOOKED, trained, seconds / 0.02 * network.patience)
        return self.trainer.batch_size == 1 and len(self.text) <= most

    def _looked(self) -> int:
        """Symbols of the training text to read: hardly more than are trained on, nor more than some 2 % of the time."""
        network, most = self.trainer.network, LOOKED
        if self.run.total is not None:
            most = min(most, max(LOOKED // 2, self.run.total * network.T * self.trainer.batch_size))
        if self.limit is not None:
            most = min(most, max(LOOKED // 8, int(self.limit * _OPERATIONS / network.layout.size)))
        return most

    def _affordable(self) -> int:
        speed = self.run.characters / max(self.run.updating, 1e-9)
        return max(LOOKED, int(_FORWARD * speed * (self.limit or 0) / 20))


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

    The best weights are those of the lowest loss by the `Judge`: all are compared by the same characters, read from the
    same states and without dropout. A smooth loss is comparable neither from one part of a text to the next nor with
    that of another text. On the training text the weights of the start compete, too, unless they are new and only parts
    of it are read. However it ends, the trainer's state has made whole updates.

    Raises
    ------
    TrainingDivergedError
        If a loss is not finite, or if the last weights are far worse than guessing and none were better than the first.
    """
    network, limit = trainer.network, run.budget.max_seconds
    progress = Progress(disable=not shown)
    judge = Judge(trainer, unseen, run, progress)
    look = KeepBest(judge.every, judge.nats, judge.keep, judge.remember, math.log(network.K), patience)
    try:
        run.start = judge.read(judge.most if unseen is None else LOOKED // 8)
        if unseen is None:
            judge.remember(run.first, 0.0, run.start)
        look.begin(run, competes=unseen is None and (run.first > 0 or judge.most >= len(trainer.ids)))
        if unseen is not None and (limit is None or len(trainer.ids) <= _COUNTED * limit):
            end = None if network.end < 0 else network.end
            counted = KneserNey(run.history.baseline_order).fit(trainer.ids, network.K, end)
            run.history.baseline = float(counted.nats(unseen).mean())
        train(trainer, [look, *callbacks, progress], run, schedule.factors, lambda run: look.seconds or judge.cost())
        look(run)  # at the end, wherever in an epoch that is
        if look.diverged(run):
            raise TrainingDivergedError(trainer.state.n_updates, run.nats)
    except BaseException as error:
        if unseen is None:
            look(run)
        elif look.seconds is None and run.n_updates > run.first:  # interrupted: choose all the same, but quickly
            look.consider(judge.read(LOOKED))
        if isinstance(error, TrainingDivergedError):
            trainer.state.recover()
        raise
    finally:
        progress.close()
        trainer.close()
