"""Calls to the system and requests for memory that fail where a case wants it: Linux, with a C compiler."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rows import Finding, scratch

HERE = Path(__file__).resolve().parent
SHORT, KILL = -1, -2  # in place of an errno: a write writes half of it; the process is killed


class Case(NamedTuple):
    """What is done to a child: its n-th call fails so, or also all later ones; `least` counts requests for memory."""

    n: int
    how: int
    lasting: bool = False
    least: int = 0


class Ended(NamedTuple):
    """How a child ended: its code (negative: a signal), which call failed, and what it says."""

    code: int
    struck: str
    said: Any


def under_shim(module: str, function: str, full: bool) -> Finding:
    """Call ``module.function(full)`` in a process with the shim; it returns a finding."""
    with scratch() as folder:
        library = folder / "shim.so"
        compiler = os.environ.get("CC", "cc")
        command = [compiler, "-O1", "-fPIC", "-shared", "-w", "-o", str(library), str(HERE / "shim.c"), "-ldl"]
        subprocess.run(command, check=True)
        script = f"import json, {module}; print(json.dumps(vars({module}.{function}({full}))))"
        environment = os.environ | {"LD_PRELOAD": str(library), "PYTHONPATH": os.pathsep.join(sys.path)}
        environment |= {"OPENBLAS_NUM_THREADS": "1", "SHIM": str(library)}
        done = subprocess.run([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            return Finding("cases", faults=[f"ended with {done.returncode}"])
        return Finding(**json.loads(done.stdout.splitlines()[-1]))


def library() -> ctypes.CDLL:
    """The preloaded shim."""
    shim = ctypes.CDLL(os.environ["SHIM"])
    shim.shim_disarm.restype = ctypes.c_char_p
    shim.shim_calls.restype = ctypes.c_long
    shim.shim_arm.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    return shim


def in_child(case: Case, act: Callable[[], Any], after: Callable[[Any], Any]) -> Ended:
    """Fork; in the child, `act` while the case holds, then say ``after(what it returned or raised)``."""
    shim = library()
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        outcome: Any
        shim.shim_watch()
        shim.shim_arm(case.n, case.how, case.lasting, case.least)
        try:
            outcome = act()
        except BaseException as error:
            outcome = error
        struck = shim.shim_disarm().decode()
        try:
            said = after(outcome)
        except BaseException as error:
            said = f"afterwards {type(error).__name__}: {error}"
        os.write(writes, json.dumps([struck, said]).encode())
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads, "rb") as pipe:
        data = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    struck, said = json.loads(data) if data else ("", None)
    return Ended(code, struck, said)
