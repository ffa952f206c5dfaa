"""A trained model writes: texts, streams of characters, and sessions that read and write."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, Unpack, overload

import numpy as np

from pycharrnn.arguments import Flag, Integer, Maybe, RandomState, Seed, Text
from pycharrnn.arrays import Array, Ids
from pycharrnn.errors import ParameterTypeError, ParameterValueError
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.memory import processors
from pycharrnn.observer import Observer
from pycharrnn.tables import check, table
from pycharrnn.text.vocabulary import Vocabulary
from pycharrnn.trained import learned
from pycharrnn.turns import next_text

if TYPE_CHECKING:
    from pycharrnn.sampling.sampler import Sampler
    from pycharrnn.sampling.session import Session, Stream
    from pycharrnn.sampling.settings import Mixture, Sampling, Settings

_COUNT = Maybe(Integer(0, 2**48))
_FEW = 8  # texts that are not worth a second thread


class Writer(Observer):
    """What a model writes from what it has learned."""

    @overload
    def sample(
        self, length: int | None = ..., *, prompt: str = ..., n_samples: None = ..., ngrams: bool = ...,
        random_state: RandomState = ..., **sampling: Unpack[Settings],
    ) -> str: ...  # fmt: skip
    @overload
    def sample(
        self, length: int | None = ..., *, prompt: str | list[str] | tuple[str, ...] = ..., n_samples: int,
        ngrams: bool = ..., random_state: RandomState = ..., **sampling: Unpack[Settings],
    ) -> list[str]: ...  # fmt: skip
    @overload
    def sample(
        self, length: int | None = ..., *, prompt: list[str] | tuple[str, ...], n_samples: int | None = ...,
        ngrams: bool = ..., random_state: RandomState = ..., **sampling: Unpack[Settings],
    ) -> list[str]: ...  # fmt: skip
    def sample(
        self,
        length: int | None = None,
        *,
        prompt: str | list[str] | tuple[str, ...] = "",
        n_samples: Annotated[int | None, _COUNT] = None,
        ngrams: Annotated[bool, Flag()] = True,
        random_state: Annotated[RandomState, Seed()] = None,
        **sampling: Unpack[Settings],
    ) -> str | list[str]:
        """Write text.

        Parameters
        ----------
        length : int or None, default None
            Characters to write. None is 200 for a model of running text. A model of documents writes one to its end
            (which must come within 10,000 characters); with a `length` it may be cut off there.
        prompt : str or sequence of str, default ""
            Text to go on from, for a model of documents the beginning of the document; it is not part of the result. A
            list writes a text for each prompt.
        n_samples : int or None, default None
            How many texts to write, each anew from the prompt; of a list, from each prompt. None writes one and, for
            one prompt, returns it without a list. With `beam` these are the best texts of the search, the best first:
            at most as many as the beam is wide, and fewer if it comes to no more.
        ngrams : bool, default True
            Whether n-grams take part, where the model has them. False writes with the network alone.
        random_state : int, numpy.random.Generator, numpy.random.SeedSequence or None, default None
            A number gives the same text every time. None goes on from the model's own `random_state`. If that is a
            number, which a file keeps, the texts of one program differ from each other, but every process writes the
            same ones; ``numpy.random.default_rng()`` gives others in each. Of several texts each has a seed of its own,
            derived from this one and its index: the first `n` texts are the same for any `n_samples`.
        **sampling
            How to draw, as `Sampling` says: `temperature`, `top_k`, `top_p`, `min_p`, `repetition_penalty`,
            `repetition_window`, `allow`, `ban`, `bias`, `stop`, `min_length`, `beam`, `pattern`, `constraint`, `novel`.

        Returns
        -------
        str or list of str
            The text, or a list of texts, those of the first prompt first.

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
        Several texts are drawn at once, by `n_threads` threads, so that the weights are read once for many characters;
        each is the same to the bit as alone. With `ngram_order`, `pattern`, `constraint`, `novel`, or `stop` and
        `min_length` together they are drawn one after the other.

        Any number of threads may sample from one model; the interpreter lock is released meanwhile.

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> model = CharRNN(hidden_size=16, random_state=0).fit("hello world. " * 20)
        >>> len(model.sample(30)), len(model.sample(30, n_samples=2))
        (30, 2)
        >>> "o" in model.sample(100, ban="o", temperature=0.8, top_k=5)
        False
        """
        from pycharrnn.sampling.limits import claim_texts
        from pycharrnn.sampling.seeds import generators
        from pycharrnn.sampling.settings import Sampling

        how = Sampling.of({"length": length} | sampling, "CharRNN.sample")
        many = check(table(Writer.sample), n_samples=n_samples)["n_samples"]
        if how.beam > 1 and (many or 0) > how.beam:
            problem = f"must be at most beam, {how.beam}, the texts that a search follows, got {many}"
            raise ParameterValueError("n_samples", problem)
        prompts = [prompt] if isinstance(prompt, str) else prompt
        if not isinstance(prompts, (list, tuple)) or not all(isinstance(one, str) for one in prompts):
            raise ParameterTypeError("prompt", f"must be one str or a list of str, not {prompt.__class__.__name__}")
        each = 1 if many is None else many
        claim_texts(each * len(prompts), how.length)
        bound = Bound(self, ngrams)
        unknown = self._unknown(bound.vocabulary)
        read = [ids for one in prompts for ids in [bound.vocabulary.encode(one, unknown)] * each]
        rngs = generators(self._seed(random_state), len(read))
        texts = [bound.vocabulary.decode(ids) for ids in bound.texts(read, rngs, how, self.n_threads)]
        return texts[0] if isinstance(prompt, str) and n_samples is None else texts

    def stream(
        self,
        length: int | None = None,
        *,
        prompt: Annotated[str, Text()] = "",
        ngrams: bool = True,
        random_state: RandomState = None,
        **sampling: Unpack[Settings],
    ) -> Stream:
        """Write the text that `sample` writes, and yield each character as soon as it is drawn.

        Parameters
        ----------
        length : int or None, default None
            Characters to write. None writes running text without end, and a document to its end.
        prompt : str, default ""
            Text to go on from.
        ngrams : bool, default True
            As for `sample`.
        random_state : int, numpy.random.Generator, numpy.random.SeedSequence or None, default None
            As for `sample`.
        **sampling
            As for `sample`, without `beam`. Characters that may begin a `stop` are held back until they do not.

        Returns
        -------
        iterator of str
            The characters. ``async for`` takes them, too, and draws each in a thread of its own.

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
        from pycharrnn.sampling.session import Stream

        bound = Bound(self, ngrams)
        sampler = self._sampler("stream", bound, {"length": length} | sampling, prompt, random_state)
        return Stream(map(bound.vocabulary.decode, sampler.symbols()))

    def session(
        self,
        prompt: str = "",
        *,
        ngrams: bool = True,
        random_state: RandomState = None,
        **sampling: Unpack[Settings],
    ) -> Session:
        """Begin a text that is read and written in turns.

        Parameters
        ----------
        prompt : str, default ""
            Text to go on from; for a model of documents the beginning of the document.
        ngrams : bool, default True
            As for `sample`.
        random_state : int, numpy.random.Generator, numpy.random.SeedSequence or None, default None
            As for `sample`.
        **sampling
            As for `sample`, without `beam`, `stop` and `min_length`.

        Returns
        -------
        Session
            What reads and writes.

        Raises
        ------
        NotFittedError, ValueError, TypeError, UnknownCharacterError
            As of `sample`.

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> model = CharRNN(hidden_size=16, random_state=0).fit("hello world. " * 20)
        >>> session = model.session("hello ", random_state=1)
        >>> session.write(9) == model.sample(9, prompt="hello ", random_state=1)
        True
        """
        from pycharrnn.sampling.session import Session

        for name in ("length", "stop", "min_length"):
            if name in sampling:
                raise ParameterValueError(name, "is no setting of a session, which its user ends; leave it out")
        bound = Bound(self, ngrams)
        sampler = self._sampler("session", bound, sampling, prompt, random_state)
        return Session(sampler, bound.vocabulary, self._unknown(bound.vocabulary), prompt)

    def _sampler(self, function: str, bound: Bound, sampling: Any, prompt: str, random_state: RandomState) -> Sampler:
        """The stream of one text."""
        from pycharrnn.sampling.seeds import generators
        from pycharrnn.sampling.settings import Sampling

        check(table(Writer.stream), prompt=prompt)
        how = Sampling.of(sampling, f"CharRNN.{function}")
        if how.beam > 1:
            problem = "knows no character before the last one, so it writes whole texts alone; use sample()"
            raise ParameterValueError("beam", problem)
        ids = bound.vocabulary.encode(prompt, self._unknown(bound.vocabulary))
        [rng] = generators(self._seed(random_state), 1)
        return bound.sampler(ids, how, rng)

    def _seed(self, random_state: RandomState) -> RandomState:
        """What the numbers of the next texts come from: the argument, or else the model's own."""
        if random_state is not None:
            return random_state
        own = self.random_state
        if own is None or isinstance(own, np.random.Generator):
            return own
        n = next_text(self)
        if isinstance(own, np.random.SeedSequence):
            return np.random.SeedSequence(own.entropy, spawn_key=(*own.spawn_key, n))
        Seed().check("random_state", own)
        return np.random.SeedSequence([int(own), n])


