"""The command `train` writes checkpoints, and one command line can be repeated until it is done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pycharrnn import CharRNN
from pycharrnn.cli import main
from pycharrnn.training.checkpoints import checkpoints_in

TEXT = "to be nobler, said the slings; whether to suffer, said the sea.\n" * 60
NETWORK = ["--preset", "classic", "--hidden-size", "8", "--random-state", "0", "--sample", "0"]


@pytest.fixture
def book(tmp_path: Path) -> str:
    (tmp_path / "book.txt").write_text(TEXT)
    return str(tmp_path / "book.txt")


def weights(path: Path) -> list[bytes]:
    return [array.tobytes() for array in CharRNN.load(path).params_.values()]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_one_command_line_can_be_repeated_until_it_is_done(
    number: signal.Signals, code: int, book: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "checkpoints"
    line = ["train", book, *NETWORK, "--epochs", "100", "-o", str(tmp_path / "m")]
    repeated = [*line, "--checkpoint", str(folder), "--every", "100", "--resume"]
    process = subprocess.Popen([sys.executable, "-m", "pycharrnn", *repeated], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(checkpoints_in(folder)) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    said = process.communicate()[1]
    assert process.returncode == code, said
    assert CharRNN.load(folder / "best.safetensors").n_updates_ >= 0
    assert main(repeated) == 0
    told = capsys.readouterr().err
    assert ", from update " in told
    assert main([*line[:-1], str(tmp_path / "whole")]) == 0
    assert weights(tmp_path / "m") == weights(tmp_path / "whole")
    capsys.readouterr()
    assert main(repeated) == 0
    assert "the training has ended already" in capsys.readouterr().err


def test_checkpoints_of_another_training_are_refused(
    book: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "checkpoints")
    line = ["train", book, *NETWORK, "--epochs", "1", "--checkpoint", folder, "--keep", "1"]
    assert main(line) == 0
    before = sorted(os.listdir(folder))
    assert len(before) == 2
    capsys.readouterr()
    for words, told in (
        (line, f"--checkpoint {folder!r} has checkpoints already: add --resume to go on, or name another folder"),
        ([*line, "--resume", "--learning-rate", "0.5"], "--learning-rate None there, 0.5 here): give the options"),
        ([*line[:-4], "--checkpoint", folder, "--resume", "--seq-length", "9"], "--seq-length 25 there, 9 here"),
    ):
        assert main(words) == 1
        assert told in capsys.readouterr().err
    Path(book).write_text(TEXT[:-1])
    assert main([*line, "--resume"]) == 1
    told = "the text is not the one that the training has read: 3,839 symbols here, 3,840 there"
    assert told in capsys.readouterr().err
    assert sorted(os.listdir(folder)) == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--resume"], "--resume: of checkpoints, and no --checkpoint names their folder"),
        (["--every", "9s", "--keep", "3"], "--every, --keep: of checkpoints"),
        (["--checkpoint", "c", "--every", "soon"], "--every must be a number of updates or a time such as '60s'"),
        (["--checkpoint", "c", "--keep", "0"], "--keep must be at least 1"),
    ],
)
def test_options_of_checkpoints_are_checked(
    words: list[str], told: str, book: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["train", book, *NETWORK, *words]) == 2
    assert told in capsys.readouterr().err
    assert not Path("c").exists()


def test_a_file_in_place_of_the_folder_is_an_error(book: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", book, *NETWORK, "--checkpoint", book]) == 1
    assert f"--checkpoint {book!r}" in capsys.readouterr().err
