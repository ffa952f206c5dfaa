"""Messages that name parameters: Python reads ``on_unknown='skip'``, the command line ``--on-unknown skip``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

_LONG = 120  # characters of a value that an error shows, about


class Setting(NamedTuple):
    """A parameter that a message names, with the value to give it if there is one.

    Parameters
    ----------
    name : str
        Its name in Python.
    value : object, optional
        The value; ``...`` stands for one that the reader has to choose.

    Examples
    --------
    >>> print(Setting("field"), Setting("field", ...), Setting("on_unknown", "skip"))
    field field= on_unknown='skip'
    """

    name: str
    value: Any = NotImplemented  # the name alone; None is a value

    def __str__(self) -> str:
        if self.value is NotImplemented:
            return self.name
        return f"{self.name}={'' if self.value is ... else repr(self.value)}"


class Message(str):
    """A text that knows which of its words are parameters.

    Parameters
    ----------
    *parts : str, Setting or Message
        What the text consists of, in order.

    Examples
    --------
    >>> message = Message("row 4 is empty: ", Setting("on_bad", "skip"), " leaves it out")
    >>> print(message)
    row 4 is empty: on_bad='skip' leaves it out
    >>> spelled(message, lambda setting: f"--{setting.name}")
    'row 4 is empty: --on_bad leaves it out'
    """

    parts: tuple[str | Setting, ...]

    def __new__(cls, *parts: str | Setting) -> Message:
        message = super().__new__(cls, "".join(map(str, parts)))
        message.parts = parts
        return message

    def __reduce__(self) -> tuple[type[Message], tuple[str | Setting, ...]]:
        return Message, self.parts


def advice(text: str) -> Message:
    """Return the message of a text that has its parameters in braces.

    Parameters
    ----------
    text : str
        A constant text. What a user gives may have braces: make it a part of its own in a `Message`.

    Examples
    --------
    >>> print(advice("lower {batch_size}, pass {field=} or use {on_bad=skip}"))
    lower batch_size, pass field= or use on_bad='skip'
    """
    parts: list[str | Setting] = []
    for i, part in enumerate(re.split(r"\{(.*?)\}", text)):
        name, equals, value = part.partition("=")
        if i % 2:  # what stood in braces
            parts.append(Setting(name, value or ...) if equals else Setting(name))
        else:
            parts.append(part)
    return Message(*parts)


def shown(value: object) -> str:
    """Return a value as an error shows it: in ASCII, and shortened if it is long.

    Examples
    --------
    >>> shown("a" * 1000), shown([3, None]), shown([0] * 1000)
    ("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...' (1,000 characters)", '[3, None]', 'a list of 1,000')
    """
    name = type(value).__name__[:_LONG]
    try:
        if isinstance(value, (str, bytes, bytearray)) and len(value) > _LONG:
            unit = "characters" if isinstance(value, str) else "bytes"
            return f"{ascii(value[: _LONG // 3])[:-1]}...' ({len(value):,} {unit})"
        if isinstance(value, (list, tuple, set, frozenset, dict, range)) and len(value) > _LONG:
            return f"a {name} of {len(value):,}"
        text = ascii(value)
        return text if len(text) <= 2 * _LONG else f"{text[:_LONG]}... ({len(text):,} characters)"
    except ValueError:  # Python writes no integer of more than some thousand digits
        return f"a {name} that is too long to show"
    except Exception:  # of a __repr__ that fails
        return f"a {name} that cannot be shown"


def message_of(error: object) -> str:
    """Return the message of an error or a warning: a `Message` if it has one.

    Examples
    --------
    >>> type(message_of(ValueError(Message("pass ", Setting("field"))))), message_of(ValueError("no"))
    (<class 'pycharrnn.messages.Message'>, 'no')
    """
    own = getattr(error, "message", None)
    if isinstance(own, Message):
        return own
    return next((part for part in getattr(error, "args", ()) if isinstance(part, Message)), str(error))


def spelled(message: str, spell: Callable[[Setting], str]) -> str:
    """Return a text with its parameters in another spelling. Only a `Message` knows its parameters.

    Examples
    --------
    >>> spelled("no parameter", repr)
    'no parameter'
    """
    if not isinstance(message, Message):
        return message
    return "".join(spell(part) if isinstance(part, Setting) else spelled(part, spell) for part in message.parts)
