"""A training goes into a checkpoint file and comes out of it again, to the bit."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from pycharrnn.derived import PROCESS, architecture, descent, plain, restored, settled
from pycharrnn.errors import ModelFileError, ParameterValueError, warn
from pycharrnn.files.atomic import file_name
from pycharrnn.files.checkpoint_file import SERIES, CheckpointFile, Fields, Series, sizes
from pycharrnn.files.container import Specs
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.memory import aligned
from pycharrnn.network.records import Run as Numbers
from pycharrnn.network.records import record
from pycharrnn.network.state import Best, State
from pycharrnn.parameters import Parameters, check_parameters
from pycharrnn.tables import table
from pycharrnn.tasks import Sources
from pycharrnn.text.corpus import Corpus, Fingerprint
from pycharrnn.text.vocabulary import Vocabulary
from pycharrnn.trained import Learned
from pycharrnn.training.budget import Budget
from pycharrnn.training.checkpoints import checkpoints_in
from pycharrnn.training.descent import Descent
from pycharrnn.training.entries import Divergence, Look
from pycharrnn.training.history import ENTRY, History, Passes
from pycharrnn.training.memory import Memory, Mixture
from pycharrnn.training.ngrams import NGrams
from pycharrnn.training.run import Counts
from pycharrnn.training.standing import Standing
from pycharrnn.training.windows import Beginning

_NOT_A_NUMBER, _INFINITE = -1.0, -2.0  # what a series has for a loss that is not finite: no loss is below zero


class Resumed(NamedTuple):
    """A training as a checkpoint has it.

    Attributes
    ----------
    learned : Learned
        What it has learned.
    sources : Sources
        What it reads.
    budget : Budget
        When it ends.
    standing : Standing
        Where it stands.
    beginning : Beginning
        Where the run began.
    """

    learned: Learned
    sources: Sources
    budget: Budget
    standing: Standing
    beginning: Beginning


class Opened(NamedTuple):
    """A checkpoint that has been read.

    Attributes
    ----------
    path : str
        Where it is.
    file : CheckpointFile
        What it holds.
    """

    path: str
    file: CheckpointFile


def opened(source: str | os.PathLike[str]) -> Opened:
    """Read a checkpoint, or the newest one of a folder that can be read.

    Raises
    ------
    ModelFileError
        If there is none.
    OSError
        If the file or the folder cannot be opened.

    Warns
    -----
    UserWarning
        If the newest one of the folder is damaged, and an older one is taken.
    """
    name = file_name(source)
    if not os.path.isdir(name):
        return Opened(name, CheckpointFile.read(name, specs))
    problems: list[Exception] = []
    for path in checkpoints_in(name):
        try:
            found = Opened(path, CheckpointFile.read(path, specs))
        except (ModelFileError, OSError) as error:
            problems.append(error)
            continue
        for problem in problems:
            warn(f"{problem}; the training goes on from {path!r}, the checkpoint before it")
        return found
    if problems:
        advice = "remove the folder to begin anew; best.safetensors in it is a model"
        raise ModelFileError(f"no checkpoint in {name!r} can be read ({advice}): {problems[0]}") from problems[0]
    raise ModelFileError(f"{name!r} has no checkpoint: a Checkpoint callback, or train --checkpoint, writes them")


def to_file(
    params: Parameters, learned: Learned, sources: Sources, budget: Budget, standing: Standing, beginning: Beginning
) -> CheckpointFile:
    """Return the checkpoint file of a training: its parameters, all that it has learned, and where it stands."""
    vocabulary, built, state, _, chosen, ngrams = learned
    rows = table(Parameters)
    series = _series(standing.history)
    order = sources.order
    metadata = {
        "params": plain(params),
        "chosen": {name: rows[name].kind.plain(value) for name, value in chosen.items()},
        "n_characters": len(vocabulary.code_points),
        "documents": vocabulary.end is not None,
        "text": sources.text._asdict(),
        "validation": None if sources.validation is None else sources.validation._asdict(),
        "n_documents": 0 if order is None else order.size,
        "budget": vars(budget),
        "state": {name: state.run[name][0].item() for name in Numbers._fields}
        | {"smooth": None if state.smooth < 0 else state.smooth, "shift": state.shift},
        "kept": _finite(standing.kept._asdict()),
        "run": {"first": beginning.n_updates, "begun": beginning.place, "factor": standing.factor}
        | {"due": standing.due, "finished": standing.finished}
        | _finite(standing.counts._asdict()),
        "memory": _finite(vars(standing.memory)),
        "history": _history_fields(standing.history) | {"sizes": sizes(series)},
        "counted": None
        if ngrams is None
        else {
            "order": ngrams.order,
            "n_symbols": ngrams.ids.size,
            "share": ngrams.share if standing.mixture is None else standing.mixture.share,
            "loss": ngrams.loss if standing.mixture is None else standing.mixture.loss,
        },
    }
    arrays = {"carried": state.carried}
    for prefix, vector in _vectors(state, standing.best).items():
        arrays |= {prefix + name: view for name, view in built.named(vector).items()}
    return CheckpointFile(
        metadata, arrays, series, vocabulary.code_points, order, None if ngrams is None else ngrams.ids
    )


def from_file(file: CheckpointFile, params: Parameters, vocabulary: Vocabulary) -> Resumed:
    """Return the training of a checkpoint file, whose parameters these are."""
    said = file.metadata
    chosen = _chosen(said["chosen"])
    used = check_parameters(settled(params, chosen))
    built, rule = architecture(used, vocabulary.n_symbols, said["documents"]), descent(used)
    state = _state(file, built, rule)
    history = _history(file, used.seq_length)
    run, kept, memory = said["run"], said["kept"], said["memory"]
    if kept["smooth_loss"] is None:
        kept = kept | {"smooth_loss": math.inf}
    if memory["lowest"] is None:
        memory = memory | {"lowest": math.inf}
    counts = Counts(*(math.nan if run[name] is None else run[name] for name in Counts._fields))
    ngrams = None
    if file.counted is not None:
        order, share = said["counted"]["order"], said["counted"]["share"]
        ngrams = NGrams(file.counted, vocabulary.n_symbols, vocabulary.end, order, share)
        ngrams.loss = said["counted"]["loss"]
    state.kept = Best(**kept)
    standing = Standing(
        counts=counts,
        history=history.copy(),
        best=state.best,
        kept=state.kept,
        memory=Memory(**memory),
        mixture=None if ngrams is None else Mixture(ngrams.share, ngrams.loss),
        factor=run["factor"],
        due=run["due"],
        finished=run["finished"],
    )
    validation = None if said["validation"] is None else Fingerprint(**said["validation"])
    sources = Sources(Fingerprint(**said["text"]), validation, file.order)
    learned = Learned(vocabulary, built, state, history, chosen, ngrams)
    return Resumed(learned, sources, Budget(**said["budget"]), standing, Beginning(run["first"], run["begun"]))


def specs(parameters: Fields, chosen: Fields, n_symbols: int, documents: bool) -> Specs:
    """Return shape and dtype of the arrays of a training with these parameters, which may be wrong."""
    params = Parameters(**restored(parameters))
    used = settled(params, _chosen(chosen))
    restored(plain(used))
    built, rule = architecture(used, n_symbols, documents), descent(used)
    weights, moments = built.precision.weights.name, built.precision.moments.name
    types = {"": weights, "best.": weights}
    types |= {f"{name}.": moments for name in rule.moments}
    if rule.averages:
        types["average."] = weights
    found: Specs = {}
    for prefix, dtype in types.items():
        found |= {prefix + name: (shape, dtype) for name, shape in built.shapes.items()}
    return found | {"carried": (built.carried(used.batch_size), built.precision.activations.name)}


def check_sources(sources: Sources, corpus: Corpus, unseen: Corpus | None) -> None:
    """Refuse another text than the one that a training has read.

    Raises
    ------
    ValueError
        If one differs.
    """
    given = None if unseen is None else unseen.fingerprint
    _compare("the text", sources.text, corpus.fingerprint)
    if (sources.validation is None) != (given is None):
        must = "be left out: the training has none" if sources.validation is None else "be given: the training has one"
        raise ParameterValueError("validation", f"must {must}, and goes on with the same texts")
    if sources.validation is not None and given is not None:
        _compare("the text to validate with", sources.validation, given)


def _compare(name: str, read: Fingerprint, given: Fingerprint) -> None:
    """Refuse another text than the one that was read."""
    if read != given:
        sizes = f"{given.n_symbols:,} symbols here, {read.n_symbols:,} there"
        raise ValueError(f"{name} is not the one that the training has read: {sizes}")


def differing(params: Parameters, file: CheckpointFile) -> list[str]:
    """Return the names of the parameters, other than those that change no bit, that are not as in a checkpoint."""
    mine, saved = plain(params), file.metadata["params"]
    names = sorted((mine.keys() | saved.keys()) - PROCESS)
    return [name for name in names if mine.get(name) != saved.get(name)]


def _chosen(stored: Fields) -> dict[str, Any]:
    """The parameters that the text chose, which come from a file."""
    rows = table(Parameters)
    if unknown := set(stored) - set(rows):
        raise ValueError(f"this version does not know the parameters {sorted(unknown)}")
    return {name: rows[name].kind.restore(value) for name, value in stored.items()}


def _vectors(state: State, best: Any) -> dict[str, Any]:
    """The flat vectors of a state by the prefix of their names in a file."""
    found = {"": state.weights, "best.": best, "m.": state.m, "v.": state.v, "average.": state.average}
    return {prefix: vector for prefix, vector in found.items() if vector.size}


def _state(file: CheckpointFile, built: Architecture, rule: Descent) -> State:
    """The state of a training from its file."""
    weights = aligned(built.layout.size, built.precision.weights)
    state = State.begin(built, weights, rule, file.arrays["carried"].shape[2])
    for prefix, vector in _vectors(state, state.best).items():
        for name, view in built.named(vector).items():
            view[...] = file.arrays[prefix + name]
    state.carried[:] = file.arrays["carried"]
    numbers = dict(file.metadata["state"])
    smooth, state.shift = numbers.pop("smooth"), numbers.pop("shift")
    state.smooth = -1.0 if smooth is None else smooth
    state.run = record(Numbers(**numbers))
    return state


def _finite(fields: dict[str, Any]) -> dict[str, Any]:
    """The same with None in place of what is not finite."""
    return {name: None if isinstance(x, float) and not math.isfinite(x) else x for name, x in fields.items()}


def _history_fields(history: History) -> dict[str, Any]:
    """What a history has besides its series."""
    return {
        "n_updates": history.n_updates,
        "stride": history.stride,
        "baseline": history.baseline,
        "divergences": [entry._asdict() for entry in history.divergences],
        "passes": [{"first": first} | passes._asdict() for first, passes in history.passes.items()],
    }


def _series(history: History) -> Series:
    """What a history remembers, column by column."""
    losses = history.table()
    found: Series = {f"losses.{name}": losses[name] for name in ENTRY.names or ()}
    texts = [(entry.n_updates, entry.smooth_loss, len(entry.text)) for entry in history.texts]
    for kind, entries in (("validation", history.validation), ("training", history.training), ("texts", texts)):
        for i, (column, dtype) in enumerate(SERIES[kind].items()):
            found[f"{kind}.{column}"] = np.array([_coded(entry[i]) for entry in entries], dtype)
    written = "".join(entry.text for entry in history.texts)
    found["characters.code_points"] = np.frombuffer(written.encode("utf-32-le", "surrogatepass"), "<u4")
    return found


def _history(file: CheckpointFile, seq_length: int) -> History:
    """The history of a training from its file."""
    fields, series = file.metadata["history"], file.series
    history = History(seq_length=seq_length)
    losses = np.empty(series["losses.updates"].size, ENTRY)
    for name in ENTRY.names or ():
        losses[name] = series[f"losses.{name}"]
    history.refill(losses, fields["n_updates"], fields["stride"])
    history.baseline = fields["baseline"]
    history.divergences = [Divergence(**entry) for entry in fields["divergences"]]
    history.passes = {entry["first"]: Passes(entry["length"], entry["n"]) for entry in fields["passes"]}
    history.validation = [Look(*row) for row in _rows(series, "validation")]
    history.training = [Look(*row) for row in _rows(series, "training")]
    written = series["characters.code_points"].astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
    at = 0
    for n_updates, smooth_loss, length in _rows(series, "texts"):
        history.remember(n_updates, smooth_loss, written[at : at + length])
        at += length
    return history


def _rows(series: Series, kind: str) -> Iterator[tuple[Any, ...]]:
    """The entries of one kind."""
    columns = (series[f"{kind}.{column}"].tolist() for column in SERIES[kind])
    return (tuple(map(_decoded, row)) for row in zip(*columns, strict=True))


def _coded(value: float) -> float:
    """A number as a series has it, which is finite."""
    if math.isnan(value):
        return _NOT_A_NUMBER
    return _INFINITE if math.isinf(value) else value


def _decoded(value: float) -> float:
    return {_NOT_A_NUMBER: math.nan, _INFINITE: math.inf}.get(value, value)
