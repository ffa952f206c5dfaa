"""Passages: texts, or documents in their order, as a network reads them to be looked at."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from pycharrnn.arrays import Array, Floats, Ids
from pycharrnn.errors import ParameterTypeError, ParameterValueError
from pycharrnn.messages import Message, advice, shown
from pycharrnn.network.memory import claim
from pycharrnn.network.watching import Steps, watch
from pycharrnn.text.corpus import reading_rule
from pycharrnn.text.vocabulary import Vocabulary
from pycharrnn.trained import Trained, learned

__all__ = [
    "ALTERNATIVES",
    "Passage",
    "Recording",
    "Source",
    "passages",
    "snapshot",
    "states_of",
    "steps_of",
    "units_of",
]

ALTERNATIVES = 5  # characters that were likely, at each place
_NATS = 1 / np.log(2)  # in bits

Model = TypeVar("Model", bound=Trained)
Source = str | Sequence[str] | Mapping[str, str | Sequence[str]]


class Passage(NamedTuple):
    """A text, or several documents.

    Attributes
    ----------
    name : str
        What readers call it.
    ids : ndarray of int32, (N,)
        The symbols that are seen: of documents also the end of each.
    first : ndarray of int32, (0,) or (1,)
        What is read before them: of documents the end of one.
    """

    name: str
    ids: Ids
    first: Ids

    def part(self, n: int) -> Passage:
        """Return its first n symbols."""
        return self._replace(ids=self.ids[:n])

    def texts(self, vocabulary: Vocabulary) -> list[str]:
        """Return its characters; of documents one text each, with a line end for its end."""
        text = vocabulary.decode(self.ids)
        if vocabulary.end is None:
            return [text]
        cuts = [0, *(np.flatnonzero(self.ids == vocabulary.end) + 1).tolist(), len(text)]
        return [text[one:other] for one, other in itertools.pairwise(cuts) if one < other]


class Recording(NamedTuple):
    """What a model did while it read a passage.

    Attributes
    ----------
    bits : ndarray of float64, (N,)
        The surprise of each symbol; NaN of the first one of a running text.
    likely : ndarray of int32, (N, k)
        The symbols that the model thought likeliest there, the likeliest first.
    shares : ndarray of float64, (N, k)
        Their probabilities; zeros where nothing was predicted.
    states : ndarray of float32, (S, N)
        The value of each unit after each symbol, in the order of `units_of`.
    """

    bits: Floats
    likely: Ids
    shares: Floats
    states: Array

    @classmethod
    def of(cls, model: Trained, passage: Passage) -> Recording:
        """Let a model read a passage, and record what it does."""
        N = len(passage.ids)
        k = min(ALTERNATIVES, learned(model).architecture.n_symbols)
        units = len(units_of(model))
        what = Message("what ", f"{units:,} units do while they read {N:,} characters")
        claim(N * (4 * units + 12 * k + 8), what, advice("look at a part of the text"))
        states = np.empty((units, N), np.float32)
        found = cls(np.full(N, np.nan), np.zeros((N, k), np.int32), np.zeros((N, k)), states)
        lead = len(passage.first)
        for steps in steps_of(model, passage):
            read = steps.start - lead + np.arange(len(steps.nats))  # which symbol each step reads
            found.states[:, read[read >= 0]] = states_of(steps)[read >= 0].T
            next_ones = read + 1
            there = next_ones < N
            next_ones = next_ones[there]
            shares = steps.shares[there]
            some = np.argpartition(-shares, k - 1, axis=1)[:, :k]  # the likeliest, in any order
            some.sort(axis=1)  # of equal ones the first stays the first
            order = np.argsort(-np.take_along_axis(shares, some, axis=1), axis=1, kind="stable")
            found.likely[next_ones] = np.take_along_axis(some, order, axis=1)
            found.shares[next_ones] = np.take_along_axis(shares, found.likely[next_ones], axis=1)
            found.bits[next_ones] = steps.nats[there] * _NATS
        return found


def snapshot(model: Model) -> Model:
    """Return a model that stays as this one is now, whatever another thread lets it learn; it shares the weights.

    Raises
    ------
    NotFittedError
        If it has not been trained.
    """
    learned(model)
    return copy.copy(model)


def steps_of(model: Trained, passage: Passage) -> Iterator[Steps]:
    """Let the best weights of a model read a passage, and what comes before it."""
    found = learned(model)
    return watch(found.architecture, found.state.best, np.concatenate([passage.first, passage.ids]))


def units_of(model: Trained) -> list[tuple[int, str, int]]:
    """Return layer, state and number of each unit, in the order in which they are counted here."""
    built = learned(model).architecture
    layers, units = range(built.num_layers), range(built.hidden_size)
    return [(layer, state, unit) for layer in layers for state in built.row.states for unit in units]


def states_of(steps: Steps) -> Array:
    """Return the states after some steps as one array, (n, S), in the order of `units_of`."""
    return np.concatenate([state for layer in steps.states for state in layer], axis=1)


def passages(model: Trained, X: Source) -> list[Passage]:
    """Return texts as a model reads them.

    Parameters
    ----------
    model : CharRNN
        A trained model.
    X : str, sequence of str, or mapping of str to these
        A text or several, by name if they have names. A model of documents reads a sequence of them as one passage.

    Raises
    ------
    TypeError, ValueError
        If X is nothing of the kind, or the model knows fewer than two symbols of a passage.
    UnknownCharacterError
        If the model does not know a character, and its `on_unknown` is "raise".

    Examples
    --------
    >>> from pycharrnn import CharRNN
    >>> model = CharRNN(hidden_size=4, random_state=0).fit(["anna", "bo"] * 20)
    >>> [(passage.name, passage.texts(model.vocabulary_)) for passage in passages(model, ["bo", "anna"])]
    [('documents', ['bo\\n', 'anna\\n'])]
    """
    vocabulary = learned(model).vocabulary
    rule = reading_rule(model.on_unknown, model.min_count, vocabulary)
    found = []
    for name, text in _named(X, vocabulary.end is not None).items():
        several = not isinstance(text, str)
        if several and not all(isinstance(one, str) for one in text):
            raise ParameterTypeError("X", f"must be texts, or documents by name, got {shown(text)} in {name!a}")
        if several and vocabulary.end is None:
            raise ParameterValueError("X", f"must have one text for each name of this model of running text: {name!a}")
        ids = vocabulary.encode(list(text) if several else text, rule)
        lead = int(several)
        passage = Passage(name, ids[lead:], ids[:lead])
        if len(passage.ids) < 2:
            raise ValueError(f"the model knows fewer than two characters of {shown(name)}: at least 2 are needed")
        found.append(passage)
    return found


def _named(X: Source, documents: bool) -> dict[str, str | Sequence[str]]:
    """Texts by name, or lists of documents."""
    if isinstance(X, Mapping):
        named = {str(name): [text] if documents and isinstance(text, str) else text for name, text in X.items()}
    elif isinstance(X, str):
        named = {"document": [X]} if documents else {"text": X}
    elif not isinstance(X, Sequence) or isinstance(X, bytes):
        raise ParameterTypeError("X", f"must be a text, several, or a dict of them, got {shown(X)}")
    elif documents:
        named = {"documents": X}
    else:
        named = {f"text {n}": text for n, text in enumerate(X, 1)}
    if not named:
        raise ParameterValueError("X", "must have a text, and has none")
    for name, text in named.items():
        if not isinstance(text, Sequence):
            raise ParameterTypeError("X", f"must be texts, or documents by name, got {shown(text)} in {name!a}")
    return named
