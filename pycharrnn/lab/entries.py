"""Which entries of a gradient are checked, where there is no time for all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pycharrnn.arrays import Array
from pycharrnn.network.architecture import Architecture

__all__ = ["affordable", "draw", "n_drawn"]

_WORK = 2e11  # of a check that takes some 15 seconds
_OVERHEAD = 8  # an entry costs about (seq_length + so much) times all weights
_MOST = (5000, 2000, 1000, 500, 200, 100, 50, 20)  # so many entries of a tensor, if all would be more work than that
_LOOKED_AT = 200_000  # gradients among which the large ones are: to sort millions takes longer than to check some
_LARGE = 0.99  # of the norm's square is in the large gradients


def affordable(architecture: Architecture, seq_lengths: Sequence[int], batches: int) -> int | None:
    """Return how many entries of each tensor can be checked in some 15 seconds; None if that is all of them.

    Examples
    --------
    >>> lab = Architecture("rnn", n_symbols=80, hidden_size=100, seq_length=25)
    >>> large = lab.replace(cell="lstm", hidden_size=512)
    >>> affordable(lab, (5, 10, 15, 25), 2), affordable(large, (5, 10, 15, 25), 2)
    (None, 200)
    """
    cost = architecture.n_parameters * batches * sum(T + _OVERHEAD for T in seq_lengths)
    return next((n for n in (None, *_MOST) if cost * n_drawn(architecture, n) <= _WORK), _MOST[-1])


def n_drawn(architecture: Architecture, max_entries: int | None) -> int:
    """Return how many entries are checked in one window if it is at most so many of each tensor.

    Examples
    --------
    >>> n_drawn(Architecture("rnn", n_symbols=80, hidden_size=100, seq_length=25), 20)
    100
    """
    sizes = (math.prod(shape) for shape in architecture.shapes.values())
    return sum(size if max_entries is None else min(size, max_entries) for size in sizes)


def draw(gradient: Array, max_entries: int | None, rng: np.random.Generator) -> Array:
    """Draw entries to check, counted in C order: all, or a third each of large, small and zero gradients.

    The large ones make up 99 % of the norm's square. Of a text with thousands of characters, a window reads and
    predicts few. Nearly all rows are then zero or nearly so, and some of the others must be checked. The largest comes
    first. However few are checked, the rounding of the others is then a small norm error beside it.

    Examples
    --------
    >>> draw(np.array([0.0, 3.0, 0.1, 0.0]), 2, np.random.default_rng(0)).tolist()
    [1, 2]
    """
    entries = np.arange(gradient.size)
    most = gradient.size if max_entries is None else max_entries
    if (some := max(_LOOKED_AT, 20 * most)) < gradient.size:
        entries = np.unique(rng.integers(gradient.size, size=some))
    sizes = np.nan_to_num(np.abs(gradient.ravel()[entries]), nan=np.inf)
    order = np.argsort(-sizes, kind="stable")
    squares = np.cumsum(np.minimum(sizes[order], 1e100) ** 2)
    n_large = int(np.searchsorted(squares, _LARGE * squares[-1])) + 1
    strata = np.split(entries[order], [n_large, max(n_large, int(np.count_nonzero(sizes)))])
    parts: list[Array] = []
    for others, stratum in zip((2, 1, 0), sorted(strata, key=len), strict=True):  # these make up for what one lacks
        left = most - sum(map(len, parts))
        parts.append(rng.choice(stratum, min(len(stratum), left // (others + 1)), replace=False))
    largest, mixed = entries[order[0]], rng.permutation(np.concatenate(parts))
    return np.concatenate([[largest], mixed[mixed != largest]])[:most]
