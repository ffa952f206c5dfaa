"""Text in: from a string, a path or documents that a user passes, to strings. Nothing is ever normalised."""

from __future__ import annotations

import codecs
import errno
import os
import re
import threading
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple

from pycharrnn.errors import PathLikeTextWarning, warn
from pycharrnn.packing import unpack

__all__ = ["MARK", "Fault", "PathLikeTextWarning", "decode", "read_corpus", "read_text", "split_lines", "to_text"]

MARK = "\udcff"  # stands for bytes that are no text; strict decoding never gives it
_CUT_UP = 20  # so many documents of one character each are one text, cut up
_LONGEST_PATH = 260
_LONGEST_URL = 2000

# A string looks like a path by its end,
_TEXTS = "txt|text|md|rst|[ct]sv|jsonl?|ndjson|log|xml|html?|tex|rtf|pdf|docx?|odt|epub|dat|abc|pgn|fasta|safetensors"
_ENDS = re.compile(rf".*[^\s.]\.({_TEXTS})(\.(gz|bz2|xz|zip|zst))?|.*[^\s.]\.(gz|bz2|xz|zip|7z)", re.IGNORECASE)
# by its beginning and the separators after that, which "and/or", "/x/" and "1/2" do not have,
_BEGINS = re.compile(
    r"(~|\.\.?)/[\w.-].*|/[\w.-]+(/[\w.-]+)+/?|[A-Za-z]:[/\\][\w.-].*|\\\\[\w.-]+\\[\w.$-]+.*", re.ASCII
)
# by both, with one part at least, or as a pattern of such names.
_PARTS = re.compile(r"[\w.-]{3,}[/\\]|[\w.-]{2,}([/\\][\w.-]+)+([/\\]|\.[A-Za-z]\w{0,4})", re.ASCII)
_PATTERN = re.compile(r"[^\s*]*\*[^\s*]*\.[A-Za-z*]\w{0,7}|[^\s*]*[\w.-]/\*{1,2}|[^\s*]*\*\*/\S+")
_ROOTED = re.compile(r"(~|\.\.?)?/\w|[A-Za-z]:[/\\]|\\\\")
_CODE = re.compile(r"[a-z0-9_-]+\.(py|js|ts|c|h|cc|cpp|java|go|rs|sh|sql|ipynb)")
_SPACES = 2  # of a name like "War and Peace.txt"; a sentence that ends with the name of a file has more
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://\S+")


class Fault(NamedTuple):
    """A byte that begins no character in the encoding, and the reason."""

    offset: int
    reason: str


def read_corpus(X: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], name: str = "X") -> str | list[str]:
    """Return the text `X`, that of the file `X`, or the documents `X`: texts, or the files that hold them.

    Parameters
    ----------
    X : str, path-like or iterable of these
        A str is a text. If it looks like a path, a PathLikeTextWarning says so, and how to pass a path.
    name : str, default "X"
        What the messages call X.

    Raises
    ------
    TypeError
        If X is neither, such as a table or an open file.
    ValueError
        If a document is empty or missing, or if X is a text that was cut into its characters.
    OSError, ImportError
        As of `read_text`.

    Examples
    --------
    >>> read_corpus(("anna", "bob"))
    ['anna', 'bob']
    """
    if isinstance(X, (str, bytes, bytearray, os.PathLike)):
        return read_text(X, name)  # which refuses bytes
    _check_dimensions(X, name)
    if hasattr(X, "read"):
        raise _type_error(name, X, f"a text, a path or a sequence of documents ({name}.read() is the text of a file)")
    if isinstance(X, (Mapping, Set)):
        raise _type_error(name, X, "a text, a path or a sequence of documents")
    if not isinstance(X, Iterable):
        raise _type_error(
            name, X, "a str (the text itself), a pathlib.Path (a file to read) or a sequence of documents"
        )
    documents: list[Any] = list(X)
    if any(isinstance(document, os.PathLike) for document in documents):
        documents = _read_files(documents, name)
    else:
        _check_documents(documents, name)
        _warn_of_paths(documents, name)
    for i, document in enumerate(documents):
        if not document:
            raise ValueError(f"{name}[{i}] is empty, but a document has at least one character; leave it out")
    if not documents:
        raise ValueError(f"{name} has no document; give at least one")
    if len(documents) >= _CUT_UP and all(len(document) == 1 for document in documents):
        raise ValueError(
            f"{name} has {len(documents):,} documents of one character each, like one text that was cut up (by "
            "list(text), or by cross-validation, which takes parts of a sequence): pass the text itself, or, for "
            "cross-validation, a list of documents"
        )
    return documents


