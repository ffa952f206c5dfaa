"""Errors in the words of the command line: for each a message, with options for parameters, and an exit code."""

from __future__ import annotations

import inspect
import os
import re
from dataclasses import dataclass

from pycharrnn import CharRNN
from pycharrnn.errors import ModelFileError, TrainingDivergedError
from pycharrnn.lab import report
from pycharrnn.text.documents import read_documents


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
    """How far a command has come, which decides what a ValueError is about.

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
    """Return the message and the exit code of an error; raise it if it is not one of the user."""
    match error:
        case SystemExit():  # --help or --version, which argparse has printed
            return "", 0
        case Stop():
            return error.message, error.code
        case KeyboardInterrupt():
            by = getattr(error, "by", "")
            return f"interrupted{by}" if by else "", getattr(error, "code", 130)
        case BrokenPipeError():
            return "", 141
        case ImportError() | MemoryError() | ModelFileError():  # ImportError: something optional is missing
            return str(error) or "out of memory", 1
        case OSError():
            where = "" if error.filename is None else f"{error.filename!r}: "
            return where + (os.strerror(error.errno) if error.errno else str(error)), 1
        case TrainingDivergedError():
            return f"{with_options(error)}; no file was written", 1
        case ValueError():
            return _of_a_value(error, stage)
    raise error


def _of_a_value(error: ValueError, stage: Stage) -> tuple[str, int]:
    """Return message and exit code of an error of the API: about an option if it begins with one, or about the text."""
    message = with_options(error) + ", or pass --encoding" * isinstance(error.__context__, UnicodeDecodeError)
    if not stage.reads or message.startswith("--"):
        return message, 2
    return f"{stage.source}: {message}" if stage.source else message, 1


def with_options(error: object) -> str:
    """The message of an error or a warning with options for the API's parameters: --on-bad skip for on_bad='skip'.

    A parameter without a value is known by an underline, or because it "must" be something. What stands in quotes is
    the user's and stays as it is.
    """
    functions = (CharRNN, CharRNN.sample, CharRNN.evaluate, CharRNN.check_gradients, read_documents, report.write)
    known = [p for function in functions for p in inspect.signature(function).parameters.values()]
    names = {p.name for p in known if p.default is not p.empty}
    alone = "|".join(name if "_" in name or name == "epochs" else f"{name}(?= must)" for name in names)
    value = r"""(?:'([^']*)'|"([^"]*)"|([\w.]*))"""
    quoted = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""

    def spelled(found: re.Match[str]) -> str:
        name, *values = found.groups()
        if found[0] == "None":
            return "none"
        if name is None and found[0][0] in "'\"":
            return found[0]
        value = next((value for value in values if value), "")
        return f"{option(name or found[0])} {'' if value == 'True' else value.replace('None', 'none')}".rstrip()

    return re.sub(rf"(?<!\w)(?:({'|'.join(names)})={value}|(?:{alone}|None)\b|{quoted})", spelled, str(error))
