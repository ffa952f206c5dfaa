"""The choice of a network, and of how it is trained, for a text, a time and the speed of this machine."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from pycharrnn.derived import architecture, descent, settled
from pycharrnn.errors import ParameterValueError
from pycharrnn.network.architecture import Architecture
from pycharrnn.parameters import Parameters
from pycharrnn.text.corpus import Corpus
from pycharrnn.training.speed import characters_per_second

_MEASURING = 0.015  # the share of the time that measuring takes, about
_UPDATES = 3  # for which there must be time to measure a network
_UPDATING = 0.93  # the share of the time that goes into updates; validation takes the rest


class Recipe(NamedTuple):
    """A network, and the text that it needs to read.

    Parameters
    ----------
    needs : int
        Characters. A network that reads fewer ends with a higher loss than the recipe before it.
    parameters : dict of str to object
        Those that do not depend on the text.

    Examples
    --------
    >>> RECIPES[0].parameters["hidden_size"] < RECIPES[-1].parameters["hidden_size"]
    True
    """

    needs: int
    parameters: dict[str, Any]


_ALL: dict[str, Any] = {
    "cell": "gru",
    "num_layers": 2,
    "seq_length": 64,
    "batch_size": 16,
    "optimizer": "adam",
    "schedule": "cosine",
    "clip_value": None,
    "clip_norm": 64.0,
    "epochs": None,
    "validation_fraction": 0.1,
}
_LSTM = {"cell": "lstm", "batch_size": 32, "learning_rate": 0.004, "schedule": None, "ema_decay": 0.9995}

# From small to large.
RECIPES = (
    Recipe(0, {"hidden_size": 64, "learning_rate": 0.012}),
    Recipe(1_500_000, {"hidden_size": 96, "learning_rate": 0.01}),
    Recipe(2_500_000, {"hidden_size": 128, "learning_rate": 0.009}),
    Recipe(5_000_000, {"hidden_size": 192, "learning_rate": 0.006}),
    Recipe(10_000_000, {"hidden_size": 256, "learning_rate": 0.008, "batch_size": 32}),
    Recipe(12_000_000, {"hidden_size": 512, **_LSTM, "zoneout": 0.025, "cell_zoneout": 0.05}),
)


def regularization(n_characters: int, n_read: float) -> dict[str, Any]:
    """Return dropout and weight decay for a text of so many characters, of which so many are read, again and again.

    Examples
    --------
    >>> regularization(10**7, 10**7)["dropout"] < regularization(10**6, 10**7)["dropout"]
    True
    """
    passes = n_read / n_characters
    return {"dropout": 0.0 if passes < 4 else 0.1 if passes < 12 else 0.3 if passes < 30 else 0.5}


def choose(params: Parameters, corpus: Corpus, begin: float) -> dict[str, Any]:
    """Choose parameters for a text.

    Parameters
    ----------
    params : Parameters
        What is given. Parameters that are not the defaults stay as they are.
    corpus : Corpus
        The text.
    begin : float
        When the training began, by `time.perf_counter`.

    Returns
    -------
    dict of str to object
        What was chosen.

    Raises
    ------
    ParameterValueError
        If there is no time limit.

    Examples
    --------
    >>> corpus = Corpus.learn("to be or not to be " * 50)
    >>> found = choose(Parameters(auto=True, max_seconds=0.5), corpus, time.perf_counter())
    >>> found["cell"], found["num_layers"]
    ('gru', 2)
    """
    if params.max_seconds is None:
        raise ParameterValueError("max_seconds", "must be given with auto: the network depends on the time, got None")
    left = (params.max_seconds - (time.perf_counter() - begin)) * _UPDATING
    clock = _Clock(params, corpus, _MEASURING * params.max_seconds)
    chosen = RECIPES[0].parameters
    n_read = left * clock.speed(chosen)
    for recipe in RECIPES[1:]:
        likely = n_read * clock.products(chosen) / clock.products(recipe.parameters)
        if likely < recipe.needs or left * clock.speed(recipe.parameters) < recipe.needs:
            break
        chosen = recipe.parameters
        n_read = left * clock.speed(chosen)
    return _ALL | chosen | regularization(corpus.n_predicted, n_read)


class _Clock:
    """How fast this machine trains networks on a text. All measurements share `max_seconds`."""

    def __init__(self, params: Parameters, corpus: Corpus, max_seconds: float) -> None:
        self._params = params
        self._corpus = corpus
        self._end = time.perf_counter() + max_seconds
        self._known: tuple[float, float] | None = None  # characters per second, and products of each

    def speed(self, chosen: dict[str, Any]) -> float:
        """Characters per second: measured, or, when the time is over, as many products as were measured last."""
        products = self.products(chosen)
        left = self._end - time.perf_counter()
        params = self._settled(chosen)
        if self._known is None or left > _UPDATES * params.seq_length * params.batch_size / self._known[0]:
            speed = characters_per_second(
                self._network(chosen), descent(params), self._corpus.ids, params.batch_size, params.n_threads, left / 3
            )
            self._known = speed, products
        return self._known[0] * self._known[1] / products

    def products(self, chosen: dict[str, Any]) -> float:
        """Multiplications for each character that is read forwards."""
        network = self._network(chosen)
        gathered = 0 if network.embedding_size else network.shapes["U"][0] * network.n_symbols
        return float(network.n_parameters - gathered)

    def _settled(self, chosen: dict[str, Any]) -> Parameters:
        return settled(self._params, _ALL | chosen)

    def _network(self, chosen: dict[str, Any]) -> Architecture:
        return architecture(self._settled(chosen), self._corpus.vocabulary.n_symbols, self._corpus.documents)
