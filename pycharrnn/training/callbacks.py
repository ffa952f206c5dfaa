"""Things to do while a model trains. A callback is a callable that takes the run; True from it ends the training."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import IO, Literal

from pycharrnn.arguments import integer, real, string
from pycharrnn.output import write
from pycharrnn.training.progress import clear_lines
from pycharrnn.training.run import Run

Callback = Callable[[Run], object]


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

    def __call__(self, run: Run) -> None:
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
