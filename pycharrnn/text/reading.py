"""Text in: what a user passes, a text, a path or documents, becomes strings. Nothing is ever normalised."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from pycharrnn.errors import named_errors
from pycharrnn.text.decoding import decode
from pycharrnn.text.paths import warn_of_paths

__all__ = ["read_corpus", "read_text"]

_CUT_UP = 20  # so many documents of one character each are one text that was cut up
_STR = "a str (the text itself)"
_PATH = "a pathlib.Path (a file to read)"
_KINDS = "a text, a path or a sequence of documents"


def read_corpus(X: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], name: str = "X") -> str | list[str]:
    """Return the text or the documents that a user passed, or those of the files.

    Parameters
    ----------
    X : str, path-like or iterable of these
        A str is a text, a path the file that holds it; an iterable has documents, or paths of their files. If a str
        looks like a path, a PathLikeTextWarning says so, and how to pass a path.
    name : str, default "X"
        What the messages call X.

    Returns
    -------
    str or list of str
        The text, or the documents.

    Raises
    ------
    TypeError
        If X is none of these, such as a table or an open file.
    ValueError
        If there is no document, or one is empty or missing; if X is a text that was cut into its characters; or as of
        `read_text`.
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
        raise _type_error(name, X, f"{_KINDS} ({name}.read() is the text of a file)")
    if isinstance(X, (Mapping, Set)):
        raise _type_error(name, X, _KINDS)
    if not isinstance(X, Iterable):
        raise _type_error(name, X, f"{_STR}, {_PATH} or a sequence of documents")
    documents: list[Any] = list(X)
    if any(isinstance(document, os.PathLike) for document in documents):
        documents = _read_files(documents, name)
    else:
        _check_documents(documents, name)
        warn_of_paths(documents, name)
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
    r"""Return the text itself, a str, or that of a UTF-8 file, a path, with its line ends as they are.

    A byte order mark at the start of the file is dropped. A file that is packed with gzip, bzip2, xz or zip is
    unpacked in memory.

    Parameters
    ----------
    X : str or path-like
        The text or the path. If a str looks like a path, a PathLikeTextWarning says so.
    name : str, default "X"
        What the messages call X.

    Returns
    -------
    str
        The text.

    Raises
    ------
    TypeError
        If X is neither a str nor a path.
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
        warn_of_paths(X, name)
        return X
    if not isinstance(X, os.PathLike):
        raise _type_error(name, X, f"{_STR} or {_PATH}")
    path = os.fspath(X)
    if os.path.isdir(path):  # asked first, because Windows would say "permission denied"
        advice = f"pass the path of one text file, or make each file a document: read_documents({path!a})"
        raise IsADirectoryError(errno.EISDIR, f"{name} is a directory; {advice}", path)
    try:
        with named_errors(path), open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, ValueError):  # ValueError: no file can have that name, as with a NUL in it
        advice = "check the spelling and the working directory, or pass the text itself as a str"
        raise FileNotFoundError(errno.ENOENT, f"{name} names no file; {advice}", path) from None
    try:
        return decode(data, os.fsdecode(path))
    except ValueError as error:  # its message goes on from "X is"
        raise ValueError(f"{name} is {error}, or decode it yourself and pass the text") from None


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


def _type_error(name: str, value: object, accepted: str) -> TypeError:
    advice = f"; decode it first: {name}.decode('utf-8')" if isinstance(value, (bytes, bytearray)) else ""
    return TypeError(f"{name} must be {accepted}, not {type(value).__name__}{advice}")
