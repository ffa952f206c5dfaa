"""The experiments of a report: trainings, memorising, timing, writing. Each gives a record of how it went."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pycharrnn import CharRNN
from pycharrnn.arguments import Choice, generator
from pycharrnn.arrays import Ids
from pycharrnn.benchmark import NumpyCharRNN
from pycharrnn.derived import descent
from pycharrnn.errors import ParameterValueError, TrainingDivergedError
from pycharrnn.messages import shown
from pycharrnn.parameters import check_parameters
from pycharrnn.training.callbacks import Callback

__all__ = [
    "LIMITS",
    "Limits",
    "Memorised",
    "Recalled",
    "Timing",
    "Training",
    "Written",
    "beginning",
    "beginnings",
    "can_be_timed",
    "fresh",
    "memorise",
    "n_weights",
    "rate",
    "time_numpy",
    "train",
    "variants",
    "write_texts",
]


class Limits(NamedTuple):
    """How far experiments go.

    Parameters
    ----------
    epochs : int
        Passes over a text that is memorised.
    seconds : float
        How long memorising takes at most.
    work : float
        Characters times weights that are evaluated: some seconds.
    weights : int
        Most that a NumPy loop is timed with: it takes 48 bytes and some 10 ns for each.
    """

    epochs: int = 5000
    seconds: float = 30.0
    work: float = 5e10
    weights: int = 2**24


LIMITS = Limits()


class Training(NamedTuple):
    """A training and how it went.

    Parameters
    ----------
    model : CharRNN
        The trained model.
    seconds : float
        How long it took.
    diverged : TrainingDivergedError or None
        Why it ended early, if it did.
    """

    model: CharRNN
    seconds: float
    diverged: TrainingDivergedError | None


class Recalled(NamedTuple):
    """A text that was memorised, and what the model makes of it.

    Parameters
    ----------
    text : str
        The text.
    prompt : str
        Its beginning, which the model was given.
    rest : str
        What the model wrote, always the likeliest character.
    """

    text: str
    prompt: str
    rest: str

    @property
    def equal(self) -> bool:
        """Whether it wrote the text."""
        return self.prompt + self.rest == self.text


class Memorised(NamedTuple):
    """How well a text was memorised.

    Parameters
    ----------
    training : Training
        The training on that text alone.
    rows : list of Recalled
        The text, or each document.
    epochs : int
        Passes that were made.
    cut : bool
        Whether the limit of time ended them.
    first : float
        Loss of the first window, in nats; NaN if there was none.
    nats : float
        Loss of the whole text by the best weights, in nats per character.
    """

    training: Training
    rows: list[Recalled]
    epochs: int
    cut: bool
    first: float
    nats: float

    @property
    def n_equal(self) -> int:
        """How many of the texts it wrote."""
        return sum(row.equal for row in self.rows)


class Timing(NamedTuple):
    """How long the NumPy loop takes.

    Parameters
    ----------
    measured : int
        Updates that were timed.
    each : float
        Seconds of one.
    seconds : float
        Seconds of all the updates of a model.
    """

    measured: int
    each: float
    seconds: float


class Written(NamedTuple):
    """A text that a model wrote.

    Parameters
    ----------
    text : str
        The text.
    cut : bool
        Whether it is a document that was cut off.
    """

    text: str
    cut: bool


def fresh(model: CharRNN, **changes: Any) -> CharRNN:
    """Return a model with the same parameters but for the changes, not trained."""
    return CharRNN(**(model.get_params() | changes))


def rate(model: CharRNN) -> float:
    """Return the learning rate; of a model that has None, the usual one of its rule."""
    return descent(model).numbers().rate


def n_weights(model: CharRNN) -> int:
    """Return how many weights a trained model has."""
    return sum(array.size for array in model.params_.values())


def variants(model: CharRNN, compare: tuple[str, Sequence[Any]] | None) -> dict[str, CharRNN]:
    """Return the models to train by what to call them: `model` itself, and one for each other value."""
    if compare is None:
        return {"": model}
    if not (isinstance(compare, (tuple, list)) and len(compare) == 2 and isinstance(compare[1], (tuple, list, range))):
        raise ParameterValueError("compare", f"must be (parameter, list of values) or None, got {shown(compare)}")
    name, values = compare
    known = (p for p in model.get_params() if p not in ("verbose", "on_unknown"))
    Choice(*known).check("the parameter in compare", name)
    own = rate(model) if name == "learning_rate" else getattr(model, name)
    models = {f"{name}={value}": fresh(model, **{name: value}) for value in (*[own] * (own not in values), *values)}
    models[f"{name}={own}"] = model
    for one in models.values():
        check_parameters(one)
    if len(models) == 1:
        problem = f"must have a value of {name} other than the model's own, {shown(own)}; got {shown(values)}"
        raise ParameterValueError("compare", problem)
    return models


def train(model: CharRNN, corpus: str | list[str], callbacks: Sequence[Callback] = ()) -> Training:
    """Fit a model and time it. A training that diverges is a result, too."""
    begin = time.perf_counter()
    diverged = None
    try:
        model.fit(corpus, callbacks=callbacks)
    except TrainingDivergedError as error:
        diverged = error
    return Training(model, time.perf_counter() - begin, diverged)


def beginning(corpus: str | list[str], most: int) -> str | list[str]:
    """Return the beginning of a text, or the first documents, of at most so many characters, but never nothing.

    Examples
    --------
    >>> beginning("la la la", 5), beginning(["one", "two", "three"], 7), beginning(["three"], 2)
    ('la la', ['one', 'two'], ['th'])
    """
    if isinstance(corpus, str):
        return corpus[: max(2, most)]
    n_whole = int(np.searchsorted(np.cumsum([*map(len, corpus)]), most, "right"))
    return corpus[:n_whole] or [corpus[0][: max(1, most)]]


def write_texts(model: CharRNN, n_texts: int, longest: int, most: int) -> list[Written]:
    """Let the best model write texts of at most `longest` characters each, and `most` all together."""
    rng = generator(model.random_state)
    running = model.vocabulary_.end is None
    texts: list[Written] = []
    while len(texts) < n_texts and most > 0:
        length = min(longest, most)
        text = model.sample(length, random_state=rng)
        texts.append(Written(text, cut=not running and len(text) == length))
        most -= max(1, len(text))
    return texts


def memorise(model: CharRNN, corpus: str | list[str], most: int) -> Memorised:
    """Train on the beginning alone, long enough to know it, and let the model write it."""
    part = beginning(corpus, most)
    running = isinstance(part, str)
    texts = [part[:most]] if isinstance(part, str) else [*dict.fromkeys(part)]
    all_of_it = {"batch_size": 1, "validation_fraction": 0.0, "patience": None, "dropout": 0.0, "label_smoothing": 0.0}
    all_of_it |= {"output_dropout": None, "zoneout": 0.0, "cell_zoneout": 0.0, "ema_decay": 0.0, "ngram_order": None}
    small = fresh(model, epochs=LIMITS.epochs, max_updates=None, max_seconds=None, **all_of_it)
    learned = texts[0] if running else texts
    # a callback ends it: a `max_seconds` would be in the schedule
    training = train(small, learned, [lambda run: run.seconds > LIMITS.seconds])
    longest = 2 * max(map(len, texts))  # documents end by themselves
    rows = []
    for text, prompt in beginnings(texts).items():
        length = len(text) - len(prompt) if running else longest
        rows.append(Recalled(text, prompt, small.sample(length, prompt=prompt, temperature=0)))
    losses = small.history_.loss
    epochs = len(small.history_.epochs)
    return Memorised(
        training,
        rows,
        epochs=epochs,
        cut=epochs < LIMITS.epochs and not training.diverged,
        first=float(losses[0]) if len(losses) else np.nan,
        nats=small.evaluate(learned).nats,
    )


def beginnings(texts: list[str]) -> dict[str, str]:
    """Return for each text the shortest beginning that tells it from the others, or all of it if there is none.

    Examples
    --------
    >>> beginnings(["ann", "anna", "bob"])
    {'ann': 'ann', 'anna': 'anna', 'bob': 'b'}
    """
    shared = dict.fromkeys(texts, 0)
    for neighbours in itertools.pairwise(sorted(texts)):
        pairs = zip(*neighbours, strict=False)
        n = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        shared |= {text: max(shared[text], n) for text in neighbours}
    return {text: text[: n + 1] for text, n in shared.items()}


def can_be_timed(model: CharRNN) -> bool:
    """Whether the NumPy loop can do the work of a trained model, and has the memory for it."""
    return (model.cell, model.num_layers, model.batch_size) == ("rnn", 1, 1) and n_weights(model) <= LIMITS.weights


def time_numpy(model: CharRNN, ids: Ids, seconds: float) -> Timing:
    """Let the NumPy loop do the work of a trained model for so long."""
    twin = NumpyCharRNN(model.vocabulary_.n_symbols, model.hidden_size, model.seq_length)
    with np.errstate(all="ignore"):  # it is the time that counts
        begin = time.perf_counter()
        twin.train(ids, 1)  # the first one is slow
        passed = time.perf_counter() - begin
        n = 1
        if passed < seconds:  # else it has to do: there is no time for others
            n = 0
            begin = time.perf_counter()
            while (passed := time.perf_counter() - begin) < seconds or not n:
                twin.train(ids, 1)
                n += 1
    return Timing(n, passed / n, passed / n * model.n_updates_)
