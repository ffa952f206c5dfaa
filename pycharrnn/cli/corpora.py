"""The texts that commands compare with others: what a model was trained on, and lines one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pycharrnn import CharRNN
from pycharrnn.cli.console import log
from pycharrnn.cli.failures import Stop
from pycharrnn.cli.inputs import Input, read_text
from pycharrnn.cli.options import Request
from pycharrnn.output import count
from pycharrnn.sampling.novelty import NoveltyIndex, Span
from pycharrnn.text.corpus import split_documents
from pycharrnn.text.reading import read_corpus
from pycharrnn.text.records import lines
from pycharrnn.trained import learned

_HEADER = 2**32  # bytes: the header of a model file is shorter, so no text begins with its length
_LARGE = 2_000_000  # characters that take seconds to index


@dataclass(frozen=True)
class Listed(Input):
    """Texts that are looked at one by one, and where each stands.

    Attributes
    ----------
    noun : str
        What each is: a line, or a document.
    numbers : sequence of int
        Which one each is, from 1.
    """

    text: list[str] = field(default_factory=list)
    name: str = ""
    noun: str = "document"
    numbers: Sequence[int] = ()


class TrainingText:
    """A text that copies are looked for in: that of a file, or the one that a model with n-grams holds.

    Parameters
    ----------
    path : str
        The file.
    n : int
        Characters of the shortest copy that counts.
    """

    def __init__(self, path: str, n: int) -> None:
        self._corpus = _held_by(path) if _is_model(path) else read_corpus(Path(path), "corpus")
        size = len(self._corpus) if isinstance(self._corpus, str) else sum(map(len, self._corpus))
        if size > _LARGE:
            log(f"indexing {count(size, 'character')} of {path!r}")
        self.index = NoveltyIndex(self._corpus, n)

    def place_of(self, span: Span) -> str:
        """Where a span begins, in words: the line of a text, or the document."""
        if isinstance(self._corpus, str):
            return line_of(self._corpus, span.place)
        return f"document {(span.document or 0) + 1:,}"


def line_of(text: str, place: int) -> str:
    """Return the line of a text in which a place lies, in words.

    Examples
    --------
    >>> line_of("la\\nlo\\n", 3)
    'line 2'
    """
    return f"line {text.count(chr(10), 0, place) + 1:,}"


def read_lines(request: Request) -> Listed:
    """Read texts to compare with each other: documents, or else the lines that are not blank."""
    found = read_text(request)
    if isinstance(found.text, list):
        return Listed(found.text, found.name, "document", range(1, len(found.text) + 1))
    texts = [(str(line.value), i) for i, line in enumerate(lines(found.text), 1)]
    texts = [(text, i) for text, i in texts if text.strip()]
    if not texts:
        raise Stop(f"{found.name}: there is no line with anything in it", 1)
    return Listed([text for text, _ in texts], found.name, "line", [i for _, i in texts])


def _is_model(path: str) -> bool:
    """Whether a file is one that `CharRNN.save` writes: it begins with the length of its header, and a brace."""
    with open(path, "rb") as file:
        start = file.read(9)
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") < _HEADER


def _held_by(path: str) -> str | list[str]:
    """The training text that a model holds."""
    vocabulary, *_, ngrams = learned(CharRNN.load(path))
    if ngrams is None:
        problem = "this model does not hold its training text, as one that is mixed with n-grams does; pass the text"
        raise Stop(f"{path!r}: {problem}", 1)
    return split_documents(ngrams.ids, vocabulary)
