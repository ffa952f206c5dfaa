"""A text cut into records: its lines, its paragraphs, the parts between separators, the rows of a table.

A row that is not well formed is `Bad`. If it leaves open where the next one begins, there is a ValueError, whose
message goes on from the name of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

from pycharrnn.messages import Message, advice, shown

__all__ = ["Bad", "Fields", "Record", "delimiter_of", "lines", "paragraphs", "parts", "quoted_rows", "rows"]

_LINE = re.compile(r"([^\r\n]*+)(?:\r\n?|\n|\Z)")
_LINE_END = re.compile(r"\r\n?|\n")
_DELIMITERS = ",;\t|"
_LOOK = 20  # rows that tell the delimiter


class Record(NamedTuple):
    """A piece of a text.

    Parameters
    ----------
    place : str
        Where it stands, for messages: "line 3".
    start, end : int
        The characters of the text that it takes.
    value : str, list of str or Bad
        What it holds: a text, or the fields of a row.
    """

    place: str
    start: int
    end: int
    value: Any


class Bad(NamedTuple):
    """What a value that gives no document is replaced by.

    Parameters
    ----------
    reason : str
        What is wrong with it.
    """

    reason: str


Fields = list[str]


def lines(text: str) -> Iterator[Record]:
    r"""Lines end at LF, CR LF and CR, and nowhere else; the end of the last one starts no other.

    Examples
    --------
    >>> for line in lines("la\r\nlo\n"):
    ...     print(line)
    Record(place='line 1', start=0, end=2, value='la')
    Record(place='line 2', start=4, end=6, value='lo')
    """
    for number, line in enumerate(_LINE.finditer(text), 1):
        if line.start() == len(text):
            return
        yield Record(f"line {number}", line.start(), line.end(1), line[1])


def paragraphs(text: str) -> Iterator[Record]:
    r"""Paragraphs are lines up to a blank one, which is empty or has only white space.

    Examples
    --------
    >>> [paragraph.value for paragraph in paragraphs("la\nla\n\n \nlo\n")]
    ['la\nla', 'lo']
    """
    start = -1  # of the paragraph, if one has begun
    place, end = "", 0
    for number, line in enumerate(_LINE.finditer(text), 1):
        if line[1] and not line[1].isspace():
            if start < 0:
                place = f"line {number}"
                start = line.start()
            end = line.end(1)
        elif start >= 0:
            yield Record(place, start, end, text[start:end])
            start = -1
    if start >= 0:
        yield Record(place, start, end, text[start:end])


def parts(text: str, separator: str) -> Iterator[Record]:
    r"""Parts stand between separators, without the line ends around them. A "\n" in a separator is any line end.

    Before the first separator and after the last there may be nothing.

    Examples
    --------
    >>> [part.value for part in parts("la\nla\n%%\nlo\n%%\n", "%%\n")]
    ['la\nla', 'lo']
    """
    between = "(?:\r\n?|\n)".join(map(re.escape, re.split("\r\n|[\r\n]", separator)))
    cuts = [(0, 0), *(cut.span() for cut in re.finditer(between, text)), (len(text), len(text))]
    if text and len(cuts) == 2:
        raise ValueError(f"does not contain the separator {shown(separator)}")
    number, counted = 1, 0
    for i in range(len(cuts) - 1):
        start, end = cuts[i][1], cuts[i + 1][0]
        part = text[start:end].strip("\r\n")
        if part or 0 < i < len(cuts) - 2:
            start += len(text[start:end]) - len(text[start:end].lstrip("\r\n"))
            number += len(_LINE_END.findall(text, counted, start))
            counted = start
            yield Record(f"line {number}", start, start + len(part), part)


def rows(text: str, delimiter: str) -> Iterator[Record]:
    """Rows of a table without quotes: a field is what stands between delimiters. Empty lines are no rows."""
    return (Record(line.place, line.start, line.end, line.value.split(delimiter)) for line in lines(text) if line.value)


def quoted_rows(text: str, delimiter: str) -> Iterator[Record]:
    r"""Rows of a table with quotes (RFC 4180), whose fields may be of any length. Empty lines are no rows.

    A field that begins with a quote goes on to the next single one; two stand for one of its own. Elsewhere a quote
    is a character like others.

    Examples
    --------
    >>> [row.value for row in quoted_rows('id,text\n1,"la, ""la""\nlo"\n', ",")]
    [['id', 'text'], ['1', 'la, "la"\nlo']]
    """
    plain = re.compile(f"[^{re.escape(delimiter)}\r\n]*+")
    at, number = 0, 1
    while at < len(text):
        line = _LINE.match(text, at)
        assert line is not None  # it matches anything
        end, last = line.end(1), number
        fields: Fields | Bad = line[1].split(delimiter)
        if '"' in line[1]:
            fields, end = _quoted(text, at, number, delimiter, plain)
            last += len(_LINE_END.findall(text, at, end))
        place = f"line {number}" if last == number else f"lines {number} to {last}"
        if end > at and not (number == 1 and fields == ["sep=", ""]):  # how Excel writes down the delimiter
            yield Record(place, at, end, fields)
        ended = _LINE_END.match(text, end)
        at, number = (len(text) if ended is None else ended.end()), last + 1


def _quoted(text: str, start: int, number: int, delimiter: str, plain: re.Pattern[str]) -> tuple[Fields | Bad, int]:
    """Return the fields of the row that begins on line `number`, at `start`, and where it ends."""
    fields: Fields = []
    at = start
    while True:
        if text.startswith('"', at):
            close = text.find('"', at + 1)
            while text.startswith('"', close + 1) and close >= 0:
                close = text.find('"', close + 2)
            if close < 0:
                line = _LINE.match(text, at)
                assert line is not None
                if line.end() == len(text):  # no line after it that could belong to the row or not
                    return Bad("a quote is opened and not closed"), line.end(1)
                number += len(_LINE_END.findall(text, start, at))
                raise ValueError(f"has a quote on line {number} that is not closed, in field {len(fields) + 1}; {_FIX}")
            fields.append(text[at + 1 : close].replace('""', '"'))
            at = close + 1
        else:
            end = plain.match(text, at).end()  # type: ignore[union-attr]  # it matches anything
            fields.append(text[at:end])
            at = end
        if text.startswith(delimiter, at):
            at += 1
        elif at == len(text) or text[at] in "\r\n":
            return fields, at
        else:
            break
    last = number + len(_LINE_END.findall(text, start, at))
    end = _LINE.match(text, at).end(1)  # type: ignore[union-attr]
    following = text.find('"', end)
    begins = following < 0 or text[following - 1] in delimiter + "\r\n"
    if last == number and begins:  # or the row may be a part of one that goes on
        return Bad(f"there is text after the quote that closes field {len(fields)}"), end
    where = f"line {number}" if last == number else f"lines {number} to {last}"
    raise ValueError(f"has text after the quote that closes field {len(fields)} of the row on {where}; {_FIX}")


_FIX = "fix it: close every quote, and double one that belongs to a field"


def delimiter_of(text: str, field: str | int) -> str:
    r"""Return the delimiter of a table with quotes: comma, semicolon, tab or "|".

    It splits the first row, outside of quotes, into columns of which one is named `field`. If that does not decide, it
    splits the first 20 rows into the same number of fields. If none does, it is the comma.

    Examples
    --------
    >>> delimiter_of('id;"text, long"\n1;la, la\n', "id")
    ';'
    """
    if said := re.match(f"sep=([{re.escape(_DELIMITERS)}])[\r\n]", text):
        return said[1]
    tables = {}
    for delimiter in _DELIMITERS:
        head: list[Fields] = []
        with suppress(ValueError):  # if this is the delimiter, the file is read with it, and raises it again
            for row in islice(quoted_rows(text, delimiter), _LOOK):
                head += [] if isinstance(row.value, Bad) else [row.value]
        if head and len(head[0]) > 1:
            tables[delimiter] = head
    named = {delimiter: head for delimiter, head in tables.items() if field in head[0]}
    even = {delimiter: head for delimiter, head in (named or tables).items() if len(set(map(len, head))) == 1}
    tables = even or named or tables
    if len(tables) > 1 and (named or isinstance(field, int)):  # else there is no such column, whichever it is
        raise ValueError(Message(f"may be split by {' or '.join(map(ascii, tables))}; ", advice("pass {delimiter=}")))
    return next(iter(tables), ",")
