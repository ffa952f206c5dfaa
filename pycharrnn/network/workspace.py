"""The memory that the kernels work on, and the place of each array in it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pycharrnn import _kernels
from pycharrnn.arrays import Array, Floats, Ids
from pycharrnn.messages import Message, Setting, advice
from pycharrnn.network.architecture import Architecture, of_layer
from pycharrnn.network.layout import Layout
from pycharrnn.network.memory import aligned, claim
from pycharrnn.network.records import Layer, Plan, record

ROOM = 1 << 26  # bytes of working memory for an evaluation, besides the weights; one step is always allowed


class Workspace(NamedTuple):
    """What the kernels work on.

    Attributes
    ----------
    blueprint : _kernels.Blueprint
        Sizes and places: a record of `records.Plan`, and one of `records.Layer` for each layer.
    memory : ndarray
        All arrays of a window.
    states : list of list of ndarray, (T + 1, B, H)
        Views of the states, by layer and by state: the first row is before a window, the others are after its steps.
    first, last : list of list of ndarray, (B, H)
        The first and the last rows of them.
    grads : ndarray, (P,)
        The gradients of an update, if it is for training.
    seen : ndarray of int32, (K,)
        Scratch: the symbols that an update has read.
    losses : ndarray of float64, (T * B,)
        The loss of each prediction of a window, if it is for training.
    logits : ndarray of float64, (3 * Kp,)
        Scratch: the logits of the symbol that is drawn next, and what sorts them.
    shares : ndarray, (T * B, K)
        A view of the softmax of each prediction.
    """

    blueprint: _kernels.Blueprint
    memory: Array
    states: list[list[Array]]
    first: list[list[Array]]
    last: list[list[Array]]
    grads: Array
    seen: Ids
    losses: Floats
    logits: Floats
    shares: Array

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


def _lie(architecture: Architecture, T: int, B: int, training: bool = False, noise: bool = False) -> Layout:
    """Where the arrays of a workspace lie."""
    K = architecture.n_symbols
    H = architecture.hidden_size
    cell = architecture.row
    Hs = _stride(architecture, H, B)
    As = _stride(architecture, cell.kept * H, B)
    N = cell.gates * H
    wide = 2 * _kernels.LANES  # matrices come in panels, of which the last may be wider than a padded row
    shapes: dict[str, tuple[int, ...]] = {}
    for i in range(architecture.num_layers):
        inputs = architecture.inputs(i)
        own: dict[str, tuple[int, ...]] = {"h": (T + 1, B, Hs), "d": (T, B, Hs), "WT": (H, N + wide)}
        own["s"] = (T + 1 if len(cell.states) > 1 else 0, B, Hs)
        own["a"] = (0 if cell.in_place and not inputs else T, B, As)
        own["WB"] = (N if B > 1 or architecture.precision.mixed else 0, H + wide)
        if noise and architecture.dropouts[i] > 0:
            own["y"] = (T, B, Hs)
        if architecture.zones:
            own["hc"] = (T, B, Hs)
            own["sc"] = (T if len(cell.states) > 1 else 0, B, Hs)
        own["UT"] = (inputs, N + wide)
        own["UB"] = (N if inputs else 0, inputs + wide)
        if i == 0 and inputs:
            own["x"] = own["dx"] = (T, B, _stride(architecture, inputs, B))
        shapes |= {of_layer(name, i): shape for name, shape in own.items()}
    shapes["p"] = (T, B, K)
    shapes["VT"] = (H, K + wide)
    shapes["r"] = (max(architecture.num_layers, B), As)
    shapes["z"] = (4, B, Hs)
    shapes["zero"] = (H,)
    if training and _kernels.products_by(architecture.dtype) == "AMX tiles":
        shapes["R"] = (T * B, max(H, architecture.inputs(0)) + wide)
    return Layout(shapes, _kernels.LANES)


def affordable_steps(architecture: Architecture, B: int, most: int) -> int:
    """Steps of B streams for which there is ROOM, 1 at least and `most` at most. The losses are the same."""
    step = _lie(architecture, 2, B).size - _lie(architecture, 1, B).size
    return max(1, min(most, ROOM // (step * architecture.precision.activations.itemsize)))


def workspace(
    architecture: Architecture, T: int, B: int = 1, training: bool = False, noise: bool | None = None
) -> Workspace:
    """Records and memory for windows of T steps of B streams.

    `noise` is dropout, the masks of zoneout and label smoothing; None is where it is for training.
    """
    noise = training if noise is None else noise
    K = architecture.n_symbols
    H = architecture.hidden_size
    L = architecture.num_layers
    lay = _lie(architecture, T, B, training, noise)
    if training:
        claim(
            lay.size * architecture.precision.activations.itemsize,
            Message(
                *("updates of ", Setting("batch_size"), f" {B:,} x ", Setting("seq_length"), f" {T:,} characters, "),
                *(f"of {K:,} symbols, with ", Setting("hidden_size"), f" {H:,}"),
            ),
            advice("lower {batch_size} or {seq_length}, or fold rare characters by a higher {min_count}"),
        )
    memory = aligned(lay.size, architecture.precision.activations)
    stride = _stride(architecture, H, B)
    names = ("h", "s")[: len(architecture.row.states)]
    states = [
        [
            memory[lay.offsets[of_layer(name, i)] :][: (T + 1) * B * stride].reshape(T + 1, B, stride)[:, :, :H]
            for name in names
        ]
        for i in range(L)
    ]
    first, last = ([[state[row] for state in layer] for layer in states] for row in (0, T))
    return Workspace(
        _kernels.Blueprint(
            record(_plan(architecture, T, B, lay, noise)),
            record(*(_layer(architecture, i, B, lay, noise) for i in range(L))),
        ),
        memory,
        states,
        first,
        last,
        grads=aligned(architecture.layout.size if training else 0, architecture.precision.weights),
        seen=np.zeros(K, np.int32),
        losses=np.zeros(T * B if training else 0),
        logits=np.zeros(3 * _padded(K)),
        shares=memory[lay.offsets["p"] :][: T * B * _padded(K)].reshape(T * B, -1)[:, :K],
    )


def _outputs(architecture: Architecture, layer: int, B: int, lay: Layout) -> int:
    """Where the outputs of a layer begin: those with dropout, if there is any, or its states after the incoming one."""
    if of_layer("y", layer) in lay.offsets:
        return lay.offsets[of_layer("y", layer)]
    return _after(architecture, "h", layer, B, lay)


def _after(architecture: Architecture, state: str, layer: int, B: int, lay: Layout) -> int:
    """Where the states of a layer after the first step begin: those after the incoming one."""
    return lay.offsets[of_layer(state, layer)] + B * _stride(architecture, architecture.hidden_size, B)


def _plan(architecture: Architecture, T: int, B: int, lay: Layout, noise: bool) -> Plan:
    cell, params = architecture.row, architecture.layout.offsets
    H, K = architecture.hidden_size, architecture.n_symbols
    Hs = _stride(architecture, H, B)
    As = _stride(architecture, cell.kept * H, B)
    return Plan(
        precision=list(_kernels.PRECISIONS).index(architecture.precision.name),
        cell=list(_kernels.CELLS).index(cell.name),
        T=T,
        B=B,
        K=K,
        H=H,
        L=architecture.num_layers,
        D=architecture.inputs(0),
        Hp=_padded(H),
        Kp=_padded(K),
        Gp=_padded(cell.gates * H),
        Hs=Hs,
        As=As,
        Ds=Hs if cell.in_place else As,
        E=params.get("E", 0),
        V=params["V"],
        c=params["c"],
        p=lay.offsets["p"],
        VT=lay.offsets["VT"],
        r=lay.offsets["r"],
        z=lay.offsets["z"],
        zero=lay.offsets["zero"],
        R=lay.offsets.get("R", -1),
        top=_outputs(architecture, architecture.num_layers - 1, B, lay),
        end=architecture.end,
        dropout=architecture.dropout if noise else 0.0,
        zoneout=architecture.zoneout,
        cell_zoneout=architecture.cell_zoneout,
        masked=noise,
        label_smoothing=architecture.label_smoothing if noise else 0.0,
    )


def _layer(architecture: Architecture, i: int, B: int, lay: Layout, noise: bool) -> Layer:
    inputs, params = architecture.inputs(i), architecture.layout.offsets
    own = {name: lay.offsets[of_layer(name, i)] for name in ("h", "s", "a", "d", "UT", "WT", "UB", "WB")}
    own |= {f"{s}c": lay.offsets.get(of_layer(f"{s}c", i), _after(architecture, s, i, B, lay)) for s in "hs"}
    return Layer(
        U=params[of_layer("U", i)],
        W=params[of_layer("W", i)],
        b=params[of_layer("b", i)],
        n=params.get(of_layer("n", i), 0),
        da=own["d"] if architecture.row.in_place else own["a"],
        y=lay.offsets.get(of_layer("y", i), own["h"]),
        I=inputs,
        Ip=_padded(inputs),
        Is=_stride(architecture, inputs, B),
        x=_outputs(architecture, i - 1, B, lay) if i else lay.offsets.get("x", 0),
        dx=lay.offsets[of_layer("d", i - 1)] if i else lay.offsets.get("dx", 0),
        dropout=architecture.dropouts[i] if noise else 0.0,
        **own,
    )
