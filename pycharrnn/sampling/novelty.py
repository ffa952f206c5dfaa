"""What of a text stands word for word in another one, such as the text that a model was trained on."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt

from pycharrnn.arguments import Integer, Text
from pycharrnn.errors import ParameterTypeError
from pycharrnn.network.memory import claim
from pycharrnn.tables import check, table
from pycharrnn.waiting import interruptibly

__all__ = ["Novelty", "NoveltyIndex", "Span"]

_Places = npt.NDArray[np.int64]
_BYTES = 60  # of memory for each character while an index is built; 12 stay
_LAST = 0x10FFFF  # the last code point


class Span(NamedTuple):
    """A part of a text that stands in the corpus, too.

    Attributes
    ----------
    start, end : int
        Where it is in the text: ``text[start:end]``.
    place : int
        Where it begins in the corpus, or in the document of the corpus: the first such place.
    document : int or None
        Which document of the corpus has it; None if the corpus is one text.
    """

    start: int
    end: int
    place: int
    document: int | None


class Novelty(NamedTuple):
    """How much of a text is copied.

    Attributes
    ----------
    n : int
        Characters of the shortest copy that counts.
    n_characters : int
        Characters of the text.
    copied : float in [0, 1]
        The share of its characters that lie in spans of n or more characters that stand in the corpus.
    spans : tuple of Span
        The spans by their starts. Each is as long as it can be from where it starts; two of them overlap in fewer than
        n characters.
    """

    n: int
    n_characters: int
    copied: float
    spans: tuple[Span, ...]


class NoveltyIndex:
    """An index of a corpus that finds what of a text stands there, and what would copy it.

    Parameters
    ----------
    corpus : str or sequence of str
        A text, or documents. No span reaches from one document into the next.
    n : int, default 20
        Characters of the shortest copy that counts, 1 or more.

    Raises
    ------
    TypeError, ValueError
        If the corpus is no text or sequence of texts, or n is out of range.
    MemoryError
        If there is too little memory for the index.

    Notes
    -----
    The index is a suffix array (Manber and Myers 1993): the places of the corpus in the alphabetical order of what
    follows them. Sorting takes some two seconds per million characters, and 60 bytes for each; 12 remain. Any number of
    threads may use an index.

    References
    ----------
    U. Manber and G. Myers (1993). Suffix arrays: a new method for on-line string searches. SIAM Journal on Computing
    22(5), 935-948.

    Examples
    --------
    >>> index = NoveltyIndex("the cat sat on the mat", n=5)
    >>> index.spans("a dog sat on a cat")
    (Span(start=5, end=13, place=7, document=None),)
    >>> index.forbidden("my cat s")
    'a'
    """

    def __init__(self, corpus: str | Sequence[str], n: Annotated[int, Integer(1, 2**31 - 1)] = 20) -> None:
        self.n: int = check(table(NoveltyIndex), n=n)["n"]
        documents = [corpus] if isinstance(corpus, str) else corpus
        if not isinstance(documents, Sequence) or not all(isinstance(document, str) for document in documents):
            raise ParameterTypeError("corpus", f"must be a text or a sequence of texts, got {type(corpus).__name__}")
        claim(_BYTES * sum(map(len, documents)), "an index of the corpus", "pass a part of the corpus")
        self._border = _absent(documents)
        self._text = self._border.join(documents)
        self._starts = None
        if not isinstance(corpus, str):
            self._starts = np.cumsum([0, *(len(document) + 1 for document in documents)])
        self._order = interruptibly(suffixes, self._text)

    def novelty(self, text: str) -> Novelty:
        """Measure how much of a text stands in the corpus.

        Parameters
        ----------
        text : str
            The text.

        Returns
        -------
        Novelty
            ``(n, n_characters, copied, spans)``.

        Examples
        --------
        >>> NoveltyIndex("the cat sat on the mat", n=5).novelty("a dog sat on a cat").copied
        0.4444444444444444
        """
        spans = self.spans(text)
        copied, reached = 0, 0
        for span in spans:
            copied += span.end - max(span.start, reached)
            reached = span.end
        return Novelty(self.n, len(text), copied / max(1, len(text)), spans)

    def spans(self, text: str) -> tuple[Span, ...]:
        """Find the spans of n or more characters of a text that stand in the corpus.

        Parameters
        ----------
        text : str
            The text.

        Returns
        -------
        tuple of Span
            As `Novelty` has them.

        Examples
        --------
        >>> len(NoveltyIndex("the cat sat on the mat", n=5).spans("on the cat"))
        2
        """
        Text().check("text", text)
        found: list[Span] = []
        start, reached = 0, 0
        while start + self.n <= len(text):
            place, length = self._longest(text, start)
            if length >= self.n and start + length > reached:
                reached = start + length
                found.append(Span(start, reached, *self._located(self._first(place, length))))
                start = max(start, reached - self.n)
            start += 1
        return tuple(found)

    def forbidden(self, context: str) -> str:
        """Return the characters that would complete a span of n characters of the corpus.

        Parameters
        ----------
        context : str
            The text so far, of which the last n - 1 characters count.

        Returns
        -------
        str
            The characters in the order of their code points; none if the context is shorter, or new itself.

        Examples
        --------
        >>> NoveltyIndex(["banana", "bandana"], n=3).forbidden("an")
        'ad'
        """
        if len(context) < self.n - 1:
            return ""
        window = context[len(context) - self.n + 1 :]
        if self._border in window:
            return ""
        at = bisect_left(self._order, window, key=self._reading(len(window)))
        end = bisect_right(self._order, window, lo=at, key=self._reading(len(window)))
        found = []
        while at < end:  # from one character to the next: the suffixes are sorted
            longer = self._reading(self.n)(self._order[at])
            if len(longer) == self.n and longer[-1] != self._border:
                found.append(longer[-1])
            at = bisect_right(self._order, longer, lo=at, hi=end, key=self._reading(self.n))
        return "".join(found)

    def _reading(self, length: int) -> Callable[[int], str]:
        """A function that reads so many characters of the corpus at a place."""
        text = self._text
        return lambda place: text[place : place + length]

    def _longest(self, text: str, start: int) -> tuple[int, int]:
        """Where the longest part of the text from `start` stands in the corpus, and how long it is."""
        length, best = self.n, (0, 0)
        while True:
            window = text[start : start + length].partition(self._border)[0]
            at = bisect_left(self._order, window, key=self._reading(len(window)))
            for place in self._order[max(0, at - 1) : at + 1].tolist():  # the neighbours of where it would stand
                common = _common(window, self._text[place : place + len(window)])
                if common > best[1]:
                    best = place, common
            if best[1] < length:
                return best
            length *= 2

    def _first(self, place: int, length: int) -> int:
        """The first place of the corpus that has what so many characters at this place are."""
        read = self._reading(length)
        at = bisect_left(self._order, read(place), key=read)
        return int(self._order[at : bisect_right(self._order, read(place), lo=at, key=read)].min())

    def _located(self, place: int) -> tuple[int, int | None]:
        """A place of the corpus as one of a document."""
        if self._starts is None:
            return place, None
        document = int(np.searchsorted(self._starts, place, "right")) - 1
        return place - int(self._starts[document]), document


def suffixes(text: str) -> _Places:
    """Sort the places of a text by what follows them: its suffix array.

    Places are sorted by their first characters, then by twice as many, and so on: the rank of the second half of what
    is compared is known from the round before.

    Examples
    --------
    >>> suffixes("banana").tolist()
    [5, 3, 1, 0, 4, 2]
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    N = codes.size
    if N == 0:
        return np.empty(0, np.int64)
    distinct, rank = np.unique(codes, return_inverse=True)
    rank = rank.astype(np.int64) + 1  # 0 is what follows the end
    length = 1
    for _ in range(2):  # of few characters, four make a key that is sorted no more slowly than one
        if (distinct.size + 1) ** (2 * length) < 2**62:
            rank = rank * (distinct.size + 1) ** length + _shifted(rank, length)
            length *= 2
    while True:
        order = np.argsort(rank, kind="stable")
        in_order = rank[order]
        new = np.concatenate([[True], in_order[1:] != in_order[:-1]])
        rank = np.empty(N, np.int64)
        rank[order] = np.cumsum(new)
        if new.all():
            return order
        rank = rank * (N + 1) + _shifted(rank, length)
        length *= 2


def _shifted(rank: _Places, by: int) -> _Places:
    """The ranks so many places further on, 0 behind the end."""
    found = np.zeros_like(rank)
    found[: max(0, rank.size - by)] = rank[by:]
    return found


def _absent(documents: Sequence[str]) -> str:
    """A character that none of the documents has."""
    known = set().union(*documents)
    return next(character for character in map(chr, range(_LAST, 0, -1)) if character not in known)


def _common(one: str, other: str) -> int:
    """How many characters at the start of both are the same."""
    if one == other:
        return len(one)
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low
