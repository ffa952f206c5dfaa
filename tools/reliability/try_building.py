"""The compiled module, and the code that must not be in the package."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

from rows import Finding, row

import pycharrnn
from pycharrnn import _kernels

FORBIDDEN = {"pickle", "marshal", "ctypes", "subprocess", "shelve", "dill", "joblib", "socket"}
MAY = {"benchmark": {"subprocess", "pickle"}, "serving": {"socket"}}  # folders that are for it
CALLS = {"eval", "exec", "compile", "__import__"}


def said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@row("R33", "The module: tables read-only, stack guarded; the code: no pickle")
def hygiene(full: bool) -> Finding:
    found = Finding("checks", 50)
    path = str(_kernels.__file__)
    if shutil.which("readelf") and path.endswith(".so"):
        dynamic, headers = said("readelf", "-dW", path), said("readelf", "-lW", path)
        symbols = said("readelf", "--dyn-syms", "-W", path)
        found.check("BIND_NOW" in dynamic or "NOW" in dynamic, "names are resolved late")
        found.check("GNU_RELRO" in headers, "the table of names can be written")
        found.check("__stack_chk_fail" in symbols, "the stack is not guarded")
        stack = next(line for line in headers.splitlines() if "GNU_STACK" in line)
        found.check("RWE" not in stack, "the stack can be executed")
        found.check("TEXTREL" not in dynamic, "the code is changed when it is loaded")
    home = Path(pycharrnn.__file__).parent
    for module in sorted(home.rglob("*.py")):
        may = MAY.get(module.relative_to(home).parts[0], set())
        names: set[str] = set()
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or "").partition(".")[0])
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                names |= {node.func.id} & CALLS
        found.check(not names & (FORBIDDEN | CALLS) - may, module.relative_to(home), names & (FORBIDDEN | CALLS))
    script = "import threading, pycharrnn; assert threading.active_count() == 1"
    alone = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True)
    found.check(alone.returncode == 0, "the import warns or starts threads:", alone.stderr[-200:])
    return found
