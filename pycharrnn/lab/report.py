"""A report: trains a model and writes one HTML file with what it did, to read, print and pass on."""

from __future__ import annotations

import importlib
import itertools
import math
import os
import platform
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib import resources
from typing import Any, Literal, NamedTuple

import numpy as np

from pycharrnn import CharRNN, SampleText, Vocabulary, __version__, _kernels
from pycharrnn.arguments import choice, generator, integer, real
from pycharrnn.arrays import Ids
from pycharrnn.benchmark import NumpyCharRNN
from pycharrnn.errors import TrainingDivergedError
from pycharrnn.files.atomic import check_writable, replace
from pycharrnn.lab import gradcheck
from pycharrnn.lab import plots as plotting
from pycharrnn.lab.gradcheck import GradientTable
from pycharrnn.model import Texts
from pycharrnn.network.scoring import EXCERPTS
from pycharrnn.network.state import Best
from pycharrnn.parameters import check_parameters, descent
from pycharrnn.text.reading import read_corpus
from pycharrnn.training.budget import Budget
from pycharrnn.training.callbacks import Callback
from pycharrnn.training.run import Run

_TEXTS = 24  # so many texts of the training are shown
_DOCUMENTS = 20  # so many documents does the best model write
_EPOCHS = 5000  # so many to memorise a text,
_SECONDS = 30.0  # but no longer than this
_WORK = 5e10  # characters times weights that are evaluated: some seconds
_WEIGHTS = 2**24  # most that a NumPy loop is timed with: it takes 48 bytes and some 10 ns for each
# What a page would not show, or would obey, is shown as a picture or an escape; line ends and tabs stay.
_ESCAPED = (*range(0x80, 0xA0), 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_VISIBLE: dict[int, int | str] = {c: f"\\u{c:04x}" for c in _ESCAPED}
_VISIBLE |= {c: 0x2400 + c for c in range(32) if c not in (9, 10)} | {127: 0x2421}


class Report(NamedTuple):
    """What `write` did: where the page is, how long it took, the trained model, its gradient errors and its best."""

    path: str
    seconds: float
    model: CharRNN
    gradients: GradientTable
    best: Best


def write(
    path: str | os.PathLike[str], X: Texts, model: CharRNN | None = None, *,
    source: str = "", sample_every: int = 10_000, sample_length: int = 1000,
    seq_lengths: Sequence[int] = (5, 10, 15, 25), batches: int = 2, h: float = 1e-4, eps: float = 1e-3,
    tolerance: float = 1e-6, max_entries: int | Literal["auto"] | None = "auto", check_seconds: float | None = 60.0,
    compare: tuple[str, Sequence[Any]] | None = None, memorize: int = 100, numpy_seconds: float = 2.0,
    log: Callable[[str], object] | None = None,
) -> Report:  # fmt: skip
    """Train a model and write a page about it: settings, gradient check, losses, texts, speed.

    The page is one file that fetches nothing and runs nothing. It is written once all is done: until then, and after
    any error, an old file stays as it was.

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
    seq_lengths, batches, h, eps, tolerance, max_entries
        As for `CharRNN.check_gradients`. Lengths for which the text is too short are left out, and the page says so.
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
    begin, say = time.perf_counter(), log or (lambda line: None)
    try:
        jinja2, _ = (importlib.import_module(name) for name in ("jinja2", "matplotlib"))
    except ImportError as error:
        raise ImportError('reports need Jinja2 and matplotlib: pip install "pycharrnn[report]"') from error
    _writable(path, X)
    if not isinstance(seq_lengths, Sequence) or isinstance(seq_lengths, str):
        raise TypeError(f"seq_lengths must be a sequence of integers, got {seq_lengths!a}")
    if not isinstance(model, CharRNN | None):
        raise TypeError(f"model must be a CharRNN or None, got {model!a}")
    for name, count, least in (("sample_every", sample_every, 1), ("sample_length", sample_length, 1),
                               ("batches", batches, 1), ("memorize", memorize, 0)):  # fmt: skip
        integer(name, count, least, 2**31)
    for name, number in (("h", h), ("eps", eps), ("tolerance", tolerance), ("numpy_seconds", numpy_seconds)):
        real(name, number, zero=name == "numpy_seconds")
    if memorize == 1:
        raise ValueError("memorize must be 0 or at least 2: one character to read and one to predict, got 1")
    if check_seconds is not None:
        real("check_seconds", check_seconds)
    for T in seq_lengths:
        integer("seq_lengths", T, 1, 65_536)
    model = CharRNN() if model is None else model
    if not isinstance(model.random_state, (int, np.integer)):
        model.random_state = int(generator(model.random_state).integers(2**32))
    check_parameters(model)
    _budget(model)  # which must end
    variants = _variants(model, compare)
    corpus = read_corpus(X)
    ids = Vocabulary.from_text(corpus).encode(corpus)
    running = isinstance(corpus, str)
    n_characters = len(ids) if running else len(ids) - len(corpus) - 1  # without the ends of documents

    options: dict[str, Any] = {"batches": batches, "h": h, "eps": eps, "tolerance": tolerance}
    options |= {"max_entries": max_entries, "max_seconds": check_seconds, "log": log}
    fitting = [T for T in seq_lengths if batches * T < len(ids)]
    gradients = GradientTable()
    if fitting:
        gradients = _fresh(model).check_gradients(corpus, fitting, **options)
    runs: dict[str, dict[str, Any]] = {}
    watch: list[Run] = []  # the one run, as often as it called back
    for label, variant in sorted(variants.items(), key=lambda item: item[1] is not model):  # the model itself first
        say(f"training{f' {label}' * bool(label)}, at most {_budget(variant)}")
        callbacks: list[Callback] = [] if runs else [watch.append, SampleText(sample_every, file=None)]
        runs[label] = _train(variant, corpus, callbacks)
        if variant is model and runs[label]["diverged"]:
            raise runs[label]["diverged"]
    history, memorised, timing = model.history_, None, None
    if memorize:
        say(f"memorising {min(memorize, n_characters):,} characters, at most {_EPOCHS:,} epochs or {_SECONDS:g} s")
        memorised = _memorise(model, corpus, memorize)
    n_weights = sum(array.size for array in model.params_.values())
    same = (model.cell, model.num_layers, model.batch_size) == ("rnn", 1, 1)  # as the loop computes
    if numpy_seconds and same and n_weights <= _WEIGHTS:
        say(f"timing NumPy, {numpy_seconds:g} s")
        timing = _time_numpy(model, ids, numpy_seconds)
    part = _part(corpus, int(_WORK / n_weights))
    n_evaluated = sum(map(len, part)) if isinstance(part, list) else len(part)
    say(f"evaluating {n_evaluated:,} of {n_characters:,} characters")
    evaluation = model.evaluate(part)

    say(f"writing {os.fspath(path)}")
    named = os.path.basename(X if isinstance(X, os.PathLike) else getattr(X, "source", ""))
    size = f"a text of {n_characters:,} characters" if running else f"{len(corpus):,} documents"
    curves = {label: run.history_ for label, run in variants.items() if len(run.history_)}
    by_length = compare is not None and compare[0] == "seq_length"
    compared = plotting.losses_svg(curves, "Smooth loss of each training", per_character=by_length) if compare else ""
    shown = np.unique(np.linspace(0, len(history.texts) - 1, _TEXTS).round().astype(int))
    longest = sample_length if running else max(sample_length, *map(len, corpus))
    written = _write(model, 1 if running else _DOCUMENTS, longest, sample_length * (1 if running else _DOCUMENTS))
    # a limit of time is repeated by the number of updates that were made in it
    again = {} if model.max_seconds is None else {"max_updates": model.n_updates_, "max_seconds": None}
    data = {
        "source": source or named or size,
        "n_documents": None if running else len(corpus),
        "n_characters": n_characters,
        "skipped": len(getattr(X, "skipped", ())),
        "model": model,
        "run": next(iter(runs.values())),
        "characters_read": watch[0].characters,
        "evaluation": evaluation,
        "n_evaluated": n_evaluated,
        "looked_at": _looked_at(model, len(ids)),
        "epochs_read": watch[0].characters / (len(ids) - 1) / (1 - model.validation_fraction),
        "params": model.get_params() | {"optimizer": descent(model).rule, "learning_rate": _rate(model)},
        "repeat": repr(_fresh(model, verbose=None, **again)),
        "versions": _versions(),
        "gradients": gradients,
        "tensors": {e.name: GradientTable(row for row in gradients if row.name == e.name) for e in gradients},
        "fitting": fitting,
        "checks": options,
        "too_long": [T for T in seq_lengths if T not in fitting],
        "figure": plotting.losses_svg(history, "Loss and smooth loss against updates"),
        "runs": {label: runs[label] for label in variants},
        "compared": compared,
        "texts": [history.texts[i] for i in shown],
        "left_out": len(history.texts) - len(shown),
        "sample_every": sample_every,
        "written": written,
        "memorised": memorised,
        "timing": timing,
    }
    page = _render(jinja2, data).encode("utf-8", "backslashreplace")  # a lone surrogate becomes \udXXX
    replace(os.fspath(path), [page])
    return Report(os.fspath(path), time.perf_counter() - begin, model, gradients, model.best_)


def _render(jinja2: Any, data: dict[str, Any]) -> str:
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
        finalize=lambda value: value.translate(_VISIBLE) if type(value) is str else value,
    )  # fmt: skip
    environment.filters |= {
        "count": "{:,}".format,
        "short": _short,
        "times": lambda ratio: f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}",
        "repr": repr,
        "error": "{:.1e}".format,
        "percent": gradcheck.percent,
        "of": gradcheck.counted,
        "nats": _nats,
        "duration": _duration,
    }
    template = resources.files("pycharrnn.lab").joinpath("report.html").read_text("utf-8")
    return str(environment.from_string(template).render(data))


def _writable(path: str | os.PathLike[str], X: Texts) -> None:
    """Find out before the training, not after it, that the page cannot be written there."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must be a str or path-like, got {path!a}")
    target = os.path.realpath(path)  # where a symbolic link leads
    if isinstance(X, os.PathLike) and os.path.exists(target) and os.path.exists(X) and os.path.samefile(target, X):
        raise ValueError(f"path {os.fspath(path)!a} is the text itself; give the page another name")
    try:
        check_writable(path)
    except OSError as error:
        raise OSError(error.errno, f"path {error.strerror}", os.fspath(path)) from None


