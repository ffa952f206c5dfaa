"""What settings of a drawing may be, beside numbers: characters, strings, a bias, a function."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from pycharrnn.arguments import Kind, Real
from pycharrnn.errors import ParameterTypeError, ParameterValueError
from pycharrnn.messages import shown
from pycharrnn.sampling.novelty import NoveltyIndex


def unescape(text: str) -> str:
    r"""Return the text, with the escapes of JSON read.

    Raises
    ------
    ValueError
        If a backslash begins no escape of JSON; the message says which.

    Examples
    --------
    >>> unescape(r"a\tb\u00e9")
    'a\tbé'
    """

    def read(escapes: re.Match[str]) -> str:
        try:
            return str(json.loads(f'"{escapes[0]}"'))  # a run of them, since two may be halves of one character
        except ValueError:
            raise ValueError(rf"unknown escape in {escapes[0]!a}: write \\ for a backslash") from None

    return re.sub(r"(?s:\\u[0-9a-fA-F]{4}|\\.|\\$)+", read, text)


class Share(Real):
    """A share of the whole: above 0, or at least 0 with `zero`, and at most 1.

    Examples
    --------
    >>> Share().range, Share(zero=True).type
    ('above 0 and at most 1', 'float in [0, 1]')
    """

    def __init__(self, *, zero: bool = False) -> None:
        super().__init__(zero=zero)
        self.range = f"{self.least} and at most 1"
        self.type = f"float in {'[' if zero else '('}0, 1]"

    def check(self, name: str, value: Any) -> None:
        super().check(name, value)
        if value > 1:
            raise ParameterValueError(name, f"must be at most 1, got {shown(value)}")


class Characters(Kind):
    """Some characters, in one str.

    Examples
    --------
    >>> Characters().check("allow", "")
    Traceback (most recent call last):
    pycharrnn.errors.ParameterValueError: allow must have at least one character, got ''
    """

    noun = "characters, with the escapes of JSON"
    type = "str"

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, str):
            raise ParameterTypeError(name, f"must be a str of characters, got {shown(value)}")
        if not value:
            raise ParameterValueError(name, "must have at least one character, got ''")

    def read(self, text: str) -> str:
        return unescape(text)


class Strings(Kind):
    """A str, or several; none of them is empty.

    Examples
    --------
    >>> Strings().check("stop", ["END", ""])
    Traceback (most recent call last):
    pycharrnn.errors.ParameterValueError: stop must not be empty, got ['END', '']
    """

    noun = "a str, with the escapes of JSON"
    type = "str or sequence of str"

    def check(self, name: str, value: Any) -> None:
        several = isinstance(value, (list, tuple))
        if not all(isinstance(one, str) for one in (value if several else [value])):
            raise ParameterTypeError(name, f"must be a str or a list of str, got {shown(value)}")
        if not value or (several and "" in value):
            raise ParameterValueError(name, f"must not be empty, got {shown(value)}")

    def read(self, text: str) -> str:
        return unescape(text)


class Regex(Kind):
    """A regular expression, as text.

    Examples
    --------
    >>> Regex().check("pattern", "")
    Traceback (most recent call last):
    pycharrnn.errors.ParameterValueError: pattern must not be empty, got ''
    """

    noun = "a regular expression"
    type = "str"

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, str):
            raise ParameterTypeError(name, f"must be a regular expression as a str, got {shown(value)}")
        if not value:
            raise ParameterValueError(name, "must not be empty, got ''")


class Bias(Kind):
    """A number for each of some characters.

    Examples
    --------
    >>> Bias().read(r"e=-1.5,\\n=2")
    {'e': -1.5, '\\n': 2.0}
    """

    noun = r"characters with their numbers, as e=-1.5,\n=2"
    type = "dict of str to float"

    def check(self, name: str, value: Any) -> None:
        numbers = (int, float, np.integer, np.floating)
        if not isinstance(value, Mapping):
            raise ParameterTypeError(name, f"must be a dict of characters and numbers, got {shown(value)}")
        for character, number in value.items():
            if not isinstance(character, str) or len(character) != 1:
                raise ParameterValueError(name, f"must have single characters as keys, got {character!a}")
            if isinstance(number, bool) or not isinstance(number, numbers):
                raise ParameterTypeError(name, f"must have a number for {character!a}, got {shown(number)}")
            if not -math.inf < number < math.inf:
                never = "; to keep a character out, pass it as ban" if number < 0 else ""
                raise ParameterValueError(
                    name, f"must have a finite number for {character!a}, got {shown(number)}{never}"
                )

    def read(self, text: str) -> dict[str, float]:
        found, rest = {}, unescape(text)
        while rest:
            match = re.match(r"(.)=([^,]+)(?:,(?=.)|$)", rest, re.DOTALL)
            if match is None:
                raise ValueError(rest)
            found[match[1]] = float(match[2])
            rest = rest[match.end() :]
        return found


class Function(Kind):
    """Something that can be called. No command line can give it."""

    noun = "a callable"
    type = "callable"

    def check(self, name: str, value: Any) -> None:
        if not callable(value):
            raise ParameterTypeError(name, f"must be callable, got {shown(value)}")


class Index(Kind):
    """An index of a corpus. No command line can give it.

    Examples
    --------
    >>> Index().check("novel", "the cat sat on the mat")
    Traceback (most recent call last):
    pycharrnn.errors.ParameterTypeError: novel must be a NoveltyIndex of the corpus, as NoveltyIndex(text, n=20), ...
    """

    noun = "a NoveltyIndex"
    type = "NoveltyIndex"

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, NoveltyIndex):
            made = "NoveltyIndex(text, n=20)"
            raise ParameterTypeError(name, f"must be a NoveltyIndex of the corpus, as {made}, got {shown(value)}")
