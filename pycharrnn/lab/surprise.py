"""Texts that are coloured by how surprising each character is: for a terminal, a notebook, a page, a table."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pycharrnn.arrays import Floats
from pycharrnn.examiner import Examiner, listed
from pycharrnn.lab.passages import snapshot
from pycharrnn.lab.visible import END, TAB, escape, stand_in
from pycharrnn.trained import learned

__all__ = ["LEVELS", "MOST", "Cell", "Level", "Surprise", "look", "names"]

MOST = 100_000  # characters that a page shows: with more a browser would be slow
_FEW = 20_000  # characters that a notebook shows


class Level(NamedTuple):
    """A shade of the scale, for surprises from so many bits on.

    Attributes
    ----------
    least : float
        Bits.
    paper, ink : str
        The colours of the background and of the character, in hexadecimal digits.
    code : int
        The background among the 256 colours of a terminal.
    """

    least: float
    paper: str
    ink: str
    code: int


# Each is darker than the one before it, so that the scale needs no colours to be read.
LEVELS = (
    Level(0, "#ffffff", "#000000", 231),
    Level(1, "#ffffaf", "#000000", 229),
    Level(2, "#ffd787", "#000000", 222),
    Level(4, "#ffaf5f", "#000000", 215),
    Level(6, "#d75f00", "#000000", 166),
    Level(9, "#870000", "#ffffff", 88),
)


class Cell(NamedTuple):
    """A character as it is shown.

    Attributes
    ----------
    shown : str
        The character, or what stands for it.
    bits : float
        Its surprise; NaN if there is none.
    breaks : bool
        Whether a line ends after it.
    """

    shown: str
    bits: float
    breaks: bool

    @property
    def level(self) -> Level | None:
        """Its shade; None without a surprise."""
        return None if math.isnan(self.bits) else next(level for level in reversed(LEVELS) if self.bits >= level.least)


class Surprise(NamedTuple):
    """How surprising each character of some texts is. A notebook shows it as coloured text.

    Attributes
    ----------
    texts : list of str
        The texts.
    bits : list of ndarray of float64
        Of each text: -log2 p of each of its characters, given those before it. NaN where nothing was predicted: the
        first character of a running text, and those that `on_unknown` leaves out.
    ends : list of float or None
        The same of the end of each document; None for running texts.
    """

    texts: list[str]
    bits: list[Floats]
    ends: list[float] | None

    @property
    def mean(self) -> float:
        """The mean of all, in bits; NaN if there is none."""
        known = np.concatenate([*self.bits, np.array(self.ends or ())])
        known = known[~np.isnan(known)]
        return float(known.mean()) if known.size else math.nan

    def cells(self, most: float = math.inf) -> Iterator[Cell]:
        """Yield the characters as they are shown, at most so many."""
        n = 0
        for place, (text, bits) in enumerate(zip(self.texts, self.bits, strict=True)):
            for character, surprise in zip(text, bits.tolist(), strict=True):
                if n >= most:
                    return
                n += 1
                yield Cell(stand_in(character), surprise, character == "\n")
            if self.ends is not None:
                yield Cell(END, self.ends[place], True)

    def table(self) -> Iterator[str]:
        r"""Yield the lines of a table with tabs between its columns, line ends included.

        The columns are the number of the text and the position in it, both from 0, the character with the escapes of
        JSON, and the bits. The end of a document is a row without a character. Without a prediction there are no bits.
        """
        yield "text\tposition\tcharacter\tbits\n"
        for place, (text, bits) in enumerate(zip(self.texts, self.bits, strict=True)):
            shown = [*map(escape, text)]
            values = bits.tolist()
            if self.ends is not None:
                shown.append("")
                values.append(self.ends[place])
            for position, (character, value) in enumerate(zip(shown, values, strict=True)):
                yield f"{place}\t{position}\t{character}\t{'' if math.isnan(value) else f'{value:.4f}'}\n"

    def html(self, most: float = math.inf) -> str:
        """Return the coloured text as an element of a page, and its legend; no style and no script from elsewhere.

        Parameters
        ----------
        most : float, default inf
            Characters to show.

        Returns
        -------
        str
            The element. Its text is escaped.
        """
        import html  # only now: importing the names of all entities takes its time

        parts = []
        for cell in self.cells(most):
            shown = html.escape("→\t" if cell.shown == TAB else cell.shown)
            end = "\n" * cell.breaks
            parts.append(f"{_painted(shown, cell.level, f'{cell.bits:.1f} bits')}{end}")
        n = sum(map(len, self.texts))
        cut = f"<p>The first {most:,} of {n:,} characters.</p>" if n > most else ""
        legend = "".join(
            _painted(f" {name} ".replace(" ", "&nbsp;"), level) for level, name in zip(LEVELS, names(), strict=True)
        )
        style = "white-space:pre-wrap;overflow-wrap:anywhere;overflow:hidden;font-family:monospace;line-height:1.6"
        pre = f'<pre dir="auto" style="{style};background:#fff;color:#000;padding:.5em">\n{"".join(parts)}</pre>'
        return f"<div><p>Surprise in bits: {legend}</p>{pre}{cut}</div>"

    def page(self, title: str) -> bytes:
        """Return a page of its own, in UTF-8, with the first `MOST` characters. It fetches nothing and runs nothing."""
        import html

        shown = html.escape("".join(map(stand_in, title)))
        mean = "" if math.isnan(self.mean) else f"<p>{self.mean:.3f} bits per character in the mean.</p>"
        head = (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta http-equiv="Content-Security-Policy" '
            "content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f'<title>Surprise: {shown}</title>\n</head>\n<body style="background:#fff;color:#000;'
            'font-family:sans-serif;max-width:50rem;margin:0 auto;padding:1rem">\n'
        )
        page = f'{head}<h1 style="font-size:1.3rem;overflow-wrap:anywhere">{shown}</h1>\n{mean}\n{self.html(MOST)}\n'
        return f"{page}</body>\n</html>\n".encode()

    def _repr_html_(self) -> str:
        return self.html(_FEW)


def look(model: Examiner, X: str | Sequence[str], exact: bool = False) -> Surprise:
    """Let a model read texts, and say how surprising each character is.

    Parameters
    ----------
    model : CharRNN
        A trained model.
    X : str or sequence of str
        A text, or several, each read on its own. A model of documents takes each text as one.
    exact : bool, default False
        As for `CharRNN.surprise`.

    Returns
    -------
    Surprise
        The texts with their bits.

    Raises
    ------
    NotFittedError, TypeError, ValueError, UnknownCharacterError
        As of `CharRNN.surprise`.

    Examples
    --------
    >>> from pycharrnn import CharRNN
    >>> model = CharRNN(hidden_size=16, random_state=0).fit("hello world. " * 20)
    >>> found = look(model, "hello")
    >>> len(found.bits[0]), bool(found.bits[0][1] == model.surprise("hello", unit="bits")[0])
    (5, True)
    >>> found.html().count("<span")  # four characters, and six levels in the legend
    10
    """
    texts = listed(X)
    model = snapshot(model)
    vocabulary = learned(model).vocabulary
    skips = model.on_unknown == "skip"
    documents = vocabulary.end is not None
    found, ends = [], []
    for text, read in zip(texts, model.surprise(texts, unit="bits", exact=exact), strict=True):
        known = np.array([not skips or character in vocabulary for character in text], bool)
        own = read[:-1] if documents else np.concatenate([[np.nan] * min(1, int(known.sum())), read])
        bits = np.full(len(text), np.nan)
        bits[known] = own
        found.append(bits)
        ends.append(float(read[-1]) if documents else math.nan)
    return Surprise(texts, found, ends if documents else None)


def names() -> list[str]:
    """Return what the legend calls each level.

    Examples
    --------
    >>> names()
    ['below 1', '1 to 2', '2 to 4', '4 to 6', '6 to 9', '9 and more']
    """
    ends = [f"{level.least:g}" for level in LEVELS[1:]]
    between = [f"{one} to {other}" for one, other in itertools.pairwise(ends)]
    return [f"below {ends[0]}", *between, f"{ends[-1]} and more"]


def _painted(shown: str, level: Level | None, about: str = "") -> str:
    """A piece of HTML with the colours of a level."""
    if level is None:
        return shown
    title = f' title="{about}"' if about else ""
    return f'<span style="background:{level.paper};color:{level.ink}"{title}>{shown}</span>'
