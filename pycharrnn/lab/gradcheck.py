"""Gradients by central differences beside gradients by back-propagation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from pycharrnn.arrays import Array, Ids
from pycharrnn.lab.entries import affordable, draw, n_drawn
from pycharrnn.lab.gradient_table import GradientError, GradientTable, counted
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.engine import loss_and_gradients, loss_function

__all__ = ["Check", "Countdown", "check", "numerical_gradient"]


class Check(NamedTuple):
    """How gradients are checked.

    Parameters
    ----------
    seq_lengths : sequence of int
        Lengths of the windows.
    batches : int
        Windows of each length, from the start of the text.
    h : float
        Step of the differences.
    eps : float
        Errors are relative to this at least: |ga - gn| / max(eps, |ga| + |gn|).
    tolerance : float
        The error up to which an entry counts into `GradientError.share`.
    max_entries : int, "auto" or None
        How many entries of each tensor to check, the same ones every time. None checks all, "auto" as many as take some
        15 seconds.
    max_seconds : float or None
        How long the check may take. Each window has an equal share of the time that is left, and checks at least one
        entry of every tensor. No window begins after the end.
    """

    seq_lengths: Sequence[int] = (5, 10, 15, 25)
    batches: int = 2
    h: float = 1e-4
    eps: float = 1e-3
    tolerance: float = 1e-6
    max_entries: int | Literal["auto"] | None = "auto"
    max_seconds: float | None = None


def numerical_gradient(loss: Callable[[], Any], array: Array, h: float = 1e-4) -> Array:
    """Compute central differences ``(loss(x + h) - loss(x - h)) / 2h`` for every entry of an array.

    Parameters
    ----------
    loss : callable
        Gives the loss at the present values of `array`, as a number or as an array of terms. The differences of terms
        are summed, not the terms: the sum of many terms is rounded more coarsely than any of them.
    array : ndarray of float64
        Changed entry by entry and put back.
    h : float, default 1e-4
        The step.

    Returns
    -------
    ndarray
        The gradient, shaped as `array`.

    Examples
    --------
    >>> x = np.array([1.0, 2.0])
    >>> numerical_gradient(lambda: float((x**2).sum()), x).round(6)
    array([2., 4.])
    """
    return np.reshape([_difference(loss, array, entry, h) for entry in range(array.size)], array.shape)


def _difference(loss: Callable[[], Any], array: Array, entry: int, h: float) -> float:
    """The numerical gradient for one entry, counted in C order whatever the strides."""
    value = array.flat[entry]
    array.flat[entry] = value + h
    above = loss()
    array.flat[entry] = value - h
    below = loss()
    array.flat[entry] = value
    return float(np.sum(above - below)) / (2 * h)


class Countdown:
    """How far a check has come: a line at the start, then a bar after half a second, or a line every 30 seconds.

    Parameters
    ----------
    total, n_entries : int
        Entries to check, and how many there are.
    limit : float or None
        The seconds after which the check ends.
    shown : bool
        Whether there is a terminal or a notebook to draw the bar in.
    log : callable or None
        Called with each line.
    """

    every = 30.0

    def __init__(
        self, total: int, n_entries: int, limit: float | None, shown: bool, log: Callable[[str], object] | None
    ) -> None:
        self.total = total
        self.done = 0
        self._log = log
        self._bar: Any = None
        self._begin = self._said = time.perf_counter()
        if log is not None:
            most = "" if limit is None else f", at most {limit:g} s"
            log(f"checking gradients: {counted(total, n_entries)} entries{most}")
        if shown:
            from tqdm.auto import tqdm  # only now: importing it takes longer than a small check

            form = "checking {percentage:3.0f} % |{bar}| {n_fmt} of {total_fmt} entries, {remaining} left"
            self._bar = tqdm(total=total, bar_format=form, delay=0.5, ncols=60)

    def __call__(self, n: int) -> None:
        """Count n more entries as done."""
        self.done += n
        if self._bar is not None:
            self._bar.update(n)
        elif self._log is not None and (now := time.perf_counter()) - self._said >= self.every:
            self._said = now
            self._log(f"checking gradients: {self.done:,} of {self.total:,} entries in {now - self._begin:.0f} s")

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()


def check(
    architecture: Architecture,
    weights: Array,
    ids: Ids,
    how: Check,
    *,
    shown: bool = False,
    log: Callable[[str], object] | None = None,
) -> GradientTable:
    """Compare the gradients of each tensor for the first windows of a text.

    Parameters
    ----------
    architecture : Architecture
        In double precision, for windows of the longest length.
    weights : ndarray of float64
        Flat weights; changed entry by entry and put back.
    ids : ndarray of int32
        The text, of at least ``batches * max(seq_lengths) + 1`` symbols.
    how : Check
        What is checked, and how closely.
    shown : bool, default False
        Whether there is a terminal or a notebook to draw a bar in.
    log : callable or None, default None
        Called with a line at the start and, without a bar, every 30 seconds.

    Returns
    -------
    GradientTable
        A row for each window and tensor.

    Examples
    --------
    >>> architecture = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5, dtype="float64")
    >>> weights = architecture.initial(np.random.default_rng(0), 0.5)
    >>> table = check(architecture, weights, np.array([0, 1, 2, 1] * 3, np.int32), Check(seq_lengths=[5]))
    >>> len(table), table.norm_error < 1e-7
    (10, True)
    """
    most = affordable(architecture, how.seq_lengths, how.batches) if how.max_entries == "auto" else how.max_entries
    n_windows = len(how.seq_lengths) * how.batches
    n_entries = n_windows * architecture.n_parameters
    end = time.perf_counter() + (math.inf if how.max_seconds is None else how.max_seconds)
    countdown = Countdown(n_windows * n_drawn(architecture, most), n_entries, how.max_seconds, shown, log)
    rows: list[GradientError] = []
    try:
        for i, T in enumerate(how.seq_lengths):
            seconds = (end - time.perf_counter()) / (len(how.seq_lengths) - i)
            this = how._replace(seq_lengths=[T], max_entries=most, max_seconds=seconds)
            rows += _check_length(architecture, weights, ids, this, countdown)
    finally:
        countdown.close()
    return GradientTable(rows)


def _check_length(
    architecture: Architecture, weights: Array, ids: Ids, how: Check, countdown: Countdown
) -> Iterator[GradientError]:
    """The rows of the windows of one length, each from the state that the one before it left."""
    [T] = how.seq_lengths
    end = time.perf_counter() + (how.max_seconds or 0.0)
    carried = None
    for batch in range(how.batches):
        at = batch * T
        window = _Window(architecture, weights, ids[at : at + T + 1], carried, how, np.random.default_rng([T, batch]))
        begin = time.perf_counter()
        window.check(begin + (end - begin) / (how.batches - batch), countdown)
        over = batch + 1 < how.batches and time.perf_counter() > end
        yield from window.errors(batch + 1, over)
        if over:
            return
        carried = window.after


class _Window:
    """One window: its analytic gradients, the entries to check, and their numerical gradients as far as it has come."""

    def __init__(
        self,
        architecture: Architecture,
        weights: Array,
        ids: Ids,
        carried: Array | None,
        how: Check,
        rng: np.random.Generator,
    ) -> None:
        x, y = ids[:-1], ids[1:]
        self.how = how
        self.loss = loss_function(architecture, weights, x, y, carried, None)
        _, self.gradients, self.after = loss_and_gradients(architecture, weights, x, y, carried, None)
        self.arrays = architecture.named(weights)
        assert not isinstance(how.max_entries, str)  # `check` knows how many can be checked
        self.entries = {name: draw(self.gradients[name], how.max_entries, rng) for name in self.arrays}
        self.found: dict[str, list[float]] = {name: [] for name in self.arrays}

    def check(self, stop: float, countdown: Countdown) -> None:
        """Check one entry of each tensor in turn, so that they share the time, until all are done or it is over."""
        for i in range(max(map(len, self.entries.values()))):
            for name, entries in self.entries.items():
                if i < len(entries):
                    if i and time.perf_counter() > stop:
                        countdown(sum(len(entries) - len(self.found[name]) for name, entries in self.entries.items()))
                        return
                    self.found[name].append(_difference(self.loss, self.arrays[name], entries[i], self.how.h))
                    countdown(1)

    def errors(self, batch: int, over: bool) -> Iterator[GradientError]:
        """The row of each tensor; `over` says that there is no time for another window."""
        for name, array in self.arrays.items():
            entries = self.entries[name]
            n = len(self.found[name])
            ga = self.gradients[name].ravel()[entries[:n]]
            gn = np.array(self.found[name])
            relative = np.abs(ga - gn) / np.maximum(self.how.eps, np.abs(ga) + np.abs(gn))
            norms = float(np.linalg.norm(ga) + np.linalg.norm(gn))
            yield GradientError(
                seq_length=int(self.how.seq_lengths[0]),
                batch=batch,
                name=name,
                max_error=float(relative.max()),
                sum_error=float(relative.sum()),
                norm_error=float(np.linalg.norm(ga - gn)) / norms if norms else 0.0,
                share=float((relative <= self.how.tolerance).mean()),
                n_checked=n,
                n_entries=array.size,
                tolerance=float(self.how.tolerance),
                cut=over or n < len(entries),
            )
