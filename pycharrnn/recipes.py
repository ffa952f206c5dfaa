"""The choice of a network, and of how it is trained, for a text, a time and the speed of this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pycharrnn.derived import architecture, settled
from pycharrnn.parameters import Parameters
from pycharrnn.training.ngrams import most_counted

_MEASURING = 0.015  # the share of the time that measuring takes, about
_UPDATES = 3  # for which there must be time to measure a network
_UPDATING = 0.93  # the share of the time that goes into updates; validation takes the rest
_SHORT = 100_000  # characters
_OFTEN = 16  # passes: a text that is read more often is soon memorised
_AGAIN = 3  # passes: a smaller network that reads a text more often no longer gains much
_FEW = 1_000  # characters: a part of a smaller text tells nothing about the rest
_LARGE = 500_000  # characters: a smaller part of a larger text tells enough
_COUNTING = 1e-6  # seconds that a symbol takes while n-grams are counted, about
_ORDERS = 7, 9  # of the n-grams of a short and of a longer text; more gain little
_AVERAGED = 0.25  # the share of the updates that the average of the weights remembers
_PASSES = 10  # passes over the text that it remembers at most
Speed = Callable[[Parameters, float], float]
"""Characters per second with some parameters, measured in about so many seconds."""


class Subject(NamedTuple):
    """A text in numbers.

    Parameters
    ----------
    n_characters : int
        Predictions in one pass over it.
    n_symbols : int
        Different symbols.
    documents : bool
        Whether it is documents.

    Examples
    --------
    >>> Subject(1_000_000, 65, False).n_symbols
    65
    """

    n_characters: int
    n_symbols: int
    documents: bool


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


def choose(params: Parameters, subject: Subject, seconds: float, speed: Speed) -> dict[str, Any]:
    """Choose parameters for a text.

    Parameters
    ----------
    params : Parameters
        What is given. Parameters that are not open stay as they are, and constrain the choice of the others.
    subject : Subject
        The text.
    seconds : float
        What is left of the time.
    speed : callable
        How fast this machine trains with some parameters.

    Returns
    -------
    dict of str to object
        What was chosen: a value for each name in `presets.CHOSEN`.

    Examples
    --------
    >>> found = choose(Parameters(auto=True), Subject(10**6, 65, False), 20.0, lambda params, most: 250_000.0)
    >>> found["cell"], found["hidden_size"], found["epochs"]
    ('gru', 96, None)
    """
    n = subject.n_characters
    usual = {
        "seq_length": 64,
        "batch_size": max(1, min(16, n // 256)),
        "optimizer": "adam",
        "clip_value": None,
        "clip_norm": 64.0,
        "epochs": None,
        "validation_fraction": (0.05 if n >= _LARGE else 0.1) if n >= _FEW else 0.0,
        "ngram_order": _ORDERS[n >= _SHORT] if n >= _FEW else None,
    }
    clock = _Clock(params, subject, usual, speed, _MEASURING * seconds)
    used = clock.settled({})
    if not used.validation_fraction:  # there is no text to choose their share by
        usual["ngram_order"] = None
    elif used.ngram_order is not None:
        seconds -= _COUNTING * min(n, most_counted(seconds))
    left = seconds * _UPDATING
    chosen, n_read = _largest(_within(QUICK, clock), clock, left)
    how = quick(n_read / n)
    recipes = _within(SHORT if n < _SHORT else LONG, clock)
    first = recipes[0]
    if n_read > _OFTEN * n and left * clock.speed(first.parameters) > max(_OFTEN * n, first.least):
        chosen, n_read = _largest(recipes, clock, left, _OFTEN)
        used = clock.settled(chosen)
        how = thorough(n, n_read, used.seq_length * used.batch_size)
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


def _within(recipes: Sequence[Recipe], clock: _Clock) -> list[Recipe]:
    """The recipes whose networks differ with what is fixed, from small to large.

    Of recipes that give the same network the one stays whose own network is nearest to it in size: its learning rate
    and the characters that it needs are those of such a network.
    """
    nearest: dict[float, tuple[float, Recipe]] = {}
    for recipe in recipes:
        size = clock.products(recipe.parameters)
        distance = abs(math.log(clock.products(recipe.parameters, fixed=False) / size))
        if size not in nearest or distance < nearest[size][0]:
            nearest[size] = distance, recipe
    return [nearest[size][1] for size in sorted(nearest)]


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

    def __init__(
        self, params: Parameters, subject: Subject, usual: dict[str, Any], speed: Speed, max_seconds: float
    ) -> None:
        self._params = params
        self.n_characters = subject.n_characters
        self._subject = subject
        self._usual = usual
        self._measure = speed
        self._end = time.perf_counter() + max_seconds
        self._known: tuple[float, float] | None = None  # characters per second, and products of each

    def speed(self, chosen: dict[str, Any]) -> float:
        """Characters per second: measured, or, when the time is over, as many products as were measured last."""
        products = self.products(chosen)
        left = self._end - time.perf_counter()
        params = self.settled(chosen)
        if self._known is None or left > _UPDATES * params.seq_length * params.batch_size / self._known[0]:
            self._known = self._measure(params, left / 3), products
        return self._known[0] * self._known[1] / products

    def products(self, chosen: dict[str, Any], fixed: bool = True) -> float:
        """Multiplications for each character that is read forwards, with what is fixed or with nothing fixed."""
        params = self.settled(chosen) if fixed else Parameters(**(self._usual | chosen))
        network = architecture(params, self._subject.n_symbols, self._subject.documents)
        gathered = 0 if network.embedding_size else network.shapes["U"][0] * network.n_symbols
        return float(network.n_parameters - gathered)

    def settled(self, chosen: dict[str, Any]) -> Parameters:
        """The parameters with these for the open ones."""
        return settled(self._params, self._usual | chosen)
