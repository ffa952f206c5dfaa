"""The explorer: its data are those of the model, it is bounded, and no text acts on it. A browser shows the rest."""

import base64
import hashlib
import html.parser
import json
import re
import shutil

import numpy as np
import pytest
import quoted
from numpy.testing import assert_allclose, assert_array_equal

from pycharrnn import CharRNN
from pycharrnn.lab import explorer
from pycharrnn.lab.explorer import quantised
from pycharrnn.lab.passages import units_of

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)></textarea><!--<script><svg/onload=alert(3)>]]>"
    "\x1b[31m\x1b]0;x\x07 \u202e\u2066 \u2028 \x00\x7f\x85\r \ud800\udc00 {{data}} ${alert(4)} `\\u003cscript> &lt;"
    "猫\n\t"
)


class Data(html.parser.HTMLParser):
    """The elements of a page, and the data in it."""

    def __init__(self, path):
        super().__init__()
        self.tags = []
        self.contents = {"script": [], "style": []}
        self.inside = None
        self.page = path.read_bytes().decode("utf-8")
        self.feed(self.page)
        self.close()
        self.data = json.loads(self.contents["script"][0])

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag if tag in self.contents else None

    def handle_data(self, data):
        if self.inside:
            self.contents[self.inside].append(data)

    def handle_endtag(self, tag):
        self.inside = None


