"""The command in which a person and a model write together."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from pycharrnn.cli import rows
from pycharrnn.cli.command import Command
from pycharrnn.cli.console import log, print_texts, stdout
from pycharrnn.cli.corpora import TrainingText
from pycharrnn.cli.failures import Stop
from pycharrnn.cli.inputs import Input
from pycharrnn.cli.job import Job
from pycharrnn.cli.options import OF_MODEL, Option, Request, parameters
from pycharrnn.files.atomic import replace
from pycharrnn.sampling.settings import Sampling
from pycharrnn.text.decoding import decode

_NOT_IN_A_SESSION = "length stop min_length beam pattern constraint novel"
_TEMPERATURE = 0.7


def _write(job: Job) -> None:
    from pycharrnn.cli.draft import Draft
    from pycharrnn.cli.screen import Screen  # only now: it needs a package that other commands do not

    given = job.request.arguments(Sampling)
    if "novel" in job.request:
        given["novel"] = TrainingText(job.request["novel"], job.request.get("span", 20)).index
    job.model.random_state = None  # or each process would suggest the same
    assert isinstance(job.input.text, str)
    draft = Draft(job.model, job.request.get("random_state"), **given)
    draft.edit(job.input.text)
    screen = Screen(draft, _save, job.request.get("FILE", ""))
    try:
        screen.run()
    finally:  # nothing that somebody has written is lost
        if not screen.is_saved:
            print_texts([screen.text], stdout("raw" in job.request))
    if screen.is_saved and screen.name:
        log(f"wrote {screen.name!r}")


def _save(path: str, text: str) -> None:
    """Write the file of a text."""
    replace(path, [text.encode("utf-8", "surrogatepass")])


def _read_file(request: Request) -> Input:
    """Read what the file has, if there is one; before that, make sure that there is a terminal to write on."""
    if not (_is_terminal(sys.stdin) and (_is_terminal(sys.stdout) or _is_terminal(sys.stderr))):
        raise Stop("write needs a terminal, for keys and for its screen; without one, use sample", 2)
    path = request.get("FILE")
    if path is None or not os.path.exists(path):
        return Input(request.get("prompt", ""), "--prompt")
    if "prompt" in request:
        raise Stop(f"--prompt begins a new text, but {path!r} has one; leave it out", 2)
    return Input(decode(Path(path).read_bytes(), path, "utf-8"), repr(path))


def _is_terminal(stream: object) -> bool:
    """Whether a stream, which a program may lack, is a terminal."""
    return bool(getattr(stream, "isatty", bool)())


WRITE = Command(
    _write,
    "write together with a trained model: it suggests, in grey, what may come next",
    "write book.safetensors story.txt --temperature 0.6",
    options=lambda: [
        rows.MODEL_FILE,
        Option(
            "FILE",
            meaning="The text to go on with, and to save to. A text that is not saved is printed at the end. "
            "(default: none)",
            nargs="?",
            default=argparse.SUPPRESS,
        ),
        Option(
            "--prompt",
            meaning=r"How a new text begins. \n and the other escapes of JSON are read. (default: empty)",
            type=rows.unescaped,
            metavar="TEXT",
        ),
        *parameters(Sampling, without=_NOT_IN_A_SESSION, usual={"temperature": _TEMPERATURE}),
        rows.NOVEL,
        rows.SPAN,
        rows.RAW,
        rows.RANDOM_STATE,
        Option(
            "--on-unknown",
            meaning="What to do with characters that are new to the model. (default: skip, the text keeps them)",
            dest=f"{OF_MODEL}on_unknown",
            choices=rows.ON_UNKNOWN.how["choices"],
        ),
    ],
    read=_read_file,
    usual={"temperature": _TEMPERATURE, f"{OF_MODEL}on_unknown": "skip"},
)
