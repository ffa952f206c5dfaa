"""The commands in which a trained model reads a text."""

from __future__ import annotations

import json

from pycharrnn import CharRNN
from pycharrnn.cli import rows
from pycharrnn.cli.command import Command, text_options
from pycharrnn.cli.console import log
from pycharrnn.cli.job import Job
from pycharrnn.cli.options import parameters


def _evaluate(job: Job) -> None:
    found = job.model.evaluate(job.input.text, **job.request.arguments(CharRNN.evaluate))
    if "adapt" in job.request and job.model.ngram_share_:
        log("the network adapts alone: the n-grams of the model take no part in these losses")
    if "json" in job.request:
        print(json.dumps(found._asdict()))
        return
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


EVAL = Command(
    _evaluate,
    "print how well a trained model predicts a text",
    "eval book.safetensors another.txt --on-unknown skip",
    options=lambda: [
        rows.MODEL_FILE,
        *text_options(required=True),
        *parameters(CharRNN.evaluate, without="ngrams"),
        rows.NO_NGRAMS,
        rows.JSON,
        rows.ON_UNKNOWN,
    ],
)

ADAPT = Command(
    _adapt,
    "let a trained model take on the manner of a text, in one reading",
    "adapt book.safetensors letters.txt -o letters.safetensors",
    options=lambda: [
        rows.MODEL_FILE,
        *text_options(required=True),
        rows.ADAPTED,
        rows.SAVE_DTYPE,
        *parameters(CharRNN.adapt),
        rows.ON_UNKNOWN,
    ],
)
