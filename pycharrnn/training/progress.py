"""One line that says how far a training is."""

from __future__ import annotations

import math
import os
import sys
import time
from typing import Any

from pycharrnn.training.run import Run


class Progress:
    """One line that says how far a training is, and that rewrites itself on a terminal and in a notebook.

    Elsewhere, in a pipe or a file, it is a log: a line after `delay`, one every 30 seconds and one at the end.

    Parameters
    ----------
    disable : bool, default False
        Whether to say nothing.
    delay : float, default 0.5
        Seconds before the line appears, so that a short training leaves no trace.

    Attributes
    ----------
    width : int
        The most columns of the line; a narrower terminal gets a shorter one.
    logged_every : float
        Seconds between two lines of a log.
    """

    width = 60
    logged_every = 30.0

    def __init__(self, disable: bool = False, delay: float = 0.5) -> None:
        self.disable = disable
        self.delay = delay
        self._begin: float | None = None
        self._due = 0.0  # when the next line is
        self._asked = 0.0  # when the validation began that is being waited for
        self._slow = True  # validations take so long that they are named
        self._drawn = 0  # columns of the line that stands on the terminal
        self._run: Run | None = None

    def __call__(self, run: Run) -> None:
        """Say how far the run is, if it is time to."""
        stream, now = sys.stderr, time.perf_counter()
        if self.disable or stream is None:
            return
        if self._begin is None:
            self._begin, self._due = now, now + self.delay
        if self._asked:
            self._slow, self._asked = now - self._asked > 0.3, 0.0
        if run.status == "validating":
            self._asked = now
        self._run, live = run, _rewrites(stream)
        if now < self._due and not (live and self._asked and self._slow):
            return
        self._due = now + (0.1 if live else self.logged_every)
        status = run.status if self._slow else "training"  # a word for a moment would only flicker
        line = _line(run, status, min(self.width, _columns(stream)))
        if not live:
            self._put(line + "\n")
            return
        self._put("\r" + line.ljust(min(self._drawn, _columns(stream))))
        self._drawn = len(line)
        _drawn.add(self)

    def clear(self) -> None:
        """Take the line off the terminal, so that something else can be printed there."""
        if self._drawn:
            self._put("\r" + " " * min(self._drawn, _columns(sys.stderr)) + "\r")
        self._drawn = 0
        _drawn.discard(self)

    def close(self) -> None:
        """Leave a last line, unless the training was so short that there is nothing to leave."""
        run, self._run = self._run, None
        self.clear()
        if run is not None and self._begin is not None and time.perf_counter() - self._begin >= self.delay:
            self._put(_line(run, "", min(self.width, _columns(sys.stderr))) + "\n")
        self._begin = None

    def _put(self, text: str) -> None:
        """Write to stderr; where that fails, say nothing from then on."""
        try:
            if not self.disable:
                sys.stderr.write(text)
                sys.stderr.flush()
        except (AttributeError, OSError, ValueError):  # no stderr, a terminal that has gone, a closed stream
            self.disable = True  # the training matters more


_drawn: set[Progress] = set()  # whose lines stand on the terminal


def clear_lines() -> None:
    """Take the lines of all trainings off the terminal, so that something else can be printed; they come again."""
    for progress in list(_drawn):
        progress.clear()


def _rewrites(stream: Any) -> bool:
    """Whether a carriage return goes back to the start of the line."""
    if type(stream).__module__.partition(".")[0] == "ipykernel":
        return True
    try:
        return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"
    except (AttributeError, OSError, ValueError):  # no file, or a closed one
        return False


def _columns(stream: Any) -> int:
    """Columns that a line may have. The last one of a terminal stays free: some begin a new line when it is filled."""
    try:
        return max(1, (os.get_terminal_size(stream.fileno()).columns or 80) - 1)
    except (AttributeError, OSError, ValueError):  # a notebook, a file, a pipe
        return 80


def _line(run: Run, status: str, width: int) -> str:
    """The line to show: its first part, and each other part that fits the width. Without a status, the last line."""
    line = f"{status:<10} {math.floor(100 * run.share):3d} %" if status else f"trained in {_time(run.seconds)}"
    looks = run.history.validation
    parts = [
        "" if not status or run.seconds_left in (None, math.inf) else f"{_time(run.seconds_left)} left",
        "" if math.isnan(run.nats) else f"{_nats(run.nats)} nats/char",
        f"{_nats(looks[-1].nats)} unseen" if looks else "",
        f"{_short(run.characters / run.seconds)} chars/s" if run.characters and run.seconds > 0 else "",
    ]
    for part in parts:
        if part and len(line) + 3 + len(part) <= width:
            line += f" | {part}"
    return line[:width]


def _nats(nats: float) -> str:
    """The loss in at most seven characters."""
    return f"{nats:.2f}" if nats < 1000 else f"{nats:.1e}"


def _time(seconds: float) -> str:
    """The time in the largest unit that it has at least three of."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 3 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{math.ceil(seconds)} s"


def _short(number: float) -> str:
    """The number in at most four digits."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g}{unit}" if number < 999.5 * size else f"{number / size:.0f}{unit}"
    return f"{number:.0f}"
