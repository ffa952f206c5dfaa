"""The recurrent cells: what each one stores. Its equations stand beside its kernels."""

from __future__ import annotations

from typing import NamedTuple


class Cell(NamedTuple):
    """A recurrent cell of H units.

    Attributes
    ----------
    kind : int
        What the kernels call it.
    gates : int
        Pre-activations of a unit, each with weights for the input (U), for the state (W) and a bias (b). Gates lie one
        below the other in PyTorch's order: LSTM input, forget, candidate, output; GRU reset, update, candidate.
    kept : int
        Numbers that a unit keeps of each step for the way back.
    states : tuple of str
        What is carried from step to step.
    candidate_bias : bool
        Whether the candidate has a second bias (n), on the input's side of the reset gate.
    """

    kind: int
    gates: int
    kept: int
    states: tuple[str, ...]
    candidate_bias: bool = False

    def shapes(self, inputs: int, H: int, gathered: bool) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter as it is stored.

        An input matrix that is `gathered` has one row a symbol, so that reading a symbol reads a row.
        """
        N = self.gates * H
        shapes: dict[str, tuple[int, ...]] = {"U": (inputs, N) if gathered else (N, inputs), "W": (N, H), "b": (N,)}
        return shapes | ({"n": (H,)} if self.candidate_bias else {})


CELLS = {
    "rnn": Cell(kind=0, gates=1, kept=1, states=("h",)),
    "lstm": Cell(kind=1, gates=4, kept=4, states=("h", "c")),
    "gru": Cell(kind=2, gates=3, kept=4, states=("h",), candidate_bias=True),
}
