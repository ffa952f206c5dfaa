"""Where the text of a command comes from: files, folders of documents, standard input, a corpus, a prompt."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pycharrnn.cli.console import log
from pycharrnn.cli.failures import Stop, described, option
from pycharrnn.cli.options import Request
from pycharrnn.output import count
from pycharrnn.text import datasets
from pycharrnn.text.decoding import decode
from pycharrnn.text.documents import read_documents
from pycharrnn.text.formats import suffix

_STDIN = "standard input"
_DOCUMENTS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv")  # what holds documents by its name


@dataclass(frozen=True)
class Input:
    """A text, or documents, and what messages call the place it comes from."""

    text: str | list[str]
    name: str

    @property
    def documents(self) -> bool:
        """Whether it holds documents, not running text."""
        return isinstance(self.text, list)


def no_text(request: Request) -> Input:
    """Return the input of a command that reads none."""
    return Input("", "")


def read_prompt(request: Request) -> Input:
    """Read the prompt: the one that is given, the content of a file, or an empty one."""
    path = request.get("prompt_file")
    if path is None:
        return Input(request.get("prompt", ""), "--prompt")
    try:
        return Input(_read(path), _name(path))
    except ValueError as error:
        raise Stop(described(error), 1) from None


def read_text(request: Request) -> Input:
    """Read the TEXT of the options, or the corpus if there is none."""
    paths = request.get("TEXT")
    given = request.arguments(read_documents)
    if not paths:
        if given:
            raise Stop(f"{option(min(given))} is for a TEXT, and there is none", 2)
        name = request.get("corpus", "tinyshakespeare")
        return Input(datasets.load(name), f"corpus {name}")
    if "-" in paths:
        _check_stdin()
    if paths.count("-") > 1:
        raise Stop("standard input can be read only once", 2)
    name = ", ".join(map(_name, paths[:3])) + f" and {len(paths) - 3:,} more" * (len(paths) > 3)
    if _hold_documents(paths, given):
        return _read_documents(paths, name, given)
    return _read_running_text(paths, name, given)


def _hold_documents(paths: Sequence[str], given: dict[str, object]) -> bool:
    """Whether the files hold documents: as the format says, or else the names, which must agree."""
    if "format" in given:
        return given["format"] != "text"
    holds = [suffix(path) in _DOCUMENTS or os.path.isdir(path) or "separator" in given for path in paths]
    if len(set(holds)) > 1:
        kinds = f"{paths[holds.index(False)]!r} is running text, {paths[holds.index(True)]!r} holds documents"
        raise Stop(f"{kinds}; give one kind, or say with --format what all of them hold", 2)
    return holds[0]


def _read_running_text(paths: Sequence[str], name: str, given: dict[str, object]) -> Input:
    """Read files as one text."""
    if useless := given.keys() - {"format", "encoding"}:
        raise Stop(f"{option(min(useless))} is for documents, but {name} is running text; see --format", 2)
    text = _joined([_read(path, str(given.get("encoding", "utf-8"))) for path in paths])
    if len(paths) > 1:
        log(f"{len(paths)} texts, joined in this order, each on a line of its own: {len(text):,} characters")
    if "format" not in given and re.match(r"\s*window\.YTD\.", text):
        raise Stop(f"{name} is an archive of posts: pass --format json and --field, or --format text", 2)
    return Input(text, name)


def _read_documents(paths: Sequence[str], name: str, given: dict[str, object]) -> Input:
    """Read files, or the files of folders, as documents, and log how many there are and what was left out."""
    files = [sys.stdin.buffer if path == "-" else path for path in paths]
    documents = read_documents(files if len(files) > 1 else files[0], **given)  # type: ignore[arg-type]
    skipped = documents.skipped
    left_out = documents.left_out
    told = f"{count(len(documents), 'document')} from {name}"
    first = f", {count(len(skipped), 'row')} skipped (first: {skipped[0]})" if skipped else ""
    first += f", {count(len(left_out), 'file')} left out (first: {left_out[0]})" if left_out else ""
    log(told + documents.kinds + first)
    return Input(documents, told)


def _joined(texts: Sequence[str]) -> str:
    """Join texts, each of which begins on a line of its own."""
    parts: list[str] = []
    for text in texts:
        if parts and parts[-1] and not parts[-1].endswith(("\n", "\r")):
            parts[-1] += "\r\n" if "\r\n" in parts[-1] else "\n"
        parts.append(text)
    return "".join(parts)


def _name(path: str) -> str:
    """Return what messages call a file."""
    return _STDIN if path == "-" else repr(path)


def _read(path: str, encoding: str = "utf-8") -> str:
    """Read the text of a file or of standard input."""
    if path == "-":
        _check_stdin()
        return decode(sys.stdin.buffer.read(), _STDIN, encoding)
    return decode(Path(path).read_bytes(), path, encoding)


def _check_stdin() -> None:
    """Raise if a program without standard input is to read it."""
    if sys.stdin is None:
        raise Stop("standard input is closed", 1)
