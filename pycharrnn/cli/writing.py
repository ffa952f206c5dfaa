"""The commands in which a model writes."""

from __future__ import annotations

from pycharrnn import CharRNN
from pycharrnn.cli import rows
from pycharrnn.cli.command import Command
from pycharrnn.cli.console import print_texts, stdout
from pycharrnn.cli.corpora import TrainingText
from pycharrnn.cli.failures import Stop
from pycharrnn.cli.inputs import read_prompt
from pycharrnn.cli.job import Job
from pycharrnn.cli.options import Either, parameters
from pycharrnn.output import write
from pycharrnn.sampling.settings import Sampling


def _sample(job: Job) -> None:
    documents = job.model.vocabulary_.end is not None
    given = job.request.arguments(Sampling) | job.request.arguments(CharRNN.sample) | {"prompt": job.input.text}
    if "novel" in job.request:
        given["novel"] = TrainingText(job.request["novel"], job.request.get("span", 20)).index
    elif "span" in job.request:
        raise Stop("--span is of the copies that --novel refuses; add --novel FILE", 2)
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


SAMPLE = Command(
    _sample,
    "print what a trained model writes: a text, or documents, one per line",
    'sample book.safetensors -n 500 --prompt "It was " --temperature 0.7',
    options=lambda: [
        rows.MODEL_FILE,
        Either(rows.PROMPT, rows.PROMPT_FILE),
        *parameters(Sampling, without="constraint novel"),
        rows.NOVEL,
        rows.SPAN,
        rows.GREEDY,
        rows.N_SAMPLES,
        rows.NO_NGRAMS,
        rows.STREAM,
        rows.RAW,
        rows.RANDOM_STATE,
        rows.ON_UNKNOWN,
    ],
    read=read_prompt,
)
