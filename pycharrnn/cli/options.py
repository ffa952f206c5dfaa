"""Options: each is a row with its names, its meaning and how its text is read; those of the API come from the API."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pycharrnn import datasets
from pycharrnn.arguments import close
from pycharrnn.cli.failures import option, parameter_name
from pycharrnn.presets import PRESETS

LIMITS = ("epochs", "max_updates", "max_seconds")
_MODEL = "model."  # what the keys of a model's parameters begin with: the gradient check has a max_seconds, too


class Options(dict[str, Any]):
    """The options that a command line gives, by name; an option that is not given is not there.

    Parameters
    ----------
    parsed : mapping of str to object
        What the parser found.

    Attributes
    ----------
    model : dict of str to object
        Those that are parameters of the model, and its preset.
    """

    def __init__(self, parsed: Mapping[str, Any]) -> None:
        super().__init__((key, value) for key, value in parsed.items() if not key.startswith(_MODEL))
        self.model = {key.removeprefix(_MODEL): parsed[key] for key in parsed if key.startswith(_MODEL)}

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
    least : int, optional
        The least number that it takes; without it, it takes a text.
    **how : object
        What `argparse.ArgumentParser.add_argument` takes.
    """

    def __init__(self, *names: str, meaning: str, least: int | None = None, **how: Any) -> None:
        number = {} if least is None else {"type": value({"int"}, least), "metavar": "N"}
        self.names = names
        self.how: dict[str, Any] = {"help": meaning} | number | how

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
    function : callable
        Whose parameters they are.
    preset : str
        The preset that gives the defaults.
    names : str
        Which of them, with spaces between; all if empty.
    """

    def __init__(self, function: Callable[..., Any], preset: str, names: str = "") -> None:
        self.options = parameters(function, names, usual=PRESETS[preset].parameters, key=_MODEL)

    def add_to(self, parser: Any) -> None:
        """Add them to a parser."""
        group = parser.add_argument_group("model")
        for one in self.options:
            one.add_to(group)


def parameters(
    function: Callable[..., Any], names: str = "", *, usual: Mapping[str, Any] | None = None, key: str = ""
) -> list[Option]:
    """Return an option for each parameter of a function that fits on a command line.

    Parameters
    ----------
    function : callable
        Its signature and docstring say what there is to say.
    names : str
        Which of them, with spaces between; all if empty.
    usual : mapping of str to object, optional
        Defaults that take the place of those of the function.
    key : str
        What the keys of the options begin with.
    """
    rows: list[Option] = []
    doc = inspect.getdoc(function) or ""
    for name, parameter in inspect.signature(function).parameters.items():
        written = str(getattr(parameter.annotation, "__origin__", parameter.annotation))
        annotation = re.sub(r"Literal\[.*?\]", "str", written.replace("_Seed", "int | None"))
        types = set(re.findall(r"\w+", annotation))
        fits = types == {"bool"} or ("bool" not in types and types & {"float", "int", "str"})
        if not fits or parameter.default is parameter.empty or (names and name not in names.split()):
            continue
        entry = re.search(rf"^{name} : (.*)\n((?: +.*\n?)*)", doc, re.MULTILINE)
        header, text = entry.groups() if entry else ("", "")
        kind: dict[str, Any] = {"action": "store_true"}
        if types != {"bool"}:
            choices = re.match(r"\{.*?\}", header)
            metavar = re.sub('[" ]', "", choices[0]) if choices else name.rpartition("_")[2].upper()
            default = (usual or {}).get(name, parameter.default)
            shown = "none" if default is None else re.sub("[' ()]", "", str(default)) or "empty"
            shown += "; none if another limit is given" if key and name in LIMITS and default is not None else ""
            text, kind = f"{text} (default: {shown})", {"type": value(types), "metavar": metavar}
        known = "|".join(inspect.signature(function).parameters)
        text = re.sub(rf"`({known})`", lambda other: option(other[1]), text).replace("None", "none")
        text = " ".join(text.replace("%", "%%").replace("`", "").split())
        short = ["-n"] * (name == "length")
        rows.append(Option(*short, option(name), meaning=text, dest=key + name, **kind))
    return rows


def value(types: set[str], least: int | None = None) -> Callable[[str], Any]:
    """What reads an option of one of these types. The API checks the range of what is its own."""
    kind: Any = next(kind for kind in (float, int, str) if kind.__name__ in types)

    def read(value: str) -> Any:
        if "Sequence" in types:
            return [kind(part) for part in value.split(",")]
        if "None" in types and value.lower() == "none":
            return None
        if "str" in types and not re.fullmatch("[0-9]+", value):  # a name or a number
            return value
        if least is not None and not kind(value) >= least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, got {value}")
        return kind(value)

    read.__name__ = kind.__name__  # for argparse's "invalid int value"
    return read


def unescaped(value: str) -> str:
    """Return the text, with the escapes of JSON read."""
    import json  # only now: most commands need none

    def read(escapes: re.Match[str]) -> str:
        try:
            return str(json.loads(f'"{escapes[0]}"'))  # a run of them, since two may be halves of one character
        except ValueError:
            advice = r"write \\ for a backslash, or use --prompt-file"
            raise argparse.ArgumentTypeError(f"unknown escape in {escapes[0]!a}: {advice}") from None

    return re.sub(r"(?s:\\u[0-9a-fA-F]{4}|\\.|\\$)+", read, value)


def compare(known: Sequence[Option]) -> Option:
    """Return the option NAME=VALUE,VALUE, which reads each value as the option of that name does."""
    readers = {one.names[-1]: one.how["type"] for one in known if "type" in one.how}

    def read_value(name: str, value: str) -> Any:
        try:
            return readers[name](value)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{name}: invalid {readers[name].__name__} value: {value!a}") from None

    def read(text: str) -> tuple[str, list[Any]]:
        name, equals, values = text.partition("=")
        name = option(name)
        if not equals or name not in readers:
            advice = f"must name an option of the model, as in optimizer=sgd,adam, got {text!a}"
            raise argparse.ArgumentTypeError(f"{advice}{close(name, readers)}")
        return parameter_name(name), [read_value(name, value) for value in values.split(",")]

    return Option(
        "--compare",
        meaning="train with these values of an option, too",
        type=read,
        metavar="NAME=VALUE,VALUE",
    )


TEXT = Option(
    "TEXT",
    meaning="files, folders of documents, or - for stdin (default, but not of eval: the corpus tinyshakespeare); "
    "several texts are joined in their order, each begins a line",
    nargs="*",
    default=argparse.SUPPRESS,
)
CORPUS = Option("--corpus", meaning="a built-in text, instead of TEXT", choices=datasets.NAMES)
FORMAT = Option(
    "--format",
    meaning="what TEXT holds: running text, or documents such as posts, names and poems (default: by the name; a "
    "folder, .json, .jsonl, .ndjson, .csv and .tsv hold documents, also packed, as .csv.gz; all else is running text)",
    choices=("text", "json", "jsonl", "csv", "tsv", "lines", "paragraphs", "files"),
)
DELIMITER = Option(
    "--delimiter",
    meaning=r"the character between the columns of csv, \t for a tab (default: the one of comma, semicolon, tab and | "
    "that splits the first row)",
    type=unescaped,
    metavar="CHARACTER",
)
SEPARATOR = Option(
    "--separator",
    meaning=r"what stands between the documents of TEXT, instead of a format: '%%%%\n', '<|endoftext|>'; \n is any "
    r"line end, \t, \\ and the other escapes of JSON are read (default: none)",
    type=unescaped,
    metavar="STRING",
)
ON_BAD = Option(
    "--on-bad", meaning="what to do with rows that give no document (default: raise)", choices=("raise", "skip")
)
MODEL_FILE = Option("model", meaning="file that train wrote", metavar="MODEL")
MODEL = Option("--model", meaning="the trained model of this file instead of a new one", metavar="FILE")
OUTPUT = Option(
    "-o",
    "--output",
    meaning="file for the result (default: none for train, report.html for report)",
    metavar="FILE",
)
SAVE = Option("--save", meaning="file for the model (default: none)", metavar="FILE")
SAMPLE_EVERY = Option("--sample-every", meaning="print a text every N updates", least=1)
SAMPLE = Option(
    "--sample",
    meaning="characters, or documents, to write in the end; 0 for none (default: 500, or 10)",
    least=0,
)
QUIET = Option("--quiet", meaning="say nothing while training", dest="verbose", action="store_false")
PROGRESS = Option(
    "--progress",
    meaning="say how far it is even in a pipe: a line every 30 s",
    dest="verbose",
    action="store_true",
)
PRESET = Option(
    "--preset",
    meaning="parameters that go well together; other options change single ones, and a limit takes the place of the "
    "preset's (default: quick for train, else classic, the network of the lab)",
    dest=f"{_MODEL}preset",
    choices=tuple(PRESETS),
)
PROMPT = Option(
    "--prompt",
    meaning="text to go on from, for a model of documents the beginning of the document; it is not printed again; "
    r"\n, \t, \\, \u00e9 and the other escapes of JSON are read (default: empty)",
    type=unescaped,
    metavar="TEXT",
)
PROMPT_FILE = Option(
    "--prompt-file",
    meaning="a UTF-8 file, or - for stdin, with the prompt: all of it, its last line end, too",
    metavar="FILE",
)
GREEDY = Option("--greedy", meaning="temperature 0", dest="temperature", nargs=0, const=0)
N_SAMPLES = Option(
    "--n-samples",
    meaning="texts to write, each anew from the prompt (default: 1)",
    type=value({"int", "None"}),
    metavar="N",
)
RANDOM_STATE = Option(
    "--random-state",
    meaning="a number gives the same text every time, none another one (default: none)",
    type=value({"int", "None"}),
    metavar="STATE",
)
STREAM = Option(
    "--stream",
    meaning="print each character as it is drawn; --length none: running text without end",
    action="store_true",
)
ON_UNKNOWN = Option(
    "--on-unknown",
    meaning="for characters new to it (default: as trained)",
    dest=f"{_MODEL}on_unknown",
    choices=("raise", "skip", "replace"),
)
UPDATES = Option("--updates", meaning="updates in one measurement (default: 20000)", least=1)
REPEATS = Option("--repeats", meaning="measurements of each kind (default: 5, with --full 3)", least=1)
FULL = Option(
    "--full",
    meaning="training steps of LSTM, GRU and tanh networks instead, about 3 minutes",
    action="store_true",
)
