"""Writing together in a terminal: keys go in, a text comes out; on a real terminal nothing in it acts."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("prompt_toolkit")

from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from pycharrnn import CharRNN
from pycharrnn.cli import main
from pycharrnn.cli.draft import Draft
from pycharrnn.cli.screen import Behind, Escapes, Screen
from pycharrnn.lab.visible import LINE_END

TAB, RIGHT, LEFT, END, BACK, UNDO, SAVE, QUIT = "\t", "\x1b[C", "\x1b[D", "\x1b[F", "\x7f", "\x1a", "\x13", "\x11"
OTHER, BEFORE, WARMER, COOLER, REDO = "\x1bn", "\x1bp", "\x1b\x1b[A", "\x1b\x1b[B", "\x1bz"


def save_to(folder: Path) -> Callable[[str, str], None]:
    def save(name: str, text: str) -> None:
        folder.joinpath(name).write_text(text)

    return save


def after(keys: str, draft: Draft, folder: Path, name: str = "") -> Screen:
    """The screen on which somebody has pressed these keys, and quit."""
    with create_pipe_input() as typed, create_app_session(input=typed, output=DummyOutput()):
        screen = Screen(draft, save_to(folder), name)
        typed.send_text(keys + QUIT)
        screen.run()
    return screen


@pytest.fixture
def draft(model: CharRNN) -> Draft:
    return Draft(model, 0, temperature=0.5)


def suggested(model: CharRNN, *texts: str) -> list[str]:
    """What an equal draft suggests after these texts, one after the other."""
    draft, found = Draft(model, 0, temperature=0.5), []
    for text in texts:
        draft.edit(text)
        found.append(draft.suggestion)
    return found


def test_what_is_typed_is_the_text(draft: Draft, tmp_path: Path) -> None:
    screen = after("to be\rsea!" + BACK + "#\u00e9", draft, tmp_path)
    assert screen.text == draft.text == "to be\nsea#\u00e9"
    assert not screen.is_saved
    assert after("", draft, tmp_path).is_saved  # nothing has been added


def test_tab_takes_a_word_and_right_takes_all(draft: Draft, model: CharRNN, tmp_path: Path) -> None:
    *_, suggestion = suggested(model, *("to be"[: i + 1] for i in range(5)))
    words = re.findall(r"\n|[^\S\n]*\S+", suggestion)
    assert after("to be" + TAB, draft, tmp_path).text == "to be" + words[0]
    again = Draft(model, 0, temperature=0.5)
    assert after("to be" + TAB * 3, again, tmp_path).text == "to be" + "".join(words[:3])
    again = Draft(model, 0, temperature=0.5)
    assert after("to be" + RIGHT, again, tmp_path).text == "to be" + suggestion


def test_a_text_that_the_model_cannot_read_stays(draft: Draft, tmp_path: Path) -> None:
    screen = after("to #" + TAB + OTHER + RIGHT + WARMER + " be", draft, tmp_path)
    assert screen.text == draft.text == "to # be"
    assert draft.problem.startswith("unknown character '#'")
    assert after(BACK * 4, draft, tmp_path).text == "to "
    assert not draft.problem


def test_in_the_middle_these_keys_take_nothing(draft: Draft, tmp_path: Path) -> None:
    assert after("to be" + LEFT * 2 + RIGHT + TAB + OTHER + "x", draft, tmp_path).text == "to bxe"
    assert after(END + TAB, draft, tmp_path).text.startswith("to bxe")


def test_others_are_suggested(draft: Draft, model: CharRNN, tmp_path: Path) -> None:
    twin = Draft(model, 0, temperature=0.5)
    for text in ("t", "to"):
        twin.edit(text)
    twin.another()
    second = twin.suggestion
    twin.another()
    assert second != twin.suggestion
    assert after("to" + OTHER * 2 + BEFORE + RIGHT, draft, tmp_path).text == "to" + second


def test_keys_undo_and_redo(draft: Draft, tmp_path: Path) -> None:
    taken = after("to be" + TAB, draft, tmp_path).text
    assert after(UNDO, draft, tmp_path).text == taken  # of another screen
    with_two = after(TAB + TAB, draft, tmp_path).text
    assert with_two.startswith(taken)
    assert after(TAB + UNDO, draft, tmp_path).text == with_two
    assert after("abc" + UNDO * 9, draft, tmp_path).text == with_two
    assert after("abc" + UNDO * 9 + REDO * 9, draft, tmp_path).text == with_two + "abc"
    assert after(UNDO, draft, tmp_path).text == draft.text == with_two + "abc"


def test_keys_change_the_temperature(draft: Draft, tmp_path: Path) -> None:
    after(WARMER * 3 + COOLER, draft, tmp_path)
    assert draft.temperature == 0.7


def test_a_text_is_saved(draft: Draft, tmp_path: Path) -> None:
    screen = after("to be" + SAVE, draft, tmp_path, "story.txt")
    assert (tmp_path / "story.txt").read_text() == "to be"
    assert screen.is_saved
    assert not after(" or not" + SAVE + "!", draft, tmp_path, "story.txt").is_saved
    assert (tmp_path / "story.txt").read_text() == "to be or not"


def test_a_name_is_asked_for(draft: Draft, tmp_path: Path) -> None:
    screen = after("to be" + SAVE + "new.txt\r" + " or" + SAVE, draft, tmp_path)
    assert (tmp_path / "new.txt").read_text() == "to be or"
    assert (screen.name, screen.is_saved, screen.text) == ("new.txt", True, "to be or")
    unsaved = after("x" + SAVE + "other.txt" + "\x03" + "y" + SAVE + "\r", draft, tmp_path)
    assert (unsaved.name, unsaved.text, sorted(os.listdir(tmp_path))) == ("", "to be orxy", ["new.txt"])


def test_a_file_that_cannot_be_written_does_not_end_it(draft: Draft, tmp_path: Path) -> None:
    screen = after("to" + SAVE + " be", draft, tmp_path, "no/such/folder")
    assert (screen.text, screen.is_saved) == ("to be", False)
    screen = after(SAVE + "no/such/folder\r" + " or" + SAVE + "it.txt\r", draft, tmp_path)
    assert (screen.is_saved, (tmp_path / "it.txt").read_text()) == (True, "to be or")


class Line:
    """What processors get: a line in pieces, and the place of the cursor."""

    def __init__(self, text: str, at_end: bool = True) -> None:
        self.fragments = [("", text)]
        self.lineno = 0
        self.document = self
        self.line_count = 1
        self.is_cursor_at_the_end = at_end


def test_escapes_keep_the_places_of_characters() -> None:
    found = Escapes().apply_transformation(Line("a\x1bb\u202ec\td"))  # type: ignore[arg-type]
    assert "".join(fragment[1] for fragment in found.fragments) == "a\\x1bb\\u202ec\td"
    places = [found.source_to_display(i) for i in range(9)]
    assert places == [0, 1, 5, 6, 12, 13, 14, 15, 16]
    for i, place in enumerate(places[:8]):
        assert found.display_to_source(place) == i
    assert found.display_to_source(3) == 1  # inside an escape


def test_a_suggestion_stands_behind_the_end_alone() -> None:
    behind = Behind(lambda: "to\nbe\x1b[31m")
    found = behind.apply_transformation(Line("x"))  # type: ignore[arg-type]
    assert found.fragments == [("", "x"), ("class:suggestion", f"to{LINE_END}be\\x1b[31m")]
    assert behind.apply_transformation(Line("x", at_end=False)).fragments == [("", "x")]  # type: ignore[arg-type]


# --- on a real terminal -----------------------------------------------------------------------------------------

HOSTILE = "\x1b]0;owned\x07 \x1b[31m \x9b2J \u202eegassem\u202c \u2066x\u2069 \u200f\x00\x7f\x08 \ud800"
OWN = re.compile(  # what a screen itself sends: modes, colours, places, reports
    r"\x1b\[[?>]?[\d;]*[hlmHJKABCDGuq]|\x1b\[(?:\d+ q|6n)|\x1b[78=>]|[\r\n\x08]|\x1b\]2;[^\x07]*\x07"
)
ACTING = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "utf-8", "TERM": "xterm"}


def seen(keys: str, *words: str, cwd: Path, code: int = 0, columns: int = 80) -> str:
    """What a terminal of so many columns gets while somebody presses keys."""
    pty = pytest.importorskip("pty")
    import fcntl
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    command = [sys.executable, "-m", "pycharrnn", "write", *words]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=ENVIRONMENT, cwd=cwd)
    os.close(slave)
    data, waiting, end = b"", keys, time.monotonic() + 60
    while process.poll() is None or select.select([master], [], [], 0)[0]:
        assert time.monotonic() < end, data
        try:
            if select.select([master], [], [], 0.05)[0]:
                data += os.read(master, 65_536)
        except OSError:  # Linux says so at the end
            break
        if b"\x1b[6n" in data[-200:]:
            os.write(master, b"\x1b[1;1R")
        if waiting and b"Tab next word" in data:
            os.write(master, waiting.encode())
            waiting = ""
    os.close(master)
    found = data.decode("utf-8", "surrogatepass")
    assert process.wait(60) == code, found
    assert "Traceback" not in found
    return found


def test_a_hostile_model_does_not_act(tmp_path: Path) -> None:
    CharRNN(hidden_size=8, max_updates=30, random_state=0).fit(HOSTILE * 20).save(tmp_path / "model")
    found = seen("x" + RIGHT * 4 + QUIT, "model", "--random-state", "1", "--temperature", "2", cwd=tmp_path)
    shown, written = found.split("\x1b[?1049l")
    assert not ACTING.search(OWN.sub("", shown))
    assert not ACTING.search(OWN.sub("", written))
    assert re.search(r"\\x1b|\\u202e|\\x9b", shown)
    assert re.search(r"\\x1b|\\u202e|\\x9b", written)


def test_a_file_is_read_and_written(model: CharRNN, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    (tmp_path / "story.txt").write_text("to be\n")
    found = seen("or not" + SAVE + QUIT, "model", "story.txt", cwd=tmp_path)
    assert (tmp_path / "story.txt").read_text() == "to be\nor not"
    assert "temperature 0.7 (Alt-Up, Alt-Down) | 6 characters" in found
    assert found.endswith("wrote 'story.txt'\r\n")
    assert "not saved" in seen("!" + QUIT, "model", "story.txt", cwd=tmp_path)
    assert (tmp_path / "story.txt").read_text() == "to be\nor not"


def test_what_is_not_saved_is_printed(model: CharRNN, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    found = seen(" not" + QUIT, "model", "--prompt", "or", cwd=tmp_path)
    assert found.endswith("or not\r\n")
    assert seen("sea\x03", "model", cwd=tmp_path).endswith("sea\r\n")


def test_a_narrow_screen_names_the_keys_that_save_and_quit(model: CharRNN, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    shown = seen("sea" + QUIT, "model", cwd=tmp_path, columns=40)
    assert "^S save   ^Q quit" in shown
    assert "^Z undo" not in shown  # cut: no line is longer than the screen


def test_without_a_terminal_there_is_an_error(
    model: CharRNN, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model.save(tmp_path / "model")
    assert main(["write", str(tmp_path / "model")]) == 2
    assert capsys.readouterr().err == (
        "pycharrnn: error: write needs a terminal, for keys and for its screen; without one, use sample\n"
    )
    (tmp_path / "story.txt").write_text("to be")
    monkeypatch.setattr("pycharrnn.cli.together._is_terminal", lambda stream: True)
    assert main(["write", str(tmp_path / "model"), str(tmp_path / "story.txt"), "--prompt", "x"]) == 2
    assert "--prompt begins a new text, but" in capsys.readouterr().err


def test_a_missing_package_is_named(model: CharRNN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    model.save(tmp_path / "model")
    monkeypatch.setattr("pycharrnn.cli.together._is_terminal", lambda stream: True)
    monkeypatch.setitem(sys.modules, "prompt_toolkit.application", None)
    monkeypatch.delitem(sys.modules, "pycharrnn.cli.screen")
    assert main(["write", str(tmp_path / "model")]) == 1
    assert 'write needs prompt-toolkit: pip install "pycharrnn[write]"' in capsys.readouterr().err
