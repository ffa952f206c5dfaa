"""How well a network predicts a text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from pycharrnn.arrays import Array, Floats, Ids
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.overlapping import overlapping_losses
from pycharrnn.network.scoring import cold_losses, streamed_losses
from pycharrnn.network.streams import MOST, Pieces, Streams

_SMALL = 1 << 16  # weights that stay in the cache of a core
_SOON = 1 << 20  # symbols that one stream of such a network reads in about a second


class Evaluation(NamedTuple):
    """How well a model predicts a text, per character.

    Attributes
    ----------
    nats : float
        The mean of -log p, with the natural logarithm.
    bits : float
        The same with the logarithm to base 2.
    perplexity : float
        exp(nats): a guess among so many equally likely characters would be as hard.
    n_characters : int
        Characters that were predicted.

    Examples
    --------
    >>> import numpy as np
    >>> Evaluation.of(np.log([2.0, 8.0]))
    Evaluation(nats=1.3862943611198906, bits=2.0, perplexity=4.0, n_characters=2)
    """

    nats: float
    bits: float
    perplexity: float
    n_characters: int

    @classmethod
    def of(cls, losses: Floats) -> Self:
        """Sum up the losses of a text, nats of each prediction."""
        return cls.of_mean(float(losses.mean()), len(losses))

    @classmethod
    def of_mean(cls, nats: float, n_characters: int) -> Self:
        """Say it of a text of so many predictions with this mean loss."""
        perplexity = math.exp(nats) if nats < 700 else math.inf
        return cls(nats, nats / math.log(2), perplexity, n_characters)


def losses(
    architecture: Architecture,
    weights: Array,
    ids: Ids,
    window: int | None,
    unsmooth: float = 0.0,
    exact: bool = False,
    n_threads: int | None = 1,
) -> Floats:
    """Predict each symbol after the first from all before it, or from those of its window: nats of each, (N - 1,).

    `unsmooth` is the part of the label smoothing that is taken off. Without it and a window many streams read a long
    text, unless it is to be `exact` or one reads it as fast.

    Examples
    --------
    >>> import numpy as np
    >>> small = Architecture("rnn", n_symbols=4, hidden_size=8, seq_length=5)
    >>> weights = small.initial(np.random.default_rng(0))
    >>> found = losses(small, weights, np.array([0, 1, 2, 3] * 10, np.int32), None)
    >>> len(found), round(Evaluation.of(found).perplexity)
    (39, 4)
    """
    if unsmooth * architecture.label_smoothing > 0:
        from pycharrnn.network.unsmoothing import unsmoothed_losses  # only now: few models need it

        return unsmoothed_losses(architecture, weights, ids, window, unsmooth)
    if window is not None:
        return cold_losses(architecture, weights, ids, window, n_threads)
    if exact or one_is_as_fast(architecture, len(ids)):
        return streamed_losses(architecture, weights, ids)
    return overlapping_losses(architecture, weights, ids, n_threads)


def one_is_as_fast(architecture: Architecture, n: int) -> bool:
    """Whether one stream reads so many symbols as fast as many streams do: its weights stay in the cache of a core.

    Documents are short, so that many streams have the bits of one.

    Examples
    --------
    >>> classic, large = (Architecture("rnn", n_symbols=80, hidden_size=m, seq_length=25) for m in (100, 500))
    >>> one_is_as_fast(classic, 300_000), one_is_as_fast(large, 300_000)
    (True, False)
    """
    return architecture.end < 0 and architecture.layout.size <= _SMALL and n <= _SOON


def separate_losses(
    architecture: Architecture,
    weights: Array,
    texts: Sequence[Ids],
    exact: bool = False,
    n_threads: int | None = 1,
) -> list[Floats]:
    """Predict each symbol of each text after its first from those before it: nats of each, (N - 1,) of each text.

    Streams read many texts at once, with the bits of one stream; a text that is longer than all others together
    is read by many streams, unless it is to be `exact`.

    Examples
    --------
    >>> import numpy as np
    >>> small = Architecture("rnn", n_symbols=4, hidden_size=8, seq_length=5)
    >>> weights = small.initial(np.random.default_rng(0))
    >>> texts = [np.array(ids, np.int32) for ids in ([0, 1, 2], [3], [2, 1])]
    >>> [len(found) for found in separate_losses(small, weights, texts)]
    [2, 0, 1]
    """
    sizes = np.array([max(0, len(ids) - 1) for ids in texts])
    found = [np.empty(0)] * len(texts)
    if not exact:
        longest = int(sizes.argmax()) if len(texts) else 0
        if len(texts) and 2 * sizes[longest] > sizes.sum():
            found[longest] = losses(architecture, weights, texts[longest], None, n_threads=n_threads)
            sizes[longest] = 0
    which = np.flatnonzero(sizes).tolist()
    if not which:
        return found
    ids = np.concatenate([texts[i] for i in which])
    architecture.check(ids)
    lengths = sizes[which]
    pieces = Pieces(np.cumsum(lengths + 1) - lengths - 1, lengths)
    read = Streams(architecture, weights, min(MOST, len(which)), n_threads).read(ids, pieces).losses
    for i, part in zip(which, np.split(read, np.cumsum(lengths)[:-1]), strict=True):
        found[i] = part
    return found