def _fresh(model: CharRNN, **changes: Any) -> CharRNN:
    """A model with the same parameters but for the changes, not trained."""
    return CharRNN(**(model.get_params() | changes))


def _rate(model: CharRNN) -> float:
    """The learning rate; of a model that has None, the usual one of its rule."""
    return float(descent(model).options()["hyper"]["rate"])


def _variants(model: CharRNN, compare: tuple[str, Sequence[Any]] | None) -> dict[str, CharRNN]:
    """The models to train by what to call them: `model` itself, and one for each other value."""
    if compare is None:
        return {"": model}
    if not (isinstance(compare, (tuple, list)) and len(compare) == 2 and isinstance(compare[1], (tuple, list, range))):
        raise ValueError(f"compare must be (parameter, list of values) or None, got {compare!a}")
    name, values = compare
    choice("the parameter in compare", name, [p for p in model.get_params() if p not in ("verbose", "on_unknown")])
    own = _rate(model) if name == "learning_rate" else getattr(model, name)
    variants = {f"{name}={value}": _fresh(model, **{name: value}) for value in (*[own] * (own not in values), *values)}
    variants[f"{name}={own}"] = model
    for variant in variants.values():
        check_parameters(variant)
    if len(variants) == 1:
        raise ValueError(f"compare must have a value of {name} other than the model's own, {own!a}; got {values!a}")
    return variants


