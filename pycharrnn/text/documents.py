"""Many short texts out of one place: rows of JSON or CSV, the lines or paragraphs of a file, the files of a folder."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, BinaryIO, Literal, NamedTuple

from pycharrnn.arguments import choice
from pycharrnn.output import count
from pycharrnn.packing import unpack
from pycharrnn.text import records
from pycharrnn.text.fields import Found, column, json_lines, json_list
from pycharrnn.text.reading import MARK, Fault, decode, split_lines, to_text
from pycharrnn.text.records import Bad

__all__ = ["Documents", "read_documents", "suffix"]

_SUFFIXES = {".json": "json", ".js": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv"}
_SUFFIXES[".txt"] = "lines"
_FORMATS = (*dict.fromkeys(_SUFFIXES.values()), "paragraphs", "files")
_PACKED = re.compile(r"\.(gz|bz2|xz|lzma|zip)$", re.IGNORECASE)
_Source = str | os.PathLike[str] | BinaryIO


class Documents(list[str]):
    """A list of texts that knows where they come from and what was left out.

    Parameters
    ----------
    documents : iterable of str
        The texts.
    source : str
        What they were read from.
    skipped : iterable of str
        Which rows gave no document, and why.
    left_out : iterable of str
        Which files of a folder were not read, and why.
    files : iterable of str
        The files that were read, one for each document, or none where a file may hold several.

    Examples
    --------
    >>> Documents(["la", "lo"], "songs.txt", ["line 2: the document is empty"])
    Documents(2 documents from 'songs.txt', 1 row skipped)
    """

    def __init__(
        self,
        documents: Iterable[str] = (),
        source: str = "",
        skipped: Iterable[str] = (),
        left_out: Iterable[str] = (),
        files: Iterable[str] = (),
    ) -> None:
        super().__init__(documents)
        self.source = source
        self.skipped = tuple(skipped)
        self.left_out = tuple(left_out)
        self.files = tuple(files)

    def __repr__(self) -> str:
        skipped = f", {count(len(self.skipped), 'row')} skipped" if self.skipped else ""
        left_out = f", {count(len(self.left_out), 'file')} left out" if self.left_out else ""
        return f"Documents({count(len(self), 'document')} from {self.source!a}{self.kinds}{skipped}{left_out})"

    @property
    def kinds(self) -> str:
        """How many files of which suffix were read, as " (62 .abc, 1 .md)", or nothing without files."""
        return f" ({_tally(self.files)})" if self.files else ""


def read_documents(
    path: _Source | Sequence[_Source],
    format: Literal["json", "jsonl", "csv", "tsv", "lines", "paragraphs", "files"] | None = None,
    *,
    field: str | int = "text",
    delimiter: str | None = None,
    separator: str | None = None,
    pattern: str | None = None,
    on_bad: Literal["raise", "skip"] = "raise",
    unescape: bool = False,
    encoding: str = "utf-8",
) -> Documents:
    r"""Read documents, texts of at least one character each, from a file, from several, or from a folder.

    A file that is packed with gzip, bzip2, xz or zip is unpacked, in memory.

    Parameters
    ----------
    path : str, path-like, binary file object or list of these
        What to read; a file object, like ``sys.stdin.buffer``, needs a `format`. The documents of several follow one
        another.
    format : {"json", "jsonl", "csv", "tsv", "lines", "paragraphs", "files"}, optional
        "json", one list of objects or of strings, also one that JavaScript gives a name, as in archives of posts;
        "jsonl", one object or string a line; "csv" or "tsv", with a row of column names unless `field` is a number;
        "lines", one document a line; "paragraphs", documents with blank lines between them; "files", one document a
        file: of a folder all regular files, also those of the folders in it, in the order of their paths.
        By default, told by the name: .json, .jsonl or .ndjson, .csv, .tsv, .txt for lines; a folder for files.
    field : str or int, default "text"
        The key or the column. A key of an object in an object, or the place of a value in a list, follows a dot:
        ``"tweet.full_text"``; a key that has the dot itself comes first. A number counts the columns, from 0, of a file
        without names. Lines, paragraphs and files have none.
    delimiter : str or None, default None
        The character between the columns of "csv". None is the one of comma, semicolon, tab and "|" that splits the
        first row, outside of quotes, into columns of which one is `field`, and, if that does not tell, the first 20
        rows into the same number of columns. A quoted file with tabs is "csv", too: "tsv" has no quotes.
    separator : str or None, default None
        What stands between the documents of a file, instead of a `format`: ``"<|endoftext|>"``, ``"%%\n"``. A line end
        in it is any line end, and line ends around it belong to no document.
    pattern : str or None, default None
        Which files of a folder to read: ``"*.abc"`` asks for names, ``"songs/*.abc"``, with a slash, for paths.
        Whatever a folder has beside them is listed in the attribute `left_out` of the result, and so are links to
        folders, and files and folders whose names begin with a dot, which are never read.
    on_bad : {"raise", "skip"}, default "raise"
        What to do with rows that give no document, because they are empty, not well formed or not in the encoding.
        Skipped ones are listed in the attribute `skipped` of the result. A file that is broken as a whole always
        raises: a quote that is not closed, for one, may have any number of rows in it.
    unescape : bool, default False
        Turn HTML's ``&amp;`` into ``&``, and so on. Nothing else in a document is ever changed.
    encoding : str, default "utf-8"
        Any of Python's text encodings.

    Returns
    -------
    Documents
        A list of str with the attributes `source`, `skipped`, `left_out` and `files`.

    Raises
    ------
    ValueError
        If an argument is not as it must be, a file is broken, a row gives no document, or nothing gives one.
    TypeError
        If `path` or `field` is of another type.
    OSError, ImportError
        If a file cannot be read, or this Python cannot unpack it.

    Examples
    --------
    >>> import io
    >>> rows = io.BytesIO(b'{"text": "R&amp;B"}\n{"text": null}\n"soul"\n')
    >>> documents = read_documents(rows, "jsonl", on_bad="skip", unescape=True)
    >>> documents[:], documents.skipped
    (['R&B', 'soul'], ("line 2: field 'text' is null, not a string",))
    """
    if format is not None:
        choice("format", format, _FORMATS)
    choice("on_bad", on_bad, ("raise", "skip"))
    if isinstance(field, bool) or not isinstance(field, (str, int)):
        raise TypeError(f"field must be a str (a name) or an int (a column, from 0), not {type(field).__name__}")
    if delimiter is not None and (not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n'):
        raise ValueError(f"delimiter must be one character, but no quote and no line end, got {delimiter!a}")
    if separator is not None and (not isinstance(separator, str) or not separator):
        raise ValueError(f"separator must be a str of at least one character, got {separator!a}")
    decode(b"", "", encoding)  # an unknown encoding is no fault of a file in a folder
    paths = list(path) if isinstance(path, (list, tuple)) else [path]
    if not paths:
        raise ValueError("path must have at least one path, got none")
    kinds = [_kind(one, format, separator) for one in paths]
    for _, kind in kinds:
        if isinstance(field, int) and (field < 0 or kind not in ("csv", "tsv")):
            raise ValueError(f"field must be a name, or for 'csv' and 'tsv' a number from 0, got {field} for {kind!r}")
        if delimiter is not None and kind != "csv":
            tabs = "; its columns are split by tabs" if kind == "tsv" else ""
            raise ValueError(f"delimiter must go with the format 'csv', got {kind!r}{tabs}")
    if pattern is not None and not any(os.path.isdir(name) for name, _ in kinds):
        raise ValueError(f"pattern must go with a folder, and {kinds[0][0]!a} is none")

    import html  # only now: importing the names of all entities takes its time

    options = _Options(field, delimiter, separator, encoding, on_bad == "skip")
    result = Documents(source=", ".join(name for name, _ in kinds))
    bad: list[tuple[str, str]] = []  # the file, and what is wrong with which of its rows
    left_out: list[str] = []
    files: list[str] = []
    for one, (name, kind) in zip(paths, kinds, strict=True):
        if kind == "files":
            found = _read_files(name, pattern, encoding, left_out)
        else:
            found = ((place, row, "") for place, row in _parse(_bytes(one, name), name, kind, options))
        n = len(result) + len(bad)
        for place, row, file in found:
            document = html.unescape(row) if unescape and isinstance(row, str) else row
            if isinstance(document, str) and document:
                result.append(document)
                files += [file] if file else []
            else:
                bad.append(
                    (name, f"{place}: {document.reason if isinstance(document, Bad) else 'the document is empty'}")
                )
        if n == len(result) + len(bad) and len(paths) > 1:
            bad.append((name, "the file: it has no document"))
    if bad and on_bad == "raise":
        more = f" (and {count(len(bad) - 1, 'bad row')} more)" if len(bad) > 1 else ""
        told = f"{bad[0][0]!a}, {bad[0][1]}{more}"
        raise ValueError(f'{told}; fix it, or on_bad="skip" leaves such rows out and counts them')
    skipped = [f"{name!a}, {told}" if len(paths) > 1 else told for name, told in bad]
    if not result:
        why = f": {count(len(bad), 'row')} skipped, first {skipped[0]}" if bad else "; it needs at least one"
        why += f"; {count(len(left_out), 'file')} left out, first {left_out[0]}" if left_out else ""
        raise ValueError(f"{result.source!a} has no document{why}")
    result.skipped, result.left_out = tuple(skipped), tuple(left_out)
    result.files = tuple(files) if len(files) == len(result) else ()
    return result


class _Options(NamedTuple):
    field: str | int
    delimiter: str | None
    separator: str | None
    encoding: str
    skip: bool


def _kind(path: object, format: str | None, separator: str | None) -> tuple[str, str]:
    """Return what to call what is to be read, and its format, which is "parts" if there is a separator."""
    if separator is not None and format is not None:
        raise ValueError(f"separator must go without a format, got {format!r}")
    kind = "parts" if separator is not None else format
    if not isinstance(path, (str, os.PathLike)):
        if not hasattr(path, "read"):
            kinds = "a str, a path-like, a binary file object or a list of these"
            raise TypeError(f"path must be {kinds}, not {type(path).__name__}")
        name = "standard input" if path is getattr(sys.stdin, "buffer", None) else getattr(path, "name", None)
        if kind is None or kind == "files":
            known, what = ", ".join(_FORMATS[:-1]), name if name == "standard input" else "a file object"
            raise ValueError(f"format must be one of {known} for {what}, got {format!r}")
        return name if isinstance(name, str) else "the file object", kind
    name = os.fsdecode(path)
    ending = suffix(name)
    if kind is None and os.path.isdir(name):
        return name, "files"
    if kind is None and ending not in _SUFFIXES:
        os.stat(name)  # that it is not there is the first thing to say
        raise ValueError(f"the name {name!a} tells no format; pass format=, one of {', '.join(_FORMATS)}")
    if kind == "parts" and _SUFFIXES.get(ending, "lines") != "lines":
        advice = "delimiter is for its columns" if _SUFFIXES[ending] == "csv" else "pass format='lines' to read lines"
        raise ValueError(f"separator must go with a text, and the name {name!a} tells {_SUFFIXES[ending]!r}; {advice}")
    return name, kind or _SUFFIXES[ending]


def suffix(name: str) -> str:
    """Return the suffix of a file's name, in lower case, without the one that says how it is packed.

    Examples
    --------
    >>> suffix("posts.JSON"), suffix("table.csv.gz"), suffix("README")
    ('.json', '.csv', '')
    """
    return os.path.splitext(_PACKED.sub("", name.lower()))[1]


def _bytes(path: object, name: str) -> bytes:
    if isinstance(path, (str, os.PathLike)):
        with open(path, "rb") as file:
            return file.read()
    data = path.read()  # type: ignore[attr-defined]
    if not isinstance(data, bytes):
        raise TypeError(f"path must be a binary file object, like sys.stdin.buffer, but {name!a} reads as text")
    return data


def _read_files(
    path: str, pattern: str | None, encoding: str, left_out: list[str]
) -> Iterator[tuple[str, str | Bad, str]]:
    """Read a file as one document, or so those of a folder; yield where it stands, the document and its name."""
    names = _walk(path, pattern, left_out) if os.path.isdir(path) else [""]
    for name in names:
        file, shown = (os.path.join(path, name), f"file {name!a}") if name else (path, "the file")
        data = _bytes(file, file)
        try:
            text = decode(data, name or path, encoding)
            yield shown, Bad("it has NUL characters, which no text has") if "\0" in text else text, file
        except ValueError as error:
            yield shown, Bad(str(error)), file


def _walk(folder: str, pattern: str | None, left_out: list[str]) -> list[str]:
    """Return the files in a folder and in those within, in the order of their paths, and add what else there is."""
    files = []

    def fail(error: OSError) -> None:
        raise error

    for root, folders, names in os.walk(folder, onerror=fail):
        for name in sorted([*folders, *names]):
            path = os.path.join(root, name)
            inner = os.path.relpath(path, folder)
            if name.startswith("."):
                reason = "its name begins with a dot"
            elif name in folders:
                reason = "it is a link to a folder" if os.path.islink(path) else ""
            elif not os.path.isfile(path):
                reason = "it is a link to nothing" if os.path.islink(path) else "it is no regular file"
            elif pattern is not None and not _matches(inner.replace(os.sep, "/"), pattern):
                reason = f"it does not match {pattern!a}"
            else:
                files.append(inner)
                continue
            if reason:
                left_out.append(f"{inner!a}: {reason}")
        folders[:] = [name for name in folders if not name.startswith(".")]
    return sorted(files, key=lambda path: path.split(os.sep))


def _matches(path: str, pattern: str) -> bool:
    """A pattern without a slash asks for the name, else for the path; "**/" are any folders, or none."""
    path = path if "/" in pattern else path.rpartition("/")[2]
    return fnmatchcase(path, pattern) or fnmatchcase(path, pattern.replace("**/", ""))


def _parse(data: bytes, name: str, kind: str, options: _Options) -> list[Found]:
    """Read all rows of a file; what breaks the file as a whole is a ValueError that names it."""
    data = unpack(data, name)
    faults: list[Fault] | None = [] if options.skip and kind != "json" else None
    try:
        text = to_text(data, name, options.encoding, faults)
    except ValueError as error:
        raise ValueError(f"{error}, or pass the encoding that it has") from None
    try:
        if kind == "json":
            return list(json_list(text, str(options.field)))
        cut: Iterator[Any]
        if kind == "parts":
            cut = records.parts(text, str(options.separator))
        elif kind == "paragraphs":
            cut = records.paragraphs(text)
        elif kind == "tsv":
            cut = records.rows(text, "\t")
        elif kind == "csv":
            cut = records.quoted_rows(text, options.delimiter or records.delimiter_of(text, options.field))
        else:
            cut = records.lines(text)
        found = _decoded(cut, text, faults or [])
        if kind in ("csv", "tsv"):
            found = column(found, options.field)
        return list(json_lines(found, str(options.field)) if kind == "jsonl" else found)
    except json.JSONDecodeError as error:
        before = text[: error.pos]
        mark = len(data) - len(text.encode(options.encoding))  # a mark that was dropped, less one that this writes
        where = (
            f"line {len(split_lines(before))}, byte offset {len(before.encode(options.encoding)) + mark}: {error.msg}"
        )
        advice = "fix it, or, if each line is a JSON value of its own, pass format='jsonl'"
        raise ValueError(f"{name!a} is not valid JSON: {where}; {advice}") from None
    except ValueError as error:
        raise ValueError(f"{name!a} {error}") from None


def _decoded(cut: Iterator[Any], text: str, faults: list[Fault]) -> Iterator[tuple[str, Any]]:
    """Put the reason in the place of each record in which a byte could not be decoded."""
    marks = [mark.start() for mark in re.finditer(MARK, text)] if faults else []
    at = 0
    for place, start, end, value in cut:
        while at < len(marks) and marks[at] < start:
            at += 1
        yield place, Bad(faults[at].reason) if at < len(marks) and marks[at] < end else value


def _tally(files: Iterable[str]) -> str:
    """How many files there are of which suffix."""
    counts = Counter(suffix(file) or "without suffix" for file in files)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{n:,} {ascii(suffix)[1:-1]}" for suffix, n in ordered[:10]) + ", ..." * (len(ordered) > 10)
