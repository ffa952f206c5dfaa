"""A trained model at work: it examines texts, each on its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple, overload

import numpy as np

from pycharrnn.arguments import Choice, Flag, Integer, Maybe
from pycharrnn.arrays import Floats, Ids
from pycharrnn.errors import ParameterTypeError, ParameterValueError, UnknownCharacterError
from pycharrnn.reader import Reader
from pycharrnn.sampling.novelty import Novelty, NoveltyIndex
from pycharrnn.tables import check, table
from pycharrnn.text.corpus import Texts, split_documents
from pycharrnn.text.reading import read_corpus
from pycharrnn.text.vocabulary import Vocabulary
from pycharrnn.trained import learned


class Ranked(NamedTuple):
    """A text and how well a model predicts it.

    Attributes
    ----------
    place : int
        Which of the texts it is, from 0.
    nats : float
        The mean of -log p of its predictions, with the natural logarithm.
    n_characters : int
        Predictions: characters, and the end if it is a document.
    text : str
        The text.
    """

    place: int
    nats: float
    n_characters: int
    text: str


class Examiner(Reader):
    """What a model says of single texts: how surprising each character is, how likely a text is, and which is more so.

    Each text is read on its own, from a zero state. A model of documents takes a text as one of them: it predicts each
    of its characters, and its end. A model of running text predicts each character but the first.
    """

    @overload
    def surprise(self, X: str, unit: str = ..., exact: bool = ...) -> Floats: ...
    @overload
    def surprise(self, X: list[str] | tuple[str, ...], unit: str = ..., exact: bool = ...) -> list[Floats]: ...
    def surprise(
        self,
        X: str | Sequence[str],
        unit: Annotated[str, Choice("nats", "bits")] = "nats",
        exact: Annotated[bool, Flag()] = False,
    ) -> Floats | list[Floats]:
        """Say how surprising each character of a text is: -log p, given those before it.

        Parameters
        ----------
        X : str or sequence of str
            A text, or several. Each is read on its own, and many at once.
        unit : {"nats", "bits"}, default "nats"
            The logarithm's base: e, or 2.
        exact : bool, default False
            Let one stream read a long text, as for `evaluate`.

        Returns
        -------
        ndarray of float64, or list of ndarray
            One number for each character after the first, so that ``X[1:]`` has the same length. A model of documents
            has one for each character and one for the end. Characters that `on_unknown` leaves out have none.

        Raises
        ------
        NotFittedError
            If the model has not been trained.
        TypeError, ValueError
            If X is no text or sequence of texts, or the unit is another one.
        UnknownCharacterError
            If a text has a character that the model does not know, and `on_unknown` is "raise".

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> model = CharRNN(hidden_size=16, random_state=0).fit("hello world. " * 20)
        >>> surprise = model.surprise("hello wdrld", unit="bits")
        >>> "hello wdrld"[1:][surprise.argmax()]
        'd'
        """
        checked = check(table(Examiner.surprise), unit=unit, exact=exact)
        unit_nats = np.log(2) if checked["unit"] == "bits" else 1.0
        found = [nats / unit_nats for nats in self._nats(listed(X), exact)]
        return found[0] if isinstance(X, str) else found

    @overload
    def log_proba(self, X: str, exact: bool = ...) -> float: ...
    @overload
    def log_proba(self, X: list[str] | tuple[str, ...], exact: bool = ...) -> Floats: ...
    def log_proba(self, X: str | Sequence[str], exact: Annotated[bool, Flag()] = False) -> float | Floats:
        """Compute the log-probability of a text: the sum of log p over its characters, in nats.

        Parameters
        ----------
        X : str or sequence of str
            A text, or several. Each is read on its own, and many at once.
        exact : bool, default False
            Let one stream read a long text, as for `evaluate`.

        Returns
        -------
        float or ndarray of float64, (n_texts,)
            At most 0. Longer texts are less likely; `rank` compares texts per character. That of a running text is
            given its first character, and 0 if it has no other.

        Raises
        ------
        NotFittedError, TypeError, UnknownCharacterError
            As of `surprise`.

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> model = CharRNN(hidden_size=16, max_updates=50, random_state=0).fit(["anna", "hanna", "joanna"] * 20)
        >>> one, other = model.log_proba(["hanna", "nnaah"])
        >>> bool(one > other), bool(model.log_proba("hanna") == one)
        (True, True)
        """
        check(table(Examiner.log_proba), exact=exact)
        sums = np.array([-nats.sum() for nats in self._nats(listed(X), exact)])
        return float(sums[0]) if isinstance(X, str) else sums

    def rank(self, texts: Sequence[str], exact: Annotated[bool, Flag()] = False) -> list[Ranked]:
        """Sort texts by how well the model predicts them, per character.

        Parameters
        ----------
        texts : sequence of str
            The texts. They are read at once, each on its own.
        exact : bool, default False
            Let one stream read a long text, as for `evaluate`.

        Returns
        -------
        list of Ranked
            ``(place, nats, n_characters, text)`` of each, the least surprising one first. Texts of equal loss stay in
            their order.

        Raises
        ------
        NotFittedError, TypeError, UnknownCharacterError
            As of `surprise`.
        ValueError
            If there is nothing to predict in a text.

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> model = CharRNN(hidden_size=16, max_updates=50, random_state=0).fit(["anna", "hanna", "joanna"] * 20)
        >>> [ranked.text for ranked in model.rank(["nnaah", "hanna"])]
        ['hanna', 'nnaah']
        """
        check(table(Examiner.rank), exact=exact)
        if isinstance(texts, str):
            raise ParameterTypeError("texts", f"must be a sequence of texts, got one: {texts[:20]!a}")
        several = listed(texts, "texts")
        found = []
        for place, (text, nats) in enumerate(zip(several, self._nats(several, exact), strict=True)):
            if not nats.size:
                raise ParameterValueError("texts", f"must have two known characters each, got {text[:20]!a} at {place}")
            found.append(Ranked(place, float(nats.mean()), nats.size, text))
        return sorted(found, key=lambda ranked: ranked.nats)

    def novelty(
        self,
        text: str,
        corpus: Texts | NoveltyIndex | None = None,
        n: Annotated[int | None, Maybe(Integer(1, 2**31 - 1))] = None,
    ) -> Novelty:
        """Find what of a text stands word for word in the training text.

        Parameters
        ----------
        text : str
            A text, such as a sample.
        corpus : str, path-like, sequence of these, NoveltyIndex or None, default None
            The training text. For many texts pass an index of it, which is built once: about a second per million
            characters. None is the text in the model: one with `ngram_order` holds what was counted.
        n : int or None, default None
            Characters of the shortest copy that counts. None is 20, or the n of the index.

        Returns
        -------
        Novelty
            ``(n, n_characters, copied, spans)``: the share that is copied, and where.

        Raises
        ------
        NotFittedError
            If the model has not been trained.
        ValueError
            If there is no corpus, or n is out of range or not that of the index.
        TypeError
            If the text is no str, or the corpus is of a wrong type.
        MemoryError
            If there is too little memory for the index.

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> corpus = "the cat sat on the mat. " * 20
        >>> model = CharRNN(hidden_size=16, random_state=0).fit(corpus)
        >>> found = model.novelty("a dog sat on a cat", corpus, n=5)
        >>> round(found.copied, 2), ["a dog sat on a cat"[span.start : span.end] for span in found.spans]
        (0.44, [' sat on '])
        """
        checked = check(table(Examiner.novelty), n=n)["n"]
        vocabulary, *_, ngrams = learned(self)
        if not isinstance(text, str):
            raise ParameterTypeError("text", f"must be a str, got {type(text).__name__}")
        if isinstance(corpus, NoveltyIndex):
            if checked not in (None, corpus.n):
                raise ParameterValueError("n", f"must be {corpus.n}, that of the index, or None, got {checked}")
            return corpus.novelty(text)
        if corpus is None:
            if ngrams is None:
                problem = "must be the training text: only a model that is mixed with n-grams holds it"
                raise ParameterValueError("corpus", problem)
            documents = split_documents(ngrams.ids, vocabulary)
        else:
            documents = read_corpus(corpus, "corpus")
        return NoveltyIndex(documents, 20 if checked is None else checked).novelty(text)

    def _nats(self, texts: list[str], exact: bool) -> list[Floats]:
        """Nats of each prediction of each text."""
        from pycharrnn.network.evaluation import separate_losses  # only now: a program may do without

        vocabulary, built, state, *_, ngrams = learned(self)
        ids = [self._encoded(text, vocabulary, place) for place, text in enumerate(texts)]
        found = separate_losses(built, state.best, ids, exact, self._threads())
        if ngrams is None:
            return found
        return [ngrams.mix(nats, read) if nats.size else nats for nats, read in zip(found, ids, strict=True)]

    def _encoded(self, text: str, vocabulary: Vocabulary, place: int) -> Ids:
        """The symbols of a text. A document has its end behind it, and that of another one before it."""
        try:
            return vocabulary.encode(text if vocabulary.end is None else [text], self._unknown(vocabulary))
        except UnknownCharacterError as error:
            character, position, _ = error.args
            raise UnknownCharacterError(character, position, place) from None


def listed(X: str | Sequence[str], name: str = "X") -> list[str]:
    """Return a text, or several, as a list.

    Raises
    ------
    ParameterTypeError
        If it is neither.

    Examples
    --------
    >>> listed("anna"), listed(("anna", "bob"))
    (['anna'], ['anna', 'bob'])
    """
    if isinstance(X, str):
        return [X]
    if not isinstance(X, Sequence) or isinstance(X, bytes) or not all(isinstance(text, str) for text in X):
        raise ParameterTypeError(name, f"must be a text or a sequence of texts, got {type(X).__name__}")
    return list(X)
