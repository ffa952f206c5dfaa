"""The recurrent cells: one row each, with all that Python needs to know. Their equations stand beside their kernels.

The kernels have a row of each as well. Rows that differ are an error at import.
"""

from __future__ import annotations

from typing import NamedTuple

from pycharrnn import _kernels
from pycharrnn.network.records import compare


class Cell(NamedTuple):
    """A recurrent cell of H units.

    Parameters
    ----------
    name : str
        What users and the kernels call it.
    phrase : str
        Its name in a sentence, with the article: "an LSTM".
    gates : int
        Pre-activations of a unit. Each gate has weights for the input (U), weights for the state (W) and a bias (b).
        Gates lie one below the other in PyTorch's order: LSTM input, forget, candidate, output; GRU reset, update,
        candidate.
    shared : int
        How many gates add the input's share to the state's share: the first ones. The others keep the two apart,
        because a gate scales the state's share first; each of them has a second bias (n).
    kept : int
        Numbers that the forward pass caches for the backward pass, per unit and step.
    states : tuple of str
        What is carried from step to step.
    biases : tuple of float
        The initial bias of each gate.
    initializer : {"normal", "uniform"}
        How weights are drawn when the parameter `initializer` is None.
    in_place : bool
        Whether h overwrites the pre-activation in the forward pass, and da overwrites dh in the backward pass.

    Examples
    --------
    >>> CELLS["gru"].shapes(inputs=5, H=2, gathered=True)
    {'U': (5, 6), 'W': (6, 2), 'b': (6,), 'n': (2,)}
    """

    name: str
    phrase: str
    gates: int
    shared: int
    kept: int
    states: tuple[str, ...]
    biases: tuple[float, ...]
    initializer: str
    in_place: bool = False

    @property
    def gated(self) -> bool:
        """Whether gates decide what a unit reads."""
        return self.gates > 1

    @property
    def numbers(self) -> dict[str, int]:
        """What the kernels know of it, by their names."""
        numbers = {"gates": self.gates, "shared": self.shared, "kept": self.kept, "states": len(self.states)}
        return numbers | {"in_place": int(self.in_place)}

    def shapes(self, inputs: int, H: int, gathered: bool) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter as it is stored.

        A `gathered` input matrix has one row per symbol, so that reading a symbol means reading a row.
        """
        N = self.gates * H
        shapes: dict[str, tuple[int, ...]] = {"U": (inputs, N) if gathered else (N, inputs), "W": (N, H), "b": (N,)}
        apart = self.gates - self.shared
        return shapes | ({"n": (apart * H,)} if apart else {})


CELLS = {
    row.name: row
    for row in (
        Cell(
            name="rnn",
            phrase="an RNN",
            gates=1,
            shared=1,
            kept=1,
            states=("h",),
            biases=(0.0,),
            initializer="normal",
            in_place=True,
        ),
        Cell(
            name="lstm",
            phrase="an LSTM",
            gates=4,
            shared=4,
            kept=4,
            states=("h", "c"),
            biases=(0.0, 1.0, 0.0, 0.0),  # the forget gate begins open (Gers, Schmidhuber, Cummins 2000)
            initializer="uniform",
        ),
        Cell(
            name="gru",
            phrase="a GRU",
            gates=3,
            shared=2,
            kept=4,
            states=("h",),
            biases=(0.0, 0.0, 0.0),
            initializer="uniform",
        ),
    )
}

compare("the cells", tuple(_kernels.CELLS), tuple(CELLS))
for _name, _cell in CELLS.items():
    compare(f"the numbers of {_name}", sorted(_kernels.CELLS[_name].items()), sorted(_cell.numbers.items()))
    if not _cell.in_place and _cell.kept < 2 * _cell.gates - _cell.shared:
        raise ImportError(f"{_name} keeps {_cell.kept} numbers, too few for the derivatives of its pre-activations")
