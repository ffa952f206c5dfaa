"""The commands that look at a model, its gradients, its training and its speed."""

from __future__ import annotations

import os
import sys

from pycharrnn import CharRNN
from pycharrnn.cli import rows
from pycharrnn.cli.command import Command, Row, text_options
from pycharrnn.cli.console import log
from pycharrnn.cli.failures import Stop, option
from pycharrnn.cli.inputs import no_text
from pycharrnn.cli.job import Job
from pycharrnn.cli.options import Either, ModelGroup, compare, parameters
from pycharrnn.tables import table


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


def _report_options() -> list[Row]:
    from pycharrnn.lab import report

    checks = table(CharRNN.check_gradients)  # a report has most of them, too
    return [
        *text_options(),
        rows.OUTPUT,
        rows.SAVE,
        compare(parameters(CharRNN)),
        *parameters(report.write, without=" ".join(checks)),
        *parameters(CharRNN.check_gradients, without="max_seconds"),
        rows.PRESET,
        Either(rows.QUIET, rows.PROGRESS),
        ModelGroup(CharRNN, "classic"),
    ]


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


CHECK = Command(
    _check,
    "compare the gradients with central differences; exit code 1 if a norm error is above the tolerance",
    "check book.txt --seq-lengths 5,10 --hidden-size 50",
    options=lambda: [
        *text_options(),
        rows.MODEL,
        *parameters(CharRNN.check_gradients),
        ModelGroup(CharRNN, "classic", "cell hidden_size init_scale random_state"),
    ],
    fixed=frozenset(CharRNN().get_params()),
)

REPORT = Command(
    _report,
    "train a model and write a report about it, one HTML file",
    "report book.txt -o book.html --compare optimizer=adagrad,adam",
    options=_report_options,
    trains=True,
    usual={"output": "report.html"},
)

INFO = Command(
    _info,
    "print what a model file holds",
    "info book.safetensors",
    options=lambda: [rows.MODEL_FILE],
    read=no_text,
)

BENCH = Command(
    _bench,
    "measure the speed of this machine",
    "bench --updates 5000 --repeats 3",
    options=lambda: [*text_options(), rows.UPDATES, rows.REPEATS, rows.FULL],
)
