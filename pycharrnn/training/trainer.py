"""Updates of one state over one text."""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pycharrnn import _kernels
from pycharrnn.arrays import Floats, Ids
from pycharrnn.messages import Message, advice
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.engine import Engine
from pycharrnn.network.growth import mean
from pycharrnn.network.memory import processors
from pycharrnn.network.pace import Pace
from pycharrnn.network.records import Team, Update, Windows, record
from pycharrnn.network.state import Rule, Squares, State
from pycharrnn.network.teams import call_together
from pycharrnn.training.windows import Beginning, Reading

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor


LONG = 5e9  # operations of an update that a signal cannot wait for: some 0.1 seconds
SHARED = 2**16  # multiplications of a step for each thread beyond one for each stream
SLICE = 0.02  # seconds of updates; after each slice signals, clock and callbacks have their turn
MEASURED = 1000  # windows that tell the size of gradients
MARGIN = 2.0  # measured squares that a rule soon forgets begin so many times too large: the first steps are small


class _Made(NamedTuple):
    """A call of the kernel whose updates the state does not know yet."""

    begun: int  # updates made before
    smoothed: float  # the smooth loss before
    steps: Ids  # (n), of each window
    nats: Floats  # (n), what the kernel writes
    loss: Floats  # (n), the same per T characters of a stream
    smooth: Floats  # (n)


