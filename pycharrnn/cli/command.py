"""What a command of the program is: its function, its words in the help, its options, and what it reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pycharrnn.cli import rows
from pycharrnn.cli.inputs import Input, read_text
from pycharrnn.cli.job import FIXED, Job
from pycharrnn.cli.options import Either, ModelGroup, Option, Request, parameters
from pycharrnn.text.documents import read_documents

Row = Option | Either | ModelGroup


@dataclass(frozen=True)
class Command:
    """A command of the program.

    Attributes
    ----------
    run : callable
        Does it.
    about : str
        What it does, in a line of the help.
    example : str
        Command lines that show it, one a line, without the name of the program.
    options : callable
        Returns its options. It is called when they are needed, and may import what has them.
    read : callable
        Returns the text that it works on.
    preset : str
        The preset of a new model if the options name none.
    trains : bool
        Whether it trains a model, which must end.
    fixed : frozenset of str
        Parameters that it cannot change in a trained model.
    usual : dict of str to object
        Options that count as given if the command line lacks them.
    """

    run: Callable[[Job], None]
    about: str
    example: str
    options: Callable[[], Sequence[Row]]
    read: Callable[[Request], Input] = read_text
    preset: str = "classic"
    trains: bool = False
    fixed: frozenset[str] = FIXED
    usual: dict[str, Any] = field(default_factory=dict)

    @property
    def reads_text(self) -> bool:
        """Whether it works on a text, not on a prompt or on nothing."""
        return self.read is read_text


def text_options(required: bool = False) -> list[Row]:
    """The options that say what the text is and how to read it."""
    return [
        Either(rows.TEXT if required else rows.TEXT_OR_CORPUS, rows.CORPUS, required=required),
        rows.FORMAT,
        rows.DELIMITER,
        rows.SEPARATOR,
        rows.ON_BAD,
        *parameters(read_documents, without="format delimiter separator on_bad"),
    ]
