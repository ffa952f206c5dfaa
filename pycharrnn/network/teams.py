"""Calls that several threads make together: they meet inside, without the interpreter lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pycharrnn.interrupts import insist
from pycharrnn.network.records import Team

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor


def call_together(pool: ThreadPoolExecutor, size: int, call: Callable[[Team], None], *, listens: bool = False) -> None:
    """Make a call in so many threads, and wait for all of them.

    This thread is the first of them, so that a signal finds it in Python only when no call is under way.

    Parameters
    ----------
    pool : ThreadPoolExecutor
        The other threads.
    size : int
        How many threads make the call.
    call : callable
        What each of them does as its part of the team.
    listens : bool, default False
        Whether this thread is none of them, but listens: a signal then asks them to leave undone what they do.

    Raises
    ------
    Exception
        What the call raises in one of the threads, when all have ended.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> came = []
    >>> with ThreadPoolExecutor(1) as pool:
    ...     call_together(pool, 2, lambda team: came.append(team.rank))
    >>> sorted(came)
    [0, 1]
    """
    from concurrent.futures import wait  # only now: it takes a while to import

    meeting = np.zeros(5, np.int32)
    calls: list[Future[None]] = []

    def come(rank: int) -> None:
        try:
            call(Team(rank, size, meeting))
        except BaseException:
            meeting[2] = 1  # this thread does not come: the others stop waiting for it
            raise

    def leave() -> None:  # after the last meeting nobody looks
        meeting[3] = listens
        meeting[2] = not listens or len(calls) < size  # an interrupt may come before all threads do

    try:
        for rank in range(0 if listens else 1, size):
            calls.append(pool.submit(come, rank))
        if not listens:
            come(0)
        while wait(calls, 0.1).not_done:  # some systems interrupt no longer waiting
            continue
    finally:
        insist(leave, lambda: wait(calls))  # so that a second interrupt leaves no thread behind, either
    for made in calls:
        made.result()
