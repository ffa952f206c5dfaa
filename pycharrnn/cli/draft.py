"""A text that a person and a model write in turns, and what the model would write next."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from pycharrnn import CharRNN
from pycharrnn.arguments import RandomState
from pycharrnn.sampling.session import Session

_AHEAD = 60  # characters of a suggestion, about
_WORD = re.compile(r"\n|[^\S\n]*\S+|[^\S\n]+")
_LATEST = 50  # suggestions for one place that one can go back to


class Scout(NamedTuple):
    """How a text could go on from some place of it.

    Attributes
    ----------
    begin : int
        The place: there were so many characters.
    text : str
        The whole text, with what was suggested.
    is_over : bool
        Whether nothing comes after it.
    """

    begin: int
    text: str
    is_over: bool = False


class Draft:
    """A text, and what a model suggests after it. Whoever writes, the model has read all of it.

    Parameters
    ----------
    model : CharRNN
        What suggests.
    random_state : int, numpy.random.Generator, numpy.random.SeedSequence or None
        Where its numbers come from.
    **settings : object
        The settings of its sessions.

    Attributes
    ----------
    text : str
        The text.
    suggestion : str
        What may come next, to the end of a word; it may be empty.
    problem : str
        Why the model has no suggestion; empty if it has one.
    temperature : float
        That of the suggestions.

    Examples
    --------
    >>> model = CharRNN(hidden_size=16, random_state=0).fit("hello world. " * 20)
    >>> draft = Draft(model, 0, temperature=0)
    >>> draft.edit("hell")
    >>> draft.suggestion[:8], draft.word()
    ('o world.', 'o')
    >>> draft.edit("hello wo")
    >>> draft.suggestion[:10]
    'rld. hello'
    """

    def __init__(self, model: CharRNN, random_state: RandomState = None, **settings: Any) -> None:
        self._model = model
        self._random_state = random_state
        self._settings = settings
        self.temperature = float(settings.pop("temperature", 1.0))
        self.text = ""
        self.problem = ""
        self._session = self._begin()
        self._ahead = self._session  # what has written the suggestion
        self._scouts: list[Scout] = []
        self._at = 0
        self.another()

    @property
    def suggestion(self) -> str:
        if not self._scouts:
            return ""
        shown = self._scouts[self._at].text[len(self.text) :][:_AHEAD]
        line_end = shown.find("\n", _AHEAD // 2)
        if line_end > 0:
            return shown[:line_end]
        words = shown.rstrip() and re.match(r"(?s).*\S(?=\s)", shown)  # the last one may be cut off
        return words[0] if words and len(shown) == _AHEAD else shown

    @property
    def is_over(self) -> bool:
        """Whether the text may end here: nothing comes after it in the suggestion at hand."""
        return bool(self._scouts) and self._scouts[self._at] == Scout(self._scouts[self._at].begin, self.text, True)

    def edit(self, text: str) -> None:
        """Go on from another text: mostly the same one, a little longer or shorter."""
        if text == self.text:
            return
        self.text = text
        try:
            while not text.startswith(self._session.text):
                self._step_back()
            self._session.feed(text[len(self._session.text) :])
        except ValueError as error:  # a character that the model refuses to read
            self._session = self._begin()
            self._scouts, self._at = [], 0
            self.problem = str(error)
            return
        self._scouts = [one for one in self._scouts if one.begin <= len(text) and one.text.startswith(text)]
        if self._scouts:  # it came as suggested
            self._at = min(self._at, len(self._scouts) - 1)
            self._look_ahead()
        else:
            self._suggest_anew()

    def session(self) -> Session:
        """Return a session that has read the text."""
        return self._session.branch()

    def word(self) -> str:
        """Return the next word of the suggestion, with the space before it; a line end is one, too."""
        found = _WORD.match(self.suggestion)
        return found[0] if found else ""

    def another(self, step: int = 1) -> None:
        """Suggest something else, or with -1 what was suggested before that."""
        if self._session.text != self.text:  # which it cannot read
            return
        self._at = max(0, self._at + step)
        if self._at < len(self._scouts):
            return
        self._scouts = self._scouts[-_LATEST + 1 :]
        self._at = len(self._scouts)
        self._scouts.append(Scout(len(self.text), self.text))
        self._ahead = self.session()
        self._look_ahead()

    def warm(self, by: float) -> None:
        """Change the temperature, and suggest anew."""
        self.temperature = round(max(0.0, self.temperature + by), 2)
        self._session = self._begin().restore(self._session.snapshot())
        self._suggest_anew()

    def _begin(self) -> Session:
        """A session that has read nothing."""
        how = self._settings | {"temperature": self.temperature}
        return self._model.session(random_state=self._random_state, **how)

    def _step_back(self) -> None:
        """Take back what was read last, or all if nobody knows what that was."""
        try:
            self._session.undo()
        except IndexError:
            self._session = self._begin()

    def _suggest_anew(self) -> None:
        """Begin with the first suggestion."""
        self._scouts, self._at = [], 0
        self.another()

    def _look_ahead(self) -> None:
        """Let the suggestion be long enough."""
        self.problem = ""
        scout = self._scouts[self._at]
        n = len(self.text) + _AHEAD - len(scout.text)
        if scout.is_over or n <= 0:
            return
        if self._ahead.text != scout.text:  # it has written another one meanwhile
            self._ahead = self.session().feed(scout.text[len(self.text) :])
        try:
            self._ahead.write(n)
        except ValueError as error:  # nothing may come
            self.problem = str(error)
        self._scouts[self._at] = scout._replace(text=self._ahead.text, is_over=self._ahead.is_over)
