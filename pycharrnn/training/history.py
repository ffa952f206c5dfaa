"""What is remembered of a training: losses, texts and times."""

from __future__ import annotations

from copy import copy
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pycharrnn.arrays import Floats


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
        from pycharrnn.lab.plots import plot_losses  # only now: matplotlib is an extra

        return plot_losses(self, **options)

    def _repr_html_(self) -> str:
        """A table and, with matplotlib, the curves, for a notebook."""
        from pycharrnn.lab import notebook  # only now: few programs are notebooks
        from pycharrnn.lab import plots as plotting  # only now: few programs are notebooks

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
