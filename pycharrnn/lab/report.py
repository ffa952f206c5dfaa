"""A report: trains a model and writes one HTML file with what it did, to read, print and pass on."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np

from pycharrnn import CharRNN, SampleText, Vocabulary
from pycharrnn.arguments import Integer, Real, generator
from pycharrnn.errors import ParameterValueError
from pycharrnn.files.atomic import check_writable, replace
from pycharrnn.gradients import BATCHES, ENTRIES, LENGTHS, LIMIT
from pycharrnn.lab import experiments
from pycharrnn.lab.experiments import Training
from pycharrnn.lab.gradient_table import GradientTable
from pycharrnn.lab.page import Findings, Settings, render
from pycharrnn.messages import shown
from pycharrnn.network.state import Best
from pycharrnn.parameters import check_parameters
from pycharrnn.tables import check, table
from pycharrnn.text.corpus import Texts
from pycharrnn.text.reading import read_corpus
from pycharrnn.training.budget import Budget
from pycharrnn.training.run import Run

__all__ = ["Report", "write"]

_DOCUMENTS = 20  # so many documents does the best model write


class Report(NamedTuple):
    """What `write` did.

    Parameters
    ----------
    path : str
        Where the page is.
    seconds : float
        How long all of it took.
    model : CharRNN
        The trained model.
    gradients : GradientTable
        The errors of its gradients.
    best : Best
        Its best weights, as `CharRNN.best_` tells.
    """

    path: str
    seconds: float
    model: CharRNN
    gradients: GradientTable
    best: Best


def write(
    path: str | os.PathLike[str],
    X: Texts,
    model: CharRNN | None = None,
    *,
    source: str = "",
    sample_every: Annotated[int, Integer(1, 2**31)] = 10_000,
    sample_length: Annotated[int, Integer(1, 2**31)] = 1000,
    seq_lengths: Annotated[Sequence[int], LENGTHS] = (5, 10, 15, 25),
    batches: Annotated[int, BATCHES] = 2,
    h: Annotated[float, Real()] = 1e-4,
    eps: Annotated[float, Real()] = 1e-3,
    tolerance: Annotated[float, Real()] = 1e-6,
    max_entries: Annotated[int | Literal["auto"] | None, ENTRIES] = "auto",
    check_seconds: Annotated[float | None, LIMIT] = 60.0,
    compare: tuple[str, Sequence[Any]] | None = None,
    memorize: Annotated[int, Integer(0, 2**31)] = 100,
    numpy_seconds: Annotated[float, Real(zero=True)] = 2.0,
    log: Callable[[str], object] | None = None,
) -> Report:
    """Train a model and write a page about it: settings, gradient check, losses, texts, speed.

    The page is one file that fetches nothing and runs nothing. It is written at the end: until then, and after any
    error, an old file stays as it was. The parameters are those of all experiments; most calls need two or three.

    Parameters
    ----------
    path : str or path-like
        The HTML file.
    X : str, path-like or sequence of str
        As for `CharRNN.fit`.
    model : CharRNN or None, default None
        It is fitted in place; None is ``CharRNN()``. A `random_state` that is no number is replaced by one drawn from
        it, so that the page can say how to repeat the training.
    source : str, default ""
        What to call the text; by default the name of its file or its size.
    sample_every : int, default 10_000
        Updates between two texts of the training.
    sample_length : int, default 1000
        Characters that the best model writes. A model of documents writes 20 of them, or fewer if they make more than
        20 times as many characters; one is cut off only where it is longer than this and than any that it was trained
        on.
    seq_lengths : sequence of int, default (5, 10, 15, 25)
        Lengths of the windows whose gradients are checked. Those for which the text is too short are left out, and the
        page says so.
    batches : int, default 2
        As of `CharRNN.check_gradients`, like the next four.
    h : float, default 1e-4
        Step of the differences.
    eps : float, default 1e-3
        Errors are relative to this at least.
    tolerance : float, default 1e-6
        Error up to which an entry counts as right.
    max_entries : int, "auto" or None, default "auto"
        Check at most so many entries of each tensor and window.
    check_seconds : float or None, default 60.0
        End the gradient check early after so long, as `max_seconds` of `CharRNN.check_gradients` does.
    compare : (str, sequence) or None, default None
        A parameter and values of it: one more training for each value that is not the model's own.
    memorize : int, default 100
        Characters from the beginning of the text to memorise, in 5,000 epochs or 30 seconds; 0 for none. Of documents,
        as many of the first as make no more characters than this.
    numpy_seconds : float, default 2.0
        How long to time a NumPy loop that does the same work, one stream through one layer of tanh units; 0 leaves it
        out, and so do other models and those of more than 16 million weights.
    log : callable or None, default None
        Called with a short line before each step, and at least every 30 seconds of the gradient check.

    Returns
    -------
    Report
        Where the page is, and what it is about.

    Raises
    ------
    ImportError
        Without Jinja2 or matplotlib.
    OSError, ValueError, TypeError
        If there can be no file at `path`, or an argument is not as it must be: all this before the training.
    TrainingDivergedError
        If the training of `model` diverges; those that are compared with it may.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from pycharrnn.lab import report
    >>> model = CharRNN(hidden_size=8, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "report.html")
    ...     found = report.write(path, "to be or not to be " * 20, model, seq_lengths=[5], numpy_seconds=0)
    ...     "<h2>Memorised</h2>" in path.read_text("utf-8")
    True
    >>> found.gradients.share, found.best == model.best_
    (1.0, True)
    """
    begin = time.perf_counter()
    try:
        for name in ("jinja2", "matplotlib"):
            importlib.import_module(name)
    except ImportError as error:
        raise ImportError('reports need Jinja2 and matplotlib: pip install "pycharrnn[report]"') from error
    settings = Settings(
        source=source,
        sample_every=sample_every,
        sample_length=sample_length,
        seq_lengths=seq_lengths,
        batches=batches,
        h=h,
        eps=eps,
        tolerance=tolerance,
        max_entries=max_entries,
        check_seconds=check_seconds,
        compare=compare,
        memorize=memorize,
        numpy_seconds=numpy_seconds,
        log=log or (lambda line: None),
    )
    _check_path(path, X)
    _check(settings)
    if not isinstance(model, CharRNN | None):
        raise TypeError(f"model must be a CharRNN or None, got {shown(model)}")
    model = CharRNN() if model is None else model
    if not isinstance(model.random_state, (int, np.integer)):
        model.random_state = int(generator(model.random_state).integers(2**32))
    check_parameters(model)
    _budget(model)  # which must end
    variants = experiments.variants(model, compare)
    corpus = read_corpus(X)
    found = _find_out(model, variants, corpus, settings)
    found = found._replace(source=source or _name(X) or found.source, skipped=len(getattr(X, "skipped", ())))
    settings.log(f"writing {os.fspath(path)}")
    replace(os.fspath(path), [render(found)])
    return Report(os.fspath(path), time.perf_counter() - begin, model, found.gradients, model.best_)


def _check_path(path: object, X: Texts) -> None:
    """Find out before the training, not after it, that the page cannot be written there."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must be a str or path-like, got {shown(path)}")
    target = os.path.realpath(path)  # where a symbolic link leads
    if isinstance(X, os.PathLike) and os.path.exists(target) and os.path.exists(X) and os.path.samefile(target, X):
        raise ValueError(f"path {os.fspath(path)!a} is the text itself; give the page another name")
    try:
        check_writable(path)
    except OSError as error:
        raise OSError(error.errno, f"path {error.strerror}", os.fspath(path)) from None


