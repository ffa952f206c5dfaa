"""Drawing symbols: a prompt, settings, and one stream of uniform numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pycharrnn.arrays import Array, Floats, Ids
from pycharrnn.errors import warn
from pycharrnn.messages import Message, Setting, advice
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.engine import Engine
from pycharrnn.network.memory import claim
from pycharrnn.sampling.settings import DEFAULT_LENGTH, LONGEST, Mixture, Sampling, draw

_UNUSED = 512  # numbers drawn in advance at most where a document may end before it needs them


def claim_texts(n_samples: int, length: int | None) -> None:
    """Check that there is memory for so many texts of this length, and for the symbols of one.

    Parameters
    ----------
    n_samples : int
        How many texts.
    length : int or None
        Characters of each; None if nobody knows.

    Raises
    ------
    MemoryError
        If there is not.
    """
    each = 1 if length is None else length
    claim(
        n_samples * (64 + 4 * each) + 20 * each,
        Message(
            Setting("n_samples"),
            f" {n_samples:,} x ",
            Setting("length"),
            f" {'None' if length is None else f'{length:,}'}",
        ),
        advice("lower {length} or {n_samples}, or take the characters one after the other from stream()"),
    )


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
        self, architecture: Architecture, weights: Array, prompt: Ids, sampling: Sampling, rng: np.random.Generator
    ) -> None:
        architecture.check(prompt)
        self._documents = architecture.documents
        self._end = architecture.end
        self._chunk_size = architecture.chunk_size
        self._prompt = np.insert(prompt, 0, architecture.end) if architecture.documents else prompt
        self._length = sampling.length
        self._sampling = sampling
        self._drawings = {whole: sampling.drawing(architecture, whole) for whole in (False, True)}
        self._rng = rng
        self._uniform = np.empty(0)  # numbers drawn and not used
        self._engine = Engine(architecture, 1)
        self._engine.pack(weights)
        self.restart()

    def restart(self) -> None:
        """Begin another text from the prompt. Numbers that were drawn and not used stay for it."""
        self._unread = self._prompt
        self._ended = False
        self._context = self._prompt[:0]  # what has been read, as far as a mixture looks back
        self._engine.start()

    def text(self) -> Ids:
        """Draw one text of the wanted length, or a document to its end, which is not part of it.

        Warns
        -----
        UserWarning
            If no length was given and a document has no end after `LONGEST` symbols.
        """
        length = self._length
        self.restart()
        if not self._documents:
            return self.draw(DEFAULT_LENGTH if length is None else length)
        ids = self.draw(LONGEST if length is None else length, whole=True)
        if ids.size and ids[-1] == self._end:
            return ids[:-1]
        if length is None:
            advice = f"raise the temperature, train longer, or use length={LONGEST} to cut without this warning"
            warn(f"a document had no end after {LONGEST:,} characters and is cut off there: {advice}")
        return ids

    def symbols(self) -> Iterator[Ids]:
        """Draw the symbols of `text` one by one, each in an array of its own; without a length, text never ends."""
        n = 0
        while self._length is None or n < self._length:
            symbol = self.draw(1)
            if symbol[0] == self._end:
                return
            yield symbol
            n += 1

    def draw(self, length: int, whole: bool = False) -> Ids:
        """Draw the next `length` symbols. Drawing n and then m gives the same as drawing n + m.

        A `whole` document ends with its end symbol, and nothing comes after it.
        """
        out = np.empty(length, np.int32)
        done, chunk = 0, self._chunk_size
        most = min(chunk, _UNUSED) if whole else chunk
        while (done < length or len(self._unread) > 1) and not (whole and self._ended):
            prompt, self._unread = self._unread[:chunk], self._unread[chunk:]
            n = 0 if len(self._unread) else min(length - done, most)
            n = self._draw(prompt, out[done : done + n], whole)
            done += n
        return out[:done]

    def _draw(self, prompt: Ids, out: Ids, whole: bool) -> int:
        """Read a part of the prompt and draw as many symbols as there is room for in `out`, or fewer to the end."""
        uniform = self._uniforms(out.size)
        if self._sampling.mixture is None:
            n = self._engine.draw(prompt, self._drawings[whole], uniform, out)
        else:
            n = self._draw_mixed(self._sampling.mixture, prompt, uniform, out, whole)
        if n < uniform.size:
            self._uniform = np.concatenate([uniform[n:], self._uniform])
        if n:
            self._unread = out[n - 1 : n].copy()
            self._ended = out[n - 1] == self._end
        return n

    def _draw_mixed(self, mixture: Mixture, prompt: Ids, uniform: Floats, out: Ids, whole: bool) -> int:
        """The same for a mixture: the kernel predicts one symbol after the other."""
        drawing = self._drawings[False]
        self._context = mixture.remember(self._context, prompt)
        if not out.size:
            return self._engine.draw(prompt, drawing, uniform, out)
        for i, u in enumerate(uniform):
            if i:
                prompt = out[i - 1 : i]
                self._context = mixture.remember(self._context, prompt)
            p = mixture.mix(self._engine.predict(prompt, drawing), self._context)
            out[i] = draw(p, self._sampling.temperature, u)
            if whole and out[i] == self._end:
                return i + 1
        return out.size

    def _uniforms(self, n: int) -> Floats:
        """The next n numbers of the stream. Numbers that were drawn and not used come first."""
        if not self._uniform.size:
            return self._rng.random(n)
        left, self._uniform = self._uniform[:n], self._uniform[n:]
        return np.concatenate([left, self._rng.random(n - left.size)])
