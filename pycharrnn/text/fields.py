"""Out of each record its document: the column of a row, the field of a JSON value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pycharrnn.messages import Message, advice
from pycharrnn.output import count
from pycharrnn.text.records import Bad, Record

__all__ = ["Found", "column", "json_lines", "json_list"]

_KINDS = {type(None): "null", bool: "a boolean", float: "a number", list: "a list", dict: "an object"}
# As in "window.YTD.tweets.part0 = [".
_ASSIGNED = re.compile(r"\s*(?:(?:var|let|const)\s+)?[A-Za-z_$][\w$.]*\s*=\s*(?=[\[{])")
_SPACE = re.compile(r"[ \t\r\n]*")
_END = re.compile(r"[ \t\r\n]*;?[ \t\r\n]*")
_DECODER = json.JSONDecoder(parse_int=float)  # no number is ever used, and int refuses those of 5,000 digits
_ABSENT = object()


class Found(NamedTuple):
    """What a record gives.

    Parameters
    ----------
    place : str
        Where it stands, for messages: "line 3".
    value : str or Bad
        The document, or the reason why there is none.
    """

    place: str
    value: str | Bad


def column(rows: Iterator[Record], field: str | int) -> Iterator[Found]:
    """Take out of each row its document: the column of this name, by the first row, or of this number."""
    first = next(rows, Record("", 0, 0, []))
    place, header = first.place, first.value
    if isinstance(header, Bad):
        raise ValueError(f"has a first row that is not well formed, on {place}: {header.reason}")
    if isinstance(field, str) and header:
        if header.count(field) != 1:
            many = "more than one" if field in header else "no"
            there = f", the columns are {_names(header)}"
            raise ValueError(Message(f"has {many} column {field!a}; ", advice("pass {field=}"), there))
        column = header.index(field)
    elif header:
        column = int(field)
        if column >= len(header):
            there = f", the first row has 0 to {len(header) - 1}"
            raise ValueError(Message(f"has no column {field}; ", advice("pass {field=}"), there))
        yield Found(place, header[column])
    for row in rows:
        if isinstance(row.value, Bad):
            yield Found(row.place, row.value)
        elif len(row.value) != len(header):
            yield Found(row.place, Bad(f"{count(len(row.value), 'field')}, the first row {len(header)}"))
        else:
            yield Found(row.place, row.value[column])


def json_list(text: str, field: str) -> Iterator[Found]:
    """Take out of each value of a JSON list its document. JavaScript may give the list a name."""
    assigned = _ASSIGNED.match(text)
    values = _loads(text, assigned.end() if assigned else 0) if text else []
    if not isinstance(values, list):
        held = f", it holds an object with {_names(values)}" if isinstance(values, dict) else ""
        advice = f"for one object or string a line pass 'jsonl'{held}"
        raise ValueError(f"must hold a list of objects or of strings; {advice}")
    return _pick([(f"row {i}", value) for i, value in enumerate(values, 1)], field)


def json_lines(lines: Iterable[Record], field: str) -> Iterator[Found]:
    """Take out of the JSON value of each line its document; what is no JSON is `Bad`."""
    return _pick([(line.place, _json_value(line.value)) for line in lines], field)


def _json_value(line: str | Bad) -> Any:
    """Return what the JSON of a line stands for, or `Bad`."""
    try:
        return line if isinstance(line, Bad) else _loads(line) if line.strip() else Bad("the line is empty")
    except json.JSONDecodeError as error:
        return Bad(f"not valid JSON at character {error.colno}: {error.msg}")
    except ValueError as error:
        return Bad(str(error))


def _loads(text: str, start: int = 0) -> Any:
    """The value that a text holds from `start` on; after an assignment a semicolon may follow."""
    try:
        value, end = _DECODER.raw_decode(text, _SPACE.match(text, start).end())  # type: ignore[union-attr]
    except RecursionError:
        raise ValueError("has JSON that is nested too deeply") from None
    end = (_END if start else _SPACE).match(text, end).end()  # type: ignore[union-attr]  # both match anything
    if end != len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return value


def _pick(rows: list[tuple[str, Any]], field: str) -> Iterator[Found]:
    """Take out of each JSON value its document: the field of an object, or the string that it is."""
    first = next((value for _, value in rows if isinstance(value, dict)), None)
    if first is not None and not any(isinstance(v, str) or _at(v, field) is not _ABSENT for _, v in rows):
        names = _names(_fields(*_nearest(first, field)))
        there = f", the first row has {names}"
        raise ValueError(Message(f"has no row with the field {field!a}; ", advice("pass {field=}"), there))
    for place, value in rows:
        found = value if isinstance(value, (str, Bad)) else _at(value, field)
        if isinstance(found, (str, Bad)):
            yield Found(place, found)
        elif found is not _ABSENT:
            yield Found(place, Bad(f"field {field!a} is {_KINDS[type(found)]}, not a string"))
        elif not isinstance(value, dict):
            yield Found(place, Bad(f"{_KINDS[type(value)]}, not an object or a string"))
        else:
            within, inner = _nearest(value, field)
            has = f"; {within!a} has {_names(_fields('', inner))}" if within else ""
            yield Found(place, Bad(f"field {field!a} is missing{has}"))


def _at(value: Any, field: str) -> Any:
    """The value of a field, whose name may have dots, or of one in another, with a dot between; or _ABSENT."""
    if isinstance(value, dict) and field in value:
        return value[field]
    if isinstance(value, list) and re.fullmatch("[0-9]{1,9}", field) and int(field) < len(value):
        return value[int(field)]
    for dot in reversed(range(len(field))):
        if field[dot] == "." and isinstance(value, (dict, list)):
            inner = _at(value, field[:dot])
            found = _ABSENT if inner is _ABSENT else _at(inner, field[dot + 1 :])
            if found is not _ABSENT:
                return found
    return _ABSENT


def _nearest(value: Any, field: str) -> tuple[str, Any]:
    """The longest part of a field that leads to an object or a list, and that."""
    for dot in reversed(range(len(field))):
        if field[dot] == "." and isinstance(inner := _at(value, field[:dot]), (dict, list)):
            return field[:dot], inner
    return "", value


def _fields(within: str, value: Any, depth: int = 4) -> Iterator[str]:
    """The fields of a value that hold neither objects nor lists, as `field` names them."""
    keys = list(value) if isinstance(value, dict) else range(min(len(value), 1)) if isinstance(value, list) else ()
    if not keys or not depth:
        yield from [within] if within else []
        return
    for key in keys:
        yield from _fields(f"{within}.{key}" if within else str(key), value[key], depth - 1)


def _names(names: Iterable[str]) -> str:
    """Return names for a message, cut off where they are too many."""
    text = ", ".join(map(ascii, names)) or "none"
    return text if len(text) <= 400 else text[:400] + "..."
