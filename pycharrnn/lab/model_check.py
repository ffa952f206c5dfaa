"""The gradient check of a model: it chooses the windows of a text."""

from __future__ import annotations

from collections.abc import Callable

from pycharrnn.lab import gradcheck
from pycharrnn.lab.gradcheck import Check
from pycharrnn.lab.gradient_table import GradientTable
from pycharrnn.output import is_watched
from pycharrnn.text.corpus import Texts, reading_rule
from pycharrnn.text.reading import read_corpus
from pycharrnn.trained import Trained, exact

__all__ = ["check_model"]


def check_model(model: Trained, X: Texts, settings: Check, log: Callable[[str], object] | None = None) -> GradientTable:
    """Check the gradients of a model for the first windows of a text.

    Raises
    ------
    ValueError
        If the text is too short for the windows.
    """
    text = read_corpus(X, "text")
    if not len(settings.seq_lengths):
        return GradientTable()
    longest = max(settings.seq_lengths)
    needed = settings.batches * longest + 1
    vocabulary, architecture, weights = exact(model, text, longest)
    ids = vocabulary.encode(text, reading_rule(model.on_unknown, model.min_count, vocabulary))[:needed]
    if len(ids) < needed:
        raise ValueError(f"text must have more than {settings.batches} * {longest} characters, it has {len(ids)}")
    shown = is_watched() if model.verbose is None else model.verbose
    shown = shown and (log is None or is_watched())  # in a pipe lines are better than a bar
    return gradcheck.check(architecture, weights, ids, settings, shown=shown, log=log)
