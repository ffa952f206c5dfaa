"""A hostile text on a real terminal: nothing in it acts, whatever the command, unless --raw says so."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest

from pycharrnn import CharRNN

pty = pytest.importorskip("pty")

# A title, a colour, a device's answer, C1 codes, a bell, overrides of direction, NUL, a lone surrogate.
HOSTILE = (
    "\x1b]0;owned\x07 \x1b[31m \x1b[6n \x9b2J \x90q\x9c \u202eegassem\u202c \u2066x\u2069 \u200f\x00\x7f\x08\r \ud800"
)
ACTING = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join(sys.path),
    "PYTHONIOENCODING": "utf-8:strict",
    "TERM": "xterm",
}
SETTINGS = [
    "--hidden-size",
    "8",
    "--epochs",
    "none",
    "--max-updates",
    "30",
    "--random-state",
    "0",
    "--patience",
    "none",
]


def seen(*command: str, cwd: Path, code: int = 0) -> str:
    """What a terminal gets from a command, on both streams."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pycharrnn", *command], stdin=slave, stdout=slave, stderr=slave, env=ENVIRONMENT, cwd=cwd
    )
    os.close(slave)
    data = b""
    while process.poll() is None or select.select([master], [], [], 0)[0]:
        try:
            if select.select([master], [], [], 0.05)[0]:
                data += os.read(master, 65_536)
        except OSError:  # Linux says so at the end
            break
    os.close(master)
    found = data.decode("utf-8", "surrogatepass")
    assert process.wait(60) == code, found
    assert "Traceback" not in found
    return found.replace("\r\n", "\n").replace("\r", "")  # the terminal's line ends, and the start of a progress line


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A text, a model that writes its characters, and a model of documents."""
    (tmp_path / "text").write_bytes((HOSTILE.replace("\ud800", "") * 20).encode())
    CharRNN(hidden_size=8, max_updates=30, random_state=0).fit(HOSTILE * 20).save(tmp_path / "model")
    CharRNN(hidden_size=8, max_updates=30, random_state=0).fit([HOSTILE] * 20).save(tmp_path / "documents")
    return tmp_path


def escapes(text: str) -> set[str]:
    return set(re.findall(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4})", text))


@pytest.mark.parametrize("more", [[], ["--stream"], ["--n-samples", "3"], ["--temperature", "9"]])
@pytest.mark.parametrize("model", ["model", "documents"])
def test_samples_do_not_act(model: str, more: list[str], folder: Path) -> None:
    if model == "documents":
        more = [*more, "--length", "400"]
    text = seen("sample", model, "--random-state", "1", *more, cwd=folder)
    assert not ACTING.search(text)
    assert escapes(text)


def test_raw_says_otherwise(folder: Path) -> None:
    command = ["sample", "model", "--length", "600", "--random-state", "1", "--temperature", "3"]
    raw = seen(*command, "--raw", cwd=folder)
    assert {"\x1b", "\x9b", "\u202e", "\x00"} <= set(ACTING.findall(raw))
    assert "\x1b" in seen(*command, "--raw", "--stream", cwd=folder)
    piped = subprocess.run(
        [sys.executable, "-m", "pycharrnn", *command], stdout=subprocess.PIPE, env=ENVIRONMENT, cwd=folder, check=True
    )
    text = CharRNN.load(folder / "model").sample(600, temperature=3.0, random_state=1)
    assert piped.stdout == (text + "\n").encode("utf-8", "surrogatepass")  # to the byte, surrogates included


def test_training_does_not_act(folder: Path) -> None:
    command = ["train", "text", "--sample-every", "10", *SETTINGS]
    text = seen(*command, cwd=folder)
    assert text.count("--- update ") >= 3
    assert not ACTING.search(text)
    assert {"\\x1b", "\\u202e"} & escapes(text)
    raw = seen(*command, "--raw", cwd=folder)
    assert raw.count("--- update ") >= 3
    assert ACTING.search(raw)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["eval", "model", "text"], 0),
        (["info", "model"], 0),
        (["rank", "model", "text"], 0),
        (["novelty", "text", "text"], 0),
        (["novelty", "\x1b]0;x\x07\u202e", "text"], 1),
        (["sample", "model", "--prompt", "\x1b]0;x\x07\u202e!\u05d0"], 1),  # of which the model does not know all
        (["sample", "\x1b]0;x\x07\u202e"], 1),
        (["sample", "model", "--\x1b]0;x\x07\u202e"], 2),
        (["train", "text", "--cell", "\x1b]0;x\x07\u202e"], 2),
        (["train", "\x1b]0;x\x07\u202e"], 1),
        (["\x1b]0;x\x07\u202e"], 2),
        (["adapt", "documents", "text", "-o", "\x1b\u202e/x"], 1),
        (["report", "text", "-o", "\x1b\u202e.html", "--max-seconds", "1", "--hidden-size", "8"], 0),
    ],
)
def test_reports_and_errors_do_not_act(command: list[str], code: int, folder: Path) -> None:
    if command[0] == "report":
        pytest.importorskip("jinja2")
    text = seen(*command, cwd=folder, code=code)
    assert not ACTING.search(text)
    assert text


COLOR = re.compile(r"\x1b\[(?:38;5;\d+;48;5;\d+|0)m")


@pytest.mark.parametrize("model", ["model", "documents"])
def test_a_text_coloured_by_surprise_has_colours_and_nothing_else_that_acts(
    model: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_documents = ["--format", "paragraphs"] if model == "documents" else []
    command = ["surprise", model, "text", *of_documents]
    monkeypatch.delitem(ENVIRONMENT, "NO_COLOR", raising=False)
    text = seen(*command, cwd=folder)
    assert len(COLOR.findall(text)) > 100
    assert not ACTING.search(COLOR.sub("", text))
    assert {"\\x9b", "\\u202e", "\\u2066"} <= escapes(text)
    assert "␛" in text
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        monkeypatch.setitem(ENVIRONMENT, name, value)
        plain = seen(*command, cwd=folder)
        assert not ACTING.search(plain)
        assert "the digit below a character: its surprise in whole bits, 9 for 9 and more\n" in plain
        monkeypatch.delitem(ENVIRONMENT, name)
    monkeypatch.setitem(ENVIRONMENT, "TERM", "xterm")
    assert not ACTING.search(seen(*command, "--html", "page.html", cwd=folder))
    assert not ACTING.search((folder / "page.html").read_text("utf-8"))
    told = seen("explore", model, "text", *of_documents, "--title", "\x1b]0;x\x07", cwd=folder)
    assert not ACTING.search(told)
