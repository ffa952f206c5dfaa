"""The line that says how far a training is: on terminals of any width, in notebooks, in logs."""

from __future__ import annotations

import io
import itertools
import math
import os
import random
import re
import subprocess
import sys
import termios
from collections.abc import Callable
from functools import partialmethod
from types import SimpleNamespace
from typing import Any

import pytest

from pycharrnn import CharRNN, SampleText
from pycharrnn.training import callbacks
from pycharrnn.training import progress as progress_module
from pycharrnn.training.progress import Progress

COMMAND = [sys.executable, "-m", "pycharrnn"]


class Terminal(io.StringIO):
    """A stream that says it is a terminal, of so many columns."""

    columns = 80

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2

    def shown(self) -> list[str]:
        return screen(self.getvalue(), self.columns)


def screen(data: str, columns: int) -> list[str]:
    """The lines of a terminal after it was sent this; a line that does not fit goes on in the next one."""
    lines = [""]
    row = 0
    column = 0
    for character in data:
        if character == "\r":
            column = 0
        elif character == "\n":
            row, column = row + 1, 0
        else:
            if column == columns:
                row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
            lines[row] = lines[row].ljust(column)[:column] + character + lines[row][column + 1 :]
            column += 1
    lines += [""] * (row + 1 - len(lines))
    return [line.rstrip() for line in lines]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    terminal = Terminal()
    # not sys.stderr itself, which pytest sets again after its fixtures
    for module in (progress_module, callbacks):
        monkeypatch.setattr(module, "sys", SimpleNamespace(stderr=terminal, stdout=terminal))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(os, "get_terminal_size", lambda fd: os.terminal_size((terminal.columns, 24)))
    return terminal


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the time."""
    now = [0.0]
    monkeypatch.setattr(progress_module, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    return lambda seconds: now.__setitem__(0, seconds)


def run(**values: Any) -> Any:
    """A run, as a callback sees it."""
    looks = [SimpleNamespace(nats=nats) for nats in values.pop("unseen", [])]
    usual = {"share": 0.429, "seconds_left": 12.4, "seconds": 9.0, "nats": 1.708, "characters": 1_620_000}
    history = SimpleNamespace(validation=looks)
    return SimpleNamespace(**usual | {"status": "training", "history": history} | values)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({}, "training    42 % | 13 s left | 1.71 nats/char | 180k chars/s"),
        ({"status": "validating"}, "validating  42 % | 13 s left | 1.71 nats/char | 180k chars/s"),
        ({"unseen": [2.0, 1.754]}, "training    42 % | 13 s left | 1.71 nats/char | 1.75 unseen"),
        ({"nats": math.nan}, "training    42 % | 13 s left | 180k chars/s"),
        ({"seconds_left": None}, "training    42 % | 1.71 nats/char | 180k chars/s"),
        ({"seconds_left": math.inf}, "training    42 % | 1.71 nats/char | 180k chars/s"),
        ({"share": 0.9999}, "training    99 % | 13 s left | 1.71 nats/char | 180k chars/s"),
        ({"share": 1.0}, "training   100 % | 13 s left | 1.71 nats/char | 180k chars/s"),
        ({"characters": 0, "seconds": 0.0}, "training    42 % | 13 s left | 1.71 nats/char"),
        ({"seconds_left": 178.4}, "training    42 % | 179 s left | 1.71 nats/char"),
        ({"seconds_left": 180.0}, "training    42 % | 3 min left | 1.71 nats/char"),
        ({"seconds_left": 4e4}, "training    42 % | 11 h left | 1.71 nats/char | 180k chars/s"),
        ({"seconds_left": 4e6}, "training    42 % | 46 d left | 1.71 nats/char | 180k chars/s"),
        ({"nats": 3.14e14}, "training    42 % | 13 s left | 3.1e+14 nats/char"),
        ({"characters": 9_000}, "training    42 % | 13 s left | 1.71 nats/char | 1k chars/s"),
        ({"characters": 8_994_000}, "training    42 % | 13 s left | 1.71 nats/char | 999k chars/s"),
        ({"characters": 8_996_000}, "training    42 % | 13 s left | 1.71 nats/char | 1000k chars/s"),
        ({"characters": 9_270_000}, "training    42 % | 13 s left | 1.71 nats/char | 1.03M chars/s"),
    ],
)
def test_the_line(values: dict[str, Any], line: str, terminal: Terminal) -> None:
    progress = Progress(delay=0)
    progress(run(**values))
    if len(line) > 60:  # the speed is the first to go
        line = line.rpartition(" | ")[0]
    assert terminal.shown() == [line]


def anything(rng: random.Random) -> dict[str, Any]:
    """What a run may say of itself, extremes among it."""

    def number(*others: Any) -> Any:
        return rng.choice([0.0, rng.uniform(0, 1e6), 10 ** rng.uniform(-9, 300), 1e300, *others])

    return {
        "status": rng.choice(["training", "validating"]),
        "share": rng.choice([0.0, rng.random(), 1.0]),
        "seconds_left": number(None, math.inf),
        "seconds": number(),
        "nats": number(math.nan, math.inf),
        "characters": rng.choice([0, int(10 ** rng.uniform(0, 15))]),
        "unseen": rng.choice([[], [number()]]),
    }


@pytest.mark.parametrize("columns", range(1, 201))
def test_the_line_fits_at_any_time(columns: int) -> None:
    now = run(**anything(random.Random(columns)))
    terminal = Terminal()
    terminal.columns = columns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        patch.setenv("TERM", "xterm")
        patch.setattr(os, "get_terminal_size", lambda fd: os.terminal_size((columns, 24)))
        ticks = itertools.count()
        patch.setattr(progress_module, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
        progress = Progress(delay=0)
        for _ in range(2):
            progress(now)
            [line] = terminal.shown()
            assert len(line) <= min(60, max(1, columns - 1))
            assert line.startswith(("training"[: max(1, columns - 1)], "validating"[: max(1, columns - 1)]))
        progress.close()
        *lines, last = terminal.shown()
        assert len(lines) == 1
        assert len(lines[0]) <= min(60, max(1, columns - 1))
        assert last == ""


def test_a_short_line_after_a_long_one_leaves_nothing_of_it(terminal: Terminal, clock: Callable[[float], None]) -> None:
    progress = Progress(delay=0)
    progress(run())
    clock(1.0)
    progress(run(nats=math.nan, characters=0))
    assert terminal.shown() == ["training    42 % | 13 s left"]
    terminal.columns = 20  # narrower now
    clock(2.0)
    progress(run())
    assert terminal.getvalue().rpartition("\r")[2] == "training    42 %   "
    progress.close()
    assert terminal.getvalue().endswith("\rtrained in 9 s\n")


def test_ten_lines_a_second_are_enough(terminal: Terminal, clock: Callable[[float], None]) -> None:
    progress = Progress()
    for tick in range(200):
        clock(tick / 100)
        progress(run())
    assert terminal.getvalue().count("\r") == 15  # from 0.5 s to 2 s


@pytest.mark.parametrize("live", [False, True])
def test_a_short_training_leaves_no_trace(
    live: bool, monkeypatch: pytest.MonkeyPatch, clock: Callable[[float], None]
) -> None:
    stream = Terminal() if live else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    progress = Progress()
    progress(run())
    clock(0.4)
    progress(run(status="validating"))  # which may take long: this is said at once
    assert ("validating" in stream.getvalue()) == live
    progress.close()
    assert screen(stream.getvalue(), 80) == [""]


def test_a_log_has_a_line_every_half_minute(capsys: pytest.CaptureFixture[str], clock: Callable[[float], None]) -> None:
    progress = Progress()
    for tick in range(95):
        clock(float(tick))
        progress(run(share=tick / 95, seconds=float(tick)))
    progress.close()
    assert [line.partition(" |")[0] for line in capsys.readouterr().err.splitlines()] == [
        "training     1 %", "training    32 %", "training    64 %", "training    95 %", "trained in 94 s",
    ]  # fmt: skip


def test_a_validation_is_named_when_it_takes_long(terminal: Terminal, clock: Callable[[float], None]) -> None:
    progress = Progress()
    progress(run())
    clock(0.1)
    progress(run(status="validating"))
    assert terminal.shown()[0].startswith("validating")
    clock(8.0)
    progress(run())
    assert terminal.shown()[0].startswith("training")
    clock(8.01)
    progress(run(status="validating"))  # at once, since the last one was slow
    assert terminal.shown()[0].startswith("validating")
    clock(8.02)
    progress(run())
    clock(9.0)
    progress(run(status="validating"))  # the last one was fast
    assert terminal.shown()[0].startswith("training")


@pytest.mark.parametrize("kind", ["none", "closed", "broken", "no file"])
def test_a_training_does_not_end_with_its_terminal(kind: str, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    class Broken(Terminal):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    stream: Any = {"none": None, "closed": Terminal(), "broken": Broken(), "no file": object()}[kind]
    if kind == "closed":
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    model = CharRNN(hidden_size=4, epochs=None, max_seconds=0.7, verbose=True).fit(text)
    assert model.n_updates_ > 10


def test_a_notebook_gets_one_line_that_rewrites_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()  # no terminal, says isatty
    monkeypatch.setattr(sys, "stderr", notebook)
    progress = Progress(delay=0)
    progress(run())
    progress.close()
    assert notebook.getvalue().startswith("\rtraining ")
    assert screen(notebook.getvalue(), 80)[0].startswith("trained in 9 s | 1.71")


def test_a_dumb_terminal_gets_a_log(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    progress = Progress(delay=0)
    progress(run())
    assert terminal.getvalue() == "training    42 % | 13 s left | 1.71 nats/char | 180k chars/s\n"


def test_texts_do_not_tear_the_line(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(Progress, "__init__", partialmethod(Progress.__init__, delay=0.0))  # at once
    model = CharRNN(hidden_size=8, epochs=None, max_seconds=0.5, random_state=0, verbose=True)
    model.fit(text, callbacks=[SampleText(5_000, 30)])
    *lines, last, after = terminal.shown()
    assert last.startswith("trained in ")
    assert after == ""
    expected = "".join(f"{sample.text}\n\n" for sample in model.history_.texts).splitlines()
    assert [line for line in lines if not line.startswith("--- update")] == [line.rstrip() for line in expected]
    assert terminal.getvalue().count("\rtraining") > 2


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_a_real_terminal(columns: int, tmp_path: Any, text: str) -> None:
    (tmp_path / "book.txt").write_text(text)
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (24, columns))
    args = ["train", "book.txt", "--hidden-size", "8", "--max-seconds", "1.5", "--sample", "0"]
    environment = os.environ | {"TERM": "xterm", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([*COMMAND, *args], stderr=slave, stdout=subprocess.PIPE, cwd=tmp_path, env=environment)
    os.close(slave)
    data = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        data += part
    os.close(master)
    assert process.communicate()[0] == b""  # stdout is a pipe, and has nothing of it
    assert process.returncode == 0
    updates = [part for part in data.decode().replace("\r\n", "\n").split("\r") if part.startswith(("train", "valid"))]
    lines = [part.partition("\n")[0] for part in updates if not part.startswith("training a GRU")]
    assert len(lines) > 5
    assert all(len(line) <= min(60, columns - 1) for line in lines)
    said = data.decode().replace("\r\n", "\n").rpartition("\r")[2].splitlines()  # below the last line of progress
    assert all(len(line) < columns or " " not in line for line in said)
    assert data.startswith(b"training a GRU of 8 units")  # on a line of its own
    assert any(re.match(r"training +\d+ % \| \d s left", line) for line in lines)
    assert lines[-1].startswith("trained in ")


def test_the_share_is_that_of_the_nearest_limit(terminal: Terminal, text: str) -> None:
    model = CharRNN(hidden_size=8, epochs=None, max_seconds=60.0, verbose=True)
    model.fit(text, callbacks=[lambda run: run.seconds > 1.0])
    [line] = re.findall(r"\r(training +\d+ % \| \d+ s left)", terminal.getvalue())[-1:]
    assert re.fullmatch(r"training +[12] % \| (58|59|60) s left", line)
