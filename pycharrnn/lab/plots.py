"""Curves and heat maps. matplotlib is imported when a function is called, pyplot only in notebooks or where in use."""

from __future__ import annotations

import functools
import hashlib
import html
import io
import itertools
import re
import sys
import textwrap
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pycharrnn.arrays import Array

# Okabe and Ito's colours, which the colour-blind tell apart, without their yellow, too light for a line on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DIVERGING = ("#76aae8", "#ffffff", "#f29a48")  # below zero, zero, above: black letters can be read on all of them
_SIZE = (6.5, 4)  # inches
STYLES = ("-", "--", ":", "-.", (0, (8, 1, 1, 1, 1, 1)))  # 7 colours, 5 styles: 35 runs until a pair comes again


def plot_losses(histories: Any, *, per_character: bool = False, show_loss: bool | None = None, ax: Any = None) -> Any:
    """Draw the smooth loss of one or more runs against the updates.

    The vertical axis is cut to where the curves spend their time: the first updates may lie above it. The ends of
    epochs are marked if they are the same in all runs; runs on different texts have others.

    Parameters
    ----------
    histories : History, or mapping of str to History
        One run, or several by the names that the legend gives them.
    per_character : bool, default False
        Nats per character against characters read, `seq_length` with each update, so that runs with windows of
        different lengths can be compared.
    show_loss : bool or None, default None
        Whether to draw the loss of the windows behind the smooth loss. None does so for a single run.
    ax : matplotlib.axes.Axes or None, default None
        Where to draw. None makes a figure of 6.5 by 4 inches, or taller for many names. In a notebook, and wherever
        the program has imported pyplot, it is pyplot's current figure, so that ``plt.show()`` and ``plt.savefig()``
        find it. The last 10 such figures stay open. Elsewhere pyplot does not know the figure.

    Returns
    -------
    matplotlib.figure.Figure
        The figure drawn on: a notebook shows it, `savefig` writes it, ``figure.axes[0]`` can be changed.

    Raises
    ------
    ImportError
        Without matplotlib.
    ValueError
        If there is nothing to draw, or windows of different lengths would share an axis.

    Examples
    --------
    >>> from pycharrnn import CharRNN
    >>> text = "to be or not to be " * 200
    >>> runs = {str(m): CharRNN(hidden_size=m, random_state=0).fit(text).history_ for m in (4, 8)}
    >>> plot_losses(runs).axes[0].get_xlabel()
    'updates'
    """
    runs = _runs(histories)
    unit = _unit(runs, per_character)
    figure = _new_figure() if ax is None else ax.figure
    _draw(runs, figure.add_subplot() if ax is None else ax, unit, per_character, show_loss, resize=ax is None)
    _show_once(figure)
    return figure


def plot_values(values: Array, names: Sequence[str], characters: Sequence[str], *, ax: Any = None) -> Any:
    """Draw the values of some units over a text as a heat map: blue below zero, orange above it.

    Parameters
    ----------
    values : ndarray, (n_units, n_characters)
        The values.
    names : sequence of str
        What each row is called.
    characters : sequence of str
        The characters, or what stands for them; of a long text they are not written.
    ax : matplotlib.axes.Axes or None, default None
        Where to draw, as for `plot_losses`.

    Returns
    -------
    matplotlib.figure.Figure
        The figure drawn on.

    Raises
    ------
    ImportError
        Without matplotlib.

    Examples
    --------
    >>> plot_values(np.array([[-1.0, 0.5]]), ["h[0, 3]"], ["a", "b"]).axes[0].get_xticklabels()[1].get_text()
    'b'
    """
    figure = _new_figure() if ax is None else ax.figure
    from matplotlib.colors import LinearSegmentedColormap

    if ax is None:
        figure.set_size_inches(min(16, max(4, 1.6 + 0.13 * len(characters))), 1.2 + 0.28 * len(names))
        ax = figure.add_subplot()
    most = float(np.abs(values).max(initial=0)) or 1.0
    colors = LinearSegmentedColormap.from_list("values", DIVERGING)
    picture = ax.imshow(values, colors, vmin=-most, vmax=most, aspect="auto", interpolation="nearest")
    ax.set_yticks(range(len(names)), names, size=9)
    if len(characters) <= 120:
        ax.set_xticks(range(len(characters)), characters, size=8, family="monospace", parse_math=False)
        ax.tick_params(axis="x", length=0)
    figure.colorbar(picture, ax=ax, pad=0.01).ax.tick_params(labelsize=8)
    _show_once(figure)
    return figure


def losses_svg(histories: Any, description: str = "", *, per_character: bool = False) -> str:
    """Return what `plot_losses` draws as `to_svg` gives it, without pyplot."""
    runs = _runs(histories)
    unit, figure = _unit(runs, per_character), _new_figure(shared=False)
    _draw(runs, figure.add_subplot(), unit, per_character)
    return to_svg(figure, description)