class Bound:
    """What a trained model draws with.

    Parameters
    ----------
    model : Writer
        The model. What it learns later does not matter.
    ngrams : bool
        Whether n-grams take part, where the model has them.
    """

    vocabulary: Vocabulary
    architecture: Architecture
    weights: Array
    mixture: Mixture | None

    def __init__(self, model: Writer, ngrams: bool) -> None:
        from pycharrnn.sampling.settings import Mixture

        check(table(Writer.sample), ngrams=ngrams)
        self.vocabulary, self.architecture, state, *_, counted = learned(model)
        self.weights = state.best
        self.mixture = None
        if ngrams and counted is not None and counted.share:
            self.mixture = Mixture(counted.share, counted.order - 1, counted.model().following)
        self.characters = "".join(self.vocabulary)

    def sampler(self, prompt: Ids, how: Sampling, rng: np.random.Generator) -> Sampler:
        """The stream of a text."""
        from pycharrnn.sampling.sampler import Sampler

        return Sampler(self.architecture, self.weights, prompt, how, rng, self.characters, self.mixture)

    def texts(
        self, prompts: list[Ids], rngs: list[np.random.Generator], how: Sampling, n_threads: int | None
    ) -> list[Ids]:
        """A text for each prompt, with the numbers of its generator."""
        from pycharrnn.sampling.rules import Rules

        if how.beam > 1:
            return self._likeliest(prompts, how)
        rules = Rules(how, self.architecture, self.characters, self.mixture)
        if len(prompts) < 2 or rules.stepwise:
            return self._one_by_one(prompts, rngs, how)
        from pycharrnn.sampling.batch import Batch

        most = processors() if n_threads is None else n_threads
        return Batch(self.architecture, self.weights, rules).texts(prompts, rngs, 1 if len(prompts) < _FEW else most)

    def _one_by_one(self, prompts: list[Ids], rngs: list[np.random.Generator], how: Sampling) -> list[Ids]:
        """The same, one text after the other."""
        if not prompts:
            return []
        found = []
        sampler = self.sampler(prompts[0], how, rngs[0])
        for prompt, rng in zip(prompts, rngs, strict=True):
            sampler.begin(prompt, rng)
            found.append(sampler.text())
        return found

    def _likeliest(self, prompts: list[Ids], how: Sampling) -> list[Ids]:
        """The best texts of a beam search for each prompt, as many as it stands there for."""
        from pycharrnn.sampling.beam import Search
        from pycharrnn.sampling.rules import Rules

        rules = Rules(how.replace(temperature=1.0, beam=1), self.architecture, self.characters, self.mixture)
        search = Search(self.architecture, self.weights, rules, how.beam)
        found = []
        for _, alike in groupby(prompts, id):
            prompt, *others = alike
            found += search.texts(prompt, 1 + len(others))
        return found