def array(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


@pytest.fixture(scope="module")
def page(quoter, tmp_path_factory):
    """The explorer of the model of quotes, and what `write` said."""
    path = tmp_path_factory.mktemp("explorer") / "explorer.html"
    texts = {"first <b>": quoted.quoted(4000, seed=5), "second": quoted.quoted(300, seed=6)}
    return explorer.write(path, quoter, texts, title="Quotes & more"), path, texts


def test_the_page_has_what_the_model_does(page, quoter):
    found, path, texts = page
    parsed = Data(path)
    data = parsed.data
    assert (found.path, found.n_bytes, found.shown, found.given) == (str(path), path.stat().st_size, 4300, 4300)
    assert [(text["name"], text["n"], text["given"]) for text in data["texts"]] == [
        ("first <b>", 4000, 4000),
        ("second", 300, 300),
    ]
    assert data["title"] == "Quotes & more"
    scales = np.array(data["scales"])
    for text, given in zip(data["texts"], texts.values(), strict=True):
        labels = [data["labels"][i] for i in array(text["symbols"], "<u4")]
        assert "".join(labels) == given
        bits = array(text["bits"], "<u2")
        assert bits[0] == 65_535
        assert_allclose(bits[1:] / 1000, quoter.surprise(given, unit="bits"), atol=6e-4)
        states = quoter.activations(given)
        values = array(text["values"], "<i1").reshape(len(scales), -1) / 127 * scales[:, None]
        rows = np.array([states[state][layer, :, unit] for layer, state, unit in units_of(quoter)])
        assert (np.abs(values - rows) <= 0.004 * scales[:, None]).all()  # half a step of 127
        k = text["alternatives"]
        likely = array(text["likely"], "<u4").reshape(-1, k)
        shares = array(text["shares"], "<u2").reshape(-1, k) / 65_535
        expected = sorted(quoter.session(given[:40]).probabilities().items(), key=lambda one: -one[1])[:k]
        assert [data["labels"][i] for i in likely[40]] == [name for name, _ in expected]
        assert_allclose(shares[40], [share for _, share in expected], atol=1e-4)
    tracking = found.tracking
    assert data["properties"] == tracking.properties
    assert_allclose(array(data["chosen"], "<i2").reshape(tracking.chosen.shape) / 1000, tracking.chosen, atol=5.1e-4)
    assert_allclose(array(data["heldOut"], "<i2").reshape(tracking.chosen.shape) / 1000, tracking.held_out, atol=5.1e-4)


def test_the_page_fetches_nothing_and_runs_its_own_script_alone(page):
    parsed = Data(page[1])
    assert {tag for tag, _ in parsed.tags}.isdisjoint({"link", "img", "iframe", "object", "embed", "base", "form"})
    assert not [name for _, attrs in parsed.tags for name in attrs if name.startswith("on") or name in ("src", "style")]
    assert not re.findall(r"https?:|url\(|@import|innerHTML|eval\(|document\.write", parsed.page)
    [policy] = [attrs["content"] for _, attrs in parsed.tags if "http-equiv" in attrs]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    for kind in ("script", "style"):
        content = parsed.contents[kind][-1].encode()
        assert rules[f"{kind}-src"] == f"'sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode()}'"


@pytest.mark.parametrize("documents", [False, True])
def test_a_hostile_text_stays_text(documents, tmp_path):
    texts = [HOSTILE] * 8
    model = CharRNN(hidden_size=5, max_updates=10, random_state=0).fit(texts if documents else "".join(texts))
    path = tmp_path / "page.html"
    properties = {HOSTILE: lambda text: np.arange(len(text)) % 7}
    explorer.write(path, model, {HOSTILE: texts if documents else HOSTILE * 8}, title=HOSTILE, properties=properties)
    parsed = Data(path)
    assert [tag for tag, _ in parsed.tags].count("script") == 2
    written = parsed.contents["script"][0]
    assert written.isascii()
    assert not re.search("[<>&\x00-\x1f\x7f]", written)
    data = parsed.data
    [text] = data["texts"]
    assert len(array(text["symbols"], "<u4")) == 8 * (len(HOSTILE) + documents)
    acting = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
    shown = [*data["labels"], data["title"], text["name"], *data["properties"]]
    assert not [one for one in shown if acting.search(one)]
    assert len(set(data["labels"])) == len(data["labels"])  # no two characters look alike


def test_a_long_text_is_cut_and_the_page_says_so(tmp_path, text):
    model = CharRNN(cell="lstm", hidden_size=64, num_layers=2, max_updates=5, random_state=0).fit(text)
    path = tmp_path / "page.html"
    found = explorer.write(path, model, {"long": text * 30, "short": text[:100]}, megabytes=1, most=500)
    assert found.shown < found.given == 30 * len(text) + 100
    assert found.n_bytes < 1.3 * 2**20
    long, short = Data(path).data["texts"]
    assert short["n"] == short["given"] == 100
    assert long["n"] == found.shown - 100
    assert long["given"] == 30 * len(text)
    with pytest.raises(ValueError, match="megabytes must be at least 1"):
        explorer.write(path, model, text, megabytes=0)
    with pytest.raises(ValueError, match=r"megabytes must be more for 3,000 texts and 256 units"):
        explorer.write(path, model, {str(i): "to" for i in range(3000)}, megabytes=1)
    with pytest.raises(OSError, match="cannot be written"):
        explorer.write(tmp_path / "none" / "page.html", model, text)


def test_the_largest_value_of_a_unit_is_the_last_step():
    states = np.array([[0.5, -0.25, 0.0], [0.0, 0.0, 0.0]])
    assert_array_equal(quantised(states, np.array([0.5, 1.0])), [[127, -64, 0], [0, 0, 0]])


def test_the_same_call_writes_the_same_bytes(tmp_path, text):
    model = CharRNN(hidden_size=5, max_updates=10, random_state=0, ngram_order=4).fit(text)
    for name in ("one", "two"):
        explorer.write(tmp_path / name, model, text, title="x")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert Data(tmp_path / "one").data["alone"]


# --- in a browser -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium here")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


class Tab:
    """A page in the browser, and all that it said, asked or fetched."""

    def __init__(self, browser, path, **context):
        self.noise = []
        self.page = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | context)).new_page()
        self.page.on("console", lambda message: self.noise.append(message.text))
        self.page.on("pageerror", lambda error: self.noise.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.noise.append(dialog.message), dialog.dismiss()))
        self.page.on(
            "request", lambda request: self.noise.append(request.url) if request.url != path.as_uri() else None
        )
        self.page.goto(path.as_uri())

    def colors(self):
        script = "cells => cells.map(cell => getComputedStyle(cell).backgroundColor)"
        return self.page.locator("#text b").evaluate_all(script)

    def read(self, selector):
        return self.page.locator(selector).inner_text()


