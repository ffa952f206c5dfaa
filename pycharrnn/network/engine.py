"""The engine: memory and kernels for windows of T steps of B streams.

The engine is the one gate to the kernels of windows. It checks types and shapes; the code behind it checks nothing.
`Architecture.check` checks symbols, once per text.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pycharrnn import _kernels
from pycharrnn.arrays import Array, Floats, Ids
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.memory import aligned
from pycharrnn.network.records import Record, Team, Update, Windows
from pycharrnn.network.workspace import workspace

_kernels.simd_select(os.environ.get("PYCHARRNN_SIMD") or _kernels.simd_best())


class Engine:
    """Memory and kernels for windows of T steps of B streams. It belongs to one thread at a time.

    Parameters
    ----------
    architecture : Architecture
        What runs on it.
    T, B : int
        Steps and streams of a window.
    training : bool, default False
        Whether it is for training.
    noise : bool or None, default None
        Whether there are dropout, the masks of zoneout, and label smoothing. None is where it is for training.

    Raises
    ------
    MemoryError
        If it is for training and there is not enough memory.

    Examples
    --------
    >>> lab = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5)
    >>> weights, ids = lab.initial(np.random.default_rng(0)), np.array([0, 1, 2, 0], np.int32)
    >>> Engine(lab, T=3).losses(weights, ids[:-1], ids[1:]).round(1)
    array([1.1, 1.1, 1.1])
    """

    def __init__(
        self, architecture: Architecture, T: int, B: int = 1, training: bool = False, noise: bool | None = None
    ) -> None:
        self.architecture = architecture
        self.T = T
        self.B = B
        self._space = workspace(architecture, T, B, training, training if noise is None else noise)
        self._none = aligned(0, architecture.precision.weights)

    # --- the carried state --------------------------------------------------------------------------------------

    def start(self, carried: Array | None = None) -> None:
        """Begin the next window from this state, (L, states, B, H), or from zeros."""
        self._space.put(carried)

    def after(self) -> Array:
        """The state after the last window, (L, states, B, H)."""
        carried = np.empty(self.architecture.carried(self.B), self.architecture.precision.activations)
        self._space.take(self._space.last, carried)
        return carried

    def take(self, carried: Array) -> None:
        """Copy the state before the next window, (L, states, B, H), into `carried`."""
        self._space.take(self._space.first, carried)

    # --- windows ------------------------------------------------------------------------------------------------

    def losses(self, weights: Array, x: Ids, y: Ids, seed: int = 0) -> Floats:
        """Nats of each prediction of a window, (T * B,); masks, if any, are those of the seed's first update."""
        found = np.empty(self.T * self.B)
        self._run(weights, x, y, self._none, found, seed)
        return found

    def gradients(self, weights: Array, x: Ids, y: Ids, seed: int = 0) -> tuple[float, Array]:
        """Loss of a window in nats, summed, and its gradients in a flat vector."""
        grads = aligned(self.architecture.layout.size, self.architecture.precision.weights)
        return self._run(weights, x, y, grads, np.empty(self.T * self.B), seed), grads

    def _run(self, weights: Array, x: Ids, y: Ids, grads: Array, losses: Floats, seed: int) -> float:
        self._check(weights)
        if x.shape != y.shape or x.size != losses.size:
            raise ValueError(f"a window of {self.T} x {self.B} symbols has inputs {x.shape} and targets {y.shape}")
        return _kernels.loss_and_gradients(weights, self._space, x.ravel(), y.ravel(), grads, losses, seed)

    def train(
        self, weights: Array, windows: Windows, update: Update, run: Record, loss: Floats, team: Team | None = None
    ) -> None:
        """Make an update for each of the windows, or stop before one whose loss is not finite.

        Parameters
        ----------
        weights : ndarray, (P,)
            Flat weights, changed in place.
        windows : Windows
            What is read.
        update : Update
            The optimiser's rule, numbers and moments.
        run : ndarray of records.Run, (1,)
            The counters of the run, changed in place.
        loss : ndarray, (n,)
            The loss of each window in nats, summed over its steps and streams.
        team : Team or None, default None
            This thread's part, where several make the same call.
        """
        self._check(weights)
        n, symbols = loss.size, int(windows.steps.sum()) * self.B
        shapes = (windows.steps.shape, windows.fresh.shape, update.rates.shape, windows.x.shape, windows.y.shape)
        if shapes != ((n,), (n, self.B), (n,), (symbols,), (symbols,)) or windows.steps.max(initial=1) > self.T:
            raise ValueError(f"{n} windows of up to {self.T} x {self.B} symbols have arrays of the shapes {shapes}")
        averaged = weights.size if update.numbers["ema_decay"][0] > 0 else 0
        if update.average.shape != (averaged,):
            raise ValueError(f"an average must have {averaged:,} weights with this decay, not {update.average.shape}")
        _kernels.train(weights, self._space, windows, update, run, loss, team)

    # --- one stream ---------------------------------------------------------------------------------------------

    def read(self, weights: Array, ids: Ids, losses: Floats) -> None:
        """Read a text, one stream, from the present state; write the nats of each symbol after the first, (N - 1,)."""
        self._check(weights)
        if self.B != 1 or losses.size != len(ids) - 1:
            raise ValueError(f"{len(ids)} symbols have one loss less and one stream, not {losses.size} and {self.B}")
        _kernels.evaluate(weights, self._space, ids, losses)

    def predictions(self) -> Array:
        """What the last window predicted, (T * B, K), until the next one: all symbols of each step, which sum to one.

        After `read` the first rows are the steps of its last window, of which there are at most T.
        """
        return self._space.shares

    def states(self) -> list[list[Array]]:
        """The states after each step of the last window, by layer and by state, (T, B, H), until the next window.

        After `read` the first rows are the steps of its last window, of which there are at most T.
        """
        return [[state[1:] for state in layer] for layer in self._space.states]

    # --- many streams -------------------------------------------------------------------------------------------

    def read_streams(
        self,
        x: Ids,
        y: Ids,
        fresh: npt.NDArray[np.uint8],
        losses: Floats,
        lo: int,
        hi: int,
        team: Team | None = None,
    ) -> None:
        """Read a window of some streams with packed weights, from their present states, and carry the states.

        Parameters
        ----------
        x, y : ndarray of int32, (steps, B)
            The symbols to read and those to predict, of which only the columns lo to hi count.
        fresh : ndarray of uint8, (steps, B)
            1 where a stream begins from a zero state.
        losses : ndarray of float64, (steps, B)
            Where the nats of these streams are written.
        lo, hi : int
            The streams. Several threads may read at once, each its own, or a team the same ones.
        team : Team or None, default None
            This thread's part in the team.
        """
        shape = (len(x), self.B)
        if not x.shape == y.shape == fresh.shape == losses.shape == shape or not 0 < len(x) <= self.T:
            raise ValueError(f"windows of up to {self.T} x {self.B} symbols must be shaped alike, got {x.shape}")
        if not 0 <= lo < hi <= self.B:
            raise ValueError(f"streams must be some of the {self.B}, got {lo} .. {hi}")
        _kernels.read_streams(self._weights, self._space, x, y, fresh, losses, lo, hi, team)

    def take_streams(self, carried: Array, lo: int, hi: int) -> None:
        """Copy the states of the streams lo to hi before the next window into their rows of (L, states, B, H)."""
        for i, layer in enumerate(self._space.first):
            for s, state in enumerate(layer):
                carried[i, s, lo:hi] = state[lo:hi]

    def pack(self, weights: Array) -> None:
        """Read these weights in the next calls of `draw` and `read_streams`; they must not change before the last."""
        self._check(weights)
        self._weights = weights
        _kernels.pack(weights, self._space)

    def _check(self, weights: Array) -> None:
        """Refuse weights that the kernels cannot read."""
        architecture = self.architecture
        if weights.dtype != architecture.precision.weights or weights.shape != (architecture.layout.size,):
            wanted = f"{architecture.layout.size:,} of {architecture.precision.weights}"
            raise ValueError(f"flat weights must be {wanted}, got {weights.shape} of {weights.dtype}")


