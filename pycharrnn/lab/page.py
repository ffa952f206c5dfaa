"""The page of a report: what was found, as one HTML file that fetches nothing and runs nothing."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib import resources
from typing import Any, Literal, NamedTuple

import numpy as np

from pycharrnn import CharRNN
from pycharrnn.derived import descent, held_out
from pycharrnn.lab import plots
from pycharrnn.lab.experiments import Memorised, Timing, Training, Written, fresh, rate
from pycharrnn.lab.gradient_table import GradientTable, counted, percent
from pycharrnn.network.evaluation import Evaluation
from pycharrnn.network.scoring import EXCERPTS
from pycharrnn.network.state import Best
from pycharrnn.versions import versions

__all__ = ["Findings", "Settings", "duration", "render"]

_TEXTS = 24  # so many texts of the training are shown
# What a page would not show, or would obey, is shown as a picture or an escape; line ends and tabs stay.
_ESCAPED = (*range(0x80, 0xA0), 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_VISIBLE: dict[int, int | str] = {c: f"\\u{c:04x}" for c in _ESCAPED}
_VISIBLE |= {c: 0x2400 + c for c in range(32) if c not in (9, 10)} | {127: 0x2421}


class Settings(NamedTuple):
    """What a report is asked to do: the parameters of `report.write`."""

    source: str
    sample_every: int
    sample_length: int
    seq_lengths: Sequence[int]
    batches: int
    h: float
    eps: float
    tolerance: float
    max_entries: int | Literal["auto"] | None
    check_seconds: float | None
    compare: tuple[str, Sequence[Any]] | None
    memorize: int
    numpy_seconds: float
    log: Callable[[str], object]


class Findings(NamedTuple):
    """What was found.

    Parameters
    ----------
    settings : Settings
        What was asked for.
    source : str
        What to call the text.
    n_documents : int or None
        How many documents it has; None for running text.
    n_characters, n_symbols : int
        Its characters, and its symbols: these include the ends of documents.
    skipped : int
        Rows that gave no document.
    model : CharRNN
        The trained model.
    characters_read : int
        Characters that its training read.
    runs : dict of str to Training
        Its training and those that are compared with it, by name and in the order of the page.
    fitting : list of int
        The lengths of windows that the text is long enough for.
    gradients : GradientTable
        Their gradient errors.
    evaluation : Evaluation
        Of the first `n_evaluated` characters.
    n_evaluated : int
        How many of them.
    written : list of Written
        What the best model writes.
    memorised : Memorised or None
        How well a text was memorised.
    timing : Timing or None
        How long the NumPy loop takes.
    """

    settings: Settings
    source: str
    n_documents: int | None
    n_characters: int
    n_symbols: int
    skipped: int
    model: CharRNN
    characters_read: int
    runs: dict[str, Training]
    fitting: list[int]
    gradients: GradientTable
    evaluation: Evaluation
    n_evaluated: int
    written: list[Written]
    memorised: Memorised | None
    timing: Timing | None


def render(found: Findings) -> bytes:
    """Return the page."""
    model = found.model
    texts = model.history_.texts
    shown = np.unique(np.linspace(0, len(texts) - 1, _TEXTS).round().astype(int))
    data = found._asdict() | {
        "run": next(run for run in found.runs.values() if run.model is model),
        "held_out": held_out(model.chosen_),
        "epochs_read": found.characters_read / (found.n_symbols - 1) / (1 - held_out(model.chosen_)),
        "looked_at": _looked_at(found),
        "figure": plots.losses_svg(model.history_, "Loss and smooth loss against updates"),
        "compared": _compared(found),
        "texts": [texts[i] for i in shown],
        "left_out": len(texts) - len(shown),
        "tensors": _by_tensor(found.gradients),
        "too_long": [T for T in found.settings.seq_lengths if T not in found.fitting],
        "params": model.get_params() | {"optimizer": descent(model).rule, "learning_rate": rate(model)},
        "repeat": _repeat(model),
        "versions": _versions(),
    }
    template = resources.files("pycharrnn.lab").joinpath("report.html").read_text("utf-8")
    page = str(_environment().from_string(template).render(data))
    return page.encode("utf-8", "backslashreplace")  # a lone surrogate becomes \udXXX


def _environment() -> Any:
    jinja2: Any = importlib.import_module("jinja2")
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: value.translate(_VISIBLE) if type(value) is str else value,
    )
    environment.filters |= {
        "count": "{:,}".format,
        "short": _short,
        "times": lambda ratio: f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}",
        "repr": repr,
        "error": "{:.1e}".format,
        "percent": percent,
        "of": counted,
        "nats": _nats,
        "duration": duration,
    }
    return environment


def _compared(found: Findings) -> str:
    """The figure of a comparison, or ""."""
    compare = found.settings.compare
    if not compare:
        return ""
    curves = {label: run.model.history_ for label, run in found.runs.items() if len(run.model.history_)}
    return plots.losses_svg(curves, "Smooth loss of each training", per_character=compare[0] == "seq_length")


def _by_tensor(gradients: GradientTable) -> dict[str, GradientTable]:
    """The rows of each tensor."""
    names = dict.fromkeys(row.name for row in gradients)
    return {name: GradientTable(row for row in gradients if row.name == name) for name in names}


def _repeat(model: CharRNN) -> str:
    """The model to train once more: a limit of time becomes the number of updates that were made in it."""
    again = {} if model.max_seconds is None else {"max_updates": model.n_updates_, "max_seconds": None}
    return repr(fresh(model, verbose=None, **again))


def _versions() -> dict[str, str]:
    """What a speed depends on, and the bits of a result may."""
    found = versions()
    names = ("pycharrnn", "Python", "NumPy", "instruction set", "processor")
    return {name: found[name] for name in names} | {"date": f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"}


def _looked_at(found: Findings) -> str:
    """What the best weights were chosen by."""
    if found.model.best_.validation_loss is not None:
        return "the validation text"
    return f"{'a fixed part of ' * (found.n_symbols > EXCERPTS + 1)}the training text"


def _nats(best: Best) -> float:
    """What the best weights were chosen by, in nats per character; NaN if nobody looked at them."""
    losses = (best.validation_loss, best.training_loss)
    return next((nats for nats in losses if nats is not None), math.nan)


def _short(number: float, digits: int = 2) -> str:
    """A loss with some digits, or a dash: no update has been made, or NaN."""
    if not 0 <= number < math.inf:
        return "–"
    return f"{number:,.{digits}f}" if 1 <= number < 1e6 else f"{number:.3g}"


def duration(seconds: float) -> str:
    """Return a time as one says it.

    Examples
    --------
    >>> duration(4.12), duration(101), duration(5400)
    ('4.1 s', '1 min 41 s', '1 h 30 min')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60:,} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"
