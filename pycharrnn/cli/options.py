"""Options: each says its names, its meaning and how its text is read; those of the API come from its tables."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pycharrnn.arguments import Choice, Flag, Kind, Maybe, Seed, Several, close
from pycharrnn.cli.failures import option, parameter_name
from pycharrnn.presets import PRESETS
from pycharrnn.tables import Parameter, table

LIMITS = ("epochs", "max_updates", "max_seconds")
OF_MODEL = "model."  # begins the keys of a model's parameters: the gradient check has a max_seconds, too


class Request(dict[str, Any]):
    """The options of a command line, by name. An option that is not given is not there.

    Parameters
    ----------
    parsed : mapping of str to object
        What the parser found.

    Attributes
    ----------
    model : dict of str to object
        The parameters of the model, and its preset.

    Examples
    --------
    >>> request = Request({"output": "book", "model.cell": "gru"})
    >>> request, request.model
    ({'output': 'book'}, {'cell': 'gru'})
    """

    def __init__(self, parsed: Mapping[str, Any]) -> None:
        super().__init__((key, value) for key, value in parsed.items() if not key.startswith(OF_MODEL))
        self.model = {key.removeprefix(OF_MODEL): parsed[key] for key in parsed if key.startswith(OF_MODEL)}

    def arguments(self, function: Callable[..., Any]) -> dict[str, Any]:
        """Return the arguments of a function that are among the options."""
        return {name: self[name] for name in inspect.signature(function).parameters if name in self}


class Option:
    """An option, or a file, of a command.

    Parameters
    ----------
    *names : str
        Its names, with dashes, or one name without dashes for files.
    meaning : str
        What the help says.
    kind : Kind, optional
        What it may be; without it, a text.
    checked : bool, default True
        Whether the range is checked here. The API checks what is its own.
    **how : object
        What `argparse.ArgumentParser.add_argument` takes.
    """

    def __init__(self, *names: str, meaning: str, kind: Kind | None = None, checked: bool = True, **how: Any) -> None:
        self.names = names
        self.how: dict[str, Any] = {"help": meaning.replace("%", "%%")} | how
        if kind is not None:
            self.how["type"] = reader(kind, checked)

    def add_to(self, parser: Any) -> None:
        """Add it to a parser or a group of one."""
        parser.add_argument(*self.names, **self.how)


class Either:
    """Options of which a command takes at most one, or exactly one if it is `required`."""

    def __init__(self, *options: Option, required: bool = False) -> None:
        self.options = options
        self.required = required

    def add_to(self, parser: Any) -> None:
        """Add them to a parser."""
        group = parser.add_mutually_exclusive_group(required=self.required)
        for one in self.options:
            one.add_to(group)


class ModelGroup:
    """The parameters of a model, or some of them, under a title of their own.

    Parameters
    ----------
    model : type
        The class whose parameters they are.
    preset : str
        The preset that gives the defaults.
    only : str
        Which of them, with spaces between; all if empty.
    """

    def __init__(self, model: type, preset: str, only: str = "") -> None:
        self.options = parameters(model, only, usual=PRESETS[preset].parameters, key=OF_MODEL)

    def add_to(self, parser: Any) -> None:
        """Add them to a parser."""
        group = parser.add_argument_group("model")
        for one in self.options:
            one.add_to(group)


def parameters(
    function: Callable[..., Any],
    only: str = "",
    *,
    without: str = "",
    usual: Mapping[str, Any] | None = None,
    key: str = "",
) -> list[Option]:
    """Return an option for each parameter of a function that fits on a command line.

    Parameters
    ----------
    function : callable
        A function or a class: its table has the parameters.
    only : str
        Which of them, with spaces between; all if empty.
    without : str
        Which of them are left out, with spaces between.
    usual : mapping of str to object, optional
        Defaults that take the place of those of the function.
    key : str
        What the keys of the options begin with.
    """
    found = table(function)
    usual = usual or {}
    return [
        _of(row, found, usual.get(name, row.default), key)
        for name, row in found.items()
        if _fits(row.kind) and name in (only.split() or found) and name not in without.split()
    ]


def _of(row: Parameter, known: Mapping[str, Parameter], default: object, key: str) -> Option:
    """Return the option of a parameter."""
    meaning = row.meaning
    for name in known:
        meaning = meaning.replace(f"`{name}`", option(name))
    meaning = meaning.replace("`", "").replace("None", "none")
    names = ["-n"] * (row.name == "length") + [option(row.name)]
    if isinstance(row.kind, Flag):
        return Option(*names, meaning=meaning, dest=key + row.name, action="store_true")
    shown = _shown(default)
    shown += "; none if another limit is given" if key and row.name in LIMITS and default is not None else ""
    meaning = f"{meaning} (default: {shown})"
    return Option(*names, meaning=meaning, kind=row.kind, checked=False, dest=key + row.name, metavar=_metavar(row))


def _shown(value: object) -> str:
    """How a value is written on a command line."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "none" if value is None else str(value) or "empty"


