"""Many short texts out of one place: rows of JSON or CSV, the lines of a file, the files of a folder."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Literal, NamedTuple

from pycharrnn.text import decode, gunzip, split_lines

__all__ = ["Documents", "read_documents"]

_SUFFIXES = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".txt": "lines"}
_FORMATS = (*dict.fromkeys(_SUFFIXES.values()), "files")
_KINDS = {type(None): "null", bool: "a boolean", float: "a number", list: "a list", dict: "an object"}


class Documents(list[str]):
    """A list of texts that knows its `source` and, in `skipped`, which of its rows were left out and why.

    Examples
    --------
    >>> Documents(["la", "lo"], "songs.txt", ["line 2: the document is empty"])
    Documents(2 documents from 'songs.txt', 1 row skipped)
    """

    def __init__(self, documents: Iterable[str] = (), source: str = "", skipped: Iterable[str] = ()) -> None:
        super().__init__(documents)
        self.source = source
        self.skipped = tuple(skipped)

    def __repr__(self) -> str:
        skipped = f", {_count(len(self.skipped), 'row')} skipped" if self.skipped else ""
        return f"Documents({_count(len(self), 'document')} from {self.source!a}{skipped})"


class _Bad(NamedTuple):
    reason: str


_Row = tuple[str, str | _Bad]  # where it stands, and its document


def read_documents(
    path: str | os.PathLike[str] | BinaryIO,
    format: Literal["json", "jsonl", "csv", "tsv", "lines", "files"] | None = None,
    *,
    field: str | int = "text",
    on_bad: Literal["raise", "skip"] = "raise",
    unescape: bool = False,
    encoding: str = "utf-8",
) -> Documents:
    r"""Read documents, texts of at least one character each, from a file, gzipped or not, or from a folder.

    Parameters
    ----------
    path : str, path-like or binary file object
        What to read; a file object, like ``sys.stdin.buffer``, needs a `format`.
    format : {"json", "jsonl", "csv", "tsv", "lines", "files"}, optional
        "json", one list of objects or of strings; "jsonl", one object or string a line; "csv" or "tsv", with a row of
        column names unless `field` is a number; "lines", one document a line; "files", one document for each regular
        file directly in the folder, in the order of their names, without those whose names begin with a dot.
        By default, told by the name: .json, .jsonl or .ndjson, .csv, .tsv, .txt for lines; a folder for files.
    field : str or int, default "text"
        The key or the column; a number counts the columns, from 0, of a file without names. Lines and files have none.
    on_bad : {"raise", "skip"}, default "raise"
        What to do with rows that give no document. Skipped ones are listed in the attribute `skipped` of the result.
        A file that is broken as a whole always raises.
    unescape : bool, default False
        Turn HTML's ``&amp;`` into ``&``, and so on. Nothing else in a document is ever changed.
    encoding : str, default "utf-8"
        Any of Python's text encodings.

    Examples
    --------
    >>> rows = io.BytesIO(b'{"text": "R&amp;B"}\n{"text": null}\n"soul"\n')
    >>> documents = read_documents(rows, "jsonl", on_bad="skip", unescape=True)
    >>> documents[:], documents.skipped
    (['R&B', 'soul'], ("line 2: field 'text' is null, not a string",))
    """
    if format is not None and format not in _FORMATS:
        raise ValueError(f"format must be one of {', '.join(map(repr, _FORMATS))}, got {format!a}")
    if on_bad not in ("raise", "skip"):
        raise ValueError(f"on_bad must be 'raise' or 'skip', got {on_bad!a}")
    if isinstance(field, bool) or not isinstance(field, (str, int)):
        raise TypeError(f"field must be a str (a name) or an int (a column, from 0), not {type(field).__name__}")
    source, kind, data = _open(path, format)
    if isinstance(field, int) and (field < 0 or kind not in ("csv", "tsv")):
        raise ValueError(f"field must be a name, or for 'csv' and 'tsv' a number from 0, got {field} for {kind!r}")
    decode(b"", source, encoding)  # an unknown encoding is no fault of a file in a folder

    import html  # only now: importing the names of all entities takes its time

    documents, bad = [], []
    for place, row in _files(source, encoding) if kind == "files" else _parse(data, source, kind, field, encoding):
        document = html.unescape(row) if unescape and isinstance(row, str) else row
        if isinstance(document, str) and document:
            documents.append(document)
        else:
            bad.append(f"{place}: {document.reason if isinstance(document, _Bad) else 'the document is empty'}")
    if bad and on_bad == "raise":
        more = f" (and {_count(len(bad) - 1, 'bad row')} more)" if len(bad) > 1 else ""
        raise ValueError(f'{source!a}, {bad[0]}{more}; mend it, or on_bad="skip" leaves such rows out and counts them')
    if not documents:
        why = f": {_count(len(bad), 'row')} skipped, first {bad[0]}" if bad else "; it needs at least one"
        raise ValueError(f"{source!a} has no document{why}")
    return Documents(documents, source, bad)


def _open(path: object, format: str | None) -> tuple[str, str, bytes]:
    """Return the name of what is to be read, its format, and its bytes unless it is a folder."""
    if isinstance(path, (str, os.PathLike)):
        source = os.fsdecode(path)
        kind = "files" if format is None and os.path.isdir(source) else format
        data = b"" if kind == "files" else _bytes(source)
        suffix = os.path.splitext(source.lower().removesuffix(".gz"))[1]
        if kind is None and suffix not in _SUFFIXES:
            raise ValueError(f"the name {source!a} tells no format; pass format=, one of {', '.join(_FORMATS)}")
        return source, kind or _SUFFIXES[suffix], data
    if not hasattr(path, "read"):
        raise TypeError(f"path must be a str, a path-like or a binary file object, not {type(path).__name__}")
    name = "standard input" if path is getattr(sys.stdin, "buffer", None) else getattr(path, "name", None)
    source = name if isinstance(name, str) else "the file object"
    if format is None or format == "files":
        raise ValueError(f"format must be given for a file object, one of {', '.join(_FORMATS[:-1])}, got {format!r}")
    data = path.read()
    if not isinstance(data, bytes):
        raise TypeError(f"path must be a binary file object, like sys.stdin.buffer, but {source!a} reads as text")
    return source, format, data


def _bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _files(folder: str, encoding: str) -> Iterator[_Row]:
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.startswith(".") or not os.path.isfile(path):
            continue
        data = _bytes(path)
        try:
            yield f"file {name!a}", decode(data, name, encoding)
        except ValueError as error:
            yield f"file {name!a}", _Bad(str(error))


def _parse(data: bytes, source: str, kind: str, field: str | int, encoding: str) -> list[_Row]:
    """Read all rows of a file; what breaks the file as a whole is a ValueError that names it."""
    data = gunzip(data, source)
    try:
        text = decode(data, source, encoding)
    except ValueError as error:
        raise ValueError(f"{error}, or pass the encoding that it has") from None
    try:
        return list(_READERS[kind](text, field))
    except json.JSONDecodeError as error:
        before = text[: error.pos]
        mark = len(data) - len(text.encode(encoding))  # a mark that was dropped, less one that this writes
        where = f"line {len(split_lines(before))}, byte offset {len(before.encode(encoding)) + mark}: {error.msg}"
        advice = "mend it, or, if each line is a JSON value of its own, pass format='jsonl'"
        raise ValueError(f"{source!a} is not valid JSON: {where}; {advice}") from None
    except ValueError as error:
        raise ValueError(f"{source!a} {error}") from None


def _lines(text: str, field: str | int) -> Iterator[tuple[str, str]]:
    lines = split_lines(text)
    last = len(lines) - (not lines[-1])  # the end of the last line starts no other
    return ((f"line {i}", line) for i, line in enumerate(lines[:last], 1))


def _json(text: str, field: str | int) -> Iterator[_Row]:
    values = _loads(text) if text else []
    if not isinstance(values, list):
        raise ValueError("must hold a list of objects or of strings; for one object or string a line pass 'jsonl'")
    return _pick([(f"row {i}", value) for i, value in enumerate(values, 1)], field)


def _jsonl(text: str, field: str | int) -> Iterator[_Row]:
    def value(line: str) -> Any:
        try:
            return _loads(line) if line.strip() else _Bad("the line is empty")
        except json.JSONDecodeError as error:
            return _Bad(f"not valid JSON at character {error.colno}: {error.msg}")
        except ValueError as error:
            return _Bad(str(error))

    return _pick([(place, value(line)) for place, line in _lines(text, field)], field)


def _loads(text: str) -> Any:
    try:
        return json.loads(text, parse_int=float)  # no number is ever used, and int refuses those of 5,000 digits
    except RecursionError:
        raise ValueError("has JSON that is nested too deeply") from None


def _pick(rows: list[tuple[str, Any]], field: str | int) -> Iterator[_Row]:
    """Take out of each JSON value its document: the field of an object, or the string that it is."""
    first = next((value for _, value in rows if isinstance(value, dict)), None)
    if first is not None and not any(isinstance(v, str) or (isinstance(v, dict) and field in v) for _, v in rows):
        raise ValueError(f"has no row with the field {field!a}; pass field=, the first row has {_names(first)}")
    for place, value in rows:
        if isinstance(value, (str, _Bad)):
            yield place, value
        elif not isinstance(value, dict):
            yield place, _Bad(f"{_KINDS[type(value)]}, not an object or a string")
        elif field not in value:
            yield place, _Bad(f"field {field!a} is missing")
        elif isinstance(value[field], str):
            yield place, value[field]
        else:
            yield place, _Bad(f"field {field!a} is {_KINDS[type(value[field])]}, not a string")


def _csv(text: str, field: str | int, delimiter: str = ",") -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)  # "": line ends stay
    rows, line = [], 1
    try:
        for row in reader:
            rows.append((line, row))
            line = reader.line_num + 1
    except csv.Error as error:
        advice = "mend it; a quote within quotes is doubled, and csv.field_size_limit sets how long a field may be"
        raise ValueError(f"is broken in the row that starts on line {line}: {error}; {advice}") from None
    header = rows[0][1] if rows else []
    if isinstance(field, int):
        column = field
        if rows and column >= len(header):
            raise ValueError(f"has no column {field}; pass field=, the first row has 0 to {len(header) - 1}")
    elif rows:
        if header.count(field) != 1:
            many = "more than one" if field in header else "no"
            raise ValueError(f"has {many} column {field!a}; pass field=, the columns are {_names(header)}")
        column, rows = header.index(field), rows[1:]
    for line, row in rows:
        good = len(row) == len(header)
        yield f"line {line}", row[column] if good else _Bad(f"{_count(len(row), 'field')}, the first row {len(header)}")


_READERS: dict[str, Callable[[str, str | int], Iterator[_Row]]] = {
    "json": _json,
    "jsonl": _jsonl,
    "csv": _csv,
    "tsv": lambda text, field: _csv(text, field, "\t"),
    "lines": _lines,
}


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'s' * (n != 1)}"


def _names(names: Iterable[str]) -> str:
    text = ", ".join(map(ascii, names)) or "none"
    return text if len(text) <= 400 else text[:400] + "..."
