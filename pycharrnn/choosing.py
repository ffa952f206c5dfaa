"""The choice of a network for a text: the text in numbers, and the clock of this machine, for `recipes`."""

from __future__ import annotations

import time
from typing import Any

from pycharrnn.derived import architecture, descent
from pycharrnn.errors import ParameterValueError
from pycharrnn.parameters import Parameters
from pycharrnn.recipes import Subject, choose
from pycharrnn.text.corpus import Corpus
from pycharrnn.training.speed import characters_per_second


def choose_for(params: Parameters, corpus: Corpus, begin: float) -> dict[str, Any]:
    """Choose parameters for a text on this machine.

    Parameters
    ----------
    params : Parameters
        What is given. Parameters that are not open stay as they are.
    corpus : Corpus
        The text.
    begin : float
        When the training began, by `time.perf_counter`.

    Returns
    -------
    dict of str to object
        What was chosen: a value for each name in `presets.CHOSEN`.

    Raises
    ------
    ParameterValueError
        If there is no time limit.

    Examples
    --------
    >>> corpus = Corpus.learn("to be or not to be " * 500)
    >>> found = choose_for(Parameters(auto=True, max_seconds=0.5), corpus, time.perf_counter())
    >>> found["cell"], found["batch_size"], found["epochs"]
    ('gru', 16, None)
    """
    if params.max_seconds is None:
        raise ParameterValueError("max_seconds", "must be given with auto: the network depends on the time, got None")
    n_symbols, documents = corpus.vocabulary.n_symbols, corpus.documents

    def speed(tried: Parameters, most: float) -> float:
        built, rule = architecture(tried, n_symbols, documents), descent(tried)
        return characters_per_second(built, rule, corpus.ids, tried.batch_size, tried.n_threads, most)

    subject = Subject(corpus.n_predicted, n_symbols, documents)
    return choose(params, subject, params.max_seconds - (time.perf_counter() - begin), speed)
