"""The architecture: what a network is made of, without any array or kernel."""

from __future__ import annotations

import dataclasses
import math
from functools import cached_property, partial
from typing import Any, Self

import numpy as np

from pycharrnn import _kernels
from pycharrnn.arrays import Array, Ids
from pycharrnn.messages import Message, Setting, advice
from pycharrnn.network.cells import CELLS, Cell
from pycharrnn.network.initial import fill, normal, orthogonal
from pycharrnn.network.layout import Layout
from pycharrnn.network.memory import aligned, claim
from pycharrnn.network.precision import PRECISIONS, Precision


def of_layer(name: str, layer: int) -> str:
    """The name of a layer's array: U in the first, U2 in the second.

    Examples
    --------
    >>> of_layer("U", 0), of_layer("U", 1)
    ('U', 'U2')
    """
    return f"{name}{layer + 1}" if layer else name


@dataclasses.dataclass(frozen=True)
class Architecture:
    """The cell, the sizes and the precision of a network. It never changes, so threads share it.

    Parameters
    ----------
    cell : str
        A name of `CELLS`.
    n_symbols : int
        K, the symbols that are read and predicted: characters, and the end of a document if there are `documents`.
    hidden_size : int
        H, the units of a layer.
    seq_length : int
        T, the steps of a window. Back-propagation goes back so far, and training losses are per T symbols.
    dtype : str, default "float32"
        A name of `PRECISIONS`.
    documents : bool, default False
        Whether the last symbol ends a document. A step that reads it begins from a zero state.
    num_layers : int, default 1
        L. Each layer above the first reads the states of the one below.
    dropout : float in [0, 1), default 0.0
        The share of each layer's outputs, and of the embeddings, that are dropped at random while training.
    embedding_size : int or None, default None
        D, the numbers that stand for a symbol; None reads symbols one-hot.
    label_smoothing : float in [0, 1), default 0.0
        The share of each target that is spread evenly over all symbols while training.
    output_dropout : float in [0, 1) or None, default None
        The share of the last layer's outputs that are dropped instead; None is `dropout`.
    zoneout, cell_zoneout : float in [0, 1), default 0.0
        The probabilities with which a unit keeps its state h, and its cell state, for a step while training. In all
        other passes a state is the mean of both.

    Raises
    ------
    ValueError
        If there is no such cell or no such precision.

    Examples
    --------
    >>> lab = Architecture("rnn", n_symbols=80, hidden_size=100, seq_length=25)
    >>> lab.shapes
    {'U': (100, 80), 'W': (100, 100), 'b': (100,), 'V': (80, 100), 'c': (80,)}
    >>> lab.n_parameters, lab.replace(num_layers=2).n_parameters
    (26180, 46280)
    """

    cell: str
    n_symbols: int
    hidden_size: int
    seq_length: int
    dtype: str = "float32"
    documents: bool = False
    num_layers: int = 1
    dropout: float = 0.0
    embedding_size: int | None = None
    label_smoothing: float = 0.0
    output_dropout: float | None = None
    zoneout: float = 0.0
    cell_zoneout: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a cell or a precision that does not exist."""
        for kind, name, table in (("cell", self.cell, CELLS), ("precision", self.dtype, PRECISIONS)):
            if name not in table:
                raise ValueError(f"there is no {kind} {name!r}, only {', '.join(table)}")

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields alone, for pickles: where arrays lie is computed anew."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @property
    def row(self) -> Cell:
        """What is known of the cell."""
        return CELLS[self.cell]

    @property
    def precision(self) -> Precision:
        """The data types of weights, products, activations and moments."""
        return PRECISIONS[self.dtype]

    @property
    def dropouts(self) -> list[float]:
        """The share of the outputs that are dropped while training, layer by layer."""
        last = self.dropout if self.output_dropout is None else self.output_dropout
        return [self.dropout] * (self.num_layers - 1) + [last]

    @property
    def zones(self) -> bool:
        """Whether units may keep their states for a step."""
        return self.zoneout > 0 or self.cell_zoneout > 0

    @property
    def random(self) -> bool:
        """Whether training draws masks."""
        return self.zones or self.dropout > 0 or max(self.dropouts) > 0

    @property
    def end(self) -> int:
        """The symbol that ends a document, -1 if there are no documents."""
        return self.n_symbols - 1 if self.documents else -1

    def replace(self, **changes: Any) -> Self:
        """The same architecture but for these fields."""
        return dataclasses.replace(self, **changes)

    # --- parameters ---------------------------------------------------------------------------------------------

    def inputs(self, layer: int) -> int:
        """Numbers that a layer reads per step; 0 in a first layer that reads symbols one-hot."""
        return self.hidden_size if layer else self.embedding_size or 0

    @cached_property
    def layout(self) -> Layout:
        """Where each parameter lies in a flat vector, and its shape there."""
        shapes: dict[str, tuple[int, ...]] = {}
        if self.embedding_size:
            shapes["E"] = (self.n_symbols, self.embedding_size)
        for i in range(self.num_layers):
            inputs = self.inputs(i)
            own = self.row.shapes(inputs or self.n_symbols, self.hidden_size, gathered=not inputs)
            shapes |= {of_layer(name, i): shape for name, shape in own.items()}
        shapes |= {"V": (self.n_symbols, self.hidden_size), "c": (self.n_symbols,)}
        return Layout(shapes, _kernels.LANES)

    @property
    def _gathered(self) -> str:
        """The parameter that is stored transposed, with one row per symbol; "" if there are embeddings."""
        return "" if self.embedding_size else "U"

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter, as in the equations."""
        return {name: shape[::-1] if name == self._gathered else shape for name, shape in self.layout.shapes.items()}

    @property
    def n_parameters(self) -> int:
        """How many numbers are learned."""
        return sum(math.prod(shape) for shape in self.layout.shapes.values())

    def named(self, flat: Array) -> dict[str, Array]:
        """The parameters (or gradients, or moments) in a flat vector: views by name, shaped as in the equations."""
        views = self.layout.views(flat)
        return {name: view.T if name == self._gathered else view for name, view in views.items()}

    def flatten(self, named: dict[str, Array]) -> Array:
        """The flat vector of parameters given by name."""
        flat = aligned(self.layout.size, self.precision.weights)
        for name, view in self.named(flat).items():
            view[...] = named[name]
        return flat

    def rows(self, name: str, array: Array) -> Array | None:
        """A view of a parameter with one row per symbol; None if it has no such rows."""
        if name in ("E", "V", "c"):
            return array
        return array.T if name == self._gathered else None

    def initial(self, rng: np.random.Generator, scale: float | None = None, how: str | None = None) -> Array:
        """Draw weights to begin with. The biases are those of the cell's row, and zero in the output layer.

        Parameters
        ----------
        rng : numpy.random.Generator
            What draws them.
        scale : float or None, default None
            Standard deviation of normal weights, half the width of uniform ones. None is 0.01 for normal ones and
            1 / sqrt(H) for others; a gated cell then reads a symbol through weights of standard deviation 1, and the
            states of a layer below through weights of 2 / sqrt(H): its gates' inputs are nearly N(0, 1).
        how : {"normal", "uniform", "orthogonal"} or None, default None
            None is "normal" if there is a `scale`, else what the cell's row says. "orthogonal" concerns the recurrent
            weights; the others are then uniform.

        Returns
        -------
        ndarray, (P,)
            Flat weights.

        Raises
        ------
        MemoryError
            If there is not enough memory to train so many weights.
        """
        claim(
            8 * self.layout.size * self.precision.weights.itemsize,  # moments, gradients, best, states to go back to
            Message(
                *("training with ", Setting("hidden_size"), f" {self.hidden_size:,}, "),
                *(Setting("num_layers"), f" {self.num_layers:,} and {self.n_symbols:,} symbols"),
            ),
            advice(
                "lower {hidden_size}, {num_layers} or {embedding_size}, or fold rare characters by a higher {min_count}"
            ),
        )
        how = how or (self.row.initializer if scale is None else "normal")
        narrow = math.sqrt(1 / self.hidden_size)  # not a power, which would be the C library's
        spread = (0.01 if how == "normal" else narrow) if scale is None else scale
        reading: dict[str, float] = {}
        if scale is None and self.row.gated:
            reading = {of_layer("U", i): 2 * narrow for i in range(1, self.num_layers)}
            reading["E" if self.embedding_size else "U"] = 1.0
        flat = aligned(self.layout.size, self.precision.weights)
        for name, view in self.named(flat).items():
            if name[0] == "b":
                view[...] = np.repeat(self.row.biases, self.hidden_size)
            elif name in reading:
                fill(view, partial(normal, rng, reading[name]))
            elif how == "orthogonal" and name[0] == "W":
                view[...] = orthogonal(rng, view.shape)
            elif view.ndim > 1 and how == "normal":
                fill(view, partial(normal, rng, spread))
            elif view.ndim > 1:
                fill(view, partial(rng.uniform, -spread, spread))
        return flat

    # --- states and symbols -------------------------------------------------------------------------------------

    def carried(self, batch_size: int = 1) -> tuple[int, int, int, int]:
        """The shape of what is carried from one window to the next: layers, states (h, and c), streams, units."""
        return (self.num_layers, len(self.row.states), batch_size, self.hidden_size)

    @property
    def chunk_size(self) -> int:
        """Symbols that are read in some 20 ms: after so many a loop returns to Python, for signals."""
        gates = self.num_layers * self.row.gates * self.hidden_size
        return max(1, 10**8 // (self.hidden_size * (gates + self.n_symbols)))

    def check(self, ids: Ids) -> None:
        """Refuse ids that the kernels cannot read.

        Raises
        ------
        TypeError
            If they are no C-contiguous array of int32, (N,) or (T, B).
        ValueError
            If one is not in 0 .. K - 1.
        """
        if ids.dtype != np.int32 or ids.ndim not in (1, 2) or not ids.flags.c_contiguous:
            raise TypeError("ids must be a contiguous array of int32")
        if ids.size and not 0 <= ids.min() <= ids.max() < self.n_symbols:
            raise ValueError(f"ids must lie in 0 .. {self.n_symbols - 1}, got {ids.min()} .. {ids.max()}")
