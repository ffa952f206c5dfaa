"""Text that leaves for a stream: no character, no terminal and no full disk ends a training or a program."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import pty
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import pytest

from pycharrnn import CharRNN, SampleText
from pycharrnn.cli import main
from pycharrnn.output import escaped, write

ODD = "caf\xe9 \u732b \U0001f600 \ud83d \udc00 \x1b[31m\x9b\x07 \r\n\t"
SETTINGS: dict[str, Any] = {"hidden_size": 8, "max_updates": 60, "random_state": 0}


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


class Bare:
    """A file object as small as can be: no encoding, no flush."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


def wrapped(encoding: str, errors: str = "strict", kind: type[io.TextIOWrapper] = io.TextIOWrapper) -> io.TextIOWrapper:
    return kind(io.BytesIO(), encoding, errors, newline="")


def watched(file: Any, text: str = ODD * 30, every: int = 20) -> CharRNN:
    """A model that was trained to the end while texts of 300 characters were printed."""
    watch = SampleText(every, 300, file=file)
    model = CharRNN(**SETTINGS).fit(text, callbacks=[watch])
    assert model.n_updates_ == 60
    assert len(model.history_.texts) == 60 // every + 1
    return model


# --- what is written --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8", "gb18030", "cp932", "utf-16", "cp037"])
def test_a_stream_gets_what_its_encoding_has(encoding: str) -> None:
    file = wrapped(encoding)
    write("ok\n", file)
    write(ODD, file)
    written = file.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert written.startswith("ok\n")
    assert "\\ud83d" in written
    assert ("\u732b" in written) == (encoding in ("utf-8", "gb18030", "cp932", "utf-16"))
    assert ("\xe9" in written) == (encoding not in ("ascii", "cp932"))
    assert "\x1b[31m" in written  # no terminal: the characters as they are


def test_the_error_handler_of_a_stream_is_its_own() -> None:
    for errors, expected in (("replace", b"?a"), ("ignore", b"a"), ("surrogatepass", b"\xed\xa0\x80a")):
        file = wrapped("utf-8" if errors == "surrogatepass" else "ascii", errors)
        write("\ud800a", file)
        assert file.buffer.getvalue() == expected  # type: ignore[attr-defined]


def test_streams_without_an_encoding() -> None:
    memory = io.StringIO(newline="")
    bare = Bare()
    raw = io.BytesIO()
    for file in (memory, bare, codecs.getwriter("ascii")(raw), None):
        write(ODD, file)
    assert memory.getvalue() == bare.text == ODD
    assert raw.getvalue().startswith(b"caf\\xe9 \\u732b \\U0001f600 \\ud83d")


def test_a_stream_that_complains_too_late() -> None:
    """As in a notebook: texts are encoded by another thread, whose error nobody sees."""

    class Proxy(Bare):
        encoding = "UTF-8"

    file = Proxy()
    write(ODD, file)
    assert file.text == ODD.replace("\ud83d \udc00", "\\ud83d \\udc00")


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "latin-1"])
def test_no_text_controls_a_terminal(encoding: str) -> None:
    every = "".join(map(chr, [*range(0x120), *range(0xD800, 0xE000), 0x732B, 0x1F600]))
    file = wrapped(encoding, kind=Terminal)
    write(every, file)
    shown = file.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert {c for c in shown if ord(c) < 32 or 127 <= ord(c) < 160 or 0xD800 <= ord(c) < 0xE000} == {"\t", "\n"}
    assert "\\x00" in shown
    assert "\\x1b" in shown
    assert "\\x9b" in shown
    assert escaped("\x1b]0;title\x07\x7f\r\n") == "\\x1b]0;title\\x07\\x7f\\r\n"


