"""A recurrent layer under a softmax head: the border between the words of the API and the letters of the kernels.

Everything that reaches a kernel passes through here, where types, shapes and ranges are settled; behind it the code is
unchecked. Letters: T seq_length, K symbols, H hidden_size.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from pycharrnn import _kernels
from pycharrnn.arrays import Array, Ids
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.cells import CELLS
from pycharrnn.network.memory import aligned
from pycharrnn.network.state import Best, Rule, Squares, State
from pycharrnn.network.workspace import Workspace, affordable_steps, workspace

_kernels.simd_select(os.environ.get("PYCHARRNN_SIMD") or _kernels.simd_best())


LOOKED = 16_384  # symbols that tell how good weights are


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
        names = ("cell", "n_symbols", "hidden_size", "seq_length", "dtype", "documents", "num_layers", "dropout")
        given = locals()
        self.whole = Architecture(**{name: given[name] for name in (*names, "embedding_size", "label_smoothing")})
        self.architecture = dataclasses.asdict(self.whole)
        self.cell, self.layout, self.end = self.whole.row, self.whole.layout, self.whole.end
        self.dropout, self.label_smoothing, self.D = dropout, label_smoothing, embedding_size or 0
        self.K, self.H, self.T, self.L = n_symbols, hidden_size, seq_length, num_layers
        self.dtype = np.dtype(dtype)
        self.named, self.flatten, self.rows = self.whole.named, self.whole.flatten, self.whole.rows
        self.initial, self.carried, self._check = self.whole.initial, self.whole.carried, self.whole.check

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return self.whole.shapes

    def squares(self, state: State) -> Squares | None:
        """What is known of the squares of gradients that led to a state."""
        if not state.rule or not state.v.size:
            return state.squares
        return Squares(state.rule, {name: self.mean(view) for name, view in self.named(state.v).items()})

    @staticmethod
    def mean(array: Array) -> float:
        """The mean, summed one by one: the same bits on every machine."""
        return float(np.cumsum(array, dtype=np.float64)[-1]) / array.size

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

    def _steps(self, B: int, most: int) -> int:
        return affordable_steps(self.whole, B, most)

    def workspace(self, T: int, B: int = 1, training: bool = False) -> Workspace:
        return workspace(self.whole, T, B, training)

    @property
    def patience(self) -> int:
        """Characters that can be read in some 20 ms: after so many a loop comes back to Python, for signals."""
        return self.whole.chunk_size

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
