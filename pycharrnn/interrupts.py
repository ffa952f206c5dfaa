"""Signals that ask a program to end: each raises an exception, as Ctrl-C does, so that what is learned can be saved.

Only the command line uses the class `Interrupts`: an `import` by another program, or a call of the library, changes no
handler.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

# Ctrl-C; a scheduler or `timeout`; a closed terminal; a limit of CPU time; Ctrl-Break. No system has all of them.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU", "SIGBREAK")
_SAME = 1.0  # within so many seconds a second signal is the same request: `timeout` sends two


class Interrupted(KeyboardInterrupt):
    """A signal asked the program to end.

    Parameters
    ----------
    number : int
        The signal.

    Attributes
    ----------
    by : str
        What to say after "interrupted": " by SIGTERM" and the like, or nothing for Ctrl-C.
    code : int
        The exit code that shells use for it: 128 and the signal's number.

    Examples
    --------
    >>> error = Interrupted(signal.SIGTERM)
    >>> error.by, error.code
    (' by SIGTERM', 143)
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
        self.code = 128 + number


class Interrupts:
    """A context in which signals that ask the program to end raise `Interrupted`.

    A signal that is ignored, as SIGHUP is under ``nohup``, stays ignored, and a handler that somebody else installed
    stays. Outside the main thread, where Python allows no change of handlers, the context changes nothing.

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
        self._raised = float("-inf")
        self._holds = False
        self._held = None
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
        """Raise, or remember the first signal while signals are held."""
        if self._holds:
            self._held = self._held or Interrupted(number)
        elif time.monotonic() - self._raised >= _SAME:
            self._raised = time.monotonic()
            raise Interrupted(number)

    def hold(self) -> None:
        """Hold all signals until the next `held` context ends."""
        self._holds = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold all signals while the context runs, so that its work is done whole; then raise the first of them."""
        self.hold()
        try:
            yield
        finally:
            self._holds = False
        if self._held is not None:
            raise self._held


def insist(*steps: Callable[[], object]) -> None:
    """Take short steps that must be taken, even if an interrupt comes meanwhile: it is raised after them.

    Parameters
    ----------
    *steps : callable
        Each is called without arguments, and once more if an interrupt cut it short: a second call must do no harm.

    Examples
    --------
    >>> done = []
    >>> insist(lambda: done.append("saved"), lambda: done.append("closed"))
    >>> done
    ['saved', 'closed']
    """
    interrupt: KeyboardInterrupt | None = None
    for step in steps:
        taken = False
        while not taken:
            try:
                step()
                taken = True
            except KeyboardInterrupt as error:
                interrupt = error
    if interrupt is not None:
        raise interrupt
