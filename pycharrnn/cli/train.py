"""The command `train`: it trains, saves the model however the training ends, and says how good the model is."""

from __future__ import annotations

import math
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from pycharrnn import CharRNN, Checkpoint, SampleText
from pycharrnn.cli import rows
from pycharrnn.cli.command import Command, text_options
from pycharrnn.cli.console import log, print_texts, stdout
from pycharrnn.cli.failures import Stop, option
from pycharrnn.cli.job import Job
from pycharrnn.cli.options import LIMITS, Either, ModelGroup, Request, parameters
from pycharrnn.derived import held_out, plain
from pycharrnn.learner import resume_training
from pycharrnn.messages import shown
from pycharrnn.network.cells import CELLS
from pycharrnn.resuming import Opened, differing, opened
from pycharrnn.trained import learned
from pycharrnn.training.checkpoints import BEST, checkpoints_in
from pycharrnn.training.run import Run

_COOL = 0.6  # the temperature of the texts in the end: fewer slips than at 1, and still the model's own words
_TRIAL = 20  # after so many updates the loss should have fallen
_LITTLE = 0.01  # by more than so many nats per character: less may be chance
_TOLD = 4  # parameters that differ
_FEW = 1_000  # characters: a part of a smaller text tells nothing about the rest
_FEW_DOCUMENTS = 20  # the same, in documents


def train(job: Job) -> None:
    """Train a model, write it to a file, and print a text of it."""
    _choose_validation(job)
    run, stopped = _fit(job)
    if stopped is None:
        _check_learned(job.model, run)
    with job.interrupts.held():
        if "output" in job.request:
            _save(job)
        by = getattr(stopped, "by", "")
        log(f"{'interrupted' + by if stopped else 'done'}: {_summary(job, run)}")
    if isinstance(stopped, KeyboardInterrupt):
        if "checkpoint" in job.request and _talks(job):
            log("next: the same command" + (" again" if "resume" in job.request else ", with --resume, goes on"))
        raise Stop("", getattr(stopped, "code", 130))
    if stopped is not None:
        raise stopped
    _print_sample(job)
    if _talks(job) and (lines := _next_commands(job.request)):
        log("\n".join(("next: " if line is lines[0] else "      ") + line for line in lines))


def _save(job: Job) -> None:
    """Save the model; if there is no room, or no longer a folder, elsewhere: a training is too dear to lose."""
    output = job.request["output"]
    try:
        job.model.save(output, dtype=job.request.get("save_dtype"))
    except OSError as error:
        import tempfile  # only now: it is slow to import

        try:
            spare = os.path.join(tempfile.mkdtemp(prefix="pycharrnn-"), os.path.basename(output))
            job.model.save(spare, dtype=job.request.get("save_dtype"))
        except OSError:
            raise error from None
        raise Stop(f"{output!r}: {error.strerror}; the model is in {spare!r} instead", 1) from None


class _Watch(SampleText):
    """Writes texts to stdout in training. If stdout fails, the training ends, and the exit code tells why."""

    def on_error(self, error: Exception) -> None:
        raise error


class _Beginning:
    """Keeps the run, and says at its beginning which network is trained on which text, and for how long."""

    def __init__(self, source: str | None) -> None:
        self.source = source  # None says nothing
        self.run: Run | None = None

    def on_start(self, run: Run) -> None:
        if run.standing is not None:
            self.run = run
        if run.standing is not None and run.standing.finished:
            log("the training has ended already, and makes no more updates")
        elif self.source is not None:
            used = run.parameters
            layers = "" if used["num_layers"] == 1 else f"{used['num_layers']} x "
            network = f"{CELLS[used['cell']].phrase} of {layers}{used['hidden_size']} units"
            going_on = "" if run.standing is None else f", from update {run.n_updates:,} on"
            log(f"training {network} on {self.source} for {run.budget}{going_on}; Ctrl-C ends it early")

    def __call__(self, run: Run) -> None:
        self.run = run


def _talks(job: Job) -> bool:
    """Whether the command says more than its result: not with --quiet."""
    return bool(job.request.get("verbose", True))


def _choose_validation(job: Job) -> None:
    """Hold no part of a small text back, unless the options ask for it."""
    few = _FEW_DOCUMENTS if job.input.documents else _FEW
    if "validation_fraction" not in job.request.model and len(job.input.text) < few:
        job.model.set_params(validation_fraction=0.0)


def _fit(job: Job) -> tuple[Run, KeyboardInterrupt | OSError | None]:
    """Train; return the run and what ended it early, if something did. From here on, signals are held."""
    model = job.model.set_params(verbose=_talks(job))
    beginning = _Beginning(job.input.name if _talks(job) else None)
    callbacks: list[Callable[[Run], object]] = [beginning]
    if "sample_every" in job.request:
        file: Any = stdout(raw=True) if "raw" in job.request else "stdout"
        callbacks.append(_Watch(job.request["sample_every"], file=file))
    fit: Callable[..., object] = model.fit
    if "model" in job.request:
        fit = partial(model.partial_fit, epochs=model.epochs)
    if "checkpoint" in job.request:
        folder = job.request["checkpoint"]
        callbacks.append(Checkpoint(folder, **job.request.arguments(Checkpoint)))
        if checkpoints_in(folder):
            fit = partial(resume_training, model, _opened(folder, model), validation=None)
    stopped: KeyboardInterrupt | OSError | None = None
    try:
        fit(X=job.input.text, callbacks=callbacks)
        job.interrupts.hold()  # in here, so that there is no moment at which a signal loses the model
    except (KeyboardInterrupt, OSError) as error:  # OSError: stdout does not take the texts of --sample-every
        job.interrupts.hold()
        stopped = error
    if beginning.run is not None:
        return beginning.run, stopped
    if isinstance(stopped, KeyboardInterrupt):
        by, code = getattr(stopped, "by", ""), getattr(stopped, "code", 130)
        raise Stop(f"interrupted{by} before the first update; no file was written", code)
    raise stopped or RuntimeError("the training made no update")


