"""Calls that several threads make together."""

from __future__ import annotations

import concurrent.futures
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pycharrnn.network.records import Team
from pycharrnn.network.teams import call_together


def test_a_second_interrupt_leaves_no_thread_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = set()
    interrupts = iter([KeyboardInterrupt, KeyboardInterrupt, KeyboardInterrupt])
    wait = concurrent.futures.wait

    def call(team: Team) -> None:
        if team.rank == 0:
            return
        inside.add(team.rank)
        while not team.meeting[2]:
            time.sleep(0.001)
        time.sleep(0.05)  # what remains of a step
        inside.remove(team.rank)

    def interrupted_wait(*args: Any) -> Any:
        if interrupt := next(interrupts, None):
            raise interrupt
        return wait(*args)

    monkeypatch.setattr(concurrent.futures, "wait", interrupted_wait)
    with ThreadPoolExecutor(3) as pool:
        with pytest.raises(KeyboardInterrupt):
            call_together(pool, 4, call)
        assert not inside
