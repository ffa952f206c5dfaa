"""What counting alone achieves: character n-grams with interpolated modified Kneser-Ney smoothing."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from pycharrnn.arguments import Integer
from pycharrnn.arrays import Floats

__all__ = ["KneserNey"]

_Ints = npt.NDArray[np.int64]
_MOST = 2**31  # the limit of every number that a caller gives
_UNSEEN = np.iinfo(np.int64).max  # above every key


class _Level(NamedTuple):
    """The k-grams hw of one k. Each array has one entry more, the last (index -1), for what was not seen."""

    keys: _Ints  # increasing: (id of h among the (k-1)-grams) * K + w; the place of a key is the id of the k-gram
    discounted: Floats  # max(a(hw) - D, 0) / a(h), by the id of hw
    backoff: Floats  # gamma(h), by the id of h


class KneserNey:
    """Character n-grams with interpolated modified Kneser-Ney smoothing: the loss that a network should beat.

    The probability of the symbol w after a context h of k - 1 symbols, where h' is h without its oldest symbol and
    p_0 = 1 / K for K symbols, is (Chen & Goodman 1999)::

        p_k(w | h) = max(a(hw) - D(a(hw)), 0) / a(h) + gamma(h) p_{k-1}(w | h')    a(h)     = sum_w a(hw)
        D(a) = 0, D_1, D_2, D_3 for a = 0, 1, 2, 3 or more                         gamma(h) = sum_w D(a(hw)) / a(h)

    and p_{k-1}(w | h') if nothing was seen after h. For k = n, a(hw) is how often hw occurs; for k < n, how many
    different symbols stand before it (Kneser & Ney 1995), plus its occurrences that have no symbol before them or, for
    k > 1, begin with `end`. Each k has its own discounts, from the number n_a of k-grams with the count a::

        D_a = a - (a + 1) Y n_{a+1} / n_a    Y = n_1 / (n_1 + 2 n_2)

    or 1/2, 1, 3/2 where one of n_1 to n_4 is zero or a D_a is not above zero: in short texts, and often for k = 1.

    Parameters
    ----------
    order : int, default 5
        The n of the formula, at least 1: a symbol is predicted from the n - 1 before it, or from as many as there are.

    Attributes
    ----------
    n_symbols_ : int
        The K of the formula, as given to `fit`.
    end_ : int or None
        The symbol between documents, as given to `fit`.
    discounts_ : ndarray of float64, shape (order, 3)
        D_1, D_2, D_3 for k = 1 to n.

    Raises
    ------
    TypeError
        If `order` is not an integer.
    ValueError
        If `order` is below 1.

    References
    ----------
    S. F. Chen and J. Goodman (1999). An empirical study of smoothing techniques for language modeling. Computer Speech
    & Language 13(4), 359-394.
    R. Kneser and H. Ney (1995). Improved backing-off for m-gram language modeling. International Conference on
    Acoustics, Speech, and Signal Processing, 181-184.

    Examples
    --------
    >>> KneserNey(order=3).fit([0, 1, 2, 1] * 50, n_symbols=3).nats([0, 1, 2, 1, 0]).round(3)
    array([0.345, 0.018, 0.009, 0.019])
    """

    def __init__(self, order: int = 5) -> None:
        Integer(1, _MOST).check("order", order)
        self.order = order

    def fit(self, ids: npt.ArrayLike, n_symbols: int, end: int | None = None) -> Self:
        """Count the n-grams that end with a symbol after the first one, which is only read.

        Parameters
        ----------
        ids : array-like of int, (N,)
            A text as from `Vocabulary.encode`: N >= 1 symbols from 0 to `n_symbols` - 1.
        n_symbols : int
            The number K of symbols, at least 1.
        end : int or None, default None
            The symbol that ends a document. No context reaches beyond the last one in it.

        Returns
        -------
        KneserNey
            This model.

        Raises
        ------
        TypeError
            If `ids` is not a 1-d array of integers, or a number is no integer.
        ValueError
            If `ids` is empty or has a symbol out of range, or a number is out of range.
        """
        Integer(1, _MOST).check("n_symbols", n_symbols)
        if end is not None:
            Integer(0, n_symbols - 1).check("end", end)
        K, x = int(n_symbols), _checked(ids, n_symbols)
        reach = self._reach(x, end)
        reach[0] = -1  # not counted
        gram = x.copy()  # the id of the k-gram that ends at each position
        keys = np.arange(K)
        n_contexts = 1
        levels, discounts = [], []
        for k in range(1, self.order + 1):
            # Where a (k+1)-gram ends, count each distinct one once. Elsewhere, and for k = n, count each occurrence.
            longer, whole = np.flatnonzero(reach >= k), np.flatnonzero(reach == k - 1)
            pairs = gram[longer - 1] * K + x[longer]
            longer_keys, example, longer_gram = np.unique(pairs, return_index=True, return_inverse=True)
            counts = np.bincount(gram[np.append(longer[example], whole)], minlength=keys.size)
            discounts.append(_discounts(counts))
            D, context = np.append(0, discounts[-1])[np.minimum(counts, 3)], keys // K
            total = np.bincount(context, counts, n_contexts)
            backoff = np.where(total, np.bincount(context, D, n_contexts) / np.maximum(total, 1), 1)
            discounted = (counts - D) / np.maximum(total, 1)[context]
            levels.append(_Level(np.append(keys, _UNSEEN), np.append(discounted, 0), np.append(backoff, 1)))
            gram[longer] = longer_gram
            n_contexts = keys.size
            keys = longer_keys
        self.n_symbols_ = K
        self.end_ = end
        self.discounts_ = np.array(discounts)
        self._levels = levels
        return self

    def nats(self, ids: npt.ArrayLike, window: int | None = None) -> Floats:
        """Compute the loss of each symbol after the first one, given those before it.

        Parameters
        ----------
        ids : array-like of int, (N,)
            A text: N >= 1 symbols from 0 to `n_symbols_` - 1.
        window : int or None, default None
            Predictions of a window: no context reaches beyond the symbol before the first of them. None is one window.

        Returns
        -------
        ndarray of float64, (N - 1,)
            -log p of each symbol, in nats.

        Raises
        ------
        AttributeError
            If `fit` has not been called.
        TypeError
            If `ids` is not a 1-d array of integers, or `window` no integer.
        ValueError
            If `ids` is empty or has a symbol out of range, or `window` is below 1.
        """
        if window is not None:
            Integer(1, _MOST).check("window", window)
        levels, K, x = self._counted(), self.n_symbols_, _checked(ids, self.n_symbols_)
        reach = self._reach(x, self.end_)
        if window is not None:
            reach = np.minimum(reach, (np.arange(x.size) - 1) % window + 1)
        p: Floats = np.full(x.size, 1 / K)
        gram = np.zeros(x.size, np.int64)  # the empty context has the id 0
        for k, (keys, discounted, backoff) in enumerate(levels):
            context = np.where(reach >= k, np.roll(gram, 1), -1)
            key = context * K + x  # negative, and so not found, after a context that was not seen
            gram = np.searchsorted(keys, key)
            gram[keys[gram] != key] = -1
            p = discounted[gram] + backoff[context] * p
        return -np.log(p[1:])

    def following(self, context: npt.ArrayLike) -> Floats:
        """Compute how likely each symbol is to come next: the probabilities of which `nats` takes the logarithm.

        Parameters
        ----------
        context : array-like of int, (M,)
            The symbols before it: any number of them, of which only the last ones are read.

        Returns
        -------
        ndarray of float64, (n_symbols_,)
            Probabilities, above zero. They sum to one.

        Raises
        ------
        AttributeError
            If `fit` has not been called.
        TypeError
            If `context` is not a 1-d array of integers.
        ValueError
            If `context` has a symbol out of range.

        Examples
        --------
        >>> KneserNey(order=3).fit([0, 1, 2, 1] * 50, n_symbols=3).following([2, 1]).round(3)
        array([0.982, 0.006, 0.012])
        """
        levels, K, x = self._counted(), self.n_symbols_, _checked(context, self.n_symbols_, least=0)
        x = x[max(0, x.size - self.order + 1) :]
        p: Floats = np.full(K, 1 / K)
        grams = np.zeros(x.size + 1, np.int64)  # the ids of the k-grams that end before each place, the next one too
        for k, (keys, discounted, backoff) in enumerate(levels[: x.size + 1]):
            h = grams[-1]
            longer = grams[:-1] * K + x[k:]
            first, last = keys.searchsorted((h * K, h * K + K))
            p *= backoff[h]  # 1 after what was not seen: a context that reaches beyond `end` never is
            p[keys[first:last] - h * K] += discounted[first:last]
            grams = keys.searchsorted(longer)
            grams[keys[grams] != longer] = -1
        return p

    def _counted(self) -> list[_Level]:
        """What `fit` has counted."""
        if not hasattr(self, "_levels"):
            raise AttributeError("this KneserNey has not been trained yet: call fit(ids, n_symbols)")
        return self._levels

    def _reach(self, x: _Ints, end: int | None) -> _Ints:
        """Count the symbols in the context of each symbol."""
        position = np.arange(x.size)
        starts = np.maximum.accumulate(np.where(x == end, position, 0))  # nothing equals None
        reach: _Ints = np.minimum(position - np.append(0, starts[:-1]), self.order - 1)
        return reach


def _discounts(counts: npt.NDArray[Any]) -> Floats:
    """D_1, D_2 and D_3 of the k-grams with these counts."""
    n, a = np.bincount(np.minimum(counts, 5), minlength=6)[1:5], np.arange(1, 4)
    if n.all():
        D: Floats = a - (a + 1) * n[0] / (n[0] + 2 * n[1]) * n[1:] / n[:3]
        if (D > 0).all():
            return D
    return np.array([0.5, 1, 1.5])


def _checked(ids: npt.ArrayLike, n_symbols: int, least: int = 1) -> _Ints:
    """The ids as an array, if they are in range and not fewer than `least`."""
    x = np.asarray(ids)
    if x.ndim != 1 or (x.size and x.dtype.kind not in "iu"):  # to NumPy, [] is an array of floats
        raise TypeError(f"ids must be a 1-d array of integers, got shape {x.shape} and dtype {x.dtype}")
    bad = (x < 0) | (x >= n_symbols)
    if bad.any() or x.size < least:
        what = f"ids[{bad.argmax()}] is {x[bad.argmax()]}, but ids go" if x.size else "ids has no symbol; give some,"
        raise ValueError(f"{what} from 0 to {n_symbols - 1}")
    return x.astype(np.int64)
