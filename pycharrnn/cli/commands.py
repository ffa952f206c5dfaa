"""The table of the commands, and the parser that it makes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from pycharrnn import __version__
from pycharrnn.cli import examining, looking, reading, seeing, serve, together, train, writing
from pycharrnn.cli.command import Command
from pycharrnn.cli.failures import Stop
from pycharrnn.cli.options import Request
from pycharrnn.cli.parser import Parser

COMMANDS: dict[str, Command] = {
    "train": train.TRAIN,
    "sample": writing.SAMPLE,
    "write": together.WRITE,
    "serve": serve.SERVE,
    "eval": reading.EVAL,
    "adapt": reading.ADAPT,
    "surprise": seeing.SURPRISE,
    "explore": seeing.EXPLORE,
    "rank": examining.RANK,
    "novelty": examining.NOVELTY,
    "check": looking.CHECK,
    "report": looking.REPORT,
    "info": looking.INFO,
    "bench": looking.BENCH,
}


def make_parser(words: Sequence[str] | None = None) -> Parser:
    """Return the parser of command lines.

    Parameters
    ----------
    words : sequence of str, optional
        A command line: the commands that it does not name get no options, which takes less time.
    """
    parser = Parser(
        prog="pycharrnn",
        description="Character-level recurrent networks: learn from a text, and write more like it.",
        epilog="example:\n  pycharrnn train book.txt -o book.safetensors && pycharrnn sample book.safetensors",
    )
    parser.add_argument("--version", action="version", version=f"pycharrnn {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for name, command in COMMANDS.items():
        description = textwrap.fill(f"{command.about[0].upper()}{command.about[1:]}.", 78)
        examples = "\n  ".join(["example:", *(f"pycharrnn {line}" for line in command.example.split("\n"))])
        new = commands.add_parser(name, help=command.about, description=description, epilog=examples)
        new.set_defaults(**command.usual)
        for row in command.options() if words is None or name in words else ():
            row.add_to(new)
    return parser


def parse(words: Sequence[str]) -> tuple[Command, Request]:
    """Return the command that a command line names, and its options."""
    parser = make_parser(words)
    found = vars(parser.parse_args(words))
    name = found.pop("command", None)
    if name is None:
        raise Stop(parser.format_help(), 2)
    return COMMANDS[name], Request(found)
