"""Every way in which a system asks a program to end does what Ctrl-C does: it raises, and what is learned can be kept.

For the command line only: an `import`, or a call of the library, changes no handler.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

# Ctrl-C, a scheduler or `timeout`, a terminal that was closed, a limit of CPU time, Ctrl-Break; a system lacks some.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU", "SIGBREAK")
_SAME = 1.0  # seconds within which a second signal is the same request: `timeout` sends two


class Interrupted(KeyboardInterrupt):
    """The program was asked to end, by a signal.

    Attributes
    ----------
    by : str
        " by SIGTERM" and the like; empty for Ctrl-C.
    code : int
        The exit code that tells of it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
        self.code = 128 + number


class Interrupts:
    """A context in which such signals raise `Interrupted`.

    Signals that are ignored, as SIGHUP under ``nohup``, stay so; a handler that somebody else has installed stays, too.
    So do all outside the main thread, where Python lets nobody change them.

    Examples
    --------
    >>> interrupts = Interrupts()
    >>> with interrupts:
    ...     try:
    ...         signal.raise_signal(signal.SIGTERM)
    ...     except Interrupted as error:
    ...         print(f"interrupted{error.by}")
    interrupted by SIGTERM
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._raised = float("-inf")
        self._holds = False
        self._held: Interrupted | None = None

    def __enter__(self) -> Self:
        self._raised, self._holds, self._held = float("-inf"), False, None
        for name in _NAMES:
            number = getattr(signal, name, None)
            before = None if number is None else signal.getsignal(number)
            if number is None or before not in (signal.SIG_DFL, signal.default_int_handler):
                continue
            try:
                signal.signal(number, self._handle)
            except ValueError:  # not in the main thread
                break
            self._before[number] = before
        return self

    def __exit__(self, *exception: object) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._holds:
            self._held = self._held or Interrupted(number)
        elif time.monotonic() - self._raised >= _SAME:
            self._raised = time.monotonic()
            raise Interrupted(number)

    def hold(self) -> None:
        """Let no signal raise until the end of the next `held`."""
        self._holds = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """What is done here is done whole; a signal that comes meanwhile raises after it."""
        self.hold()
        try:
            yield
        finally:
            self._holds = False
        if self._held is not None:
            raise self._held
