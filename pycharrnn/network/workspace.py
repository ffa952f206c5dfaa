"""The memory that the kernels work on, and where in it each array lies."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pycharrnn import _kernels
from pycharrnn.arrays import Array
from pycharrnn.network.architecture import Architecture, of_layer
from pycharrnn.network.layout import Layout
from pycharrnn.network.memory import aligned, claim

ROOM = 1 << 26  # bytes of working memory for evaluating, beside that for the weights; at least those of one step


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


def _padded(n: int) -> int:
    """The next multiple of the widest vector register."""
    return -(-n // _kernels.LANES) * _kernels.LANES


def _stride(architecture: Architecture, n: int, B: int) -> int:
    """Distance of rows: padded, and for a batch not a multiple of 2 KiB, whose rows would share cache lines."""
    itemsize = architecture.precision.activations.itemsize
    return _padded(n) + _kernels.LANES * (B > 1 and _padded(n) * itemsize % 2048 == 0)


def _lie(architecture: Architecture, T: int, B: int, dropout: bool = False) -> Layout:
    """Where the arrays of a workspace lie."""
    K, H, cell = architecture.n_symbols, architecture.hidden_size, architecture.row
    Hs, As, N = _stride(architecture, H, B), _stride(architecture, cell.kept * H, B), cell.gates * H
    wide = 2 * _kernels.LANES  # matrices come in panels, of which the last may be wider than a padded row
    shapes: dict[str, tuple[int, ...]] = {}
    for i in range(architecture.num_layers):
        inputs = architecture.inputs(i)
        own: dict[str, tuple[int, ...]] = {"h": (T + 1, B, Hs), "d": (T, B, Hs), "WT": (H, N + wide)}
        own["c"] = (T + 1 if "c" in cell.states else 0, B, Hs)
        own["a"] = (0 if cell.in_place and not inputs else T, B, As)
        own["WB"] = (N if B > 1 else 0, H + wide)
        own["y"] = (T if dropout else 0, B, Hs)
        own["UT"] = (inputs, N + wide)
        own["UB"] = (N if inputs else 0, inputs + wide)
        if i == 0 and inputs:
            own["x"] = own["dx"] = (T, B, _stride(architecture, inputs, B))
        shapes |= {of_layer(name, i): shape for name, shape in own.items()}
    shapes["p"] = (T, B, K)
    shapes["VT"] = (H, K + wide)
    shapes["r"] = (max(architecture.num_layers, B), As)
    shapes["z"] = (2, B, Hs)
    shapes["zero"] = (H,)
    return Layout(shapes, _kernels.LANES)


def affordable_steps(architecture: Architecture, B: int, most: int) -> int:
    """Steps of B streams for which there is ROOM, 1 at least and `most` at most. The losses are the same."""
    step = _lie(architecture, 2, B).size - _lie(architecture, 1, B).size
    return max(1, min(most, ROOM // (step * architecture.precision.activations.itemsize)))


def workspace(architecture: Architecture, T: int, B: int = 1, training: bool = False) -> Workspace:
    """Sizes, offsets and memory for windows of T steps of B streams; dropout and smoothing are for training."""
    dropout, label_smoothing = (architecture.dropout, architecture.label_smoothing) if training else (0.0, 0.0)
    K, H, L, D = architecture.n_symbols, architecture.hidden_size, architecture.num_layers, architecture.inputs(0)
    cell, offsets = architecture.row, architecture.layout.offsets
    Hs, As, N = _stride(architecture, H, B), _stride(architecture, cell.kept * H, B), cell.gates * H
    lay = _lie(architecture, T, B, dropout > 0)
    if training:
        claim(
            lay.size * architecture.precision.activations.itemsize,
            f"updates of batch_size {B:,} x seq_length {T:,} characters, of {K:,} symbols, with hidden_size {H:,}",
            "lower batch_size or seq_length, or fold rare characters by a higher min_count",
        )
    sizes = {"T": T, "B": B, "K": K, "H": H, "L": L, "kind": cell.kind, "G": cell.gates, "end": architecture.end}
    sizes |= {"Hp": _padded(H), "Kp": _padded(K), "Gp": _padded(N)}
    sizes |= {"Hs": Hs, "As": As, "Ds": Hs if cell.in_place else As}
    sizes |= {name: offsets[name] for name in ("V", "c")}
    sizes |= {name: lay.offsets[name] for name in ("p", "VT", "r", "z", "zero")}
    out = [lay.offsets[of_layer("y", i)] if dropout else lay.offsets[of_layer("h", i)] + B * Hs for i in range(L)]
    layers = np.zeros((L, 19), np.int64)
    for i in range(L):
        inputs = architecture.inputs(i)
        params = [offsets.get(of_layer(name, i), 0) for name in "UWbn"]
        names = ("h", "c", "a", "d", "d" if cell.in_place else "a", "UT", "WT", "UB", "WB", "y")
        own_offsets = [lay.offsets[of_layer(name, i)] for name in names]
        x, dx = lay.offsets.get("x", 0), lay.offsets.get("dx", 0)
        if i:
            x, dx = out[i - 1], lay.offsets[of_layer("d", i - 1)]
        layers[i] = [*params, *own_offsets, inputs, _padded(inputs), _stride(architecture, inputs, B), x, dx]
    work = aligned(lay.size, architecture.precision.activations)
    starts = [[lay.offsets[of_layer(name, i)] for name in cell.states] for i in range(L)]
    firsts = [[work[at : at + B * Hs].reshape(B, Hs)[:, :H] for at in some] for some in starts]
    lasts = [[work[at + T * B * Hs :][: B * Hs].reshape(B, Hs)[:, :H] for at in some] for some in starts]
    sizes |= {"top": out[-1], "D": D, "E": offsets.get("E", 0)}
    rates = {"dropout": dropout, "label_smoothing": label_smoothing}
    return Workspace(sizes | rates, layers, work, firsts, lasts)
