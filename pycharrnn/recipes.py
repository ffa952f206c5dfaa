"""The choice of a network, and of how it is trained, for a text, a time and the speed of this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
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
_SHORT = 100_000  # characters
_OFTEN = 16  # passes: a text that is read more often is soon memorised
_AGAIN = 3  # passes: a smaller network that reads a text more often no longer gains much
_FEW = 1_000  # characters: a part of a smaller text tells nothing about the rest
_LARGE = 500_000  # characters: a smaller part of a larger text tells enough
_ORDERS = 7, 9  # of the n-grams of a short and of a longer text; more gain little
_AVERAGED = 0.25  # the share of the updates that the average of the weights remembers
_PASSES = 10  # passes over the text that it remembers at most


class Recipe(NamedTuple):
    """A network, and the characters that it needs to read: with fewer it ends with a higher loss than a smaller one.

    Parameters
    ----------
    parameters : dict of str to object
        Those of the network, and the learning rate that it takes.
    least : int
        Characters that it needs of a short text, which a smaller network would read too often.
    fresh : int
        Characters that it needs of a long text, which it reads once.

    Examples
    --------
    >>> small, large = QUICK[1], QUICK[3]
    >>> small.needs(10**6) < large.needs(10**6) < large.needs(10**7)
    True
    """

    parameters: dict[str, Any]
    least: int = 0
    fresh: int = 0

    def needs(self, n_characters: int) -> int:
        """Characters that it needs of a text of so many."""
        return max(self.least, min(self.fresh, _AGAIN * n_characters))


def _network(cell: str, num_layers: int, hidden_size: int, learning_rate: float) -> dict[str, Any]:
    return {"cell": cell, "num_layers": num_layers, "hidden_size": hidden_size, "learning_rate": learning_rate}


# From small to large. For texts that are read a few times: networks that learn as much as they can.
QUICK = (
    Recipe(_network("gru", 2, 64, 0.012)),
    Recipe(_network("gru", 2, 96, 0.01), 1_000_000, 1_200_000),
    Recipe(_network("gru", 2, 128, 0.009), 2_200_000, 3_000_000),
    Recipe(_network("gru", 2, 192, 0.007), 2_900_000, 7_000_000),
    Recipe(_network("gru", 2, 256, 0.006), 3_300_000, 12_000_000),
    Recipe(_network("gru", 2, 384, 0.005), 5_000_000, 25_000_000),
)
# For texts that are read often: networks that must not memorise, at a constant rate with an average of their weights.
# A short text teaches a network of one layer.
SHORT = (
    Recipe(_network("gru", 1, 128, 0.004)),
    Recipe(_network("gru", 1, 192, 0.003)),
    Recipe(_network("gru", 1, 256, 0.003)),
)
LONG = (
    Recipe(_network("lstm", 2, 256, 0.004), 4_000_000),
    Recipe(_network("lstm", 2, 384, 0.004), 8_000_000),
    Recipe(_network("lstm", 2, 512, 0.004), 16_000_000),
)


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
        What was chosen: a value for each name in `presets.CHOSEN`.

    Raises
    ------
    ParameterValueError
        If there is no time limit.

    Examples
    --------
    >>> corpus = Corpus.learn("to be or not to be " * 500)
    >>> found = choose(Parameters(auto=True, max_seconds=0.5), corpus, time.perf_counter())
    >>> found["cell"], found["batch_size"], found["epochs"]
    ('gru', 16, None)
    """
    if params.max_seconds is None:
        raise ParameterValueError("max_seconds", "must be given with auto: the network depends on the time, got None")
    n = corpus.n_predicted
    batch_size = max(1, min(16, n // 256))
    usual = {
        "seq_length": 64,
        "batch_size": batch_size,
        "optimizer": "adam",
        "clip_value": None,
        "clip_norm": 64.0,
        "epochs": None,
        "validation_fraction": (0.05 if n >= _LARGE else 0.1) if n >= _FEW else 0.0,
        "ngram_order": _ORDERS[n >= _SHORT] if n >= _FEW else None,
    }
    left = (params.max_seconds - (time.perf_counter() - begin)) * _UPDATING
    clock = _Clock(params, corpus, usual, _MEASURING * params.max_seconds)
    chosen, n_read = _largest(QUICK, clock, left)
    how = quick(n_read / n)
    recipes = SHORT if n < _SHORT else LONG
    if n_read > _OFTEN * n and left * clock.speed(recipes[0].parameters) > max(_OFTEN * n, recipes[0].least):
        chosen, n_read = _largest(recipes, clock, left, _OFTEN)
        how = thorough(n, n_read, 64 * batch_size)
    return usual | chosen | how


def quick(passes: float) -> dict[str, Any]:
    """Return how a network is trained that reads a text so many times, if these are few.

    Examples
    --------
    >>> quick(2.0)["dropout"], quick(12.0)["dropout"]
    (0.0, 0.2)
    """
    dropout = next(rate for most, rate in ((3, 0.0), (9, 0.1), (13, 0.2), (math.inf, 0.3)) if passes < most)
    return {
        "dropout": dropout,
        "output_dropout": min(dropout, 0.1),
        "weight_decay": 0.1 if dropout else 0.0,
        "zoneout": 0.0,
        "cell_zoneout": 0.0,
        "label_smoothing": 0.0,
        "schedule": "cosine",
        "ema_decay": 0.0,
    }


def thorough(n_characters: float, n_read: float, window: int) -> dict[str, Any]:
    """Return how a network is trained that reads a text often.

    Parameters
    ----------
    n_characters : float
        Characters of the text.
    n_read : float
        Characters that the training reads.
    window : int
        Characters of an update.

    Examples
    --------
    >>> thorough(10**6, 18e6, 2048)["dropout"], thorough(50_000, 1.6e6, 1024)["dropout"]
    (0.35, 0.6)
    """
    averaged = max(1.0, min(_AVERAGED * n_read, _PASSES * n_characters) / window)  # updates
    large = n_characters > _LARGE
    return {
        "dropout": 0.35 if large else 0.5 if n_characters > _SHORT else 0.6,
        "output_dropout": None,
        "weight_decay": 0.05 if large else 0.1,
        "zoneout": 0.025 if large else 0.05,
        "cell_zoneout": 0.05 if large else 0.1,
        "label_smoothing": 0.04 if large else 0.0,
        "schedule": None,
        "ema_decay": min(1 - 1 / (1 + averaged), 0.9999),
    }


def _largest(recipes: Sequence[Recipe], clock: _Clock, seconds: float, passes: int = 0) -> tuple[dict[str, Any], float]:
    """The largest network that reads as much as it needs, and the text so many times, and how much it reads."""
    n_characters = clock.n_characters
    least = passes * n_characters
    chosen = recipes[0].parameters
    n_read = seconds * clock.speed(chosen)
    for recipe in recipes[1:]:
        needs = max(recipe.needs(n_characters), least)
        likely = n_read * clock.products(chosen) / clock.products(recipe.parameters)
        if likely < needs:
            break
        n_measured = seconds * clock.speed(recipe.parameters)
        if n_measured < needs:
            break
        chosen = recipe.parameters
        n_read = n_measured
    return chosen, n_read


class _Clock:
    """How fast this machine trains networks on a text. All measurements share `max_seconds`."""

    def __init__(self, params: Parameters, corpus: Corpus, usual: dict[str, Any], max_seconds: float) -> None:
        self._params = params
        self.n_characters = corpus.n_predicted
        self._corpus = corpus
        self._usual = usual
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
        return settled(self._params, self._usual | chosen)

    def _network(self, chosen: dict[str, Any]) -> Architecture:
        return architecture(self._settled(chosen), self._corpus.vocabulary.n_symbols, self._corpus.documents)
