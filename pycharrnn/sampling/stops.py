"""Strings that end a text: found wherever they begin and end, and never written."""

from __future__ import annotations

from collections.abc import Sequence


class Stops:
    """A text that comes in parts, up to the first string that ends it.

    Parameters
    ----------
    strings : sequence of str
        What ends the text; none is empty.

    Attributes
    ----------
    reached : bool
        Whether one of the strings has come.

    Examples
    --------
    >>> stops = Stops(["END"])
    >>> stops.ready("a wEN"), stops.ready("TEN"), stops.ready("D."), stops.reached
    (3, 3, 0, True)
    """

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = strings
        self._held = ""  # the end of the text, which may be the beginning of a string
        self.reached = False

    def ready(self, more: str) -> int:
        """Take the next part, and return how many of the characters that were held back or have come may go out.

        The others are held back. Of several strings the one that is complete first ends the text, and of those that are
        complete at the same place the one that begins first.
        """
        text = self._held + more
        found = []
        for string in self._strings:
            start = text.find(string)
            if start >= 0:
                found.append((start + len(string), start))
        if found:
            self.reached = True
            self._held = ""
            return min(found)[1]
        n = max((self._begun(text, string) for string in self._strings), default=0)
        self._held = text[len(text) - n :]
        return len(text) - n

    @staticmethod
    def _begun(text: str, string: str) -> int:
        """How many characters at the end of the text are the beginning of the string."""
        return next(n for n in range(min(len(text), len(string) - 1), -1, -1) if text.endswith(string[:n]))
