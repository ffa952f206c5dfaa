"""The table of a gradient check: how far the analytic gradient of each tensor lies from its numerical gradient."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

__all__ = ["GradientError", "GradientTable", "counted", "percent"]


class GradientError(NamedTuple):
    """How far one tensor's analytic gradient ga lies from its numerical gradient gn.

    Parameters
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
        The error up to which an entry counts into `share`.
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
    """Return the share in percent, rounded down: 100 % are all.

    Examples
    --------
    >>> percent(0.99999, 200_000), percent(1.0, 200_000)
    ('99.99 %', '100 %')
    """
    within = round(share * n_entries)
    return "100 %" if within == n_entries else f"{within * 10_000 // n_entries / 100:.2f} %"


def counted(n_checked: int, n_entries: int) -> str:
    """Return how many entries were checked: a number alone if all were.

    Examples
    --------
    >>> counted(20, 1600), counted(1600, 1600)
    ('20 of 1,600', '1,600')
    """
    return f"{n_entries:,}" if n_checked == n_entries else f"{n_checked:,} of {n_entries:,}"