def _metavar(row: Parameter) -> str:
    """What stands for the value in a help: the names that there are, or the last word of the parameter's name."""
    names = names_of(row.kind)
    return f"{{{','.join(names)}}}" if names else row.name.rpartition("_")[2].upper()


def names_of(kind: Kind) -> tuple[str, ...]:
    """Return the names that a value of a kind may be; none for a kind without names.

    Examples
    --------
    >>> names_of(Maybe(Choice("rnn", "lstm"))), names_of(Kind())
    (('rnn', 'lstm'), ())
    """
    kind = kind.kind if isinstance(kind, Maybe) else kind
    return tuple(kind.names) if isinstance(kind, Choice) else ()


def _fits(kind: Kind) -> bool:
    """Whether an option can give a value of the kind: a flag that may also be None is more than one."""
    return not (isinstance(kind, Maybe) and isinstance(kind.kind, Flag))


def reader(kind: Kind, checked: bool) -> Callable[[str], Any]:
    """Return what reads a value of a kind from the text of an option.

    Parameters
    ----------
    kind : Kind
        What it may be.
    checked : bool
        Whether the range is checked.

    Examples
    --------
    >>> from pycharrnn.arguments import Integer
    >>> reader(Maybe(Integer(1, 64)), checked=True)("none"), reader(Several(Integer(1, 64)), checked=True)("5,10")
    (None, [5, 10])
    """
    if isinstance(kind, Several):
        read_one = reader(kind.kind, checked)
        return lambda text: [read_one(part) for part in text.split(",")]
    noun = "an integer or none" if isinstance(kind, Seed) else kind.noun.replace("None", "none")

    def read(text: str) -> Any:
        try:
            value = kind.read(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be {noun}, got {text!a}") from None
        if checked:
            try:
                kind.check("", value)
            except ValueError:
                raise argparse.ArgumentTypeError(f"must be {kind.range}, got {text}") from None
        return value

    return read


def compare(known: Sequence[Option]) -> Option:
    """Return the option NAME=VALUE,VALUE, which reads each value as the option of that name does."""
    readers = {one.names[-1]: one.how["type"] for one in known if "type" in one.how}  # flags have no values

    def read_value(name: str, value: str) -> Any:
        try:
            return readers[name](value)
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(f"{name} {error}") from None

    def read(text: str) -> tuple[str, list[Any]]:
        name, equals, values = text.partition("=")
        name = option(name)
        if not equals or name not in readers:
            advice = f"must name an option of the model, as in optimizer=sgd,adam, got {text!a}"
            raise argparse.ArgumentTypeError(f"{advice}{close(name, readers)}")
        return parameter_name(name), [read_value(name, value) for value in values.split(",")]

    return Option(
        "--compare",
        meaning="Train with these values of an option, too.",
        type=read,
        metavar="NAME=VALUE,VALUE",
    )
