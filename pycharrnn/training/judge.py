"""Judges: they compare weights by one text, keep the best, and end what diverges or no longer gets better."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pycharrnn.arrays import Array, Floats, Ids
from pycharrnn.errors import TrainingDivergedError
from pycharrnn.network.scoring import EXCERPTS, excerpt_losses, excerpt_places, streamed_losses
from pycharrnn.training.baseline import KneserNey
from pycharrnn.training.callbacks import Callback
from pycharrnn.training.entries import Look
from pycharrnn.training.memory import Memory, Mixture
from pycharrnn.training.ngrams import NGrams
from pycharrnn.training.run import Run
from pycharrnn.training.trainer import SLICE, Trainer
from pycharrnn.waiting import interruptibly

_COUNTED = 50_000  # characters per second of a time limit: counting the n-grams of so long a text is cheap
MOST_COUNTED = 5_000_000  # characters, the last ones: each takes some 200 bytes while it is counted
_WHOLE = 0.4  # seconds that reading all of a text may take
_PART = 20  # a look may take 1 / _PART of a time limit
_FORWARD = 2.5  # reading a text is so many times as fast as training on it
_OPERATIONS = 2e8  # weights times symbols: a slow processor does fifty times as many in a second
_QUICK = 0.06  # seconds of reading that an interrupt may wait for
_LEAST = 2048  # symbols that can tell which of two weights are better, in enough streams to be read fast
_FAR = 10  # times the loss of guessing: a divergence. The first steps of AdaGrad may reach five times


class Judge(ABC):
    """Compares weights by the loss of one text. It is a callback of the training loop.

    It reads the text in a look every `every` updates, keeps the weights of the lowest loss in the trainer's state, and
    notes each look in the history. All weights are judged by the same characters, read from the same states and without
    dropout. Smooth losses are of different parts of a text, so they cannot be compared.

    A training has diverged if its recent loss is ten times that of guessing and no weights were better than those of
    the start. Two such looks in a row end it, and so do `patience` looks without a new lowest loss.

    Parameters
    ----------
    trainer : Trainer
        What is trained. Its state keeps the best weights.
    run : Run
        The training as callbacks see it. `begin` sets its `start`.
    text : ndarray of int32
        The text to judge by.
    looks : list of Look
        Where each look is noted.
    patience : int or None
        Looks without a new lowest loss after which the training ends; None is any number of them.
    show : callable
        Called with the run when a look begins.

    Attributes
    ----------
    memory : Memory
        What it remembers from one look to the next.
    """

    every: int  # updates between two looks

    def __init__(
        self, trainer: Trainer, run: Run, text: Ids, looks: list[Look], patience: int | None, show: Callback
    ) -> None:
        self.trainer = trainer
        self.run = run
        self.text = text
        self.looks = looks
        self.patience = patience
        self.show = show
        self.memory = Memory()

    def resume(self, memory: Memory) -> None:
        """Remember what the judge of the same run remembered in another process."""
        least = memory.most and max(EXCERPTS, memory.most)
        self.memory = replace(memory, most=self.memory.most or least)

    @property
    def mixture(self) -> Mixture | None:
        """What this text has found of the n-grams, if there are any."""
        return None

    @abstractmethod
    def begin(self) -> None:
        """Judge the weights of the start."""

    @abstractmethod
    def amount(self) -> int:
        """Symbols that a look reads, at most."""

    @abstractmethod
    def keep(self, nats: float) -> None:
        """Keep the present weights, which have this loss, as the best ones."""

    def __call__(self, run: Run) -> bool:
        """Look at the text; True ends the training."""
        if run.n_updates in (self.memory.looked, run.first):
            return False
        nats = self.look(run.seconds)
        self.memory.looked = run.n_updates
        self.compare(nats)
        self.memory.diverged = self.memory.diverged + 1 if self.diverged() else 0
        return self.memory.diverged > 1 or (self.patience is not None and self.memory.waited >= self.patience)

    def finish(self) -> None:
        """Look at the last weights, be it in the middle of an epoch.

        Raises
        ------
        TrainingDivergedError
            If the training has diverged.
        """
        self(self.run)
        if self.diverged():
            raise TrainingDivergedError(self.trainer.state.n_updates, self.run.nats)

    def interrupted(self) -> None:
        """Judge the last weights of a training that an interrupt, an error or a divergence has ended.

        That must be quick. If a look takes long, the last weights and the best ones so far are compared by a small part
        of the text. If that takes long, too, the best ones of all looks are kept; if there was none, the last weights
        are, and nobody knows their loss.
        """
        run, memory = self.run, self.memory
        if run.n_updates in (memory.looked, run.first):
            return
        if memory.seconds is not None and memory.seconds <= _QUICK:
            self(run)
            return
        speed = _FORWARD * run.characters / max(run.updating, 1e-9)  # symbols per second
        if memory.seconds:
            speed = self.amount() / memory.seconds
        most = min(EXCERPTS, int(_QUICK * speed))
        if math.isinf(memory.lowest) or (memory.looked is None and most < _LEAST):
            nats = math.nan  # of weights that nobody reads with, or of a look that another interrupt cuts short
            try:
                if most >= _LEAST:
                    nats = self.read(most)
            finally:
                self.keep(nats)
        elif most >= _LEAST and self.read(most, self.trainer.state.best) > (nats := self.read(most)):
            self.keep(nats)

    def deadline(self) -> float:
        """After so many seconds of the run no update begins, so that a last look fits into the time limit."""
        limit = self.run.budget.max_seconds
        return math.inf if limit is None else limit - (self.memory.seconds or self.cost(limit))

    def cost(self, limit: float) -> float:
        """Seconds that a look is expected to take, as far as the speed of the training tells."""
        run = self.run
        if run.updating < limit / _PART or not run.characters:  # too little to tell, or all of it was undone
            return 0.0
        return min(len(self.text), self.amount()) * run.updating / (_FORWARD * run.characters)

    def look(self, seconds: float) -> float:
        """Read the usual amount of text, and note the loss at this time of the run."""
        begin = time.perf_counter()
        nats = self.read(self.amount())
        self.memory.seconds = time.perf_counter() - begin
        self.looks.append(Look(self.run.n_updates, seconds, nats))
        return nats

    def read(self, most: int, weights: Array | None = None) -> float:
        """The loss of the present weights, or of others, on at most so many symbols of the text, in nats each."""
        self.run.status = "validating"
        self.show(self.run)
        try:
            losses = self.losses(most, self.trainer.state.judged if weights is None else weights)
            return math.fsum(losses) / len(losses)  # exact: the choice of weights is the same on every machine
        finally:
            self.run.status = "training"

    def losses(self, most: int, weights: Array) -> Floats:
        """The losses of at most so many symbols, spread evenly over the text."""
        trainer = self.trainer
        return excerpt_losses(trainer.architecture, weights, self.text, most, n_threads=trainer.n_threads)

    def compare(self, nats: float) -> None:
        """Keep the present weights if their loss is the lowest so far."""
        self.memory.waited += 1
        if nats < self.memory.lowest:
            self.memory.lowest = nats
            self.memory.waited = 0
            self.memory.improved = nats < self.run.start
            self.keep(nats)

    def diverged(self) -> bool:
        """Whether the recent loss is far above that of guessing, and no weights were better than those of the start."""
        return not self.memory.improved and self.run.nats > _FAR * math.log(self.trainer.architecture.n_symbols)


class Unseen(NamedTuple):
    """A text that is not trained on.

    Attributes
    ----------
    ids : ndarray of int32
        The text.
    ngrams : NGrams or None
        The n-grams of the training text, if there is to be a mixture with them. This text chooses their share.
    """

    ids: Ids
    ngrams: NGrams | None = None


class UnseenText(Judge):
    """Judges by a text that is not trained on, after each epoch.

    It reads all of the text, or as much as can be read in a twentieth of the time limit. It also notes in the history
    what counting achieves on this text, where that is cheap. The weights are judged without n-grams; the losses of the
    best ones, and those of the n-grams, choose the share in a mixture.
    """

    def __init__(self, trainer: Trainer, run: Run, unseen: Unseen, patience: int | None, show: Callback) -> None:
        super().__init__(trainer, run, unseen.ids, run.history.validation, patience, show)
        self.every = trainer.updates_per_epoch
        self.memory.most = 0 if run.budget.max_seconds else len(unseen.ids)  # 0: the speed is not known yet
        self._ngrams = unseen.ngrams
        self._nats = self._counted = np.empty(0)  # losses of what was read last, by the network and by the n-grams
        self._places = np.empty((0, 0), np.intp)  # where the n-grams read

    @property
    def mixture(self) -> Mixture | None:
        return None if self._ngrams is None else Mixture(self._ngrams.share, self._ngrams.loss)

    def begin(self) -> None:
        self.run.start = self.read(EXCERPTS // 8)
        ids = self.trainer.ids
        architecture = self.trainer.architecture
        history = self.run.history
        limit = self.run.budget.max_seconds
        if limit is None or len(ids) <= _COUNTED * limit:
            end = None if architecture.end < 0 else architecture.end
            model = KneserNey(history.baseline_order)
            interruptibly(model.fit, ids[-MOST_COUNTED:], architecture.n_symbols, end)
            history.baseline = float(interruptibly(model.nats, self.text).mean())

    def losses(self, most: int, weights: Array) -> Floats:
        nats = super().losses(most, weights)
        places = excerpt_places(len(self.text) - 1, most)
        if self._ngrams is not None and not np.array_equal(places, self._places):  # counts at the start of the run
            counted = self._ngrams.excerpt_nats(self.text, places)
            self._places, self._counted = places, counted
        self._nats = nats
        return nats

    def amount(self) -> int:
        if self.memory.most:
            return self.memory.most
        run = self.run
        speed = run.characters / max(run.updating, 1e-9)
        return max(EXCERPTS, int(_FORWARD * speed * (run.budget.max_seconds or 0) / _PART))

    def cost(self, limit: float) -> float:
        if self.run.updating >= limit / _PART:
            self.memory.most = self.amount()  # from here on the speed is known well enough
        return super().cost(limit)

    def keep(self, nats: float) -> None:
        self.trainer.state.keep(validation=nats)
        if self._ngrams is not None and not math.isnan(nats):  # without a look there is nothing to choose by
            self._ngrams.choose(self._counted, self._nats)


class TrainingText(Judge):
    """Judges by the text that is trained on. Looks take some 2 % of the time.

    It reads the same EXCERPTS symbols each time, spread evenly over the text, or fewer where the whole training is
    short. A text that one stream trains on is read whole if that takes little time: a network that has memorised it
    from its start may fail on parts of it. The weights at the start compete, too, unless they are new and only parts of
    the text are read.
    """

    def __init__(self, trainer: Trainer, run: Run, patience: int | None, show: Callback) -> None:
        super().__init__(trainer, run, trainer.ids, run.history.training, patience, show)
        self._whole = self._is_short()
        self.memory.most = len(self.text) if self._whole else self._affordable()
        n_read = min(len(self.text), self.memory.most)
        n_trained = max(32 * min(n_read, EXCERPTS), 8 * n_read, 10_000)
        self.every = -(-n_trained // (trainer.architecture.seq_length * trainer.batch_size))

    def begin(self) -> None:
        run = self.run
        run.start = self.look(0.0)
        if run.first > 0 or self.memory.most >= len(self.text):
            self.memory.lowest = run.start
            self.keep(run.start)

    def amount(self) -> int:
        return self.memory.most

    def losses(self, most: int, weights: Array) -> Floats:
        if self._whole:
            return streamed_losses(self.trainer.architecture, weights, self.text)
        return super().losses(most, weights)

    def keep(self, nats: float) -> None:
        self.trainer.state.keep(training=nats)

    def _is_short(self) -> bool:
        """Whether one stream can read the whole text quickly, without reading much more than training does."""
        architecture = self.trainer.architecture
        run = self.run
        trained = math.inf if run.total is None else max(EXCERPTS, run.total * architecture.seq_length)
        seconds = min(_WHOLE, (run.budget.max_seconds or math.inf) / _PART)
        most = min(8 * EXCERPTS, trained, seconds / SLICE * architecture.chunk_size)
        return self.trainer.batch_size == 1 and len(self.text) <= most

    def _affordable(self) -> int:
        """Symbols to read: hardly more than are trained on, nor more than some 2 % of the time allows."""
        architecture = self.trainer.architecture
        run = self.run
        limit = run.budget.max_seconds
        most = EXCERPTS
        if run.total is not None:
            most = min(most, max(EXCERPTS // 2, run.total * architecture.seq_length * self.trainer.batch_size))
        if limit is not None:
            most = min(most, max(EXCERPTS // 8, int(limit * _OPERATIONS / architecture.layout.size)))
        return most
