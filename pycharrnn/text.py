"""Text in and out: files to strings, characters to the int32 ids that the network learns from, and back.

Nothing is ever normalised. A character is one Unicode code point, a line ends however the file ends it, and
every code point there is, lone surrogates included, comes back as it went in.
"""

from __future__ import annotations

import codecs
import errno
import gzip
import os
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

__all__ = ["UnknownCharacterError", "Vocabulary", "decode", "gunzip", "read_corpus", "read_text", "split_lines"]

_N_CODE_POINTS = 0x110000
_LINE_END = ord("\n")
_CHUNK = 1 << 18  # characters at a time: fits the cache (several times faster) and lets Ctrl-C through
_UTF32 = ("utf-32-le", "surrogatepass")  # one unit a code point; UTF-16 would merge a pair of lone surrogates


class UnknownCharacterError(ValueError):
    """A text, or the `document` of that index, holds at `position` a `character` that the vocabulary does not.

    Examples
    --------
    >>> str(UnknownCharacterError("!", 4)).partition(":")[0]
    "unknown character '!' (U+0021) at position 4"
    """

    def __init__(self, character: str, position: int, document: int | None = None) -> None:
        super().__init__(character, position, document)  # all, not the message: pickle calls the class with these
        self.character = character
        self.position = position
        self.document = document

    def __str__(self) -> str:
        where = f"{self.character!a} (U+{ord(self.character):04X}) at position {self.position}"
        where += "" if self.document is None else f" of document {self.document}"
        return (
            f"unknown character {where}: leave it out, use on_unknown='skip' or on_unknown='replace', or train on a "
            "text that has it"
        )


class Vocabulary:
    r"""The characters a model knows, sorted by code point; the id of a character is its rank.

    Parameters
    ----------
    code_points : array_like of int, shape (N,)
        Strictly increasing Unicode code points, at least one. To start from a text, use `from_text`.
    documents : bool, default False
        Whether there is one symbol more, with the last id: it begins and ends every document.

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
    """The id of the symbol between documents, if there is one."""

    def __init__(self, code_points: npt.ArrayLike, documents: bool = False) -> None:
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
        self.end = codes.size if documents else None
        self._symbols = np.append(self._code_points, [_LINE_END] * documents).astype("<u4")
        self._characters = self.decode(np.arange(codes.size))

    @classmethod
    def from_text(cls, text: str | Sequence[str]) -> Self:
        """Collect the distinct characters of a text or of documents, which must not be empty.

        Examples
        --------
        >>> Vocabulary.from_text("banana").code_points.tolist()
        [97, 98, 110]
        >>> Vocabulary.from_text(["anna", "bob"]).n_symbols
        5
        """
        documents = isinstance(text, (list, tuple))
        seen = np.zeros(_N_CODE_POINTS, bool)
        for _, codes in _chunks("".join(text) if documents else text):  # type: ignore[arg-type]
            seen[codes] = True
        if not seen.any():
            raise ValueError("text is empty, but a vocabulary needs at least one character")
        return cls(np.flatnonzero(seen), documents)

    @property
    def code_points(self) -> npt.NDArray[np.uint32]:
        """The code points, shape (N,), increasing, read-only."""
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
        on_unknown : {"raise", "skip", "replace"}
            What to do with a character that the vocabulary lacks: raise `UnknownCharacterError`, leave it out, or
            put in its place the first of U+FFFD, ``"?"`` and the space that the vocabulary has.

        Examples
        --------
        >>> Vocabulary.from_text("abc").encode("cab")
        array([2, 0, 1], dtype=int32)
        >>> Vocabulary.from_text(["abc"]).encode(["c", "ab!"], on_unknown="skip")
        array([3, 2, 3, 0, 1, 3], dtype=int32)
        """
        if on_unknown not in ("raise", "skip", "replace"):
            raise ValueError(f"on_unknown must be 'raise', 'skip' or 'replace', got {on_unknown!a}")
        documents = isinstance(text, (list, tuple))
        joined: str = "".join(text) if documents else text  # type: ignore[assignment]
        ids = np.empty(len(joined) if isinstance(joined, str) else 0, np.int32)
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
        r"""Turn a 1-d array of ids, each 0 <= id < K, back into a text; the symbol `end` becomes a line end.

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

    def __or__(self, other: Self) -> Self:
        """The characters of both."""
        return type(self)(np.union1d(self._code_points, other._code_points), self.end is not None)

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


def read_corpus(X: str | os.PathLike[str] | Iterable[str], name: str = "X") -> str | list[str]:
    """Return the text `X`, that of the file `X`, or the documents `X`, each a str of at least one character.

    Examples
    --------
    >>> read_corpus(("anna", "bob"))
    ['anna', 'bob']
    """
    if isinstance(X, (str, bytes, bytearray, os.PathLike)) or not isinstance(X, Iterable):
        return read_text(X, name)
    if isinstance(X, (Mapping, Set)):
        raise _type_error(name, X, "a text, a path or a sequence of documents")
    documents = list(X)
    for i, document in enumerate(documents):
        if not isinstance(document, str):
            raise _type_error(f"{name}[{i}]", document, "a str (a document)")
        if not document:
            raise ValueError(f"{name}[{i}] is empty, but a document has at least one character; leave it out")
    if not documents:
        raise ValueError(f"{name} has no document; give at least one")
    return documents


def read_text(X: str | os.PathLike[str], name: str = "X") -> str:
    r"""Return the text `X`, a str, or that of the UTF-8 file `X`, a path, with its line ends as they are.

    A byte order mark at the start of the file is dropped, and a gzipped file is unpacked. `name` is what the messages
    call X.

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
            warnings.warn(message, stacklevel=4)  # blames the line that called the method that called read_corpus
        return X
    if not isinstance(X, os.PathLike):
        raise _type_error(name, X, "a str (the text itself) or a pathlib.Path (a file to read)")
    path = os.fspath(X)
    if os.path.isdir(path):  # asked first, because Windows would say "permission denied"
        advice = f"pass the path of one text file, or make each file a document: read_documents({path!a})"
        raise IsADirectoryError(errno.EISDIR, f"{name} is a directory; {advice}", path)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, ValueError):  # ValueError: no file can have that name, as with a NUL in it
        advice = "check the spelling and the working directory, or pass the text itself as a str"
        raise FileNotFoundError(errno.ENOENT, f"{name} names no file; {advice}", path) from None
    try:
        return decode(data, path)
    except ValueError as error:  # its message goes on from "X is"
        raise ValueError(f"{name} is {error}, or decode it yourself and pass the text") from None


