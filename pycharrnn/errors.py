"""Every public exception and warning, and the names of files in errors."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator

from pycharrnn.messages import Message, Setting, advice


class ParameterError(Exception):
    """A parameter is not what it must be: the base of `ParameterValueError` and `ParameterTypeError`.

    Parameters
    ----------
    parameter : str
        Its name, which the command line spells as an option.
    problem : str
        What it must be and what it was: the message has it after the name.

    Attributes
    ----------
    parameter, problem : str
        The same.

    Examples
    --------
    >>> str(ParameterValueError("epochs", "must be at least 1, got 0"))
    'epochs must be at least 1, got 0'
    """

    def __init__(self, parameter: str, problem: str) -> None:
        super().__init__(parameter, problem)
        self.parameter = parameter
        self.problem = problem

    @property
    def message(self) -> Message:
        """The same text as of `str`, as a `Message`: the command line spells its parameters as options."""
        return Message(Setting(self.parameter), " ", self.problem)

    def __str__(self) -> str:
        return str(self.message)


class ParameterValueError(ParameterError, ValueError):
    """A parameter has a value out of its range, or a name that is not known.

    Examples
    --------
    >>> print(ParameterValueError("epochs", "must be above 0, got -1"))
    epochs must be above 0, got -1
    """


class ParameterTypeError(ParameterError, TypeError):
    """A parameter has a value of a wrong type.

    Examples
    --------
    >>> print(ParameterTypeError("epochs", "must be an int, not str"))
    epochs must be an int, not str
    """


class TrainingDivergedError(ArithmeticError):
    """The loss is not finite, or it is far above that of guessing.

    If the loss is not finite, the learning rate is first cut several times. The model keeps the best weights, and
    training on begins from them.

    Parameters
    ----------
    n_updates : int
        Updates made before it was seen.
    nats : float or None, default None
        Their loss in nats per character; None if it is not finite.

    Examples
    --------
    >>> str(TrainingDivergedError(7)).partition(";")[0]
    'training diverged: the loss is not finite after update 8'
    """

    def __init__(self, n_updates: int, nats: float | None = None) -> None:
        super().__init__(n_updates, nats)
        self.n_updates, self.nats = n_updates, nats

    @property
    def message(self) -> Message:
        """The same text as of `str`, as a `Message`: the command line spells its parameters as options."""
        if self.nats is None:
            found = (
                f"the loss is not finite after update {self.n_updates + 1}; the model is left as it was after update "
                f"{self.n_updates}"
            )
        else:
            found = (
                f"after update {self.n_updates} the loss is {self.nats:.3g} nats per character, far worse than "
                "guessing all characters alike"
            )
        what_to_do = advice("Lower {learning_rate}, or set {clip_value} or {clip_norm}")
        return Message(f"training diverged: {found}. ", what_to_do)

    def __str__(self) -> str:
        return str(self.message)


class UnknownCharacterError(ValueError):
    """A text holds a character that the vocabulary does not.

    Parameters
    ----------
    character : str
        The unknown character.
    position : int
        Its index in the text, or in the document.
    document : int or None, default None
        The index of the document; None if the text is no list of documents.

    Examples
    --------
    >>> str(UnknownCharacterError("!", 4)).partition(":")[0]
    "unknown character '!' (U+0021) at position 4"
    """

    def __init__(self, character: str, position: int, document: int | None = None) -> None:
        super().__init__(character, position, document)  # all, not the message: pickle calls the class with these
        self.character = character
        self.position = position
        self.document = document

    @property
    def message(self) -> Message:
        """The same text as of `str`, as a `Message`: the command line spells its parameters as options."""
        where = f"{self.character!a} (U+{ord(self.character):04X}) at position {self.position}"
        where += "" if self.document is None else f" of document {self.document}"
        what_to_do = advice(
            "leave it out, use {on_unknown=skip} or {on_unknown=replace}, or train on a text that has it"
        )
        return Message(f"unknown character {where}: ", what_to_do)

    def __str__(self) -> str:
        return str(self.message)


class PathLikeTextWarning(UserWarning):
    """A string that looks like a path, a URL or a pattern of file names is used as a text.

    Examples
    --------
    >>> import warnings
    >>> warnings.simplefilter("ignore", PathLikeTextWarning)  # such strings are meant as texts
    """


class ModelFileError(ValueError):
    """The content of a model file is not what it must be; the message says what and where.

    Examples
    --------
    >>> from pycharrnn import CharRNN
    >>> try:
    ...     CharRNN.load(__file__)
    ... except ModelFileError as error:
    ...     print(str(error).partition(": ")[2])
    it looks like text
    """


class NotFittedError(ValueError, AttributeError):
    """The model has not been trained yet.

    Examples
    --------
    >>> from pycharrnn import CharRNN
    >>> try:
    ...     CharRNN().sample(9)
    ... except NotFittedError:
    ...     print("train it first")
    train it first
    """


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning that names the line of the user's code, which called the library."""
    frame, depth = sys._getframe(), 0
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "pycharrnn":
        frame = frame.f_back
        depth += 1
    warnings.warn(message, category, stacklevel=depth + 1)


@contextlib.contextmanager
def named_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Name the file in an OSError that does not: where a disk fails, `read` knows a number of the file, and no name.

    Parameters
    ----------
    path : str or path-like
        The file.

    Raises
    ------
    OSError
        The same error, with the name.

    Examples
    --------
    >>> with named_errors("book.txt"):
    ...     raise OSError(5, "Input/output error")
    Traceback (most recent call last):
    ...
    OSError: [Errno 5] Input/output error: 'book.txt'
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
