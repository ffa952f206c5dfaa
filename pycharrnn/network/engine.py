"""A recurrent layer under a softmax head: the border between the words of the API and the letters of the kernels.

Everything that reaches a kernel passes through here, where types, shapes and ranges are settled; behind it the code is
unchecked. Letters: T seq_length, K symbols, H hidden_size.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from pycharrnn import _kernels
from pycharrnn.network.cells import CELLS
from pycharrnn.network.initial import normal, orthogonal
from pycharrnn.network.layout import Layout
from pycharrnn.network.memory import Array, Ids, aligned, claim
from pycharrnn.network.state import Best, Rule, Squares, State
from pycharrnn.network.workspace import Workspace

_kernels.simd_select(os.environ.get("PYCHARRNN_SIMD") or _kernels.simd_best())


ROOM = 1 << 26  # bytes of working memory for evaluating, beside that for the weights; at least those of one step


LOOKED = 16_384  # symbols that tell how good weights are


def _suffix(layer: int) -> str:
    """What the names of a layer's arrays end in: nothing in the first, 2 in the second."""
    return str(layer + 1) if layer else ""


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
    num_layers : int
        L; each layer above the first reads the states of the one below.
    dropout : float
        The share of the outputs of each layer, and of the embeddings, that those above do not see while it trains.
    embedding_size : int or None
        D; None reads symbols as they are.
    label_smoothing : float
        The share of each target that is spread evenly over all symbols while it trains.
    """

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
        self.cell = CELLS[cell]
        self.architecture: dict[str, Any] = {"cell": cell, "n_symbols": n_symbols, "hidden_size": hidden_size}
        self.architecture |= {"seq_length": seq_length, "dtype": dtype, "documents": documents}
        self.architecture |= {"num_layers": num_layers, "dropout": dropout, "embedding_size": embedding_size}
        self.architecture |= {"label_smoothing": label_smoothing}
        self.dropout, self.label_smoothing, self.D = dropout, label_smoothing, embedding_size or 0
        self.K, self.H, self.T, self.L = n_symbols, hidden_size, seq_length, num_layers
        self.end = n_symbols - 1 if documents else -1
        self.dtype = np.dtype(dtype)
        shapes: dict[str, tuple[int, ...]] = {"E": (self.K, self.D)} if self.D else {}
        for i in range(self.L):
            inputs = self.H if i else self.D
            own = self.cell.shapes(inputs or self.K, self.H, gathered=not inputs)
            shapes |= {name + _suffix(i): shape for name, shape in own.items()}
        self.layout = Layout(shapes | {"V": (self.K, self.H), "c": (self.K,)}, _kernels.LANES)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter, as in the equations."""
        gathered = "" if self.D else "U"
        return {name: shape[::-1] if name == gathered else shape for name, shape in self.layout.shapes.items()}

    def named(self, flat: Array) -> dict[str, Array]:
        """The parameters (or gradients) in a flat vector by name, as views shaped as in the equations."""
        views = self.layout.views(flat)
        return {name: view.T if name == "U" and not self.D else view for name, view in views.items()}

    def squares(self, state: State) -> Squares | None:
        """What is known of the squares of gradients that led to a state."""
        if not state.rule or not state.v.size:
            return state.squares
        return Squares(state.rule, {name: self.mean(view) for name, view in self.named(state.v).items()})

    @staticmethod
    def mean(array: Array) -> float:
        """The mean, summed one by one: the same bits on every machine."""
        return float(np.cumsum(array, dtype=np.float64)[-1]) / array.size

    def rows(self, name: str, array: Array) -> Array | None:
        """The array of a parameter with a row for each symbol, a view; None: it has none."""
        if name in ("E", "V", "c"):
            return array
        return array.T if name == "U" and not self.D else None

    def flatten(self, named: dict[str, Array]) -> Array:
        """The flat vector of parameters given by name."""
        flat = aligned(self.layout.size, self.dtype)
        for name, view in self.named(flat).items():
            view[...] = named[name]
        return flat

    def initial(self, rng: np.random.Generator, scale: float | None = None, how: str | None = None) -> Array:
        """Weights to begin with, as `CharRNN` says; biases zero, the forget gate's one."""
        claim(
            8 * self.layout.size * self.dtype.itemsize,  # with moments, gradients, the best, and states to go back to
            f"training with hidden_size {self.H:,}, num_layers {self.L:,} and {self.K:,} symbols",
            "lower hidden_size, num_layers or embedding_size, or fold rare characters by a higher min_count",
        )
        flat = aligned(self.layout.size, self.dtype)
        how = how or ("normal" if scale is not None or not self.cell.kind else "uniform")
        narrow = math.sqrt(1 / self.H)  # not a power, which would be the C library's
        spread = (0.01 if how == "normal" else narrow) if scale is None else scale
        reading: dict[str, float] = {}
        if scale is None and self.cell.kind:  # gates read nearly N(0, 1): a row of U, or U2 times states of some 1/2
            reading = {"U" + _suffix(i): 2 * narrow for i in range(1, self.L)} | {"E" if self.D else "U": 1.0}
        for name, view in self.named(flat).items():
            if view.ndim == 1:
                if name[0] == "b" and "c" in self.cell.states:
                    view[self.H : 2 * self.H] = 1
            elif name in reading:
                view[...] = normal(rng, reading[name], view.shape)
            elif how == "orthogonal" and name[0] == "W":
                view[...] = orthogonal(rng, view.shape)
            elif how == "normal":
                view[...] = normal(rng, spread, view.shape)
            else:
                view[...] = rng.uniform(-spread, spread, view.shape)
        return flat

    def state(self, params: Array, rule: Rule, batch_size: int = 1) -> State:
        """A new run from `params`: nothing accumulated, nothing read."""
        size = {name: params.size if name in rule.moments else 0 for name in "mv"}
        m, v = aligned(size["m"], self.dtype), aligned(size["v"], self.dtype)
        v[:] = rule.start
        carried = np.zeros(self.carried(batch_size), self.dtype)
        counts, scalars = np.zeros(4, np.int64), np.array([-1.0, 1.0, 1.0])
        best = aligned(params.size, self.dtype)
        best[:] = params
        return State(params, best, m, v, carried, counts, scalars, rule.name, Best(0, np.inf))

    def seed(self, state: State, rng: np.random.Generator) -> None:
        """Draw what masks, and the places where passes over a text begin, depend on. Nothing is drawn for neither."""
        if self.dropout or state.carried.shape[2] > 1:
            state.counts[2] = rng.integers(2**62)

    def carried(self, batch_size: int = 1) -> tuple[int, ...]:
        """The shape of what is carried from one window to the next: layers, h (and c), streams, units."""
        return (self.L, len(self.cell.states), batch_size, self.H)

    def resume(self, state: State, rule: Rule, batch_size: int = 1) -> State:
        """A copy of `state` to train on with `rule`; another rule than before begins with moments of its own."""
        new = state.copy()
        if rule.name != state.rule or new.carried.shape != self.carried(batch_size):
            fresh = self.state(new.params, rule, batch_size)
            fresh.counts[:] = new.counts  # the smooth loss begins anew
            if new.carried.shape == fresh.carried.shape:
                fresh.carried[:] = new.carried
            if rule.name == state.rule:
                fresh.m[:], fresh.v[:], fresh.scalars[:] = new.m, new.v, new.scalars
            new = fresh
        new.restart()
        return new

    def grown(self, state: State, to: Network, old: Ids, rule: Rule, fresh: Array) -> State:
        """The state for a network with more symbols, of which `old` are this one's; the others have `fresh` weights.

        A new symbol begins as unlikely as the least likely one, and with no moments.
        """
        new = to.state(fresh.copy(), rule, state.carried.shape[2])
        for name in ("params", "best", "m", "v"):
            source, target = getattr(state, name), getattr(new, name)
            if not source.size or (rule.name != state.rule and name in "mv"):
                continue
            ours, theirs = self.named(source), to.named(target)
            for key, array in ours.items():
                rows, own = to.rows(key, theirs[key]), self.rows(key, array)
                if rows is None or own is None:
                    theirs[key][...] = array
                    continue
                rows[old] = own
                if key == "c" and name in ("params", "best"):
                    rows[np.setdiff1d(np.arange(to.K), old)] = array.min()
        new.carried[:], new.counts[:], new.scalars[:] = state.carried, state.counts, state.scalars
        new.rule, new.kept = state.rule, state.kept
        return new

    def _stride(self, n: int, B: int) -> int:
        """Distance of rows: padded, and for a batch not a multiple of 2 KiB, whose rows would share cache lines."""
        padded = -(-n // _kernels.LANES) * _kernels.LANES
        return padded + _kernels.LANES * (B > 1 and padded * self.dtype.itemsize % 2048 == 0)

    def _work(self, T: int, B: int, dropout: bool = False) -> Layout:
        """Where the arrays of a workspace lie."""
        K, H, cell = self.K, self.H, self.cell
        Hs, As, N = self._stride(H, B), self._stride(cell.kept * H, B), cell.gates * H
        wide = 2 * _kernels.LANES  # matrices come in panels, of which the last may be wider than a padded row
        shapes: dict[str, tuple[int, ...]] = {}
        for i in range(self.L):
            own: dict[str, tuple[int, ...]] = {"h": (T + 1, B, Hs), "d": (T, B, Hs), "WT": (H, N + wide)}
            own["c"] = (T + 1 if "c" in cell.states else 0, B, Hs)
            inputs = H if i else self.D
            own["a"] = (T if inputs or cell.kind else 0, B, As)
            own["WB"] = (N if B > 1 else 0, H + wide)
            own["y"] = (T if dropout else 0, B, Hs)
            own["UT"], own["UB"] = (inputs, N + wide), (N if inputs else 0, inputs + wide)
            if self.D and i == 0:
                own["x"] = own["dx"] = (T, B, self._stride(self.D, B))
            shapes |= {name + _suffix(i): shape for name, shape in own.items()}
        shapes |= {"p": (T, B, K), "VT": (H, K + wide), "r": (max(self.L, B), As), "z": (2, B, Hs), "zero": (H,)}
        return Layout(shapes, _kernels.LANES)

    def _steps(self, B: int, most: int) -> int:
        """Steps of B streams for which there is ROOM, 1 at least and `most` at most. The losses are the same."""
        step = (self._work(2, B).size - self._work(1, B).size) * self.dtype.itemsize
        return max(1, min(most, ROOM // step))

    def workspace(self, T: int, B: int = 1, training: bool = False) -> Workspace:
        """Sizes, offsets and memory for windows of T steps of B streams; dropout and smoothing are for training."""
        dropout, label_smoothing = (self.dropout, self.label_smoothing) if training else (0.0, 0.0)
        K, H, cell, lanes = self.K, self.H, self.cell, _kernels.LANES
        Hs, As, N = self._stride(H, B), self._stride(cell.kept * H, B), cell.gates * H
        lay = self._work(T, B, dropout > 0)
        if training:
            claim(
                lay.size * self.dtype.itemsize,
                f"updates of batch_size {B:,} x seq_length {T:,} characters, of {K:,} symbols, with hidden_size {H:,}",
                "lower batch_size or seq_length, or fold rare characters by a higher min_count",
            )
        sizes = {"T": T, "B": B, "K": K, "H": H, "L": self.L, "kind": cell.kind, "G": cell.gates, "end": self.end}
        sizes |= {name: -(-n // lanes) * lanes for name, n in (("Hp", H), ("Kp", K), ("Gp", N))}
        sizes |= {"Hs": Hs, "As": As, "Ds": As if cell.kind else Hs}
        sizes |= {name: self.layout.offsets[name] for name in ("V", "c")}
        sizes |= {name: lay.offsets[name] for name in ("p", "VT", "r", "z", "zero")}
        out = [
            lay.offsets["y" + _suffix(i)] if dropout else lay.offsets["h" + _suffix(i)] + B * Hs for i in range(self.L)
        ]
        layers = np.zeros((self.L, 19), np.int64)
        for i in range(self.L):
            params = [self.layout.offsets.get(name + _suffix(i), 0) for name in "UWbn"]
            names = ("h", "c", "a", "d", "a" if cell.kind else "d", "UT", "WT", "UB", "WB", "y")
            own_offsets = [lay.offsets[name + _suffix(i)] for name in names]
            inputs, size = H if i else self.D, self._stride(H if i else self.D, B)
            x, dx = (
                (out[i - 1], lay.offsets["d" + _suffix(i - 1)])
                if i
                else (lay.offsets.get("x", 0), lay.offsets.get("dx", 0))
            )
            rows = [inputs, -(-inputs // lanes) * lanes, size, x, dx]
            layers[i] = [*params, *own_offsets, *rows]
        work = aligned(lay.size, self.dtype)
        starts = [[lay.offsets[name + _suffix(i)] for name in cell.states] for i in range(self.L)]
        firsts = [[work[at : at + B * Hs].reshape(B, Hs)[:, :H] for at in some] for some in starts]
        lasts = [[work[at + T * B * Hs :][: B * Hs].reshape(B, Hs)[:, :H] for at in some] for some in starts]
        sizes |= {"top": out[-1], "D": self.D, "E": self.layout.offsets.get("E", 0)}
        rates = {"dropout": dropout, "label_smoothing": label_smoothing}
        return Workspace(sizes | rates, layers, work, firsts, lasts)

    @property
    def patience(self) -> int:
        """Characters that can be read in some 20 ms: after so many a loop comes back to Python, for signals."""
        return max(1, 10**8 // (self.H * (self.L * self.cell.gates * self.H + self.K)))

    def validation_losses(
        self, params: Array, ids: Ids, streams: int = 64, warm_up: int = 256, n_threads: int = 1
    ) -> npt.NDArray[np.float64]:
        """Nats of each symbol after the first, (N - 1,), nearly as `losses` gives them and many times as fast.

        The text is read in several places at once, with the same bits for any number of threads. Each reader but the
        first comes from a zero state over the `warm_up` symbols before its part, which another reader accounts for.
        """
        self._check(ids)
        N = len(ids) - 1
        streams = min(streams, N // (2 * warm_up))
        if streams < 2:
            return self.losses(params, ids)
        part = -(-N // streams)
        starts = np.minimum(np.arange(streams) * part, N - part)
        found = np.empty(N)
        found[starts[:, None] + np.arange(part)] = self._parts(params, ids, part, warm_up, starts, n_threads)
        return found

    def looked_losses(
        self, params: Array, ids: Ids, most: int = LOOKED, warm_up: int = 128, n_threads: int = 1
    ) -> npt.NDArray[np.float64]:
        """Nats of each symbol after the first, or, if they are more than `most`, of parts spread evenly over them.

        The same parts of the same text at each call, so that the losses of two sets of weights can be compared.
        """
        N, readers = len(ids) - 1, max(2, min(32, most // (4 * warm_up)))
        part = most // readers - warm_up
        if most >= N:
            return self.validation_losses(params, ids, n_threads=n_threads)
        self._check(ids)
        starts = np.arange(readers) * (N - part) // (readers - 1)
        return self._parts(params, ids, part, warm_up, starts, n_threads).ravel()

    def _parts(
        self, params: Array, ids: Ids, part: int, warm_up: int, starts: npt.NDArray[np.intp], n_threads: int
    ) -> npt.NDArray[np.float64]:
        """`_read` by so many threads at once."""
        T = next(T for T in range(self._steps(len(starts), warm_up), 0, -1) if warm_up % T == 0)
        halt: list[bool] = []
        read = partial(self._read, params, ids, part, warm_up, T, halt)
        groups = np.array_split(starts, min(n_threads, len(starts)))
        if len(groups) == 1:
            return read(starts)
        from concurrent.futures import ThreadPoolExecutor  # only now: it takes a while to import

        with ThreadPoolExecutor(len(groups)) as pool:
            try:
                return np.concatenate(list(pool.map(read, groups)))
            except BaseException:  # the pool is left only when its threads have ended
                halt.append(True)
                raise

    def _read(
        self,
        params: Array,
        ids: Ids,
        part: int,
        warm_up: int,
        T: int,
        halt: Sequence[bool],
        starts: npt.NDArray[np.intp],
    ) -> npt.NDArray[np.float64]:
        """Nats of the `part` symbols after each start, (B, part), in windows of T steps, the `warm_up` read before.

        Once there is something in `halt`, nobody wants them any more.
        """
        B = len(starts)
        w, found, loss = self.workspace(T, B), np.empty((B, part)), np.empty(T * B)
        w.put(None)
        for at in range(-warm_up, part, T):
            if halt:
                break
            steps = np.maximum(starts + np.minimum(at + np.arange(T), part - 1)[:, None], 0)
            x, y = (np.ascontiguousarray(ids[steps + shift].ravel()) for shift in (0, 1))
            _kernels.loss_and_gradients(x, y, params, aligned(0, self.dtype), w.memory, w.plan, w.layers, loss)
            for rows, last in zip(w.first, w.last, strict=True):
                for row, after in zip(rows, last, strict=True):
                    row[...] = after
                    row[starts == 0] *= at >= 0  # before the first symbol there is nothing
            new = np.arange(max(at, 0), min(at + T, part))
            found[:, new] = loss.reshape(T, B)[new - at].T
        return found

    def losses(self, params: Array, ids: Ids, carried: Array | None = None) -> npt.NDArray[np.float64]:
        """Nats of each symbol after the first, (N - 1,), the state carried from `carried` (zero) along."""
        self._check(ids)
        w = self.workspace(self._steps(1, min(self.T, max(1, len(ids) - 1))))
        w.put(carried)
        found = np.empty(len(ids) - 1)
        chunk = self.patience
        for start in range(0, found.size, chunk):
            part = found[start : start + chunk]
            _kernels.evaluate(ids[start : start + chunk + 1], params, w.memory, w.plan, w.layers, part)
        return found

    def cold_losses(self, params: Array, ids: Ids, window: int) -> npt.NDArray[np.float64]:
        """Nats of each symbol after the first, (N - 1,), each `window` of them from a zero state."""
        self._check(ids)
        found, n = np.empty(len(ids) - 1), (len(ids) - 1) // window
        T = self._steps(min(n, 64), window) if n else 0
        for start in range(0, n, 64):
            starts = np.arange(start, min(start + 64, n)) * window
            part = self._read(params, ids, window, 0, T, (), starts)
            found[starts[0] : starts[0] + part.size] = part.ravel()
        if n * window < found.size:
            found[n * window :] = self.losses(params, ids[n * window :])
        return found

    def loss_and_gradients(
        self, params: Array, x: Ids, y: Ids, carried: Array | None = None, seed: int = 0
    ) -> tuple[float, dict[str, Array], Array]:
        """Summed loss of one window in nats, its gradients by name, and the state after it, (L, states, B, H).

        x and y are (T,), or (T, B) for B streams at once. Dropout, if there is any, is that of the seed's first update.
        """
        w, loss = self._window(x, y, carried), np.empty(x.size)
        grads = aligned(self.layout.size, self.dtype)
        total = _kernels.loss_and_gradients(x.ravel(), y.ravel(), params, grads, w.memory, w.plan, w.layers, loss, seed)
        after = np.empty(self.carried(w.plan["B"]), self.dtype)
        w.take(w.last, after)
        return total, self.named(grads), after

    def loss_function(
        self, params: Array, x: Ids, y: Ids, carried: Array | None = None, seed: int = 0
    ) -> Callable[[], Array]:
        """A function of nothing that gives the loss of each prediction of the window at the present `params`."""
        w, none = self._window(x, y, carried), aligned(0, self.dtype)

        def losses() -> Array:
            found = np.empty(x.size)
            _kernels.loss_and_gradients(x.ravel(), y.ravel(), params, none, w.memory, w.plan, w.layers, found, seed)
            return found

        return losses

    def _window(self, x: Ids, y: Ids, carried: Array | None) -> Workspace:
        self._check(x)
        self._check(y)
        if x.shape != y.shape or not x.size:
            raise ValueError(f"inputs and targets must be shaped alike, got {x.shape} and {y.shape}")
        w = self.workspace(len(x), x.shape[1] if x.ndim == 2 else 1, training=True)
        w.put(carried)
        return w

    def _check(self, ids: Ids) -> None:
        if ids.dtype != np.int32 or ids.ndim not in (1, 2) or not ids.flags.c_contiguous:
            raise TypeError("ids must be a contiguous array of int32")
        if ids.size and not 0 <= ids.min() <= ids.max() < self.K:
            raise ValueError(f"ids must lie in 0 .. {self.K - 1}, got {ids.min()} .. {ids.max()}")
