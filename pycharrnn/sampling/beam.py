"""Beam search: a likely text, where the likeliest character at each place would lead astray."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pycharrnn.arrays import Ids
from pycharrnn.sampling.limits import longest, warn_of_no_end
from pycharrnn.sampling.rules import Rules
from pycharrnn.sampling.sampler import Sampler, Snapshot
from pycharrnn.sampling.stops import Stops


class Candidate(NamedTuple):
    """A text that may be the one: where its stream stands, its symbols, and how likely it is.

    Attributes
    ----------
    at : Snapshot
        Where the stream stands, which has not read the last symbol.
    ids : tuple of int
        Its symbols.
    log_p : float
        The logarithm of its probability.
    is_over : bool
        Whether nothing comes after it.
    """

    at: Snapshot
    ids: tuple[int, ...] = ()
    log_p: float = 0.0
    is_over: bool = False

    @property
    def mean(self) -> float:
        """The mean log-likelihood of a symbol."""
        return self.log_p / max(1, len(self.ids))


class Search:
    """A beam search with a stream.

    Parameters
    ----------
    sampler : Sampler
        The stream; its temperature must be 1.
    rules : Rules
        Its rules.
    end : int
        The symbol that ends a document; -1 if there is none.

    Notes
    -----
    At each step the best `width` texts are followed, of all that are one symbol longer than those before. One that is
    among them and at its end is put aside. The search ends when `width` texts have ended, or with those at hand when
    the length is reached. The text with the highest mean log-likelihood per symbol is taken, the symbol that ends a
    document among them (Graves 2012; a length penalty of 1).

    References
    ----------
    A. Graves (2012). Sequence transduction with recurrent neural networks. arXiv:1211.3711.

    Examples
    --------
    >>> from pycharrnn.network.architecture import Architecture
    >>> from pycharrnn.sampling.settings import Sampling
    >>> lab, rng = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5), np.random.default_rng(0)
    >>> sampler = Sampler(lab, lab.initial(rng), np.array([1], np.int32), Sampling(), rng, "abc")
    >>> Search(sampler, Rules(Sampling(), lab, "abc"), end=-1).text(width=2, length=6).size
    6
    """

    def __init__(self, sampler: Sampler, rules: Rules, end: int) -> None:
        self._sampler = sampler
        self._rules = rules
        self._end = end

    def text(self, width: int, length: int | None) -> Ids:
        """Find a text of this length, or to its end."""
        documents = self._end >= 0
        most = longest(documents) if length is None else length
        self._sampler.restart()
        beam = [Candidate(self._sampler.snapshot())]
        done: list[Candidate] = []
        for _ in range(most):
            found = sorted(
                (one for candidate in beam for one in self._longer(candidate, width)), key=lambda one: -one.log_p
            )
            done += [one for one in found[:width] if one.is_over]
            beam = [one for one in found if not one.is_over][:width]
            if not beam or len(done) >= width:
                break
        else:
            if documents and length is None and not done:
                warn_of_no_end()
            done += beam
        return self._written(max(done, key=lambda one: one.mean))

    def _longer(self, candidate: Candidate, width: int) -> list[Candidate]:
        """The text with each symbol that may follow, or itself if none may."""
        sampler = self._sampler
        sampler.restore(candidate.at)
        p = sampler.probabilities()
        if sampler.is_over:
            return [candidate._replace(is_over=True)]
        before = sampler.snapshot()
        found = []
        for symbol in np.argsort(-p, kind="stable")[: 2 * width].tolist():  # more cannot be among the best
            if p[symbol] > 0:
                sampler.restore(before)
                sampler.read(np.array([symbol], np.int32))
                ids = (*candidate.ids, symbol)
                log_p = candidate.log_p + float(np.log(p[symbol]))
                found.append(Candidate(sampler.snapshot(), ids, log_p, self._ends(ids)))
        return found

    def _ends(self, ids: tuple[int, ...]) -> bool:
        """Whether the last symbol ends the text."""
        if ids[-1] == self._end or not self._rules.stops:
            return ids[-1] == self._end
        return self._rules.decode(np.array(ids)).endswith(self._rules.stops)

    def _written(self, candidate: Candidate) -> Ids:
        """The symbols before the end."""
        ids = np.array(candidate.ids, np.int32)
        ids = ids[:-1] if ids.size and ids[-1] == self._end else ids
        return ids[: Stops(self._rules.stops).ready(self._rules.decode(ids))] if self._rules.stops else ids
