"""A corpus: the ids of a text or of documents, and their vocabulary: what training and evaluation read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal, NamedTuple, Self

import numpy as np

from pycharrnn.arrays import Array, Ids
from pycharrnn.errors import ParameterValueError
from pycharrnn.text.vocabulary import Vocabulary

__all__ = ["Corpus", "Texts", "Unknown", "check_length", "reading_rule", "split_documents"]

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

    def shuffled(self, rng: np.random.Generator) -> Self:
        """Return the documents in a random order; running text as it is.

        Examples
        --------
        >>> corpus = Corpus.learn(["anna", "bob", "carl"]).shuffled(np.random.default_rng(2))
        >>> corpus.vocabulary.decode(corpus.ids)
        '\\ncarl\\nanna\\nbob\\n'
        """
        if not self.documents:
            return self
        *documents, last = np.split(self.ids, np.flatnonzero(self.ids == self.vocabulary.end)[1:])
        order = rng.permutation(len(documents))
        return self._replace(ids=np.concatenate([documents[i] for i in order] + [last]))

    def split(self, fraction: float) -> tuple[Self, Self]:
        """Cut off the last part, between two documents if there are any.

        Parameters
        ----------
        fraction : float in (0, 1)
            How large a part of the text or of the documents.

        Returns
        -------
        first, last : Corpus
            Each has at least two symbols.

        Raises
        ------
        ValueError
            If one of them would have fewer.

        Examples
        --------
        >>> [len(part.ids) for part in Corpus.learn("to be or not").split(0.25)]
        [9, 3]
        """
        cut = round(len(self.ids) * (1 - fraction))
        if self.documents:
            ends = np.flatnonzero(self.ids == self.vocabulary.end)
            cut = int(ends[min(max(1, round((len(ends) - 1) * (1 - fraction))), len(ends) - 2)])
        if min(cut, len(self.ids) - cut) < 2:
            problem = f"{fraction} leaves too little of the text to train on or to validate with"
            raise ParameterValueError("validation_fraction", problem)
        first, last = self.ids[: cut + self.documents], self.ids[cut:]
        return self._replace(ids=first), self._replace(ids=last)

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
