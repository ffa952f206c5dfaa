"""A trained model at work: it reads texts and writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pycharrnn.arguments import Integer, Maybe, Real
from pycharrnn.arrays import Ids
from pycharrnn.derived import settled
from pycharrnn.errors import ParameterValueError, TrainingDivergedError
from pycharrnn.tables import check, table
from pycharrnn.text.corpus import Corpus, Texts
from pycharrnn.text.vocabulary import Vocabulary
from pycharrnn.trained import Learned, learned
from pycharrnn.turns import being_trained
from pycharrnn.writer import Writer

if TYPE_CHECKING:
    from pycharrnn.network.evaluation import Evaluation
    from pycharrnn.training.adaptation import Adaptation


class Predictor(Writer):
    """What a model does with what it has learned: it reads texts and writes them."""

    def _read(self, X: Texts, vocabulary: Vocabulary, name: str = "X") -> Corpus:
        return Corpus.read(X, vocabulary, self._unknown(vocabulary), name)

    def score(self, X: Texts, y: None = None) -> float:
        """Return the mean log-likelihood of a text: higher is better.

        Parameters
        ----------
        X : str, path-like or sequence of str
            As for `evaluate`.
        y : None
            Ignored; there for scikit-learn.

        Returns
        -------
        float
            In nats per character, at most 0.

        Raises
        ------
        NotFittedError, ValueError, TypeError, UnknownCharacterError
            As of `evaluate`.

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> model = CharRNN(hidden_size=16, max_updates=50, random_state=0).fit("hello world. " * 20)
        >>> model.score("hello") > model.score("ollhe")
        True
        """
        return -self.evaluate(X).nats

    def evaluate(
        self,
        X: Texts,
        window: Annotated[int | None, Maybe(Integer(1, 65_536))] = None,
        adapt: Annotated[float | None, Maybe(Real())] = None,
    ) -> Evaluation:
        """Measure how well the model predicts a text: each character after the first from all before it.

        Of documents every character is predicted, and the end of each. With `ngram_order` the mixture predicts. It has
        memorised the training text, so only the losses of other texts tell how good it is.

        Parameters
        ----------
        X : str, path-like or sequence of str
            As for `fit`, and of the kind that the model was trained on.
        window : int or None, default None
            Start from a zero state every so many characters, as models of a fixed context are measured (nanoGPT takes
            256); n-grams do not look back beyond it either. None carries the state through the whole text.
        adapt : float or None, default None
            Learn while reading, with this rate: dynamic evaluation [1]_. Each `seq_length` characters are predicted
            first, and then learned from. The model stays as it is. Losses are lower, and not to be compared with those
            of models that only read. `adapt` says which rates are usual. None only reads.

        Returns
        -------
        Evaluation
            ``(nats, bits, perplexity, n_characters)``, the first three per character.

        Raises
        ------
        NotFittedError
            If the model has not been trained.
        ValueError
            If the window or the rate is out of range or both are given, if the rate is far too high for the text, if
            the optimiser keeps no squares of gradients to scale steps by, if the model is to adapt and is mixed with
            n-grams, if fewer than two characters of the text are known, or if X is running text and the model is of
            documents, or the other way round.
        TypeError
            If X is no text, path or sequence of documents, or the window no integer.
        UnknownCharacterError
            If the text has a character that the model does not know, and `on_unknown` is "raise".

        References
        ----------
        .. [1] B. Krause, E. Kahembwe, I. Murray and S. Renals (2018). Dynamic evaluation of neural sequence models.
           International Conference on Machine Learning, 2766-2775. arXiv:1709.07432.

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> model = CharRNN(hidden_size=16, random_state=0).fit("hello world. " * 20)
        >>> model.evaluate("hello world").n_characters
        10
        >>> another = "world hello " * 40
        >>> model.evaluate(another, adapt=0.01).nats < model.evaluate(another).nats
        True
        """
        from pycharrnn.network.evaluation import Evaluation, losses  # only now, as in `sample`: a program may do one

        found = learned(self)
        vocabulary, built, state, *_, ngrams = found
        checked = check(table(Predictor.evaluate), window=window, adapt=adapt)
        if adapt is not None and (window is not None or ngrams is not None):
            problem = "a window" if window is not None else "a model that is mixed with n-grams (ngram_order)"
            raise ParameterValueError("adapt", f"must be None with {problem}, got {adapt!r}")
        ids = self._read(X, vocabulary).ids
        if adapt is not None:
            return Evaluation.of_mean(self._adapted(found, ids, "adapt", checked["adapt"]).nats, len(ids) - 1)
        nats = losses(built, state.best, ids, checked["window"])
        return Evaluation.of(nats if ngrams is None else ngrams.mix(nats, ids, checked["window"]))

    def adapt(self, X: Texts, rate: Annotated[float, Real()] = 0.001) -> Self:
        """Learn the manner of a text in one reading.

        It costs hardly more than an evaluation, and is gentler than `partial_fit`: a step after each `seq_length`
        characters, without momentum, which weighs each weight by how much it varied in training.

        Parameters
        ----------
        X : str, path-like or sequence of str
            As for `evaluate`. Characters that the model does not know are not added to it.
        rate : float, default 0.001
            The learning rate, above 0. From 0.0003 to 0.003 is usual: more for a text that is foreign to the model,
            less for a large network.

        Returns
        -------
        CharRNN
            The model itself, with new weights. It keeps its history, and `best_` knows no losses of the new weights.

        Raises
        ------
        NotFittedError, UnknownCharacterError, TypeError, ValueError
            As of `evaluate`, or if the rate is so high that the weights become far worse than guessing. The model is
            then as it was.
        RuntimeError
            If the model is being trained.

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> model = CharRNN(hidden_size=16, random_state=0).fit("hello world. " * 20)
        >>> before = model.evaluate("world hello " * 40).nats
        >>> model.adapt("world hello " * 40, rate=0.01).evaluate("world hello " * 40).nats < before
        True
        """
        checked = check(table(Predictor.adapt), rate=rate)
        learned(self)
        with being_trained(self):
            found = self._learned
            ids = self._read(X, found.vocabulary).ids
            state = found.state.copy()
            state.squares = found.state.squares
            state.weights[:] = self._adapted(found, ids, "rate", checked["rate"]).weights
            state.m[:] = 0  # the mean gradient of the old weights
            state.average[:] = state.weights[: state.average.size]
            state.keep()
            self._learned = found._replace(state=state)
        return self

    def _adapted(self, found: Learned, ids: Ids, name: str, rate: float) -> Adaptation:
        """What the best weights become when they read a text; `name` is that of the rate in errors."""
        from pycharrnn.training.adaptation import adapt, mean_squares  # only now: few programs adapt a model

        _, built, state, _, chosen, _ = found
        batch_size = state.batch_size if state.rule else settled(self, chosen).batch_size  # of the training
        squares = mean_squares(built, state, batch_size)
        if squares is None:
            problem = f"keeps no squares of gradients, by which steps are scaled, got {self.optimizer!r}"
            raise ParameterValueError("optimizer", f"{problem}; train with adam, rmsprop or adagrad")
        try:
            return adapt(built, state.best, squares, ids, rate)
        except TrainingDivergedError:
            problem = f"must be lower for this text, got {rate:g}: the weights become far worse than guessing"
            raise ParameterValueError(name, problem) from None
