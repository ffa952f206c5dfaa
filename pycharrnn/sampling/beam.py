"""Beam search: a likely text, where the likeliest character at each place would lead astray."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pycharrnn.arrays import Floats, Ids
from pycharrnn.sampling.limits import claim_beam, longest, warn_of_no_end
from pycharrnn.sampling.rules import Rules
from pycharrnn.sampling.sampler import Sampler, Snapshot
from pycharrnn.sampling.stops import Stops

_NOTHING = -1  # instead of a symbol where none may follow


class Candidate(NamedTuple):
    """A text that may be the one: where its stream stands, its symbols, and how likely it is.

    Attributes
    ----------
    at : Snapshot or None
        Where the stream stands, which has not read the last symbol; None if nothing comes after it.
    ids : tuple of int
        Its symbols.
    log_p : float
        The logarithm of its probability.
    """

    at: Snapshot | None
    ids: tuple[int, ...] = ()
    log_p: float = 0.0

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
        """Find a text of this length, or to its end.

        Raises
        ------
        MemoryError
            If there is not enough memory for so many texts.
        """
        documents = self._end >= 0
        most = longest(documents) if length is None else length
        self._sampler.restart()
        start = self._sampler.snapshot()
        claim_beam(width, most, sum(part.nbytes for part in start if isinstance(part, np.ndarray)))
        beam, done = [Candidate(start)], list[Candidate]()
        for _ in range(most):
            beam = self._step(beam, width, done)
            if not beam or len(done) >= width:
                break
        else:
            if documents and length is None and not done:
                warn_of_no_end()
            done += beam
        return self._written(max(done, key=lambda one: one.mean))

    def _step(self, beam: list[Candidate], width: int, done: list[Candidate]) -> list[Candidate]:
        """The best texts that are one symbol longer and go on; those that end among the best come to `done`."""
        parents, symbols, log_p, before = [], [], [], []
        for i, candidate in enumerate(beam):
            follow, logs = self._following(candidate, 2 * width)  # more cannot be among the best
            parents.append(np.full(follow.size, i))
            symbols.append(follow)
            log_p.append(candidate.log_p + logs)
            before.append(self._sampler.snapshot())
        parent, symbol, total = np.concatenate(parents), np.concatenate(symbols), np.concatenate(log_p)
        longer: list[Candidate] = []
        for rank, i in enumerate(np.argsort(-total, kind="stable").tolist()):
            if rank >= width == len(longer):
                break
            k, ids = int(symbol[i]), beam[parent[i]].ids
            ids = ids if k == _NOTHING else (*ids, k)
            if k == _NOTHING or self._ends(ids):
                if rank < width:
                    done.append(Candidate(None, ids, float(total[i])))
            elif len(longer) < width:
                self._sampler.restore(before[parent[i]])
                self._sampler.read(np.array([k], np.int32))
                longer.append(Candidate(self._sampler.snapshot(), ids, float(total[i])))
        return longer

    def _following(self, candidate: Candidate, most: int) -> tuple[Ids, Floats]:
        """The likeliest symbols that may follow a text, and the logarithms of their probabilities.

        The stream has read the text then. Where none may follow, `_NOTHING` is certain to.
        """
        assert candidate.at is not None
        self._sampler.restore(candidate.at)
        p = self._sampler.probabilities()
        if self._sampler.is_over:
            return np.array([_NOTHING], np.int32), np.zeros(1)
        likeliest = np.argsort(-p, kind="stable")[:most].astype(np.int32)
        likeliest = likeliest[p[likeliest] > 0]
        return likeliest, np.log(p[likeliest])

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
        return ids[: Stops(self._rules.stops).ready(self._rules.decode(ids))] if self._rules.stops else ids