def read_text(X: str | os.PathLike[str], name: str = "X") -> str:
    r"""Return the text `X`, a str, or that of the UTF-8 file `X`, a path, with its line ends as they are.

    A byte order mark at the start of the file is dropped. A file that is packed with gzip, bzip2, xz or zip is
    unpacked, in memory.

    Parameters
    ----------
    X : str or path-like
        The text or the path. If a str looks like a path, a PathLikeTextWarning says so.
    name : str, default "X"
        What the messages call X.

    Raises
    ------
    TypeError
        If X is neither.
    OSError
        If the file cannot be read, or is a folder.
    ValueError
        If it is not valid UTF-8, is damaged, or is no text, as a PDF document is not.
    ImportError
        If this Python lacks the module that unpacks it.

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
        _warn_of_paths(X, name)
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
        return decode(data, os.fsdecode(path))
    except ValueError as error:  # its message goes on from "X is"
        raise ValueError(f"{name} is {error}, or decode it yourself and pass the text") from None


def decode(data: bytes, source: str, encoding: str = "utf-8") -> str:
    r"""Return the text that the bytes of a file hold: unpacked, as by `unpack`, and decoded strictly, as by `to_text`.

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
        What no longer is packed.
    source : str
        What the message calls the file. It gives the line and the offset of the first bad byte, counted from 1 and
        from 0.
    encoding : str, default "utf-8"
        One of Python's text encodings.
    faults : list or None, default None
        Where bad bytes go: a `MARK` stands for each in the text, in the same order. None makes the first an error.

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
        _marking.faults, _marking.data, _marking.codec = faults, data, codec
    try:
        text = data.decode(codec, "strict" if faults is None else _marking_handler)
    except UnicodeDecodeError as error:
        offset = error.start + len(data) - len(error.object)  # utf-8-sig counts from after the mark
        line = len(split_lines(data[:offset].decode(codec, "ignore")))
        where = f"byte 0x{data[offset]:02X} at offset {offset} of {source!a} (line {line}: {error.reason})"
        raise ValueError(f"not valid {codec.upper()}: {where}; save the file as {codec.upper()}") from None
    finally:
        vars(_marking).clear()
    return text if codec in ("utf-8-sig", "utf-16", "utf-32") else text.removeprefix("\ufeff")  # these have dropped it


def split_lines(text: str) -> list[str]:
    r"""Split a text at LF, CR LF and CR, and nowhere else, unlike `str.splitlines`; one more piece than line ends.

    Examples
    --------
    >>> split_lines("a\nb\r\nc\u2028d\r")
    ['a', 'b', 'c\u2028d', '']
    """
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


_marking = threading.local()  # what the handler below needs of the decoding that goes on in its thread
_marking_handler = "pycharrnn.mark"


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    offset = error.start + len(_marking.data) - len(error.object)
    told = f"byte 0x{_marking.data[offset]:02X} at offset {offset} ({error.reason})"
    _marking.faults.append(Fault(offset, f"not valid {_marking.codec.upper()}: {told}"))
    return MARK, error.end


codecs.register_error(_marking_handler, _mark)


def _codec(encoding: str) -> str:
    try:
        "a".encode(encoding)  # of any length of data, even none, and not by codecs for other things than text
        return codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise ValueError(f"encoding must name a text encoding of Python's, like 'utf-8', got {encoding!a}") from None


def _check_dimensions(X: Any, name: str) -> None:
    """Refuse a table, which would be read as the list of its columns or of its rows."""
    shape = getattr(X, "shape", None)
    n = len(shape) if isinstance(shape, tuple) else getattr(X, "ndim", 1)
    if n == 1 or not isinstance(n, int):
        return
    names = [*map(str, getattr(X, "column_names" if hasattr(X, "column_names") else "columns", ()))]
    known = next((key for key in ("text", *names) if key in names), None)
    listed = ", ".join(map(ascii, names[:20])) + ", ..." * (len(names) > 20)
    table = f", with the columns {listed}" if names else ""
    column = "str(X)" if n == 0 else f"{name}[:, 0]" if known is None else f"{name}[{known!a}]"
    raise TypeError(
        f"{name} must be a text, a path or a sequence of documents, but this {type(X).__name__} has {n} dimensions"
        f"{table}; pass {'the text: ' if n == 0 else 'the column of the documents, such as '}{column}"
    )


