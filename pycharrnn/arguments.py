"""What arguments may be: kinds of values, each of which checks one, reads one from text and says what it allows.

Every error names the parameter, what it must be and what it was.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from pycharrnn.errors import ParameterTypeError, ParameterValueError
from pycharrnn.messages import shown

# NumPy imports its random module at the first use of it; so this is text until somebody asks for the type
RandomState: TypeAlias = "int | np.random.Generator | np.random.SeedSequence | None"
_NAME = 60  # characters: no known name is as long
_ENDLESS = 2**31  # from here on an upper bound protects the kernels: no reader needs to know it


class Kind:
    """What a parameter may be.

    Attributes
    ----------
    noun : str
        What a value is called in an error: "an integer".
    range : str
        What it is restricted to, in words: "from 1 to 64". Empty if to nothing.
    type : str
        What it is called in a docstring, with the range as an interval: "int in [1, 64]".
    """

    noun: str
    range: str = ""
    type: str

    def check(self, name: str, value: Any) -> None:
        """Raise a ParameterValueError or ParameterTypeError with this name unless `value` is of this kind."""
        raise NotImplementedError

    def read(self, text: str) -> Any:
        """Return the value that a text stands for; a ValueError says that it is none. The range is not checked."""
        return text

    def native(self, value: Any) -> Any:
        """Return a checked value as Python's own: a number of NumPy may overflow, and no file can have it."""
        return value.item() if isinstance(value, np.generic) else value

    def plain(self, value: Any) -> Any:
        """Return a checked value as a file has it: a number, a string, a bool, None, or a dict or list of these."""
        return self.native(value)

    def restore(self, stored: Any) -> Any:
        """Return the value that a file has; the range is not checked."""
        return stored


class Integer(Kind):
    """An integer from `least` to `most`.

    Examples
    --------
    >>> layers = Integer(1, 64)
    >>> layers.range, layers.type, layers.read("12")
    ('from 1 to 64', 'int in [1, 64]', 12)
    >>> layers.check("num_layers", 65)
    Traceback (most recent call last):
        ...
    pycharrnn.errors.ParameterValueError: num_layers must be at least 1 and at most 64, got 65
    """

    noun = "an integer"

    def __init__(self, least: int, most: int) -> None:
        self.least = least
        self.most = most
        endless = most >= _ENDLESS
        self.range = f"at least {least}" if endless else f"from {least} to {most:,}"
        self.type = f"int in [{least}, inf)" if endless else f"int in [{least}, {most}]"

    def check(self, name: str, value: Any) -> None:
        if isinstance(value, (bool, np.timedelta64)) or not isinstance(value, (int, np.integer)):
            raise ParameterTypeError(name, f"must be an integer, got {shown(value)}")
        if not self.least <= value <= self.most:
            problem = f"must be at least {self.least} and at most {self.most}, got {shown(value)}"
            raise ParameterValueError(name, problem)

    def read(self, text: str) -> int:
        return int(text)

    def native(self, value: Any) -> int:
        return int(value)


class Real(Kind):
    """A finite number: above 0, or at least 0 with `zero`, and below `below`.

    Examples
    --------
    >>> Real().range, Real(zero=True, below=1).type
    ('above 0', 'float in [0, 1)')
    """

    noun = "a number"

    def __init__(self, *, zero: bool = False, below: float = math.inf) -> None:
        self.zero = zero
        self.below = below
        self.least = "at least 0" if zero else "above 0"
        self.range = self.least if below == math.inf else f"{self.least} and below {below}"
        self.type = f"float in {'[' if zero else '('}0, {below})"

    def check(self, name: str, value: Any) -> None:
        numbers = (int, float, np.integer, np.floating)
        if isinstance(value, (bool, np.timedelta64)) or not isinstance(value, numbers):
            raise ParameterTypeError(name, f"must be a number, got {shown(value)}")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number) or number < 0 or (number == 0 and not self.zero):
            raise ParameterValueError(name, f"must be finite and {self.least}, got {shown(value)}")
        if number >= self.below:
            raise ParameterValueError(name, f"must be below {self.below}, got {shown(value)}")

    def read(self, text: str) -> float:
        return float(text)

    def native(self, value: Any) -> float:
        return float(value) if isinstance(value, np.floating) else super().native(value)


class Choice(Kind):
    """One of some names.

    Examples
    --------
    >>> Choice("rnn", "lstm").check("cell", "LSTM")
    Traceback (most recent call last):
        ...
    pycharrnn.errors.ParameterValueError: cell must be one of 'rnn', 'lstm', got 'LSTM' (did you mean 'lstm'?)
    """

    noun = "a name"

    def __init__(self, *names: str) -> None:
        self.names: Collection[str] = names
        self.type = "{" + ", ".join(f'"{name}"' for name in names) + "}"

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, str) or value not in self.names:
            listed = ", ".join(map(repr, self.names))
            raise ParameterValueError(name, f"must be one of {listed}, got {shown(value)}{close(value, self.names)}")


