"""How texts are drawn: the settings that users choose, and what a network is mixed with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Self, TypedDict

import numpy as np

from pycharrnn.arguments import Integer, Maybe, Real, close
from pycharrnn.arrays import Floats, Ids
from pycharrnn.errors import ParameterValueError
from pycharrnn.messages import shown
from pycharrnn.sampling.kinds import Bias, Characters, Function, Index, Regex, Share, Strings
from pycharrnn.sampling.novelty import NoveltyIndex
from pycharrnn.tables import Checked, table

Constraint = Callable[[str], "Collection[str] | None"]


class Settings(TypedDict, total=False):
    """The settings of `Sampling` by name, for type checkers: what `sample`, `stream` and `session` take."""

    temperature: float
    top_k: int | None
    top_p: float
    min_p: float
    repetition_penalty: float
    repetition_window: int
    allow: str | None
    ban: str | None
    bias: Mapping[str, float] | None
    stop: str | Sequence[str] | None
    min_length: int
    beam: int
    pattern: str | None
    constraint: Constraint | None
    novel: NoveltyIndex | None


@dataclasses.dataclass(frozen=True)
class Sampling(Checked):
    """The settings by which texts are drawn: one object from `CharRNN.sample` to the kernel.

    Names and meanings are those of Hugging Face's GenerationConfig, where it has them. The settings act in this order:
    `repetition_penalty`, `bias`, `allow` and `ban`, `temperature`, `top_k`, `top_p`, `min_p`.

    Parameters
    ----------
    length : int or None, default None
        Characters to write. None is 200 for a model of running text. A model of documents writes one to its end (which
        must come within 10,000 characters); with a `length` it may be cut off there.
    temperature : float in [0, inf), default 1.0
        Below 1 the text is more predictable, above 1 more varied. 0 is greedy: always the likeliest character.
    top_k : int in [1, inf) or None, default None
        Draw from so many of the likeliest characters only, and from those that are as likely as the last of them. None
        draws from all.
    top_p : float in (0, 1], default 1.0
        Draw only from the likeliest characters that have this probability together (Holtzman et al. 2020).
    min_p : float in [0, 1], default 0.0
        Draw only from characters that have at least this part of the probability of the likeliest one (Nguyen et al.
        2025).
    repetition_penalty : float in (0, inf), default 1.0
        The logit of each character among the last `repetition_window` ones is divided by this if it is positive, and
        multiplied if it is negative (Keskar et al. 2019): above 1 repetitions become rarer. In a mixture with n-grams
        the logit of a probability p is log(K p), for K characters.
    repetition_window : int in [1, 65536], default 64
        How many of the last characters `repetition_penalty` looks at, those of the prompt included.
    allow : str or None, default None
        The only characters that may come. None is all.
    ban : str or None, default None
        Characters that may not come. Those that the model does not know never do.
    bias : dict of str to float or None, default None
        What is added to the logits of some characters: 1 makes one 2.7 times as likely beside the others.
    stop : str or sequence of str or None, default None
        The text ends before the first place where one of these comes. A prompt does not count.
    min_length : int in [0, inf), default 0
        Neither the end of a document nor `stop` ends the text before it has so many characters.
    beam : int in [1, 1024], default 1
        Above 1, search for a likely text with a beam of this width, instead of taking the likeliest character each time
        (Graves 2012). Of the texts that end first the one with the highest mean log-likelihood per character is taken,
        or as many of the best as `n_samples` says. It draws nothing, so it goes with `temperature` 0 alone.
    pattern : str or None, default None
        A regular expression, in the syntax of the package regex, that the text must match as a whole. A text ends where
        nothing more can come; one that `length` cuts off has only begun to match.
    constraint : callable or None, default None
        ``constraint(text)`` sees what has been written, without the prompt, and returns the characters that may come,
        as a str or a collection of str; None is all. An empty string among them allows a document to end. If there
        are no characters at all, the text ends.
    novel : NoveltyIndex or None, default None
        No span of n or more characters that stands in the corpus of this index comes, for the n of the index. The
        prompt counts: no such span ends in the text, even if it begins before it. Where every character would complete
        one, a document ends, and a text that cannot end is an error. A larger n makes that rarer.

    Raises
    ------
    ParameterValueError, ParameterTypeError
        If a setting is out of range or of a wrong type, or if two do not go together.

    References
    ----------
    A. Holtzman et al. (2020). The curious case of neural text degeneration. ICLR 2020.
    M. N. Nguyen et al. (2025). Turning up the heat: min-p sampling for creative and coherent LLM outputs. ICLR
       2025.
    N. S. Keskar et al. (2019). CTRL: a conditional transformer language model for controllable generation.
       arXiv:1909.05858.

    Examples
    --------
    >>> Sampling(temperature=0.5, top_k=5).top_k
    5
    >>> Sampling(beam=4)
    Traceback (most recent call last):
    pycharrnn.errors.ParameterValueError: beam draws nothing, so it goes with temperature=0 alone, got beam=4 with ...
    """

    length: Annotated[int | None, Maybe(Integer(0, 2**48))] = None
    temperature: Annotated[float, Real(zero=True)] = 1.0
    top_k: Annotated[int | None, Maybe(Integer(1, 2**31))] = None
    top_p: Annotated[float, Share()] = 1.0
    min_p: Annotated[float, Share(zero=True)] = 0.0
    repetition_penalty: Annotated[float, Real()] = 1.0
    repetition_window: Annotated[int, Integer(1, 65_536)] = 64
    allow: Annotated[str | None, Maybe(Characters())] = None
    ban: Annotated[str | None, Maybe(Characters())] = None
    bias: Annotated[Mapping[str, float] | None, Maybe(Bias())] = None
    stop: Annotated[str | Sequence[str] | None, Maybe(Strings())] = None
    min_length: Annotated[int, Integer(0, 2**48)] = 0
    beam: Annotated[int, Integer(1, 1024)] = 1
    pattern: Annotated[str | None, Maybe(Regex())] = None
    constraint: Annotated[Constraint | None, Maybe(Function())] = None
    novel: Annotated[NoveltyIndex | None, Maybe(Index())] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length is not None and self.min_length > self.length:
            raise ParameterValueError("min_length", f"must be at most length, {self.length}, got {self.min_length}")
        if self.beam > 1:
            if self.temperature != 0:
                got = f"got beam={self.beam} with temperature={self.temperature:g}"
                raise ParameterValueError("beam", f"draws nothing, so it goes with temperature=0 alone, {got}")
            default = type(self)()
            for name in ("top_k", "top_p", "min_p"):
                if getattr(self, name) != getattr(default, name):
                    raise ParameterValueError(
                        name, f"does nothing in a beam search, got beam={self.beam}; leave it out"
                    )

    @classmethod
    def of(cls, given: Mapping[str, Any], function: str) -> Self:
        """Return the settings of these names.

        Parameters
        ----------
        given : mapping of str to object
            The settings by name; the others have their defaults.
        function : str
            Who was given them, for errors.

        Returns
        -------
        Sampling
            The settings.

        Raises
        ------
        TypeError
            If there is no setting of a name.

        Examples
        --------
        >>> Sampling.of({"temperatures": 1}, "sample")
        Traceback (most recent call last):
        TypeError: sample() got an unexpected keyword argument 'temperatures' (did you mean 'temperature'?)
        """
        for name in given.keys() - table(cls).keys():
            raise TypeError(f"{function}() got an unexpected keyword argument {shown(name)}{close(name, table(cls))}")
        return cls(**given)

    def replace(self, **changes: Any) -> Self:
        """Return the same settings but for these.

        Parameters
        ----------
        **changes
            The settings that change, by name.

        Returns
        -------
        Sampling
            The new ones.
        """
        return dataclasses.replace(self, **changes)

    @property
    def stops(self) -> tuple[str, ...]:
        """The strings that end a text."""
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)


class Mixture(NamedTuple):
    """What predicts the next symbol beside the network.

    Parameters
    ----------
    share : float in [0, 1]
        Its share in the mixture; the network has the rest.
    reach : int
        How many symbols it looks back.
    following : callable
        ``following(context)`` gives the probabilities of all symbols after these, (K,).

    Examples
    --------
    >>> guess = Mixture(0.25, 2, lambda context: np.full(4, 0.25))
    >>> guess.remember(np.array([3, 1]), np.array([2]))
    array([1, 2])
    >>> guess.mix(np.array([1.0, 0.0, 0.0, 0.0]), np.array([1, 2]))
    array([0.8125, 0.0625, 0.0625, 0.0625])
    """

    share: float
    reach: int
    following: Callable[[Ids], Floats]

    def remember(self, context: Ids, more: Ids) -> Ids:
        """What counts of a context and of more symbols after it."""
        context = np.concatenate([context, more])
        return context[max(0, context.size - self.reach) :]

    def mix(self, network: Floats, context: Ids) -> Floats:
        """The probabilities of all symbols after a context, (K,), from those of the network."""
        return self.share * self.following(context) + (1 - self.share) * network
