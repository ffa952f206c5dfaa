"""Errors in the words of the command line: for each a message, with options for parameters, and an exit code."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pycharrnn.errors import ModelFileError, ParameterError, TrainingDivergedError
from pycharrnn.messages import Setting, message_of, spelled


class Stop(Exception):
    """End the command with a message for the user and an exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message, code)
        self.message = message
        self.code = code


def option(name: str) -> str:
    """Return the option of a parameter.

    Examples
    --------
    >>> option("hidden_size")
    '--hidden-size'
    """
    return "--" + name.replace("_", "-")


def parameter_name(option: str) -> str:
    """Return the parameter of an option.

    Examples
    --------
    >>> parameter_name("--hidden-size")
    'hidden_size'
    """
    return option.removeprefix("--").replace("-", "_")


@dataclass
class Stage:
    """How far a command has come: it tells whether a ValueError is about an option or about the text.

    Attributes
    ----------
    reads : bool
        Whether it has begun to read the text. Before that, only an option can be wrong.
    source : str
        Where the text comes from, once it is read.
    """

    reads: bool = False
    source: str = ""


def failure(error: BaseException, stage: Stage) -> tuple[str, int]:
    """Return the message and the exit code of an error; raise it if it is not one of the user.

    Examples
    --------
    >>> failure(ValueError("the text has no document"), Stage(reads=True, source="'posts.json'"))
    ("'posts.json': the text has no document", 1)
    """
    match error:
        case Stop():
            return error.message, error.code
        case KeyboardInterrupt():
            by = getattr(error, "by", "")
            return f"interrupted{by}" if by else "", getattr(error, "code", 130)
        case BrokenPipeError():
            return "", 141
        case ImportError() | MemoryError() | ModelFileError():  # ImportError: something optional is missing
            return described(error) or "out of memory", 1
        case OSError():
            where = "" if error.filename is None else f"{error.filename!r}: "
            return where + (os.strerror(error.errno) if error.errno else str(error)), 1
        case TrainingDivergedError():
            return f"{described(error)}; no file was written", 1
        case ValueError():
            return _of_a_value(error, stage)
    raise error


def _of_a_value(error: ValueError, stage: Stage) -> tuple[str, int]:
    """Return the message and the exit code of an error of the API: it is about an option, or about the text."""
    message = described(error) + ", or pass --encoding" * isinstance(error.__context__, UnicodeDecodeError)
    if not stage.reads or isinstance(error, ParameterError):
        return message, 2
    return f"{stage.source}: {message}" if stage.source else message, 1


def described(error: object) -> str:
    """Return the message of an error or a warning, with an option for each parameter that it names.

    Examples
    --------
    >>> from pycharrnn.messages import advice
    >>> described(ValueError(advice("pass {field=}, or use {on_bad=skip}")))
    'pass --field, or use --on-bad skip'
    """
    return spelled(message_of(error), _as_option)


def _as_option(setting: Setting) -> str:
    """Return the option of a parameter, with the value that a message gives it."""
    if any(setting.value is alone for alone in (NotImplemented, ..., True)):  # a flag has no value
        return option(setting.name)
    return f"{option(setting.name)} {'none' if setting.value is None else setting.value}"