class OneOf(Choice):
    """A name of a table, or an object of one of the table's classes.

    Parameters
    ----------
    classes : mapping of str to type
        The classes by name.
    objects : str
        What their objects are called in a docstring: "an `optim` object".
    """

    def __init__(self, classes: Mapping[str, type], objects: str) -> None:
        super().__init__(*classes)
        self.classes = classes
        self.type = f"{self.type} or {objects}"

    def check(self, name: str, value: Any) -> None:
        if isinstance(value, type) and value in self.classes.values():
            made = f"{value.__name__}()"
            raise ParameterTypeError(name, f"must be a name or an object, got the class {value.__name__}; pass {made}")
        if not isinstance(value, tuple(self.classes.values())):
            super().check(name, value)

    def plain(self, value: Any) -> Any:
        return value if isinstance(value, str) else {"name": value.name} | value.numbers()

    def restore(self, stored: Any) -> Any:
        if not isinstance(stored, dict):
            return stored
        numbers = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
        return self.classes[str(numbers.pop("name"))](**numbers)


class Flag(Kind):
    """True or False."""

    noun = "True or False"
    type = "bool"

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, bool):
            raise ParameterValueError(name, f"must be True or False, got {shown(value)}")


class Text(Kind):
    """One str."""

    noun = "a str"
    type = "str"

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, str):
            many = "; for several, make a call for each" if isinstance(value, (list, tuple)) else ""
            raise ParameterTypeError(name, f"must be one str, not {value.__class__.__name__}{many}")


class Maybe(Kind):
    """None, one of some words, or a value of a kind.

    Examples
    --------
    >>> entries = Maybe(Integer(1, 2**62), "auto")
    >>> entries.type, entries.read("auto"), entries.read("none"), entries.read("5")
    ('int in [1, inf), "auto" or None', 'auto', None, 5)
    """

    def __init__(self, kind: Kind, *words: str) -> None:
        self.kind = kind
        self.words = words
        flag = isinstance(kind, Flag)
        nouns = ["True, False" if flag else kind.noun, *map(repr, words)]
        types = [kind.type, *(f'"{word}"' for word in words)]
        self.noun = f"{', '.join(nouns)} or None"
        self.range = kind.range
        self.type = f"{', '.join(types)} or None"
        self.closed: tuple[type, ...] = (str,) if words else (object,) if flag else ()  # whose error names all words

    def check(self, name: str, value: Any) -> None:
        if value is None or (isinstance(value, str) and value in self.words):
            return
        try:
            self.kind.check(name, value)
        except (ParameterTypeError, ParameterValueError):
            if isinstance(value, self.closed):
                raise ParameterValueError(name, f"must be {self.noun}, got {shown(value)}") from None
            raise

    def read(self, text: str) -> Any:
        if text.lower() == "none":
            return None
        return text if text in self.words else self.kind.read(text)

    def native(self, value: Any) -> Any:
        return value if value is None or isinstance(value, str) else self.kind.native(value)

    def plain(self, value: Any) -> Any:
        return value if value is None or isinstance(value, str) else self.kind.plain(value)

    def restore(self, stored: Any) -> Any:
        return None if stored is None else self.kind.restore(stored)


class Several(Kind):
    """A sequence of values of one kind.

    Examples
    --------
    >>> Several(Integer(1, 100)).read("5,10")
    [5, 10]
    """

    noun = "a sequence"

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.range = kind.range
        self.type = f"sequence of {kind.type}"

    def check(self, name: str, value: Any) -> None:
        sequence = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
        if not sequence and not (isinstance(value, np.ndarray) and value.ndim == 1):
            raise ParameterTypeError(name, f"must be a sequence, such as a list, got {shown(value)}")
        for part in value:
            self.kind.check(name, part)

    def read(self, text: str) -> list[Any]:
        return [self.kind.read(part) for part in text.split(",")]

    def native(self, value: Any) -> list[Any]:
        return [self.kind.native(part) for part in value]


class Seed(Kind):
    """What randomness comes from: an integer, a NumPy generator, a SeedSequence or None."""

    noun = "an integer, a generator, a SeedSequence or None"
    range = "at least 0"
    type = "int, numpy.random.Generator, numpy.random.SeedSequence or None"

    def check(self, name: str, value: Any) -> None:
        if value is not None and not isinstance(value, (np.random.Generator, np.random.SeedSequence)):
            Integer(0, 2**128).check(name, value)

    def read(self, text: str) -> int | None:
        return None if text.lower() == "none" else int(text)

    def plain(self, value: Any) -> int | None:
        return int(value) if isinstance(value, (int, np.integer)) else None  # a generator is no number to begin from


def generator(random_state: Any) -> np.random.Generator:
    """Return the generator that a `random_state` stands for.

    Examples
    --------
    >>> bool(generator(7).random() == generator(7).random())
    True
    """
    Seed().check("random_state", random_state)
    return np.random.default_rng(random_state)


def close(name: object, known: Iterable[str]) -> str:
    """Return a question that begins with a space: whether the most similar known name is meant; "" if none is similar.

    Examples
    --------
    >>> close("LSTM", ["rnn", "lstm"]), close("--seqlength", ["--seq-length"]), close("transformer", ["rnn"])
    (" (did you mean 'lstm'?)", ' (did you mean --seq-length?)', '')
    """
    import difflib  # only now: it is needed for mistakes alone

    names = {_bare(word): word for word in known}
    short = isinstance(name, str) and len(name) <= _NAME
    for word in difflib.get_close_matches(_bare(str(name)), names, 1, 0.65) if short else ():
        return f" (did you mean {names[word] if names[word].startswith('-') else repr(names[word])}?)"
    return ""


def _bare(word: str) -> str:
    """Return the word without what is easily confused."""
    return word.strip("-").replace("_", "-").lower()
