"""The recurrent cells: what each one stores. Its equations stand beside its kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Cell(NamedTuple):
    """A recurrent cell of H units that reads one of K symbols.

    Attributes
    ----------
    shapes : callable
        ``shapes(K, H)`` gives name and shape of each parameter as it is stored: an input matrix has one row a symbol,
        so that reading a symbol reads a row.
    stored_transposed : tuple of str
        Parameters that the equations write the other way round.
    random : tuple of str
        Parameters that start as noise, in the order in which they are drawn; the others start at zero.
    """

    shapes: Callable[[int, int], dict[str, tuple[int, ...]]]
    stored_transposed: tuple[str, ...]
    random: tuple[str, ...]


def _rnn(K: int, H: int) -> dict[str, tuple[int, ...]]:
    return {"U": (K, H), "W": (H, H), "b": (H,)}


CELLS = {"rnn": Cell(shapes=_rnn, stored_transposed=("U",), random=("U", "W"))}
