"""The commands that look inside: what they print for people, for programs and to files."""

from __future__ import annotations

import csv
import functools
import io
import json
import re
from pathlib import Path

import pytest

from pycharrnn import CharRNN
from pycharrnn.cli import main
from pycharrnn.lab import explorer
from pycharrnn.lab.tracking import track

NAMES = ["anna", "bo", "carl", "hanna"]


@pytest.fixture
def folder(tmp_path: Path, model: CharRNN, text: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model file and two texts, in the working directory."""
    model.save(tmp_path / "model")
    (tmp_path / "one.txt").write_text(text[:200])
    (tmp_path / "two.txt").write_text(text[100:400])
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    CharRNN(hidden_size=6, max_updates=30, random_state=0).fit(NAMES * 9).save(tmp_path / "names")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_pipe_gets_a_table(folder: Path, model: CharRNN, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["surprise", "model", "one.txt"]) == 0
    captured = capsys.readouterr()
    rows = [*csv.DictReader(io.StringIO(captured.out), delimiter="\t", quoting=csv.QUOTE_NONE)]
    assert [json.loads(f'"{row["character"]}"') for row in rows] == [*text[:200]]
    assert [int(row["position"]) for row in rows] == [*range(200)]
    assert rows[0]["bits"] == ""
    bits = model.surprise(text[:200], unit="bits")
    assert [float(row["bits"]) for row in rows[1:]] == pytest.approx(bits.tolist(), abs=5e-5)
    assert captured.err == f"200 characters, {bits.mean():.4f} bits per character\n"
    assert main(["surprise", "names", "names.txt", "--format", "lines"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[5].startswith("0\t4\t\t")
    assert lines[6].startswith("1\t0\tb\t")


def test_digits_and_colours_when_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["surprise", "model", "one.txt", "--as", "digits"]) == 0
    legend, first, digits, *_ = capsys.readouterr().out.splitlines()
    assert legend.startswith("the digit below")
    assert first.endswith("↵")
    assert re.fullmatch("[ 1-9]*", digits)
    assert main(["surprise", "model", "one.txt", "--as", "colors", "--exact"]) == 0
    assert "\x1b[38;5;16;48;5;231m" in capsys.readouterr().out


def test_a_page_instead(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["surprise", "model", "one.txt", "--html", "one.html"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(r"done: 200 characters, \d\.\d{4} bits per character; wrote 'one.html'\n", captured.err)
    page = (folder / "one.html").read_text("utf-8")
    assert "<title>Surprise: one.txt</title>" in page
    assert page.count("<span") > 200
    assert main(["surprise", "model", "one.txt", "--html", "none/one.html"]) == 1
    assert "--html 'none/one.html' cannot be written" in capsys.readouterr().err
    assert main(["surprise", "model", "one.txt", "--html", "one.txt"]) == 2
    assert "--html 'one.txt' is the text itself" in capsys.readouterr().err


def test_explore_writes_a_page_and_says_what_tracks_what(
    folder: Path, model: CharRNN, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explore", "model", "one.txt", "two.txt", "-o", "page.html"]) == 0
    captured = capsys.readouterr()
    tracking = track(model, {"one.txt": text[:200], "two.txt": text[100:400]})
    head, *lines = captured.out.splitlines()
    assert head.split() == ["property", "unit", "correlation"]
    found = [tracking.best(name)[0] for name in tracking.properties]  # chosen on the first half, as before
    assert sorted(line.split() for line in lines) == sorted(
        [*best.property.split(), "h[0,", f"{best.unit}]", f"{best.held_out:.2f}"] for best in found
    )
    numbers = [abs(float(line.split()[-1])) for line in lines]
    assert len(numbers) > 2
    assert numbers == sorted(numbers, reverse=True)  # in the order of what is shown
    _, done = captured.err.splitlines()
    n_bytes = (folder / "page.html").stat().st_size
    assert done == f"done: wrote 'page.html', {n_bytes / 2**10:.0f} KiB, with all 500 characters"
    page = (folder / "page.html").read_text("utf-8")
    data = json.loads(page.partition('<script id="data" type="application/json">')[2].partition("</script>")[0])
    assert data["title"] == "model"
    assert [(one["name"], one["n"]) for one in data["texts"]] == [("one.txt", 200), ("two.txt", 300)]


def test_explore_says_when_texts_are_too_short(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "short.txt").write_text(text[:12])
    assert main(["explore", "model", "short.txt"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    _, says, done = captured.err.splitlines()
    assert says == "the texts are too short to say what units track"
    assert re.fullmatch(r"done: wrote 'explorer.html', [1-9]\d KiB, with all 12 characters", done)


@pytest.mark.parametrize(("n_bytes", "says"), [(1536, "2 KiB"), (2**20, "1.0 MiB"), (2_700_000, "2.6 MiB")])
def test_sizes_are_told_in_a_unit_that_suits_them(
    n_bytes: int, says: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = explorer.write
    monkeypatch.setattr(
        explorer, "write", functools.wraps(real)(lambda *args, **given: real(*args, **given)._replace(n_bytes=n_bytes))
    )
    assert main(["explore", "model", "one.txt"]) == 0
    assert f"wrote 'explorer.html', {says}, with" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["surprise", "explore"])
def test_the_help_fits_a_terminal(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([name, "--help"]) == 0
    found = capsys.readouterr().out
    assert max(map(len, found.splitlines())) <= 80
    assert "json, jsonl, csv, tsv, lines, paragraphs, files" in " ".join(found.split())


def test_explore_reads_documents_and_standard_input(
    folder: Path, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explore", "names", "names.txt", "--format", "lines", "--title", "Names"]) == 0
    assert "with all 19 characters" in capsys.readouterr().err  # and the ends of four documents
    assert "Names" in (folder / "explorer.html").read_text("utf-8")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main(["explore", "model", "-", "one.txt", "--most", "200"]) == 0
    assert '"name":"-"' in (folder / "explorer.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("command", "says", "code"),
    [
        (["explore", "names", "one.txt"], "this is running text, the model is of documents; see --format", 1),
        (["explore", "model", "one.txt", "names.jsonl"], "give texts of one kind, or say with --format", 2),
        (["explore", "model", "empty.txt"], "the model knows fewer than two characters of 'empty.txt'", 1),
        (["explore", "model", "other.txt"], "unknown character '#' (U+0023) at position 2", 1),
        (["explore", "model", "one.txt", "--most", "3"], "--most must be at least 100", 2),
        (["explore", "model", "one.txt", "-o", "model"], "--output 'model' is the model itself", 2),
        (["surprise", "model", "one.txt", "--html", "./model"], "--html './model' is the model itself", 2),
        (["surprise", "model", "other.txt"], "unknown character '#' (U+0023) at position 2", 1),
        (["surprise", "model"], "one of the arguments TEXT --corpus is required", 2),
    ],
)
def test_what_is_wrong_is_said(
    command: list[str], says: str, code: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "empty.txt").write_text("")
    (folder / "other.txt").write_text("to#be")
    (folder / "names.jsonl").write_text('{"text": "to be"}')
    assert main(command) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert says in captured.err


def test_a_text_without_a_prediction(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "t.txt").write_text("t")
    assert main(["surprise", "model", "t.txt"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "text\tposition\tcharacter\tbits\n0\t0\tt\t\n"
    assert captured.err == "1 character, nothing to predict\n"
