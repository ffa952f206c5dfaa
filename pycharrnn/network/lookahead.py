"""Streams that read a symbol each, together, and tell what may follow: several texts that go on from one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pycharrnn import _kernels
from pycharrnn.arrays import Array, Floats, Ids
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.drawing import Drawer
from pycharrnn.network.records import Manner

_NONE = np.empty(0, np.int32)


class Lookahead(Drawer):
    """Memory and kernels for up to B streams, each of which may go on from where any of them stood.

    Parameters
    ----------
    architecture : Architecture
        What reads.
    weights : ndarray, (P,)
        Flat weights; they must not change meanwhile.
    manner : Manner
        How the network predicts, for B streams; it remembers what they have read.

    Examples
    --------
    >>> from pycharrnn.network.records import Drawing
    >>> lab, rng = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5), np.random.default_rng(0)
    >>> ahead = Lookahead(lab, lab.initial(rng), Manner.of(Drawing(), n_symbols=3, B=2))
    >>> ahead.begin_with(np.array([1, 2], np.int32))
    >>> ahead.advance([0, 0], [1, 2])
    >>> ahead.shares_after(1, Manner.of(Drawing(), n_symbols=3)).round(1)
    array([0.3, 0.3, 0.3])
    """

    def __init__(self, architecture: Architecture, weights: Array, manner: Manner) -> None:
        super().__init__(architecture, manner.recent.shape[0])
        self._network = manner
        self._carried = np.empty(architecture.carried(self.B), architecture.precision.activations)
        self.pack(weights)

    def begin_with(self, prompt: Ids) -> None:
        """Let the first stream read a prompt from the zero state."""
        self.start()
        self._network.forget()
        chunk = self.architecture.chunk_size
        for at in range(0, max(0, prompt.size - 1), chunk):  # signals have their turn between
            self._read([prompt[at : min(at + chunk, prompt.size - 1)]], predict=False)
        self._read([prompt[-1:]])

    def advance(self, parents: Sequence[int], symbols: Sequence[int]) -> None:
        """Let stream i go on from where stream parents[i] stands, and read a symbol."""
        n = len(parents)
        self.take(self._carried)
        self._carried[:, :, :n] = self._carried[:, :, parents]
        self.start(self._carried)
        for remembered in (self._network.recent, self._network.counts):
            remembered[:n] = remembered[parents]
        self._read([np.array([symbol], np.int32) for symbol in symbols])

    def shares_after(self, b: int, manner: Manner) -> Floats:
        """What may follow the text of stream b in the manner of one stream: a share for each symbol, (K,)."""
        return self._shares(self.predictions()[b].astype(np.float64), self._remembering(b, manner), False)

    def shares_of(self, p: Floats, b: int, manner: Manner) -> Floats:
        """The same from these probabilities, (K,), instead of the network's."""
        return self._shares(p, self._remembering(b, manner), True)

    def _read(self, queue: list[Ids], predict: bool = True) -> None:
        """Let the first streams read these symbols each, which leaves the logits of what follows them."""
        rest = self.B - len(queue)
        one, nothing = np.zeros(int(predict)), np.empty(0)
        self.draw_many(queue + [_NONE] * rest, self._network, [one] * len(queue) + [nothing] * rest)

    def _remembering(self, b: int, manner: Manner) -> Manner:
        """The manner of one stream, that remembers what stream b has read."""
        return manner._replace(recent=self._network.recent[b : b + 1], counts=self._network.counts[b : b + 1])

    def _shares(self, values: Floats, manner: Manner, probabilities: bool) -> Floats:
        """The shares of a draw from logits, or from probabilities."""
        K = self.architecture.n_symbols
        if values.shape != (K,) or manner.bias.shape not in ((0,), (K,)):
            raise ValueError(f"{K} symbols have {values.shape} values and a bias of the shape {manner.bias.shape}")
        out = np.empty(1, np.int32)
        _kernels.draw(values, manner, np.zeros(1), self._space.logits, out, probabilities)
        if out[0] < 0:
            raise ValueError("no symbol may come: the bias, or the probabilities, leave none; let one come")
        return self.shares()
