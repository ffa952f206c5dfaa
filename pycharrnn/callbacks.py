"""Things to do while a model trains. A callback is a callable that takes the run; True from it ends the training."""

from __future__ import annotations

import math
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import IO, Any, Literal

from pycharrnn.arguments import integer, real, string
from pycharrnn.output import write


class SampleText:
    """Write text with the present weights every so many updates, and keep it in the history.

    Printing never ends a training. Characters that the encoding of `file` lacks are written as escapes, and so are
    control characters on a terminal. If the file takes no text any more, because it was closed or the disk is full, a
    warning says so once, and the texts that follow are only kept.

    Parameters
    ----------
    every : int, default 10_000
        Updates between two texts; there is one before the first update.
    length : int, default 200
        Characters in a text.
    prompt : str, default ""
        What the text goes on from.
    temperature : float, default 1.0
        As of `CharRNN.sample`.
    file : text file object, "stdout" or None, default "stdout"
        Where to print; None only keeps the texts.

    Raises
    ------
    TypeError
        If `file` is none of these, for example a name or a file that was opened for bytes.
    ValueError
        If a number is out of range, or nothing can be written to `file`.

    Examples
    --------
    >>> from pycharrnn import CharRNN
    >>> watch = SampleText(every=50, length=20, file=None)
    >>> model = CharRNN(hidden_size=8, max_updates=100, random_state=0)
    >>> model = model.fit("to be or not to be " * 200, callbacks=[watch])
    >>> [text.n_updates for text in model.history_.texts]
    [0, 50, 100]
    """

    def __init__(
        self,
        every: int = 10_000,
        length: int = 200,
        *,
        prompt: str = "",
        temperature: float = 1.0,
        file: IO[str] | Literal["stdout"] | None = "stdout",
    ) -> None:
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ValueError(f"every must be a positive number of updates, got {every!r}")
        integer("length", length, 0, 2**48)
        string("prompt", prompt)
        real("temperature", temperature, zero=True)
        if file is not None and file != "stdout":
            try:
                file.write("")
            except (AttributeError, TypeError):
                raise TypeError(f"file must be a file object opened for text, 'stdout' or None, got {file!a}") from None
            except (OSError, ValueError) as error:
                raise ValueError(f"file must be open for writing, got {file!a}: {error}") from None
        self.every, self.length, self.prompt, self.temperature = every, length, prompt, temperature
        self.file = file
        self._broken: object = None

    def __call__(self, run: Any) -> None:
        text = run.sample(self.length, prompt=self.prompt, temperature=self.temperature)
        run.history.remember(run.n_updates, run.smooth_loss, text)
        file = sys.stdout if isinstance(self.file, str) else self.file
        if file is None or file is self._broken:
            return
        loss = f", smooth loss {run.smooth_loss:.2f}" if run.smooth_loss == run.smooth_loss else ""
        clear_lines()
        try:
            write(f"--- update {run.n_updates}{loss}\n{text}\n\n", file)
        except Exception as error:  # of any file object: a training is worth more than what it prints
            self._broken = file
            self.on_error(error)

    def on_error(self, error: Exception) -> None:
        """Called once, when the file has not taken a text; an error raised here ends the training."""
        message = f"SampleText prints no more texts, the training goes on: {type(error).__name__}: {error}"
        warnings.warn(message, stacklevel=2)


class KeepBest:
    """Look at a text every so many updates, keep the weights that predict it best, and end what no longer gets better.

    Parameters
    ----------
    every : int
        Updates between two looks.
    loss : callable
        Gives nats per character of the text at the present weights.
    keep : callable
        Called with the loss when it is the lowest so far.
    remember : callable
        Called with ``(n_updates, seconds, nats)`` after each look.
    guess : float
        The loss of guessing.
    patience : int or None
        Looks without a new lowest loss after which the training ends.

    Attributes
    ----------
    seconds : float or None
        How long the last look took.
    """

    def __init__(
        self,
        every: int,
        loss: Callable[[], float],
        keep: Callable[[float], object],
        remember: Callable[[int, float, float], object],
        guess: float,
        patience: int | None = None,
    ) -> None:
        self.every, self._loss, self._keep, self._remember = every, loss, keep, remember
        self._guess, self._patience = guess, patience
        self._start, self._lowest, self._better = guess, math.inf, False
        self._waited, self._looked, self._lost = 0, -1, 0
        self.seconds: float | None = None

    def begin(self, run: Any, competes: bool) -> None:
        """Compare with `run.start`, the loss of the weights of the start, which may compete with the later ones."""
        self._start = run.start
        if competes:
            self._lowest = run.start
            self._keep(run.start)

    def __call__(self, run: Any) -> bool:
        if run.n_updates in (self._looked, run.first):
            return False
        nats = self._look(run)
        self._looked = run.n_updates
        self.consider(nats)
        self._lost = self._lost + 1 if self.diverged(run) else 0
        return self._lost > 1 or (self._patience is not None and self._waited >= self._patience)

    def _look(self, run: Any) -> float:
        begin, nats = time.perf_counter(), self._loss()
        self.seconds = time.perf_counter() - begin
        self._remember(run.n_updates, run.seconds, nats)
        return nats

    def consider(self, nats: float) -> None:
        """Keep the present weights if this loss of theirs is the lowest so far."""
        self._waited += 1
        if nats < self._lowest:
            self._lowest, self._waited, self._better = nats, 0, nats < self._start
            self._keep(nats)

    def diverged(self, run: Any) -> bool:
        """Whether the text that is trained on is predicted far worse than by guessing, and no weights were better."""
        return not self._better and run.nats > 10 * self._guess  # the first steps of AdaGrad may reach five times


class Progress:
    """One line that says how far a training is, and that rewrites itself on a terminal and in a notebook.

    Elsewhere, in a pipe or a file, it is a log: a line after `delay`, one every 30 seconds and one at the end.

    Parameters
    ----------
    disable : bool
        Say nothing.
    delay : float, default 0.5
        Seconds before it appears, so that a short training leaves no trace.
    """

    width = 60  # columns at most; fewer if the terminal is narrower
    logged_every = 30.0  # seconds

    def __init__(self, disable: bool = False, delay: float = 0.5) -> None:
        self.disable, self.delay = disable, delay
        self._begin: float | None = None
        self._due = 0.0  # when the next line is
        self._asked = 0.0  # when the validation began that is being waited for
        self._slow = True  # validations take long enough to be named
        self._drawn = 0  # columns of the line that stands on the terminal
        self._run: Any = None

    def __call__(self, run: Any) -> None:
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
        """Take the line off the terminal, for something else to be printed there."""
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
        try:
            if not self.disable:
                sys.stderr.write(text)
                sys.stderr.flush()
        except (AttributeError, OSError, ValueError):  # no stderr, a terminal that has gone, a closed stream
            self.disable = True  # the training matters more


_drawn: set[Progress] = set()  # whose lines stand on the terminal


def clear_lines() -> None:
    """Take the lines of all trainings off the terminal, for something else to be printed there; they come again."""
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
    """Columns that a line may have: the last one of a terminal stays free, or some would begin a new line."""
    try:
        return max(1, (os.get_terminal_size(stream.fileno()).columns or 80) - 1)
    except (AttributeError, OSError, ValueError):  # a notebook, a file, a pipe
        return 80


def _line(run: Any, status: str, width: int) -> str:
    """What fits into the width: the first words, and of the others all for which there is room; no status: the end."""
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
    return f"{nats:.2f}" if nats < 1000 else f"{nats:.1e}"


def _time(seconds: float) -> str:
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
