"""What a row of the programme is, and what it finds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["ROWS", "Finding", "Row", "row", "scratch"]

_MOST = int(os.environ.get("FAULTS", 5))  # faults that a row tells in full


@dataclass
class Finding:
    """What a row found: how much it tried, and what was not as it must be.

    Parameters
    ----------
    unit : str
        What is counted.
    least : int
        Fewer than so many tries are a fault as well: a check that looks at nothing finds nothing.
    """

    unit: str
    least: int = 1
    count: int = 0
    note: str = ""
    faults: list[str] = field(default_factory=list)
    missed: int = 0

    def check(self, right: Any, *case: Any) -> None:
        """Count a try. If it is not right, keep the case: seed and step, so that it can be repeated."""
        self.count += 1
        if not right:
            self.fault(*case)

    def fault(self, *case: Any) -> None:
        """Note a fault."""
        if len(self.faults) < _MOST:
            self.faults.append(" ".join(map(str, case))[:600])
        else:
            self.missed += 1

    @property
    def passed(self) -> bool:
        """Whether enough was tried and all of it was right."""
        return not self.faults and self.count >= self.least


Work = Callable[[bool], Finding]


@dataclass(frozen=True)
class Row:
    """A row: its name, what it does, and the function that does it.

    Parameters
    ----------
    name : str
        Such as "R1".
    does : str
        In a few words.
    work : callable
        ``work(full)`` does it, in full or quickly.
    quick : bool
        Whether the quick programme has it.
    seconds : float
        After so many it is stopped, and has failed.
    """

    name: str
    does: str
    work: Work
    quick: bool
    seconds: float


ROWS: dict[str, Row] = {}


def row(name: str, does: str, *, quick: bool = True, seconds: float = 600.0) -> Callable[[Work], Work]:
    """Make a function a row of the programme."""

    def enter(work: Work) -> Work:
        ROWS[name] = Row(name, does, work, quick, seconds)
        return work

    return enter


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for as long as the context lasts, in memory where there is such a place."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="reliability-", dir=where) as folder:
        yield Path(folder)