def _runs(histories: Any) -> dict[str, Any]:
    """One run or several by name."""
    return {str(name): run for name, run in (histories if isinstance(histories, Mapping) else {"": histories}).items()}


_shared: list[Any] = []  # figures that pyplot keeps, the oldest first
_MOST_SHARED = 10


def _new_figure(shared: bool = True) -> Any:
    """An empty figure; `shared` with pyplot where the program or a notebook uses it."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "pycharrnn[plot]"') from error
    figure: Any = None
    in_use = "matplotlib.pyplot" in sys.modules or "ipykernel" in sys.modules
    if shared and in_use and threading.current_thread() is threading.main_thread():  # windows belong to that thread
        figure = _pyplot_figure()
    if figure is None:
        figure = Figure(_SIZE, layout="constrained")
    figure._repr_svg_ = functools.partial(to_svg, figure)  # by themselves notebooks show only figures of some backends
    return figure


def _pyplot_figure() -> Any:
    """A new figure that pyplot shows; None if its backend needs a display that there is not."""
    from matplotlib import pyplot

    try:
        figure: Any = pyplot.figure(figsize=_SIZE, layout="constrained")
    except ImportError:
        return None
    _shared[:] = [old for old in _shared if pyplot.fignum_exists(old.number)]
    _shared.append(figure)
    for old in _shared[:-_MOST_SHARED]:  # or a program that draws many and closes none would fill the memory
        pyplot.close(old)
    return figure


def _show_once(figure: Any) -> None:
    """Let a notebook that shows a figure as the value of a cell not show it once more at the end of the cell."""
    if hasattr(figure, "number") and sys.modules["matplotlib.pyplot"].get_backend().endswith("inline"):
        figure._repr_mimebundle_ = functools.partial(_closed, figure)


def _closed(figure: Any, **of: Any) -> dict[str, str]:
    """The figure for a notebook, which pyplot then no longer has open."""
    from matplotlib import pyplot

    pyplot.close(figure)
    return {"image/svg+xml": to_svg(figure)}


class _Curve(NamedTuple):
    """A run as it is drawn."""

    name: str
    x: Array
    loss: Array
    smooth: Array
    end: float
    epochs: Array
    color: str
    style: Any

    @classmethod
    def of(cls, i: int, name: str, run: Any, per_character: bool) -> _Curve:
        """The run's curve, the i-th of a figure."""
        scale = run.seq_length if per_character else 1
        return cls(
            name,
            x=run.updates * scale,
            loss=run.loss / scale,
            smooth=run.smooth_loss / scale,
            end=run.n_updates * scale,
            epochs=run.epochs * scale,
            color=COLORS[i % len(COLORS)],
            style=STYLES[i % len(STYLES)],
        )

    def plot(self, ax: Any, show_loss: bool) -> list[Any]:
        """Draw it; the lines."""
        lines: list[Any] = []
        label = self.name
        if show_loss:
            prefix = f"{self.name}: " if self.name else ""
            label = f"{prefix}smooth loss"
            some = _thinned(self.loss)
            faint: dict[str, Any] = {"alpha": 0.4, "lw": 0.6, "zorder": 1.5, "label": f"{prefix}loss"}
            lines += ax.plot(self.x[some], self.loss[some], color=self.color, **faint)
        some = _thinned(self.smooth, 1000)
        lines += ax.plot(self.x[some], self.smooth[some], color=self.color, ls=self.style, lw=1.8, label=label)
        return lines

    def extent(self, show_loss: bool) -> tuple[float, float, float, float]:
        """Where it spends its time: left, right, low, high."""
        heights = [self.smooth.min(), np.percentile(self.smooth, 95)]
        if show_loss:
            heights += [*np.percentile(self.loss, (2, 98))]
        return self.x[0], self.end, min(heights), max(heights)


def _draw(
    runs: dict[str, Any], ax: Any, unit: str, per_character: bool, show_loss: bool | None = None, resize: bool = True
) -> None:
    """Draw the runs; `resize` the figure for a long legend."""
    show_loss = len(runs) == 1 if show_loss is None else show_loss
    curves = [_Curve.of(i, name, run, per_character) for i, (name, run) in enumerate(runs.items())]
    lines = [line for curve in curves for line in curve.plot(ax, show_loss)]
    extents = np.array([curve.extent(show_loss) for curve in curves])
    left, low = extents[:, [0, 2]].min(axis=0)
    right, high = extents[:, [1, 3]].max(axis=0)
    margin = 0.04 * (high - low) or 1.0
    ax.set(xlim=(left, right), ylim=(low - margin, high + margin))
    ax.set_xlabel("characters read" if per_character else "updates", size=11)
    ax.set_ylabel(f"{'loss' if show_loss else 'smooth loss'} ({unit})", size=11)
    _style(ax, right)
    longest = max((curve.epochs for curve in curves), key=len)
    if all(np.allclose(curve.epochs, longest[: len(curve.epochs)], rtol=0.01) for curve in curves):
        _mark_epochs(ax, longest, (right - left) / 13)
    if show_loss or any(runs):
        _put_legend(ax, lines, resize)