def decode(data: bytes, source: str, encoding: str = "utf-8") -> str:
    r"""Return the text that the bytes of a file hold: unpacked, if they are gzipped, and decoded strictly.

    A byte order mark at the start is dropped; nothing else changes, line ends included. `source` is what the messages
    call the file. They give the line and the offset of the first invalid byte, counted in the unpacked bytes from 1
    and from 0.

    Examples
    --------
    >>> decode(gzip.compress(b"\xef\xbb\xbfla\r\nla"), "song.txt.gz")
    'la\r\nla'
    >>> decode(b"la\n\xff", "la.txt")
    Traceback (most recent call last):
    ValueError: not valid UTF-8: byte 0xFF at offset 3 of 'la.txt' (line 2: invalid start byte); save the file as UTF-8
    >>> decode(b"la\n\xff", "la.txt", "latin-1")
    'la\n\xff'
    """
    try:
        "a".encode(encoding)  # of any length of data, even none, and not by codecs for other things than text
        codec = codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise ValueError(f"encoding must name a text encoding of Python's, like 'utf-8', got {encoding!a}") from None
    data = gunzip(data, source)
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        offset = error.start + len(data) - len(error.object)  # utf-8-sig counts from after the mark
        line = len(split_lines(data[:offset].decode(codec, "ignore")))
        where = f"byte 0x{data[offset]:02X} at offset {offset} of {source!a} (line {line}: {error.reason})"
        raise ValueError(f"not valid {codec.upper()}: {where}; save the file as {codec.upper()}") from None
    return text if codec in ("utf-8-sig", "utf-16", "utf-32") else text.removeprefix("\ufeff")  # these have dropped it


def gunzip(data: bytes, source: str) -> bytes:
    """Return what is gzipped in `data`, or `data` itself if it does not begin like gzip; `source` as for `decode`.

    Examples
    --------
    >>> gunzip(gzip.compress(b"la"), "song.txt.gz"), gunzip(b"la", "song.txt")
    (b'la', b'la')
    """
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        what = "ends too early" if isinstance(error, EOFError) else "is damaged"
        raise ValueError(f"not valid gzip: {source!a} {what}; compress it or download it again") from None


def split_lines(text: str) -> list[str]:
    r"""Split a text at LF, CR LF and CR, and nowhere else, unlike `str.splitlines`; one more piece than line ends.

    Examples
    --------
    >>> split_lines("a\nb\r\nc\u2028d\r")
    ['a', 'b', 'c\u2028d', '']
    """
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _chunks(text: str) -> Iterator[tuple[int, npt.NDArray[np.int32]]]:
    """Iterate over (start, code points) of the text, a chunk at a time."""
    if not isinstance(text, str):  # now, which in a generator function would be later
        raise _type_error("text", text, "a str")
    starts = range(0, len(text), _CHUNK)
    return ((i, np.frombuffer(text[i : i + _CHUNK].encode(*_UTF32), "<i4")) for i in starts)


def _type_error(name: str, value: object, accepted: str) -> TypeError:
    advice = f"; decode it first: {name}.decode('utf-8')" if isinstance(value, (bytes, bytearray)) else ""
    return TypeError(f"{name} must be {accepted}, not {type(value).__name__}{advice}")