def _read_files(paths: Sequence[Any], name: str) -> list[str]:
    for i, path in enumerate(paths):
        if not isinstance(path, os.PathLike):
            advice = "give either documents, as str, or their files, as pathlib.Path"
            raise TypeError(f"{name} has paths, but {name}[{i}] is of type {type(path).__name__}; {advice}")
    return [read_text(path, f"{name}[{i}]") for i, path in enumerate(paths)]


def _check_documents(documents: Sequence[Any], name: str) -> None:
    for i, document in enumerate(documents):
        if isinstance(document, str):
            continue
        if _missing(document):
            more = sum(map(_missing, documents)) - 1
            also = f", as {more:,} more are" if more else ""
            raise ValueError(
                f"{name}[{i}] is missing ({document!a}){also}; leave such rows out, as {name}.dropna() does in pandas"
            )
        advice = ""
        if isinstance(document, Mapping):
            keys = ", ".join(ascii(key) for key in list(document)[:20]) or "none"
            advice = f"; take the text out of each, it has the keys {keys}"
        elif isinstance(document, Sequence) and not isinstance(document, (bytes, bytearray)):
            advice = "; take the text out of each row, or make one list of them"
        raise TypeError(f"{_type_error(f'{name}[{i}]', document, 'a str (a document)')}{advice}")


def _missing(value: object) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType", "MaskedConstant"):
        return True
    return isinstance(value, float) and value != value


def _warn_of_paths(X: str | Sequence[str], name: str) -> None:
    """Warn if a text, or more than half of the first documents, is surely meant as a path."""
    if isinstance(X, str):
        found, n, use = [(_meant(str(X), alone=True), X)], 1, "is used as the text itself"
    else:
        found, n, use = (
            [(_meant(str(text)), text) for text in X[:100]],
            min(len(X), 100),
            "holds the texts of documents",
        )
    found = [(advice, text) for advice, text in found if advice]
    if 2 * len(found) > n:
        advice, text = found[0][0], str(found[0][1])  # NumPy's show themselves as np.str_('...')
        warn(
            f"{name} {use}, but {text!a} {advice}; if it is meant as a text, silence this with "
            'warnings.simplefilter("ignore", pycharrnn.PathLikeTextWarning)',
            PathLikeTextWarning,
        )


def _meant(text: str, alone: bool = False) -> str:
    """Return what the text surely is, if it is a path or the like, and what to do; or nothing."""
    if not 1 < len(text) <= _LONGEST_URL or re.search(r"[\0\r\n]", text) or not re.search(r"\w", text):
        return ""
    if _URL.fullmatch(text):
        return "looks like a URL: download it, and pass pathlib.Path(...) of the file"
    if len(text) > _LONGEST_PATH:
        return ""
    if os.path.isdir(text):  # which answers False to what cannot be a path at all, such as lone surrogates
        return f"is the name of a folder: to read its files, pass read_documents({text!a})"
    home = ".expanduser()" * text.startswith("~")
    path = f"to read the file, pass pathlib.Path({text!a}){home}"
    path = path if alone else f"to read the files, pass each as pathlib.Path(...){home}"
    if os.path.isfile(text):
        return f"is the name of a file: {path}"
    if _PATTERN.fullmatch(text):
        return "looks like a pattern of file names: to read the files, pass read_documents(folder, pattern=...)"
    spaces = len(text.split()) - 1
    within = _PARTS.fullmatch(text) or ("/" in text and os.path.isdir(text.partition("/")[0]))
    one_word = _BEGINS.fullmatch(text) or within or (alone and _CODE.fullmatch(text))
    if (one_word and not spaces) or (_ENDS.fullmatch(text) and (spaces <= _SPACES or _ROOTED.match(text))):
        return f"looks like a path, though nothing is there: {path}"
    return ""


def _type_error(name: str, value: object, accepted: str) -> TypeError:
    advice = f"; decode it first: {name}.decode('utf-8')" if isinstance(value, (bytes, bytearray)) else ""
    return TypeError(f"{name} must be {accepted}, not {type(value).__name__}{advice}")
