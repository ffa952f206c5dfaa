"""The commands that look inside a model while it reads a text."""

from __future__ import annotations

import os
import shutil
import sys

from pycharrnn.cli import rows
from pycharrnn.cli.command import Command, text_options
from pycharrnn.cli.console import log
from pycharrnn.cli.job import Job
from pycharrnn.cli.options import Option, parameters
from pycharrnn.examiner import Examiner
from pycharrnn.output import Raw, count, write

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

    found = surprise.look(job.model, job.input.text, **job.request.arguments(Examiner.surprise))
    n = count(sum(map(len, found.texts)), "character")
    if "html" in job.request:
        path = job.request["html"]
        replace(path, [found.page(job.input.name.strip("'"))])
        log(f"done: {found.mean:.4f} bits per character; wrote {path!r}")
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
    log(f"{n}, {found.mean:.4f} bits per character")


def _form() -> str:
    """How texts are printed where the command line does not say it."""
    if sys.stdout is None or not sys.stdout.isatty():
        return "table"
    return "digits" if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else "colors"


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
