"""Loss curves: what is drawn where, in which words, and that nothing leaks."""

import os
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from pycharrnn import CharRNN
from pycharrnn.lab.plots import plot_losses, to_svg
from pycharrnn.training.history import History


def made(n=300, seq_length=25, updates_per_epoch=100, first=0):
    """The history of a run: noisy losses that fall from 110."""
    history = History(seq_length=seq_length)
    smooth = 40 + 70 * np.exp(-np.arange(n) / 50)
    history.extend(first, smooth + 8 * np.sin(7.0 * np.arange(n) ** 2), smooth, 0, 1)
    history.count_epochs(first, updates_per_epoch, n // updates_per_epoch)
    return history


def curves(figure):
    return {line.get_label(): line.get_data() for line in figure.axes[0].lines}


def marks(figure):
    """The epochs as numbered above the axes, with their places; the lines stand there too."""
    [top] = figure.axes[0].child_axes
    places = top.get_xticks()
    [lines] = figure.axes[0].collections
    assert_array_equal([segment[0][0] for segment in lines.get_segments()], places)
    return dict(zip([label.get_text() for label in top.get_xticklabels()], places, strict=True))


def legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_the_curves_are_the_history():
    history = made()
    figure = history.plot()
    drawn = curves(figure)
    assert list(drawn) == legend(figure) == ["loss", "smooth loss"]
    assert_array_equal(drawn["loss"], (history.updates, history.loss))
    assert_array_equal(drawn["smooth loss"], (history.updates, history.smooth_loss))
    assert figure.axes[0].get_xlabel() == "updates"
    assert figure.axes[0].get_ylabel() == "loss (nats per 25 characters)"
    assert marks(figure) == {"epoch 1": 100, "2": 200, "3": 300}
    assert figure.axes[0].get_xlim() == (0, 300)


def test_a_model_plots_its_history(text):
    model = CharRNN(hidden_size=8, epochs=2, random_state=0).fit(text)
    figure = model.history_.plot(show_loss=False)
    assert [list(y) for _, y in curves(figure).values()] == [list(model.history_.smooth_loss)]
    assert list(marks(figure).values()) == [model.n_updates_ / 2, model.n_updates_]
    assert figure.axes[0].get_legend() is None


def test_per_character_divides_losses_and_counts_characters():
    runs = {10: made(seq_length=10), 50: made(seq_length=50, updates_per_epoch=20)}
    figure = plot_losses(runs, per_character=True)
    for length, history in runs.items():
        assert_allclose(
            curves(figure)[str(length)], (history.updates * length, history.smooth_loss / length), rtol=1e-12
        )
    _, loss = curves(runs[10].plot(per_character=True))["loss"]
    assert_allclose(loss, runs[10].loss / 10, rtol=1e-12)
    assert figure.axes[0].get_xlabel() == "characters read"
    assert figure.axes[0].get_ylabel() == "smooth loss (nats per character)"
    assert marks(figure)["epoch 2"] == 2000  # the shorter run has 3 epochs, the longer 15


def test_several_runs_are_told_apart_by_name_colour_and_style():
    figure = plot_losses({f"run {i}": made() for i in range(12)})
    assert list(curves(figure)) == legend(figure) == [f"run {i}" for i in range(12)]
    assert len({(line.get_color(), str(line._dash_pattern)) for line in figure.axes[0].lines}) == 12
    assert plot_losses({"a": made(), "b": made()}, show_loss=True).axes[0].lines[2].get_label() == "b: loss"


def test_the_legend_covers_no_data_and_lies_in_the_figure():
    figure = plot_losses({f"a run with a rather long name, number {i}": made() for i in range(9)})
    figure.draw_without_rendering()
    box, axes = figure.axes[0].get_legend().get_window_extent(), figure.axes[0].get_window_extent()
    assert box.y1 < axes.y0
    assert 0 <= box.y0 < box.y1 < figure.bbox.y1
    assert 0 <= box.x0 < box.x1 < figure.bbox.x1
    assert axes.height > 200 / 72 * 0.9 * figure.dpi


@pytest.mark.parametrize("name", ["_hidden", r"$\nonsense$", "a$b", "<b>&", 'say "id="x"'])
def test_any_name_is_shown_as_it_is(name):
    figure = plot_losses({name: made(), "other": made()})
    assert legend(figure) == [name, "other"]
    ElementTree.fromstring(to_svg(figure, description=name))


def test_epochs_that_differ_between_runs_are_not_marked():
    figure = plot_losses({"a": made(), "b": made(updates_per_epoch=77)})
    assert figure.axes[0].child_axes == []
    assert marks(plot_losses({"a": made(), "shorter": made(150)})) == {"epoch 1": 100, "2": 200, "3": 300}


def test_of_many_epochs_some_are_marked():
    assert list(marks(made(updates_per_epoch=3).plot())) == ["epoch 10", *map(str, range(20, 101, 10))]
    history = made(updates_per_epoch=150)
    for first in range(300, 305):  # a word or two more, each an epoch
        history.extend(first, np.ones(1), np.ones(1), 0, 1)
        history.count_epochs(first, 1, 1)
    assert list(marks(history.plot())) == ["epoch 1", "2"]


def test_the_first_spike_does_not_flatten_the_curves():
    loss = np.full(5000, 45.0)
    loss[:20] = 1e6
    history = History(seq_length=25)
    history.extend(0, loss, np.linspace(60, 40, 5000), 0, 1)
    low, high = history.plot().axes[0].get_ylim()
    assert 38 < low < 40
    assert 59 < high < 62


def test_a_long_history_is_thinned_but_keeps_its_ends_and_extremes():
    history = made(15_000, updates_per_epoch=5000)
    loss = history.loss
    figure = plot_losses({"a": history, "b": made(15_000, updates_per_epoch=5000)}, show_loss=True)
    for values, (x, y) in zip((loss, history.smooth_loss), list(curves(figure).values())[:2], strict=True):
        assert len(x) <= 2000
        assert_array_equal(y, values[x])
        assert (x[0], x[-1], y.min(), y.max()) == (0, 14_999, values.min(), values.max())
    assert len(to_svg(figure)) < 300_000


def test_small_and_large_numbers_of_updates_are_written_readably():
    def ticks(figure):
        figure.draw_without_rendering()
        return [label.get_text() for label in figure.axes[0].get_xticklabels()]

    assert ticks(made(3).plot()) == ["0", "1", "2", "3"]
    assert ticks(made(1).plot()) == ["0", "1"]
    assert "10,000" in ticks(made(20_000).plot())
    assert "1 M" in ticks(made(20_000, seq_length=100).plot(per_character=True))
    assert ticks(made(100, first=50_000).plot())[0] == "50,000"  # a model that was loaded and trained on


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(ValueError, match="histories has nothing to draw: train first"):
        plot_losses({})
    with pytest.raises(ValueError, match=r"histories has nothing to draw for \['caf\\xe9'\]: train first"):
        plot_losses({"café": History(), "b": made()})
    with pytest.raises(ValueError, match="histories has nothing to draw: train first"):
        History().plot()
    with pytest.raises(ValueError, match="seq_length 10, 25: pass per_character=True"):
        plot_losses({"a": made(seq_length=10), "b": made()})
    with pytest.raises(ValueError, match="per_character needs the seq_length of each history"):
        made(seq_length=0).plot(per_character=True)
    assert made(seq_length=0).plot().axes[0].get_ylabel() == "loss (nats per window)"
    assert made(seq_length=1).plot().axes[0].get_ylabel() == "loss (nats per character)"


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'plots need matplotlib: pip install "pycharrnn\[plot\]"'):
        made().plot()