def test_a_reader_picks_a_unit_and_sees_the_colours_change(browser, page):
    tab = Tab(browser, page[1])
    best = max(page[0].tracking.best(), key=lambda one: abs(one.held_out))
    name = f"{best.state}[{best.layer}, {best.unit}]"
    assert best.property == "inside quotes"
    assert tab.read("#shown").startswith(f"{name}, unit {best.unit} of layer 0: inside quotes")
    assert f"{abs(best.held_out):.2f}" in tab.read("#shown")
    text = next(iter(page[2].values()))[:3000]
    assert tab.page.locator("#text b").count() == 3000
    assert tab.read("#text").replace("\n", "") == text.strip()
    before = tab.colors()
    inside, outside = text.index("! "), text.index(". ")  # one sentence of each kind has ended
    blue = [int(part) for part in re.findall(r"\d+", before[inside])]
    orange = [int(part) for part in re.findall(r"\d+", before[outside])]
    assert (blue[2] > blue[0]) != (orange[2] > orange[0])
    tab.page.locator("#units li").nth(3).click()
    assert tab.page.locator("#units li").nth(3).get_attribute("aria-selected") == "true"
    assert sum(one != other for one, other in zip(before, tab.colors(), strict=True)) > 1500
    tab.page.locator("#units li").first.click()
    assert tab.read("#shown") == "Surprise"
    assert tab.noise == []


def test_the_alternatives_are_shown_where_the_pointer_is(browser, page, quoter):
    tab = Tab(browser, page[1])
    text = next(iter(page[2].values()))
    tab.page.locator("#text b").nth(57).hover()
    assert tab.read("#character") == f"{text[57] if text[57] != ' ' else 'space'} (58)"
    expected = sorted(quoter.session(text[:57]).probabilities().items(), key=lambda one: -one[1])[:5]
    rows = tab.page.locator("#likely tbody tr").all_inner_texts()
    assert [re.split(r"\s+", row.strip())[:2] for row in rows] == [
        ["space" if name == " " else name, f"{100 * share:.1f}"] for name, share in expected
    ]
    surprise = quoter.surprise(text[:58], unit="bits")[-1]
    assert float(tab.read("#bits").split()[0]) == pytest.approx(surprise, abs=0.006)
    tab.page.locator("#text b").first.hover()
    assert tab.read("#bits") == "nothing was predicted here"
    assert tab.noise == []


def test_all_of_it_works_from_the_keyboard(browser, page):
    tab = Tab(browser, page[1])
    press = tab.page.keyboard.press
    press("/")
    tab.page.keyboard.type("position word")
    assert all("position in the word" in row for row in tab.page.locator("#units li").all_inner_texts())
    press("Enter")
    assert "position in the word" in tab.read("#shown")
    before = tab.read("#shown")
    press("ArrowDown")
    assert tab.read("#shown") != before
    press("ArrowUp")
    assert tab.read("#shown") == before
    tab.page.locator("#text").focus()
    press("ArrowRight")
    press("ArrowRight")
    assert tab.read("#character").endswith("(3)")
    press("ArrowDown")
    place = int(re.findall(r"\((\d+)\)", tab.read("#character"))[0])
    assert 40 < place < 200  # the line below
    press("ArrowUp")
    assert tab.read("#character").endswith("(3)")
    press("]")
    assert tab.read("#part") == "3,001 to 4,000 of 4,000"
    press("[")
    assert tab.read("#part") == "1 to 3,000 of 4,000"
    assert tab.noise == []


def test_units_are_found_and_sorted(browser, page):
    tab = Tab(browser, page[1])
    tracking = page[0].tracking
    tab.page.select_option("#property", label="inside a word")
    rows = tab.page.locator("#units .name").all_inner_texts()
    found = sorted(tracking.best("inside a word"), key=lambda one: -round(abs(one.held_out), 3))
    expected = [f"{one.state}[{one.layer}, {one.unit}]" for one in found]
    assert rows[0] == "surprise"
    assert rows[1:4] == expected[:3]
    assert tab.read("#shown").startswith(f"{expected[0]}, unit ")
    assert f"inside a word {tab.page.locator('#units .r').nth(1).inner_text()}" in tab.read("#shown")
    tab.page.select_option("#state", "h")
    assert {row[0] for row in tab.page.locator("#units .name").all_inner_texts()[1:]} == {"h"}
    tab.page.select_option("#order", "n")
    assert tab.page.locator("#units .name").all_inner_texts()[1:3] == ["h[0, 0]", "h[0, 1]"]
    tab.page.locator("#search").fill("no such thing")
    assert tab.read("#units") == "no such unit"
    tab.page.select_option("#which", "1")
    assert tab.read("#part") == "1 to 300 of 300"
    tab.page.locator("#lines").check()
    assert tab.page.locator("#text.lines").count() == 1
    assert tab.noise == []


