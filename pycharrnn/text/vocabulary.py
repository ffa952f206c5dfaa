"""Characters to the int32 ids that the network learns from, and back.

Nothing is ever normalised. A character is one Unicode code point, and every code point there is, lone surrogates
included, comes back as it went in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from pycharrnn.arguments import Flag, Integer
from pycharrnn.errors import ParameterTypeError, ParameterValueError, UnknownCharacterError, warn
from pycharrnn.messages import shown

__all__ = ["Vocabulary"]

_N_CODE_POINTS = 0x110000
_LINE_END = ord("\n")
_REPLACEMENT = 0xFFFD
CHUNK = 1 << 18  # characters at a time: fits the cache (several times faster) and lets Ctrl-C through
_UTF32 = ("utf-32-le", "surrogatepass")  # one unit a code point; UTF-16 would merge a pair of lone surrogates


class Vocabulary:
    r"""The characters a model knows, sorted by code point; the id of a character is its rank.

    Parameters
    ----------
    code_points : array_like of int, shape (N,)
        Strictly increasing Unicode code points, at least one. To start from a text, use `from_text`.
    documents : bool, default False
        Whether there is one symbol more, with the last id: it begins and ends every document.

    Attributes
    ----------
    end : int or None
        The id of the symbol between documents; None if there is none.

    Raises
    ------
    ValueError
        If `code_points` are no integers, none, out of order or no code points.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_text("hello\n")
    >>> vocabulary
    Vocabulary(5 characters: '\nehlo')
    >>> len(vocabulary), "h" in vocabulary, list(vocabulary)
    (5, True, ['\n', 'e', 'h', 'l', 'o'])
    >>> vocabulary == Vocabulary([10, 101, 104, 108, 111])
    True
    """

    __slots__ = ("_characters", "_code_points", "_ids", "_symbols", "end")

    end: int | None

    def __init__(self, code_points: npt.ArrayLike, documents: bool = False) -> None:
        Flag().check("documents", documents)
        codes = np.asarray(code_points)
        if codes.dtype.kind not in "iu" or codes.ndim != 1 or not codes.size:
            got = f"got shape {codes.shape} and dtype {codes.dtype} (for a text: Vocabulary.from_text)"
            raise ValueError(f"code_points must be a 1-d array of at least one integer, {got}")
        good = (codes >= 0) & (codes < _N_CODE_POINTS)
        good[1:] &= codes[1:] > codes[:-1]
        if not good.all():
            bad = int(good.argmin())
            rule = "code points lie in 0..0x10FFFF and increase strictly"
            raise ValueError(f"code_points[{bad}] is {codes[bad]}, but {rule}")
        # A copy, and over bytes, so that nobody can ever make the array writeable.
        self._code_points = np.frombuffer(codes.astype(np.uint32).tobytes(), np.uint32)
        # One entry more than the largest code point needs: anything larger is clipped to that entry, which is unknown.
        self._ids = np.full(int(codes[-1]) + 2, -1, np.int32)
        self._ids[self._code_points] = np.arange(codes.size)
        self.end = codes.size if documents else None
        self._symbols = np.append(self._code_points, [_LINE_END] * documents).astype("<u4")
        self._characters = self.decode(np.arange(codes.size))

    @classmethod
    def from_text(cls, text: str | Sequence[str], min_count: int = 1, known: Vocabulary | None = None) -> Self:
        """Collect the distinct characters of a text or of documents.

        Parameters
        ----------
        text : str or list of str
            The text, or the documents. Documents need one symbol more, which ends each of them.
        min_count : int, default 1
            How often a character must occur. Rarer ones are left out, and U+FFFD stands for all of them; a UserWarning
            says how many they are.
        known : Vocabulary or None, default None
            Characters that are kept however often they occur.

        Returns
        -------
        Vocabulary
            The characters.

        Raises
        ------
        ValueError
            If the text is empty, or no character of it occurs `min_count` times.
        TypeError
            If the text is no str.

        Examples
        --------
        >>> Vocabulary.from_text("banana").code_points.tolist()
        [97, 98, 110]
        >>> Vocabulary.from_text(["anna", "bob"]).n_symbols
        5
        """
        Integer(1, 2**62).check("min_count", min_count)
        if known is not None and not isinstance(known, Vocabulary):
            raise ParameterTypeError("known", f"must be a Vocabulary or None, got {shown(known)}")
        documents = isinstance(text, (list, tuple))
        counts = np.zeros(_N_CODE_POINTS, np.int64)
        for _, codes in _chunks(_joined(text)):
            part = np.bincount(codes)
            counts[: part.size] += part
        if not counts.any():
            raise ValueError("text is empty, but a vocabulary needs at least one character")
        kept = counts >= min_count
        if known is not None:
            kept[known.code_points] = True
        if not kept.any():
            most = f"{counts.max():,}, as often as the commonest character of the text occurs"
            raise ParameterValueError("min_count", f"must be at most {most}, got {shown(min_count)}")
        rare = int(((counts > 0) & ~kept).sum())
        if rare:
            kept[_REPLACEMENT] = True
            warn(
                f"{rare:,} of {np.count_nonzero(counts):,} characters occur fewer than {min_count:,} times and are "
                "read as U+FFFD"
            )
        return cls(np.flatnonzero(kept), documents)

    @property
    def code_points(self) -> npt.NDArray[np.uint32]:
        """The code points, shape (N,), in increasing order, read-only."""
        return self._code_points

    @property
    def n_symbols(self) -> int:
        """K: the characters, and the symbol between documents if there is one."""
        return self._symbols.size

    def encode(
        self, text: str | Sequence[str], on_unknown: Literal["raise", "skip", "replace"] = "raise"
    ) -> npt.NDArray[np.int32]:
        r"""Turn a text, or a list of documents, into ids, shape (N,).

        Documents have the symbol `end` before the first, between two and after the last.

        Parameters
        ----------
        text : str or list of str
            The text or the documents.
        on_unknown : {"raise", "skip", "replace"}, default "raise"
            What to do with a character that the vocabulary lacks: raise `UnknownCharacterError`, leave it out, or
            put in its place the first of U+FFFD, ``"?"`` and the space that the vocabulary has.

        Returns
        -------
        ndarray of int32, shape (N,)
            The ids, from 0 to K - 1.

        Raises
        ------
        UnknownCharacterError
            If `on_unknown` is "raise" and there is such a character, or "replace" and there is nothing to replace it.
        ValueError
            If `on_unknown` is something else, or the vocabulary has no symbol between documents.
        TypeError
            If the text is no str.

        Examples
        --------
        >>> Vocabulary.from_text("abc").encode("cab")
        array([2, 0, 1], dtype=int32)
        >>> Vocabulary.from_text(["abc"]).encode(["c", "ab!"], on_unknown="skip")
        array([3, 2, 3, 0, 1, 3], dtype=int32)
        """
        if not isinstance(on_unknown, str) or on_unknown not in ("raise", "skip", "replace"):
            raise ParameterValueError("on_unknown", f"must be 'raise', 'skip' or 'replace', got {shown(on_unknown)}")
        documents = isinstance(text, (list, tuple))
        joined = _joined(text)
        ids = np.empty(len(joined), np.int32)
        for start, codes in _chunks(joined):
            self._ids.take(codes, out=ids[start : start + codes.size], mode="clip")
        starts = np.cumsum([0, *map(len, text)]) if documents else np.zeros(1, int)
        if ids.size and ids.min() < 0:
            position = int(ids.argmin())  # the first, since all unknown ones are -1
            known = [c for c in "\ufffd? " if c in self]
            if on_unknown == "raise" or (on_unknown == "replace" and not known):
                document = int(np.searchsorted(starts, position, "right")) - 1
                within = position - int(starts[document])
                raise UnknownCharacterError(joined[position], within, document if documents else None)
            if on_unknown == "replace":
                ids[ids < 0] = self._ids[ord(known[0])]
        if documents:
            if self.end is None:
                raise ValueError("this vocabulary has no symbol to end documents with; it is one of running text")
            ids = np.insert(ids, starts, self.end)
        return ids[ids >= 0]

    def decode(self, ids: npt.ArrayLike) -> str:
        r"""Turn ids back into a text; the symbol `end` becomes a line end.

        Parameters
        ----------
        ids : array_like of int, shape (N,)
            Each from 0 to K - 1.

        Returns
        -------
        str
            The text.

        Raises
        ------
        TypeError
            If `ids` is no 1-d array of integers.
        ValueError
            If an id is out of range.

        Examples
        --------
        >>> Vocabulary.from_text("abc").decode([2, 0, 1])
        'cab'
        """
        a = np.asarray(ids)
        if a.ndim != 1 or (a.size and a.dtype.kind not in "iu"):  # to NumPy, [] is an array of floats
            raise TypeError(f"ids must be a 1-d array of integers, got shape {a.shape} and dtype {a.dtype}")
        bad = (a < 0) | (a >= self.n_symbols)
        if bad.any():
            position = int(bad.argmax())
            raise ValueError(f"ids[{position}] is {a[position]}, but ids go from 0 to {self.n_symbols - 1}")
        return self._symbols[a.astype(np.intp)].tobytes().decode(*_UTF32)

    def __len__(self) -> int:
        return self._code_points.size

    def __iter__(self) -> Iterator[str]:
        return iter(self._characters)

    def __contains__(self, character: object) -> bool:
        return isinstance(character, str) and len(character) == 1 and character in self._characters

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return (self._characters, self.end) == (other._characters, other.end)

    def __repr__(self) -> str:
        end = "" if self.end is None else " and an end of document"
        return f"Vocabulary({len(self)} characters{end}: {self._characters[:40]!a}{'...' * (len(self) > 40)})"

    def __reduce__(self) -> tuple[type[Self], tuple[npt.NDArray[np.uint32], bool]]:
        return type(self), (self._code_points, self.end is not None)  # small, and unpickled with the same checks


def _joined(text: str | Sequence[str]) -> str:
    """Return a text, or documents one after the other; a TypeError says what is neither."""
    for part in text if isinstance(text, (list, tuple)) else [text]:
        if not isinstance(part, str):
            what = "a str" if part is text else "a list of str"
            advice = "; decode it first: text.decode('utf-8')" if isinstance(part, (bytes, bytearray)) else ""
            raise TypeError(f"text must be {what}, not {'' if part is text else 'of '}{type(part).__name__}{advice}")
    return text if isinstance(text, str) else "".join(text)


def _chunks(text: str) -> Iterator[tuple[int, npt.NDArray[np.int32]]]:
    """Iterate over (start, code points) of the text, a chunk at a time."""
    starts = range(0, len(text), CHUNK)
    return ((i, np.frombuffer(text[i : i + CHUNK].encode(*_UTF32), "<i4")) for i in starts)
