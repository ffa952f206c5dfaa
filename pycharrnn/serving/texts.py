"""Texts that are being written: each belongs to the thread that writes it, and a client takes what is ready."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pycharrnn.arrays import Floats, Ids
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.records import Manner
from pycharrnn.sampling.rules import Rules
from pycharrnn.sampling.stops import Stops
from pycharrnn.serving.scores import Score


class Failure(NamedTuple):
    """Why a text could not be finished.

    Attributes
    ----------
    why : str
        A sentence.
    status : int
        The status of an answer that says so: 400 where the request is at fault, 500 and above where the server is.
    """

    why: str
    status: int


End = str | Failure


class Part(NamedTuple):
    """What of a text is new.

    Attributes
    ----------
    text : str
        Its characters.
    scores : list of Score
        One for each character, if they are wanted.
    end : str or Failure
        Why the text ends here: "stop", or "length" if it is cut off; an empty string if it goes on.
    """

    text: str
    scores: list[Score]
    end: End


class Turn(NamedTuple):
    """What a text does next.

    Attributes
    ----------
    read : ndarray of int32
        The symbols that its stream reads first.
    uniform : ndarray of float64
        The numbers with which it then draws a symbol each.
    """

    read: Ids
    uniform: Floats


class Text:
    """A text that is being written.

    Parameters
    ----------
    architecture : Architecture
        What writes it.
    rules : Rules
        How its symbols are drawn.
    prompt : ndarray of int32, (M,)
        What is read first.
    rng : numpy.random.Generator
        What draws the symbols.
    most : int
        Symbols that it has at most.
    eager : bool, default False
        Whether a client wants each part as soon as it is ready, not all of them at the end.
    news : callable, optional
        What the client is woken with.

    Attributes
    ----------
    n : int
        Symbols that have been drawn.
    n_written : int
        Characters of it that have gone out.
    end : str or Failure
        As in `Part`.
    left : bool
        Whether the client has left: nobody wants the rest.
    documents : bool
        Whether it is a document, which has an end of its own.

    Examples
    --------
    >>> from pycharrnn.sampling.settings import Sampling
    >>> lab = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5)
    >>> rules = Rules(Sampling(stop="cb"), lab, "abc")
    >>> text = Text(lab, rules, np.array([0], np.int32), np.random.default_rng(0), most=9)
    >>> text.take(np.array([0, 1, 2], np.int32)), text.fetch()
    (False, Part(text='ab', scores=[], end=''))
    >>> text.take(np.array([1, 0], np.int32)), text.fetch()
    (True, Part(text='', scores=[], end='stop'))
    """

    def __init__(
        self,
        architecture: Architecture,
        rules: Rules,
        prompt: Ids,
        rng: np.random.Generator,
        most: int,
        eager: bool = False,
        news: Callable[[], object] = bool,
    ) -> None:
        self.rules = rules
        self.prompt = prompt
        self.rng = rng
        self.most = most
        self.eager = eager
        self.news = news
        self.n = 0
        self.n_written = 0
        self.end: End = ""
        self.left = False
        self._stops = Stops(rules.stops)
        self._held = ""  # what may be the beginning of a stop
        self._scores: list[Score] = []  # of characters that have not gone out
        self._parts: list[Part] = []
        self._lock = threading.Lock()
        self.documents = architecture.documents
        self._end_symbol = architecture.end
        self._unread = np.insert(prompt, 0, architecture.end) if self.documents else prompt
        self._manner = rules.of_document(rules.manner()) if self.documents else rules.manner()
        self._early = rules.sampling.min_length if self.documents else 0
        self._first = rules.without_end(self._manner) if self._early else self._manner

    # --- for the thread that writes it --------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be done for it."""
        return bool(self.end) or self.left

    @property
    def manner(self) -> Manner:
        """How its next symbols are drawn."""
        return self._first if self.n < self._early else self._manner

    def turn(self, most: int) -> Turn:
        """What it does in the next `most` steps: it reads, or it reads the rest and draws."""
        if self._unread.size > most:
            read = self._unread[: min(most, self._unread.size - 1)]
            self._unread = self._unread[read.size :]
            return Turn(read, np.empty(0))
        n = min(most, self.most - self.n, self._early - self.n if self.n < self._early else most)
        return Turn(self._unread, self.rng.random(n))

    def take(self, ids: Ids, scores: list[Score] | None = None, closed: bool = False) -> bool:
        """Take the symbols that have been drawn; return whether the client hears of it.

        Parameters
        ----------
        ids : ndarray of int32
            The symbols.
        scores : list of Score, optional
            How likely they were.
        closed : bool, default False
            Whether nothing may come after them.
        """
        self.n += ids.size
        self._unread = ids[-1:] if ids.size else self._unread
        ended = bool(self.documents and ids.size and ids[-1] == self._end_symbol)
        more = self.rules.decode(ids[:-1] if ended else ids)
        held = self._held + more
        ready = self._stops.ready(more) if self.rules.stops else len(held)
        end = "stop" if self._stops.reached or ended or closed else "length" if self.n >= self.most else ""
        if end and not self._stops.reached:
            ready = len(held)
        self._held = held[ready:]
        self._scores += scores or []
        self.n_written += ready
        return self._give(held[:ready], end)

    def show(self, prompt: str, scores: list[Score]) -> bool:
        """Let characters of the prompt go out, with their scores; return whether the client hears of it."""
        self._scores += scores
        return self._give(prompt)

    def fail(self, failure: Failure) -> bool:
        """End unfinished, unless it has ended; return whether the client hears of it."""
        return bool(self.end) or self._give("", failure)

    def _give(self, text: str, end: End = "") -> bool:
        """Let characters go out, with their scores; return whether the client hears of it."""
        with self._lock:
            self._parts.append(Part(text, self._scores[: len(text)], end))
            self.end = end  # only now: whoever sees it takes the last part
        self._scores = self._scores[len(text) :]
        return bool(self.end) or (self.eager and bool(text))

    # --- for the client -----------------------------------------------------------------------------------------

    def fetch(self) -> Part:
        """Return what is new since the last call."""
        with self._lock:
            parts, self._parts = self._parts, []
        scores = [score for part in parts for score in part.scores]
        return Part("".join(part.text for part in parts), scores, parts[-1].end if parts else "")