def _style(ax: Any, right: float) -> None:
    """Let the axes look as they do in all our figures."""
    from matplotlib.ticker import EngFormatter, MaxNLocator, StrMethodFormatter

    ax.tick_params(labelsize=10)
    ax.grid(axis="y", lw=0.5, alpha=0.4)
    ax.spines[["top", "right"]].set_visible(False)
    if ax.get_xscale() == "linear":
        ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10], integer=True))
        ax.xaxis.set_major_formatter(EngFormatter() if right >= 1e6 else StrMethodFormatter("{x:,.0f}"))


def _put_legend(ax: Any, lines: list[Any], resize: bool) -> None:
    """Put the legend below the axes, where it covers nothing."""
    names = [textwrap.fill(line.get_label(), 60) for line in lines]
    columns = max(1, min(len(lines), 70 // (max(map(len, names)) + 6)))
    rows = -(-sum(name.count("\n") + 1 for name in names) // columns)
    if resize:
        ax.figure.set_figheight(3.8 + 0.2 * rows)
    place: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "borderaxespad": 3.8}
    legend = ax.legend(lines, ["?"] * len(lines), ncols=columns, fontsize=10, frameon=False, **place)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set(text=name, parse_math=False)  # dollars are no formula, a first underscore hides nothing


def _unit(runs: Mapping[str, Any], per_character: bool) -> str:
    """What the losses are in, if they can share an axis."""
    if not runs or not all(len(run.updates) for run in runs.values()):
        empty = [name for name, run in runs.items() if not len(run.updates)]
        raise ValueError(f"histories has nothing to draw{f' for {empty!a}' * any(empty)}: train first")
    lengths = sorted({run.seq_length for run in runs.values()})
    if per_character and 0 in lengths:
        raise ValueError("per_character needs the seq_length of each history, and one has 0: it is not known")
    if not per_character and len(lengths) > 1:
        raise ValueError(f"histories have seq_length {', '.join(map(str, lengths))}: pass per_character=True")
    return "nats per " + (
        "character" if per_character or lengths == [1] else f"{lengths[0]} characters" if lengths[0] else "window"
    )


def _thinned(y: Array, most: int = 2000) -> Array:
    """Indices of at most `most` values that draw as all do: the ends, and the extremes of each stretch."""
    every = np.arange(len(y))
    stretches = np.array_split(every, most // 2 - 1) if len(y) > most else []
    extremes = [s[i] for s in stretches for i in (y[s].argmin(), y[s].argmax())]
    return np.unique([0, *extremes, len(y) - 1]) if extremes else every


def _mark_epochs(ax: Any, ends: Array, apart: float) -> None:
    """Number the ends of epochs above the axes: all, or every second, fifth ..., none too close to another."""
    steps = (first * 10**zeros for zeros in itertools.count() for first in (1, 2, 5))
    step = next(step for step in steps if len(ends) <= 12 * step)
    marks: dict[int, float] = {}
    for n in range(step, len(ends) + 1, step):
        if ends[n - 1] - max(marks.values(), default=-np.inf) >= apart:
            marks[n] = ends[n - 1]
    ax.vlines([*marks.values()], 0, 1, transform=ax.get_xaxis_transform(), color="0.6", lw=0.6, zorder=1)
    top = ax.secondary_xaxis("top")
    top.set_xticks([*marks.values()], ["epoch " * (n == min(marks)) + str(n) for n in marks], size=10)
    top.spines["top"].set_visible(False)


def to_svg(figure: Any, description: str = "") -> str:
    """Return a figure as an ``<svg>`` element for an HTML page: text as paths, no date, nothing to fetch.

    New figures of the same data give the same characters. All ids begin with a digest of them, so that several figures
    can stand on one page.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    description : str, default ""
        What a screen reader says; empty for the labels of the axes.

    Returns
    -------
    str
        The element.
    """
    import matplotlib

    description = description or "; ".join(f"{ax.get_ylabel()} against {ax.get_xlabel()}" for ax in figure.axes)
    file = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "pycharrnn", "svg.fonttype": "path"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    svg = file.getvalue().partition("<svg")[2]
    # Also off: a style that would hold for the whole page. Its two properties are inherited from the root instead.
    svg = re.sub(r"(?s)<!--.*?-->\s*|<metadata>.*?</metadata>\s*|<style.*?</style>", "", svg)
    prefix = f"f{hashlib.sha256(svg.encode()).hexdigest()[:8]}-"
    svg = re.sub(r'(?<= id=")|(?<=url\(#)|(?<=href="#)', prefix, svg)
    style = "stroke-linejoin: round; stroke-linecap: butt; max-width: 100%; height: auto"
    return f'<svg role="img" aria-label="{html.escape(description)}" style="{style}"{svg}'