def sizes(tab):
    """The numbers that stand in the list, without their signs."""
    return [abs(float(row.replace("\u2212", "-"))) for row in tab.page.locator("#units .r").all_inner_texts() if row]


def test_the_list_is_in_the_order_of_its_numbers(browser, page):
    tab = Tab(browser, page[1])
    for choice in ("", *map(str, range(len(page[0].tracking.properties)))):
        tab.page.select_option("#property", choice)
        assert len(sizes(tab)) == 64
        assert sizes(tab) == sorted(sizes(tab), reverse=True)


def test_another_property_begins_at_its_best_unit(browser, page):
    tab = Tab(browser, page[1])
    tab.page.locator("#units li").last.click()
    assert tab.page.evaluate("document.getElementById('units').scrollTop") > 300
    tab.page.select_option("#property", label="inside a word")
    assert tab.page.evaluate("document.getElementById('units').scrollTop") == 0
    assert tab.page.locator("#units li").nth(1).get_attribute("aria-selected") == "true"
    assert tab.page.locator("#units [aria-selected=true]").count() == 1
    tab.page.locator("#search").fill("no such unit")
    tab.page.select_option("#property", label="inside quotes")
    assert tab.read("#shown") == "Surprise"
    assert tab.noise == []


def test_names_are_whole_and_surprise_has_no_value(browser, page):
    tab = Tab(browser, page[1])
    cut = "cells => cells.filter(cell => cell.scrollWidth > cell.clientWidth).map(cell => cell.textContent)"
    for choice in map(str, range(len(page[0].tracking.properties))):
        tab.page.select_option("#property", choice)
        assert tab.page.locator("#units .what, #units .name").evaluate_all(cut) == []
    assert tab.page.locator("#value").is_visible()
    tab.page.locator("#units li").first.click()
    assert tab.read("#shown") == "Surprise"
    assert not tab.page.locator("#value").is_visible()
    assert tab.page.locator("#bits").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it(browser, page, scheme):
    tab = Tab(browser, page[1], viewport={"width": 390, "height": 844}, color_scheme=scheme, reduced_motion="reduce")
    assert tab.page.evaluate("document.documentElement.scrollWidth") == 390
    tab.page.locator("#text b").nth(30).click()
    assert tab.read("#character").endswith("(31)")
    assert tab.page.evaluate("getComputedStyle(document.querySelector('#likely i')).transitionDuration") == "0s"
    ratio = """() => {
      const light = c => c.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
      const numbers = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
      const ink = light(numbers(getComputedStyle(document.getElementById("text")).color));
      return Math.min(...colours.map(numbers).map(light).map(paper =>
        (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05)));
    }"""
    assert tab.page.evaluate(ratio) >= 4.5  # what can be read on every colour, by WCAG
    assert tab.noise == []


@pytest.mark.parametrize("documents", [False, True])
def test_nothing_of_a_hostile_text_runs(browser, documents, tmp_path):
    texts = [HOSTILE] * 8
    model = CharRNN(hidden_size=5, max_updates=10, random_state=0).fit(texts if documents else "".join(texts))
    path = tmp_path / "page.html"
    properties = {HOSTILE: lambda text: np.arange(len(text)) % 7}
    explorer.write(path, model, {HOSTILE: texts if documents else HOSTILE * 8}, title=HOSTILE, properties=properties)
    tab = Tab(browser, path)
    assert tab.page.locator("#text b").count() == 8 * (len(HOSTILE) + documents)
    tab.page.locator("#text").focus()
    for _ in range(len(HOSTILE)):
        tab.page.keyboard.press("ArrowRight")
    tab.page.locator("#units").focus()
    for _ in range(6):
        tab.page.keyboard.press("ArrowDown")
    assert "</script><script>alert(1)</script>" in tab.read("#title")
    assert tab.page.locator("script").count() == 2
    assert tab.page.locator("img, svg, textarea").count() == 0
    tab.page.wait_for_timeout(200)
    assert tab.noise == []
