"""The memory that the kernels work on, and where in it each array lies."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pycharrnn.network.memory import Array


class Workspace(NamedTuple):
    """What the kernels work on: sizes and offsets, those of each layer, the memory, and its rows of carried state.

    `first` and `last` are views of the state before and after a window, by layer and by h (and c), each (B, H).
    """

    plan: dict[str, Any]
    layers: npt.NDArray[np.int64]
    memory: Array
    first: list[list[Array]]
    last: list[list[Array]]

    def put(self, carried: Array | None) -> None:
        """Begin from this state, (L, states, B, H), or from zeros."""
        for i, states in enumerate(self.first):
            for s, state in enumerate(states):
                state[...] = 0 if carried is None else carried[i, s]

    def take(self, rows: list[list[Array]], carried: Array) -> None:
        """Copy a state into `carried`."""
        for i, states in enumerate(rows):
            for s, state in enumerate(states):
                carried[i, s] = state