def _train(model: CharRNN, corpus: str | list[str], callbacks: Sequence[Callback] = ()) -> dict[str, Any]:
    """Fit the model; how that went."""
    begin, diverged = time.perf_counter(), None
    try:
        model.fit(corpus, callbacks=callbacks)
    except TrainingDivergedError as error:
        diverged = error
    return {"model": model, "seconds": time.perf_counter() - begin, "diverged": diverged}


def _budget(model: CharRNN) -> Budget:
    """When its training ends."""
    return Budget(model.epochs, model.max_updates, model.max_seconds)


def _part(corpus: str | list[str], most: int) -> str | list[str]:
    """The beginning of the text, or the first documents, of at most so many characters, or the least that there is."""
    if isinstance(corpus, str):
        return corpus[: max(2, most)]
    n_whole = int(np.searchsorted(np.cumsum([*map(len, corpus)]), most, "right"))
    return corpus[:n_whole] or [corpus[0][: max(1, most)]]


def _write(model: CharRNN, n_texts: int, longest: int, most: int) -> list[tuple[str, bool]]:
    """Texts of the best model, each of at most so many characters and all together; whether each was cut off."""
    rng, running = generator(model.random_state), model.vocabulary_.end is None
    texts: list[tuple[str, bool]] = []
    while len(texts) < n_texts and most > 0:
        length = min(longest, most)
        text = model.sample(length, random_state=rng)
        texts.append((text, not running and len(text) == length))
        most -= max(1, len(text))
    return texts


