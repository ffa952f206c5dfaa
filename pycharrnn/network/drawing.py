"""The engine that draws symbols: one for each stream at each step."""

from __future__ import annotations

import numpy as np

from pycharrnn import _kernels
from pycharrnn.arrays import Floats, Ids
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.engine import Engine
from pycharrnn.network.records import Manner, Queues


class Drawer(Engine):
    """Memory and kernels for B streams that read a symbol at each step and draw the next. `pack` comes first.

    Parameters
    ----------
    architecture : Architecture
        What draws.
    B : int, default 1
        Streams.

    Examples
    --------
    >>> lab = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5)
    >>> drawer = Drawer(lab)
    >>> drawer.pack(lab.initial(np.random.default_rng(0)))
    >>> drawer.T, drawer.B
    (1, 1)
    """

    def __init__(self, architecture: Architecture, B: int = 1) -> None:
        super().__init__(architecture, 1, B)
        self._order = np.arange(B, dtype=np.int32)  # which stream each row of the states belongs to
        self._manner: Manner | None = None
        self._manners: list[Manner | None] = [None] * B

    def draw(self, prompt: Ids, manner: Manner, uniform: Floats, out: Ids) -> int:
        """Read a prompt, then draw a symbol for each uniform number into `out`, in this manner of one stream.

        Returns how many were drawn: a whole document ends with its end symbol. A ValueError tells that the manner lets
        no symbol come.
        """
        if uniform.shape != out.shape:
            raise ValueError(f"each symbol takes one uniform number, got {uniform.shape} for {out.shape}")
        self._check_manner(manner)
        return _some(_kernels.sample(self._weights, self._space, prompt, manner, uniform, out))

    def predict(self, prompt: Ids, manner: Manner) -> Floats:
        """Read a prompt, and return the shares from which `draw` would take a symbol, (K,): they sum to one.

        The temperature must not be 0, which has no shares.
        """
        self._check_manner(manner)
        _some(_kernels.sample(self._weights, self._space, prompt, manner, np.zeros(1), np.empty(1, np.int32)))
        return self.shares()

    def draw_from(self, p: Floats, manner: Manner, uniform: Floats, out: Ids) -> None:
        """Draw a symbol for each uniform number from these probabilities, (K,), instead of the network's."""
        if p.shape != (self.architecture.n_symbols,) or uniform.shape != out.shape:
            raise ValueError(f"probabilities {p.shape}, numbers {uniform.shape} and symbols {out.shape} do not fit")
        self._check_manner(manner)
        _kernels.draw(p, manner, uniform, self._space.logits, out, True)
        _some(int(out.min(initial=0)))

    def shares(self) -> Floats:
        """The shares from which the last symbol was drawn, (K,): they sum to one. A temperature of 0 leaves none."""
        shares = self._space.logits[: self.architecture.n_symbols]  # what the kernel leaves there
        p: Floats = shares / np.cumsum(shares)[-1]  # one by one: the same bits on every machine
        return p

    def begin(self, b: int) -> None:
        """Let stream b begin anew, from the zero state."""
        [row] = np.flatnonzero(self._order == b)
        for layer in self._space.first:
            for state in layer:
                state[row] = 0

    def draw_many(self, queue: list[Ids], manner: Manner | list[Manner], uniform: list[Floats]) -> list[Ids]:
        """Let each stream read its queue, and then draw a symbol for each of its numbers.

        Parameters
        ----------
        queue : list of ndarray of int32
            What each of the B streams reads first. A stream that draws goes on with the symbol that it has drawn last:
            it has not read it yet.
        manner : Manner, or list of Manner
            How they draw: the manner of B streams, or one for each stream, of one stream.
        uniform : list of ndarray of float64
            The numbers of each stream.

        Returns
        -------
        list of ndarray of int32
            The symbols of each. A whole document ends with its end symbol.
        """
        if isinstance(manner, list):
            self._check_manners(manner)
        else:
            self._check_manner(manner)
        if len(queue) != self.B or len(uniform) != self.B or self.T != 1:
            raise ValueError(f"{self.B} streams have {len(queue)} queues and {len(uniform)} series of numbers")
        queued = np.array([ids.size for ids in queue], np.int32)
        wanted = np.array([numbers.size for numbers in uniform], np.int32)
        reads = np.zeros((self.B, queued.max(initial=0)), np.int32)
        numbers = np.zeros((self.B, wanted.max(initial=0)))
        for b in np.flatnonzero(queued + wanted).tolist():
            reads[b, : queued[b]] = queue[b]
            numbers[b, : wanted[b]] = uniform[b]
        out, drawn = np.empty(numbers.shape, np.int32), np.empty(self.B, np.int32)
        scratch = np.empty((2, self.B), np.int32)
        queues = Queues(reads, queued, wanted, numbers, out, drawn, self._order, scratch)
        _some(_kernels.sample_streams(self._weights, self._space, manner, queues) - 1)
        return [out[b, :n].copy() for b, n in enumerate(drawn)]

    def _check_manner(self, manner: Manner) -> None:
        """Refuse a manner that is not one of B streams of this architecture."""
        if manner is not self._manner:
            self._check_shapes(manner, self.B)
            self._manner = manner  # the next call has the same, and shapes never change

    def _check_manners(self, manners: list[Manner]) -> None:
        """Refuse manners that are not one for each stream."""
        if len(manners) != self.B:
            raise ValueError(f"{self.B} streams have {len(manners)} manners")
        for b, manner in enumerate(manners):
            if manner is not self._manners[b]:
                self._check_shapes(manner, 1)
                self._manners[b] = manner

    def _check_shapes(self, manner: Manner, B: int) -> None:
        """Refuse a manner that is not one of so many streams of this architecture."""
        K, window = self.architecture.n_symbols, int(manner.drawing["repetition_window"][0])
        remembers = manner.recent.size > 0
        shapes = (manner.drawing.shape, manner.bias.shape, manner.recent.shape, manner.counts.shape)
        memory = ((B, window + 1), (B, K)) if remembers else ((B, 0), (B, 0))
        if shapes not in (((1,), (K,), *memory), ((1,), (0,), *memory)):
            raise ValueError(f"the manner of {B} streams of {K} symbols has arrays of the shapes {shapes}")


def _some(n: int) -> int:
    """The same number; if it is negative, the kernel has found no symbol that may come."""
    if n < 0:
        raise ValueError("no symbol may come: the bias, or the probabilities, leave none; let one come")
    return n
