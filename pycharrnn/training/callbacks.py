"""Things to do while a model trains. A callback is a callable that takes the run; True from it ends the training."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING, Literal, Unpack

from pycharrnn.arguments import Integer, Text
from pycharrnn.errors import ParameterTypeError, ParameterValueError, warn
from pycharrnn.messages import shown
from pycharrnn.output import write
from pycharrnn.training.progress import clear_lines
from pycharrnn.training.run import Run

if TYPE_CHECKING:
    from pycharrnn.sampling.settings import Settings

Callback = Callable[[Run], object]


def check_callbacks(callbacks: object) -> None:
    """Refuse what the training loop cannot call.

    Parameters
    ----------
    callbacks : object
        What a user gave as callbacks.

    Raises
    ------
    TypeError
        If it is no sequence of callables, or the attribute `every` of one is no integer.
    ValueError
        If the attribute `every` of one is below 1.

    Examples
    --------
    >>> check_callbacks(print)
    Traceback (most recent call last):
    pycharrnn.errors.ParameterTypeError: callbacks must be a sequence of callables, such as a list, got <...>
    """
    if not isinstance(callbacks, Sequence):
        problem = f"must be a sequence of callables, such as a list, got {shown(callbacks)}"
        raise ParameterTypeError("callbacks", problem)
    for i, callback in enumerate(callbacks):
        if not callable(callback):
            raise ParameterTypeError(f"callbacks[{i}]", f"must be callable, got {shown(callback)}")
        if (every := getattr(callback, "every", None)) is not None:
            Integer(1, 2**63).check(f"callbacks[{i}].every", every)


class SampleText:
    """Write text with the present weights every so many updates, and keep it in the history.

    Printing never ends a training. Characters that the encoding of `file` lacks are written as escapes, and so are
    control characters on a terminal. If the file takes no more text, because it was closed or the disk is full, a
    warning says so once. The history keeps the later texts all the same.

    Parameters
    ----------
    every : int, default 10_000
        Updates between two texts, at least 1. The first text comes before the first update.
    length : int, default 200
        Characters of a text, at least 0.
    prompt : str, default ""
        What the text continues.
    file : text file object, "stdout" or None, default "stdout"
        Where to print. None only keeps the texts in the history.
    **sampling
        How to draw, as for `CharRNN.sample`, without `beam`: `temperature`, `top_p`, `stop` and all others.

    Raises
    ------
    TypeError
        If `every` or `length` is not an integer, `prompt` not a str or a setting of a wrong type; or if `file` is none
        of these, for example a name or a file that was opened for bytes.
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
        file: IO[str] | Literal["stdout"] | None = "stdout",
        **sampling: Unpack[Settings],
    ) -> None:
        from pycharrnn.sampling.settings import Sampling  # only now: few trainings write

        Integer(1, 2**62).check("every", every)
        Integer(0, 2**48).check("length", length)
        Text().check("prompt", prompt)
        if Sampling.of({"length": length} | sampling, "SampleText").beam > 1:
            raise ParameterValueError("beam", "is for whole texts of `CharRNN.sample`; leave it out")
        if file is not None and not (isinstance(file, str) and file == "stdout"):
            try:
                file.write("")
            except (AttributeError, TypeError):
                problem = f"must be a file object opened for text, 'stdout' or None, got {shown(file)}"
                raise ParameterTypeError("file", problem) from None
            except (OSError, ValueError) as error:
                raise ParameterValueError("file", f"must be open for writing, got {shown(file)}: {error}") from None
        self.every = every
        self.length = length
        self.prompt = prompt
        self.sampling = sampling
        self.file = file
        self._broken: object = None  # the file that has not taken a text

    def on_start(self, run: Run) -> None:
        """Find out whether the model knows the prompt, before the first update.

        Parameters
        ----------
        run : Run
            The training that begins.

        Raises
        ------
        UnknownCharacterError
            If the prompt has a character that the model does not know, and `on_unknown` is "raise".
        """
        run.sample(0, prompt=self.prompt)

    def __call__(self, run: Run) -> None:
        """Write a text, keep it and print it."""
        text = run.sample(self.length, prompt=self.prompt, **self.sampling)
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
        """Warn that the file has not taken a text. It is called once; an error raised here ends the training.

        Parameters
        ----------
        error : Exception
            What writing raised.
        """
        message = f"SampleText prints no more texts, the training goes on: {type(error).__name__}: {error}"
        warn(message)
