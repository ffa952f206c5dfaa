"""A training as a callback sees it."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pycharrnn import _kernels
from pycharrnn.arrays import Floats
from pycharrnn.training.budget import Budget
from pycharrnn.training.history import History

if TYPE_CHECKING:
    from pycharrnn.training.standing import Standing


class _Recent(NamedTuple):
    """A running sum of losses in nats per character, and the sum of their weights: 1 - 0.999**n after n windows."""

    total: float = 0.0
    weight: float = 0.0


class Counts(NamedTuple):
    """What a run has counted and measured so far: what a later process needs to go on with it.

    Attributes
    ----------
    seconds : float
        Time since the run began, in seconds.
    updating : float
        Time in updates alone, in seconds.
    start : float
        The loss of the weights at the start, in nats per character; NaN before it is known.
    loss, smooth_loss : float
        Of the last update, in nats per `seq_length` characters; NaN before the first.
    recent, weight : float
        The running sum of recent losses, and of their weights.
    """

    seconds: float
    updating: float
    start: float
    loss: float
    smooth_loss: float
    recent: float
    weight: float


@dataclass
class Run:
    """A training run as a callback sees it: one call of `fit` or `partial_fit`.

    Parameters
    ----------
    history : History
        What is remembered of the training.
    sample : callable
        ``sample(length, prompt="", temperature=1.0)`` writes text with the present weights, without n-grams. The same
        update writes the same text, and writing it does not change the training.
    save : callable
        ``save(path)`` writes a model file with the present weights, as `CharRNN.save` does after the training;
        ``save(path, best=True)`` with the best ones so far.
    checkpoint : callable
        ``checkpoint(path)`` writes a file with all that `CharRNN.resume` needs to go on from here: from before the
        callbacks of this update are called.
    budget : Budget
        The limits of this call.
    first : int
        Updates that had been made when this call began.
    total : int or None
        Updates that this call will make. None if only time limits them.
    parameters : dict of str to object
        The constructor's parameters, as this training uses them.
    begin : float
        When this call began, by `time.perf_counter`; now, if it is not given.

    Attributes
    ----------
    n_updates : int
        Updates made, those of earlier calls of `partial_fit` included.
    epoch : int
        Passes over the text that are complete.
    loss, smooth_loss : float
        Of the last update, in nats per `seq_length` characters. NaN before the first update.
    nats : float
        The recent loss in nats per character: the mean over this call, in which the last 1,000 windows weigh most. NaN
        before the first update.
    seconds : float
        Time since this call began, in seconds.
    updating : float
        Time in updates alone, in seconds.
    updates_left : float
        Updates that this call has still to make. Infinity if only time limits them.
    share : float
        The share of the budget that is spent, 0 to 1, of whichever limit is nearest.
    seconds_left : float or None
        Time to the end of the budget in seconds, at the speed so far. None before the first update.
    start : float
        The loss of the weights at the start, in nats per character of the text by which the best ones are chosen.
    status : {"training", "validating"}
        What is being done.
    characters : int
        Characters read in this call.
    standing : Standing or None
        Where the run stood before the callbacks of this update; None before the first update.

    Examples
    --------
    >>> from pycharrnn import CharRNN
    >>> def enough(run):
    ...     return run.nats < 1.0  # True ends the training
    >>> model = CharRNN(epochs=1000, random_state=0).fit("to be or not to be " * 50, callbacks=[enough])
    >>> model.n_updates_ < 38_000
    True
    """

    history: History
    sample: Callable[..., str]
    save: Callable[..., None]
    checkpoint: Callable[[str | os.PathLike[str]], None]
    budget: Budget
    first: int
    total: int | None
    parameters: dict[str, Any] = field(default_factory=dict, repr=False)
    begin: float = field(default_factory=time.perf_counter)
    n_updates: int = field(init=False)
    epoch: int = field(default=0, init=False)
    loss: float = field(default=math.nan, init=False)
    smooth_loss: float = field(default=math.nan, init=False)
    seconds: float = field(default=0.0, init=False)
    updating: float = field(default=0.0, init=False)
    characters: int = field(default=0, init=False)
    start: float = field(default=math.nan, init=False)
    status: str = field(default="training", init=False)
    standing: Standing | None = field(default=None, init=False, repr=False)
    _recent: _Recent = field(default_factory=_Recent, init=False, repr=False)

    def __post_init__(self) -> None:
        self.n_updates = self.first

    def elapsed(self) -> float:
        """Read the clock.

        Returns
        -------
        float
            Time since this call began, in seconds. The attribute `seconds` is that of the last update.
        """
        return time.perf_counter() - self.begin

    @property
    def counts(self) -> Counts:
        """What has been counted and measured so far."""
        measured = self.updating, self.start, self.loss, self.smooth_loss
        return Counts(self.elapsed(), *measured, *self._recent)

    def resume(self, standing: Standing, n_updates: int) -> None:
        """Become the run that stood there, after so many updates.

        Parameters
        ----------
        standing : Standing
            Where it stood.
        n_updates : int
            Updates made.
        """
        self.standing = standing
        self.n_updates = n_updates
        seconds, self.updating, self.start, self.loss, self.smooth_loss, *recent = standing.counts
        self.seconds = seconds
        self.begin = time.perf_counter() - seconds
        self._recent = _Recent(*recent)

    @property
    def updates_left(self) -> float:
        return math.inf if self.total is None else self.total - (self.n_updates - self.first)

    @property
    def share(self) -> float:
        shares = [0.0]
        if self.budget.max_seconds is not None:
            shares.append(self.seconds / self.budget.max_seconds)
        if self.total is not None:
            shares.append((self.n_updates - self.first) / self.total)
        return min(1.0, max(shares))

    @property
    def seconds_left(self) -> float | None:
        done = self.n_updates - self.first
        if not done:
            return None
        left = [math.inf]
        if self.budget.max_seconds is not None:
            left.append(self.budget.max_seconds - self.seconds)
        if self.total is not None:
            left.append(self.seconds / done * self.updates_left)
        return max(0.0, min(left))

    @property
    def nats(self) -> float:
        return self._recent.total / self._recent.weight if self._recent.weight else math.nan

    def note(self, loss: Floats, windows: int) -> None:
        """Let `nats` know of the losses of some updates.

        Parameters
        ----------
        loss : ndarray of float64, (n,)
            Their losses, in nats per `seq_length` characters.
        windows : int
            Windows of each: the batch size.
        """
        moved, rates = np.empty_like(loss), np.full_like(loss, 1 - 0.999**windows)
        nats = loss / self.history.seq_length
        total = _kernels.moving_average(nats, rates, moved, self._recent.total)  # one by one: slices change no bit
        self._recent = _Recent(total, _kernels.moving_average(np.ones_like(loss), rates, moved, self._recent.weight))
