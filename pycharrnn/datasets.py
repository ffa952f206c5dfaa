"""Small corpora by name, for a first run without a download."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["load", "names", "topics"]


def topics() -> str:
    """Return the language topics of Python's own ``help()``: some 430 kilobytes of technical English.

    They come with CPython, so this corpus is always there; for the same reason **it differs from one Python
    release to the next**. CPython 3.11.7 has 426,537 characters, 103 of them distinct; 3.12.1 has 442,502
    (104); 3.13.0 has 451,243 (104). Do not compare losses across Python releases. The topics are sorted by
    name, with a blank line between two, and have lost their tables; one character in a thousand is not ASCII.

    Examples
    --------
    >>> topics().startswith('The "assert" statement')
    True
    """
    try:
        from pydoc_data.topics import topics as texts
    except ImportError as error:
        raise ImportError(
            "this Python lacks the module pydoc_data, which holds the corpus 'topics'; install the complete "
            "standard library (Debian, Ubuntu: apt install python3), or train on a text of your own"
        ) from error
    text = "\n\n".join(texts[key].strip("\n") for key in sorted(texts)) + "\n"
    # Without its tables, drawn with + and |: their rules and padding would be most of what a model learns to write.
    return "\n".join(line for line in text.split("\n") if not line.lstrip(" ").startswith(("|", "+")))


NAMES: dict[str, Callable[[], str]] = {"topics": topics}


def names() -> tuple[str, ...]:
    """Return the names that `load` knows.

    Examples
    --------
    >>> names()
    ('topics',)
    """
    return tuple(NAMES)


def load(name: str) -> str:
    """Return the corpus of that name.

    Examples
    --------
    >>> load("topics") == topics()
    True
    """
    if name not in names():  # the tuple, not the table, so that an unhashable name is an unknown one too
        raise ValueError(f"unknown corpus {name!a}; the known ones are: {', '.join(names())}")
    return NAMES[name]()
