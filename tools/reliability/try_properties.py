"""Properties: statements that hold for whatever Hypothesis invents."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

from rows import Finding, row

ROOT = Path(__file__).resolve().parents[2]
PROPERTIES = ROOT / "tests" / "properties"


def properties() -> int:
    """How many functions of the tests have the decorator `given`."""
    trees = [ast.parse(path.read_text("utf-8")) for path in PROPERTIES.glob("test_*.py")]
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return sum(any("given(" in ast.unparse(mark) for mark in function.decorator_list) for function in functions)


@row("R22", "properties, each with 200 examples", quick=False, seconds=1200)
def hold(full: bool) -> Finding:
    """Run the properties with the installed package; each of them must have run, and hold."""
    found = Finding("properties", least=40)
    command = [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", "-q", "-o", "addopts=", "--import-mode"]
    command += ["importlib", "--hypothesis-profile", "full" if full else "quick", str(PROPERTIES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    passed = re.search(r"(\d+) passed", done.stdout)
    found.count = int(passed[1]) if passed else 0
    if done.returncode or found.count < properties():
        failed = re.findall(r"^(?:FAILED|ERROR) .*", done.stdout, re.MULTILINE)
        for line in failed or [done.stdout[-300:] + done.stderr[-300:]]:
            found.fault(line)
    return found
