"""Gradients by central differences beside gradients by back-propagation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from pycharrnn.arrays import Array
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.engine import loss_and_gradients, loss_function

# The work of a check that takes some 15 seconds: one entry costs about (seq_length + 8) times all weights.
_WORK = 2e11
_MOST = (5000, 2000, 1000, 500, 200, 100, 50, 20)  # so many entries of a tensor, if all would be more work than that


class GradientError(NamedTuple):
    """How far one tensor's analytic gradient ga lies from its numerical gradient gn.

    Attributes
    ----------
    seq_length, batch : int
        The window: its length, and whether it is the text's first (1), second (2), ...
    name : str
        The parameter.
    max_error, sum_error : float
        The largest and the sum of ``|ga - gn| / max(eps, |ga| + |gn|)`` over the entries that were checked.
    norm_error : float
        ``||ga - gn|| / (||ga|| + ||gn||)`` over the same entries.
    share : float
        The share of them, 0 to 1, whose error is at most `tolerance`.
    n_checked, n_entries : int
        How many entries were checked, and how many the tensor has.
    tolerance : float
    cut : bool
        Whether a limit of time ended the check before all entries that it had drawn were checked.
    """

    seq_length: int
    batch: int
    name: str
    max_error: float
    sum_error: float
    norm_error: float
    share: float
    n_checked: int
    n_entries: int
    tolerance: float
    cut: bool = False


class GradientTable(tuple[GradientError, ...]):
    """The errors of all tensors; prints itself as a table, in a notebook too.

    Examples
    --------
    >>> rows = [GradientError(5, 1, "W", 2e-6, 4e-6, 1e-8, 0.998, 500, 10_000, 1e-6)]
    >>> rows.append(GradientError(5, 1, "b", 3e-10, 9e-9, 2e-10, 1.0, 100, 100, 1e-6))
    >>> GradientTable(rows)
    ga: gradient by back-propagation, gn: by central differences
    max, sum, <= 1e-06: of the errors |ga - gn| / max(eps, |ga| + |gn|)
    norm: ||ga - gn|| / (||ga|| + ||gn||)
    entries: 600 of 10,100 checked: large, small and zero gradients
    seq_length  batch  tensor        entries      max      sum     norm  <= 1e-06
             5      1       W  500 of 10,000  2.0e-06  4.0e-06  1.0e-08   99.80 %
             5      1       b            100  3.0e-10  9.0e-09  2.0e-10     100 %
                          all            600  2.0e-06  4.0e-06  1.0e-08   99.83 %
    """

    __slots__ = ()

    @property
    def max_error(self) -> float:
        """The largest error of any entry; NaN if any is, or if there is none."""
        return float(np.max([row.max_error for row in self])) if self else math.nan

    @property
    def norm_error(self) -> float:
        """The largest norm-wise error of any tensor; NaN if any is, or if there is none."""
        return float(np.max([row.norm_error for row in self])) if self else math.nan

    @property
    def share(self) -> float:
        """The share of all checked entries, 0 to 1, whose error is at most the tolerance; NaN if there is none."""
        return sum(round(row.share * row.n_checked) for row in self) / self.n_checked if self else math.nan

    @property
    def n_checked(self) -> int:
        """How many entries were checked, in all windows together."""
        return sum(row.n_checked for row in self)

    @property
    def n_entries(self) -> int:
        """How many there are, in all windows together."""
        return sum(row.n_entries for row in self)

    @property
    def cut(self) -> bool:
        """Whether a limit of time ended the check early."""
        return any(row.cut for row in self)

    def as_dicts(self) -> list[dict[str, Any]]:
        """The rows as plain dictionaries, for ``pandas.DataFrame`` or ``json.dumps``."""
        return [row._asdict() for row in self]

    def _measures(self) -> list[str]:
        """What the columns mean."""
        lines = [
            "ga: gradient by back-propagation, gn: by central differences",
            f"max, sum, <= {self[0].tolerance:g}: of the errors |ga - gn| / max(eps, |ga| + |gn|)",
            "norm: ||ga - gn|| / (||ga|| + ||gn||)",
        ]
        if self.n_checked < self.n_entries:
            checked = counted(self.n_checked, self.n_entries)
            lines.append(f"entries: {checked} checked: large, small and zero gradients")
        if self.cut:
            lines.append("cut off: the limit of time came before all entries that were to be checked")
        return lines

    def _cells(self) -> list[list[str]]:
        """The table as text: the names of the columns, a line for each row and one for all of them."""
        names = ["seq_length", "batch", "tensor", "entries", "max", "sum", "norm"]
        total = math.fsum(row.sum_error for row in self)
        n = self.n_checked
        whole = ("", "", "all", self.max_error, total, self.norm_error, self.share, n, n)
        lines = [
            [str(T), str(batch), name, counted(n, size), *(f"{error:.1e}" for error in errors), percent(share, n)]
            for T, batch, name, *errors, share, n, size in [*(row[:9] for row in self), whole]
        ]
        return [[*names, f"<= {self[0].tolerance:g}"], *lines]

    def __repr__(self) -> str:
        if not self:
            return "GradientTable(nothing checked)"
        cells = self._cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ("  ".join(map(str.rjust, line, widths)) for line in cells)
        return "\n".join([*self._measures(), *lines])

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """The table for a notebook or for a page of one's own."""
        import html  # only now: importing the names of all entities takes its time

        if not self:
            return f"<p>{self!r}</p>"
        head, *body, foot = ([html.escape(cell) for cell in line] for line in self._cells())

        def row(line: list[str]) -> str:
            cells = (f'<th scope="row">{c}</th>' if i == 2 else f"<td>{c}</td>" for i, c in enumerate(line))
            return f"<tr>{''.join(cells)}</tr>"  # the third cell, the tensor, names the row

        return "\n".join([
            '<table class="gradient-errors">',
            f"<caption>{'<br/>'.join(html.escape(line) for line in self._measures())}</caption>",
            "<thead><tr>" + "".join(f'<th scope="col">{name}</th>' for name in head) + "</tr></thead>",
            "<tbody>",
            *map(row, body),
            "</tbody>",
            f"<tfoot>{row(foot)}</tfoot>",
            "</table>",
        ])  # fmt: skip


