"""Whether the tests notice: faults are planted in a copy of the package, one at a time, and the tests must fail.

``python tools/planted.py`` takes half an hour; numbers of faults choose some. A fault is a piece of the code that is
replaced by a wrong one, and the tests that should see it. In `src` it needs a build. The tests must pass without it.
The tool names the test that noticed, and tells at the end how many faults were noticed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 400.0  # seconds that tests may take
FORGED, ATOMIC = "tests/files/test_forged.py", "tests/files/test_atomic.py"
DAMAGE, MODEL_FILE = "tests/files/test_damage.py", "tests/files/test_model_file.py"
CHECKPOINTS, CHECKPOINT_FILE = "tests/training/test_checkpoints.py", "tests/files/test_checkpoint_file.py"
LINES, TEAM = "tests/training/test_every_line.py", "tests/training/test_team.py"
ROLLBACK = "tests/training/test_rollback.py"
BEAM, SETTINGS = "tests/sampling/test_beam.py", "tests/sampling/test_settings.py"
NGRAMS, SCORING, DESK = "tests/training/test_ngrams.py", "tests/network/test_scoring.py", "tests/serving/test_desk.py"
DRAWING, SAMPLER = "tests/sampling/test_filters.py", "tests/sampling/test_sampler.py"


class Fault(NamedTuple):
    """A fault: what of which module is replaced by what, and which tests look there."""

    module: str  # in the package, or in src
    right: str
    wrong: str
    tests: str

    @property
    def compiled(self) -> bool:
        """Whether it needs a build."""
        return self.module.startswith("src/")

    @property
    def path(self) -> str:
        """The module's path in the repository."""
        return self.module if self.compiled else f"pycharrnn/{self.module}"


