"""Bytes of a file to its text: unpacked, decoded strictly, never normalised."""

from __future__ import annotations

import codecs
import threading
from typing import NamedTuple

from pycharrnn.errors import ParameterValueError
from pycharrnn.messages import shown
from pycharrnn.packing import unpack

__all__ = ["MARK", "Fault", "decode", "split_lines", "to_text"]

MARK = "\udcff"
"""It stands for bytes that are no text. Strict decoding never gives it."""


class Fault(NamedTuple):
    """A byte that begins no character in the encoding.

    Parameters
    ----------
    offset : int
        Where it stands, counted from 0.
    reason : str
        What is wrong with it.
    """

    offset: int
    reason: str


def decode(data: bytes, source: str, encoding: str = "utf-8") -> str:
    r"""Return the text that the bytes of a file hold: unpacked, as by `unpack`, and decoded strictly, as by `to_text`.

    Parameters
    ----------
    data : bytes
        A whole file.
    source : str
        What the messages call the file.
    encoding : str, default "utf-8"
        One of Python's text encodings.

    Returns
    -------
    str
        The text, with its line ends as they are.

    Raises
    ------
    ValueError
        If the encoding is none, the file is damaged or no text, or its bytes are not in the encoding. The message goes
        on from "the text is".
    ImportError
        If this Python lacks the module that unpacks the file.

    Examples
    --------
    >>> import gzip
    >>> decode(gzip.compress(b"\xef\xbb\xbfla\r\nla"), "song.txt.gz")
    'la\r\nla'
    >>> decode(b"la\n\xff", "la.txt")
    Traceback (most recent call last):
    ValueError: not valid UTF-8: byte 0xFF at offset 3 of 'la.txt' (line 2: invalid start byte); save the file as UTF-8
    >>> decode(b"la\n\xff", "la.txt", "latin-1")
    'la\n\xff'
    """
    _codec(encoding)  # before the data: it is the caller's mistake
    return to_text(unpack(data, source), source, encoding)


def to_text(data: bytes, source: str, encoding: str = "utf-8", faults: list[Fault] | None = None) -> str:
    r"""Return the text of these bytes, without a byte order mark at the start.

    Parameters
    ----------
    data : bytes
        What is not packed, or no longer.
    source : str
        What the message calls the file. It gives the line and the offset of the first bad byte, counted from 1 and
        from 0.
    encoding : str, default "utf-8"
        One of Python's text encodings.
    faults : list or None, default None
        Where bad bytes go: a `MARK` stands for each in the text, in the same order. None makes the first an error.

    Returns
    -------
    str
        The text.

    Raises
    ------
    ValueError
        If the encoding is none, or the bytes are not in it.

    Examples
    --------
    >>> faults = []
    >>> to_text(b"la\n\xff", "la.txt", faults=faults)
    'la\n\udcff'
    >>> faults
    [Fault(offset=3, reason='not valid UTF-8: byte 0xFF at offset 3 (invalid start byte)')]
    """
    codec = _codec(encoding)
    if faults is not None:
        _local.decoding = _Decoding(data, codec, faults)
    try:
        text = data.decode(codec, "strict" if faults is None else _MARKING)
    except UnicodeDecodeError as error:
        offset = error.start + len(data) - len(error.object)  # utf-8-sig counts from after the mark
        line = len(split_lines(data[:offset].decode(codec, "ignore")))
        where = f"byte 0x{data[offset]:02X} at offset {offset} of {source!a} (line {line}: {error.reason})"
        raise ValueError(f"not valid {codec.upper()}: {where}; save the file as {codec.upper()}") from None
    finally:
        vars(_local).clear()
    return text if codec in ("utf-8-sig", "utf-16", "utf-32") else text.removeprefix("\ufeff")  # these have dropped it


def split_lines(text: str) -> list[str]:
    r"""Split a text at LF, CR LF and CR, and nowhere else, unlike `str.splitlines`; one more piece than line ends.

    Examples
    --------
    >>> split_lines("a\nb\r\nc\u2028d\r")
    ['a', 'b', 'c\u2028d', '']
    """
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


class _Decoding(NamedTuple):
    """What the error handler needs of the decoding that goes on in its thread."""

    data: bytes
    codec: str
    faults: list[Fault]


_MARKING = "pycharrnn.mark"  # the name of the error handler
_local = threading.local()


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Put a `MARK` in the place of bytes that cannot be decoded, and remember them."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    decoding: _Decoding = _local.decoding
    offset = error.start + len(decoding.data) - len(error.object)  # utf-8-sig counts from after the mark
    told = f"byte 0x{decoding.data[offset]:02X} at offset {offset} ({error.reason})"
    decoding.faults.append(Fault(offset, f"not valid {decoding.codec.upper()}: {told}"))
    return MARK, error.end


codecs.register_error(_MARKING, _mark)


def _codec(encoding: str) -> str:
    """Return Python's name of a text encoding."""
    try:
        "a".encode(encoding)  # of any length of data, even none, and not by codecs for other things than text
        return codecs.lookup(encoding).name
    except (LookupError, ValueError):
        problem = f"must name a text encoding of Python's, like 'utf-8', got {shown(encoding)}"
        raise ParameterValueError("encoding", problem) from None
