"""What a call of `fit` or `partial_fit` asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pycharrnn.arrays import Ids
from pycharrnn.derived import held_out
from pycharrnn.parameters import Parameters
from pycharrnn.text.corpus import Fingerprint
from pycharrnn.training.budget import Budget
from pycharrnn.training.callbacks import Callback


class Task(NamedTuple):
    """What a call of `fit` or `partial_fit` asks for.

    Attributes
    ----------
    params : Parameters
        The parameters of the training, all of them checked.
    budget : Budget
        When the training ends.
    callbacks : sequence of callable
        What to call on the way.
    begin : float
        When the call began, by `time.perf_counter`.
    """

    params: Parameters
    budget: Budget
    callbacks: Sequence[Callback]
    begin: float

    @property
    def held_out(self) -> float:
        """The share of the text that is not trained on, if there is no other text to validate with.

        Examples
        --------
        >>> [Task(Parameters(ngram_order=n), Budget(epochs=1), (), 0.0).held_out for n in (None, 7)]
        [0.0, 0.1]
        """
        return held_out(vars(self.params))


class Sources(NamedTuple):
    """What a training reads.

    Attributes
    ----------
    text : Fingerprint
        The text, as it is given.
    validation : Fingerprint or None
        The text to validate with, if there is one of its own.
    order : ndarray of int32 or None
        The order in which the documents are read.
    """

    text: Fingerprint
    validation: Fingerprint | None
    order: Ids | None
