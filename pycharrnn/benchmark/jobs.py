"""What is measured: the classic job, and whole training steps of larger models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pycharrnn.arrays import Ids
from pycharrnn.network.cells import CELLS

SYMBOLS = 65
"""Symbols of the random texts that the larger models read."""

_OPERATIONS = 2
"""A multiply-add is two operations."""

_PRODUCTS = 3
"""An update multiplies by each matrix once forward and twice backward: for its own gradient and for its input's."""


class Prepared(NamedTuple):
    """A competitor with its weights ready.

    Parameters
    ----------
    version : str
        Its name and version.
    train : callable
        Makes n updates. That of a larger job returns the loss of the last, in nats per character.
    sample : callable or None
        Draws n characters; None for larger jobs.
    """

    version: str
    train: Callable[[int], Any]
    sample: Callable[[int], object] | None = None


class Classic(NamedTuple):
    """The classic job: one window of one stream, a step of AdaGrad.

    Parameters
    ----------
    hidden_size : int
        Units of the hidden state.
    seq_length : int
        Characters of a window.
    learning_rate : float
        The step of AdaGrad.
    clip_value : float
        Every entry of the gradient is clipped to [-clip_value, clip_value].
    init_scale : float
        Standard deviation of the initial weights.
    """

    hidden_size: int = 100
    seq_length: int = 25
    learning_rate: float = 0.1
    clip_value: float = 5.0
    init_scale: float = 0.01

    def flops(self, n_symbols: int) -> int:
        """Return the operations of the matrix products of an update: those with W and V; nothing else is counted."""
        weights = self.hidden_size * (self.hidden_size + n_symbols)
        return _PRODUCTS * _OPERATIONS * self.seq_length * weights


CLASSIC = Classic()


class Job(NamedTuple):
    """A larger model and its windows: what one update of it is.

    Examples
    --------
    >>> job = Job("lstm", num_layers=2, hidden_size=512, batch_size=50, seq_length=50)
    >>> print(job, f"{job.flops / 1e9:.1f} GFLOP", sep=": ")
    lstm 2 x 512, B 50, T 50: 47.7 GFLOP
    """

    cell: str
    num_layers: int
    hidden_size: int
    batch_size: int
    seq_length: int

    @property
    def flops(self) -> int:
        """Operations of pycharrnn's matrix products in an update; nothing else is counted.

        The input matrix of the first layer is in no product: a character reads one row of it.
        """
        matrices = 2 * self.num_layers - 1
        weights = CELLS[self.cell].gates * self.hidden_size**2 * matrices + SYMBOLS * self.hidden_size
        return _PRODUCTS * _OPERATIONS * self.seq_length * self.batch_size * weights

    def text(self) -> Ids:
        """Return random symbols, of which 20 windows are whole."""
        n = self.batch_size * 20 * self.seq_length + 1
        return np.random.default_rng(0).integers(0, SYMBOLS, n, np.int32)

    def __str__(self) -> str:
        return f"{self.cell} {self.num_layers} x {self.hidden_size}, B {self.batch_size}, T {self.seq_length}"


JOBS = (
    *(Job(cell, L, m, 50, 50) for cell in ("lstm", "gru", "rnn") for L, m in ((1, 256), (2, 512))),
    Job("lstm", 1, 128, 32, 64),
    Job("lstm", 2, 128, 50, 50),
)


def streams(ids: Ids, batch_size: int) -> Ids:
    """Return the text in `batch_size` columns, cut where pycharrnn cuts it.

    The last symbol of each column is the first of the next.

    Examples
    --------
    >>> streams(np.arange(5, dtype=np.int32), 2).T
    array([[0, 1, 2],
           [2, 3, 4]], dtype=int32)
    """
    n = (len(ids) - 1) // batch_size
    found: Ids = ids[np.arange(n + 1)[:, None] + n * np.arange(batch_size)]
    return found
