"""The page, driven in a browser without a window."""

import os
import shutil
import time
from pathlib import Path

import pytest

from pycharrnn.serving.pool import Pool
from pycharrnn.serving.server import Server

playwright = pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def browser():
    """A browser that is installed, or that playwright has brought along."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = next(filter(None, map(shutil.which, names)), None)
    with playwright.sync_playwright() as started:
        try:
            found = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except playwright.Error:
            pytest.skip("there is no chromium here")
        yield found
        found.close()


@pytest.fixture(params=[1280, 390], ids="{}px".format)
def page(request, browser, server):
    """The page at this width; whatever a script says in vain, or a policy forbids, fails the test."""
    with browser.new_page(viewport={"width": request.param, "height": 900}) as found:
        found.set_default_timeout(10_000)
        faults = []
        found.on("pageerror", lambda error: faults.append(str(error)))
        found.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        found.goto(server.url)
        until(found, "document.title.endsWith('writes')")
        yield found
        assert faults == []


def until(page, condition):
    """Wait until it holds. The page's policy lets playwright's own waiting evaluate nothing."""
    for _ in range(400):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"{condition}: {page.locator('#status').inner_text()}")


def keep(page, name):
    """Keep a picture of the page where the environment says."""
    folder = os.environ.get("PYCHARRNN_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}-{page.viewport_size['width']}.png")


@pytest.fixture
def slowly(monkeypatch):
    """A server that writes some hundred characters a second, so that there is something to stop."""
    turn = Pool.turn

    def wait(self):
        time.sleep(0.02)
        return turn(self)

    monkeypatch.setattr(Pool, "turn", wait)
    monkeypatch.setattr("pycharrnn.serving.pool._STEPS", 8)


def slide(page, name, value):
    page.locator(f"#{name}").evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", str(value)
    )


def test_a_stream_starts_and_stops_by_its_buttons(page, server, slowly):
    keep(page, "empty")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    slide(page, "length", 2000)
    page.get_by_label("The beginning").fill("to be")
    page.get_by_role("button", name="Write").click()
    until(page, "document.querySelector('#text').textContent.length > 300")
    assert server.service.n_texts == 1
    assert page.get_by_role("button", name="Write").is_disabled()
    keep(page, "writing")
    page.get_by_role("button", name="Stop").click()
    until(page, "document.querySelector('#status').textContent.startsWith('Stopped')")
    page.wait_for_timeout(1000)
    assert server.service.n_texts == 0
    length = page.locator("#text").evaluate("text => text.textContent.length")
    page.wait_for_timeout(200)
    assert page.locator("#text").evaluate("text => text.textContent.length") == length
    assert page.locator("#text").inner_text().startswith("to be")


def test_a_stream_starts_and_stops_by_keys(page, server, slowly):
    slide(page, "length", 2000)
    page.get_by_label("The beginning").focus()
    page.keyboard.press("Control+Enter")
    until(page, "document.querySelector('#text').textContent.length > 200")
    page.keyboard.press("Escape")
    until(page, "document.querySelector('#status').textContent.startsWith('Stopped')")


def test_the_page_shows_what_the_settings_write(page, model):
    slide(page, "temperature", 0)
    slide(page, "length", 300)
    page.get_by_label("The beginning").fill("whether ")
    page.get_by_role("button", name="Write").click()
    until(page, "document.querySelector('#status').textContent.startsWith('Done')")
    expected = model.sample(300, prompt="whether ", temperature=0)
    assert page.locator("#text").evaluate("text => text.textContent") == "whether " + expected
    page.get_by_role("button", name="Go on from here").click()
    until(page, "document.querySelector('#text').textContent.length == 608")
    keep(page, "done")


def test_an_error_is_told(browser, server):
    with browser.new_page() as page:
        page.goto(server.url)
        until(page, "document.title.endsWith('writes')")
        page.get_by_label("The beginning").fill("\u20ac")
        page.keyboard.press("Control+Enter")
        until(page, "document.querySelector('#status').className == 'bad'")
        assert "unknown character" in page.locator("#status").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_of_a_hostile_text_acts(browser, hostile, scheme):
    with Server(hostile, "<b>bad</b>").running() as server, browser.new_page(color_scheme=scheme) as page:
        alerts = []
        page.on("dialog", lambda dialog: alerts.append(dialog.message))
        page.goto(server.url)
        until(page, "document.title.endsWith('writes')")
        assert page.title() == "<b>bad</b> writes"
        before = page.evaluate("document.querySelectorAll('*').length")
        for beginning in ("", "<script>", "</textarea>", "\x1b", "\u202e", "a"):
            page.get_by_label("The beginning").fill(beginning)
            page.keyboard.press("Control+Enter")
            until(page, "document.querySelector('#status').textContent.startsWith('The end')")
            assert page.evaluate("document.querySelectorAll('*').length") == before + 2  # the beginning, and the rest
        keep(page, f"hostile-{scheme}")
        assert page.title() == "<b>bad</b> writes"
        assert alerts == []
