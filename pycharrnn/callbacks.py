"""Things to do while a model trains. A callback is a callable that takes the run; True from it ends the training."""

from __future__ import annotations

import contextlib
import math
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
        tqdm = sys.modules.get("tqdm")  # a bar in the same terminal has to make room
        try:
            with tqdm.tqdm.external_write_mode(file) if tqdm else contextlib.nullcontext():
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
        The loss of guessing, which the weights of the start do no better than unless `begin` looks at them. Only then
        do they compete.
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

    def begin(self, run: Any) -> None:
        """Look at the weights of the start."""
        self._start = self._lowest = self._loss()
        self._remember(run.n_updates, run.seconds, self._start)
        self._keep(self._start)

    def __call__(self, run: Any) -> bool:
        if run.n_updates in (self._looked, run.first):
            return False
        begin, nats = time.perf_counter(), self._loss()
        self._looked, self.seconds = run.n_updates, time.perf_counter() - begin
        self._remember(run.n_updates, run.seconds, nats)
        self.consider(nats)
        self._lost = self._lost + 1 if self.diverged(run) else 0
        return self._lost > 1 or (self._patience is not None and self._waited >= self._patience)

    def consider(self, nats: float) -> None:
        """Keep the present weights if this loss of theirs is the lowest so far."""
        self._waited += 1
        if nats < self._lowest:
            self._lowest, self._waited, self._better = nats, 0, nats < self._start
            self._keep(nats)

    def diverged(self, run: Any) -> bool:
        """Whether the text that is trained on is predicted far worse than by guessing, and no weights were better."""
        return not self._better and not run.nats <= 10 * self._guess  # the first steps of AdaGrad may reach five times


class Progress:
    """A tqdm bar with the smooth loss and the characters read per second.

    Parameters
    ----------
    disable : bool
        Draw nothing.
    delay : float, default 0.5
        Seconds before it appears, so that a short training leaves no trace.
    """

    def __init__(self, disable: bool = False, delay: float = 0.5) -> None:
        self.disable, self.delay = disable, delay
        self._bar: Any = None

    def __call__(self, run: Any) -> None:
        if self.disable:
            return
        if self._bar is None:
            from tqdm.auto import tqdm  # only now: importing it takes longer than many a training

            self._bar = tqdm(total=run.total, unit=" updates", delay=self.delay, dynamic_ncols=True, smoothing=0.1)
        speed = f"{run.characters / run.seconds:,.0f}" if run.seconds > 0 else "?"
        looks = run.history.validation
        valid = f", validation {looks[-1].nats:.3f}" if looks else ""
        self._bar.set_postfix_str(f"smooth loss {run.smooth_loss:.2f}{valid}, {speed} characters/s", refresh=False)
        self._bar.update(run.n_updates - run.first - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
