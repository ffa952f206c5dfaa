"""A name that begins with an underscore belongs to its module: no other one uses it, and no test either."""

import ast
from pathlib import Path

import pycharrnn

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [Path(pycharrnn.__file__).parent, *(ROOT / name for name in ("tests", "examples", "benchmarks", "tools"))]
PUBLIC = {"_asdict", "_fields", "_replace"}  # of every NamedTuple


def is_private(name):
    return name.startswith("_") and not name.endswith("_") and name not in PUBLIC


def defined(tree):
    """Return the private names that a module gives to functions, classes, variables and its objects' attributes."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_own(node):
            names.add(node.attr)
    return {name for name in names if is_private(name)}


def is_own(node):
    """Whether the attribute is one of the object or class at hand: its class may have inherited it."""
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


def borrowed(sources):
    """Return "file:line: name" for each private name that a module uses and another one defines."""
    trees = {file: ast.parse(text) for file, text in sources.items()}
    everywhere = set().union(*map(defined, trees.values()))
    found = []
    for file, tree in trees.items():
        others = everywhere - defined(tree)
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Attribute) and not is_own(node):
                names = [node.attr]
            elif isinstance(node, ast.ImportFrom):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "setattr":
                names = [each.value for each in node.args if isinstance(each, ast.Constant) and each.value in others]
            found += [f"{file}:{node.lineno}: {name}" for name in names if name in others]
    return found


def test_no_module_uses_a_private_name_of_another():
    files = [file for folder in FOLDERS for file in sorted(folder.rglob("*.py"))]
    assert len(files) > 150
    assert borrowed({str(file): file.read_text(encoding="utf-8") for file in files}) == []


def test_borrowed_names_are_found():
    owner = "def _help(): ...\nclass A:\n    def __init__(self):\n        self._x = 1\n\nprint(A()._x)\n"
    user = "from owner import A, _help\nA()._x\nsetattr(A, '_help', 0)\nclass B(A):\n    def x(self): return self._x\n"
    assert borrowed({"owner": owner, "user": user}) == ["user:1: _help", "user:2: _x", "user:3: _help"]
