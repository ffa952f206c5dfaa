"""Many texts at once: their streams share the products, so that the weights are read once for all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pycharrnn.arrays import Array, Ids
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.drawing import Drawer
from pycharrnn.sampling.limits import longest, warn_of_no_end
from pycharrnn.sampling.rules import Rules
from pycharrnn.sampling.stops import Stops

_STREAMS = 64  # of a batch: more read the weights hardly less often
_GAIN = 4  # a batch reads a symbol several times as fast as a single stream
_PORTION = 64  # symbols of each stream in one call


class Drawn:
    """What a batch knows of one of its texts.

    Parameters
    ----------
    prompt : ndarray of int32, (M,)
        What is read first.
    rng : numpy.random.Generator
        What draws its symbols.
    stops : sequence of str
        What ends it.
    """

    def __init__(self, prompt: Ids, rng: np.random.Generator, stops: Sequence[str]) -> None:
        self.unread = prompt
        self.rng = rng
        self.stops = Stops(stops)
        self.parts: list[Ids] = []
        self.n_ready = 0  # symbols that are not held back
        self.ended = False

    def take(self, ids: Ids, end: int, rules: Rules) -> None:
        """Take what has been drawn; a document ends with `end`."""
        if not ids.size:
            return
        self.unread = ids[-1:]
        self.ended = bool(ids[-1] == end)
        ids = ids[:-1] if self.ended else ids
        self.parts.append(ids)
        self.n_ready += self.stops.ready(rules.decode(ids)) if rules.stops else ids.size
        self.ended = self.ended or self.stops.reached

    def text(self) -> Ids:
        """Return the symbols before the end."""
        ids = np.concatenate([np.empty(0, np.int32), *self.parts])
        return ids[: self.n_ready] if self.stops.reached else ids


class Batch:
    """Texts that are drawn at once. Each is the one that a `Sampler` of its prompt and its numbers draws, to the bit.

    Parameters
    ----------
    architecture : Architecture
        What draws.
    weights : ndarray, (P,)
        Flat weights; they must not change meanwhile.
    rules : Rules
        How symbols are drawn; not stepwise.

    Examples
    --------
    >>> from pycharrnn.sampling.settings import Sampling
    >>> lab = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5)
    >>> batch = Batch(lab, lab.initial(np.random.default_rng(0)), Rules(Sampling(length=6), lab, ""))
    >>> [ids.size for ids in batch.texts([np.array([1], np.int32)] * 2, [np.random.default_rng(i) for i in range(2)])]
    [6, 6]
    """

    def __init__(self, architecture: Architecture, weights: Array, rules: Rules) -> None:
        self._architecture = architecture
        self._weights = weights
        self._rules = rules

    def texts(self, prompts: Sequence[Ids], rngs: Sequence[np.random.Generator], n_threads: int = 1) -> list[Ids]:
        """Draw a text for each prompt, with the numbers of its generator, by so many threads.

        Warns
        -----
        UserWarning
            If no length was given and a document has no end after 10,000 symbols.
        """
        for prompt in prompts:
            self._architecture.check(prompt)
        if self._architecture.documents:
            begun = {id(prompt): np.insert(prompt, 0, self._architecture.end) for prompt in prompts}
            prompts = [begun[id(prompt)] for prompt in prompts]  # texts of one prompt share it
        streams = [Drawn(*both, self._rules.stops) for both in zip(prompts, rngs, strict=True)]
        size = max(1, min(_STREAMS, -(-len(streams) // n_threads)))
        groups = [streams[i : i + size] for i in range(0, len(streams), size)]
        halt: list[bool] = []
        if n_threads == 1 or len(groups) < 2:
            for group in groups:
                self._draw(group, halt)
        else:
            from concurrent.futures import ThreadPoolExecutor  # only now: it takes a while to import

            with ThreadPoolExecutor(min(n_threads, len(groups))) as pool:
                try:
                    list(pool.map(lambda group: self._draw(group, halt), groups))
                except BaseException:  # the pool is left only when its threads have ended
                    halt.append(True)
                    raise
        if self._architecture.documents and self._rules.sampling.length is None:
            for _ in (stream for stream in streams if not stream.ended):
                warn_of_no_end()
        return [stream.text() for stream in streams]

    def _draw(self, streams: list[Drawn], halt: Sequence[bool]) -> None:
        """Draw the texts of some streams, until there is something in `halt`."""
        architecture, rules = self._architecture, self._rules
        documents, length = architecture.documents, rules.sampling.length
        most = longest(documents) if length is None else length
        early = rules.sampling.min_length if documents else 0
        chunk = max(1, _GAIN * architecture.chunk_size // len(streams))
        engine = Drawer(architecture, len(streams))
        engine.pack(self._weights)
        engine.start()
        manner = rules.manner(len(streams))
        manner = rules.of_document(manner) if documents else manner
        first = rules.without_end(manner) if early else manner
        none, nothing = np.empty(0), np.empty(0, np.int32)
        n = 0
        while n < most and not halt and not all(stream.ended for stream in streams):
            queue = [nothing if stream.ended else stream.unread for stream in streams]
            long = max(ids.size for ids in queue) > chunk  # then first only read
            wanted = 0 if long else min(_PORTION, chunk, most - n, early - n if n < early else most)
            if long:
                queue = [ids[: min(chunk, ids.size - 1)] if ids.size else ids for ids in queue]
            uniform = [none if stream.ended else stream.rng.random(wanted) for stream in streams]
            drawn = engine.draw_many(queue, first if n < early else manner, uniform)
            for stream, read, ids in zip(streams, queue, drawn, strict=True):
                stream.unread = stream.unread[read.size :]
                stream.take(ids, architecture.end, rules)
            n += wanted
