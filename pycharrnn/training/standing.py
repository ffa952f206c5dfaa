"""Where a run stands: all that it needs, besides weights and moments, to go on as if it had never stopped."""

from __future__ import annotations

from copy import copy
from typing import NamedTuple, Self

from pycharrnn.arrays import Array
from pycharrnn.network.state import Best
from pycharrnn.training.history import History
from pycharrnn.training.judge import Judge
from pycharrnn.training.memory import Memory, Mixture
from pycharrnn.training.run import Counts, Run


class Standing(NamedTuple):
    """Where a run stands. It is taken before the callbacks are called, so that they can all be called again.

    Attributes
    ----------
    counts : Counts
        What the run has counted and measured.
    history : History
        A copy of what is remembered.
    best : ndarray, (P,)
        The best weights. Nobody changes this array in place.
    kept : Best
        What is known of them.
    memory : Memory
        What the judge remembers.
    mixture : Mixture or None
        What the judge has found of the n-grams, if there are any.
    factor : float
        What multiplies the learning rate after divergences.
    due : bool
        Whether the callbacks of the last update are still to be called.
    finished : bool
        Whether the run is at its end.
    path : str
        The checkpoint that it was read from; empty if it was not.
    """

    counts: Counts
    history: History
    best: Array
    kept: Best
    memory: Memory
    mixture: Mixture | None
    factor: float
    due: bool
    finished: bool = False
    path: str = ""

    @classmethod
    def of(cls, run: Run, judge: Judge, factor: float, due: bool, finished: bool = False) -> Self:
        """Return where a run stands now."""
        state = judge.trainer.state
        memory, history = copy(judge.memory), run.history.copy()
        return cls(run.counts, history, state.best, state.kept, memory, judge.mixture, factor, due, finished)
