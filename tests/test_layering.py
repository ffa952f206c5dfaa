"""Imports go one way: the table below is the architecture, and this file enforces it."""

from __future__ import annotations

import ast
import graphlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

# Module -> what it may import of ours. Change the table when the house changes.
TABLE: dict[str, set[str]] = {
    **{name: set() for name in ("_kernels", "arguments", "text", "output", "notebook", "packing", "records")},
    **{name: set() for name in ("gradcheck", "plotting", "baseline", "interrupts", "cells", "optim")},
    "params": {"_kernels"},
    "sampling": {"_kernels", "params"},  # to say what memory a text takes
    "callbacks": {"arguments", "output"},
    "datasets": {"arguments"},
    "storage": {"packing"},  # to say what a file is that is no model
    "reading": {"packing"},
    "fields": {"records", "output"},  # to count what a message tells of
    "documents": {"arguments", "reading", "packing", "records", "fields", "output"},
    "network": {"_kernels", "cells", "params"},
    "training": {"plotting", "notebook"},
    "fitting": {"network", "optim", "training", "callbacks", "baseline"},
    "model": {
        "storage",
        "network",
        "optim",
        "sampling",
        "text",
        "training",
        "gradcheck",
        "arguments",
        "fitting",
        "notebook",
        "reading",
    },
}
FLOORS = set(TABLE)
for top in ("__init__", "benchmark", "report", "cli", "__main__"):
    TABLE[top] = set(TABLE)  # anything above


def package() -> Path:
    """The folder of the package that `import pycharrnn` finds: the installed one."""
    spec = importlib.util.find_spec("pycharrnn")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(next(iter(spec.submodule_search_locations)))


def modules(folder: Path) -> set[str]:
    suffixes = {".py", ".pyi", ".so", ".pyd"}
    return {path.name.split(".")[0] for path in folder.iterdir() if path.suffix in suffixes}


def imports(path: Path, known: set[str]) -> Iterator[tuple[int, str]]:
    """Yield (line, module of ours) for every import in the file, wherever in the file it stands.

    A name taken from the package that is no module comes out of `__init__`.
    """
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            full = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = importlib.util.resolve_name("." * node.level + (node.module or ""), "pycharrnn")
            full = [f"{source}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in full:
            parts = name.split(".")
            if parts[0] == "pycharrnn":
                yield node.lineno, parts[1] if len(parts) > 1 and parts[1] in known else "__init__"


def violations(folder: Path) -> list[str]:
    """Return "file:line: what is wrong" for every import that the table does not allow."""
    known = modules(folder) | TABLE.keys()
    return [
        f"{path.name}:{line}: {path.stem} must not import {target}"
        for path in sorted([*folder.glob("*.py"), *folder.glob("*.pyi")])
        for line, target in imports(path, known)
        if target not in TABLE.get(path.stem, set())
    ]


def test_the_table_has_every_module_and_no_other() -> None:
    assert modules(package()) == TABLE.keys()


def test_the_table_allows_no_import_that_nothing_needs() -> None:
    used = {name: {target for _, target in imports(package() / f"{name}.py", FLOORS)} for name in FLOORS - {"_kernels"}}
    assert {name: TABLE[name] - used[name] for name in used if TABLE[name] - used[name]} == {}


def test_the_table_has_no_cycle_and_no_unknown_name() -> None:
    assert set().union(*TABLE.values()) <= TABLE.keys()
    assert len(list(graphlib.TopologicalSorter(TABLE).static_order())) == len(TABLE)


def test_imports_go_one_way() -> None:
    assert violations(package()) == []


@pytest.mark.parametrize(
    ("spelling", "target"),
    [
        ("from pycharrnn.model import CharRNN", "model"),
        ("from pycharrnn import model", "model"),
        ("from pycharrnn import CharRNN", "__init__"),
        ("from pycharrnn import *", "__init__"),
        ("from . import model", "model"),
        ("from . import notebook as pages, model as face", "model"),
        ("from . import CharRNN", "__init__"),
        ("from .model import CharRNN", "model"),
        ("import pycharrnn.model", "model"),
        ("import os, pycharrnn.model as face", "model"),
        ("import pycharrnn", "__init__"),
        ("from .report import page", "report"),
        ("from ._kernels import train", "_kernels"),
        ("from .newcomer import anything", "__init__"),
    ],
)
@pytest.mark.parametrize(
    "place",
    [
        "{}\n",
        "def late():\n    {}\n",
        "class A:\n    def late(self):\n        if self:\n            {}\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {}\n",
        "try:\n    {}\nexcept ImportError:\n    pass\n",
    ],
    ids=["top", "function", "method", "typing", "try"],
)
def test_an_upward_import_is_refused(tmp_path: Path, spelling: str, target: str, place: str) -> None:
    (tmp_path / "training.py").write_text(place.format(spelling))
    line = place[: place.index("{}")].count("\n") + 1
    assert violations(tmp_path) == [f"training.py:{line}: training must not import {target}"]


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("training.py", "from .notebook import table"),
        ("training.py", "from pycharrnn import notebook"),
        ("training.py", "def plot():\n    from .plotting import plot_losses"),
        ("training.py", "import pycharrnn_like.model, os.path"),
        ("training.py", "from logging.config import model"),
        ("model.py", "from . import network, optim, sampling"),
        ("cli.py", "from . import model, report"),
        ("__main__.py", "from .cli import main"),
        ("__init__.py", "from .model import CharRNN"),
    ],
)
def test_other_imports_are_allowed(tmp_path: Path, file: str, line: str) -> None:
    (tmp_path / file).write_text(line)
    assert violations(tmp_path) == []


def test_a_module_outside_the_table_may_import_nothing_of_ours(tmp_path: Path) -> None:
    (tmp_path / "newcomer.py").write_text("from .text import Vocabulary")
    assert modules(tmp_path) - TABLE.keys() == {"newcomer"}
    assert violations(tmp_path) == ["newcomer.py:1: newcomer must not import text"]


def test_a_stub_obeys_the_table_too(tmp_path: Path) -> None:
    (tmp_path / "_kernels.pyi").write_text("from .network import Plan")
    assert violations(tmp_path) == ["_kernels.pyi:1: _kernels must not import network"]
