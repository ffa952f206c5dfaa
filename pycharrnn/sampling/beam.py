"""Beam search: a likely text, where the likeliest character at each place would lead astray."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pycharrnn.arrays import Array, Floats, Ids
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.lookahead import Lookahead
from pycharrnn.sampling.limits import claim_beam, longest, warn_of_no_end
from pycharrnn.sampling.rules import Rules, masked
from pycharrnn.sampling.stops import Stops


class Candidate(NamedTuple):
    """A text that may be the one: its symbols, and how likely it is.

    Attributes
    ----------
    ids : tuple of int
        Its symbols.
    log_p : float
        The logarithm of its probability.
    """

    ids: tuple[int, ...] = ()
    log_p: float = 0.0

    @property
    def mean(self) -> float:
        """The mean log-likelihood of a symbol."""
        return self.log_p / max(1, len(self.ids))


class Search:
    """A beam search. The texts that it follows advance together, so that the weights are read once for all.

    Parameters
    ----------
    architecture : Architecture
        What predicts.
    weights : ndarray, (P,)
        Flat weights; they must not change meanwhile.
    rules : Rules
        Which symbols may come; their temperature must be 1.
    width : int
        How many texts are followed.

    Notes
    -----
    At each step the best `width` texts are followed, of all that are one symbol longer than those before. One that is
    among them and at its end is put aside. The search ends when `width` texts have ended, or with those at hand when
    the length is reached. The best texts have the highest mean log-likelihood per symbol, the symbol that ends a
    document among them (Graves 2012; a length penalty of 1).

    References
    ----------
    A. Graves (2012). Sequence transduction with recurrent neural networks. arXiv:1211.3711.

    Examples
    --------
    >>> from pycharrnn.sampling.settings import Sampling
    >>> lab = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5)
    >>> search = Search(lab, lab.initial(np.random.default_rng(0)), Rules(Sampling(length=6), lab, "abc"), width=2)
    >>> [ids.size for ids in search.texts(np.array([1], np.int32), n=2)]
    [6, 6]
    """

    def __init__(self, architecture: Architecture, weights: Array, rules: Rules, width: int) -> None:
        self._rules = rules
        self._width = width
        self._end = architecture.end
        self._documents = architecture.documents
        self._n_symbols = architecture.n_symbols
        length = rules.sampling.length
        self._most = longest(self._documents) if length is None else length
        state = int(np.prod(architecture.carried(1))) * architecture.precision.activations.itemsize
        claim_beam(width, self._most, state)
        self._ahead = Lookahead(architecture, weights, rules.of_network(rules.manner(width)))
        self._manner = rules.manner()
        self._network = rules.of_network(self._manner)

    def texts(self, prompt: Ids, n: int = 1) -> list[Ids]:
        """Find the best n texts, the best first; fewer if the search has come to no more.

        Raises
        ------
        MemoryError
            If there is not enough memory for so many texts.
        """
        self._prompt = np.insert(prompt, 0, self._end) if self._documents else prompt
        self._ahead.begin_with(self._prompt)
        beam, done = [Candidate()], list[Candidate]()
        for _ in range(self._most):
            beam = self._step(beam, done)
            if not beam or len(done) >= self._width:
                break
        else:
            if self._documents and self._rules.sampling.length is None and not done:
                warn_of_no_end()
            done += beam
        best = {ids.tobytes(): ids for ids in map(self._written, sorted(done, key=lambda one: -one.mean))}
        return list(best.values())[:n]

    def _step(self, beam: list[Candidate], done: list[Candidate]) -> list[Candidate]:
        """The best texts that are one symbol longer and go on; those that end among the best come to `done`."""
        shares = np.array([self._shares(b, candidate) for b, candidate in enumerate(beam)])
        with np.errstate(divide="ignore"):
            total = np.array([[candidate.log_p] for candidate in beam]) + np.log(shares)
        longer: list[Candidate] = []
        parents: list[int] = []
        for rank, i in enumerate(np.argsort(-total, axis=None, kind="stable").tolist()):
            parent, k = divmod(i, total.shape[1])
            log_p = float(total[parent, k])
            if rank >= self._width == len(longer) or log_p == -np.inf:
                break
            nothing = k == self._n_symbols
            ids = beam[parent].ids if nothing else (*beam[parent].ids, k)
            if nothing or self._ends(ids):
                if rank < self._width:
                    done.append(Candidate(ids, log_p))
            elif len(longer) < self._width:
                longer.append(Candidate(ids, log_p))
                parents.append(parent)
        if longer:
            self._ahead.advance(parents, [candidate.ids[-1] for candidate in longer])
        return longer

    def _shares(self, b: int, candidate: Candidate) -> Floats:
        """What may follow the text of stream b: a share for each symbol, and one for nothing, (K + 1,)."""
        rules, n, found = self._rules, len(candidate.ids), np.zeros(self._n_symbols + 1)
        early = self._documents and n < rules.sampling.min_length
        manner = rules.without_end(self._manner) if early else self._manner
        if not rules.stepwise:
            found[:-1] = self._ahead.shares_after(b, manner)
            return found
        ids = np.array(candidate.ids, np.int32)
        mask = rules.mask(rules.decode(ids)) if rules.reads(n) else None
        mask = rules.without_copies(mask, rules.tail(rules.tail("", self._prompt), ids), n)
        if mask is not None and not mask.any():
            found[-1] = 1.0
        elif rules.mixture is None:
            found[:-1] = self._ahead.shares_after(b, masked(manner, mask))
        else:
            p = self._ahead.shares_after(b, self._network)
            p = rules.mixture.mix(p, rules.mixture.remember(self._prompt, ids))
            found[:-1] = self._ahead.shares_of(p, b, masked(manner, mask))
        return found

    def _ends(self, ids: tuple[int, ...]) -> bool:
        """Whether the last symbol ends the text."""
        if ids[-1] == self._end or not self._rules.stops:
            return ids[-1] == self._end
        last = ids[-max(map(len, self._rules.stops)) :]
        return self._rules.decode(np.array(last)).endswith(self._rules.stops)

    def _written(self, candidate: Candidate) -> Ids:
        """The symbols before the end."""
        ids = np.array(candidate.ids, np.int32)
        ids = ids[:-1] if ids.size and ids[-1] == self._end else ids
        stops = Stops(self._rules.stops)
        n = stops.ready(self._rules.decode(ids)) if self._rules.stops else 0
        return ids[:n] if stops.reached else ids