def percent(share: float, n_entries: int) -> str:
    """The share in percent, rounded down: 100 % are all."""
    within = round(share * n_entries)
    return "100 %" if within == n_entries else f"{within * 10_000 // n_entries / 100:.2f} %"


def counted(n_checked: int, n_entries: int) -> str:
    """How many were checked: a number alone where it is all of them."""
    return f"{n_entries:,}" if n_checked == n_entries else f"{n_checked:,} of {n_entries:,}"


def numerical_gradient(loss: Callable[[], Any], array: Array, h: float = 1e-4) -> Array:
    """Central differences ``(loss(x + h) - loss(x - h)) / 2h`` for every entry of `array`.

    Parameters
    ----------
    loss : callable
        Gives the loss at the present values of `array`, as a number or as an array of terms. The differences of terms
        are summed, not the terms: a sum of many is rounded more coarsely than any of them.
    array : ndarray of float64
        Changed entry by entry and put back.
    h : float
        The step.

    Returns
    -------
    ndarray
        Shaped as `array`.

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


class Progress:
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
        self.total, self.done, self._log, self._bar = total, 0, log, None
        self._begin = self._said = time.perf_counter()
        if log is not None:
            most = "" if limit is None else f", at most {limit:g} s"
            log(f"checking gradients: {counted(total, n_entries)} entries{most}")
        if shown:
            from tqdm.auto import tqdm  # only now: importing it takes longer than a small check

            form = "checking {percentage:3.0f} % |{bar}| {n_fmt} of {total_fmt} entries, {remaining} left"
            self._bar = tqdm(total=total, bar_format=form, delay=0.5, ncols=60)

    def __call__(self, n: int) -> None:
        """Another n entries have been dealt with."""
        self.done += n
        if self._bar is not None:
            self._bar.update(n)
        elif self._log is not None and (now := time.perf_counter()) - self._said >= self.every:
            self._said = now
            self._log(f"checking gradients: {self.done:,} of {self.total:,} entries in {now - self._begin:.0f} s")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def affordable(architecture: Architecture, seq_lengths: Sequence[int], batches: int) -> int | None:
    """How many entries of each tensor can be checked in some 15 seconds; None if that is all of them."""
    sizes = [math.prod(shape) for shape in architecture.shapes.values()]
    cost = sum(sizes) * batches * sum(T + 8 for T in seq_lengths)
    counts = [None, *_MOST]
    return next((n for n in counts if cost * n_drawn(architecture, n) <= _WORK), _MOST[-1])


def n_drawn(architecture: Architecture, max_entries: int | None) -> int:
    """How many entries are checked in one window if it is at most so many of each tensor."""
    sizes = (math.prod(shape) for shape in architecture.shapes.values())
    return sum(size if max_entries is None else min(size, max_entries) for size in sizes)


def drawn(gradient: Array, max_entries: int | None, rng: np.random.Generator) -> Array:
    """Entries to check, counted in C order, at random: all, or a third each of large, small and zero gradients.

    The large ones are those that make up 99 % of the norm's square. Of a text with thousands of characters only few are
    read or predicted in a window: nearly all rows are zero or nearly so, and some of the others must be checked. The
    largest comes first: beside it, however few are checked, the rounding of the others is no large norm error.
    """
    entries = np.arange(gradient.size)
    most = gradient.size if max_entries is None else max_entries
    if (some := max(200_000, 20 * most)) < gradient.size:  # to sort millions takes longer than to check some
        entries = np.unique(rng.integers(gradient.size, size=some))
    sizes = np.nan_to_num(np.abs(gradient.ravel()[entries]), nan=np.inf)
    order = np.argsort(-sizes, kind="stable")
    squares = np.cumsum(np.minimum(sizes[order], 1e100) ** 2)
    n_large = int(np.searchsorted(squares, 0.99 * squares[-1])) + 1
    strata = np.split(entries[order], [n_large, max(n_large, int(np.count_nonzero(sizes)))])
    parts: list[Array] = []
    for others, stratum in zip((2, 1, 0), sorted(strata, key=len), strict=True):  # these make up for what one lacks
        left = most - sum(map(len, parts))
        parts.append(rng.choice(stratum, min(len(stratum), left // (others + 1)), replace=False))
    largest, mixed = entries[order[0]], rng.permutation(np.concatenate(parts))
    return np.concatenate([[largest], mixed[mixed != largest]])[:most]


def check(
    architecture: Architecture,
    weights: Array,
    ids: Array,
    *,
    seq_length: int,
    batches: int,
    h: float,
    eps: float,
    tolerance: float = 1e-6,
    max_entries: int | None = None,
    seconds: float = math.inf,
    count: Callable[[int], object] = int,
) -> Iterator[GradientError]:
    """The errors of each tensor for the first windows of a text, each from the state that the one before it left.

    Parameters
    ----------
    architecture : Architecture
    weights : ndarray of float64
        Flat.
    ids : ndarray of int32
        At least ``batches * seq_length + 1`` symbols.
    seq_length, batches : int
        Length and number of the windows.
    h, eps : float
        Step of the differences; what the relative error is at least relative to.
    tolerance : float
        The error up to which an entry counts into `GradientError.share`.
    max_entries : int or None
        How many entries of each tensor to check; None: all. The same ones every time.
    seconds : float
        How long this may take: each window has an equal share of what is left, and there is none after the end. In
        each at least one entry of every tensor is checked.
    count : callable
        Called with how many entries of a window have been dealt with, each time.
    """
    hidden, end = None, time.perf_counter() + seconds
    for batch in range(batches):
        x, y = (ids[batch * seq_length + shift :][:seq_length] for shift in (0, 1))
        loss = loss_function(architecture, weights, x, y, hidden)
        _, gradients, hidden_after = loss_and_gradients(architecture, weights, x, y, hidden)
        arrays, rng = architecture.named(weights), np.random.default_rng([seq_length, batch])
        entries = {name: drawn(gradients[name], max_entries, rng) for name in arrays}
        found: dict[str, list[float]] = {name: [] for name in arrays}
        begin = time.perf_counter()
        stop = begin + (end - begin) / (batches - batch)
        turns = [(i, name) for i in range(max(map(len, entries.values()))) for name in arrays if i < len(entries[name])]
        for i, name in turns:  # one of each tensor in turn: the time is theirs alike
            if i and time.perf_counter() > stop:
                break
            found[name].append(_difference(loss, arrays[name], entries[name][i], h))
            count(1)
        count(sum(len(entries[name]) - len(found[name]) for name in arrays))
        over = batch + 1 < batches and time.perf_counter() > end
        for name, array in arrays.items():
            n = len(found[name])
            ga, gn = gradients[name].ravel()[entries[name][:n]], np.array(found[name])
            relative = np.abs(ga - gn) / np.maximum(eps, np.abs(ga) + np.abs(gn))
            norms = float(np.linalg.norm(ga) + np.linalg.norm(gn))
            yield GradientError(
                seq_length=int(seq_length),
                batch=batch + 1,
                name=name,
                max_error=float(relative.max()),
                sum_error=float(relative.sum()),
                norm_error=float(np.linalg.norm(ga - gn)) / norms if norms else 0.0,
                share=float((relative <= tolerance).mean()),
                n_checked=n,
                n_entries=array.size,
                tolerance=float(tolerance),
                cut=over or n < len(entries[name]),
            )
        if over:
            return
        hidden = hidden_after
