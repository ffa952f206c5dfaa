"""A text that is read and written in turns, and its characters as an iterator."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

import numpy as np

from pycharrnn.arguments import Integer
from pycharrnn.errors import ParameterTypeError, ParameterValueError
from pycharrnn.messages import shown
from pycharrnn.sampling.sampler import Sampler, Snapshot

_COUNT = Integer(0, 2**48)
_UNDONE = 1000  # calls that can be undone


class Stream(Iterator[str]):
    """Characters, one after the other, for ``for`` and for ``async for``.

    Parameters
    ----------
    characters : iterator of str
        The characters.

    Examples
    --------
    >>> "".join(Stream(iter("abc")))
    'abc'
    """

    def __init__(self, characters: Iterator[str]) -> None:
        self._characters = characters

    def __next__(self) -> str:
        return next(self._characters)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        character = await asyncio.to_thread(next, self._characters, None)
        if character is None:
            raise StopAsyncIteration
        return character


class Moment(NamedTuple):
    """Where a session stands: a value to come back to.

    Attributes
    ----------
    stream : Snapshot
        Where its stream stands.
    text : str
        Its text.

    Examples
    --------
    >>> from pycharrnn import CharRNN
    >>> session = CharRNN(hidden_size=16, random_state=0).fit("hello world. " * 20).session("hello")
    >>> session.snapshot().text
    'hello'
    """

    stream: Snapshot
    text: str


class Change(NamedTuple):
    """How to come back from a later string to an earlier one, without a copy of what both begin with.

    Attributes
    ----------
    kept : int
        How many characters both begin with.
    rest : str
        What the earlier one has after them.

    Examples
    --------
    >>> change = Change.between("hello", "help")
    >>> change, change.back("help")
    (Change(kept=3, rest='lo'), 'hello')
    """

    kept: int
    rest: str

    @classmethod
    def between(cls, earlier: str, later: str) -> Self:
        """Return the change that leads back from the later string to the earlier one."""
        if later.startswith(earlier):  # as nearly always
            return cls(len(earlier), "")
        kept, beyond = 0, min(len(earlier), len(later)) + 1
        while beyond - kept > 1:
            middle = (kept + beyond) // 2
            if later.startswith(earlier[kept:middle], kept):
                kept = middle
            else:
                beyond = middle
        return cls(kept, earlier[kept:])

    def back(self, later: str) -> str:
        """Return the earlier string."""
        return later[: self.kept] + self.rest


class Undo(NamedTuple):
    """The moment before a call, as seen from the one after it.

    Attributes
    ----------
    stream : Snapshot
        Where the stream stood; `written` is left out.
    written, text : Change
        What leads back to what it had written, and to the text of the session.
    """

    stream: Snapshot
    written: Change
    text: Change


class Session:
    """A text that is read and written in turns; `CharRNN.session` begins one.

    Whoever writes, the model has read everything before. It belongs to one thread at a time. A pickle of it holds the
    weights.

    Attributes
    ----------
    text : str
        All that has been read and written, the prompt included.
    is_over : bool
        Whether the document has come to its end, or nothing more may come.

    Examples
    --------
    >>> from pycharrnn import CharRNN
    >>> model = CharRNN(hidden_size=16, random_state=0).fit("hello world. " * 20)
    >>> session = model.session("hell", temperature=0)
    >>> session.write(1), session.feed(" wor").text
    ('o', 'hello wor')
    >>> max(session.probabilities(), key=session.probabilities().get)
    'l'
    >>> session.undo().text
    'hello'
    """

    def __init__(self, sampler: Sampler, vocabulary: Any, on_unknown: Any, prompt: str) -> None:
        self._sampler = sampler
        self._vocabulary = vocabulary
        self._on_unknown = on_unknown
        self._past: deque[Undo] = deque(maxlen=_UNDONE)
        self._parts = [prompt]  # of the text
        self._n = len(prompt)  # its characters

    @property
    def text(self) -> str:
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0]

    @property
    def is_over(self) -> bool:
        return self._sampler.is_over

    def feed(self, text: str) -> Self:
        """Read a text.

        Parameters
        ----------
        text : str
            What comes next.

        Returns
        -------
        Session
            The session itself.

        Raises
        ------
        UnknownCharacterError
            If the model does not know a character, and its `on_unknown` is "raise". Nothing has been read then.
        ValueError
            If the text is over.
        """
        ids = self._vocabulary.encode(text, self._on_unknown)
        if self.is_over and ids.size:
            raise ValueError("this text is over; undo the last step, or begin another session")
        with self._whole() as before:
            self._sampler.read(ids)
            self._sampler.draw(0)  # reads them now, that no moment keeps them
            self._append(before, text)
        return self

    def probabilities(self) -> dict[str, float]:
        """Say how likely each character comes next, by the settings of the session.

        Returns
        -------
        dict of str to float
            Every character of the vocabulary with its probability. The empty string is the end of a document.
        """
        with self._whole():
            p = self._sampler.probabilities().tolist()
        if self.is_over:
            return dict.fromkeys(self._vocabulary, 0.0)
        return dict(zip([*self._vocabulary, ""][: len(p)], p, strict=True))

    def step(self) -> str:
        """Write one character.

        Returns
        -------
        str
            The character; empty if the text is over.
        """
        return self.write(1)

    def write(self, n: int) -> str:
        """Write some characters.

        Parameters
        ----------
        n : int
            How many.

        Returns
        -------
        str
            The characters; fewer if the text comes to its end. Where an error or Ctrl-C interrupts, nothing has been
            written.
        """
        _COUNT.check("n", n)
        with self._whole() as before:
            written: str = self._vocabulary.decode(np.concatenate([*self._sampler.portions(n, max(1, n))]))
            self._append(before, written)
        return written

    def snapshot(self) -> Moment:
        """Say where the session stands.

        Returns
        -------
        Moment
            What `restore` takes, as often as one likes.
        """
        return Moment(self._sampler.snapshot(), self.text)

    def restore(self, moment: Moment) -> Self:
        """Go back to where the session, or one that it is a branch of, has stood.

        Parameters
        ----------
        moment : Moment
            What `snapshot` returned.

        Returns
        -------
        Session
            The session itself. It writes what it wrote from there.

        Raises
        ------
        TypeError
            If it is no moment.
        ValueError
            If it is one of another network, or of a session with other settings.
        """
        if not isinstance(moment, Moment):
            raise ParameterTypeError("moment", f"must be what snapshot() returned, got {shown(moment)}")
        before = self._sampler.snapshot()
        for name in ("carried", "recent", "counts"):
            if getattr(before, name).shape != getattr(moment.stream, name).shape:
                raise ParameterValueError("moment", "is of another network, or of a session with other settings")
        text = Change.between(self.text, moment.text)
        self._go_to(moment)
        self._note(before, text)
        return self

    def undo(self) -> Self:
        """Take back the last call of `feed`, `step`, `write` or `restore`; up to the last 1,000.

        Returns
        -------
        Session
            The session itself.

        Raises
        ------
        IndexError
            If there is nothing to take back.
        """
        if not self._past:
            raise IndexError("there is nothing to undo: the session is at its beginning")
        last = self._past.pop()
        written = last.written.back(self._sampler.written)
        self._go_to(Moment(last.stream._replace(written=written), last.text.back(self.text)))
        return self

    def branch(self) -> Session:
        """Begin another session where this one stands. It writes something else from there, with a seed of its own.

        Returns
        -------
        Session
            The other one. Neither knows of the other.
        """
        return type(self)(self._sampler.branch(), self._vocabulary, self._on_unknown, self.text)

    @contextmanager
    def _whole(self) -> Iterator[Snapshot]:
        """Do all of a call or nothing: where it is interrupted, go back to where the stream stood."""
        before, n = self._sampler.snapshot(), self._n
        try:
            yield before
        except BaseException:
            self._go_to(Moment(before, self.text[:n]))
            raise

    def _append(self, before: Snapshot, more: str) -> None:
        """Let the text go on, and note how to take it back."""
        n = self._n
        self._parts.append(more)
        self._n += len(more)
        self._note(before, Change(n, ""))

    def _note(self, before: Snapshot, text: Change) -> None:
        """Note how a call that has just been made can be taken back."""
        written = Change.between(before.written, self._sampler.written)
        self._past.append(Undo(before._replace(written=""), written, text))

    def _go_to(self, moment: Moment) -> None:
        self._sampler.restore(moment.stream)
        self._parts = [moment.text]
        self._n = len(moment.text)

    def __iter__(self) -> Iterator[str]:
        """Write characters until the text is over, which running text never is."""
        while character := self.step():
            yield character

    def __aiter__(self) -> AsyncIterator[str]:
        return Stream(iter(self))