def test_drawing_touches_neither_pyplot_nor_global_settings(tmp_path):
    program = """if True:
        import sys
        import pycharrnn.training.history as training
        assert not any(name.startswith("matplotlib") for name in sys.modules)
        import numpy as np, matplotlib
        settings = lambda: {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}
        before = settings()  # to ask for the backend imports pyplot
        history = training.History(seq_length=25)
        history.extend(0, np.ones(9), np.ones(9), 0, 1)
        assert history.plot()._repr_svg_().startswith("<svg ")
        assert "matplotlib.pyplot" not in sys.modules
        assert settings() == before
    """
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, cwd=tmp_path, timeout=60)


def program(tmp_path, lines, *more, **environment):
    """Run it with a history `h` of a program of its own; what it prints."""
    begin = """
import sys, types
import numpy as np
from pycharrnn.training.history import History
h = History(seq_length=25)
h.extend(0, np.ones(9), np.ones(9), 0, 1)
"""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", begin + lines], check=True, cwd=tmp_path, timeout=60, text=True,
        capture_output=True, env={name: value for name, value in os.environ.items() if name != "DISPLAY"} | environment,
    ).stdout.split()  # fmt: skip


# What a notebook's backend does: it shows all open figures at the end of a cell by what IPython makes of each.
INLINE = """
from matplotlib import pyplot as plt
plt.get_backend = lambda: "module://matplotlib_inline.backend_inline"
def show(figure):
    print(*(getattr(figure, "_repr_mimebundle_", dict)(include=None, exclude=None)))
def end_of_cell():
    for number in plt.get_fignums():
        show(plt.figure(number))
    plt.close("all")
    print("end")
"""


