"""Text for streams: a stream may not take every character that a model writes or a user passes."""

from __future__ import annotations

import re
import sys
from typing import Any

__all__ = ["Raw", "count", "escaped", "write"]

# Control characters but the line end and the tab; those that change the direction of writing, by which a line may read
# otherwise than it is; and lone surrogates, which no terminal can show.
_ESCAPED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def count(n: int, noun: str) -> str:
    """Return a number and its noun, in the plural unless the number is one.

    Examples
    --------
    >>> count(1, "row"), count(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{n:,} {noun}{'s' * (n != 1)}"


def escaped(text: str) -> str:
    r"""Return a text with escapes for what would control a terminal, and for lone surrogates.

    That is all control characters other than line ends and tabs, and those that change the direction of writing.

    Examples
    --------
    >>> print(escaped("one\ntwo \x1b[31m \udc00"))
    one
    two \x1b[31m \udc00
    """
    return _ESCAPED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def write(text: str, file: Any) -> None:
    r"""Write a text to a stream, with escapes for the characters that its encoding lacks, and flush it.

    A terminal also gets escapes for control characters, so that no text moves the cursor, changes the title or turns a
    line around. Any other stream, `Raw` ones among them, gets the characters as they are.

    Parameters
    ----------
    text : str
        What to write.
    file : text stream or None
        Where to write it. Nothing is written to None, which is `sys.stdout` in a program without a console.

    Examples
    --------
    >>> import io
    >>> file = io.TextIOWrapper(io.BytesIO(), "latin-1")
    >>> write("caf\xe9 \u732b", file)
    >>> file.buffer.getvalue()
    b'caf\xe9 \\u732b'
    """
    if file is None:
        return
    if getattr(file, "isatty", bool)():
        text = escaped(text)
    encoding = getattr(file, "encoding", None)
    try:
        if encoding:  # checked here: a stream that hands texts to another thread or program would fail too late
            text.encode(encoding, getattr(file, "errors", None) or "strict")
        file.write(text)
    except UnicodeEncodeError:
        encoding = encoding or "ascii"
        file.write(text.encode(encoding, "backslashreplace").decode(encoding))
    if hasattr(file, "flush"):
        file.flush()


class Raw:
    """A stream that gets texts as they are, even if it is a terminal.

    Parameters
    ----------
    file : text stream
        The stream.

    Examples
    --------
    >>> write("done\\n", Raw(sys.stdout))
    done
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self.encoding = getattr(file, "encoding", None)
        self.errors = getattr(file, "errors", None)

    def write(self, text: str) -> object:
        """Write to the stream, and return what it returns."""
        return self._file.write(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._file.flush()


def is_watched() -> bool:
    """Whether somebody sees stderr change: it is a terminal, or this is a notebook."""
    return sys.stderr is not None and (sys.stderr.isatty() or "ipykernel" in sys.modules)
