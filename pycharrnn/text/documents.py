"""Many short texts from one place: rows of JSON or CSV, the lines or paragraphs of a file, the files of a folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, BinaryIO, Literal

from pycharrnn.arguments import Choice, Flag, Kind, Maybe, Text
from pycharrnn.errors import ParameterTypeError, ParameterValueError
from pycharrnn.messages import Message, advice, shown
from pycharrnn.output import count
from pycharrnn.tables import check, table
from pycharrnn.text.decoding import decode
from pycharrnn.text.fields import Found
from pycharrnn.text.formats import FORMATS, Options, parse, suffix
from pycharrnn.text.records import Bad, Record
from pycharrnn.text.sources import Folder, Source, read_file, source

__all__ = ["Documents", "read_documents"]

_NAMES = (*(name for name, row in FORMATS.items() if row.named), "files")
_Path = str | os.PathLike[str] | BinaryIO


class Field(Kind):
    """The name of a field, or the number of a column.

    Examples
    --------
    >>> Field().read("text"), Field().read("3")
    ('text', 3)
    """

    noun = "a str (a name) or an int (a column, from 0)"
    type = "str or int"

    def check(self, name: str, value: object) -> None:
        """Raise a ParameterTypeError unless `value` is one of the two."""
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise ParameterTypeError(name, f"must be {self.noun}, not {value.__class__.__name__}")

    def read(self, text: str) -> str | int:
        """Return the number that a text of digits stands for, or the name that it is."""
        return int(text) if text.isascii() and text.isdigit() else text


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
    path: _Path | Sequence[_Path],
    format: Annotated[
        Literal["json", "jsonl", "csv", "tsv", "lines", "paragraphs", "files"] | None, Maybe(Choice(*_NAMES))
    ] = None,
    *,
    field: Annotated[str | int, Field()] = "text",
    delimiter: Annotated[str | None, Maybe(Text())] = None,
    separator: Annotated[str | None, Maybe(Text())] = None,
    pattern: Annotated[str | None, Maybe(Text())] = None,
    on_bad: Annotated[Literal["raise", "skip"], Choice("raise", "skip")] = "raise",
    unescape: Annotated[bool, Flag()] = False,
    encoding: Annotated[str, Text()] = "utf-8",
) -> Documents:
    r"""Read documents, texts of at least one character each, from a file, from several, or from a folder.

    A file that is packed with gzip, bzip2, xz or zip is unpacked in memory. The parameters are those of all formats;
    most calls need one or two.

    Parameters
    ----------
    path : str, path-like, binary file object or list of these
        What to read; a file object, like ``sys.stdin.buffer``, needs a `format`. The documents of several follow one
        another.
    format : {"json", "jsonl", "csv", "tsv", "lines", "paragraphs", "files"}, optional
        "json", one list of objects or of strings, also if JavaScript assigns it to a name, as in archives of posts;
        "jsonl", one object or string a line; "csv" or "tsv", with a row of column names unless `field` is a number;
        "lines", one document a line; "paragraphs", documents with blank lines between them; "files", one document a
        file: a folder gives all its regular files, and those of the folders in it, in the order of their paths. None
        goes by the name: .json, .jsonl or .ndjson, .csv, .tsv, .txt for lines; a folder for files.
    field : str or int, default "text"
        The key or the column. A key of an object in an object, or the place of a value in a list, follows a dot:
        ``"tweet.full_text"``; a key that has the dot itself comes first. A number counts the columns, from 0, of a file
        without names. Lines, paragraphs and files have none.
    delimiter : str or None, default None
        The character between the columns of "csv". None finds it among comma, semicolon, tab and "|": it splits the
        first row, outside of quotes, into columns of which one is `field`. If that does not decide, it splits the first
        20 rows into the same number of columns. A quoted file with tabs is "csv", too: "tsv" has no quotes.
    separator : str or None, default None
        What stands between the documents of a file, instead of a `format`: ``"<|endoftext|>"``, ``"%%\n"``. A line end
        in it is any line end, and line ends around it belong to no document.
    pattern : str or None, default None
        Which files of a folder to read: ``"*.abc"`` asks for names, ``"songs/*.abc"``, with a slash, for paths.
        Links to folders, and files and folders whose names begin with a dot, are never read.
    on_bad : {"raise", "skip"}, default "raise"
        What to do with rows that give no document, because they are empty, not well formed or not in the encoding.
        The attribute `skipped` of the result lists those that were skipped. A file that is broken as a whole always
        raises: a quote that is not closed may have any number of rows in it.
    unescape : bool, default False
        Turn HTML's ``&amp;`` into ``&``, and so on. Nothing else in a document is ever changed.
    encoding : str, default "utf-8"
        Any of Python's text encodings.

    Returns
    -------
    Documents
        A list of str with the attributes `source`, `skipped`, `left_out` and `files`. `left_out` lists whatever a
        folder has that was not read, and why.

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
    check(table(read_documents), format=format, on_bad=on_bad, field=field, unescape=unescape)
    options = _options(field, delimiter, separator, encoding, on_bad == "skip")
    paths = list(path) if isinstance(path, (list, tuple)) else [path]
    if not paths:
        raise ValueError("path must have at least one path, got none")
    sources = [source(one, format, separator) for one in paths]
    _check(sources, options, pattern)
    result = _Collection(sources, unescape)
    for one in sources:
        if one.format == "files":
            result.add_files(one, pattern, encoding)
        else:
            result.add(one, parse(one.read(), one.name, one.format, options))
    return result.documents(skip=options.skip)


