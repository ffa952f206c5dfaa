"""What is remembered of a training: losses, texts and times."""

from __future__ import annotations

from copy import copy
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pycharrnn.arrays import Floats
from pycharrnn.training.entries import Divergence, Look, Sample

Table = npt.NDArray[np.void]  # of entries, one an update


class Passes(NamedTuple):
    """The passes over a text that one run has completed."""

    length: int  # updates of each
    n: int


ENTRY = np.dtype(
    [("updates", np.int64), ("loss", np.float64), ("smooth_loss", np.float64), ("seconds", np.float64)]
)  # what is remembered of one update


class History:
    """What is remembered of training: losses, texts and times.

    Losses are in nats per `seq_length` characters. Those of every update are remembered until there are more than
    `limit`. Then every second one is dropped, and so on: a run of any length takes little memory.

    Parameters
    ----------
    limit : int, default 20_000
        The most losses to remember.
    seq_length : int, default 0
        Characters of a window; 0 if it is not known.

    Attributes
    ----------
    n_updates : int
        Updates made.
    stride : int
        Updates between two losses that are remembered.
    epochs : ndarray of int64
        Updates that had been made when each pass over a text ended.
    updates : ndarray of int64, (n,)
        Updates that had been made when each loss was measured.
    loss : ndarray of float64, (n,)
        The loss of each update: of a window, or the mean over those of a batch.
    smooth_loss : ndarray of float64, (n,)
        The running mean of these losses, 0.999 of the old one and 0.001 of the new. A batch of B windows moves
        the mean nearly B times as far as one window.
    seconds : ndarray of float64, (n,)
        Time since the call of `fit` or `partial_fit` began, in seconds.
    divergences : list of Divergence
        Each time that a loss was not finite and training went on more slowly: ``(n_updates, factor)``.
    validation : list of Look
        Each look at the validation text: ``(n_updates, seconds, nats)``, in nats per character.
    training : list of Look
        Each look at a fixed part of the training text. These looks choose the best weights if there is no validation
        text.
    baseline : float or None
        The loss of the validation text by a Kneser-Ney model of `baseline_order`-grams of the training text, or of its
        last five million characters, in nats per character: what counting achieves.
    baseline_order : int
        5.
    texts : list of Sample
        Each text that a `SampleText` callback wrote: ``(n_updates, smooth_loss, text)``.

    Examples
    --------
    >>> from pycharrnn import CharRNN
    >>> history = CharRNN(hidden_size=8, epochs=3, random_state=0).fit("hello world. " * 20).history_
    >>> history.n_updates, history.epochs.tolist(), len(history.loss)
    (33, [11, 22, 33], 33)
    """

    baseline_order = 5

    def __init__(self, limit: int = 20_000, seq_length: int = 0) -> None:
        self.limit = limit
        self.seq_length = seq_length
        self.stride = 1
        self.baseline: float | None = None
        self.n_updates = 0
        self.texts: list[Sample] = []
        self.validation: list[Look] = []
        self.training: list[Look] = []
        self.divergences: list[Divergence] = []
        self._blocks: list[Table] = [np.zeros(0, ENTRY)]
        self.passes: dict[int, Passes] = {}  # by the updates made before a run

    def copy(self) -> History:
        """Copy the history.

        Returns
        -------
        History
            A history that remembers the same, and goes on by itself.

        Examples
        --------
        >>> history = History()
        >>> other = history.copy()
        >>> other.remember(0, float("nan"), "to be")
        >>> len(history.texts), len(other.texts)
        (0, 1)
        """
        new = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, (list, dict)):
                setattr(new, name, value.copy())
        return new

    def extend(self, first: int, loss: Floats, smooth_loss: Floats, begin: float, end: float) -> None:
        """Remember the losses of some updates. Updates that are known already stay as they are.

        Parameters
        ----------
        first : int
            Updates made before the first of them.
        loss, smooth_loss : ndarray of float64, (n,)
            The losses of updates first, first + 1, ...
        begin, end : float
            When they were made, in seconds.

        Examples
        --------
        >>> history = History()
        >>> history.extend(0, np.array([5.0, 4.0]), np.array([5.0, 4.999]), begin=0.0, end=0.5)
        >>> history.seconds
        array([0.25, 0.5 ])
        """
        if not len(loss) or first + len(loss) <= self.n_updates:  # known already
            return
        keep = np.arange(-first % self.stride, len(loss), self.stride)
        block = np.empty(len(keep), ENTRY)
        block["updates"] = first + keep
        block["loss"] = loss[keep]
        block["smooth_loss"] = smooth_loss[keep]
        block["seconds"] = begin + (end - begin) * (keep + 1) / len(loss)
        self._blocks, self.n_updates = [*self._blocks, block], first + len(loss)  # no call here: no interrupt between
        if len(self._blocks) > 50:  # joining them each time would cost too much
            self.table()

    def rewind(self, n_updates: int) -> None:
        """Drop what came after some update: it has been undone.

        Parameters
        ----------
        n_updates : int
            Updates that stay.
        """
        if n_updates < self.n_updates:
            table = self.table()
            self.texts = [text for text in self.texts if text.n_updates <= n_updates]
            for looks in (self.validation, self.training):
                looks[:] = [look for look in looks if look.n_updates <= n_updates]
            self._blocks, self.n_updates = [table[table["updates"] < n_updates]], n_updates

    def refill(self, table: Table, n_updates: int, stride: int) -> None:
        """Take the losses that another history has remembered.

        Parameters
        ----------
        table : ndarray of ENTRY, (n,)
            What its `table` returned.
        n_updates, stride : int
            Its attributes.
        """
        self._blocks, self.n_updates, self.stride = [table], n_updates, stride

    def remember(self, n_updates: int, smooth_loss: float, text: str) -> None:
        """Keep a text written in training.

        Parameters
        ----------
        n_updates : int
            Updates made before it.
        smooth_loss : float
            The smooth loss then, in nats per `seq_length` characters.
        text : str
            The text.
        """
        self.texts.append(Sample(n_updates, smooth_loss, text))

    def count_epochs(self, first: int, updates_per_epoch: int, epochs: int) -> None:
        """Note how many passes over the text a run has completed.

        Parameters
        ----------
        first : int
            Updates made before the run.
        updates_per_epoch : int
            Updates of one pass.
        epochs : int
            Passes.
        """
        self.passes[first] = Passes(updates_per_epoch, epochs)

    def table(self) -> Table:
        """Return the losses that are remembered, and when they were measured, as one array.

        Returns
        -------
        ndarray of ENTRY, (n,)
            A record for each of them.
        """
        table = np.concatenate(self._blocks) if len(self._blocks) > 1 else self._blocks[0]
        while len(table) > self.limit:
            self.stride *= 2
            table = table[table["updates"] % self.stride == 0]
        self._blocks = [table]
        return table

    @property
    def updates(self) -> npt.NDArray[np.int64]:
        return np.array(self.table()["updates"])

    @property
    def loss(self) -> Floats:
        return np.asarray(self.table()["loss"])

    @property
    def smooth_loss(self) -> Floats:
        return np.asarray(self.table()["smooth_loss"])

    @property
    def seconds(self) -> Floats:
        return np.asarray(self.table()["seconds"])

    @property
    def epochs(self) -> npt.NDArray[np.int64]:
        ends = [first + epochs.length * np.arange(1, epochs.n + 1) for first, epochs in self.passes.items()]
        return np.concatenate([np.empty(0, np.int64), *ends], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.table())

    def __repr__(self) -> str:
        if not len(self):
            return "History(nothing yet)"
        return (
            f"History({self.n_updates} updates in {self.seconds[-1]:.1f} s, "
            f"smooth loss {self.smooth_loss[0]:.2f} -> {self.smooth_loss[-1]:.2f})"
        )

    def plot(self, **options: Any) -> Any:
        """Draw the losses against the updates.

        Parameters
        ----------
        **options
            The options of `pycharrnn.lab.plots.plot_losses`: `per_character`, `show_loss` and `ax`.

        Returns
        -------
        matplotlib.figure.Figure
            The figure drawn on.

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            If there is nothing to draw.

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> history = CharRNN(hidden_size=4, random_state=0).fit("to be or not to be " * 200).history_
        >>> history.plot(per_character=True).axes[0].get_xlabel()
        'characters read'
        """
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
