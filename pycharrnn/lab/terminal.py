"""Texts with their surprise on a terminal: in shades, or with digits below them where there are no colours."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from pycharrnn.lab.surprise import LEVELS, Cell, Level, Surprise, names
from pycharrnn.lab.visible import LINE_END, columns

__all__ = ["lines"]


def lines(surprise: Surprise, width: int, colors: bool, encoding: str = "utf-8") -> Iterator[str]:
    """Yield the lines that show texts on a terminal, a legend first. No character of the texts acts there.

    Parameters
    ----------
    surprise : Surprise
        The texts.
    width : int
        Columns of the terminal.
    colors : bool
        Whether shades tell the surprise. Otherwise a digit below each character does.
    encoding : str, default "utf-8"
        Of the terminal: characters that it lacks become escapes.
    """
    if colors:
        yield "surprise in bits: " + "".join(
            _shaded(f" {name} ", level) for level, name in zip(LEVELS, names(), strict=True)
        )
    else:
        yield "the digit below a character: its surprise in whole bits, 9 for 9 and more"
    row: list[Cell] = []
    used = 0
    for cell in surprise.cells():
        cell = cell._replace(shown=_encodable(cell.shown, encoding))
        wanted = columns(cell.shown)
        if row and used + wanted > width:
            yield from _row(row, colors)
            row, used = [], 0
        row.append(cell)
        used += wanted
        if cell.breaks:
            yield from _row(row, colors)
            row, used = [], 0
    if row:
        yield from _row(row, colors)


def _row(row: Sequence[Cell], colors: bool) -> Iterator[str]:
    """A line of the text, and one of digits if there are no colours."""
    if colors:
        runs = itertools.groupby(row, lambda cell: cell.level)
        yield "".join(_shaded("".join(cell.shown for cell in run), level) for level, run in runs)
        return
    yield "".join(cell.shown for cell in row)
    yield "".join(_digit(cell.bits).ljust(columns(cell.shown))[: columns(cell.shown)] for cell in row).rstrip()


def _digit(bits: float) -> str:
    """The digit for a surprise: none below one bit, or where there is no surprise."""
    return str(min(9, int(bits))) if bits >= 1 else " "


def _shaded(shown: str, level: Level | None) -> str:
    """A text with the colours of a level on a terminal of 256."""
    if level is None:
        return shown
    return f"\x1b[38;5;{16 if level.ink == '#000000' else 231};48;5;{level.code}m{shown}\x1b[0m"


def _encodable(shown: str, encoding: str) -> str:
    """What the terminal can show of it, with an escape for the rest."""
    written = shown.encode(encoding, "backslashreplace").decode(encoding)
    return "\\n" if shown == LINE_END != written else written
