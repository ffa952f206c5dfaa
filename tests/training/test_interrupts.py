"""Every way in which a system asks a program to end: what is learned is kept, and nothing is destroyed."""

from __future__ import annotations

import doctest
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pycharrnn import CharRNN, interrupts
from pycharrnn.cli import main
from pycharrnn.files import container as storage
from pycharrnn.interrupts import Interrupted, Interrupts
from pycharrnn.lab import experiments, report
from pycharrnn.text import datasets

COMMAND = [sys.executable, "-m", "pycharrnn"]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
FOREVER = ["--hidden-size", "8", "--max-seconds", "60", "--random-state", "0"]  # but a lost test ends
ALL = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU]


def hear() -> None:
    """In the child: signals are heard as at a terminal, whatever the tests were started with."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def train(path: Path, book: str, *options: str, before: Callable[[], None] = hear) -> subprocess.Popen[bytes]:
    """Start a training that writes texts, and wait until it has learned something."""
    args = ["train", book, "-o", str(path), "--sample-every", "200", *FOREVER, *options]
    process = subprocess.Popen(
        [*COMMAND, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, preexec_fn=before
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(b"--- update 200,"):
            return process
    raise AssertionError(process.communicate()[1].decode())


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    errors = process.communicate(timeout=60)[1].decode()
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors
    return process.returncode, errors


@pytest.fixture
def book(tmp_path: Path, text: str) -> str:
    path = tmp_path / "book.txt"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("number", ALL)
def test_a_signal_ends_the_training_and_keeps_the_model(number: signal.Signals, tmp_path: Path, book: str) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"an older model")
    process = train(path, book)
    process.send_signal(number)
    code, errors = ended(process)
    assert code == 128 + number
    by = "" if number == signal.SIGINT else f" by {number.name}"
    last = errors.splitlines()[-1]
    assert re.match(f"interrupted{by}: [\\d,]+ updates on ", last)
    assert last.endswith(f"wrote {str(path)!r}")
    assert len(CharRNN.load(path).sample(20)) == 20
    assert sorted(os.listdir(tmp_path)) == ["book.txt", "m.safetensors"]


def test_whenever_it_comes_the_file_can_be_used(tmp_path: Path, book: str) -> None:
    """Some moments; twice, as `timeout` does it."""
    moments = random.Random(0)
    for i, number in enumerate([signal.SIGTERM, signal.SIGHUP] * 3):
        path = tmp_path / f"{i}.safetensors"
        process = train(path, book)
        time.sleep(moments.uniform(0, 0.4))
        process.send_signal(number)
        process.send_signal(number)
        assert ended(process)[0] == 128 + number
        assert len(CharRNN.load(path).sample(20)) == 20


def test_a_terminal_that_is_closed(tmp_path: Path, book: str) -> None:
    """Then comes SIGHUP, and what is printed raises an error."""
    path = tmp_path / "m.safetensors"
    pid, master = os.forkpty()
    if pid == 0:
        hear()
        os.environ.update(ENVIRONMENT)
        os.execv(sys.executable, [*COMMAND, "train", book, "-o", str(path), "--sample-every", "200", *FOREVER])
    data = b""
    while b"--- update 200," not in data:
        data += os.read(master, 4096)
    os.close(master)
    deadline = time.monotonic() + 60
    status = (0, 0)
    while status[0] == 0 and time.monotonic() < deadline:
        status = os.waitpid(pid, os.WNOHANG)
        time.sleep(0.02)
    assert status[0] == pid
    assert os.waitstatus_to_exitcode(status[1]) in (129, 1)  # of the signal, or of the error of stdout, if it was first
    assert len(CharRNN.load(path).sample(20)) == 20


def test_nohup_is_obeyed(tmp_path: Path, book: str) -> None:
    path = tmp_path / "m.safetensors"
    process = train(path, book, before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 143
    assert CharRNN.load(path)


@pytest.mark.parametrize("number", ALL)
def test_a_signal_while_the_model_is_saved_destroys_nothing(
    number: signal.Signals,
    tmp_path: Path,
    book: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save, path = storage.save, tmp_path / "m.safetensors"

    def slow(*args: Any, **options: Any) -> None:
        for _ in range(3):
            signal.raise_signal(number)
        save(*args, **options)
        signal.raise_signal(number)

    monkeypatch.setattr(storage, "save", slow)
    for first in (None, number):
        path.write_bytes(b"an older model")

        def fit(self: CharRNN, *args: Any, fit: Any = CharRNN.fit, first: Any = first, **options: Any) -> CharRNN:
            fit(self, *args, **options)
            if first:
                signal.raise_signal(first)
            return self

        monkeypatch.setattr(CharRNN, "fit", fit)
        assert main(["train", book, "-o", str(path), "--max-updates", "5", "--hidden-size", "4"]) == 128 + number
        errors = capsys.readouterr().err
        assert errors.count("wrote") == 1
        assert ("interrupted" in errors.partition("wrote")[0]) == (first is not None)
        assert CharRNN.load(path).best_.n_updates <= 5
        monkeypatch.undo()
        monkeypatch.setattr(storage, "save", slow)


def test_before_the_first_update_nothing_is_written(
    tmp_path: Path, book: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"an older model")

    def asked(*args: Any, **options: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(CharRNN, "fit", asked)
    assert main(["train", book, "-o", str(path)]) == 143
    said = "pycharrnn: error: interrupted by SIGTERM before the first update; no file was written\n"
    assert capsys.readouterr() == ("", said)
    monkeypatch.setitem(datasets.NAMES, "tinyshakespeare", asked)
    assert main(["train", "-o", str(path)]) == 143
    assert capsys.readouterr() == ("", "pycharrnn: error: interrupted by SIGTERM\n")
    assert path.read_bytes() == b"an older model"
    assert sorted(os.listdir(tmp_path)) == ["book.txt", "m.safetensors"]


def test_other_commands_end_with_the_code_too(
    tmp_path: Path, book: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def asked(*args: Any, **options: Any) -> Any:
        signal.raise_signal(signal.SIGHUP)

    monkeypatch.setattr(report, "write", asked)
    assert main(["report", book, "-o", str(tmp_path / "r.html")]) == 129
    monkeypatch.setattr(CharRNN, "check_gradients", asked)
    assert main(["check", book]) == 129
    assert capsys.readouterr() == ("", "pycharrnn: error: interrupted by SIGHUP\n" * 2)
    assert os.listdir(tmp_path) == ["book.txt"]


def handlers() -> list[Any]:
    return [signal.getsignal(number) for number in ALL]


def test_the_handlers_are_put_back(book: str) -> None:
    before, seen = handlers(), []
    assert main(["train", book, "--max-updates", "2"]) == 0
    assert main(["train", book, "--fly"]) == 2
    assert handlers() == before
    CharRNN(hidden_size=4, epochs=None, max_updates=2).fit("to be", callbacks=[lambda run: seen.append(handlers())])
    assert before in seen  # the library changes none
    assert all(found == before for found in seen)


def test_a_handler_of_the_application_stays() -> None:
    calls: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: calls.append(number))
    try:
        with Interrupts():
            signal.raise_signal(signal.SIGTERM)
        assert calls == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_thread_changes_no_handler(book: str) -> None:
    before, codes = handlers(), []
    thread = threading.Thread(target=lambda: codes.append(main(["train", book, "--max-updates", "2", "--quiet"])))
    thread.start()
    thread.join()
    assert codes == [0]
    assert handlers() == before


def test_two_signals_within_a_second_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 10.0
    monkeypatch.setattr(interrupts.time, "monotonic", lambda: now)
    with Interrupts():
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)
        now = 10.9
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        now = 11.1
        with pytest.raises(Interrupted) as caught:  # asked again
            signal.raise_signal(signal.SIGINT)
        assert (caught.value.code, caught.value.by) == (130, "")


def test_what_fails_while_signals_wait_is_told(
    tmp_path: Path, book: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*args: Any, **options: Any) -> None:
        signal.raise_signal(signal.SIGTERM)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "save", full)
    assert main(["train", book, "-o", str(tmp_path / "m"), "--max-updates", "2"]) == 1
    assert capsys.readouterr().err.endswith("No space left on device\n")


@pytest.mark.parametrize("module", ["pycharrnn.errors", "numpy.version", "numpy.random", "pycharrnn.trained"])
def test_an_interrupt_of_a_command_that_begins_prints_no_traceback(module: str, tmp_path: Path) -> None:
    """While modules are imported, the signal ends the process as it ends any other."""
    args = [sys.executable, "-X", "importtime", *COMMAND[1:], "train", str(tmp_path / "none.txt")]
    with subprocess.Popen(args, stderr=subprocess.PIPE, env=ENVIRONMENT, preexec_fn=hear, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.split()[-1] == module:  # it has been imported
                break
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in process.stderr.read()
    assert process.returncode in (-signal.SIGINT, 130)


def test_the_library_changes_no_handler_when_it_is_imported(tmp_path: Path) -> None:
    script = "import signal; h = signal.getsignal(2); import pycharrnn; assert signal.getsignal(2) is h; print('same')"
    done = subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, cwd=tmp_path, preexec_fn=hear, capture_output=True, timeout=60
    )
    assert done.stdout == b"same\n"


def test_a_full_disk_at_the_end_of_a_training_loses_no_model(
    tmp_path: Path, book: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save, path = storage.save, tmp_path / "full" / "m"
    path.parent.mkdir()
    spare = tmp_path / "spare"
    spare.mkdir()

    def full(name: str, *args: Any, **options: Any) -> None:
        if str(name) == str(path):
            raise OSError(28, "No space left on device", str(path))
        save(name, *args, **options)

    monkeypatch.setattr(storage, "save", full)
    monkeypatch.setattr(tempfile, "tempdir", str(spare))
    assert main(["train", book, "-o", str(path), "--max-updates", "30", "--hidden-size", "8"]) == 1
    (found,) = spare.glob("pycharrnn-*/m")
    told = f"{str(path)!r}: No space left on device; the model is in {str(found)!r} instead\n"
    assert capsys.readouterr().err.endswith(told)
    assert CharRNN.load(found).best_.n_updates > 0
    assert not path.exists()


@pytest.mark.parametrize("options", [[], ["--save"]])
def test_an_interrupted_report_keeps_the_model(
    tmp_path: Path, book: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    page, path = tmp_path / "r.html", tmp_path / ("saved" if options else "r.html.safetensors")
    monkeypatch.setattr(experiments, "memorise", lambda *args: signal.raise_signal(signal.SIGTERM))
    more = [*options, str(path)] if options else []
    args = ["report", book, "-o", str(page), "--max-updates", "20", "--hidden-size", "8", "--seq-lengths", "5", *more]
    assert main([*args, "--max-entries", "2"]) == 143
    assert f"interrupted by SIGTERM: 20 updates; wrote the model to {str(path)!r}" in capsys.readouterr().err
    assert len(CharRNN.load(path).sample(5)) == 5
    assert not page.exists()


def test_the_examples_run() -> None:
    found = doctest.testmod(interrupts)
    assert found.attempted
    assert not found.failed
