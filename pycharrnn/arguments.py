"""Checks of what a user passes: every error names the parameter, what it must be and what it was."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np


def close(name: object, known: Iterable[str]) -> str:
    """A question that begins with a space, whether the known name that is most like `name` is meant; "" if none is.

    Examples
    --------
    >>> close("LSTM", ["rnn", "lstm"]), close("--seqlength", ["--seq-length"]), close("transformer", ["rnn"])
    (" (did you mean 'lstm'?)", ' (did you mean --seq-length?)', '')
    """
    import difflib  # only now: it is needed for mistakes alone

    names = {_bare(word): word for word in known}
    for word in difflib.get_close_matches(_bare(name), names, 1, 0.65) if isinstance(name, str) else ():
        return f" (did you mean {names[word] if names[word].startswith('-') else repr(names[word])}?)"
    return ""


def _bare(word: str) -> str:
    """The word without what is easily confused."""
    return word.strip("-").replace("_", "-").lower()


def choice(name: str, value: Any, known: Collection[str]) -> None:
    """`value` is one of the known names."""
    if not isinstance(value, str) or value not in known:
        listed = ", ".join(map(repr, known))
        raise ValueError(f"{name} must be one of {listed}, got {value!a}{close(value, known)}")


def string(name: str, value: Any) -> None:
    """`value` is one text."""
    if not isinstance(value, str):
        many = "; for several, make a call for each" if isinstance(value, (list, tuple)) else ""
        raise TypeError(f"{name} must be one str, not {type(value).__name__}{many}")


def integer(name: str, value: Any, least: int, most: int) -> None:
    """`value` is an integer from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, got {value!a}")
    if not least <= value <= most:
        raise ValueError(f"{name} must be at least {least} and at most {most}, got {value!a}")


def real(name: str, value: Any, zero: bool = False) -> None:
    """`value` is a finite number above 0, or, with `zero`, at least 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, got {value!a}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or number < 0 or (number == 0 and not zero):
        raise ValueError(f"{name} must be finite and {'at least' if zero else 'above'} 0, got {value!a}")


def generator(random_state: Any) -> np.random.Generator:
    """The generator that a `random_state` stands for."""
    if random_state is not None and not isinstance(random_state, (np.random.Generator, np.random.SeedSequence)):
        integer("random_state", random_state, 0, 2**128)
    return np.random.default_rng(random_state)
