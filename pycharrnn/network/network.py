"""The former name of an Architecture with its functions, until its last use is gone."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from pycharrnn.network.architecture import Architecture
from pycharrnn.network.cells import CELLS
from pycharrnn.network.engine import loss_and_gradients, loss_function
from pycharrnn.network.growth import mean, resumed, squares
from pycharrnn.network.state import State
from pycharrnn.network.workspace import workspace


class Network:
    """An Architecture under the names of before."""

    cells = tuple(CELLS)

    def __init__(
        self,
        cell: str,
        n_symbols: int,
        hidden_size: int,
        seq_length: int,
        dtype: str,
        documents: bool = False,
        num_layers: int = 1,
        dropout: float = 0.0,
        embedding_size: int | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        names = [field.name for field in dataclasses.fields(Architecture)]
        given = locals()
        self.whole = Architecture(**{name: given[name] for name in names})
        self.architecture = dataclasses.asdict(self.whole)
        self.cell, self.layout, self.end = self.whole.row, self.whole.layout, self.whole.end
        self.dropout, self.label_smoothing, self.D = dropout, label_smoothing, embedding_size or 0
        self.K, self.H, self.T, self.L = n_symbols, hidden_size, seq_length, num_layers
        self.dtype = np.dtype(dtype)

    @classmethod
    def of(cls, given: Architecture | Network) -> Network:
        """The Network of an Architecture."""
        return given if isinstance(given, Network) else cls(**dataclasses.asdict(given))

    def __getattr__(self, name: str) -> Any:
        if name == "whole":
            raise AttributeError(name)
        if name == "_check":
            return self.whole.check
        return getattr(self.whole, name)

    mean = staticmethod(mean)

    def workspace(self, *arguments: Any, **named: Any) -> Any:
        return workspace(self.whole, *arguments, **named)

    def state(self, *arguments: Any) -> State:
        return State.begin(self.whole, *arguments)

    def seed(self, state: State, rng: np.random.Generator) -> None:
        state.draw_seed(self.whole, rng)

    def resume(self, *arguments: Any) -> State:
        return resumed(self.whole, *arguments)

    def squares(self, state: State) -> Any:
        return squares(self.whole, state)

    @property
    def patience(self) -> int:
        return self.whole.chunk_size

    def losses(self, *arguments: Any, **named: Any) -> Any:
        from pycharrnn.network.scoring import streamed_losses

        return streamed_losses(self.whole, *arguments, **named)

    def validation_losses(self, *arguments: Any, **named: Any) -> Any:
        from pycharrnn.network.scoring import parallel_losses

        return parallel_losses(self.whole, *arguments, **named)

    def looked_losses(self, *arguments: Any, **named: Any) -> Any:
        from pycharrnn.network.scoring import excerpt_losses

        return excerpt_losses(self.whole, *arguments, **named)

    def cold_losses(self, *arguments: Any, **named: Any) -> Any:
        from pycharrnn.network.scoring import cold_losses

        return cold_losses(self.whole, *arguments, **named)

    def loss_and_gradients(self, *arguments: Any, **named: Any) -> Any:
        return loss_and_gradients(self.whole, *arguments, **named)

    def loss_function(self, *arguments: Any, **named: Any) -> Any:
        return loss_function(self.whole, *arguments, **named)
