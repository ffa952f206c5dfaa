"""Drawing symbols: a prompt, settings, and one stream of uniform numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from pycharrnn.arrays import Array, Floats, Ids
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.drawing import Drawer
from pycharrnn.network.records import Manner
from pycharrnn.sampling.limits import longest, warn_of_no_end
from pycharrnn.sampling.rules import Mask, Rules, masked
from pycharrnn.sampling.seeds import seed_sequence
from pycharrnn.sampling.settings import Mixture, Sampling
from pycharrnn.sampling.stops import Stops

_UNUSED = 512  # numbers drawn in advance at most where a document may end before it needs them
_BETWEEN_STOPS = 64  # symbols drawn between two looks for the end of a text


class Snapshot(NamedTuple):
    """Where a stream stands: all that its next symbols depend on."""

    carried: Array
    unread: Ids
    uniform: Floats
    rng: Any
    recent: Ids
    counts: Ids
    context: Ids
    written: str
    tail: str
    n: int
    ended: bool
    closed: bool


class Sampler:
    """One stream of symbols. It shares nothing with another stream.

    Parameters
    ----------
    architecture : Architecture
        What draws.
    weights : ndarray, (P,)
        Flat weights; they must not change while the stream lives.
    prompt : ndarray of int32, (M,)
        Symbols read before the first is drawn. A document begins with the end of the one before it, which is read
        before the prompt. Where nothing is read, the first symbol is drawn from the zero state.
    sampling : Sampling
        How symbols are drawn.
    rng : numpy.random.Generator
        What draws them: one uniform number per symbol.
    characters : str, default ""
        The characters of the symbols, in their order; settings that name characters need them.
    mixture : Mixture or None, default None
        What the network is mixed with.

    Notes
    -----
    A network that was trained with label smoothing e has learned q = (1 - e) p + e / K. Symbols are drawn from p. One
    whose share in q is at most 2 e / K is never drawn (Hewitt, Manning, Liang 2022): from q would now and then come
    symbols that never occur in such a place. In a mixture the network's share is p without these symbols.

    References
    ----------
    J. Hewitt, C. D. Manning, P. Liang (2022). Truncation Sampling as Language Model Desmoothing. Findings of EMNLP.

    Examples
    --------
    >>> lab = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5)
    >>> rng = np.random.default_rng(0)
    >>> Sampler(lab, lab.initial(rng), np.array([1], np.int32), Sampling(length=6), rng).text().size
    6
    """

    def __init__(
        self,
        architecture: Architecture,
        weights: Array,
        prompt: Ids,
        sampling: Sampling,
        rng: np.random.Generator,
        characters: str = "",
        mixture: Mixture | None = None,
    ) -> None:
        architecture.check(prompt)
        self._made = architecture, weights, prompt, sampling, characters, mixture
        self._documents = architecture.documents
        self._end = architecture.end
        self._n_symbols = architecture.n_symbols
        self._chunk_size = architecture.chunk_size
        self._length = sampling.length
        self._min_length = sampling.min_length if architecture.documents else 0
        self._rules = Rules(sampling, architecture, characters, mixture)
        self._stepwise = self._rules.stepwise
        self._manner = self._rules.manner()
        self._network = self._rules.of_network(self._manner)
        documents = self._rules.of_document(self._manner)
        self._manners = {
            (whole, early): self._rules.without_end(manner) if early else manner
            for whole, manner in ((False, self._manner), (True, documents))
            for early in (False, True)[: 1 + (self._min_length > 0)]
        }
        self._engine = Drawer(architecture)
        self._carried = architecture.carried(1), architecture.precision.activations
        self._engine.pack(weights)
        self.begin(prompt, rng)

    def begin(self, prompt: Ids, rng: np.random.Generator) -> None:
        """Begin another text from another prompt, with other numbers."""
        self._prompt = np.insert(prompt, 0, self._end) if self._documents else prompt
        self._rng = rng
        self._uniform = np.empty(0)  # numbers drawn and not used
        self.restart()

    def restart(self) -> None:
        """Begin another text from the prompt. Numbers that were drawn and not used stay for it."""
        self._unread = self._prompt
        self._ended = False
        self._closed = False  # nothing more may come
        self._n, self._written = 0, ""  # as far as what may come depends on it
        self._tail = self._rules.tail("", self._prompt)
        self._context = self._prompt[:0]  # what has been read, as far as a mixture looks back
        self._manner.forget()
        self._engine.start()

    @property
    def is_over(self) -> bool:
        """Whether the text has come to its end."""
        return self._closed or (self._ended and self._documents)

    @property
    def written(self) -> str:
        """What has been written, as far as what may come depends on it."""
        return self._written

    # --- texts --------------------------------------------------------------------------------------------------

    def text(self) -> Ids:
        """Draw one text of the wanted length, or a document to its end, which is not part of it.

        Warns
        -----
        UserWarning
            If no length was given and a document has no end after 10,000 symbols.
        """
        self.restart()
        most = longest(self._documents) if self._length is None else self._length
        ids = np.concatenate([self._prompt[:0], *self.portions(most, _BETWEEN_STOPS if self._rules.stops else most)])
        if self._documents and self._length is None and ids.size == most and not self.is_over:
            warn_of_no_end()
        return ids

    def symbols(self) -> Iterator[Ids]:
        """Draw the symbols of `text` one by one, each in an array of its own; without a length, text never ends."""
        if self._rules.stops:
            for part in self.portions(self._length, 1):
                for i in range(part.size):
                    yield part[i : i + 1]
            return
        n = 0
        while self._length is None or n < self._length:
            symbol = self.draw(1)
            if not symbol.size or symbol[0] == self._end:
                return
            yield symbol
            n += 1

    def portions(self, most: int | None, size: int, through: bool = False) -> Iterator[Ids]:
        """Draw a text of at most `most` symbols, so many at a time. What may begin a stop is held back.

        With `through`, another document follows each, and the symbols between them are part of the text.
        """
        whole = self._documents and not through
        stops = Stops(self._rules.stops)
        held = self._prompt[:0]
        n = 0
        while (most is None or n < most) and not (self._closed or (whole and self._ended) or stops.reached):
            ids = self.draw(size if most is None else min(size, most - n), whole)
            n += ids.size
            new = ids[:-1] if whole and self._ended else ids
            held = np.concatenate([held, new])
            ready = stops.ready(self._rules.decode(new)) if self._rules.stops else held.size
            yield held[:ready]
            held = held[:0] if stops.reached else held[ready:]
        yield held

    # --- symbols ------------------------------------------------------------------------------------------------

    def draw(self, length: int, whole: bool = False) -> Ids:
        """Draw the next `length` symbols. Drawing n and then m gives the same as drawing n + m.

        A `whole` document ends with its end symbol, and nothing comes after it.
        """
        out = np.empty(length, np.int32)
        done, chunk = 0, self._chunk_size
        most = min(chunk, _UNUSED) if whole else chunk
        while (done < length or len(self._unread) > 1) and not (self._closed or (whole and self._ended)):
            prompt, self._unread = self._unread[:chunk], self._unread[chunk:]
            n = 0 if len(self._unread) else min(length - done, most)
            if self._n < self._min_length:
                n = min(n, self._min_length - self._n)
            n = self._draw(prompt, out[done : done + n], whole)
            done += n
        return out[:done]

    def read(self, ids: Ids) -> None:
        """Let the stream go on after these symbols, as if it had drawn them."""
        self._unread = np.concatenate([self._unread, ids])
        if ids.size:
            self._ended = bool(self._documents and ids[-1] == self._end)
            self._note(ids)

    def probabilities(self) -> Floats:
        """The probabilities with which the next symbol is drawn, (K,); zeros if the text is over."""
        self.draw(0)
        mask = self._mask()
        if self._closed:
            return np.zeros(self._n_symbols)
        manner = masked(self._manners[False, self._n < self._min_length], mask)
        prompt, self._unread = self._unread, self._unread[:0]
        out = np.empty(1, np.int32)
        self._predict_and_draw(prompt, manner, np.zeros(1), out)
        if manner.drawing["temperature"][0] == 0:
            p = np.zeros(self._n_symbols)
            p[out[0]] = 1.0
            return p
        return self._engine.shares()

    def _draw(self, prompt: Ids, out: Ids, whole: bool) -> int:
        """Read a part of the prompt and draw as many symbols as there is room for in `out`, or fewer to the end."""
        uniform = self._uniforms(out.size)
        manner = self._manners[whole, self._n < self._min_length]
        if self._stepwise and out.size:
            n = self._draw_stepwise(prompt, uniform, out, whole)
        else:
            if self._rules.mixture is not None:
                self._context = self._rules.mixture.remember(self._context, prompt)
            n = self._engine.draw(prompt, manner, uniform, out)
            self._n += n
        if n < uniform.size:
            self._uniform = np.concatenate([uniform[n:], self._uniform])
        if n:
            self._unread = out[n - 1 : n].copy()
            self._ended = bool(self._unread[0] == self._end)
            if self._ended:  # another document begins
                self._n, self._written, self._tail = 0, "", ""
        return n

    def _draw_stepwise(self, prompt: Ids, uniform: Floats, out: Ids, whole: bool) -> int:
        """The same where each symbol is a call of its own."""
        for i in range(out.size):
            mask = self._mask()
            if self._closed:
                if not i:
                    self._unread = prompt  # nobody has read it
                return i
            manner = masked(self._manners[False, self._n < self._min_length], mask)
            self._predict_and_draw(prompt, manner, uniform[i : i + 1], out[i : i + 1])
            prompt = out[i : i + 1]
            self._note(prompt)
            if out[i] == self._end:  # another document begins
                self._n, self._written, self._tail = 0, "", ""
                if whole:
                    return i + 1
        return out.size

    def _predict_and_draw(self, prompt: Ids, manner: Manner, uniform: Floats, out: Ids) -> None:
        """Draw one symbol from the network or from the mixture."""
        mixture = self._rules.mixture
        if mixture is None:
            self._engine.draw(prompt, manner, uniform, out)
            return
        self._context = mixture.remember(self._context, prompt)
        p = mixture.mix(self._engine.predict(prompt, self._network), self._context)
        self._engine.draw_from(p, manner, uniform, out)

    def _mask(self) -> Mask | None:
        """Which symbols may come; if none may, the text is closed."""
        mask = self._rules.mask(self._written) if self._rules.reads(self._n) else None
        mask = self._rules.without_copies(mask, self._tail, self._n)
        self._closed = mask is not None and not mask.any()
        return mask

    def _note(self, ids: Ids) -> None:
        """Count what has been drawn, and remember it as long as what may come depends on it."""
        self._n += ids.size
        self._tail = self._rules.tail(self._tail, ids)
        if self._rules.reads(self._n):
            self._written += self._rules.decode(ids[ids != self._end])

    def _uniforms(self, n: int) -> Floats:
        """The next n numbers of the stream. Numbers that were drawn and not used come first."""
        if not self._uniform.size:
            return self._rng.random(n)
        left, self._uniform = self._uniform[:n], self._uniform[n:]
        return np.concatenate([left, self._rng.random(n - left.size)])

    # --- where it stands ----------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Return where the stream stands."""
        carried = np.empty(*self._carried)
        self._engine.take(carried)
        return Snapshot(
            carried,
            self._unread,
            self._uniform,
            self._rng.bit_generator.state,
            self._manner.recent.copy(),
            self._manner.counts.copy(),
            self._context,
            self._written,
            self._tail,
            self._n,
            self._ended,
            self._closed,
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from where the stream stood."""
        self._engine.start(snapshot.carried)
        self._rng.bit_generator.state = snapshot.rng
        self._manner.recent[:] = snapshot.recent
        self._manner.counts[:] = snapshot.counts
        self._unread, self._uniform, self._context = snapshot.unread, snapshot.uniform, snapshot.context
        self._written, self._tail, self._n = snapshot.written, snapshot.tail, snapshot.n
        self._ended, self._closed = snapshot.ended, snapshot.closed

    def branch(self) -> Sampler:
        """Return another stream that stands where this one does, with numbers of its own."""
        [seed] = seed_sequence(self._rng).spawn(1)
        rng = np.random.default_rng(seed)
        here = self.snapshot()._replace(rng=rng.bit_generator.state, uniform=np.empty(0))
        return _revived(self._made, rng, here)

    def __reduce__(self) -> tuple[Any, ...]:
        return _revived, (self._made, self._rng, self.snapshot())


def _revived(made: tuple[Any, ...], rng: np.random.Generator, snapshot: Snapshot) -> Sampler:
    """The stream that was made of these, where it stood."""
    architecture, weights, prompt, sampling, characters, mixture = made
    sampler = Sampler(architecture, weights, prompt, sampling, rng, characters, mixture)
    sampler.restore(snapshot)
    return sampler
