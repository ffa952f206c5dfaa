"""Signatures of the compiled module; its source says shape and direction of every array."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

_Real = npt.NDArray[Any]  # float32 or float64, all of a call alike
_Ids = npt.NDArray[np.int32]
_Double = npt.NDArray[np.float64]

LANES: int

def simd_names() -> tuple[str, ...]: ...
def simd_supported(name: str) -> bool: ...
def simd_best() -> str: ...
def simd_selected() -> str: ...
def simd_select(name: str) -> None: ...
def train(
    ids: _Ids,
    params: _Real,
    grads: _Real,
    m: _Real,
    v: _Real,
    work: _Real,
    seen: _Ids,
    xy: _Ids,
    plan: Mapping[str, float],
    layers: npt.NDArray[np.int64],
    rule: str,
    optimizer: Mapping[str, Any],
    counts: npt.NDArray[np.int64],
    scalars: _Double,
    rates: _Double,
    step_loss: _Double,
    loss: _Double,
    smooth: _Double,
    rank: int = 0,
    size: int = 1,
    shared: _Ids | None = None,
) -> None: ...
def loss_and_gradients(
    x: _Ids,
    y: _Ids,
    params: _Real,
    grads: _Real,
    work: _Real,
    plan: Mapping[str, float],
    layers: npt.NDArray[np.int64],
    loss: _Double,
    seed: int = 0,
) -> float: ...
def evaluate(
    ids: _Ids, params: _Real, work: _Real, plan: Mapping[str, float], layers: npt.NDArray[np.int64], loss: _Double
) -> None: ...
def sample(
    prompt: _Ids,
    params: _Real,
    work: _Real,
    plan: Mapping[str, float],
    layers: npt.NDArray[np.int64],
    pack: bool,
    uniform: _Double,
    temperature: float,
    weights: _Double,
    whole: bool,
    out: _Ids,
    smoothing: float = 0,
) -> int: ...
def reflect(v: _Double, Q: _Double, sums: _Double) -> None: ...
def matmul(
    A: _Real, B: _Real, C: _Real, panels: _Real, transposed: bool, packed: bool, reverse: bool, repeat: int = 1
) -> None: ...
def transpose(A: _Real, B: _Real) -> None: ...
def activation(name: str, x: _Real) -> None: ...
def softmax(p: _Real, K: int, y: _Ids, loss: _Double, smoothing: float = 0) -> None: ...
def optimizer_step(rule: str, hyper: Mapping[str, float], p: _Real, g: _Real, m: _Real, v: _Real) -> None: ...
def multiply_adds(x: _Real, n: int) -> float: ...
