"""The command line: the API's words as options, the text on stdout, everything else on stderr.

Exit codes: 0 done; 1 it failed (a file, a text, a model, a training that diverged, a check); 2 wrong usage; 130
interrupted; 141 nobody reads stdout any more. Text is written as UTF-8, whatever the locale. A lone surrogate becomes
the three bytes of its code point; only a model that was trained on one from Python knows any. A terminal gets text in
its own encoding, with escapes for what the encoding lacks and, without --raw, for what would control it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress

from pycharrnn.cli import console
from pycharrnn.cli.commands import make_parser, parse
from pycharrnn.cli.failures import Stage, failure
from pycharrnn.cli.job import Job, check_kind, check_outputs, make_model
from pycharrnn.interrupts import Interrupts
from pycharrnn.training.budget import Budget

__all__ = ["main"]

_parser = make_parser  # shtab asks for it by this name


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command of these arguments, by default those of the process; return its exit code."""
    console.set_up_stdout()
    stage = Stage()
    try:
        with suppress(SystemExit):  # of --help or --version, which argparse has printed
            _run(sys.argv[1:] if argv is None else argv, stage)
        print(end="", flush=True)  # what stdout does not take must be known before the exit code is
        message, code = "", 0
    except BaseException as error:
        message, code = failure(error, stage)
    console.close(message)
    return code


def _run(argv: Sequence[str], stage: Stage) -> None:
    """Make the model and the text ready, in this order since a text may take long, and run the command."""
    command, request = parse(argv)
    interrupts = Interrupts()
    with interrupts, warnings.catch_warnings():
        warnings.showwarning = console.warn
        model = make_model(request, command.preset, command.fixed)
        if command.trains:
            Budget.of(model.get_params())  # which must end
        check_outputs(request)
        stage.reads = True
        text = command.read(request)
        stage.source = text.name
        job = Job(request, model, text, interrupts)
        if command.reads_text:
            check_kind(job)
        command.run(job)