FAULTS = [
    Fault("files/atomic.py", "os.fsync(file.fileno())", "file.fileno()", ATOMIC),
    Fault("files/atomic.py", "                    _sync(folder)\n", "                    pass\n", ATOMIC),
    Fault("files/atomic.py", "os.replace(temporary, target)", "os.replace(temporary, path)", ATOMIC),
    Fault("files/atomic.py", "remove_parts(folder, re.escape(base[:_CUT]))", "pass", ATOMIC),
    Fault("files/atomic.py", "            os.chmod(temporary, mode)\n", "            pass\n", ATOMIC),
    Fault("files/atomic.py", "error.filename in (None, temporary)", "error.filename in (temporary,)", ATOMIC),
    Fault("files/atomic.py", "                os.unlink(temporary)\n", "                pass\n", ATOMIC),
    Fault("files/atomic.py", "            _own(temporary, old)\n", "            pass\n", ATOMIC),
    Fault("files/header.py", "_MOST_BRACKETS = 10_000", "_MOST_BRACKETS = 10_000_000", FORGED),
    Fault("files/header.py", "if said != _json(about, sort_keys=True):", "if False:", DAMAGE),
    Fault("files/header.py", "if version > VERSION:", "if version > VERSION + 1:", "tests/files/test_container.py"),
    Fault("files/container.py", "if head != header.encode():", "if False:", DAMAGE),
    Fault("files/container.py", "if header != header.signed(", "if not header.signed(", CHECKPOINT_FILE),
    Fault("files/container.py", "if size != len(head) + called_for:", "if size < len(head) + called_for:", DAMAGE),
    Fault("files/container.py", "        _check_finite(name, array)\n    types", "        pass\n    types", DAMAGE),
    Fault("files/container.py", '| getattr(os, "O_NONBLOCK", 0)', "", FORGED),
    Fault("files/model_file.py", "characters[-1] > 0x10FFFF or not", "not", FORGED),
    Fault("files/model_file.py", "(characters[1:] > characters[:-1])", "(characters[1:] >= characters[:-1])", FORGED),
    Fault("files/model_file.py", "ids.max() > most", "ids.max() > most + 1", MODEL_FILE),
    Fault("files/model_file.py", "if means.keys() != specs.keys():", "if not means.keys() <= specs.keys():",
          MODEL_FILE),
    Fault("training/trainer.py", "        if n:\n            self._engine.take",
          "        if True:\n            self._engine.take", TEAM),
    Fault("network/teams.py", "meeting[3] = listens", "meeting[3] = 0", TEAM),
    Fault("network/teams.py", "insist(leave, lambda: wait(calls))", "leave(), wait(calls)",
          "tests/network/test_teams.py"),
    Fault("training/trainer.py", "s.shift = self._reading.shift(s.n_updates)", "s.shift = 0",
          "tests/training/test_trainer.py"),
    Fault("training/trainer.py", "made.nats[:n] / share / self.batch_size", "made.nats[:n] / self.batch_size",
          "tests/training/test_trainer.py"),
    Fault("training/trainer.py", "        s.m[:] = before.m", "        s.m[:] = s.m",
          "tests/training/test_training_on.py"),
    Fault("training/rollback.py", "        if not state.is_finite():\n            state.assign(saved)", "        pass",
          ROLLBACK),
    Fault("training/rollback.py", "self._trainer.state.assign(self._marks[-1].state)", "pass", ROLLBACK),
    Fault("training/loop.py", "rollback.leave_finite, ", "", LINES),
    Fault("training/loop.py", "history.rewind(state.n_updates)", "pass", ROLLBACK),
    Fault("training/windows.py", "fresh[numbers == 0] = 1", "fresh[numbers < 0] = 1", "tests/training/test_windows.py"),
    Fault("training/judge.py", "if nats < self.memory.lowest:", "if nats <= self.memory.lowest:",
          "tests/training/test_judge.py"),
    Fault("network/state.py", 'self.rule = ""', "pass", "tests/network/test_state.py"),
    Fault("network/state.py", '        self.shift = other.shift', "        pass",
          "tests/network/test_state.py"),
    Fault("trained.py", "            found.state.check(found.architecture)\n", "            pass\n",
          "tests/face/test_pickles.py"),
    Fault("turns.py", "[0] == os.getpid():", "[0] == -1:", "tests/face/test_turns.py"),
    Fault("turns.py", "            del _TRAINED[model]", "            pass", "tests/face/test_turns.py"),
    Fault("text/vocabulary.py", "good[1:] &= codes[1:] > codes[:-1]", "good[1:] &= codes[1:] >= codes[:-1]",
          "tests/text/test_vocabulary.py"),
    Fault("text/vocabulary.py", '"surrogatepass")', '"replace")', "tests/text/test_corpus.py"),
    Fault("interrupts.py", "            self._held = self._held or Interrupted(number)", "            pass",
          "tests/training/test_interrupts.py"),
    Fault("waiting.py", "        raise errors[0]", "        pass", "tests/training/test_waiting.py"),
    Fault("training/adaptation.py", "np.full(n, float(rate))", "np.full(n, rate)", "tests/face/test_odd_values.py"),
    Fault("files/checkpoint_file.py", "value.keys() != checks.keys()", "not value.keys() >= checks.keys()",
          CHECKPOINT_FILE),
    Fault("files/checkpoint_file.py", "np.array_equal(np.sort(", "np.array_equal((", CHECKPOINT_FILE),
    Fault("files/checkpoint_file.py", "(lengths < 0).any() or ", "", CHECKPOINT_FILE),
    Fault("resuming.py", '"shift": state.shift', '"shift": 0', CHECKPOINTS),
    Fault("resuming.py", 'state.carried[:] = file.arrays["carried"]', "pass", CHECKPOINTS),
    Fault("resuming.py", 'history.baseline = fields["baseline"]', "pass", CHECKPOINTS),
    Fault("resuming.py", 'factor=run["factor"]', "factor=1.0", CHECKPOINTS),
    Fault("resuming.py", "ngrams.share if standing.mixture is None else standing.mixture.share", "ngrams.share",
          CHECKPOINTS),
    Fault("resuming.py", '_compare("the text", ', '(lambda *_: None)("the text", ', CHECKPOINTS),
    Fault("training/standing.py", "copy(judge.memory), run", "judge.memory, run", CHECKPOINTS),
    Fault("training/standing.py", "run.history.copy()", "run.history", CHECKPOINTS),
    Fault("training/checkpoints.py", "set(files) - set(kept)", "set(kept) - set(files)", CHECKPOINTS),
    Fault("training/checkpoints.py", "remove_parts(self.folder, _CHECKPOINT)", "pass", CHECKPOINTS),
    Fault("training/checkpoints.py", "run.standing.kept.n_updates != self._best:", "self._best < 0:", CHECKPOINTS),
    Fault("training/checkpoints.py", "sorted(found, reverse=True)", "sorted(found)", CHECKPOINTS),
    Fault("training/loop.py", "if not self._calling:", "if True:", CHECKPOINTS),
    Fault("training/loop.py", "self._calling = stop", "self._calling = False", CHECKPOINTS),
    Fault("training/loop.py", "stood is not None and not stood.due:", "stood is not None:", CHECKPOINTS),
    Fault("training/loop.py", "due = self._called != self.run.n_updates", "due = True", CHECKPOINTS),
    Fault("training/loop.py", "run, part), turns.stand)", "run, part))", CHECKPOINTS),
    Fault("src/core/drawing.h", "smoothing * sum / (double)K", "smoothing * sum / (double)padded", DRAWING),
    Fault("src/core/drawing.h", " || z[order[0]] == last)", ")", DRAWING),
    Fault("src/core/drawing.h", "|| (z[i] == z[j] && i > j)", "|| (z[i] == z[j] && i < j)", DRAWING),
    Fault("src/loops/sampling.pxi", "memory.counts[memory.recent[at]] -= 1", "pass", SAMPLER),
    Fault("src/loops/sampling.pxi", "if memory.window == 0 or x == end:", "if memory.window == 0:", SAMPLER),
    Fault("src/loops/entries.pxi", "own.meeting == NULL and ", "", TEAM),
    Fault("src/loops/updates.pxi", "(1 + n) / (10 + n)), average", "(1 + n) / (11 + n)), average",
          "tests/training/test_trainer.py"),
    Fault("sampling/beam.py", "                if rank < self._width:", "                if True:", BEAM),
    Fault("sampling/beam.py", "key=lambda one: -one.mean", "key=lambda one: -one.log_p", BEAM),
    Fault("sampling/rules.py", "early + len(s) > 0", "early + len(s) > 1", SETTINGS),
    Fault("sampling/rules.py", "n < self._unstopped", "n < self._unstopped - 1", SETTINGS),
    Fault("sampling/session.py", "self._go_to(Moment(before, self.text[:n]))", "self._go_to(Moment(before, self.text))",
          "tests/sampling/test_session.py"),
    Fault("training/ngrams.py", "max(0, first - self.order)", "max(0, first - self.order + 3)", NGRAMS),
    Fault("training/ngrams.py", "[-LONGEST:], n_symbols", "[:LONGEST], n_symbols", NGRAMS),
    Fault("training/ngrams.py", "ids if end is None else ids[1:]", "ids", NGRAMS),
    Fault("training/schedules.py", "                waiting = 0\n", "", "tests/training/test_schedules.py"),
    Fault("training/schedules.py", "progress >= share", "progress > share", "tests/training/test_schedules.py"),
    Fault("network/scoring.py", "np.maximum(starts - warm_up, 0)", "np.maximum(starts - warm_up // 2, 0)", SCORING),
    Fault("network/scoring.py", "(N - length) // (excerpts - 1)", "(N - length) // excerpts", SCORING),
    Fault("text/decoding.py", 'text.removeprefix("\\ufeff")', "text", "tests/text/test_reading.py"),
    Fault("text/decoding.py", r"""replace("\r", "\n")""", r"""replace("\x0b", "\n")""", "tests/text/test_bad_rows.py"),
    Fault("serving/desk.py", "self.n_texts + len(texts) > self.most", "self.n_texts + len(texts) >= self.most", DESK),
    Fault("serving/desk.py", "return heard + lost", "return heard", DESK),
    Fault("serving/desk.py", "min(most, wish.longest)", "most", "tests/serving/test_command.py"),
    Fault("training/run.py", "1 - 0.999**windows", "1 - 0.999", "tests/training/test_run.py"),
    Fault("training/history.py", "for look in looks if look.n_updates <=", "for look in looks if look.n_updates <",
          "tests/training/test_history.py"),
    Fault("training/history.py", "first + len(loss) <= self.n_updates", "first + len(loss) < self.n_updates",
          "tests/training/test_history.py"),
    Fault("network/growth.py", "rows[new] = array.min()", "rows[new] = array.mean()", "tests/network/test_state.py"),
    Fault("network/growth.py", "fresh.shift = new.shift", "pass", "tests/network/test_state.py"),
    Fault("text/documents.py", "and len(self.sources) > 1:", "and len(self.sources) > 2:",
          "tests/text/test_folders.py"),
    Fault("src/core/cells.h", "h[j] = FLUSH(now);", "h[j] = now;", "tests/network/test_kernels.py"),
    Fault("src/loops/updates.pxi", "if norm > u.numbers.clip_norm:", "if norm > 2 * u.numbers.clip_norm:",
          "tests/network/test_kernels.py"),
    Fault("src/loops/layers.pxi", "panel = max(w.k.panel, CORE_LANES)", "panel = w.k.panel",
          "tests/training/test_trainer.py"),
    Fault("src/loops/layers.pxi", "step.bias = weights + layer.n + begin", "step.bias = weights + layer.n",
          "tests/training/test_trainer.py"),
    Fault("src/loops/layers.pxi", "weights + layer.b + i * H + begin, step.n", "weights + layer.b + i * H, step.n",
          "tests/training/test_trainer.py"),
    Fault("src/loops/layers.pxi", "j, last = i * H + begin, i * H + end", "j, last = i * H, i * H + H",
          "tests/network/test_streams.py"),
    Fault("serving/server.py", "self._patience.cancel()", "pass", "tests/serving/test_protocol.py"),
]  # fmt: skip