def window(architecture: Architecture, x: Ids, y: Ids, carried: Array | None, training: bool) -> Engine:
    """An engine for one window, x and y (T,) or (T, B), from this state or from zeros."""
    for ids in (x, y):
        architecture.check(ids)
    if x.shape != y.shape or not x.size:
        raise ValueError(f"inputs and targets must be shaped alike, got {x.shape} and {y.shape}")
    engine = Engine(architecture, len(x), x.shape[1] if x.ndim == 2 else 1, training)
    engine.start(carried)
    return engine


def loss_and_gradients(
    architecture: Architecture, weights: Array, x: Ids, y: Ids, carried: Array | None = None, seed: int | None = 0
) -> tuple[float, dict[str, Array], Array]:
    """Return the loss of one window, its gradients, and the state after it.

    Parameters
    ----------
    architecture : Architecture
        What reads the window.
    weights : ndarray, (P,)
        Flat weights.
    x, y : ndarray of int32, (T,) or (T, B)
        The symbols read and those to predict.
    carried : ndarray, (L, states, B, H), or None, default None
        The state before the window; None is zeros.
    seed : int or None, default 0
        The masks of dropout and zoneout, if there are any, are those of the seed's first update. None is as in
        evaluation: no masks, no smoothing.

    Returns
    -------
    loss : float
        In nats, summed.
    gradients : dict of str to ndarray
        By name, shaped as in the equations.
    after : ndarray, (L, states, B, H)
        The state after the window.

    Raises
    ------
    TypeError, ValueError
        If x and y are no symbols or not shaped alike.

    Examples
    --------
    Before training, guessing among two symbols costs log 2 nats each.

    >>> small = Architecture("rnn", n_symbols=2, hidden_size=4, seq_length=3)
    >>> x, y = np.array([0, 1, 0], np.int32), np.array([1, 0, 1], np.int32)
    >>> loss, gradients, after = loss_and_gradients(small, small.initial(np.random.default_rng(0)), x, y)
    >>> round(loss, 2), gradients["U"].shape, after.shape
    (2.08, (4, 2), (1, 1, 1, 4))
    """
    engine = window(architecture, x, y, carried, seed is not None)
    loss, grads = engine.gradients(weights, x, y, seed or 0)
    return loss, architecture.named(grads), engine.after()


def loss_function(
    architecture: Architecture, weights: Array, x: Ids, y: Ids, carried: Array | None = None, seed: int | None = 0
) -> Callable[[], Floats]:
    """Return a function without arguments that computes the losses of one window at the present weights.

    Parameters
    ----------
    architecture : Architecture
        What reads the window.
    weights : ndarray, (P,)
        Flat weights, which may change in place between two calls.
    x, y : ndarray of int32, (T,) or (T, B)
        The symbols read and those to predict.
    carried : ndarray, (L, states, B, H), or None, default None
        The state before the window; None is zeros.
    seed : int or None, default 0
        The masks of dropout and zoneout, if there are any, are those of the seed's first update. None is as in
        evaluation: no masks, no smoothing.

    Returns
    -------
    callable
        Gives the nats of each prediction, (T * B,).

    Raises
    ------
    TypeError, ValueError
        If x and y are no symbols or not shaped alike.
    """
    engine = window(architecture, x, y, carried, seed is not None)
    return lambda: engine.losses(weights, x, y, seed or 0)
