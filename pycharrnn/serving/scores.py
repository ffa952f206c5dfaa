"""How likely the characters of a text were, for the model itself: without temperature, filters and bias."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pycharrnn.arrays import Ids
from pycharrnn.sampling.sampler import Sampler
from pycharrnn.sampling.settings import Sampling
from pycharrnn.writer import Bound

_NEVER = -9999.0  # the logarithm of 0, which JSON cannot say: what OpenAI's servers write


class Score(NamedTuple):
    """How likely a character was.

    Attributes
    ----------
    token : str
        The character.
    logprob : float or None
        The logarithm of its probability, in nats; None where nothing predicts it.
    likely : dict of str to float
        The likeliest characters in its place with theirs. An empty string is the end of a document.
    """

    token: str
    logprob: float | None
    likely: dict[str, float]


class Scorer:
    """Says how likely each symbol of a text was.

    Parameters
    ----------
    bound : Bound
        The model.
    prompt : ndarray of int32
        What comes before the text.
    n_likely : int
        How many of the likeliest characters are named in each place.

    Examples
    --------
    >>> from pycharrnn import CharRNN
    >>> model = CharRNN(hidden_size=16, random_state=0).fit("hello world. " * 20)
    >>> scorer = Scorer(Bound(model, True), model.vocabulary_.encode("hell"), 1)
    >>> [score] = scorer.score(model.vocabulary_.encode("o"))
    >>> score.token, list(score.likely), math.exp(score.logprob) > 0.5
    ('o', ['o'], True)
    """

    def __init__(self, bound: Bound, prompt: Ids, n_likely: int) -> None:
        self._sampler: Sampler = bound.sampler(prompt, Sampling(), np.random.default_rng(0))
        self._tokens = [*bound.characters, ""]
        self._n_likely = n_likely
        self._knows = bool(prompt.size) or bound.architecture.documents  # something comes before the text

    def score(self, ids: Ids) -> list[Score]:
        """Score the next symbols of the text."""
        found = []
        for i in range(ids.size):
            p = self._sampler.probabilities()
            token = self._tokens[ids[i]]
            if self._knows:
                order = np.argsort(-p, kind="stable")[: self._n_likely].tolist()
                likely = {self._tokens[k]: _logarithm(p[k]) for k in order}
                found.append(Score(token, _logarithm(p[ids[i]]), likely))
            else:
                found.append(Score(token, None, {}))
            self._knows = True
            self._sampler.read(ids[i : i + 1])
        return found


def _logarithm(p: float) -> float:
    """The logarithm of a probability."""
    return max(_NEVER, math.log(p)) if p > 0 else _NEVER