def build(home: Path) -> None:
    """Compile the module of the copy."""
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    subprocess.run(command, cwd=home, check=True, stdout=subprocess.DEVNULL)


def compiled(home: Path) -> list[Path]:
    """The compiled module of the copy, if there is one."""
    return [path for path in (home / "pycharrnn").glob("_kernels.*") if path.suffix in (".so", ".pyd")]


def failure(tests: str, home: Path, limit: float) -> str:
    """The first test of these that fails, crashes or does not end in so many seconds in the copy; "" if all pass."""
    command = [sys.executable, *f"-P -m pytest -p no:cacheprovider -v -x --tb=no -rN {tests}".split()]
    where = os.environ | {"PYTHONPATH": str(home)}
    with open(home / "said", "w+", encoding="utf-8") as said:
        output = {"stdout": said, "stderr": said}
        with subprocess.Popen(command, cwd=home, env=where, start_new_session=True, **output) as process:
            try:
                how = {0: "", 1: "fails"}.get(process.wait(limit), "breaks off")
            except subprocess.TimeoutExpired:
                how = f"does not end in {limit:.0f} s"
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # a test may have left children
        said.seek(0)
        names = [line.split("[")[0].split()[0] for line in said if "::" in line.split(" ")[0]]
    return how and f"{names[-1] if names else tests} {how}"


