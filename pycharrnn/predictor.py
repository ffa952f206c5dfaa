"""A trained model at work: texts, their losses, and gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, overload

import numpy as np
import numpy.typing as npt

from pycharrnn.arguments import Integer, Maybe, RandomState, Real, Seed, Several, Text, generator
from pycharrnn.errors import ParameterTypeError, ParameterValueError
from pycharrnn.network.engine import loss_and_gradients
from pycharrnn.network.evaluation import Evaluation, evaluate
from pycharrnn.sampling.sampler import Sampler, claim_texts
from pycharrnn.sampling.settings import Sampling
from pycharrnn.tables import check, table
from pycharrnn.text.corpus import Corpus, Texts, Unknown, check_length, reading_rule
from pycharrnn.text.vocabulary import Vocabulary
from pycharrnn.trained import Trained, exact, learned

if TYPE_CHECKING:
    from pycharrnn.lab.gradient_table import GradientTable

_LENGTH = Maybe(Integer(0, 2**48))


class Predictor(Trained):
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

    def evaluate(self, X: Texts, window: Annotated[int | None, Maybe(Integer(1, 65_536))] = None) -> Evaluation:
        """Measure how well the model predicts a text: each character after the first from all before it.

        Of documents every character is predicted, and the end of each.

        Parameters
        ----------
        X : str, path-like or sequence of str
            As for `fit`, and of the kind that the model was trained on.
        window : int or None, default None
            Start from a zero state every so many characters, as models of a fixed context are measured (nanoGPT takes
            256). None carries the state through the whole text.

        Returns
        -------
        Evaluation
            ``(nats, bits, perplexity, n_characters)``, the first three per character.

        Raises
        ------
        NotFittedError
            If the model has not been trained.
        ValueError
            If the window is out of range, if fewer than two characters of the text are known, or if X is running text
            and the model is of documents, or the other way round.
        TypeError
            If X is no text, path or sequence of documents, or the window no integer.
        UnknownCharacterError
            If the text has a character that the model does not know, and `on_unknown` is "raise".

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> model = CharRNN(hidden_size=16, random_state=0).fit("hello world. " * 20)
        >>> model.evaluate("hello world").n_characters
        10
        """
        vocabulary, built, state, _ = learned(self)
        checked = check(table(Predictor.evaluate), window=window)
        return evaluate(built, state.best, self._read(X, vocabulary).ids, checked["window"])

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

    def _sampler(
        self, length: int | None, prompt: str, temperature: float, random_state: RandomState
    ) -> tuple[Vocabulary, Sampler]:
        vocabulary, built, state, _ = learned(self)
        check(table(Predictor.sample), prompt=prompt, temperature=temperature)
        if random_state is None and isinstance(self.random_state, (int, np.integer)):
            self._n_samples = getattr(self, "_n_samples", 0) + 1
            random_state = np.random.SeedSequence([int(self.random_state), self._n_samples])
        elif random_state is None:
            random_state = self.random_state
        rng = generator(random_state)
        ids = vocabulary.encode(prompt, self._unknown(vocabulary))
        return vocabulary, Sampler(built, state.best, ids, Sampling(length, float(temperature)), rng)

    # --- gradients ----------------------------------------------------------------------------------------------

    def loss_and_gradients(
        self, text: str, targets: str | None = None
    ) -> tuple[float, dict[str, npt.NDArray[np.float64]]]:
        """Return the loss of one window and its gradients by back-propagation through time, in double precision.

        Parameters
        ----------
        text : str
            The characters read, from the zero state.
        targets : str or None, default None
            The characters to predict, as many. None takes the text itself, shifted by one: all but the last of its
            characters are read, all but the first are predicted.

        Returns
        -------
        loss : float
            Summed over the window, in nats.
        gradients : dict of str to ndarray of float64
            By name: dloss/dU (m, K), dloss/dW (m, m), dloss/db (m,), dloss/dV (K, m), dloss/dc (K,), not clipped.

        Raises
        ------
        ValueError
            If the text has fewer than two characters, if there are not as many targets, or if the model is not trained
            and a parameter is out of range.
        UnknownCharacterError
            If the model is trained and the text has a character that it does not know.

        Notes
        -----
        Before `fit` these are the gradients at the initial weights, for the characters of the text. Nothing is dropped
        or smoothed.

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> loss, gradients = CharRNN(hidden_size=4, random_state=0).loss_and_gradients("abab")
        >>> round(loss, 2), gradients["W"].shape
        (2.08, (4, 4))
        """
        for name, value in (("text", text), ("targets", text if targets is None else targets)):
            Text().check(name, value)
        if targets is None:
            check_length(text)
            text, targets = text[:-1], text[1:]
        if not text or len(targets) != len(text):
            problem = f"must have a character for each of the text's {len(text)}, at least one, got {len(targets)}"
            raise ParameterValueError("targets", problem)
        vocabulary, built, weights = exact(self, text + targets, max(1, len(text)))
        x, y = (vocabulary.encode(part, self._unknown(vocabulary)) for part in (text, targets))
        loss, gradients, _ = loss_and_gradients(built, weights, x, y)
        return loss, {name: np.ascontiguousarray(gradient) for name, gradient in gradients.items()}

    def check_gradients(
        self,
        text: Texts,
        seq_lengths: Annotated[Sequence[int], Several(Integer(1, 65_536))] = (5, 10, 15, 25),
        *,
        batches: Annotated[int, Integer(1, 2**20)] = 2,
        h: Annotated[float, Real()] = 1e-4,
        eps: Annotated[float, Real()] = 1e-3,
        tolerance: Annotated[float, Real()] = 1e-6,
        max_entries: Annotated[int | Literal["auto"] | None, Maybe(Integer(1, 2**62), "auto")] = "auto",
        max_seconds: Annotated[float | None, Maybe(Real())] = 60.0,
        log: Callable[[str], object] | None = None,
    ) -> GradientTable:
        """Compare back-propagation with central differences, for every tensor, in double precision.

        Parameters
        ----------
        text : str, path-like or sequence of str
            At least ``batches * max(seq_lengths) + 1`` characters, the ends of documents included.
        seq_lengths : sequence of int, default (5, 10, 15, 25)
            Lengths of the windows.
        batches : int, default 2
            Windows from the start of the text, each from the state that the one before it left.
        h : float, default 1e-4
            Step of the differences ``(loss(x + h) - loss(x - h)) / 2h``.
        eps : float, default 1e-3
            Errors are |ga - gn| / max(eps, |ga| + |gn|): smaller gradients only measure rounding.
        tolerance : float, default 1e-6
            Error up to which an entry counts as right, for the share of right entries.
        max_entries : int, "auto" or None, default "auto"
            Check at most so many entries of each tensor and window: the same ones every time, drawn at random, a third
            each among the largest, the smaller and the zero gradients. None checks all, and so does "auto" where that
            takes some 15 seconds, as for the classic network with 80 characters; else as many as take about as long.
        max_seconds : float or None, default 60.0
            End the check early after so long: each window has an equal share of the time, in which it checks as many
            entries as it can, at least one of each tensor. The table says so. None for no limit.
        log : callable or None, default None
            Called with a line at the start and, where no progress bar is shown, every 30 seconds.

        Returns
        -------
        GradientTable
            One row for each window and tensor, with how many entries were checked of how many; prints itself.

        Raises
        ------
        ValueError, TypeError
            If a parameter is out of range, or the text is too short for the windows.
        UnknownCharacterError
            If the model is trained and the text has a character that it does not know.

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> table = CharRNN(hidden_size=8, random_state=0).check_gradients("to be or not to be", [5], max_entries=20)
        >>> table.norm_error < 1e-7, table.n_checked, table.n_entries
        (True, 150, 382)
        """
        from pycharrnn.lab.gradcheck import Check  # only now: few programs check gradients
        from pycharrnn.lab.model_check import check_model

        settings = Check(seq_lengths, batches, h, eps, tolerance, max_entries, max_seconds)
        if log is not None and not callable(log):
            raise ParameterTypeError("log", f"must be callable or None, got {log!a}")
        checked = check(table(Predictor.check_gradients), **settings._asdict())
        return check_model(self, text, Check(**checked), log)