# --- SampleText -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8", "gb18030"])
def test_no_character_ends_a_training(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = wrapped(encoding)
    model = watched(file)
    assert "\ud83d" in "".join(sample.text for sample in model.history_.texts)  # kept as it is
    monkeypatch.setattr(sys, "stdout", wrapped(encoding))
    watched("stdout")
    assert sys.stdout.buffer.getvalue() == file.buffer.getvalue()  # type: ignore[attr-defined]
    assert file.buffer.getvalue().count(b"--- update ") == 4  # type: ignore[attr-defined]


def test_any_file_object_will_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare, memory = Bare(), io.StringIO()
    watched(bare)
    watched(memory)
    assert bare.text == memory.getvalue()
    assert bare.text.count("--- update ") == 4
    with open(tmp_path / "texts", "w", encoding="cp1252") as file:
        watched(file)
    monkeypatch.setattr(sys, "stdout", None)  # a program without a console
    watched("stdout")
    watched(None)


def test_a_training_outlives_its_file(tmp_path: Path) -> None:
    def closing(run: Any) -> None:
        if run.n_updates == 20:
            file.close()

    closing.every = 20  # type: ignore[attr-defined]
    file = open(tmp_path / "texts", "w", encoding="utf-8")  # noqa: SIM115
    with pytest.warns(UserWarning, match="prints no more texts, the training goes on: ValueError: I/O") as caught:
        model = CharRNN(**SETTINGS).fit("to be, or not " * 90, callbacks=[SampleText(10, 30, file=file), closing])
    assert (len(caught), model.n_updates_, len(model.history_.texts)) == (1, 60, 7)
    assert (tmp_path / "texts").read_text().count("--- update") == 3


class Broken(Bare):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> None:
        if text:
            raise self.error


@pytest.mark.parametrize(
    "error", [OSError(28, "no space"), BrokenPipeError(), RuntimeError("no window"), LookupError()]
)
def test_a_training_outlives_any_error_of_its_file(error: Exception) -> None:
    with pytest.warns(UserWarning, match=f"the training goes on: {type(error).__name__}") as caught:
        watched(Broken(error))
    assert len(caught) == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_training_outlives_a_full_disk_and_a_reader_who_left() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    for target, expected in (("/dev/full", r"OSError: \[Errno 28\]"), (writer, "BrokenPipeError")):
        file = open(target, "w")  # noqa: SIM115
        with pytest.warns(UserWarning, match=f"the training goes on: {expected}"):
            watched(file, "to be, or not " * 90)
        with pytest.raises(OSError, match="Errno"):  # it tries once more
            file.close()


def test_an_interrupt_is_no_error_of_the_file() -> None:
    class Impatient(Bare):
        def write(self, text: str) -> None:
            if "update 20" in text:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        CharRNN(**SETTINGS).fit("to be, or not " * 90, callbacks=[SampleText(20, 30, file=Impatient())])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("file", "error"),
    [
        ("texts.txt", TypeError),
        ("stderr", TypeError),
        (Path("texts.txt"), TypeError),
        (io.BytesIO(), TypeError),
        (tempfile.TemporaryFile(), TypeError),  # noqa: SIM115
        (gzip.GzipFile(fileobj=io.BytesIO(), mode="wb"), TypeError),
        (True, TypeError),
        (1, TypeError),
        (print, TypeError),
        (open(os.devnull), ValueError),  # noqa: SIM115
    ],
)
def test_a_file_that_takes_no_text_is_refused_before_the_training(file: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="file must be"):
        SampleText(file=file)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": ["to", "be"]}, "prompt must be one str, not list"),
        ({"length": -1}, "length must be at least 0"),
        ({"length": None}, "length must be an integer"),
        ({"temperature": -1}, "temperature must be finite"),
    ],
)
def test_sample_text_refuses_what_could_not_be_sampled(options: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        SampleText(**options)


# --- programs ---------------------------------------------------------------------------------------------------

ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("PYTHONIOENCODING", "PYTHONUTF8")}
PROGRAM = """
from pycharrnn import CharRNN, SampleText
model = CharRNN(hidden_size=8, max_updates=40, random_state=0)
model.fit({!a} * 30, callbacks=[SampleText(every=20)])
model.save("model")
"""


@pytest.mark.parametrize(
    "locale",
    [
        {"PYTHONIOENCODING": "cp1252"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"PYTHONIOENCODING": "cp932"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "POSIX"},
    ],
)
def test_no_locale_ends_a_program(locale: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(ODD)], env=ENVIRONMENT | locale, cwd=tmp_path, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"--- update ") == 3
    assert CharRNN.load(tmp_path / "model").n_updates_ <= 40


def on_a_terminal(*args: str, **environment: str) -> tuple[int, bytes]:
    """What the command shows on a terminal."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "pycharrnn", *args]
    process = subprocess.Popen(command, stdout=follower, stderr=follower, env=ENVIRONMENT | environment)
    os.close(follower)
    shown = b""
    try:
        while data := os.read(leader, 65536):
            shown += data
    except OSError:  # the other end is closed
        pass
    os.close(leader)
    return process.wait(), shown


@pytest.mark.parametrize(
    ("encoding", "options"),
    [("utf-8", []), ("cp1252", ["--stream"]), ("ascii", ["--n-samples", "2"]), ("utf-8", ["--stream"])],
)
def test_the_command_controls_no_terminal(encoding: str, options: list[str], tmp_path: Path) -> None:
    path = str(tmp_path / "model")
    CharRNN(hidden_size=8, max_updates=40, random_state=0).fit(ODD * 30).save(path)
    code, shown = on_a_terminal("sample", path, *options, "--random-state", "1", PYTHONIOENCODING=encoding)
    text = shown.replace(b"\r\n", b"\n").decode(encoding)
    assert code == 0
    assert {c for c in text if ord(c) < 32 or 127 <= ord(c) < 160} <= {"\t", "\n"}
    assert "\\x1b" in text
    assert ("\u732b" in text) == (encoding == "utf-8")
    assert ("\\u732b" in text) == (encoding != "utf-8")


@pytest.mark.parametrize("words", [["\x1b[31m"], ["train", "--\x1b]0;title\x07"], ["train", "\x1b[2J\x9b.txt"]])
def test_a_message_controls_no_terminal(words: list[str], tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "pycharrnn", *words], capture_output=True, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert done.stderr.startswith(b"pycharrnn: error: ")
    assert not set(done.stderr.decode()) & {"\x1b", "\x07", "\x9b"}


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    Path("book.txt").write_text("to be, or not " * 90)
    return ["train", "book.txt", "-o", "model", "--max-updates", "60", "--hidden-size", "8", "--sample-every", "20"]


def test_train_saves_when_stdout_is_full(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            if "update 40" in text:
                raise OSError(28, "full")
            return super().write(text)

    monkeypatch.setattr(sys, "stdout", Full())
    assert main(command) == 1
    *_, done, error = capsys.readouterr().err.splitlines()  # after what is said at the start
    assert done.startswith("interrupted: 40 updates on ")
    assert done.endswith("; wrote 'model'")
    assert error == "pycharrnn: error: No space left on device"
    assert CharRNN.load("model").best_.n_updates <= 40


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_train_needs_no_stderr(command: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-m", "pycharrnn", *command], stdout=subprocess.PIPE, stderr=full)
    assert done.returncode == 0
    assert done.stdout.count(b"--- update ") == 4
    assert CharRNN.load("model").hidden_size == 8


def test_warnings_are_errors_where_they_are_wanted() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = CharRNN(**SETTINGS)
        with pytest.raises(UserWarning, match="prints no more texts"):
            model.fit("to be, or not " * 90, callbacks=[SampleText(20, 30, file=Broken(OSError()))])  # type: ignore[arg-type]
    assert model.sample(5)