def noticed(fault: Fault, home: Path, limit: float) -> str:
    """The test that fails with the fault, or ""; they are run in the copy."""
    source, (module,) = home / fault.path, compiled(home)
    code, binary = source.read_text(encoding="utf-8"), module.read_bytes()
    if code.count(fault.right) != 1:
        raise ValueError(f"{fault.path} has not one {fault.right!r}: the list of faults is behind the code")
    source.write_text(code.replace(fault.right, fault.wrong), encoding="utf-8")
    try:
        if fault.compiled:
            build(home)
        return failure(fault.tests, home, limit)
    finally:
        source.write_text(code, encoding="utf-8")
        if fault.compiled:
            module.unlink()  # not in place: an old process may still have it
            module.write_bytes(binary)


def main() -> int:
    """Plant one fault after the other; 1 if one gets away."""
    chosen = [int(number) for number in sys.argv[1:]] or range(len(FAULTS))
    away = 0
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "copy")
        shutil.copytree(ROOT, home, ignore=shutil.ignore_patterns(".git", "build", "__pycache__"))
        if not compiled(home):
            build(home)
        limits = {}
        for tests in sorted({FAULTS[number].tests for number in chosen}):
            begin = time.monotonic()
            if found := failure(tests, home, LONGEST):
                raise SystemExit(f"{tests} must pass before a fault is planted: {found}")
            limits[tests] = 60 + 5 * (time.monotonic() - begin)  # a test that hangs notices, too
        for number in chosen:
            begin = time.monotonic()
            fault = FAULTS[number]
            found = noticed(fault, home, limits[fault.tests])
            away += not found
            told = f"{number:>2} {fault.module:<25} {fault.wrong.strip()[:40]!r:<44}"
            print(f"{told} {time.monotonic() - begin:5.1f} s  {found or 'GOT AWAY'}", flush=True)
    print(f"{len(chosen) - away} of {len(chosen)} noticed")
    return 1 if away else 0


if __name__ == "__main__":
    sys.exit(main())
