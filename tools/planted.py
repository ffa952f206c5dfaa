"""Whether the tests notice: faults are planted in a copy of the package, one at a time, and the tests must fail.

            told = f"{number:>2} {fault.module:<24} {fault.wrong.strip()[:50]!r:<54} {said:<8}"
            print(f"{told} {time.monotonic() - begin:5.1f} s", flush=True)
replaced by a wrong one, and the tests that should see it. At the end it lists those that got away.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FILES, FORGED, ATOMIC = "tests/files", "tests/files/test_forged.py", "tests/files/test_atomic.py"
LINES, TEAM = "tests/training/test_every_line.py", "tests/training/test_team.py"


class Fault(NamedTuple):
    """A fault: what of which module is replaced by what, and which tests look there."""

    module: str
    right: str
    wrong: str
    tests: str


FAULTS = [
    Fault("files/atomic.py", "os.fsync(file.fileno())", "file.fileno()", ATOMIC),
    Fault("files/atomic.py", "                    _sync(folder)\n", "                    pass\n", ATOMIC),
    Fault("files/atomic.py", "os.replace(temporary, target)", "os.replace(temporary, path)", ATOMIC),
    Fault("files/atomic.py", "            _remove_parts(folder, prefix)\n", "            pass\n", ATOMIC),
    Fault("files/atomic.py", "            os.chmod(temporary, mode)\n", "            pass\n", ATOMIC),
    Fault("files/atomic.py", "error.filename in (None, temporary)", "error.filename in (temporary,)", ATOMIC),
    Fault("files/atomic.py", "                os.unlink(temporary)\n", "                pass\n", ATOMIC),
    Fault("files/atomic.py", "            _own(temporary, old)\n", "            pass\n", ATOMIC),
    Fault("files/header.py", "_MOST_BRACKETS = 10_000", "_MOST_BRACKETS = 10_000_000", FORGED),
    Fault("files/header.py", "if said != _json(about, sort_keys=True):", "if False:", FILES),
    Fault("files/header.py", "if version > VERSION:", "if version > VERSION + 1:", FILES),
    Fault("files/container.py", "if head != header.encode():", "if False:", FILES),
    Fault("files/container.py", "if header != header.signed(", "if not header.signed(", FILES),
    Fault("files/container.py", "if size != len(head) + called_for:", "if size < len(head) + called_for:", FILES),
    Fault("files/container.py", "        _check_finite(name, array)\n    types", "        pass\n    types", FILES),
    Fault("files/container.py", '| getattr(os, "O_NONBLOCK", 0)', "", FORGED),
    Fault("files/model_file.py", "characters[-1] > 0x10FFFF or not", "not", FORGED),
    Fault("files/model_file.py", "(characters[1:] > characters[:-1])", "(characters[1:] >= characters[:-1])", FORGED),
    Fault("files/model_file.py", "ids.max() > most", "ids.max() > most + 1", FILES),
    Fault("files/model_file.py", "if means.keys() != specs.keys():", "if not means.keys() <= specs.keys():", FILES),
    Fault("training/trainer.py", "        if n:\n            self._engine.take",
          "        if True:\n            self._engine.take", TEAM),
    Fault("training/trainer.py", "meeting[3] = listens", "meeting[3] = 0", TEAM),
    Fault("training/trainer.py", "s.shift = self._reading.shift(s.n_updates)", "s.shift = 0",
          "tests/training/test_training_on.py tests/training/test_windows.py"),
    Fault("training/trainer.py", "made.nats[:n] / share / self.batch_size", "made.nats[:n] / self.batch_size",
          "tests/training"),
    Fault("training/trainer.py", "        s.m[:] = before.m", "        s.m[:] = s.m", "tests/training"),
    Fault("training/rollback.py", "        if not state.is_finite():\n            state.assign(saved)", "        pass",
          "tests/training"),
    Fault("training/rollback.py", "self._trainer.state.assign(self._marks[-1].state)", "pass", "tests/training"),
    Fault("training/loop.py", "rollback.leave_finite, ", "", LINES),
    Fault("training/loop.py", "history.rewind(state.n_updates)", "history.count_epochs(0, 1, 0)", LINES),
    Fault("training/windows.py", "fresh[numbers == 0] = 1", "fresh[numbers < 0] = 1", "tests/training"),
    Fault("training/judge.py", "if nats < self._lowest:", "if nats <= self._lowest:", "tests/training"),
    Fault("network/state.py", 'self.rule = ""', "pass", "tests/training"),
    Fault("network/state.py", '        self.shift = other.shift', "        pass",
          "tests/network/test_state.py tests/training"),
    Fault("trained.py", "            found.state.check(found.architecture)\n", "            pass\n",
          "tests/face/test_pickles.py"),
    Fault("turns.py", "[0] == os.getpid():", "[0] == -1:", "tests/face/test_turns.py"),
    Fault("turns.py", "            del _TRAINED[model]", "            pass", "tests/face/test_turns.py"),
    Fault("text/vocabulary.py", "good[1:] &= codes[1:] > codes[:-1]", "good[1:] &= codes[1:] >= codes[:-1]",
          "tests/text"),
    Fault("text/vocabulary.py", '"surrogatepass")', '"replace")', "tests/text"),
    Fault("interrupts.py", "            self._held = self._held or Interrupted(number)", "            pass",
          "tests/training/test_interrupts.py"),
    Fault("waiting.py", "        raise errors[0]", "        pass", "tests/training/test_waiting.py"),
    Fault("training/adaptation.py", "np.full(n, float(rate))", "np.full(n, rate)", "tests/face/test_odd_values.py"),
]  # fmt: skip


def noticed(fault: Fault, home: Path) -> bool:
    """Whether the tests fail with the fault; they are run in the copy."""
    module = home / "pycharrnn" / fault.module
    code = module.read_text(encoding="utf-8")
    if code.count(fault.right) < 1:
        raise ValueError(f"{fault.module} has no {fault.right!r}: the list of faults is behind the code")
    module.write_text(code.replace(fault.right, fault.wrong, 1), encoding="utf-8")
    command = [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", "-q", "-x", *fault.tests.split()]
    try:
        where = os.environ | {"PYTHONPATH": str(home)}
        return subprocess.run(command, cwd=home, env=where, capture_output=True, timeout=150).returncode == 1
    except subprocess.TimeoutExpired:
        return True  # a test that hangs is noticed, too
    finally:
        module.write_text(code, encoding="utf-8")


def main() -> int:
    """Plant one fault after the other; 1 if more than one gets away."""
    chosen = [int(number) for number in sys.argv[1:]] or range(len(FAULTS))
    away = 0
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "copy")
        shutil.copytree(ROOT, home, ignore=shutil.ignore_patterns(".git", "build", "__pycache__"))
        for number in chosen:
            begin = time.monotonic()
            fault = FAULTS[number]
            found = noticed(fault, home)
            away += not found
            said = "noticed" if found else "GOT AWAY"
            told = f"{number:>2} {fault.module:<24} {fault.wrong.strip()[:50]!r:<54} {said:<8}"
            print(f"{told} {time.monotonic() - begin:5.1f} s", flush=True)
    print(f"{len(chosen) - away} of {len(chosen)} noticed")
    return 1 if away > 1 else 0


if __name__ == "__main__":
    sys.exit(main())
