"""The commands: each is a function and a row of `COMMANDS`, which says what it takes and how it is made ready."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pycharrnn import CharRNN, __version__
from pycharrnn.cli import rows
from pycharrnn.cli.console import log, print_texts, stdout
from pycharrnn.cli.failures import Stop, option
from pycharrnn.cli.inputs import Input, no_text, read_prompt, read_text
from pycharrnn.cli.job import FIXED, Job
from pycharrnn.cli.options import Either, ModelGroup, Option, Request, compare, parameters
from pycharrnn.cli.parser import Parser
from pycharrnn.cli.train import train
from pycharrnn.output import write
from pycharrnn.sampling.settings import Sampling
from pycharrnn.tables import table
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


def _sample(job: Job) -> None:
    documents = job.model.vocabulary_.end is not None
    given = job.request.arguments(Sampling) | job.request.arguments(CharRNN.sample) | {"prompt": job.input.text}
    job.model.random_state = None  # or each process would write the same text
    n_samples = given.pop("n_samples", None)
    file = stdout("raw" in job.request)
    if "stream" not in job.request:
        print_texts(job.model.sample(n_samples=1 if n_samples is None else n_samples, **given), file, documents)
        return
    if n_samples is not None:
        raise Stop("--stream writes one text; leave out --n-samples", 2)
    given.setdefault("length", None if documents else 200)
    for character in job.model.stream(**given):
        write(character, file)
    write("\n", file)


def _evaluate(job: Job) -> None:
    found = job.model.evaluate(job.input.text, **job.request.arguments(CharRNN.evaluate))
    if "adapt" in job.request and job.model.ngram_share_:
        log("the network adapts alone: the n-grams of the model take no part in these losses")
    for name, value in (
        ("nats per character", found.nats),
        ("bits per character", found.bits),
        ("perplexity", found.perplexity),
    ):
        print(f"{name:<18}{value:>14.4f}")
    print(f"{'characters':<18}{found.n_characters:>14,}")


def _adapt(job: Job) -> None:
    adapted = job.model.adapt(job.input.text, **job.request.arguments(CharRNN.adapt))
    adapted.save(job.request["output"], dtype=job.request.get("save_dtype"))
    log(f"done: adapted to {job.input.name}; wrote {job.request['output']!r}")


def _check(job: Job) -> None:
    table = job.model.check_gradients(job.input.text, **job.request.arguments(CharRNN.check_gradients), log=log)
    print(table)
    for row in table:
        if not row.norm_error <= row.tolerance:  # NaN is wrong, too
            where = f"{row.name} (seq_length {row.seq_length}, batch {row.batch})"
            raise Stop(f"the norm error of {where} is {row.norm_error:.1e}, above --tolerance {row.tolerance:g}", 1)


def _report(job: Job) -> None:
    from pycharrnn.lab import report

    paths = [path for path in job.request.get("TEXT", ()) if path != "-"]
    title = os.path.basename(os.path.abspath(paths[0])) if len(paths) == 1 else job.input.name
    job.model.set_params(verbose=job.request.get("verbose", True))  # in a pipe it is a line every 30 s
    given = job.request.arguments(report.write) | {"model": job.model, "source": title, "log": log}
    try:
        done = report.write(job.request["output"], job.input.text, **given)
    except KeyboardInterrupt as error:
        if not hasattr(job.model, "vocabulary_"):
            raise
        with job.interrupts.held():
            path = job.request.get("save", f"{job.request['output']}.safetensors")
            job.model.save(path)
            by = getattr(error, "by", "")
            log(f"interrupted{by}: {job.model.n_updates_:,} updates; wrote the model to {path!r}")
        raise Stop("", getattr(error, "code", 130)) from None
    if "save" in job.request:
        job.model.save(job.request["save"])
    files = " and ".join(repr(job.request[name]) for name in ("output", "save") if name in job.request)
    log(f"done: wrote {files} in {done.seconds:.1f} s")


def _info(job: Job) -> None:
    path = job.request["model"]
    best = job.model.best_
    vocabulary = job.model.vocabulary_
    share = job.model.ngram_share_
    losses = {"validation": best.validation_loss, "training": best.training_loss}
    about = {
        "file": f"{path!r}, {os.path.getsize(path):,} bytes",
        "trained on": "running text" if vocabulary.end is None else "documents",
        "updates": f"{best.n_updates:,}",
        **{f"{kind} loss": f"{loss:.4f} nats per character" for kind, loss in losses.items() if loss is not None},
        **({} if share is None else {"share of n-grams": f"{share:.4f}; the file holds the text that was counted"}),
        "weights": f"{sum(array.size for array in job.model.params_.values()):,}",
        "characters": f"{len(vocabulary):,}: {''.join(vocabulary)!r}",
    }
    for name, value in (about | job.model.get_params()).items():
        if name != "verbose":  # says how the training was watched
            print(f"{name:<20}{'none' if value is None else value}")


def _bench(job: Job) -> None:
    from pycharrnn import benchmark

    if "full" in job.request:
        if useless := job.request.keys() - {"full", "repeats"}:
            names = (name if name == "TEXT" else option(name) for name in sorted(useless))
            raise Stop(f"--full has sizes and a text of its own; leave out {', '.join(names)}", 2)
        benchmark.run_full(file=sys.stdout, **job.request.arguments(benchmark.run_full))
        return
    text = job.input.text
    joined = text if isinstance(text, str) else "\n".join(text)
    benchmark.run(file=sys.stdout, **job.request.arguments(benchmark.run) | {"text": joined})


def _text_options(required: bool = False) -> list[Row]:
    """The options that say what the text is and how to read it."""
    return [
        Either(rows.TEXT if required else rows.TEXT_OR_CORPUS, rows.CORPUS, required=required),
        rows.FORMAT,
        rows.DELIMITER,
        rows.SEPARATOR,
        rows.ON_BAD,
        *parameters(read_documents, without="format delimiter separator on_bad"),
    ]


def _report_options() -> list[Row]:
    from pycharrnn.lab import report

    checks = table(CharRNN.check_gradients)  # a report has most of them, too
    return [
        *_text_options(),
        rows.OUTPUT,
        rows.SAVE,
        compare(parameters(CharRNN)),
        *parameters(report.write, without=" ".join(checks)),
        *parameters(CharRNN.check_gradients, without="max_seconds"),
        rows.PRESET,
        Either(rows.QUIET, rows.PROGRESS),
        ModelGroup(CharRNN, "classic"),
    ]


COMMANDS: dict[str, Command] = {
    "train": Command(
        train,
        "train a new model, or a saved one, on a text; Ctrl-C ends training early and keeps the model",
        "train book.txt -o book.safetensors --minutes 3\ntrain more.txt --model book.safetensors -o both --epochs 2",
        options=lambda: [
            *_text_options(),
            rows.MODEL,
            rows.OUTPUT,
            rows.SAVE_DTYPE,
            rows.MINUTES,
            rows.SAMPLE_EVERY,
            rows.SAMPLE,
            rows.RAW,
            rows.PRESET,
            Either(rows.QUIET, rows.PROGRESS),
            ModelGroup(CharRNN, "quick"),
        ],
        preset="quick",
        trains=True,
    ),
    "sample": Command(
        _sample,
        "print what a trained model writes: a text, or documents, one per line",
        'sample book.safetensors -n 500 --prompt "It was " --temperature 0.7',
        options=lambda: [
            rows.MODEL_FILE,
            Either(rows.PROMPT, rows.PROMPT_FILE),
            *parameters(Sampling, without="constraint"),
            rows.GREEDY,
            rows.N_SAMPLES,
            rows.NO_NGRAMS,
            rows.STREAM,
            rows.RAW,
            rows.RANDOM_STATE,
            rows.ON_UNKNOWN,
        ],
        read=read_prompt,
    ),
    "eval": Command(
        _evaluate,
        "print how well a trained model predicts a text",
        "eval book.safetensors another.txt --on-unknown skip",
        options=lambda: [
            rows.MODEL_FILE,
            *_text_options(required=True),
            *parameters(CharRNN.evaluate, without="ngrams"),
            rows.NO_NGRAMS,
            rows.ON_UNKNOWN,
        ],
    ),
    "adapt": Command(
        _adapt,
        "let a trained model take on the manner of a text, in one reading",
        "adapt book.safetensors letters.txt -o letters.safetensors",
        options=lambda: [
            rows.MODEL_FILE,
            *_text_options(required=True),
            rows.ADAPTED,
            rows.SAVE_DTYPE,
            *parameters(CharRNN.adapt),
            rows.ON_UNKNOWN,
        ],
    ),
    "check": Command(
        _check,
        "compare the gradients with central differences; exit code 1 if a norm error is above the tolerance",
        "check book.txt --seq-lengths 5,10 --hidden-size 50",
        options=lambda: [
            *_text_options(),
            rows.MODEL,
            *parameters(CharRNN.check_gradients),
            ModelGroup(CharRNN, "classic", "cell hidden_size init_scale random_state"),
        ],
        fixed=frozenset(CharRNN().get_params()),
    ),
    "report": Command(
        _report,
        "train a model and write a report about it, one HTML file",
        "report book.txt -o book.html --compare optimizer=adagrad,adam",
        options=_report_options,
        trains=True,
        usual={"output": "report.html"},
    ),
    "info": Command(
        _info,
        "print what a model file holds",
        "info book.safetensors",
        options=lambda: [rows.MODEL_FILE],
        read=no_text,
    ),
    "bench": Command(
        _bench,
        "measure the speed of this machine",
        "bench --updates 5000 --repeats 3",
        options=lambda: [*_text_options(), rows.UPDATES, rows.REPEATS, rows.FULL],
    ),
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
