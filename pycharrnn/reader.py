"""A trained model at work: it reads texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pycharrnn.arguments import Flag, Integer, Maybe, Real
from pycharrnn.arrays import Ids
from pycharrnn.derived import settled
from pycharrnn.errors import ParameterValueError, TrainingDivergedError
from pycharrnn.gradients import Differentiable
from pycharrnn.messages import shown
from pycharrnn.parameters import Parameters
from pycharrnn.tables import check, table
from pycharrnn.text.corpus import Corpus, Texts, Unknown, reading_rule
from pycharrnn.text.vocabulary import Vocabulary
from pycharrnn.trained import Learned, learned
from pycharrnn.turns import being_trained

if TYPE_CHECKING:
    from pycharrnn.network.evaluation import Evaluation
    from pycharrnn.training.adaptation import Adaptation


class Reader(Differentiable):
    """What a model does with the texts that it reads: it measures how well it predicts them, and adapts to them."""

    def _unknown(self, vocabulary: Vocabulary) -> Unknown:
        return reading_rule(self.on_unknown, self.min_count, vocabulary)

    def _read(self, X: Texts, vocabulary: Vocabulary, name: str = "X") -> Corpus:
        return Corpus.read(X, vocabulary, self._unknown(vocabulary), name)

    def _threads(self) -> int | None:
        """How many threads read; None: as many as there are processors."""
        threads: int | None = check(table(Parameters), n_threads=self.n_threads)["n_threads"]
        return threads

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
        unsmooth: Annotated[float, Real(zero=True, below=1)] = 0.0,
        exact: Annotated[bool, Flag()] = False,
        ngrams: Annotated[bool, Flag()] = True,
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
            of models that only read. The state restarts with each `window`, the learning goes on; n-grams take no part.
            `adapt` says which rates are usual, and what a model without squares of gradients does. None only reads.
        unsmooth : float in [0, 1), default 0.0
            The part of `label_smoothing` that is taken off the probabilities of the K characters:
            max(q - unsmooth label_smoothing / K, q / 10), divided by their sum. A half suits most models. 0 takes none.
        exact : bool, default False
            Let one stream read the text from its start to its end. Otherwise a long text is read in many places at
            once, by as many threads as `n_threads` says, many times as fast; the Notes say what that changes. With
            `unsmooth` one stream reads.
        ngrams : bool, default True
            Whether n-grams take part, where the model has them. False measures the network alone.

        Returns
        -------
        Evaluation
            ``(nats, bits, perplexity, n_characters)``, the first three per character.

        Raises
        ------
        NotFittedError
            If the model has not been trained.
        ValueError
            If an argument is out of range, or `exact` is given with a window or `adapt`, or `unsmooth` with `adapt`; if
            the rate is far too high for the text; if fewer than two characters of the text are known; or if X is
            running text and the model is of documents, or the other way round.
        TypeError
            If X is no text, path or sequence of documents, or the window no integer.
        UnknownCharacterError
            If the text has a character that the model does not know, and `on_unknown` is "raise".

        Notes
        -----
        Streams read many documents at once, with the bits of one stream. Of running text each of up to 104 streams
        reads a part, and then so far into the next one that its state is the one which was found there: no number of it
        differs by more than 1e-5 (float64: 1e-9), which is what rounding leaves. Or none differs by more than 3e-2
        (float64: 3e-6), the differences vanish, and since the last look no loss differs by more than 2e-5 nats
        (float64: 2e-9). The mean loss is that of one stream to 1e-6 nats, usually to 1e-8. In bfloat16 rounding
        leaves 2e-2, and the mean is the same to 1e-5 or so. A network that remembers for longer than a part makes this
        slower, not less accurate. Texts of fewer than 4,096 characters, and windows, are always read exactly.

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
        checked = check(
            table(Reader.evaluate), window=window, adapt=adapt, unsmooth=unsmooth, exact=exact, ngrams=ngrams
        )
        if exact and (window is not None or adapt is not None):
            problem = "a window, which" if window is not None else "adapt, which"
            raise ParameterValueError("exact", f"must be False with {problem} is always exact, got True")
        if adapt is not None and checked["unsmooth"]:
            raise ParameterValueError("adapt", f"must be None with unsmooth, got {shown(adapt)}")
        ids = self._read(X, found.vocabulary).ids
        if adapt is not None:
            adapted = self._adapted(found, ids, "adapt", checked["adapt"], checked["window"])
            return Evaluation.of_mean(adapted.nats, len(ids) - 1)
        how = checked["window"], checked["unsmooth"], exact, self._threads()
        nats = losses(found.architecture, found.state.best, ids, *how)
        if ngrams and found.ngrams is not None:
            nats = found.ngrams.mix(nats, ids, checked["window"])
        return Evaluation.of(nats)

    def adapt(self, X: Texts, rate: Annotated[float, Real()] = 0.001) -> Self:
        """Learn the manner of a text in one reading.

        It costs hardly more than an evaluation, and is gentler than `partial_fit`: a step after each `seq_length`
        characters, without momentum. Each weight steps by the rate times its gradient over the root of its mean squared
        gradient in training. SGD and momentum keep no squares: they are then those of the first 16 windows of the text.
        So the size of steps, and nothing else, depends on characters that are yet to be read. The n-grams
        of a mixture stay as they are.

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
        checked = check(table(Reader.adapt), rate=rate)
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

    def _adapted(self, found: Learned, ids: Ids, name: str, rate: float, window: int | None = None) -> Adaptation:
        """What the best weights become when they read a text; `name` is that of the rate in errors."""
        from pycharrnn.training.adaptation import adapt, mean_squares, measured_squares  # only now: few programs do

        _, built, state, _, chosen, _ = found
        batch_size = state.batch_size if state.rule else settled(self, chosen).batch_size  # of the training
        squares = mean_squares(built, state, batch_size)
        if squares is None:
            squares = measured_squares(built, state.best, ids)
        try:
            return adapt(built, state.best, squares, ids, rate, window)
        except TrainingDivergedError:
            problem = f"must be lower for this text, got {rate:g}: the weights become far worse than guessing"
            raise ParameterValueError(name, problem) from None