def _check(settings: Settings) -> None:
    """Refuse settings that are not as they must be."""
    if not isinstance(settings.seq_lengths, Sequence) or isinstance(settings.seq_lengths, str):
        raise TypeError(f"seq_lengths must be a sequence of integers, got {shown(settings.seq_lengths)}")
    rows = table(write)
    check(rows, **{name: value for name, value in settings._asdict().items() if name in rows})
    if settings.memorize == 1:
        problem = "must be 0 or at least 2: one character to read and one to predict, got 1"
        raise ParameterValueError("memorize", problem)


def _name(X: Texts) -> str:
    """The name of a file, or what documents were read from."""
    return str(os.path.basename(X if isinstance(X, os.PathLike) else getattr(X, "source", "")))


def _budget(model: CharRNN) -> Budget:
    """When its training ends."""
    return Budget.of(model.get_params())


def _find_out(model: CharRNN, variants: dict[str, CharRNN], corpus: str | list[str], settings: Settings) -> Findings:
    """Carry out the experiments, one after the other."""
    limits = experiments.LIMITS
    ids = Vocabulary.from_text(corpus).encode(corpus)
    running = isinstance(corpus, str)
    n_characters = len(ids) if running else len(ids) - len(corpus) - 1  # without the ends of documents
    fitting = [T for T in settings.seq_lengths if settings.batches * T < len(ids)]
    gradients = _check_gradients(model, corpus, fitting, settings)
    watch: list[Run] = []  # the one run, as often as it called back
    runs = _train(model, variants, corpus, [watch.append, SampleText(settings.sample_every, file=None)], settings)
    memorised = None
    if settings.memorize:
        limit = f"at most {limits.epochs:,} epochs or {limits.seconds:g} s"
        settings.log(f"memorising {min(settings.memorize, n_characters):,} characters, {limit}")
        memorised = experiments.memorise(model, corpus, settings.memorize)
    timing = None
    if settings.numpy_seconds and experiments.can_be_timed(model):
        settings.log(f"timing NumPy, {settings.numpy_seconds:g} s")
        timing = experiments.time_numpy(model, ids, settings.numpy_seconds)
    part = experiments.beginning(corpus, int(limits.work / experiments.n_weights(model)))
    n_evaluated = len(part) if isinstance(part, str) else sum(map(len, part))
    settings.log(f"evaluating {n_evaluated:,} of {n_characters:,} characters")
    evaluation = model.evaluate(part)
    longest = settings.sample_length if running else max(settings.sample_length, *map(len, corpus))
    n_texts = 1 if running else _DOCUMENTS
    return Findings(
        settings=settings,
        source=f"a text of {n_characters:,} characters" if running else f"{len(corpus):,} documents",
        n_documents=None if running else len(corpus),
        n_characters=n_characters,
        n_symbols=len(ids),
        skipped=0,
        model=model,
        characters_read=watch[0].characters,
        runs=runs,
        fitting=fitting,
        gradients=gradients,
        evaluation=evaluation,
        n_evaluated=n_evaluated,
        written=experiments.write_texts(model, n_texts, longest, settings.sample_length * n_texts),
        memorised=memorised,
        timing=timing,
    )


def _check_gradients(
    model: CharRNN, corpus: str | list[str], seq_lengths: list[int], settings: Settings
) -> GradientTable:
    """Check the gradients at the weights that training begins with."""
    if not seq_lengths:
        return GradientTable()
    return experiments.fresh(model).check_gradients(
        corpus,
        seq_lengths,
        batches=settings.batches,
        h=settings.h,
        eps=settings.eps,
        tolerance=settings.tolerance,
        max_entries=settings.max_entries,
        max_seconds=settings.check_seconds,
        log=settings.log,
    )


def _train(
    model: CharRNN,
    variants: dict[str, CharRNN],
    corpus: str | list[str],
    callbacks: list[Callable[[Run], object]],
    settings: Settings,
) -> dict[str, Training]:
    """Train the model itself first, with callbacks, then the others; it alone must not diverge."""
    runs: dict[str, Training] = {}
    for label, variant in sorted(variants.items(), key=lambda item: item[1] is not model):
        settings.log(f"training{f' {label}' * bool(label)}, at most {_budget(variant)}")
        runs[label] = experiments.train(variant, corpus, callbacks if variant is model else ())
        if variant is model and (error := runs[label].diverged):
            raise error
    return {label: runs[label] for label in variants}
