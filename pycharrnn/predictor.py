"""A trained model at work: it writes texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, overload

import numpy as np

from pycharrnn.arguments import Integer, Maybe, RandomState, Real, Seed, Text, generator
from pycharrnn.examiner import Examiner
from pycharrnn.tables import check, table
from pycharrnn.text.vocabulary import Vocabulary
from pycharrnn.trained import learned
from pycharrnn.turns import next_text

if TYPE_CHECKING:
    from pycharrnn.sampling.sampler import Sampler

_LENGTH = Maybe(Integer(0, 2**48))


class Predictor(Examiner):
    """What a model does with what it has learned: it reads and examines texts, and writes them."""

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
