"""A corpus: the ids of a text or of documents, and their vocabulary: what training and evaluation read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import Literal, NamedTuple, Self

import numpy as np

from pycharrnn.arrays import Array, Ids
from pycharrnn.errors import ParameterValueError
from pycharrnn.text.vocabulary import Vocabulary

__all__ = ["Corpus", "Fingerprint", "Texts", "Unknown", "check_length", "reading_rule", "split_documents"]

PIECES = 16  # of a running text that are held out, at most
_PART = 1 << 20  # symbols that are hashed at once
PIECE = 1_000  # symbols that one of them has at least, where there are several

Texts = str | os.PathLike[str] | Sequence[str] | Sequence[os.PathLike[str]]
Unknown = Literal["raise", "skip", "replace"]


def reading_rule(on_unknown: Unknown, min_count: int, vocabulary: Vocabulary) -> Unknown:
    r"""Return what to do with unknown characters. A model that learned rare ones as U+FFFD replaces them.

    Examples
    --------
    >>> rare, all_known = Vocabulary.from_text("ab\ufffd"), Vocabulary.from_text("ab")
    >>> reading_rule("raise", 2, rare), reading_rule("raise", 1, all_known)
    ('replace', 'raise')
    """
    folds = on_unknown == "raise" and min_count > 1 and "\ufffd" in vocabulary
    return "replace" if folds else on_unknown


class Fingerprint(NamedTuple):
    """What tells a text from all others.

    Attributes
    ----------
    sha256 : str
        The SHA-256 of its characters and of its symbols, in hexadecimal digits.
    n_symbols : int
        Symbols that it has.
    """

    sha256: str
    n_symbols: int


class Corpus(NamedTuple):
    """A text, or documents, as a network reads it.

    Attributes
    ----------
    ids : ndarray of int32, (N,)
        The symbols, 0 <= id < K. Documents have the symbol `vocabulary.end` before the first, between two and after
        the last.
    vocabulary : Vocabulary
        The characters by id.

    Examples
    --------
    >>> corpus = Corpus.learn(["anna", "bob"])
    >>> corpus.ids.tolist(), corpus.documents, corpus.n_predicted
    ([4, 0, 2, 2, 0, 4, 1, 3, 1, 4], True, 9)
    """

    ids: Ids
    vocabulary: Vocabulary

    @classmethod
    def learn(cls, X: Texts, min_count: int = 1, known: Vocabulary | None = None) -> Self:
        """Read a text or documents to train on, with a vocabulary of their characters.

        Parameters
        ----------
        X : str, path-like or sequence of these
            A text, the path of a file, documents, or the paths of their files.
        min_count : int, default 1
            Characters that occur less often are read as U+FFFD.
        known : Vocabulary or None, default None
            Characters that belong to the vocabulary, too.

        Returns
        -------
        Corpus

        Raises
        ------
        TypeError, ValueError, OSError
            If X is not one of these; if it is a text of fewer than two characters; if it has documents and `known` is
            of running text, or the other way round.

        Examples
        --------
        >>> len(Corpus.learn("banana").vocabulary)
        3
        """
        from pycharrnn.text.reading import read_corpus  # only now: not every model reads

        text = read_corpus(X)
        if known is not None:
            _check_kind(text, known)
        check_length(text)
        vocabulary = Vocabulary.from_text(text, min_count, known)
        return cls(vocabulary.encode(text, "replace"), vocabulary)

    @classmethod
    def read(cls, X: Texts, vocabulary: Vocabulary, on_unknown: Unknown = "raise", name: str = "X") -> Self:
        """Read a text or documents with the vocabulary of a trained model.

        Parameters
        ----------
        X : str, path-like or sequence of these
            As for `learn`.
        vocabulary : Vocabulary
            The characters that are known.
        on_unknown : {"raise", "skip", "replace"}, default "raise"
            What to do with others: see `Vocabulary.encode`.
        name : str, default "X"
            What errors call X.

        Returns
        -------
        Corpus

        Raises
        ------
        TypeError, ValueError, OSError
            As of `learn`; also if fewer than two characters of a text are known.
        UnknownCharacterError
            If there is an unknown character and `on_unknown` does not help.

        Examples
        --------
        >>> Corpus.read("band", Vocabulary.from_text("banana"), "skip").ids.tolist()
        [1, 0, 2]
        """
        from pycharrnn.text.reading import read_corpus

        text = read_corpus(X, name)
        _check_kind(text, vocabulary)
        ids = vocabulary.encode(text, on_unknown)
        if isinstance(text, str):
            check_length(text)
        if isinstance(text, str) and len(ids) < 2:
            raise ValueError(
                f"the text has {len(text):,} characters, of which the model knows {len(ids)}: at least 2 are needed, "
                "one to read and one to predict from it"
            )
        return cls(ids, vocabulary)

    @property
    def documents(self) -> bool:
        """Whether it has documents, each of which ends with a symbol of its own."""
        return self.vocabulary.end is not None

    @property
    def n_predicted(self) -> int:
        """Symbols that are predicted: all but the first."""
        return len(self.ids) - 1

    @property
    def fingerprint(self) -> Fingerprint:
        """What tells this text, or these documents, from all others.

        Examples
        --------
        >>> Corpus.learn("banana").fingerprint == Corpus.learn("bananas").fingerprint
        False
        """
        digest = hashlib.sha256(self.vocabulary.code_points.astype("<u4").tobytes())
        for start in range(0, len(self.ids), _PART):
            digest.update(self.ids[start : start + _PART].astype("<i4").tobytes())
        return Fingerprint(digest.hexdigest(), len(self.ids))

    def order(self, rng: np.random.Generator) -> Ids | None:
        """Draw an order of the documents; running text has none.

        Examples
        --------
        >>> Corpus.learn(["anna", "bob", "carl"]).order(np.random.default_rng(2))
        array([2, 0, 1], dtype=int32)
        """
        if not self.documents:
            return None
        return rng.permutation(int(np.count_nonzero(self.ids == self.vocabulary.end)) - 1).astype(np.int32)

    def shuffled(self, order: Ids | None) -> Self:
        """Return the documents in this order; None leaves everything as it is.

        Examples
        --------
        >>> corpus = Corpus.learn(["anna", "bob", "carl"]).shuffled(np.array([2, 0, 1], np.int32))
        >>> corpus.vocabulary.decode(corpus.ids)
        '\\ncarl\\nanna\\nbob\\n'
        """
        if order is None:
            return self
        *documents, last = np.split(self.ids, np.flatnonzero(self.ids == self.vocabulary.end)[1:])
        return self._replace(ids=np.concatenate([documents[i] for i in order] + [last]))

    def split(self, fraction: float) -> tuple[Self, Self]:
        """Hold out a part: documents that lie evenly apart, or up to `PIECES` pieces of a running text that do.

        The parts of a text differ: a model that has seen nothing of its end predicts what follows worse than one that
        has read a little of every part.

        Parameters
        ----------
        fraction : float in (0, 1)
            How large a part of the text or of the documents.

        Returns
        -------
        rest, held_out : Corpus
            Each has at least two symbols. The pieces of a text follow one another.

        Raises
        ------
        ValueError
            If one of them would have fewer.

        Examples
        --------
        >>> corpus = Corpus.learn("to be or not")
        >>> [corpus.vocabulary.decode(part.ids) for part in corpus.split(0.25)]
        ['to br not', 'e o']
        >>> corpus = Corpus.learn(list("abcdefgh"))
        >>> [corpus.vocabulary.decode(part.ids) for part in corpus.split(0.25)]
        ['\\na\\nc\\nd\\ne\\ng\\nh\\n', '\\nb\\nf\\n']
        """
        starts = np.arange(len(self.ids) + 1)
        if self.documents:
            starts = np.flatnonzero(self.ids == self.vocabulary.end) + 1  # of each document, and behind the last one
        n = len(starts) - 1  # symbols, or documents
        held = round(n * fraction)
        n_pieces = min(max(1, held // PIECE), PIECES)
        if self.documents:
            n_pieces = held = min(max(1, held), n - 1)
        out = np.zeros(len(self.ids), bool)
        for i in range(n_pieces):
            first = int((i + 0.5) * n / n_pieces - held / n_pieces / 2)
            out[starts[first] : starts[first + held // n_pieces]] = True
        rest, held_out = self.ids[~out], self.ids[out]
        if min(len(rest), len(held_out)) < 2:
            problem = f"{fraction} leaves too little of the text to train on or to validate with"
            raise ParameterValueError("validation_fraction", problem)
        if self.documents:
            held_out = np.insert(held_out, 0, self.ids[0])
        return self._replace(ids=rest), self._replace(ids=held_out)

    def new_ids(self, known: Vocabulary) -> Ids:
        """Return the ids of the characters that another vocabulary does not have."""
        return self.vocabulary.encode("".join(character for character in self.vocabulary if character not in known))

    def old_ids(self, known: Vocabulary) -> Ids:
        """Return the id here of each symbol of another vocabulary, in the order of its own ids."""
        ids = self.vocabulary.encode("".join(known))
        return ids if self.vocabulary.end is None else np.append(ids, np.int32(self.vocabulary.end))


def split_documents(ids: Array, vocabulary: Vocabulary) -> str | list[str]:
    """Turn ids back into a text, or into documents, of which the first and the last may be cut off.

    Examples
    --------
    >>> corpus = Corpus.learn(["anna", "bob"])
    >>> split_documents(corpus.ids[2:], corpus.vocabulary)
    ['nna', 'bob']
    """
    if vocabulary.end is None:
        return vocabulary.decode(ids)
    parts = np.split(ids, np.flatnonzero(ids == vocabulary.end))
    documents = [vocabulary.decode(part[part != vocabulary.end]) for part in parts]
    return [document for document in documents if document]


def _check_kind(text: str | list[str], vocabulary: Vocabulary) -> None:
    """Refuse documents for a model of running text, and the other way round."""
    wanted = vocabulary.end is not None
    if isinstance(text, list) != wanted:
        kinds = ("running text: pass one text, not a sequence", "documents: pass a sequence of them, not one text")
        raise ValueError(f"the model was trained on {kinds[wanted]}")


def check_length(text: str | list[str]) -> None:
    """Refuse a text in which nothing can be predicted.

    Raises
    ------
    ValueError
        If a running text has fewer than two characters.

    Examples
    --------
    >>> check_length("a")
    Traceback (most recent call last):
    ValueError: the text has 1 character: at least 2 are needed, one to read and one to predict from it
    """
    if isinstance(text, str) and len(text) < 2:
        raise ValueError(
            f"the text has {len(text)} character{'s' * (len(text) != 1)}: at least 2 are needed, one to read and one "
            "to predict from it"
        )