class Trainer:
    """Updates of one state over one text.

    Examples
    --------
    >>> from pycharrnn.training.optimizers import AdaGrad
    >>> from pycharrnn.training.descent import Descent
    >>> small = Architecture("rnn", n_symbols=2, hidden_size=4, seq_length=5)
    >>> rule = Descent(AdaGrad(), rate=0.1, clip_value=5.0, clip_norm=None)
    >>> state = State.begin(small, small.initial(np.random.default_rng(0)), rule)
    >>> trainer = Trainer(small, state, rule, np.array([0, 1] * 50, np.int32))
    >>> loss, smooth = np.empty(40), np.empty(40)
    >>> trainer.advance(loss, smooth, np.ones(40))
    >>> state.n_updates, bool(loss[-1] < 0.5 * loss[0])
    (40, True)
    """

    def __init__(
        self,
        architecture: Architecture,
        state: State,
        rule: Rule,
        ids: Ids,
        n_threads: int | None = 1,
        noise: bool = True,
    ) -> None:
        architecture.check(ids)
        if rule.name != state.rule:
            raise ValueError(f"the state has the moments of {state.rule}, not of {rule.name}: resume it first")
        self.batch_size = int(state.carried.shape[2])
        if len(ids) <= self.batch_size:
            few = f"the text is too short for {self.batch_size} streams: it has {len(ids) - 1} predictions; "
            raise ValueError(Message(few, advice("lower {batch_size}")))
        self.architecture = architecture
        self.state = state
        self.rule = rule
        self.ids = ids
        self._share = n_threads is None
        H = architecture.hidden_size
        work = self.batch_size * H * (architecture.row.gates * H + architecture.n_symbols)
        if n_threads is None:  # below some 20 microseconds a step, meeting costs more than sharing gains
            n_threads = processors() if work > 2**18 else 1
            _sharing.add(self)
        self._most = min(n_threads, max(self.batch_size, work // SHARED))
        self._pace = Pace()
        self._long = 6 * architecture.layout.size * architecture.seq_length * self.batch_size > LONG
        self._engine = Engine(architecture, architecture.seq_length, self.batch_size, training=True, noise=noise)
        seed = int(state.run["seed"][0])
        self._reading = Reading(ids, architecture.seq_length, self.batch_size, state.n_updates, seed, state.shift)
        self._made: _Made | None = None
        self._pool: ThreadPoolExecutor | None = None  # of threads beside this one

    @property
    def n_threads(self) -> int:
        """Of the next call, at most: those asked for, or a fair share of the processors. The bits are the same."""
        return max(1, min(self._most, processors() // max(1, len(_sharing)))) if self._share else self._most

    @property
    def updates_per_epoch(self) -> int:
        """Windows of a pass over the text."""
        return self._reading.per_pass

    @property
    def beginning(self) -> Beginning:
        """Where the run began; a run that goes on after a stop is told."""
        return self._reading.beginning

    @beginning.setter
    def beginning(self, beginning: Beginning) -> None:
        self._reading.beginning = beginning

    @property
    def position(self) -> int:
        """Steps of the present pass over the text that each stream has made."""
        return self._reading.position(self.state.n_updates)

    @property
    def characters(self) -> int:
        """Predictions in one epoch. B streams of equal length leave out fewer than B of them."""
        return (len(self.ids) - 1) // self.batch_size * self.batch_size

    def advance(self, loss: Floats, smooth: Floats, factors: Floats | float = 1.0) -> None:
        """Make ``len(loss)`` updates; write the loss and the smooth loss of each, in nats per T characters.

        `factors`, one or one for each, multiply the learning rate.
        Makes fewer, as ``state.n_updates`` then tells, only when a loss was not finite.
        """
        s, begun = self.state, self.state.n_updates
        numbers = self.rule.numbers()
        rates = np.ascontiguousarray(np.broadcast_to(factors * numbers.rate, loss.shape), np.float64)
        windows = self._reading.cut(begun, loss.size)
        self._engine.start(s.carried)
        self._made = _Made(begun, s.smooth, windows.steps, np.empty(loss.size), loss, smooth)
        update = Update(self.rule.name, record(numbers), rates, s.m, s.v, s.average)
        try:
            self._together(windows, update, self._made.nats)
        finally:  # an interrupt comes here, too, after some whole updates
            self.settle()

    def settle(self) -> None:
        """Bring the state up to its last update. A second call does no harm: an interrupt may come at any moment.

        Losses are scaled to T characters of a stream, and averaged. In the smooth loss a window of n < T steps weighs
        n / T, and one of B streams nearly B times as much as one.
        """
        if (made := self._made) is None:
            return
        s = self.state
        n = s.n_updates - made.begun
        if n:
            self._engine.take(s.carried)
        s.shift = self._reading.shift(s.n_updates)
        share = made.steps[:n] / self.architecture.seq_length
        made.loss[:n] = made.nats[:n] / share / self.batch_size
        weights = 0.001 * self.batch_size / (1 + 0.001 * (self.batch_size - 1)) * share
        s.smooth = _kernels.moving_average(made.loss[:n], weights, made.smooth[:n], made.smoothed)
        self._made = None

    def measure(self, new: Ids, foreign: bool, squares: Squares | None = None, max_seconds: float = math.inf) -> None:
        """Measure the squares of gradients that a state lacks, and write them into its moment v.

        The first windows of the text are read at a learning rate of zero: the weights stay, and v becomes that of the
        gradients here. Three corrections follow. A network that has memorised a text has hardly any gradient left, so
        the measured squares are scaled up to the known ones. A rule that sums squares gets as many of them as the
        weights have seen updates. Each entry is raised to at least the mean of its array: a symbol that does not occur
        here would otherwise take a large step when it first occurs.

        Parameters
        ----------
        new : ndarray of int32
            The symbols that the state has no squares of.
        foreign : bool
            Whether the state has no squares at all: it is from a file, or another optimiser's.
        squares : Squares or None, default None
            What is known of the squares that the state had once.
        max_seconds : float, default inf
            Read no more windows after so long; at least one is read.
        """
        s = self.state
        before = s.copy()
        try:
            self._read(min(self.updates_per_epoch, max(1, MEASURED // self.batch_size)), max_seconds)
        except BaseException:  # such as an interrupt: nothing has been measured
            self._made = None
            s.assign(before)
            self.close()
            raise
        done = max(1, s.n_updates - before.n_updates)
        known = squares.means if squares is not None and squares.rule == self.rule.name else {}
        factors: dict[str, float] = {}
        if known or self.rule.sums:
            bias = 1 - s.run["power2"][0]  # of Adam's v after so few windows
            for name, view in self.architecture.named(s.v).items():
                wanted = known.get(name, 0.0) * bias
                least = mean(view) or wanted  # there may be no gradient at all
                np.maximum(view, least, out=view)
                factor = wanted / least if least else 1.0
                more = before.n_updates / done if self.rule.sums else MARGIN * factor
                factors[name] = max(1.0, factor, more)
        if s.v.size:
            found, kept = self.architecture.named(s.v), self.architecture.named(before.v)
            for name, array in found.items():
                rows = self.architecture.rows(name, array)
                fresh = np.zeros(0) if rows is None else rows[new]
                array[...] = array * factors.get(name, 1.0) if foreign else kept[name]
                if rows is not None:
                    rows[new] = fresh
        s.m[:] = before.m  # the mean gradient at the same weights would be followed too far
        measured = s.run.copy()
        s.average[:] = before.average
        s.carried[:] = before.carried
        s.run[:] = before.run
        s.smooth = before.smooth
        s.shift = before.shift
        if foreign:  # these belong to the moments that have been measured
            for power in ("power1", "power2"):
                s.run[power] = measured[power]

    def _read(self, n: int, max_seconds: float) -> None:
        """Read up to n windows at a learning rate of zero, a slice in each call, so that signals have their turn."""
        begin, size = time.perf_counter(), 1
        while n > 0:
            first, at = self.state.n_updates, time.perf_counter()
            some = min(size, n)
            self.advance(np.empty(some), np.empty(some), 0.0)
            now = time.perf_counter()
            if self.state.n_updates < first + some or now - begin >= max_seconds:
                return
            n -= some
            size = max(1, min(2 * some, int(some * SLICE / max(now - at, 1e-6))))

    def _together(self, windows: Windows, update: Update, loss: Floats) -> None:
        """Make the same call from this thread and those of the pool."""
        train = partial(self._engine.train, self.state.weights, windows, update, self.state.run, loss)
        size = self._pace.choose(self.n_threads) if self._share else self.n_threads
        begin, before = time.perf_counter(), self.state.n_updates
        if size == 1 and not self._long:
            train()
        else:
            self._meet(train, size)
        self._pace.note(size, (time.perf_counter() - begin) / max(1, self.state.n_updates - before))

    def _meet(self, train: Callable[[Team], None], size: int) -> None:
        """Make the call in so many threads. This one is the first of them, unless the update is long: then it listens.

        A signal asks the others to leave a long update undone.
        """
        from concurrent.futures import ThreadPoolExecutor  # only now: it takes a while to import

        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._most, "pycharrnn")
        listens = self._long and threading.current_thread() is threading.main_thread()
        call_together(self._pool, size, train, listens=listens)

    def close(self) -> None:
        """Let the threads and the processors go."""
        _sharing.discard(self)
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None


# The trainers of this process that share its processors, whichever of its threads they run in.
_sharing: weakref.WeakSet[Trainer] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_sharing.clear)
