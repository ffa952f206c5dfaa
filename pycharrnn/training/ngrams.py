"""The n-grams of a training text beside a network: their counts, and their share in a mixture of both."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pycharrnn.arrays import Floats, Ids
from pycharrnn.messages import Message, Setting, advice
from pycharrnn.network.memory import claim
from pycharrnn.waiting import interruptibly

if TYPE_CHECKING:
    from pycharrnn.training.baseline import KneserNey

__all__ = ["LONGEST", "NGrams", "likeliest_share", "mixed", "most_counted"]

LONGEST = 10_000_000  # symbols of a text that are counted at most, the last ones
_SECONDS = 400_000  # of them for each second of a time limit: counting takes a fifth of it at most
_BYTES = 24  # of a k-gram: its key, its discounted count and its backoff
_COUNTING = 100  # bytes of a symbol while it is counted
_SLOW = 100_000  # symbols whose losses take so long that an interrupt must not wait
_HALVINGS = 20  # of the interval in which the share lies


class NGrams:
    """A text, the n-grams in it, and their share in a mixture with a network.

    Parameters
    ----------
    ids : array-like of int, (N,)
        The text.
    n_symbols : int
        The number K of symbols.
    end : int or None
        The symbol that ends a document.
    order : int
        The n.
    share : float, default 1.0
        Their share. A network that has learned nothing has none.

    Attributes
    ----------
    ids : ndarray of uint8 or int32, (N,)
        The text, of 256 symbols or fewer in bytes.
    loss : float or None
        The loss of the mixture on the text that chose the share, in nats per symbol; None where nobody knows.

    Notes
    -----
    The n-grams are counted when they are first needed, once, by whichever thread needs them.

    Examples
    --------
    >>> ngrams = NGrams([0, 1, 2, 1] * 50, n_symbols=3, end=None, order=3, share=0.5)
    >>> ngrams.mix(np.log([3.0, 3.0]), np.array([0, 1, 2])).round(2)
    array([0.65, 0.42])
    """

    def __init__(self, ids: npt.ArrayLike, n_symbols: int, end: int | None, order: int, share: float = 1.0) -> None:
        self.ids = np.asarray(ids).astype(np.uint8 if n_symbols <= 256 else np.int32)
        self.n_symbols = n_symbols
        self.end = end
        self.order = order
        self.share = share
        self.loss: float | None = None
        self._model: KneserNey | None = None
        self._counting = os.getpid(), threading.Lock()

    def __reduce__(self) -> tuple[type[NGrams], tuple[Any, ...]]:
        return type(self), (self.ids, self.n_symbols, self.end, self.order, self.share)  # a copy counts anew

    def model(self) -> KneserNey:
        """Count the n-grams, unless they are counted, and return the model of them.

        Raises
        ------
        MemoryError
            If there is too little memory to count the n-grams.
        """
        from pycharrnn.training.baseline import KneserNey  # only now: a model may never predict

        process, lock = self._counting
        if process != os.getpid():  # a thread that the fork has left behind may hold it
            lock = threading.Lock()
            self._counting = os.getpid(), lock
        with lock:
            if self._model is None:
                claim(
                    self.ids.size * (self.order * _BYTES + _COUNTING),
                    Message("the ", Setting("ngram_order"), f" {self.order} of {self.ids.size:,} characters"),
                    advice("lower {ngram_order}, or train on a shorter text"),
                )
                self._model = interruptibly(KneserNey(self.order).fit, self.ids, self.n_symbols, self.end)
            return self._model

    def nats(self, ids: Ids, window: int | None = None) -> Floats:
        """The losses of the n-grams alone on a text, (N - 1,); no context reaches beyond its window."""
        model = self.model()
        return interruptibly(model.nats, ids, window) if len(ids) > _SLOW else model.nats(ids, window)

    def excerpt_nats(self, ids: Ids, places: npt.NDArray[np.intp]) -> Floats:
        """The losses of the n-grams alone on excerpts of a text.

        Parameters
        ----------
        ids : ndarray of int32, (N,)
            The text.
        places : ndarray of int, (excerpts, length)
            Which of its N - 1 predictions: one after the other in each excerpt.

        Returns
        -------
        ndarray of float64, (excerpts * length,)
            Nats.
        """
        found = np.empty(places.shape)
        for row, first, last in zip(found, places[:, 0], places[:, -1], strict=True):
            start = max(0, first - self.order)  # nothing further back counts
            row[:] = self.nats(ids[start : last + 2])[first - start :]
        return found.ravel()

    def choose(self, ngrams: Floats, network: Floats) -> None:
        """Take the share under which a text is likeliest, from the losses of both on it, (N,) each.

        Examples
        --------
        >>> ngrams = NGrams([0, 1], n_symbols=2, end=None, order=3)
        >>> ngrams.choose(np.log([2.0, 2.0, 8.0]), np.log([4.0, 4.0, 2.0]))
        >>> round(ngrams.share, 2), round(ngrams.loss, 2)
        (0.56, 1.04)
        """
        self.share = likeliest_share(ngrams, network)
        self.loss = float(mixed(ngrams, network, self.share).mean())

    def mix(self, network: Floats, ids: Ids, window: int | None = None) -> Floats:
        """The losses of the mixture on a text, (N - 1,), from those of the network."""
        return mixed(self.nats(ids, window), network, self.share) if self.share else network

    def extended(self, ids: Ids, old: Ids, n_symbols: int, end: int | None) -> NGrams:
        """Return the n-grams of this text and of another one after it, counted anew, with the same share.

        Parameters
        ----------
        ids : ndarray of int32, (N,)
            The other text.
        old : ndarray of int32, (K,)
            The ids that the symbols of this text have there.
        n_symbols, end : int, int or None
            Of the other text.

        Returns
        -------
        NGrams
            Of the last `LONGEST` symbols of both.

        Examples
        --------
        >>> NGrams([0, 1], n_symbols=2, end=None, order=3).extended([1, 2], np.array([0, 2]), 3, None).ids
        array([0, 2, 1, 2], dtype=uint8)
        """
        more = ids if end is None else ids[1:]  # documents begin with the end of the one before them
        return NGrams(np.concatenate([old[self.ids], more])[-LONGEST:], n_symbols, end, self.order, self.share)


def most_counted(max_seconds: float | None) -> int:
    """How many symbols of a text are counted in a training with this time limit.

    Examples
    --------
    >>> most_counted(None), most_counted(2.0)
    (10000000, 800000)
    """
    return LONGEST if max_seconds is None else max(2, min(LONGEST, int(_SECONDS * max_seconds)))


def mixed(ngrams: Floats, network: Floats, share: float) -> Floats:
    """Return the losses of a mixture: -log(share p + (1 - share) q), for the losses -log p and -log q.

    Examples
    --------
    >>> np.exp(-mixed(-np.log([0.5, 1.0]), -np.log([0.1, 0.5]), share=0.25))
    array([0.2  , 0.625])
    """
    with np.errstate(divide="ignore"):  # log 0 is right
        p, q = np.log(share) - ngrams, np.log1p(-share) - network
    losses: Floats = -np.logaddexp(p, q)
    return losses


def likeliest_share(ngrams: Floats, network: Floats) -> float:
    """Return the share of the n-grams under which a text is likeliest, by the losses of both on it.

    The likelihood is concave in the share, so its derivative tells on which side of a share the best one lies.

    Parameters
    ----------
    ngrams, network : ndarray of float64, (N,)
        Nats of each symbol.

    Returns
    -------
    float
        From 0 to 1, a multiple of 2**-20.

    Examples
    --------
    Two symbols are likelier by the n-grams, one is by the network.

    >>> round(likeliest_share(np.log([2.0, 2.0, 8.0]), np.log([4.0, 4.0, 2.0])), 3)
    0.556
    """
    gain = np.expm1(np.clip(network - ngrams, -30, 600))  # p / q - 1: above -1, and sums are finite

    def rises(share: float) -> bool:
        return bool((gain / (1 + share * gain)).sum() > 0)

    if not rises(0.0) or rises(1.0):
        return float(rises(0.0))
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rises(middle) else (low, middle)
    return low
