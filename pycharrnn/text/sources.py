"""What documents are read from: a file, a file object, or the files of a folder."""

from __future__ import annotations

import os
import sys
from fnmatch import fnmatchcase
from typing import BinaryIO, NamedTuple, cast

from pycharrnn.errors import ParameterValueError, named_errors
from pycharrnn.messages import Message, advice, shown
from pycharrnn.text.formats import BY_SUFFIX, FORMATS, suffix

__all__ = ["Folder", "Source", "read_file", "source"]


class Source(NamedTuple):
    """One place that documents are read from.

    Parameters
    ----------
    name : str
        What messages call it: the path, or what the file object says.
    format : str
        A name of `FORMATS`, or "files".
    file : file object or None
        What to read instead of the path `name`.
    """

    name: str
    format: str
    file: BinaryIO | None = None

    def read(self) -> bytes:
        """Return all its bytes."""
        if self.file is None:
            return read_file(self.name)
        data = self.file.read()
        if not isinstance(data, bytes):
            raise TypeError(
                f"path must be a binary file object, like sys.stdin.buffer, but {self.name!a} reads as text"
            )
        return data


def read_file(path: str) -> bytes:
    """Return the bytes of a file."""
    with named_errors(path), open(path, "rb") as file:
        return file.read()


def source(path: object, format: str | None, separator: str | None) -> Source:
    """Return the source with its name for messages and its format; a separator makes the format "parts"."""
    if separator is not None and format is not None:
        raise ParameterValueError("separator", f"must go without a format, got {shown(format)}")
    format = "parts" if separator is not None else format
    if isinstance(path, (str, os.PathLike)):
        name = os.fsdecode(path)
        try:
            os.lstat(name)
        except OSError:  # there is none, as whoever opens it will say
            pass
        except ValueError:  # no file can have that name, as with a NUL in it
            raise ParameterValueError("path", f"must be a name that a file can have, got {shown(name)}") from None
        return Source(name, _format_of(name, format))
    if not hasattr(path, "read"):
        kinds = "a str, a path-like, a binary file object or a list of these"
        raise TypeError(f"path must be {kinds}, not {type(path).__name__}")
    stdin = path is getattr(sys.stdin, "buffer", None)
    said = "standard input" if stdin else getattr(path, "name", None)
    if format is None or format == "files":
        known = ", ".join(name for name, row in FORMATS.items() if row.named)
        what = said if said == "standard input" else "a file object"
        raise ParameterValueError("format", f"must be one of {known} for {what}, got {shown(format)}")
    return Source(said if isinstance(said, str) else "the file object", format, cast(BinaryIO, path))


def _format_of(name: str, format: str | None) -> str:
    """Return the format that the user gave, or else the one that the name of the file tells."""
    told = BY_SUFFIX.get(suffix(name))
    if format is None:
        if os.path.isdir(name):
            return "files"
        if told is None:
            os.stat(name)  # that it is not there is the first thing to say
            known = ", ".join([*(name for name, row in FORMATS.items() if row.named), "files"])
            there = f", one of {known}"
            raise ValueError(Message(f"the name {name!a} tells no format; ", advice("pass {format=}"), there))
        return told
    if format == "parts" and told not in (None, "lines"):
        columns = advice("{delimiter} is for its columns")
        what_to_do = columns if told == "csv" else advice("pass {format=lines} to read lines")
        problem = Message(f"must go with a text, and the name {name!a} tells {told!r}; ", what_to_do)
        raise ParameterValueError("separator", problem)
    return format


class Folder(NamedTuple):
    """The files of a folder and of those in it.

    Parameters
    ----------
    files : list of str
        The paths of those to read, within the folder and in their order.
    left_out : list of str
        Which others there are, and why they are not read.
    """

    files: list[str]
    left_out: list[str]

    @classmethod
    def walk(cls, path: str, pattern: str | None) -> Folder:
        """Look at every file of a folder; raise an OSError if a part of it cannot be read."""
        found = cls([], [])
        for root, folders, names in os.walk(path, onerror=_fail):
            for name in sorted([*folders, *names]):
                whole = os.path.join(root, name)
                inner = os.path.relpath(whole, path)
                reason = _left_out(whole, inner, pattern, name in folders)
                if reason:
                    found.left_out.append(f"{inner!a}: {reason}")
                elif name not in folders:
                    found.files.append(inner)
            folders[:] = [name for name in folders if not name.startswith(".")]
        found.files.sort(key=lambda path: path.split(os.sep))
        return found


def _fail(error: OSError) -> None:
    raise error


def _left_out(path: str, inner: str, pattern: str | None, is_folder: bool) -> str:
    """Return why something in a folder is not read, or ""."""
    if os.path.basename(path).startswith("."):
        return "its name begins with a dot"
    if is_folder:
        return "it is a link to a folder" if os.path.islink(path) else ""
    if not os.path.isfile(path):
        return "it is a link to nothing" if os.path.islink(path) else "it is no regular file"
    if pattern is not None and not _matches(inner.replace(os.sep, "/"), pattern):
        return f"it does not match {pattern!a}"
    return ""


def _matches(path: str, pattern: str) -> bool:
    """A pattern without a slash matches the name, one with a slash the path; "**/" are any folders, or none."""
    path = path if "/" in pattern else path.rpartition("/")[2]
    return fnmatchcase(path, pattern) or fnmatchcase(path, pattern.replace("**/", ""))