def test_pyplot_finds_what_is_drawn_where_it_is_in_use(tmp_path):
    lines = """
from matplotlib import pyplot as plt
first = h.plot()
assert plt.gcf() is first
h.plot()
plt.title("mine")
assert plt.gca().get_title() == "mine"
plt.savefig("mine.png")
plt.show()  # nothing to show it on
print(plt.get_fignums(), plt.get_backend())
"""
    assert program(tmp_path, lines, MPLBACKEND="agg") == ["[1,", "2]", "agg"]
    assert (tmp_path / "mine.png").stat().st_size > 10_000  # an empty figure has 2,400


def test_in_a_notebook_pyplot_is_in_use(tmp_path):
    lines = "sys.modules['ipykernel'] = types.ModuleType('ipykernel')\nfigure = h.plot()\n"
    lines += "from matplotlib import pyplot\nprint(pyplot.gcf() is figure)"
    assert program(tmp_path, lines, MPLBACKEND="agg") == ["True"]


def test_a_notebook_shows_each_figure_once(tmp_path):
    lines = """
h.plot()
end_of_cell()  # plot();
show(h.plot())  # plot(), the value of a cell
end_of_cell()
figure, axes = plt.subplots()
show(h.plot(ax=axes))
end_of_cell()
kept = h.plot()
end_of_cell()
show(kept)
end_of_cell()
"""
    shown = ["image/svg+xml", "end"]
    assert program(tmp_path, INLINE + lines, MPLBACKEND="agg") == [*shown * 4, *shown]


def test_pyplot_keeps_few_figures_and_none_that_were_not_drawn(tmp_path):
    lines = """
from matplotlib import pyplot as plt
from pycharrnn.lab import plots as plotting
mine = plt.figure()
drawn = [h.plot() for _ in range(30)]
assert plt.get_fignums() == [1, *range(22, 32)], plt.get_fignums()
assert plt.fignum_exists(mine.number)
assert drawn[0]._repr_svg_().startswith("<svg ")  # closed, but whole
plt.close("all")
try:
    History().plot()
except ValueError as error:
    print("ValueError", *plt.get_fignums())
h.plot(ax=mine.add_subplot())
h._repr_html_()
plotting.losses_svg(h)
print("open:", *plt.get_fignums())
"""
    assert program(tmp_path, lines, MPLBACKEND="agg") == ["ValueError", "open:"]


def test_without_a_backend_or_outside_the_main_thread_figures_are_drawn_without_pyplot(tmp_path):
    lines = """
from matplotlib import pyplot as plt
import threading
def draw():
    print(h.plot()._repr_svg_()[:4], *plt.get_fignums())
draw()
"""
    assert program(tmp_path, lines, MPLBACKEND="module://nowhere") == ["<svg"]
    lines = (
        lines.replace("draw()\n", "").rstrip()
        + "\nthread = threading.Thread(target=draw)\nthread.start()\nthread.join()"
    )
    assert program(tmp_path, lines, MPLBACKEND="agg") == ["<svg"]


def test_axes_of_ones_own_are_drawn_on():
    from matplotlib.figure import Figure

    mine = Figure((9, 3))
    left, right = mine.subplots(1, 2)
    assert made().plot(ax=right) is mine
    assert left.lines[:] == []
    assert len(right.lines) == 2
    assert list(mine.get_size_inches()) == [9, 3]


def test_an_svg_stands_on_its_own_and_beside_others():
    first, again, other = (to_svg(made(n).plot()) for n in (200, 200, 250))
    assert first == again
    root = ElementTree.fromstring(first)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert (root.get("role"), root.get("aria-label")) == ("img", "loss (nats per 25 characters) against updates")
    assert first.startswith("<svg ")
    for word in ("<!--", "<?", "<!DOCTYPE", "<style", "<script", "<metadata", "<text", "<image", "20:", "font-family"):
        assert word not in first
    ids = [{e.get("id") for e in ElementTree.fromstring(svg).iter() if e.get("id")} for svg in (first, other)]
    assert len(ids[0]) > 20
    assert not ids[0] & ids[1]
    links = [value for e in root.iter() for key, value in e.attrib.items() if key.endswith("href") or "url(" in value]
    assert len(links) > 20
    assert {link.removeprefix("url(").removeprefix("#").removesuffix(")") for link in links} <= ids[0]
