"""The training loop: budgets, callbacks, and what is remembered of a run."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CUT, MOST_CUTS = 0.3, 5  # what multiplies the learning rate after a divergence, and how often
SLICE = 0.02  # seconds of updates between two looks at signals, clock and callbacks


class TrainingDivergedError(ArithmeticError):
    """The loss is not finite, or it is far above that of guessing.

    A loss that is not finite is raised only after the learning rate has been cut again and again. The model keeps the
    best weights, and would train on from them.

    Attributes
    ----------
    n_updates : int
        Updates made before it was seen.
    nats : float or None
        Their loss in nats per character, if it is finite.
    """

    def __init__(self, n_updates: int, nats: float | None = None) -> None:
        super().__init__(n_updates, nats)
        self.n_updates, self.nats = n_updates, nats

    def __str__(self) -> str:
        advice = "Lower learning_rate, or set clip_value or clip_norm"
        if self.nats is not None:
            return (
                f"training diverged: after update {self.n_updates} the loss is {self.nats:.3g} nats per character, far "
                f"worse than guessing all characters alike. {advice}"
            )
        return (
            f"training diverged: the loss is not finite after update {self.n_updates + 1}; the model is left as it was "
            f"after update {self.n_updates}. {advice}"
        )


class Sample(NamedTuple):
    """A text written while training."""

    n_updates: int
    smooth_loss: float
    text: str


class Divergence(NamedTuple):
    """A loss that was not finite: training went on from `n_updates`, its learning rate multiplied by `factor`."""

    n_updates: int
    factor: float


class Look(NamedTuple):
    """A look at a text while training: the validation text, or a fixed part of the training text."""

    n_updates: int
    seconds: float
    nats: float


class History:
    """What is remembered of training: losses, texts and times.

    Losses are in nats per `seq_length` characters. Those of every update are remembered until there are more than
    `limit`. Then every second one is forgotten, and so on: a run of any length takes little memory.

    Parameters
    ----------
    limit : int, default 20_000
        Losses to remember at most.
    seq_length : int, default 0
        Characters of a window; 0 if it is not known.

    Attributes
    ----------
    n_updates : int
        Updates made.
    epochs : ndarray of int64
        Updates that had been made when each pass over a text ended.
    updates : ndarray of int64, (n,)
        Updates that had been made when each loss was measured.
    loss, smooth_loss : ndarray of float64, (n,)
        The loss of a window and the running mean of such losses, 0.999 of the old and 0.001 of the new; of a batch of
        B windows, nearly B times as much of the new.
    seconds : ndarray of float64, (n,)
        Time since training began.
    divergences : list of Divergence
        ``(n_updates, factor)`` of each time that the loss was not finite and training went on more slowly.
    validation : list of Look
        ``(n_updates, seconds, nats)`` of each look at the validation text, in nats per character.
    training : list of Look
        The same of each look at the fixed part of the training text by which, without a validation text, the weights to
        keep are chosen.
    baseline : float or None
        Nats per character of the validation text by a Kneser-Ney model of `baseline_order`-grams of the training text:
        what counting achieves.
    texts : list of Sample
        ``(n_updates, smooth_loss, text)`` of each text that a `SampleText` callback wrote.
    """

    baseline_order = 5

    def __init__(self, limit: int = 20_000, seq_length: int = 0) -> None:
        self.limit, self.seq_length = limit, seq_length
        self.stride = 1
        self.baseline: float | None = None
        self.n_updates = 0
        self.texts: list[Sample] = []
        self.validation: list[Look] = []
        self.training: list[Look] = []
        self.divergences: list[Divergence] = []
        self._blocks: list[Floats] = [np.zeros((4, 0))]  # updates, loss, smooth loss and seconds, side by side
        self._passes: dict[int, tuple[int, int]] = {}  # updates before a run: those of an epoch, epochs

    def copy(self) -> History:
        """Another history that remembers the same, and goes on by itself."""
        new = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, (list, dict)):
                setattr(new, name, value.copy())
        return new

    def extend(self, first: int, loss: Floats, smooth_loss: Floats, begin: float, end: float) -> None:
        """Remember updates ``first, first + 1, ...``, made between two times."""
        if not len(loss) or first + len(loss) <= self.n_updates:  # known already
            return
        keep = np.arange(-first % self.stride, len(loss), self.stride)
        seconds = begin + (end - begin) * (keep + 1) / len(loss)
        block = np.stack([first + keep, loss[keep], smooth_loss[keep], seconds])
        self._blocks, self.n_updates = [*self._blocks, block], first + len(loss)  # no call here: no interrupt between
        if len(self._blocks) > 50:  # joining them each time would cost too much
            self._table()

    def rewind(self, n_updates: int) -> None:
        """Forget what came after `n_updates`: it has been undone."""
        if n_updates < self.n_updates:
            table = self._table()
            self.texts = [text for text in self.texts if text.n_updates <= n_updates]
            for looks in (self.validation, self.training):
                looks[:] = [look for look in looks if look.n_updates <= n_updates]
            self._blocks, self.n_updates = [table[:, table[0] < n_updates]], n_updates

    def count_epochs(self, first: int, updates_per_epoch: int, epochs: int) -> None:
        """Note how many passes the run has made that began at update `first`."""
        self._passes[first] = updates_per_epoch, epochs

    def _table(self) -> Floats:
        table = np.concatenate(self._blocks, axis=1) if len(self._blocks) > 1 else self._blocks[0]
        while table.shape[1] > self.limit:
            self.stride *= 2
            table = table[:, table[0] % self.stride == 0]
        self._blocks = [table]
        return table

    def _row(self, i: int) -> Floats:
        row: Floats = self._table()[i]
        return row

    @property
    def updates(self) -> npt.NDArray[np.int64]:
        return self._row(0).astype(np.int64)

    @property
    def loss(self) -> Floats:
        return self._row(1)

    @property
    def smooth_loss(self) -> Floats:
        return self._row(2)

    @property
    def seconds(self) -> Floats:
        return self._row(3)

    @property
    def epochs(self) -> npt.NDArray[np.int64]:
        ends = [first + length * np.arange(1, n + 1, dtype=np.int64) for first, (length, n) in self._passes.items()]
        return np.concatenate([np.empty(0, np.int64), *ends])

    def __len__(self) -> int:
        return len(self._row(0))

    def plot(self, **options: Any) -> Any:
        """Draw the losses: see `plotting.plot_losses` for the options and what is returned."""
        from pycharrnn.plotting import plot_losses  # only now: matplotlib is an extra

        return plot_losses(self, **options)

    def _repr_html_(self) -> str:
        """A table and, with matplotlib, the curves, for a notebook."""
        from pycharrnn import notebook, plotting  # only now: few programs are notebooks

        if not len(self):
            return notebook.table("History", {"updates": "none yet"})
        scale, unit = (self.seq_length, "character") if self.seq_length else (1, "window")
        first, last = (loss / scale for loss in self.smooth_loss[[0, -1]])
        rows = {"updates": f"{self.n_updates:,} in {self.seconds[-1]:,.1f} s"}
        rows["smooth loss"] = f"{first:.3f} → {last:.3f} nats per {unit}"
        if self.validation:
            best = min(self.validation, key=lambda look: look.nats)
            rows["lowest validation loss"] = f"{best.nats:.3f} nats per character, after update {best.n_updates:,}"
        try:
            picture = plotting.losses_svg(self, per_character=bool(self.seq_length))
        except ImportError:  # matplotlib is an extra
            picture = ""
        return notebook.table("History", rows, picture)

    def remember(self, n_updates: int, smooth_loss: float, text: str) -> None:
        """Keep a text written while training."""
        self.texts.append(Sample(n_updates, smooth_loss, text))

    def __repr__(self) -> str:
        if not len(self):
            return "History(nothing yet)"
        return (
            f"History({self.n_updates} updates in {self.seconds[-1]:.1f} s, "
            f"smooth loss {self.smooth_loss[0]:.2f} -> {self.smooth_loss[-1]:.2f})"
        )


@dataclass
class Budget:
    """When a training ends: by whichever of its limits comes first.

    Parameters
    ----------
    epochs, max_updates : int or None, default None
        Passes over the text, and updates. None is no limit.
    max_seconds : float or None, default None
        Time since the training began, in seconds.

    Raises
    ------
    ValueError
        If there is no limit.

    Examples
    --------
    >>> budget = Budget(epochs=4, max_seconds=25.0)
    >>> print(budget)
    25 s or 4 epochs
    >>> budget.updates(per_epoch=100)
    400
    """

    epochs: int | None = None
    max_updates: int | None = None
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.epochs is None and self.max_updates is None and self.max_seconds is None:
            raise ValueError("training would never end: give at least one of epochs, max_updates and max_seconds")

    def __str__(self) -> str:
        limits = {"s": self.max_seconds, "updates": self.max_updates, "epochs": self.epochs}
        given = (f"{most:,} {unit}" for unit, most in limits.items() if most is not None)
        return " or ".join(given).replace(".0 s", " s")

    def updates(self, per_epoch: int) -> int | None:
        """Updates after which it ends, or None where only time limits it; `per_epoch` of them are one pass."""
        limits = [self.max_updates, None if self.epochs is None else self.epochs * per_epoch]
        return min((n for n in limits if n is not None), default=None)


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
class Run:
    """A training run as a callback sees it.

    Attributes
    ----------
    n_updates : int
        Updates made, those of earlier calls of `partial_fit` included.
    epoch : int
        Passes over the text that are complete.
    loss, smooth_loss : float
        Of the last update, in nats per `seq_length` characters.
    nats : float
        The recent loss in nats per character: the mean over this call, the last 1,000 windows weighing most. NaN before
        the first update.
    seconds : float
        Time since this call began.
    updating : float
        Time in updates alone.
    total : int or None
        Updates that this call will make, if that is known.
    share : float
        The share of the budget that is spent, 0 to 1, of whichever limit is nearest.
    seconds_left : float or None
        Time to the end of the budget, at the speed so far; None before the first update.
    start : float
        The loss of the weights at the start, in nats per character of the text by which the best ones are chosen.
    status : {"training", "validating"}
        What is being done.
    characters : int
        Characters read in this call.
    history : History
    sample : callable
        ``sample(length, prompt="", temperature=1.0)`` writes text with the present weights. The same update writes
        the same text, and writing it does not change the training.
    save : callable
        ``save(path)`` writes a model file with the present weights, as `CharRNN.save` does after the training.
    budget : Budget
        The limits of this call.
    first : int
        Updates that had been made when this call began.
    begin : float
        When this call began, by `time.perf_counter`.
    """

    history: History
    sample: Callable[..., str]
    save: Callable[[str | os.PathLike[str]], None]
    budget: Budget
    first: int
    total: int | None
    begin: float = field(default_factory=time.perf_counter)
    n_updates: int = 0
    epoch: int = 0
    loss: float = float("nan")
    smooth_loss: float = float("nan")
    seconds: float = 0.0
    updating: float = 0.0
    characters: int = 0
    start: float = math.nan
    status: str = "training"
    _mean: tuple[float, float] = (0.0, 0.0)  # of the losses, and the weight of them: 1 - 0.999**n after n windows

    def __post_init__(self) -> None:
        self.n_updates = self.first

    @property
    def share(self) -> float:
        shares = [0.0]
        if self.budget.max_seconds is not None:
            shares.append(self.seconds / self.budget.max_seconds)
        if self.total is not None:
            shares.append((self.n_updates - self.first) / self.total)
        return min(1.0, max(shares))

    @property
    def seconds_left(self) -> float | None:
        if self.n_updates == self.first:
            return None
        left = [math.inf]
        if self.budget.max_seconds is not None:
            left.append(self.budget.max_seconds - self.seconds)
        if self.total is not None:
            done = self.n_updates - self.first
            left.append(self.seconds / done * (self.total - done))
        return max(0.0, min(left))

    @property
    def nats(self) -> float:
        total, weight = self._mean
        return total / weight if weight else math.nan

    def note(self, loss: Floats, windows: int) -> None:
        """Let `nats` know of the losses of some updates, each of so many windows, in nats per `seq_length`."""
        if len(loss):
            kept = 0.999 ** (windows * len(loss))
            total, weight = self._mean
            self._mean = (
                kept * total + (1 - kept) * float(loss.mean()) / self.history.seq_length,
                kept * weight + 1 - kept,
            )


Callback = Callable[[Run], object]


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
