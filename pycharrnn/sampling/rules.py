"""Settings that are bound to a model: its symbols, and what may come after a text."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from pycharrnn.arrays import Floats, Ids
from pycharrnn.errors import ParameterTypeError, ParameterValueError
from pycharrnn.messages import shown
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.records import Drawing, Manner, record
from pycharrnn.sampling.settings import Mixture, Sampling

Mask = npt.NDArray[np.bool_]
_SHOWN = 20  # characters of a text in an error


class Pattern:
    """A regular expression as a constraint: which characters may come, so that a text can still match.

    Parameters
    ----------
    pattern : str
        In the syntax of the package regex.
    characters : str
        All characters that there are.

    Raises
    ------
    ImportError
        If the package regex is not installed.
    ParameterValueError
        If it is no regular expression.
    """

    def __init__(self, pattern: str, characters: str) -> None:
        try:
            import regex  # only now: an extra
        except ImportError as error:
            raise ImportError('pattern needs regex: pip install "pycharrnn[pattern]"') from error
        try:
            self._match: Any = regex.compile(pattern).fullmatch
        except regex.error as error:
            raise ParameterValueError(
                "pattern", f"must be a regular expression, got {shown(pattern)}: {error}"
            ) from None
        self._characters = characters

    def __call__(self, text: str) -> list[str]:
        """Return the characters that may follow, and an empty string if the text may end; none if it leads nowhere."""
        may_end = [""] if self._match(text) else []
        return may_end + [c for c in self._characters if self._match(text + c, partial=True)]


class Rules:
    """What settings mean for the symbols of a model.

    Parameters
    ----------
    sampling : Sampling
        The settings.
    architecture : Architecture
        What draws.
    characters : str
        The characters of its symbols, in their order.
    mixture : Mixture or None, default None
        What the network is mixed with. All settings are those of the mixture.

    Raises
    ------
    ParameterValueError
        If a setting names a character that the model does not know, or no character may come.

    Examples
    --------
    >>> lab = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5)
    >>> Rules(Sampling(allow="ab", ban="a"), lab, "abc").bias
    array([-inf,   0., -inf])
    """

    def __init__(
        self, sampling: Sampling, architecture: Architecture, characters: str, mixture: Mixture | None = None
    ) -> None:
        self.sampling = sampling
        self.characters = characters
        self.mixture = mixture
        self.stops = sampling.stops
        self._documents = architecture.documents
        self._end = architecture.end
        self._smoothing = architecture.label_smoothing
        self._n_symbols = architecture.n_symbols
        self._decoded = characters + "\n" * architecture.documents
        self._ids = {character: i for i, character in enumerate(characters)}
        self.bias = self._bias()
        early = bool(sampling.stops) and sampling.min_length > 0
        longest = max(map(len, sampling.stops), default=0)
        self._unstopped = sampling.min_length + longest - 1 if early else 0  # so long a text may end with any stop
        self._constraints = [] if sampling.pattern is None else [("pattern", Pattern(sampling.pattern, characters))]
        if sampling.constraint is not None:
            self._constraints.append(("constraint", sampling.constraint))  # type: ignore[arg-type]

    def _known(self, name: str, characters: Collection[str]) -> list[int]:
        """The ids of characters that a setting names."""
        for character in characters:
            if character not in self._ids:
                problem = f"must have characters that the model knows, got {character!a} (U+{ord(character):04X})"
                raise ParameterValueError(name, f"{problem}; leave it out")
        return [self._ids[character] for character in characters]

    def _bias(self) -> Floats | None:
        """What is added to the logits of all texts, (K,); None is nothing."""
        allow, ban, bias = self.sampling.allow, self.sampling.ban, self.sampling.bias
        if allow is None and ban is None and not bias:
            return None
        found = np.zeros(self._n_symbols)
        if allow is not None:
            found[: len(self.characters)] = -np.inf
            found[self._known("allow", allow)] = 0.0
        for character, i in zip(bias or {}, self._known("bias", bias or {}), strict=True):
            found[i] += float((bias or {})[character])
        if ban is not None:
            found[[self._ids[character] for character in ban if character in self._ids]] = -np.inf
        if not np.isfinite(found[: len(self.characters)]).any():
            name = "allow" if ban is None else "ban"
            raise ParameterValueError(name, "must leave a character that may come, but there is none left")
        return found

    def decode(self, ids: Ids) -> str:
        """The characters of symbols."""
        return "".join(map(self._decoded.__getitem__, ids.tolist()))

    @property
    def stepwise(self) -> bool:
        """Whether each symbol is a call of its own: what may come, or the mixture, depends on the symbols before it."""
        return self.mixture is not None or self.sampling.novel is not None or self.reads(0)

    def reads(self, n: int) -> bool:
        """Whether what may come after a text of n characters depends on it; once it does not, it never will."""
        return bool(self._constraints) or n < self._unstopped

    # --- for the kernel -----------------------------------------------------------------------------------------

    def manner(self, B: int = 1) -> Manner:
        """How B streams draw symbols, from the network alone or from the mixture; they remember nothing yet."""
        how = self.sampling
        drawing = Drawing(
            temperature=float(how.temperature),
            smoothing=0.0 if self.mixture else self._smoothing,
            repetition_penalty=float(how.repetition_penalty),
            repetition_window=how.repetition_window,
            top_k=how.top_k or 0,
            top_p=float(how.top_p),
            min_p=float(how.min_p),
        )
        return Manner.of(drawing, self._n_symbols, self.bias, B)

    def of_document(self, manner: Manner) -> Manner:
        """The same manner for whole documents: they end with their end symbol."""
        drawing = manner.drawing.copy()
        drawing["whole"] = True
        return manner._replace(drawing=drawing)

    def without_end(self, manner: Manner) -> Manner:
        """The same manner without the end of a document."""
        bias = np.zeros(self._n_symbols) if self.bias is None else self.bias.copy()
        bias[self._end] = -np.inf
        return manner._replace(bias=bias)

    def of_network(self, manner: Manner) -> Manner:
        """The manner in which the network predicts its share of a mixture; it remembers for the mixture."""
        window = int(manner.drawing["repetition_window"][0])
        drawing = Drawing(smoothing=self._smoothing, repetition_window=window)
        return manner._replace(drawing=record(drawing), bias=np.empty(0))

    # --- for a text ---------------------------------------------------------------------------------------------

    def mask(self, text: str) -> Mask | None:
        """Which symbols may follow a text, (K,); None is all that `bias` allows, and none at all ends the text."""
        found = None if not self._constraints else self._allowed(text)
        early = self.sampling.min_length - len(text) - 1
        barred = [s for s in self.stops if early + len(s) > 0 and text.endswith(s[:-1]) and s[-1] in self._ids]
        if not barred or (found is not None and not found.any()):
            return found
        found = self._free() if found is None else found
        found[[self._ids[string[-1]] for string in barred]] = False
        ends = bool(self._documents and len(text) >= self.sampling.min_length and found[self._end])
        if not ends and not found[: len(self.characters)].any():
            problem = f"cannot be reached: after {text[-_SHOWN:]!a} every character that may come completes a stop"
            raise ParameterValueError("min_length", problem)
        return found

    def tail(self, before: str, ids: Ids) -> str:
        """The end of a text that goes on with these symbols, as far as what would be a copy depends on it."""
        if self.sampling.novel is None:
            return ""
        text = before + self.decode(ids[ids != self._end])
        return text[max(0, len(text) - self.sampling.novel.n + 1) :]

    def without_copies(self, mask: Mask | None, tail: str, n: int) -> Mask | None:
        """The same mask without the symbols that would complete a copy, after a text of n characters with this end."""
        copies = "" if self.sampling.novel is None else self.sampling.novel.forbidden(tail)
        known = [self._ids[character] for character in copies if character in self._ids]
        if not known or (mask is not None and not mask.any()):
            return mask
        found = self._free() if mask is None else mask.copy()
        found[known] = False
        ends = bool(self._documents and n >= self.sampling.min_length and found[self._end])
        if not ends and not found[: len(self.characters)].any():
            problem = f"lets no character come that the model may write, after {tail[-_SHOWN:]!a}"
            raise ParameterValueError("novel", f"{problem}; build the index with a larger n, or let more come")
        return found

    def _free(self) -> Mask:
        """Which symbols the bias lets come."""
        return np.ones(self._n_symbols, bool) if self.bias is None else self.bias != -np.inf

    def _allowed(self, text: str) -> Mask | None:
        """Which symbols the constraints let come."""
        allowed: set[str] | None = None
        names = []
        for name, constraint in self._constraints:
            answer = constraint(text)
            if answer is None:
                continue
            if not isinstance(answer, Collection) or not all(isinstance(one, str) for one in answer):
                raise ParameterTypeError(name, f"must return characters or None, got {shown(answer)}")
            names.append(name)
            own = set(answer) or ({""} if name == "constraint" else set())
            allowed = own if allowed is None else allowed & own
        if allowed is None:
            return None
        found = np.zeros(self._n_symbols, bool)
        found[[self._ids[character] for character in allowed if character in self._ids]] = True
        found &= self._free()
        if not found.any() and "" not in allowed:
            problem = f"lets no character come that the model may write, after {text[-_SHOWN:]!a}"
            raise ParameterValueError(names[-1], f"{problem}; a text that may end there allows an empty string")
        if self._documents:
            found[self._end] = found.any() and "" in allowed
        return found


def masked(manner: Manner, mask: Mask | None) -> Manner:
    """The same manner, but that only the symbols of the mask may come."""
    if mask is None:
        return manner
    bias = manner.bias.copy() if manner.bias.size else np.zeros(mask.size)
    bias[~mask] = -np.inf
    return manner._replace(bias=bias)
