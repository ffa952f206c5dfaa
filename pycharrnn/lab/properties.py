"""What a unit may track: properties of a text, each a number at every character, known once that has been read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pycharrnn.arrays import Floats

__all__ = ["OF_CODE", "PROPERTIES", "Property", "is_code", "measure"]

Property = Callable[[str], Floats]

# A blank line closes what is open: one missing quote would else turn all that follows inside out.
_QUOTES = re.compile(
    "|".join(
        rf"({opening}(?:(?!\n[ \t]*\n)[^{closing}])*)[{closing}]?"
        for opening, closing in (('"', '"'), ("“", "”"), ("„", "“”"), ("«", "»"), ("「", "」"))
    )
)
_SENTENCE_ENDS = re.compile(r"([.!?…。]+[\"'”’»)\]]*\s*)")
_STRINGS = r"""("(?:\\.|[^"\\\n])*)"?|('(?:\\.|[^'\\\n])*)'?"""
_CURLY = re.compile(rf"(?P<comment>//[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?)|{_STRINGS}")
_HASHED = re.compile(rf"(?P<comment>\#[^\n]*)|{_STRINGS}")


def measure(texts: Sequence[str], properties: Mapping[str, Property]) -> Floats:
    """Return properties of some texts, each measured on its own.

    Parameters
    ----------
    texts : sequence of str
        The texts.
    properties : mapping of str to callable
        Each takes a text and returns a number for each of its characters.

    Returns
    -------
    ndarray of float64, (n_characters, n_properties)
        The numbers, one text after the other.

    Raises
    ------
    ValueError
        If a property does not give one finite number for each character.

    Examples
    --------
    >>> measure(["a(b)", "c"], {"bracket depth": PROPERTIES["bracket depth"]}).ravel().tolist()
    [0.0, 1.0, 1.0, 0.0, 0.0]
    """
    rows = []
    for text in texts:
        columns = [_numbers(name, found(text), len(text)) for name, found in properties.items()]
        rows.append(np.stack(columns, axis=1) if columns else np.empty((len(text), 0)))
    return np.concatenate(rows) if rows else np.empty((0, len(properties)))


def _numbers(name: str, given: object, n: int) -> Floats:
    """What a property gave, as so many finite numbers."""
    problem = f"the property {name!a} must give one finite number for each character of the text, {n:,} of them"
    try:
        found: Floats = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:  # strings, complex numbers, lists of unequal lengths
        raise ValueError(problem) from error
    if found.shape != (n,) or not np.isfinite(found).all():
        raise ValueError(problem)
    return found


def is_code(text: str) -> bool:
    """Whether a text looks like a program: 4 % of its characters are among those that programs are full of.

    Examples
    --------
    >>> is_code("if (x == 0) { return; }"), is_code("To be, or not to be; that is the question.")
    (True, False)
    """
    return sum(map(text.count, "(){}[];=<>_/#")) >= 0.04 * max(1, len(text))


def _inside(pattern: re.Pattern[str], text: str, group: str | None = None) -> Floats:
    """1 at the characters that a group of a pattern covers: the one of that name, or any without a name."""
    found = np.zeros(len(text))
    for match in pattern.finditer(text):
        start, end = match.span(group or match.lastindex or 0)
        if start >= 0 and (group or match.lastgroup is None):
            found[start:end] = 1
    return found


def _each(text: str, test: Callable[[str], bool]) -> npt.NDArray[np.bool_]:
    """Which characters pass a test."""
    passed = {character for character in set(text) if test(character)}
    return np.fromiter((character in passed for character in text), bool, len(text))


def _since(marks: npt.NDArray[np.bool_]) -> Floats:
    """Characters since the last mark, 0 at a mark itself; before the first one counted from the start, 1 there."""
    places = np.arange(1, marks.size + 1)
    found: Floats = (places - np.maximum.accumulate(np.where(marks, places, 0))).astype(np.float64)
    return found


def _in_line(text: str) -> Floats:
    return _since(_each(text, "\n".__eq__))


def _indentation(text: str) -> Floats:
    """Spaces and tabs at the start of the line, as many as have been read."""
    found: list[int] = []
    for line in text.split("\n"):
        blank = len(line) - len(line.lstrip(" \t"))
        found += [min(place, blank) for place in range(1, len(line) + 1)]
        found.append(0)
    return np.array(found[:-1], np.float64)


def _depth(text: str) -> Floats:
    """How many brackets are open; one that closes what is not open is passed over."""
    steps = np.cumsum(_each(text, "([{".__contains__) * 1 - _each(text, ")]}".__contains__) * 1)
    found: Floats = (steps - np.minimum(np.minimum.accumulate(steps), 0)).astype(np.float64)
    return found


def _in_word(text: str) -> npt.NDArray[np.bool_]:
    return _each(text, str.isalpha)


def _word_ends(text: str) -> Floats:
    """1 at the last letter of a word; the last character of a text is none, for nothing says so."""
    word = _in_word(text)
    follows = np.append(word[1:], np.ones(min(1, word.size), bool))
    found: Floats = (word & ~follows).astype(np.float64)
    return found


def _code(text: str, group: str | None) -> Floats:
    """Comments or strings; comments begin with # unless the text has those of C."""
    pattern = _CURLY if "/*" in text or re.search(r"^\s*//", text, re.MULTILINE) else _HASHED
    return _inside(pattern, text, group)


OF_CODE = ("inside a comment", "inside a string")  # looked for in programs alone
PROPERTIES: dict[str, Property] = {
    "inside quotes": lambda text: _inside(_QUOTES, text),
    "position in the line": _in_line,
    "indentation": _indentation,
    "bracket depth": _depth,
    "inside a word": lambda text: _in_word(text).astype(np.float64),
    "position in the word": lambda text: _since(~_in_word(text)),
    "last letter of a word": _word_ends,
    "capitals": lambda text: _each(text, str.isupper).astype(np.float64),
    "digits": lambda text: _each(text, str.isdigit).astype(np.float64),
    "between sentences": lambda text: _inside(_SENTENCE_ENDS, text),
    "inside a comment": lambda text: _code(text, "comment"),
    "inside a string": lambda text: _code(text, None),
}