def _opened(folder: str, model: CharRNN) -> Opened:
    """Read the newest checkpoint, which must be of a training with the same parameters."""
    found = opened(folder)
    if names := differing(model, found.file):
        there, here = found.file.metadata["params"], plain(model)
        differ = [f"{option(name)} {shown(there.get(name))} there, {shown(here.get(name))} here" for name in names]
        more = f"; and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
        advice = "give the options with which it began"
        if set(names) <= set(LIMITS):
            advice = f"the limit cannot change; at the end train on with --model {os.path.join(folder, BEST)!r}"
        has = "; ".join(differ[:_TOLD])
        raise Stop(f"--checkpoint {folder!r} is of a training with other parameters ({has}{more}): {advice}", 1)
    return found


def _check_learned(model: CharRNN, run: Run) -> None:
    """End with an error unless the weights that were kept are better than those of the start, after a fair trial."""
    best = model.best_
    n = run.n_updates - run.first
    if best.training_loss is not None:
        loss, text = best.training_loss, "the text"
    else:
        loss, text = min(best.validation_loss or math.inf, run.nats), "the validation text"
    found = f"{text} takes {loss:.3f} nats per character, and took {run.start:.3f} at the start"
    if run.first and best.n_updates == run.first:
        found = f"{n:,} updates have not made the model better: {found}"
    elif not run.first and loss > run.start - _LITTLE and run.start > _LITTLE:
        found = f"{n:,} updates have taught nothing: {found}"
    else:
        return
    if n >= _TRIAL:
        raise Stop(f"{found}; train longer or with another --learning-rate (no file was written)", 1)
    log(f"pycharrnn: warning: {found}; train longer")


def _summary(job: Job, run: Run) -> str:
    """How far a training came, how good the model is, and where it is."""
    model, output = job.model, job.request.get("output")
    counted = model.history_.baseline
    quality = f"{run.nats:.3f} nats per character"
    if model.best_.validation_loss is not None:
        share = 100 * held_out(model.chosen_)
        ngrams, loss, beside = learned(model).ngrams, model.best_.validation_loss, []
        if ngrams is not None and ngrams.loss is not None:
            beside.append(f"the network alone: {loss:.3f}")
            loss = ngrams.loss
        if counted is not None:
            beside.append(f"counting {model.history_.baseline_order}-grams: {counted:.3f}")
        what = "documents" if job.input.documents else "text"
        quality = f"{loss:.3f} nats per character on {share:.3g} % of the {what}, which it has not seen"
        quality += f" ({'; '.join(beside)})" if beside else ""
    file = "no file written (no --output)" if output is None else f"wrote {output!r}"
    return f"{run.n_updates - run.first:,} updates on {job.input.name} in {run.seconds:.1f} s, {quality}; {file}"


def _print_sample(job: Job) -> None:
    """Print what the model writes now: a text from the start of a paragraph or a line on, or documents."""
    text = job.input.text
    wanted = job.request.get("sample")
    file = stdout("raw" in job.request)
    if isinstance(text, list):
        n_samples = 10 if wanted is None else wanted
        print_texts(job.model.sample(n_samples=n_samples, temperature=_COOL), file, documents=True)
    elif wanted != 0:
        length = 500 if wanted is None else wanted
        prompt = next(start for start in ("\n\n", "\n", "") if start in text)
        print_texts([job.model.sample(length, prompt=prompt, temperature=_COOL)], file)


def _next_commands(request: Request) -> list[str]:
    """The commands that a newcomer may want next."""
    first = not request.get("TEXT") and request.keys().isdisjoint({"corpus", "model"})
    output = request.get("output")
    program = _program()
    lines: list[str] = []
    if first and output is None:
        output = "shakespeare.safetensors"
        lines.append(f"{program} train -o {output}")
    if output is not None:
        prompt = " --prompt ROMEO:" * first
        lines.append(f"{program} sample {shlex.quote(output)}{prompt} --temperature {_COOL}")
    if first:
        lines.append(f"{program} train yourtext.txt -o mine.safetensors --minutes 3")
    return lines


def _program() -> str:
    """What to type to call this program again: its name, or where it is if the shell would not find it."""
    if shutil.which("pycharrnn") or not os.path.basename(sys.argv[0]).startswith("pycharrnn"):
        return "pycharrnn"
    return shlex.quote(sys.argv[0])


TRAIN = Command(
    train,
    "train a new model, or a saved one, on a text; Ctrl-C ends training early and keeps the model",
    "train book.txt -o book.safetensors --minutes 3\ntrain more.txt --model book.safetensors -o both --epochs 2",
    options=lambda: [
        *text_options(),
        rows.MODEL,
        rows.OUTPUT,
        rows.SAVE_DTYPE,
        rows.MINUTES,
        rows.CHECKPOINT,
        rows.RESUME,
        *parameters(Checkpoint),
        rows.SAMPLE_EVERY,
        rows.SAMPLE,
        rows.RAW,
        rows.PRESET,
        Either(rows.QUIET, rows.PROGRESS),
        ModelGroup(CharRNN, "quick"),
    ],
    preset="quick",
    trains=True,
)
