"""Text in and out: files to strings, characters to the int32 ids that the network learns from, and back.

Nothing is ever normalised. A character is one Unicode code point, a line ends however the file ends it, and
every code point there is, lone surrogates included, comes back as it went in.
"""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Iterator
from typing import Self

import numpy as np
import numpy.typing as npt

__all__ = ["UnknownCharacterError", "Vocabulary", "read_text"]

_N_CODE_POINTS = 0x110000
_CHUNK = 1 << 18  # characters at a time: fits the cache (several times faster) and lets Ctrl-C through
_UTF32 = ("utf-32-le", "surrogatepass")  # one unit a code point; UTF-16 would merge a pair of lone surrogates


class UnknownCharacterError(ValueError):
    """A text holds, at index `position`, a `character` that the vocabulary does not.

    Examples
    --------
    >>> str(UnknownCharacterError("!", 4)).partition(":")[0]
    "unknown character '!' (U+0021) at position 4"
    """

    def __init__(self, character: str, position: int) -> None:
        super().__init__(character, position)  # both, not the message: pickle calls the class with these
        self.character = character
        self.position = position

    def __str__(self) -> str:
        where = f"{self.character!a} (U+{ord(self.character):04X}) at position {self.position}"
        return f"unknown character {where}: leave it out, or train on a text that contains it"


class Vocabulary:
    r"""The characters a model knows, sorted by code point; the id of a character is its rank, 0 to K - 1.

    Parameters
    ----------
    code_points : array_like of int, shape (K,)
        Strictly increasing Unicode code points, at least one. To start from a text, use `from_text`.

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

    __slots__ = ("_characters", "_code_points", "_ids")

    def __init__(self, code_points: npt.ArrayLike) -> None:
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
        # One entry more than the largest code point needs: whatever lies beyond is clipped to it: unknown.
        self._ids = np.full(int(codes[-1]) + 2, -1, np.int32)
        self._ids[self._code_points] = np.arange(codes.size)
        self._characters = self.decode(np.arange(codes.size))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Collect the distinct characters of a text, which must not be empty.

        Examples
        --------
        >>> Vocabulary.from_text("banana").code_points.tolist()
        [97, 98, 110]
        """
        seen = np.zeros(_N_CODE_POINTS, bool)
        for _, codes in _chunks(text):
            seen[codes] = True
        if not text:
            raise ValueError("text is empty, but a vocabulary needs at least one character")
        return cls(np.flatnonzero(seen))

    @property
    def code_points(self) -> npt.NDArray[np.uint32]:
        """The code points, shape (K,), increasing, read-only."""
        return self._code_points

    def encode(self, text: str) -> npt.NDArray[np.int32]:
        """Turn a text into ids, shape (N,); an unknown character raises `UnknownCharacterError`.

        Examples
        --------
        >>> Vocabulary.from_text("abc").encode("cab")
        array([2, 0, 1], dtype=int32)
        """
        chunks = _chunks(text)
        ids = np.empty(len(text), np.int32)
        for start, codes in chunks:
            part = ids[start : start + codes.size]
            self._ids.take(codes, out=part, mode="clip")
            if part.min() < 0:
                position = start + int(part.argmin())  # the first, since all unknown ones are -1
                raise UnknownCharacterError(text[position], position)
        return ids

    def decode(self, ids: npt.ArrayLike) -> str:
        """Turn a 1-d array of ids, each 0 <= id < K, back into a text.

        Examples
        --------
        >>> Vocabulary.from_text("abc").decode([2, 0, 1])
        'cab'
        """
        a = np.asarray(ids)
        if a.ndim != 1 or (a.size and a.dtype.kind not in "iu"):  # to NumPy, [] is an array of floats
            raise TypeError(f"ids must be a 1-d array of integers, got shape {a.shape} and dtype {a.dtype}")
        bad = (a < 0) | (a >= len(self))
        if bad.any():
            position = int(bad.argmax())
            raise ValueError(f"ids[{position}] is {a[position]}, but ids go from 0 to {len(self) - 1}")
        return self._code_points[a.astype(np.intp)].astype("<u4").tobytes().decode(*_UTF32)

    def __len__(self) -> int:
        return self._code_points.size

    def __iter__(self) -> Iterator[str]:
        return iter(self._characters)

    def __contains__(self, character: object) -> bool:
        return isinstance(character, str) and len(character) == 1 and character in self._characters

    def __eq__(self, other: object) -> bool:
        return self._characters == other._characters if isinstance(other, Vocabulary) else NotImplemented

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} characters: {self._characters[:40]!a}{'...' * (len(self) > 40)})"

    def __reduce__(self) -> tuple[type[Self], tuple[npt.NDArray[np.uint32]]]:
        return type(self), (self._code_points,)  # small, and what is unpickled passes the same checks


def read_text(X: str | os.PathLike[str], name: str = "X") -> str:
    r"""Return the text `X`, a str, or that of the UTF-8 file `X`, a path, with its line ends as they are.

    A byte order mark at the start of the file is dropped. `name` is what the messages call X.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "song.txt")
    ...     _ = path.write_bytes(b"la\r\nla")
    ...     read_text(path)
    'la\r\nla'
    """
    if isinstance(X, str):
        # isfile answers False to what cannot be a path at all, such as NUL characters and lone surrogates.
        if len(X) <= 260 and "\n" not in X and os.path.isfile(X):
            message = f"{name} is taken as the text itself; to train on the file, pass pathlib.Path({X!a})"
            warnings.warn(message, stacklevel=3)  # blames the line that called the method that called this
        return X
    if not isinstance(X, os.PathLike):
        raise _type_error(name, X, "a str (the text itself) or a pathlib.Path (a file to read)")
    path = os.fspath(X)
    if os.path.isdir(path):  # asked first, because Windows would say "permission denied"
        raise IsADirectoryError(errno.EISDIR, f"{name} is a directory; pass the path of one text file", path)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, ValueError):  # ValueError: no file can have that name, as with a NUL in it
        advice = "check the spelling and the working directory, or pass the text itself as a str"
        raise FileNotFoundError(errno.ENOENT, f"{name} names no file; {advice}", path) from None
    try:
        return data.decode("utf-8").removeprefix("\ufeff")  # utf-8-sig counts offsets from after the mark
    except UnicodeDecodeError as error:
        where = f"byte 0x{data[error.start]:02X} at offset {error.start} of {path!a} ({error.reason})"
        advice = "save the file as UTF-8, or decode it yourself and pass the text"
        raise ValueError(f"{name} is not valid UTF-8: {where}; {advice}") from None


def _chunks(text: str) -> Iterator[tuple[int, npt.NDArray[np.int32]]]:
    """Iterate over (start, code points) of the text, a chunk at a time."""
    if not isinstance(text, str):  # now, which in a generator function would be later
        raise _type_error("text", text, "a str")
    starts = range(0, len(text), _CHUNK)
    return ((i, np.frombuffer(text[i : i + _CHUNK].encode(*_UTF32), "<i4")) for i in starts)


def _type_error(name: str, value: object, accepted: str) -> TypeError:
    advice = f"; decode it first: {name}.decode('utf-8')" if isinstance(value, (bytes, bytearray)) else ""
    return TypeError(f"{name} must be {accepted}, not {type(value).__name__}{advice}")
