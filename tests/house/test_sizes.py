"""Modules and functions stay small, as CONTRIBUTING.md says: what grows beyond lacks a noun."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "pycharrnn").rglob("*.py"))
PARTS = sorted((ROOT / "src").rglob("*.pxi")) + sorted((ROOT / "src").rglob("*.[ch]")) + [ROOT / "src" / "_kernels.pyx"]
# Functions with many options for users, who pass one or two by name.
OPTIONS = {"check_gradients", "read_documents", "write"}


def too_large(code, name="a module"):
    """Return what is larger than it may be in the code of a module."""
    found = [name] * (code.count("\n") > 350)
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef):
            first = node.body[ast.get_docstring(node) is not None :][:1]
            lines = node.end_lineno - first[0].lineno + 1 if first else 0
            parameters = {one.arg for one in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]}
            if lines > 60 or (len(parameters - {"self", "cls"}) > 7 and node.name not in OPTIONS):
                found.append(f"{name}: {node.name}")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_and_its_functions_are_small(path):
    assert too_large(path.read_text(encoding="utf-8"), path.name) == []


def test_a_part_of_the_loops_or_of_the_core_is_small():
    assert len(PARTS) > 20
    assert [path.name for path in PARTS if path.read_text(encoding="utf-8").count("\n") > 500] == []


@pytest.mark.parametrize(
    "code",
    ["x = 1\n" * 351, "def f():\n" + "    x = 1\n" * 61, "def f(a, b, c, d, /, e, f, *, g, h):\n    pass\n"],
)
def test_what_is_too_large_is_found(code):
    assert len(too_large(code)) == 1
