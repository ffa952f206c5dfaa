"""Texts coloured by surprise: numbers in their places, shades that need no colours, and nothing that acts."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from numpy.testing import assert_allclose

from pycharrnn import CharRNN
from pycharrnn.lab import heatmap, terminal
from pycharrnn.lab.surprise import LEVELS, MOST, Surprise, look, names
from pycharrnn.lab.visible import columns, escape, stand_in

HOSTILE = "<script>alert(1)</script></pre><!-- \x1b[31m\x1b]0;x\x07 \u202e \u2066 \x00 \x85 \x7f\r \ud800 &amp;\"'"
HOSTILE += "\t\n猫e\u0301"
ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.fixture(scope="module")
def hostile():
    return CharRNN(hidden_size=6, max_updates=20, random_state=0).fit(HOSTILE * 9)


def luminance(red, green, blue):
    """The relative luminance of a colour, as WCAG 2 defines it."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (red / 255, green / 255, blue / 255)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def hexadecimal(color):
    return tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))


def terminal_color(code):
    """Red, green and blue of one of the 216 colours of xterm's cube."""
    steps = (0, 95, 135, 175, 215, 255)
    code -= 16
    return steps[code // 36], steps[code // 6 % 6], steps[code % 6]


def without_colors(line):
    """What a terminal shows of a line whose only escape sequences are colours."""
    shown = re.sub("\x1b\\[(?:38;5;\\d+;48;5;\\d+|0)m", "", line)
    assert not ACTING.search(shown)
    return shown


def test_the_scale_is_read_by_its_lightness():
    papers = [luminance(*hexadecimal(level.paper)) for level in LEVELS]
    assert papers == sorted(papers, reverse=True)
    assert len(set(papers)) == len(papers)
    for level in LEVELS:
        assert terminal_color(level.code) == hexadecimal(level.paper)
        light, dark = sorted((luminance(*hexadecimal(level.paper)), luminance(*hexadecimal(level.ink))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, level  # as WCAG asks of text
    assert names()[0] == "below 1"


def test_numbers_stand_at_their_characters(model, text):
    found = look(model, text[:60])
    assert np.isnan(found.bits[0][0])
    assert_allclose(found.bits[0][1:], model.surprise(text[:60], unit="bits"))
    assert found.mean == pytest.approx(model.evaluate(text[:60]).bits)
    assert found.ends is None
    several = look(model, ["to be", "or not"])
    assert [bits.size for bits in several.bits] == [5, 6]
    assert [*several.table()][6] == "1\t0\to\t\n"
    assert look(model, "").cells is not None
    assert np.isnan(look(model, "").mean)


def test_characters_that_are_left_out_have_no_number(text):
    model = CharRNN(hidden_size=6, max_updates=20, random_state=0, on_unknown="skip").fit(text)
    found = look(model, "Qto Zbe")
    assert np.isnan(found.bits[0]).tolist() == [True, True, False, False, True, False, False]
    assert_allclose(found.bits[0][[2, 3, 5, 6]], model.surprise("to be", unit="bits"))
    model.set_params(on_unknown="replace")
    assert np.isnan(look(model, "Qto Zbe").bits[0]).tolist() == [True] + [False] * 6


def test_documents_have_ends():
    model = CharRNN(hidden_size=6, max_updates=30, random_state=0).fit(["anna", "bo"] * 20)
    found = look(model, ["anna", ""])
    for place, document in enumerate(["anna", ""]):
        expected = model.surprise(document, unit="bits")
        assert_allclose(np.append(found.bits[place], found.ends[place]), expected)
    lines = [*found.table()]
    assert lines[0] == "text\tposition\tcharacter\tbits\n"
    assert lines[5] == f"0\t4\t\t{found.ends[0]:.4f}\n"
    assert lines[6] == f"1\t0\t\t{found.ends[1]:.4f}\n"
    assert [cell.shown for cell in found.cells()] == [*"anna", "␃", "␃"]
    assert [cell.breaks for cell in found.cells()] == [False] * 4 + [True, True]


def shown_as(text, bits):
    return Surprise([text], [np.array(bits, float)], None)


def test_digits_stand_below_their_characters():
    nan = np.nan
    found = shown_as("ab猫e\u0301\ncd", [nan, 3.9, 12, 0.99, 1.0, 2, 9, 0])
    assert [*terminal.lines(found, 80, colors=False)][1:] == ["ab猫e\u0301↵", " 39 ".ljust(5) + "2", "cd", "9"]
    assert [*terminal.lines(found, 3, colors=False)][1:] == ["ab", " 3", "猫e\u0301", "9", "↵", "2", "cd", "9"]
    ascii_only = [*terminal.lines(found, 80, colors=False, encoding="ascii")]
    assert ascii_only[1] == r"ab\u732be\u0301\n"
    assert ascii_only[2] == r" 39     ".ljust(9) + "1     2"


def test_shades_on_a_terminal():
    found = shown_as("abcd\x1b", [np.nan, 0.5, 0.7, 20, 3])
    legend, line = terminal.lines(found, 80, colors=True)
    assert without_colors(legend) == "surprise in bits:  below 1  1 to 2  2 to 4  4 to 6  6 to 9  9 and more "
    assert len(without_colors(legend)) <= 80
    white, dark, light = (f"\x1b[38;5;{ink};48;5;{code}m" for ink, code in ((16, 231), (231, 88), (16, 222)))
    assert line == f"a{white}bc\x1b[0m{dark}d\x1b[0m{light}␛\x1b[0m"


def test_hostile_text_does_not_act_on_a_terminal(hostile):
    found = look(hostile, HOSTILE)
    for colors in (True, False):
        for encoding in ("utf-8", "ascii", "latin-1"):
            lines = [without_colors(line) for line in terminal.lines(found, 40, colors, encoding)][1:]
            assert all(columns(line) <= 40 for line in lines)
            "".join(lines).encode(encoding)
    table = "".join(found.table())
    assert not ACTING.search(table)
    assert len(table.splitlines()) == len(HOSTILE) + 1


def test_stand_ins_and_escapes():
    assert not ACTING.search("".join(map(stand_in, map(chr, range(0x2100)))))
    assert len({escape(chr(code)) for code in range(0x3000)}) == 0x3000  # each can be read back
    assert escape("\ud800") == "\\ud800"


def test_html_shows_the_text_and_runs_nothing(hostile):
    found = look(hostile, HOSTILE)
    page = found.page("</title><script>x\u202e").decode()
    assert not ACTING.search(page)
    assert "<script" not in page
    assert "default-src 'none'" in page
    body = page[page.index("<h1") : page.index("</body>")].replace("&nbsp;", " ")
    root = ElementTree.fromstring(f"<r>{body}</r>")
    shown = "".join(root.find(".//pre").itertext()).removeprefix("\n")
    expected = "".join({"\t": "→\t", "\n": "↵\n"}.get(character, stand_in(character)) for character in HOSTILE)
    assert shown == expected
    assert found._repr_html_() in page
    spans = [span for span in root.iter("span") if "title" in span.attrib]
    assert len(spans) == np.isfinite(found.bits[0]).sum()
    assert spans[3].get("title") == f"{found.bits[0][4]:.1f} bits"


def test_a_page_and_a_notebook_get_the_beginning(text):
    model = CharRNN(hidden_size=6, max_updates=20, random_state=0).fit(text)
    longer = look(model, text * 90)
    assert f"The first {MOST:,} of {len(text) * 90:,} characters." in longer.page("x").decode()
    long = look(model, text * 40)
    shown = long._repr_html_()
    assert f"The first 20,000 of {len(text) * 40:,} characters." in shown
    assert shown.count("<span") < 20_010


def test_heat_maps_have_the_values_of_the_units(hostile, text):
    model = CharRNN(cell="lstm", hidden_size=6, num_layers=2, max_updates=20, random_state=0).fit(text)
    states = model.activations(text[:30])
    found = heatmap.look(model, text[:30], [(1, "c", 4), (0, "h", 0)])
    assert found.names == ["c[1, 4]", "h[0, 0]"]
    assert_allclose(found.values, [states["c"][1, :, 4], states["h"][0, :, 0]], rtol=1e-6)
    assert len(heatmap.look(model, text[:30]).units) == 8
    [root] = ElementTree.fromstring(f"<r>{found.html()}</r>")
    spans = [*root.iter("span")]
    assert [float(span.get("title")) for span in spans[:30]] == pytest.approx(found.values[0], rel=1e-2)
    largest = int(np.abs(found.values[0]).argmax())
    assert spans[largest].get("style") in ("background:#76aae8", "background:#f29a48")
    assert (spans[largest].get("style") == "background:#f29a48") == (found.values[0][largest] > 0)
    assert "".join("".join(pre.itertext()) for pre in root.iter("pre"))[1:31] == text[:30].replace("\n", "↵\n")[:30]
    shown = heatmap.look(hostile, HOSTILE).html()
    assert "<script" not in shown
    assert not ACTING.search(shown)
    with pytest.raises(ValueError, match=r"units must be .* from \(0, 'h', 0\) to \(1, 'c', 5\), got"):
        heatmap.look(model, text, [(2, "h", 0)])
    for wrong in (5, "h[0, 3]", {(0, "h", 0)}):
        with pytest.raises(TypeError, match=r"units must be a list of \(layer, state, unit\), or None, got"):
            heatmap.look(model, text, wrong)
    with pytest.raises(TypeError, match="text must be a str"):
        heatmap.look(model, ["to be"])


def test_a_heat_map_is_drawn(text, tmp_path):
    pytest.importorskip("matplotlib")
    model = CharRNN(hidden_size=6, max_updates=20, random_state=0).fit(text)
    found = heatmap.look(model, text[:40], [(0, "h", 1), (0, "h", 2)])
    figure = found.plot()
    [axes, _] = figure.axes
    assert_allclose(axes.images[0].get_array(), found.values)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["h[0, 1]", "h[0, 2]"]
    assert "".join(label.get_text() for label in axes.get_xticklabels()) == text[:40].replace("\n", "↵")
    figure.savefig(tmp_path / "units.png")
    assert (tmp_path / "units.png").read_bytes().startswith(b"\x89PNG")
