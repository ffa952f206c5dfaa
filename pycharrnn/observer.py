"""A trained model at work: it lets one look inside while it reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np

from pycharrnn.arrays import Array, Ids
from pycharrnn.examiner import Examiner, listed
from pycharrnn.messages import Message, advice
from pycharrnn.network.memory import claim
from pycharrnn.trained import Learned, learned


class Observer(Examiner):
    """What goes on in a model while it reads: the values of its units."""

    @overload
    def activations(self, X: str) -> dict[str, Array]: ...
    @overload
    def activations(self, X: list[str] | tuple[str, ...]) -> list[dict[str, Array]]: ...
    def activations(self, X: str | Sequence[str]) -> dict[str, Array] | list[dict[str, Array]]:
        """Return the value of every unit after each character of a text.

        Parameters
        ----------
        X : str or sequence of str
            A text, or several. Each is read on its own, from a zero state; a model of documents takes it as one.

        Returns
        -------
        dict of str to ndarray, (num_layers, n_characters, hidden_size), or list of dict
            The states by name: "h", what a unit tells the others, and of an LSTM also "c", what its cell remembers.
            ``activations(text)["h"][layer]`` has a row for each character and a column for each unit. The first layer
            is 0. Characters that `on_unknown` leaves out have no row.

        Raises
        ------
        NotFittedError
            If the model has not been trained.
        TypeError
            If X is no text or sequence of texts.
        UnknownCharacterError
            If a text has a character that the model does not know, and `on_unknown` is "raise".
        MemoryError
            If there is too little memory for the result. Beside it, reading takes less than 64 MiB.

        Notes
        -----
        The values are those of the best weights, without dropout and with the mean of zoneout: what the model has when
        it writes or evaluates. N-grams have no units.

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> model = CharRNN(cell="lstm", hidden_size=16, random_state=0).fit("hello world. " * 20)
        >>> found = model.activations("hello")
        >>> {name: values.shape for name, values in found.items()}
        {'h': (1, 5, 16), 'c': (1, 5, 16)}
        >>> bool(abs(found["h"]).max() < 1)
        True
        """
        found = learned(self)
        texts = enumerate(listed(X))
        read = [self._states(found, self._encoded(text, found.vocabulary, place)) for place, text in texts]
        return read[0] if isinstance(X, str) else read

    def _states(self, found: Learned, ids: Ids) -> dict[str, Array]:
        """The states after each of these symbols; without those after the ends of documents."""
        from pycharrnn.network.watching import watch  # only now: few programs look inside

        _, built, state, *_ = found
        skipped = int(built.end >= 0)  # the symbol before the document
        N = len(ids) - 2 * skipped
        shape = built.num_layers, N, built.hidden_size
        names, dtype = built.row.states, built.precision.activations
        claim(
            len(names) * int(np.prod(shape)) * dtype.itemsize,
            Message("the values of ", f"{built.num_layers * built.hidden_size:,} units for {N:,} characters"),
            advice("read a part of the text"),
        )
        values = {name: np.empty(shape, dtype) for name in names}
        for steps in watch(built, state.best, ids[: skipped + N]):
            for layer, states in enumerate(steps.states):
                for name, after in zip(names, states, strict=True):
                    own = after[max(0, skipped - steps.start) :]
                    end = steps.start + len(after) - skipped
                    values[name][layer, end - len(own) : end] = own
        return values
