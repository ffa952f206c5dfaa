"""A trained model at work: it reads texts and writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Self, overload

import numpy as np

from pycharrnn.arguments import Integer, Maybe, RandomState, Real, Seed, Text, generator
from pycharrnn.arrays import Ids
from pycharrnn.derived import settled
from pycharrnn.errors import ParameterValueError, TrainingDivergedError
from pycharrnn.gradients import Differentiable
from pycharrnn.tables import check, table
from pycharrnn.text.corpus import Corpus, Texts, Unknown, reading_rule
from pycharrnn.text.vocabulary import Vocabulary
from pycharrnn.trained import Learned, learned
from pycharrnn.turns import being_trained, next_text

if TYPE_CHECKING:
    from pycharrnn.network.evaluation import Evaluation
    from pycharrnn.sampling.sampler import Sampler
    from pycharrnn.training.adaptation import Adaptation

_LENGTH = Maybe(Integer(0, 2**48))


class Predictor(Differentiable):
    """What a model does with what it has learned: it reads texts and writes them."""

    def _unknown(self, vocabulary: Vocabulary) -> Unknown:
        return reading_rule(self.on_unknown, self.min_count, vocabulary)

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

    # --- writing ------------------------------------------------------------------------------------------------

    @overload
    def sample(
        self, length: int | None = ..., *, prompt: str = ..., temperature: float = ..., n_samples: None = ...,
        random_state: RandomState = ...,
    ) -> str: ...  # fmt: skip
    @overload
    def sample(
        self, length: int | None = ..., *, prompt: str = ..., temperature: float = ..., n_samples: int,
        random_state: RandomState = ...,
    ) -> list[str]: ...  # fmt: skip
    def sample(
        self,
        length: Annotated[int | None, _LENGTH] = None,
        *,
        prompt: Annotated[str, Text()] = "",
        temperature: Annotated[float, Real(zero=True)] = 1.0,
        n_samples: Annotated[int | None, _LENGTH] = None,
        random_state: Annotated[RandomState, Seed()] = None,
    ) -> str | list[str]:
        """Write text.

        Parameters
        ----------
        length : int or None, default None
            Characters to write. None is 200 for a model of running text. A model of documents writes one to its end
            (which must come within 10,000 characters); with a `length` it may be cut off there.
        prompt : str, default ""
            Text to go on from, for a model of documents the beginning of the document; it is not part of the result.
        temperature : float in [0, 1e308], default 1.0
            Below 1 the text is more predictable, above 1 more varied. 0 is greedy: always the likeliest character.
        n_samples : int or None, default None
            How many texts to write, each anew from the prompt. None writes one and returns it without a list.
        random_state : int, numpy.random.Generator, numpy.random.SeedSequence or None, default None
            A number gives the same text every time. None goes on from the model's own `random_state`. If that is a
            number, which a file keeps, the texts of one program differ from each other, but every process writes the
            same ones; ``numpy.random.default_rng()`` gives others in each.

        Returns
        -------
        str or list of str
            The text, or a list of `n_samples` texts.

        Raises
        ------
        NotFittedError
            If the model has not been trained.
        ValueError, TypeError
            If an argument is out of range or of a wrong type; the message names it.
        MemoryError
            If the texts would take more memory than there is.
        UnknownCharacterError
            If the prompt has a character that the model does not know, and `on_unknown` is "raise".

        Notes
        -----
        Any number of threads may sample from one model; the interpreter lock is released meanwhile.

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> model = CharRNN(hidden_size=16, random_state=0).fit("hello world. " * 20)
        >>> len(model.sample(30)), len(model.sample(30, n_samples=2))
        (30, 2)
        """
        from pycharrnn.sampling.sampler import claim_texts

        checked = check(table(Predictor.sample), length=length, n_samples=n_samples)
        length = checked["length"]
        many = 1 if n_samples is None else checked["n_samples"]
        claim_texts(many, length)
        vocabulary, sampler = self._sampler(length, prompt, temperature, random_state)
        texts = [vocabulary.decode(sampler.text()) for _ in range(many)]
        return texts[0] if n_samples is None else texts

    def stream(
        self,
        length: Annotated[int | None, _LENGTH] = None,
        *,
        prompt: Annotated[str, Text()] = "",
        temperature: Annotated[float, Real(zero=True)] = 1.0,
        random_state: Annotated[RandomState, Seed()] = None,
    ) -> Iterator[str]:
        """Write the text that `sample` writes, and yield each character as soon as it is drawn.

        Parameters
        ----------
        length : int or None, default None
            Characters to write. None writes running text without end, and a document to its end.
        prompt : str, default ""
            As for `sample`.
        temperature : float in [0, 1e308], default 1.0
            As for `sample`.
        random_state : int, numpy.random.Generator, numpy.random.SeedSequence or None, default None
            As for `sample`.

        Returns
        -------
        iterator of str
            The characters.

        Raises
        ------
        NotFittedError, ValueError, TypeError, UnknownCharacterError
            As of `sample`, at the call.

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> model = CharRNN(hidden_size=16, random_state=0).fit("hello world. " * 20)
        >>> "".join(model.stream(9, random_state=1)) == model.sample(9, random_state=1)
        True
        """
        length = check(table(Predictor.sample), length=length)["length"]
        vocabulary, sampler = self._sampler(length, prompt, temperature, random_state)
        return map(vocabulary.decode, sampler.symbols())

    def _own_randomness(self) -> RandomState:
        """Where a text's randomness comes from when none is given: each call of one model has its own."""
        own = self.random_state
        if own is None or isinstance(own, np.random.Generator):
            return own
        n = next_text(self)
        if isinstance(own, np.random.SeedSequence):
            return np.random.SeedSequence(own.entropy, spawn_key=(*own.spawn_key, n))
        Seed().check("random_state", own)
        return np.random.SeedSequence([int(own), n])

    def _sampler(
        self, length: int | None, prompt: str, temperature: float, random_state: RandomState
    ) -> tuple[Vocabulary, Sampler]:
        from pycharrnn.sampling.sampler import Sampler
        from pycharrnn.sampling.settings import Mixture, Sampling

        vocabulary, built, state, *_, ngrams = learned(self)
        check(table(Predictor.sample), prompt=prompt, temperature=temperature)
        rng = generator(self._own_randomness() if random_state is None else random_state)
        ids = vocabulary.encode(prompt, self._unknown(vocabulary))
        mixture = None
        if ngrams is not None and ngrams.share:
            mixture = Mixture(ngrams.share, ngrams.order - 1, ngrams.model().following)
        return vocabulary, Sampler(built, state.best, ids, Sampling(length, float(temperature), mixture), rng)
