"""Heat maps: the values of some units over a text, in HTML and as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pycharrnn.arrays import Array
from pycharrnn.errors import ParameterTypeError, ParameterValueError
from pycharrnn.lab.passages import Recording, passages, snapshot, units_of
from pycharrnn.lab.visible import END, LINE_END, TAB, stand_in
from pycharrnn.messages import shown
from pycharrnn.trained import Trained, learned

__all__ = ["HeatMap", "look"]

_ROWS = 8  # units that are shown if nobody says which
_MOST = 2_000  # characters that a notebook shows


class HeatMap(NamedTuple):
    """The values of some units over a text. A notebook shows it as coloured text.

    Attributes
    ----------
    units : list of (int, str, int)
        Layer, state and unit, both numbers from 0.
    characters : list of str
        The characters of the text, or what stands for them.
    values : ndarray, (n_units, n_characters)
        Their values after each character.
    """

    units: list[tuple[int, str, int]]
    characters: list[str]
    values: Array

    @property
    def names(self) -> list[str]:
        """What each unit is called: ``"h[0, 3]"`` is ``model.activations(text)["h"][0, :, 3]``."""
        return [f"{state}[{layer}, {unit}]" for layer, state, unit in self.units]

    def html(self, most: int | None = None) -> str:
        """Return an element of a page: the text once for each unit, coloured by it. Its text is escaped.

        Parameters
        ----------
        most : int or None, default None
            Characters to show; None shows all.
        """
        import html  # only now: importing the names of all entities takes its time

        shown = [html.escape("→\t" if one == TAB else one) for one in self.characters[:most]]
        blocks = []
        for name, row in zip(self.names, self.values, strict=True):
            scale = float(np.abs(row).max(initial=0)) or 1.0
            parts = []
            for one, value in zip(shown, row.tolist(), strict=False):
                end = "\n" * (one in (LINE_END, END))
                parts.append(f'<span style="background:{_color(value / scale)}" title="{value:.3g}">{one}</span>{end}')
            style = (
                "white-space:pre-wrap;overflow-wrap:anywhere;overflow:hidden;margin:0 0 .6em;color:#000;background:#fff"
            )
            about = f"<p>{name}, from {-scale:.3g} (blue) to {scale:.3g} (orange)</p>"
            blocks.append(f'{about}<pre dir="auto" style="{style}">\n{"".join(parts)}</pre>')
        return f"<div>{''.join(blocks)}</div>"

    def _repr_html_(self) -> str:
        return self.html(_MOST)

    def plot(self, ax: Any = None) -> Any:
        """Draw it with matplotlib.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default None
            Where to draw; None makes a figure.

        Returns
        -------
        matplotlib.figure.Figure
            The figure: ``figure.savefig("units.png")`` writes it.

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        from pycharrnn.lab.plots import plot_values

        return plot_values(self.values, self.names, self.characters, ax=ax)


def look(model: Trained, text: str, units: Sequence[tuple[int, str, int]] | None = None) -> HeatMap:
    """Let a model read a text, and return the values of some of its units.

    Parameters
    ----------
    model : CharRNN
        A trained model.
    text : str
        The text; for a model of documents, one of them.
    units : sequence of (int, str, int) or None, default None
        Which units: layer, state and unit, as `Tracker` has them. None takes the eight that vary most.

    Returns
    -------
    HeatMap
        Their values.

    Raises
    ------
    NotFittedError, TypeError, ValueError, UnknownCharacterError
        If the model is not trained, the text is none or has fewer than two characters that the model knows, or there is
        no such unit.

    Examples
    --------
    >>> from pycharrnn import CharRNN
    >>> model = CharRNN(hidden_size=16, random_state=0).fit("hello world. " * 20)
    >>> found = look(model, "hello world", [(0, "h", 3)])
    >>> found.names, found.values.shape, bool((found.values[0] == model.activations("hello world")["h"][0, :, 3]).all())
    (['h[0, 3]'], (1, 11), True)
    """
    if not isinstance(text, str):
        raise ParameterTypeError("text", f"must be a str, got {shown(text)}")
    if not (units is None or isinstance(units, Sequence)) or isinstance(units, str):
        raise ParameterTypeError("units", f"must be a list of (layer, state, unit), or None, got {shown(units)}")
    model = snapshot(model)
    vocabulary = learned(model).vocabulary
    [passage] = passages(model, text)
    states = Recording.of(model, passage).states
    every = units_of(model)
    if units is None:
        rows = np.sort(np.argsort(-states.std(axis=1), kind="stable")[:_ROWS]).tolist()
    else:
        for unit in units:
            if unit not in every:
                wanted = f"(layer, state, unit), from {every[0]} to {every[-1]}"
                raise ParameterValueError("units", f"must be {wanted}, got {shown(unit)}")
        rows = [every.index(unit) for unit in units]
    ends = passage.ids == vocabulary.end if vocabulary.end is not None else np.zeros(len(passage.ids), bool)
    characters = [stand_in(one) for one in vocabulary.decode(passage.ids)]
    return HeatMap(
        [every[row] for row in rows],
        [END if end else one for end, one in zip(ends.tolist(), characters, strict=True)],
        states[rows],
    )


def _color(share: float) -> str:
    """The colour of a value, from -1 to 1."""
    from pycharrnn.lab.plots import DIVERGING

    end = DIVERGING[0] if share < 0 else DIVERGING[2]
    parts = (int(end[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 + abs(share) * (part - 255)):02x}" for part in parts)
