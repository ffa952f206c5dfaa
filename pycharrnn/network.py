"""A recurrent layer under a softmax head: the border between the words of the API and the letters of the kernels.

Everything that reaches a kernel passes through here, where types, shapes and ranges are settled; behind it the code is
unchecked. Letters: T seq_length, K symbols, H hidden_size.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pycharrnn import _kernels
from pycharrnn.cells import CELLS
from pycharrnn.params import Array, Layout, aligned

_kernels.simd_select(os.environ.get("PYCHARRNN_SIMD") or _kernels.simd_best())

Ids = npt.NDArray[np.int32]


class Rule(Protocol):
    """What a network needs to know of an optimiser: see `optim`."""

    @property
    def name(self) -> str: ...
    @property
    def moments(self) -> tuple[str, ...]: ...
    @property
    def start(self) -> float: ...
    def options(self) -> dict[str, Any]: ...


@dataclass
class State:
    """All that training changes: weights, moments, carried state and counters. Flat vectors, padding included."""

    params: Array
    best: Array
    m: Array
    v: Array
    hidden: Array
    counts: npt.NDArray[np.int64]  # position in the text, updates made, updates made by the best weights
    scalars: npt.NDArray[np.float64]  # smooth loss, the lowest smooth loss, two powers of Adam
    rule: str  # whose moments m and v are

    @property
    def n_updates(self) -> int:
        return int(self.counts[1])

    @property
    def position(self) -> int:
        """Characters of the text read in the current epoch."""
        return int(self.counts[0])

    def restart(self) -> None:
        """Begin a text: from its start, and in search of a best model of its own."""
        self.counts[0] = 0
        self.counts[2] = self.counts[1]
        self.scalars[1] = np.inf
        self.best[:] = self.params

    def copy(self) -> State:
        params, best, m, v, hidden = (
            aligned(old.size, old.dtype) for old in (self.params, self.best, self.m, self.v, self.hidden)
        )
        new = State(params, best, m, v, hidden, self.counts.copy(), self.scalars.copy(), self.rule)
        new.assign(self)
        return new

    def assign(self, other: State) -> None:
        """Take the values of `other`, in place."""
        for name in ("params", "best", "m", "v", "hidden", "counts", "scalars"):
            getattr(self, name)[:] = getattr(other, name)


class Network:
    """The arrays of one architecture and the kernels that run on them.

    Parameters
    ----------
    cell : str
        A name of `cells.CELLS`.
    n_symbols, hidden_size, seq_length : int
        K, H and T.
    dtype : {"float32", "float64"}
        Precision of all computation.
    documents : bool
        Whether the last symbol ends a document: the one after it is predicted from a zero state that has read it.
    """

    cells = tuple(CELLS)

    def __init__(
        self, cell: str, n_symbols: int, hidden_size: int, seq_length: int, dtype: str, documents: bool = False
    ) -> None:
        self.cell = CELLS[cell]
        self.architecture: dict[str, Any] = {
            "cell": cell,
            "hidden_size": hidden_size,
            "seq_length": seq_length,
            "dtype": dtype,
        }
        self.K, self.H, self.T = n_symbols, hidden_size, seq_length
        self.end = n_symbols - 1 if documents else -1
        self.dtype = np.dtype(dtype)
        head = {"V": (self.K, self.H), "c": (self.K,)}
        self.layout = Layout(self.cell.shapes(self.K, self.H) | head, _kernels.LANES)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter, as in the equations."""
        turn = self.cell.stored_transposed
        return {name: shape[::-1] if name in turn else shape for name, shape in self.layout.shapes.items()}

    def named(self, flat: Array) -> dict[str, Array]:
        """The parameters (or gradients) in a flat vector by name, as views shaped as in the equations."""
        views = self.layout.views(flat)
        return {name: view.T if name in self.cell.stored_transposed else view for name, view in views.items()}

    def flatten(self, named: dict[str, Array]) -> Array:
        """The flat vector of parameters given by name."""
        flat = aligned(self.layout.size, self.dtype)
        for name, view in self.named(flat).items():
            view[...] = named[name]
        return flat

    def initial(self, rng: np.random.Generator, scale: float) -> Array:
        """Weights ~ N(0, scale^2), biases zero."""
        flat = aligned(self.layout.size, self.dtype)
        views = self.named(flat)
        for name in (*self.cell.random, "V"):
            views[name][...] = rng.normal(0.0, scale, views[name].shape)
        return flat

    def state(self, params: Array, rule: Rule) -> State:
        """A new run from `params`: nothing accumulated, nothing read."""
        size = {name: params.size if name in rule.moments else 0 for name in "mv"}
        m, v = aligned(size["m"], self.dtype), aligned(size["v"], self.dtype)
        v[:] = rule.start
        hidden = aligned(self.H, self.dtype)
        counts, scalars = np.zeros(3, np.int64), np.array([-1.0, np.inf, 1.0, 1.0])
        best = aligned(params.size, self.dtype)
        best[:] = params
        return State(params, best, m, v, hidden, counts, scalars, rule.name)

    def resume(self, state: State, rule: Rule) -> State:
        """A copy of `state` to train on with `rule`; another rule than before begins with moments of its own."""
        new = state.copy()
        if rule.name != state.rule:
            fresh = self.state(new.params, rule)
            fresh.hidden[:], fresh.counts[:], fresh.scalars[:2] = new.hidden, new.counts, new.scalars[:2]
            new = fresh
        new.restart()
        return new

    def plan(self, T: int) -> tuple[dict[str, int], Array]:
        """Sizes and offsets for windows of T characters, and the workspace that they need."""
        # transposed weights come in panels, of which the last may be wider than a padded row
        wide = 2 * _kernels.LANES
        shapes = {
            "h": (T + 1, self.H),
            "p": (T, self.K),
            "d": (T, self.H),
            "WT": (self.H, self.H + wide),
            "VT": (self.H, self.K + wide),
            "r": (self.H,),
        }
        lay = Layout(shapes, _kernels.LANES)
        padded = {
            "Hp": -(-self.H // _kernels.LANES) * _kernels.LANES,
            "Kp": -(-self.K // _kernels.LANES) * _kernels.LANES,
        }
        sizes = {"T": T, "B": 1, "K": self.K, "H": self.H, "end": self.end} | padded
        return sizes | self.layout.offsets | lay.offsets, aligned(lay.size, self.dtype)

    @property
    def patience(self) -> int:
        """Characters that can be read in some 20 ms: after so many a loop comes back to Python, for signals."""
        return max(1, 10**8 // (self.H * (self.H + self.K)))

    def trainer(self, state: State, rule: Rule, ids: Ids) -> Trainer:
        return Trainer(self, state, rule, ids)

    def losses(self, params: Array, ids: Ids, hidden: Array | None = None) -> npt.NDArray[np.float64]:
        """Nats of each symbol after the first, (N - 1,), the state carried from `hidden` (zero) along."""
        self._check(ids)
        plan, work = self.plan(min(self.T, max(1, len(ids) - 1)))
        if hidden is not None:
            work[: self.H] = hidden[: self.H]
        found = np.empty(len(ids) - 1)
        chunk = self.patience
        for start in range(0, found.size, chunk):
            _kernels.evaluate(ids[start : start + chunk + 1], params, work, plan, found[start : start + chunk])
        return found

    def loss_and_gradients(
        self, params: Array, x: Ids, y: Ids, hidden: Array | None = None
    ) -> tuple[float, dict[str, Array], Array]:
        """Summed loss of one window in nats, its gradients by name, and the state after it, (H,)."""
        plan, work, loss = *self._window(x, y, hidden), np.empty(len(x))
        grads = aligned(self.layout.size, self.dtype)
        total = _kernels.loss_and_gradients(x, y, params, grads, work, plan, loss)
        return total, self.named(grads), work[plan["h"] + len(x) * plan["Hp"] :][: self.H].copy()

    def loss_function(self, params: Array, x: Ids, y: Ids, hidden: Array | None = None) -> Callable[[], Array]:
        """A function of nothing that gives the loss of each step of the window, (T,), at the present `params`."""
        plan, work, none = *self._window(x, y, hidden), params[:0]

        def losses() -> Array:
            found = np.empty(len(x))
            _kernels.loss_and_gradients(x, y, params, none, work, plan, found)
            return found

        return losses

    def _window(self, x: Ids, y: Ids, hidden: Array | None) -> tuple[dict[str, int], Array]:
        self._check(x)
        self._check(y)
        if len(x) != len(y) or not len(x):
            raise ValueError(f"inputs and targets must be as long as each other, got {len(x)} and {len(y)}")
        plan, work = self.plan(len(x))
        if hidden is not None:
            work[: self.H] = hidden[: self.H]
        return plan, work

    def _check(self, ids: Ids) -> None:
        if ids.dtype != np.int32 or ids.ndim != 1 or not ids.flags.c_contiguous:
            raise TypeError("ids must be a contiguous vector of int32")
        if ids.size and not 0 <= ids.min() <= ids.max() < self.K:
            raise ValueError(f"ids must lie in 0 .. {self.K - 1}, got {ids.min()} .. {ids.max()}")


class Trainer:
    """Updates of one state over one text: `network.Network.trainer` makes it."""

    def __init__(self, network: Network, state: State, rule: Rule, ids: Ids) -> None:
        network._check(ids)
        if rule.name != state.rule:
            raise ValueError(f"the state has the moments of {state.rule}, not of {rule.name}: resume it first")
        self.network, self.state, self.rule, self.ids = network, state, rule, ids
        self._plan, self._work = network.plan(network.T)
        self._hidden = self._work[: state.hidden.size]  # h[0]
        self._grads = aligned(network.layout.size, network.dtype)
        self._seen, self._xy = np.zeros(network.K, np.int32), np.zeros(2 * network.T, np.int32)
        self._step_loss = np.zeros(network.T)

    @property
    def updates_per_epoch(self) -> int:
        return -(-(len(self.ids) - 1) // self.network.T)

    def advance(self, loss: npt.NDArray[np.float64], smooth: npt.NDArray[np.float64]) -> None:
        """Make ``len(loss)`` updates; write the loss and the smooth loss of each, in nats per T characters.

        Makes fewer, as ``state.n_updates`` then tells, only when a loss was not finite.
        """
        s = self.state
        self._hidden[:] = s.hidden
        try:
            _kernels.train(
                self.ids, s.params, self._grads, s.m, s.v, s.best, self._work, self._seen, self._xy, self._plan,
                self.rule.name, self.rule.options(), s.counts, s.scalars, self._step_loss, loss, smooth,
            )  # fmt: skip
        finally:
            s.hidden[:] = self._hidden
