"""The recurrent cells: one row each, with all that Python needs to know. Their equations stand beside their kernels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """A recurrent cell of H units.

    Parameters
    ----------
    name : str
        What users and the kernels call it.
    kind : int
        Its number in the kernels.
    phrase : str
        Its name in a sentence, with the article: "an LSTM".
    gates : int
        Pre-activations of a unit. Each gate has weights for the input (U), weights for the state (W) and a bias (b).
        Gates lie one below the other in PyTorch's order: LSTM input, forget, candidate, output; GRU reset, update,
        candidate.
    kept : int
        Numbers that the forward pass keeps for the backward pass, per unit and step.
    states : tuple of str
        What is carried from step to step.
    biases : tuple of float
        The initial bias of each gate.
    initializer : {"normal", "uniform"}
        How weights begin where nobody says how.
    in_place : bool
        Whether the state is computed in the place of its pre-activation, and its derivative in that of the state's.
    candidate_bias : bool
        Whether the candidate has a second bias (n), beside the state's weights and inside the reset gate.

    Examples
    --------
    >>> CELLS["gru"].shapes(inputs=5, H=2, gathered=True)
    {'U': (5, 6), 'W': (6, 2), 'b': (6,), 'n': (2,)}
    """

    name: str
    kind: int
    phrase: str
    gates: int
    kept: int
    states: tuple[str, ...]
    biases: tuple[float, ...]
    initializer: str
    in_place: bool = False
    candidate_bias: bool = False

    @property
    def gated(self) -> bool:
        """Whether gates decide what a unit reads."""
        return self.gates > 1

    def shapes(self, inputs: int, H: int, gathered: bool) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter as it is stored.

        A `gathered` input matrix has one row per symbol, so that reading a symbol means reading a row.
        """
        N = self.gates * H
        shapes: dict[str, tuple[int, ...]] = {"U": (inputs, N) if gathered else (N, inputs), "W": (N, H), "b": (N,)}
        return shapes | ({"n": (H,)} if self.candidate_bias else {})


CELLS = {
    row.name: row
    for row in (
        Cell(
            name="rnn",
            kind=0,
            phrase="an RNN",
            gates=1,
            kept=1,
            states=("h",),
            biases=(0.0,),
            initializer="normal",
            in_place=True,
        ),
        Cell(
            name="lstm",
            kind=1,
            phrase="an LSTM",
            gates=4,
            kept=4,
            states=("h", "c"),
            biases=(0.0, 1.0, 0.0, 0.0),  # the forget gate begins open (Gers, Schmidhuber, Cummins 2000)
            initializer="uniform",
        ),
        Cell(
            name="gru",
            kind=2,
            phrase="a GRU",
            gates=3,
            kept=4,
            states=("h",),
            biases=(0.0, 0.0, 0.0),
            initializer="uniform",
            candidate_bias=True,
        ),
    )
}
