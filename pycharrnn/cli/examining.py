"""The commands that examine texts: what of them is copied, and which are unusual."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

from pycharrnn import CharRNN
from pycharrnn.cli import rows
from pycharrnn.cli.command import Command, text_options
from pycharrnn.cli.console import log
from pycharrnn.cli.corpora import Listed, TrainingText, line_of, read_lines
from pycharrnn.cli.failures import Stop
from pycharrnn.cli.job import Job
from pycharrnn.cli.options import parameters
from pycharrnn.errors import UnknownCharacterError
from pycharrnn.output import count, escaped, write

_TOP = 20  # rows of a table, if nothing else is said
_ENDS = str.maketrans({"\n": "\\n", "\t": "\\t", "\r": "\\r"})


def _novelty(job: Job) -> None:
    training = TrainingText(job.request["corpus"], job.request.get("span", 20))
    texts = job.input.text if isinstance(job.input.text, list) else [job.input.text]
    found = [training.index.novelty(text) for text in texts]
    if "json" in job.request:
        for text, one in zip(texts, found, strict=True):
            copies = [span._asdict() | {"text": text[span.start : span.end]} for span in one.spans]
            _say(json.dumps(one._asdict() | {"spans": copies}), cut=False)
        return
    size = sum(one.n_characters for one in found)
    copied = sum(one.copied * one.n_characters for one in found) / max(1, size)
    spans = [(i, span) for i, one in enumerate(found) for span in one.spans]
    spans.sort(key=lambda pair: pair[1].start - pair[1].end)  # the longest first
    stand = f"{copied:.1%} of {count(size, 'character')} stand in {job.request['corpus']!r}"
    _say(f"{stand}: {count(len(spans), 'span')} of {training.index.n} or more", cut=False)
    cells = [("length", "here", "there", "text")]
    for i, span in spans[: _top(job, len(spans))]:
        here = f"document {i + 1:,}" if isinstance(job.input.text, list) else line_of(texts[i], span.start)
        cells.append((str(span.end - span.start), here, training.place_of(span), texts[i][span.start : span.end]))
    _table(cells, len(spans), "span")


def _rank(job: Job) -> None:
    assert isinstance(job.input, Listed)
    model, noun = job.model, job.input.noun
    kept = [i for i, text in enumerate(job.input.text) if _is_predicted(model, text)]
    texts, numbers = [job.input.text[i] for i in kept], [job.input.numbers[i] for i in kept]
    if left := len(job.input.text) - len(kept):
        log(f"{count(left, noun)} left out: fewer than two characters that the model knows")
    try:
        ranked = model.rank(texts, **job.request.arguments(CharRNN.rank))
    except UnknownCharacterError as error:
        character, position, place = error.args
        problem = f"unknown character {character!a} (U+{ord(character):04X}) at position {position}"
        raise Stop(
            f"{job.input.name}: {noun} {numbers[place]:,}: {problem}; pass --on-unknown skip or --on-unknown replace", 1
        ) from None
    if "least" not in job.request:
        ranked.reverse()
    top = ranked[: _top(job, len(ranked))]
    if "json" in job.request:
        for one in top:
            where = {noun: numbers[one.place], "nats": one.nats, "n_characters": one.n_characters, "text": one.text}
            _say(json.dumps(where), cut=False)
        return
    cells = [(f"{one.nats:.4f}", f"{numbers[one.place]:,}", one.text) for one in top]
    _table([("nats", noun, "text"), *cells], len(ranked), noun)


def _is_predicted(model: CharRNN, text: str) -> bool:
    """Whether there is anything to predict in a text. A model of running text predicts no first character."""
    if model.vocabulary_.end is not None:
        return True
    if model.on_unknown == "skip":
        text = "".join(character for character in text if character in model.vocabulary_)
    return len(text) > 1


def _table(cells: Sequence[Sequence[str]], n: int, noun: str) -> None:
    """Print a table whose last column is a text, and say how many more of n rows there are."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)][:-1]
    if len(cells) > 1:
        for *row, text in cells:
            _say("  ".join([*(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)), text]))
    if n >= len(cells):
        log(f"and {count(n + 1 - len(cells), f'more {noun}')}; --top none shows all")


def _top(job: Job, n: int) -> int:
    """How many of n rows are printed."""
    usual = n if "json" in job.request else _TOP
    top = job.request.get("top", usual)
    return n if top is None else min(n, top)


def _say(line: str, cut: bool = True) -> None:
    """Print what is one line, whatever the text in it; on a terminal it may be cut off at the margin."""
    line = escaped(line.translate(_ENDS))
    if cut and sys.stdout is not None and sys.stdout.isatty():
        columns = max(os.get_terminal_size(sys.stdout.fileno()).columns or 80, 20)
        line = line if len(line) < columns else f"{line[: columns - 4]}..."
    write(line + "\n", sys.stdout)


NOVELTY = Command(
    _novelty,
    "print which parts of a text stand word for word in the text that a model was trained on",
    "sample book.safetensors -n 5000 | pycharrnn novelty book.txt -\nnovelty book.safetensors sample.txt --span 30",
    options=lambda: [
        rows.CORPUS_FILE,
        rows.TEXTS,
        *text_options()[1:],  # without a corpus instead of TEXT
        rows.SPAN,
        rows.TOP,
        rows.JSON,
    ],
)

RANK = Command(
    _rank,
    "print the lines of a text, or documents, that surprise a model most",
    "rank log.safetensors today.log --top 10 --on-unknown skip",
    options=lambda: [
        rows.MODEL_FILE,
        rows.TEXTS,
        *text_options()[1:],  # without a corpus instead of TEXT
        rows.LEAST,
        rows.TOP,
        rows.JSON,
        *parameters(CharRNN.rank),
        rows.ON_UNKNOWN,
    ],
    read=read_lines,
)
