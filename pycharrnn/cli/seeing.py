"""The commands that look inside a model while it reads a text."""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pycharrnn.cli import rows
from pycharrnn.cli.command import Command, text_options
from pycharrnn.cli.console import log
from pycharrnn.cli.failures import Stop, option
from pycharrnn.cli.inputs import Input, read_text
from pycharrnn.cli.job import Job, check_kind
from pycharrnn.cli.options import Option, Request, parameters
from pycharrnn.examiner import Examiner
from pycharrnn.output import Raw, count, escaped, write

if TYPE_CHECKING:
    from pycharrnn.lab.explorer import Explorer

_AS = Option(
    "--as",
    meaning="How it is printed: in colours, with digits below the characters, or as a table with tabs between its "
    "columns. (default: colors on a terminal, digits on one without colours or with NO_COLOR set, else table)",
    dest="form",
    choices=("colors", "digits", "table"),
)
_HTML = Option("--html", meaning="Write a page to this file instead.", metavar="FILE")


def _surprise(job: Job) -> None:
    from pycharrnn.files.atomic import replace
    from pycharrnn.lab import surprise, terminal

    _keep_the_model(job, "html")
    found = surprise.look(job.model, job.input.text, **job.request.arguments(Examiner.surprise))
    size = sum(map(len, found.texts))
    n = count(size, "character")
    mean = "nothing to predict" if math.isnan(found.mean) else f"{found.mean:.4f} bits per character"
    if "html" in job.request:
        path = job.request["html"]
        replace(path, [found.page(job.input.name.strip("'"))])
        cut = f" with the first {surprise.MOST:,}" if size > surprise.MOST else ""
        log(f"done: {n}, {mean}; wrote {path!r}{cut}")
        return
    form = job.request.get("form") or _form()
    if form == "table":
        for line in found.table():
            write(line, sys.stdout)
    else:
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        width = shutil.get_terminal_size().columns
        for line in terminal.lines(found, width, form == "colors", encoding):
            write(line + "\n", Raw(sys.stdout))  # a text has no control characters any more, the colours have
    log(f"{n}, {mean}")


@dataclass(frozen=True)
class _Texts(Input):
    """The texts of several files, or their documents, by the names of the files."""

    texts: dict[str, str | list[str]]


def _read_each(request: Request) -> Input:
    """Read the TEXT of the options, each file by itself."""
    paths = request.get("TEXT", ())
    if len(paths) < 2:
        one = read_text(request)
        name = os.path.basename(os.path.abspath(paths[0])) if paths and paths[0] != "-" else one.name
        return _Texts(one.text, one.name, {name: one.text})
    found: dict[str, str | list[str]] = {}
    for path in paths:
        one = read_text(Request(dict(request) | {"TEXT": [path]}))
        if found and one.documents != isinstance(next(iter(found.values())), list):
            raise Stop("give texts of one kind, or say with --format what all of them hold", 2)
        name = os.path.basename(os.path.abspath(path))
        found[path if name in found or path == "-" else name] = one.text
    return _Texts(one.text, f"{len(paths):,} texts", found)


def _explore(job: Job) -> None:
    from pycharrnn.lab import explorer

    check_kind(job)
    _keep_the_model(job, "output")
    texts = job.input.texts if isinstance(job.input, _Texts) else job.input.text
    given = {"title": os.path.basename(job.request["model"])} | job.request.arguments(explorer.write)
    log("reading the texts to see what each unit tracks; a large network takes a minute")
    done = explorer.write(job.request["output"], **given | {"model": job.model, "X": texts})
    if done.tracking.properties:
        for line in _told(done):
            print(line)
    else:
        log("the texts are too short to say what units track")
    cut = f"the first {done.shown:,} of {done.given:,}" if done.shown < done.given else f"all {done.given:,}"
    log(f"done: wrote {done.path!r}, {_size(done.n_bytes)}, with {cut} characters")


def _keep_the_model(job: Job, name: str) -> None:
    """Refuse to write a page in the place of the model."""
    path = job.request.get(name)
    if path is not None and os.path.realpath(path) == os.path.realpath(job.request["model"]):
        raise Stop(f"{option(name)} {path!r} is the model itself", 2)


def _told(done: Explorer) -> Iterator[str]:
    """The unit that tracks each property best, as a table in the order of the numbers that it shows."""
    yield f"{'property':<24}{'unit':<12}{'correlation':>12}"
    found = [done.tracking.best(name)[0] for name in done.tracking.properties]
    for best in sorted(found, key=lambda one: -abs(one.held_out)):
        yield f"{escaped(best.property):<24}{f'{best.state}[{best.layer}, {best.unit}]':<12}{best.held_out:>12.2f}"


def _size(n_bytes: int) -> str:
    """How large a file is."""
    return f"{n_bytes / 2**20:.1f} MiB" if n_bytes >= 2**20 else f"{n_bytes / 2**10:.0f} KiB"


def _form() -> str:
    """How texts are printed where the command line does not say it."""
    if sys.stdout is None or not sys.stdout.isatty():
        return "table"
    return "digits" if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else "colors"


def _of_the_explorer() -> list[Option]:
    from pycharrnn.lab import explorer

    return parameters(explorer.write)


SURPRISE = Command(
    _surprise,
    "show how surprising each character of a text is to a trained model",
    "surprise book.safetensors letter.txt\nsurprise book.safetensors letter.txt --html letter.html",
    options=lambda: [
        rows.MODEL_FILE,
        *text_options(required=True),
        _AS,
        _HTML,
        *parameters(Examiner.surprise, only="exact"),
        rows.ON_UNKNOWN,
    ],
)

EXPLORE = Command(
    _explore,
    "write a page to look at the units of a trained model while it reads texts",
    "explore book.safetensors book.txt letter.txt -o book.html",
    options=lambda: [
        rows.MODEL_FILE,
        *text_options(required=True),
        rows.OUTPUT,
        *_of_the_explorer(),
        rows.ON_UNKNOWN,
    ],
    read=_read_each,
    usual={"output": "explorer.html"},
)
