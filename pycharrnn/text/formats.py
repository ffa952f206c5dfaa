"""The formats of files that hold many documents: one row each, with how it is cut into records and what they give."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from pycharrnn.messages import Message, advice, message_of
from pycharrnn.packing import unpack
from pycharrnn.text import records
from pycharrnn.text.decoding import MARK, Fault, split_lines, to_text
from pycharrnn.text.fields import Found, column, json_lines, json_list
from pycharrnn.text.records import Bad, Record

__all__ = ["BY_SUFFIX", "FORMATS", "Format", "Options", "parse", "suffix"]


class Options(NamedTuple):
    """How to read files.

    Parameters
    ----------
    field : str or int
        The field of a JSON value or the column of a row.
    delimiter : str or None
        The character between the columns of "csv"; None asks the file.
    separator : str
        What stands between the documents of "parts".
    encoding : str
        One of Python's text encodings.
    skip : bool
        Whether bytes that are not in the encoding make their record `Bad`, not the file.
    """

    field: str | int = "text"
    delimiter: str | None = None
    separator: str = ""
    encoding: str = "utf-8"
    skip: bool = False


class Format(NamedTuple):
    """How documents lie in a file.

    Parameters
    ----------
    cut : callable or None
        Cuts a text into records, whose values may then be `Bad`; None where the file is one value.
    pick : callable
        Takes their documents out of the records, or out of the whole text.
    suffixes : tuple of str
        The names of files that tell the format.
    columns : bool
        Whether rows have columns, which can be counted.
    named : bool
        Whether users can name it.
    """

    cut: Callable[[str, Options], Iterator[Record]] | None
    pick: Callable[[Any, Options], Iterable[Found | Record]]
    suffixes: tuple[str, ...] = ()
    columns: bool = False
    named: bool = True


def _whole(found: Iterator[Record], options: Options) -> Iterator[Record]:
    """Each record is a document."""
    return found


def _column(found: Iterator[Record], options: Options) -> Iterator[Found]:
    return column(found, options.field)


def _quoted(text: str, options: Options) -> Iterator[Record]:
    return records.quoted_rows(text, options.delimiter or records.delimiter_of(text, options.field))


FORMATS = {
    "json": Format(None, lambda text, options: json_list(text, str(options.field)), (".json", ".js")),
    "jsonl": Format(
        cut=lambda text, options: records.lines(text),
        pick=lambda found, options: json_lines(found, str(options.field)),
        suffixes=(".jsonl", ".ndjson"),
    ),
    "csv": Format(_quoted, _column, (".csv",), columns=True),
    "tsv": Format(lambda text, options: records.rows(text, "\t"), _column, (".tsv",), columns=True),
    "lines": Format(lambda text, options: records.lines(text), _whole, (".txt",)),
    "paragraphs": Format(lambda text, options: records.paragraphs(text), _whole),
    "parts": Format(lambda text, options: records.parts(text, options.separator), _whole, named=False),
}
BY_SUFFIX = {suffix: name for name, row in FORMATS.items() for suffix in row.suffixes}
_PACKED = re.compile(r"\.(gz|bz2|xz|lzma|zip)$", re.IGNORECASE)


def suffix(name: str) -> str:
    """Return the suffix of a file's name, in lower case, without the one that says how it is packed.

    Examples
    --------
    >>> suffix("posts.JSON"), suffix("table.csv.gz"), suffix("README")
    ('.json', '.csv', '')
    """
    return os.path.splitext(_PACKED.sub("", name.lower()))[1]


def parse(data: bytes, name: str, format: str, options: Options) -> Iterator[Found | Record]:
    r"""Take the documents out of the bytes of a file.

    Parameters
    ----------
    data : bytes
        A whole file, perhaps packed.
    name : str
        What messages call it.
    format : str
        A name of `FORMATS`.
    options : Options
        How to read it.

    Yields
    ------
    Found or Record
        What a record gives, or a record whose value is a document.

    Raises
    ------
    ValueError
        If the file is broken as a whole; the message names it.
    ImportError
        If this Python cannot unpack it.

    Examples
    --------
    >>> [found.value for found in parse(b"la\nlo\n", "songs.txt", "lines", Options())]
    ['la', 'lo']
    """
    data = unpack(data, name)
    row = FORMATS[format]
    faults: list[Fault] | None = [] if options.skip and row.cut else None
    try:
        text = to_text(data, name, options.encoding, faults)
    except ValueError as error:
        raise ValueError(Message(str(error), advice(", or pass {encoding=}"))) from None
    try:
        found: Any = row.cut(text, options) if row.cut else text
        yield from row.pick(_decoded(found, text, faults) if faults else found, options)
    except json.JSONDecodeError as error:
        before = text[: error.pos]
        mark = len(data) - len(text.encode(options.encoding))  # a mark that was dropped, less one that this writes
        offset = len(before.encode(options.encoding)) + mark
        where = f"line {len(split_lines(before))}, byte offset {offset}: {error.msg}"
        what_to_do = advice("fix it, or, if each line is a JSON value of its own, pass {format=jsonl}")
        raise ValueError(Message(f"{name!a} is not valid JSON: {where}; ", what_to_do)) from None
    except ValueError as error:
        raise ValueError(Message(f"{name!a} ", message_of(error))) from None


def _decoded(found: Iterator[Record], text: str, faults: list[Fault]) -> Iterator[Record]:
    """Put the reason in the place of what a record holds if a byte of it could not be decoded."""
    marks = [mark.start() for mark in re.finditer(MARK, text)]
    at = 0
    for record in found:
        while at < len(marks) and marks[at] < record.start:
            at += 1
        bad = at < len(marks) and marks[at] < record.end
        yield record._replace(value=Bad(faults[at].reason)) if bad else record
