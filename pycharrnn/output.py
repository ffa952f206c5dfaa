"""Text out: what a model wrote or a user passed leaves for a stream, which may not take every character."""

from __future__ import annotations

import re
import sys
from typing import Any

__all__ = ["count", "escaped", "write"]

# What a terminal obeys, all but the line end and the tab, and halves of surrogate pairs, which no terminal can show.
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def count(n: int, noun: str) -> str:
    """Return the number and the noun, in the plural unless there is one.

    Examples
    --------
    >>> count(1, "row"), count(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{n:,} {noun}{'s' * (n != 1)}"


def escaped(text: str) -> str:
    r"""Return the text with escapes for control characters, other than line ends and tabs, and lone surrogates.

    Examples
    --------
    >>> print(escaped("one\ntwo \x1b[31m \udc00"))
    one
    two \x1b[31m \udc00
    """
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def write(text: str, file: Any) -> None:
    r"""Write a text to a stream, with escapes for the characters that its encoding lacks, and flush it.

    To a terminal go escapes for control characters, too: no text may move the cursor or change the title. Any other
    stream gets the characters as they are. A `file` of None, the `sys.stdout` of a program without a console, gets
    nothing.

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
        if encoding:  # a stream that hands texts to another thread or program finds out when it is too late
            text.encode(encoding, getattr(file, "errors", None) or "strict")
        file.write(text)
    except UnicodeEncodeError:
        encoding = encoding or "ascii"
        file.write(text.encode(encoding, "backslashreplace").decode(encoding))
    if hasattr(file, "flush"):
        file.flush()


def is_watched() -> bool:
    """Whether somebody sees stderr change: it is a terminal, or this is a notebook."""
    return sys.stderr is not None and (sys.stderr.isatty() or "ipykernel" in sys.modules)