def _memorise(model: CharRNN, corpus: str | list[str], most: int) -> dict[str, Any]:
    """Train on the beginning alone, long enough to know it; what is then written without chance."""
    running = isinstance(corpus, str)
    part = _part(corpus, most)
    texts = [part[:most]] if isinstance(part, str) else [*dict.fromkeys(part)]
    all_of_it = {"batch_size": 1, "validation_fraction": 0.0, "patience": None, "dropout": 0.0, "label_smoothing": 0.0}
    small = _fresh(model, epochs=_EPOCHS, max_updates=None, max_seconds=None, **all_of_it)
    learned = texts[0] if running else texts
    run = _train(small, learned, [lambda run: run.seconds > _SECONDS])  # as a `max_seconds` it would be in the schedule
    rows, longest = [], 2 * max(map(len, texts))  # documents end by themselves
    for text, prompt in _beginnings(texts).items():
        length = len(text) - len(prompt) if running else longest
        rows.append((text, prompt, small.sample(length, prompt=prompt, temperature=0)))
    nats, losses = small.evaluate(learned).nats, small.history_.loss
    first = losses[0] if len(losses) else np.nan
    equal = sum(prompt + rest == text for text, prompt, rest in rows)
    epochs = len(small.history_.epochs)
    run |= {"epochs": epochs, "cut": epochs < _EPOCHS and not run["diverged"]}
    return run | {"rows": rows, "equal": equal, "first": first, "nats": nats}


def _beginnings(texts: list[str]) -> dict[str, str]:
    """For each text the shortest beginning that tells it from the others, or all of it if there is none."""
    shared = dict.fromkeys(texts, 0)
    for neighbours in itertools.pairwise(sorted(texts)):
        pairs = zip(*neighbours, strict=False)
        n = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        shared |= {text: max(shared[text], n) for text in neighbours}
    return {text: text[: n + 1] for text, n in shared.items()}


def _time_numpy(model: CharRNN, ids: Ids, seconds: float) -> dict[str, Any]:
    """Let a NumPy loop make updates for so long; how many it made, and how long all of the model's would take."""
    twin = NumpyCharRNN(model.vocabulary_.n_symbols, model.hidden_size, model.seq_length)
    with np.errstate(all="ignore"):  # it is the time that counts
        begin = time.perf_counter()
        twin.train(ids, 1)  # the first one is slow
        n, passed = 0, time.perf_counter() - begin
        if passed >= seconds:  # but it has to do where there is no time for others
            n = 1
        else:
            begin = time.perf_counter()
            while (passed := time.perf_counter() - begin) < seconds or not n:
                twin.train(ids, 1)
                n += 1
    return {"measured": n, "each": passed / n, "seconds": passed / n * model.n_updates_}


def _versions() -> dict[str, str]:
    """What a speed depends on, and the bits of a result may."""
    processor = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        processor = next(filter(None, names), processor)
    found = {"pycharrnn": __version__, "Python": platform.python_version(), "NumPy": np.__version__}
    found |= {"instruction set": _kernels.simd_selected(), "processor": processor}
    return found | {"date": f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"}


def _short(number: float, digits: int = 2) -> str:
    if not 0 <= number < math.inf:  # no update has been made, or NaN
        return "–"
    return f"{number:,.{digits}f}" if 1 <= number < 1e6 else f"{number:.3g}"


def _looked_at(model: CharRNN, n_symbols: int) -> str:
    """What the best weights were chosen by."""
    if model.best_.validation_loss is not None:
        return "the validation text"
    return f"{'a fixed part of ' * (n_symbols > EXCERPTS + 1)}the training text"


def _nats(best: Best) -> float:
    """What the best weights were chosen by, in nats per character; NaN if they were never looked at."""
    losses = (best.validation_loss, best.training_loss)
    return next((nats for nats in losses if nats is not None), math.nan)


def _duration(seconds: float) -> str:
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60:,} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"