def _options(field: str | int, delimiter: object, separator: object, encoding: str, skip: bool) -> Options:
    """Return the options for files if each is as it must be."""
    if delimiter is not None and (not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n'):
        problem = f"must be one character, but no quote and no line end, got {shown(delimiter)}"
        raise ParameterValueError("delimiter", problem)
    if separator is not None and (not isinstance(separator, str) or not separator):
        raise ParameterValueError("separator", f"must be a str of at least one character, got {shown(separator)}")
    decode(b"", "", encoding)  # an unknown encoding is no fault of a file in a folder
    return Options(field, delimiter, separator or "", encoding, skip)


def _check(sources: Sequence[Source], options: Options, pattern: str | None) -> None:
    """Refuse options that say nothing of these sources."""
    Maybe(Text()).check("pattern", pattern)
    field = options.field
    for format in (one.format for one in sources):
        columns = format in FORMATS and FORMATS[format].columns
        if isinstance(field, int) and (field < 0 or not columns):
            kinds = "a name, or for 'csv' and 'tsv' a number from 0"
            raise ParameterValueError("field", f"must be {kinds}, got {field} for {format!r}")
        if options.delimiter is not None and format != "csv":
            tabs = "; its columns are split by tabs" if format == "tsv" else ""
            raise ParameterValueError("delimiter", f"must go with the format 'csv', got {shown(format)}{tabs}")
    if pattern is not None and not any(os.path.isdir(one.name) for one in sources):
        raise ParameterValueError("pattern", f"must go with a folder, and {sources[0].name!a} is none")


class _Collection:
    """The documents that have been found, and what gave none."""

    def __init__(self, sources: Sequence[Source], unescape: bool) -> None:
        self.sources = sources
        self.unescape: Callable[[str], str] | None = None
        if unescape:
            import html  # only now: importing the names of all entities takes its time

            self.unescape = html.unescape
        self.found: list[str] = []
        self.files: list[str] = []
        self.bad: list[tuple[Source, str]] = []  # and, for each bad row, what is wrong with it
        self.left_out: list[str] = []

    def add(self, source: Source, rows: Iterable[Found | Record]) -> None:
        """Add what the records of one source give."""
        before = len(self.found) + len(self.bad)
        for row in rows:
            value = row.value
            if self.unescape and isinstance(value, str):
                value = self.unescape(value)
            if value and isinstance(value, str):
                self.found.append(value)
            else:
                reason = value.reason if isinstance(value, Bad) else "the document is empty"
                self.bad.append((source, f"{row.place}: {reason}"))
        if before == len(self.found) + len(self.bad) and len(self.sources) > 1:
            self.bad.append((source, "the file: it has no document"))

    def add_files(self, source: Source, pattern: str | None, encoding: str) -> None:
        """Add a file as one document, or each file of a folder as one."""
        if not os.path.isdir(source.name):
            self._add_file(source, source.name, "the file", _read(source.name, source.name, encoding))
            return
        folder = Folder.walk(source.name, pattern)
        self.left_out += folder.left_out
        for name in folder.files:
            file = os.path.join(source.name, name)
            self._add_file(source, file, f"file {name!a}", _read(file, name, encoding))
        if not folder.files:
            self.add(source, [])

    def _add_file(self, source: Source, file: str, place: str, value: str | Bad) -> None:
        before = len(self.found)
        self.add(source, [Found(place, value)])
        self.files += [file] if len(self.found) > before else []

    def documents(self, skip: bool) -> Documents:
        """Return the documents, or raise if there are none, or, without `skip`, if anything was bad."""
        if self.bad and not skip:
            source, told = self.bad[0]
            more = f" (and {count(len(self.bad) - 1, 'bad row')} more)" if len(self.bad) > 1 else ""
            what_to_do = advice("fix it, or {on_bad=skip} leaves such rows out and counts them")
            raise ValueError(Message(f"{source.name!a}, {told}{more}; ", what_to_do))
        name = ", ".join(one.name for one in self.sources)
        skipped = [f"{source.name!a}, {told}" if len(self.sources) > 1 else told for source, told in self.bad]
        if not self.found:
            why = "; it needs at least one"
            if skipped:
                why = f": {count(len(skipped), 'row')} skipped, first {skipped[0]}"
            why += f"; {count(len(self.left_out), 'file')} left out, first {self.left_out[0]}" if self.left_out else ""
            raise ValueError(f"{name!a} has no document{why}")
        files = self.files if len(self.files) == len(self.found) else ()
        return Documents(self.found, name, skipped, self.left_out, files)


def _read(file: str, name: str, encoding: str) -> str | Bad:
    """Return the text of a file, or what is wrong with it; messages call the file `name`."""
    data = read_file(file)
    try:
        text = decode(data, name, encoding)
    except ValueError as error:
        return Bad(str(error))
    return Bad("it has NUL characters, which no text has") if "\0" in text else text


def _tally(files: Iterable[str]) -> str:
    """Count the files of each suffix, in words."""
    counts = Counter(suffix(file) or "without suffix" for file in files)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{n:,} {ascii(suffix)[1:-1]}" for suffix, n in ordered[:10]) + ", ..." * (len(ordered) > 10)
