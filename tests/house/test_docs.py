"""What the documents show is run: the README's code and every docstring's example."""

import contextlib
import doctest
import importlib
import io
import pkgutil
import re
from pathlib import Path

import pytest

import pycharrnn

README = Path(__file__).resolve().parents[2] / "README.md"
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


def test_the_readme_names_every_parameter_it_uses():
    known = set(pycharrnn.CharRNN().get_params()) | {"length", "prompt", "every", "callbacks", "temperature"}
    known |= {"n_samples", "unescape", "on_bad", "validation"}
    used = {name for call in re.findall(r"(?:CharRNN|SampleText|sample|stream|fit)\(([^()]*)\)", README.read_text())
            for name in re.findall(r"\b([a-z_]+)=", call)}  # fmt: skip
    assert used
    assert used <= known
