"""Gradients by central differences beside gradients by back-propagation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class GradientError(NamedTuple):
    """How far one tensor's analytic gradient ga lies from its numerical gradient gn.

    Attributes
    ----------
    seq_length, batch : int
        The window: its length, and whether it is the text's first (1), second (2), ...
    name : str
        The parameter.
    max_error, sum_error : float
        The largest and the sum of ``|ga - gn| / max(eps, |ga| + |gn|)`` over its entries.
    norm_error : float
        ``||ga - gn|| / (||ga|| + ||gn||)``.
    share : float
        The share of its entries, 0 to 1, whose error is at most `tolerance`.
    n_entries : int
        How many it has.
    tolerance : float
    """

    seq_length: int
    batch: int
    name: str
    max_error: float
    sum_error: float
    norm_error: float
    share: float
    n_entries: int
    tolerance: float


class GradientTable(tuple[GradientError, ...]):
    """The errors of all tensors; prints itself as a table, in a notebook too.

    Examples
    --------
    >>> rows = [GradientError(5, 1, "W", 2e-6, 4e-6, 1e-8, 0.9999, 10_000, 1e-6)]
    >>> rows.append(GradientError(5, 1, "b", 3e-10, 9e-9, 2e-10, 1.0, 100, 1e-6))
    >>> GradientTable(rows)
    ga: gradient by back-propagation, gn: by central differences
    error: |ga - gn| / max(eps, |ga| + |gn|), at most 1e-06 in the last column
    norm error: ||ga - gn|| / (||ga|| + ||gn||)
    seq_length  batch  tensor  entries  max error  sum error  norm error  <= 1e-06
             5      1       W   10,000    2.0e-06    4.0e-06     1.0e-08   99.99 %
             5      1       b      100    3.0e-10    9.0e-09     2.0e-10     100 %
                          all   10,100    2.0e-06    4.0e-06     1.0e-08   99.99 %
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
        """The share of all entries, 0 to 1, whose error is at most the tolerance; NaN if there is none."""
        n_entries = sum(row.n_entries for row in self)
        return sum(round(row.share * row.n_entries) for row in self) / n_entries if self else math.nan

    def as_dicts(self) -> list[dict[str, Any]]:
        """The rows as plain dictionaries, for ``pandas.DataFrame`` or ``json.dumps``."""
        return [row._asdict() for row in self]

    def _measures(self) -> list[str]:
        """What the columns mean."""
        return [
            "ga: gradient by back-propagation, gn: by central differences",
            f"error: |ga - gn| / max(eps, |ga| + |gn|), at most {self[0].tolerance:g} in the last column",
            "norm error: ||ga - gn|| / (||ga|| + ||gn||)",
        ]

    def _cells(self) -> list[list[str]]:
        """The table as text: the names of the columns, a line for each row and one for all of them."""
        names = ["seq_length", "batch", "tensor", "entries", "max error", "sum error", "norm error"]
        n_entries, total = sum(row.n_entries for row in self), math.fsum(row.sum_error for row in self)
        whole = ("", "", "all", self.max_error, total, self.norm_error, self.share, n_entries)
        lines = [
            [str(seq_length), str(batch), name, f"{n:,}", *(f"{error:.1e}" for error in errors), _percent(share, n)]
            for seq_length, batch, name, *errors, share, n in [*(row[:-1] for row in self), whole]
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


def _percent(share: float, n_entries: int) -> str:
    """The share in percent, rounded down: 100 % are all."""
    within = round(share * n_entries)
    return "100 %" if within == n_entries else f"{within * 10_000 // n_entries / 100:.2f} %"


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
    gradient = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + h
        above = loss()
        array[index] = value - h
        below = loss()
        array[index] = value
        gradient[index] = np.sum(above - below) / (2 * h)
    return gradient


class Network(Protocol):
    """What a gradient check needs of a network."""

    def named(self, flat: Array) -> dict[str, Array]: ...
    def loss_function(self, params: Array, x: Array, y: Array, hidden: Array | None) -> Callable[[], Array]: ...
    def loss_and_gradients(
        self, params: Array, x: Array, y: Array, hidden: Array | None
    ) -> tuple[float, dict[str, Array], Array]: ...


def check(
    network: Network,
    params: Array,
    ids: Array,
    *,
    seq_length: int,
    batches: int,
    h: float,
    eps: float,
    tolerance: float = 1e-6,
) -> Iterator[GradientError]:
    """The errors of each tensor for the first windows of a text, each from the state that the one before it left.

    Parameters
    ----------
    network : Network
    params : ndarray of float64
        Flat weights.
    ids : ndarray of int32
        At least ``batches * seq_length + 1`` symbols.
    seq_length, batches : int
        Length and number of the windows.
    h, eps : float
        Step of the differences; what the relative error is at least relative to.
    tolerance : float
        The error up to which an entry counts into `GradientError.share`.
    """
    hidden = None
    for batch in range(batches):
        x, y = (ids[batch * seq_length + shift :][:seq_length] for shift in (0, 1))
        loss = network.loss_function(params, x, y, hidden)
        _, gradients, hidden_after = network.loss_and_gradients(params, x, y, hidden)
        for name, array in network.named(params).items():
            ga, gn = gradients[name], numerical_gradient(loss, array, h)
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
                n_entries=relative.size,
                tolerance=float(tolerance),
            )
        hidden = hidden_after
