"""Characters that one sees: stand-ins for those that show nothing, or that would change how a line reads."""

from __future__ import annotations

import unicodedata

__all__ = ["END", "LINE_END", "TAB", "columns", "escape", "stand_in"]

LINE_END = "↵"
TAB = "→"
END = "␃"  # of a document


def stand_in(character: str) -> str:
    r"""Return what shows a character: itself, a picture of a control character, or an escape.

    Line ends and tabs get pictures as well. Escapes are those of Python: of format characters, which join letters or
    turn a line around, of lone surrogates, and of what is no character.

    Examples
    --------
    >>> [stand_in(character) for character in "a é\x00\x1b\n\t\x85\u202e\ud800"]
    ['a', ' ', 'é', '␀', '␛', '↵', '→', '\\x85', '\\u202e', '\\ud800']
    """
    code = ord(character)
    if character in "\n\t":
        return LINE_END if character == "\n" else TAB
    if code < 32 or code == 127:
        return chr(0x2421 if code == 127 else 0x2400 + code)
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode()


def escape(character: str) -> str:
    r"""Return a character as one field of a table has it, with the escapes of JSON where it would not show.

    Examples
    --------
    >>> [escape(character) for character in "a \n\\\x1b"]
    ['a', ' ', '\\n', '\\\\', '\\u001b']
    """
    import json  # only now: few programs write such a table

    if character.isprintable() and character != "\\":
        return character
    return json.dumps(character)[1:-1]


def columns(shown: str) -> int:
    """Return how many columns of a terminal a text takes.

    Examples
    --------
    >>> columns("a"), columns("猫"), columns("\u0301")
    (1, 2, 0)
    """
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in shown)
    return len(shown) + wide - sum(unicodedata.category(character) in ("Mn", "Me") for character in shown)
