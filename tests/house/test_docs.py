"""What the documents show is run: the README's code and every docstring's example."""

import contextlib
import doctest
import importlib
import importlib.util
import io
import pkgutil
import re
from pathlib import Path

import pytest

import pycharrnn

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, ROOT / "docs" / "usage.md", ROOT / "docs" / "quality.md"]
MODULES = [
    module.name
    for module in pkgutil.walk_packages(pycharrnn.__path__, "pycharrnn.")
    if module.name not in ("pycharrnn.__main__", "pycharrnn._kernels")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    module = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0


def test_the_readme_prints_what_it_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    [(code, output)] = re.findall(
        r"```python\n((?:(?!```).)*)```\n\nIt prints\n\n```text\n(.*?)```", README.read_text(), re.S
    )
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert printed.getvalue().rstrip() == output.rstrip()
    assert (tmp_path / "model.safetensors").stat().st_size > 10_000


def test_the_pages_name_parameters_that_there_are():
    known = set(pycharrnn.CharRNN().get_params()) | {"length", "prompt", "every", "callbacks", "temperature"}
    known |= {"n_samples", "unescape", "on_bad", "validation"} | set(pycharrnn.Sampling().numbers())
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    calls = re.findall(r"(?:CharRNN|preset|SampleText|sample|stream|partial_fit|fit)\(([^()]*)\)", text)
    used = {name for call in calls for name in re.findall(r"\b([a-z_]+)=", call)}
    assert len(used) > 10
    assert used <= known


def test_the_page_of_parameters_is_that_of_the_table():
    spec = importlib.util.spec_from_file_location("page_of_parameters", ROOT / "tools" / "parameters.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page()


def test_the_table_of_floors_has_every_module():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = {
        (folder + name).replace("/", ".")
        for row in re.findall(r"^\| \w+ \|[^|]*\| (.*) \|$", page, re.M)
        for folder in re.findall(r"`(\w+/)`: ", row) or [""]
        for name in re.findall(r"`(\w+)`", row)
    }
    ours = {name.removeprefix("pycharrnn.") for name in MODULES if not name.endswith("__main__")}
    folders = {name.partition(".")[0] for name in ours if "." in name}
    assert ours - folders == listed - {"_kernels"}


@pytest.mark.parametrize("page", [README, *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name)
def test_the_links_of_a_page_lead_to_files(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    ours = re.compile(r"https://(?:raw\.githubusercontent|github)\.com/pycharrnn/pycharrnn/(?:blob/)?main/")
    for link in links:
        path, web = ours.subn("", link.partition("#")[0])
        if web or "://" not in link:
            assert ((ROOT if web else page.parent) / path).exists(), link
