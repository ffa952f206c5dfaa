"""The programme of reliability: one command that tries to break the library, and prints a table of what it tried.

``python tools/reliability`` takes some three minutes, ``--full`` up to half an hour; names of rows, such as ``R3 R7``,
choose some. The pycharrnn that is tried is the installed one. Each row runs in a process of its own, so that a crash
ends only that row, and has a fixed seed, so that what fails fails again.
"""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests")]  # what the tests share: twins, forgeries

from rows import ROWS, Finding, Row  # noqa: E402

MODULES = sorted(path.stem for path in HERE.glob("try_*.py"))


def alone(name: str, full: bool) -> int:
    """Run one row in this process, and write what it found as the last line, in JSON."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it starts with & ignore it
    found = ROWS[name].work(full)
    print(json.dumps(vars(found)))
    return 0


def run(row: Row, full: bool) -> Finding:
    """Run one row in a process of its own."""
    command = [sys.executable, str(HERE), "--alone", row.name, *(["--full"] if full else [])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=row.seconds)
    except subprocess.TimeoutExpired:
        return Finding("tries", faults=[f"no end after {row.seconds:.0f} s"])
    if done.returncode == 0:
        return Finding(**json.loads(done.stdout.splitlines()[-1]))
    how = f"ended with the code {done.returncode}"
    if done.returncode < 0:
        how = f"was ended by {signal.Signals(-done.returncode).name}"
    return Finding("tries", faults=[how, *done.stderr.splitlines()[-12:]])


def told(row: Row, found: Finding, seconds: float) -> str:
    """One line of the table, and below it what failed."""
    result = "ok" if found.passed else "FAILED"
    line = f"{row.name:<4} {row.does:<62} {found.count:>9,} {found.unit:<12} {result:<6} {seconds:6.1f} s"
    below = [found.note] if found.note else []
    below += found.faults
    if found.missed:
        below.append(f"... and {found.missed:,} more")
    if not found.faults and not found.passed:
        below.append(f"at least {found.least:,} {found.unit} must be tried")
    return "\n".join([line.rstrip(), *(f"       {text}" for text in below)])


def main() -> int:
    """Print the table; 1 if a row failed."""
    parser = argparse.ArgumentParser(prog="reliability", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="such as R3; all, if none is given")
    parser.add_argument("--full", action="store_true", help="more of each: up to half an hour, not three minutes")
    parser.add_argument("--list", action="store_true", help="print the rows and end")
    parser.add_argument("--alone", metavar="ROW", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    for module in MODULES:
        importlib.import_module(module)
    if asked.alone:
        return alone(asked.alone, asked.full)
    names = sorted(ROWS, key=lambda name: int(name[1:]))
    if unknown := set(asked.rows) - set(names):
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = asked.rows or [name for name in names if asked.full or ROWS[name].quick]
    if asked.list:
        print("\n".join(f"{name:<4} {'      ' if ROWS[name].quick else '--full'} {ROWS[name].does}" for name in names))
        return 0
    failed = 0
    begin = time.monotonic()
    for name in chosen:
        at = time.monotonic()
        found = run(ROWS[name], asked.full)
        failed += not found.passed
        print(told(ROWS[name], found, time.monotonic() - at), flush=True)
    print(f"{len(chosen) - failed} of {len(chosen)} rows passed in {time.monotonic() - begin:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
