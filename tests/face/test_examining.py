"""The commands that examine texts: their tables, their JSON, and what they say of a wrong command line."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest

from pycharrnn import CharRNN, NoveltyIndex
from pycharrnn.cli import main

LINES = ["to be nobler, said the sea.", "", "zq#xw", "whether to suffer", "t", "or not in the mind, said the slings."]


@pytest.fixture
def folder(tmp_path: Path, text: str, model: CharRNN, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A training text, a model of it, lines, and documents."""
    (tmp_path / "book.txt").write_bytes(text.encode())
    model.save(tmp_path / "model")
    (tmp_path / "lines.txt").write_text("\n".join(LINES) + "\n")
    (tmp_path / "posts.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in LINES if line))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    """What a command prints on both streams."""
    assert main(words) == code
    found = capsys.readouterr()
    return found.out, found.err


# --- rank -------------------------------------------------------------------------------------------------------


def test_the_most_surprising_line_comes_first(folder: Path, model: CharRNN, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = said(capsys, "rank", "model", "lines.txt", "--on-unknown", "replace")
    assert err == "1 line left out: fewer than two characters that the model knows\n"
    head, *rows = out.splitlines()
    assert head.split() == ["nats", "line", "text"]
    kept = [line for line in LINES if len(line) > 1]
    loaded = CharRNN.load("model").set_params(on_unknown="replace")
    expected = [[f"{one.nats:.4f}", str(LINES.index(one.text) + 1), one.text] for one in reversed(loaded.rank(kept))]
    assert [row.split(maxsplit=2) for row in rows] == expected
    assert rows[0].endswith("zq#xw")
    least, _ = said(capsys, "rank", "model", "lines.txt", "--on-unknown", "replace", "--least")
    assert least.splitlines()[1:] == rows[::-1]


def test_the_rows_are_json_too(folder: Path, model: CharRNN, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = said(capsys, "rank", "model", "posts.jsonl", "--json", "--top", "2", "--on-unknown", "skip")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [[*row] for row in rows] == [["document", "nats", "n_characters", "text"]] * 2
    texts = [line for line in LINES if len(line) > 1 and "#" not in line]
    ranked = CharRNN.load("model").set_params(on_unknown="skip").rank(texts)[::-1]
    assert [(row["nats"], row["n_characters"], row["text"]) for row in rows] == [tuple(one[1:]) for one in ranked[:2]]
    documents = [line for line in LINES if line]
    assert [row["document"] for row in rows] == [documents.index(row["text"]) + 1 for row in rows]
    assert err.splitlines() == [
        "5 documents from 'posts.jsonl'",
        "2 documents left out: fewer than two characters that the model knows",
    ]


def test_as_many_rows_as_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "many.txt").write_text("".join(f"to be {'no' * i}\n" for i in range(30)))
    out, err = said(capsys, "rank", "model", "many.txt")
    assert len(out.splitlines()) == 21
    assert err == "and 10 more lines; --top none shows all\n"
    assert len(said(capsys, "rank", "model", "many.txt", "--top", "none")[0].splitlines()) == 31
    out, err = said(capsys, "rank", "model", "many.txt", "--top", "29")
    assert (len(out.splitlines()), err) == (30, "and 1 more line; --top none shows all\n")
    assert len(said(capsys, "rank", "model", "many.txt", "--json")[0].splitlines()) == 30


def test_documents_of_a_model_of_documents(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    CharRNN(hidden_size=8, max_updates=30, random_state=0).fit(["anna", "bob"] * 9).save("names")
    (folder / "names.txt").write_text("anna\n\nbob\na\nbbb\n")
    rows = [json.loads(line) for line in said(capsys, "rank", "names", "names.txt", "--json")[0].splitlines()]
    assert {(row["line"], row["text"], row["n_characters"]) for row in rows} == {
        (1, "anna", 5),
        (3, "bob", 4),
        (4, "a", 2),
        (5, "bbb", 4),
    }


@pytest.mark.parametrize(
    ("content", "words", "problem"),
    [
        ("\n \n", [], "there is no line with anything in it"),
        (
            "to\n\nto#\n",
            [],
            "'odd.txt': line 3: unknown character '#' (U+0023) at position 2; pass --on-unknown skip or --on-unknown",
        ),
    ],
)
def test_what_cannot_be_ranked(
    folder: Path, content: str, words: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "odd.txt").write_text(content)
    assert main(["rank", "model", "odd.txt", *words]) in (1, 2)
    assert problem in capsys.readouterr().err


# --- novelty ----------------------------------------------------------------------------------------------------


def test_copies_are_shown_with_their_places(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = text.split("\n")
    (folder / "sample.txt").write_text(f"{lines[20][3:17]}!\n\x1b\n!{text[40:75]}")
    out, err = said(capsys, "novelty", "book.txt", "sample.txt", "--span", "12")
    first, head, *rows = out.splitlines()
    assert re.fullmatch(r"\d\d\.\d% of 54 characters stand in 'book.txt': 2 spans of 12 or more", first)
    assert head.split() == ["length", "here", "there", "text"]
    shown = text[40:75].replace("\n", "\\n")
    copied = lines[20][3:17]
    there = text[: text.index(copied)].count("\n") + 1
    assert [re.split(r"  +", row.strip(), maxsplit=3) for row in rows] == [
        ["35", "line 3", f"line {text[:40].count(chr(10)) + 1}", shown],
        ["14", "line 1", f"line {there}", copied],
    ]
    assert err == ""
    out, err = said(capsys, "novelty", "book.txt", "sample.txt", "--span", "12", "--top", "1")
    assert len(out.splitlines()) == 3
    assert err == "and 1 more span; --top none shows all\n"


def test_a_row_is_a_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "odd.txt").write_text("a\x1b[31m\tb\u202e\n" * 2)
    out, _ = said(capsys, "novelty", "odd.txt", "odd.txt", "--span", "3")
    assert out.endswith("  a\\x1b[31m\\tb\\u202e\\na\\x1b[31m\\tb\\u202e\\n\n")


def test_novelty_as_json(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    documents = [text[5:40], "nothing of it", text[100:130] + "#"]
    (folder / "d.jsonl").write_text("".join(json.dumps({"text": one}) + "\n" for one in documents))
    out, _ = said(capsys, "novelty", "book.txt", "d.jsonl", "--json")
    index = NoveltyIndex(text, 20)
    for line, one in zip(out.splitlines(), documents, strict=True):
        found = json.loads(line)
        expected = index.novelty(one)
        assert {name: found[name] for name in ("n", "n_characters", "copied")} == {
            "n": 20,
            "n_characters": len(one),
            "copied": expected.copied,
        }
        spans = [(span["start"], span["end"], span["place"], span["document"]) for span in found["spans"]]
        assert spans == [tuple(span) for span in expected.spans]
        assert [span["text"] for span in found["spans"]] == [one[s.start : s.end] for s in expected.spans]
    out, _ = said(capsys, "novelty", "book.txt", "d.jsonl")
    assert [line.split()[1:3] for line in out.splitlines()[2:]] == [["document", "1"], ["document", "3"]]


def test_nothing_copied_is_a_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = said(capsys, "novelty", "book.txt", "lines.txt", "--span", "90")
    assert (out, err) == (
        f"0.0% of {sum(map(len, LINES)) + 6} characters stand in 'book.txt': 0 spans of 90 or more\n",
        "",
    )


def test_a_model_may_hold_the_training_text(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["anna katarina", "bob marley", "johann sebastian"]
    CharRNN(hidden_size=8, max_updates=20, ngram_order=2, random_state=0).fit(names * 5).save("mixed")
    CharRNN(hidden_size=8, max_updates=20, ngram_order=2, random_state=0).fit(text).save("running")
    (folder / "sample.txt").write_text("johann sebastian, and the slings.\nto be in")
    out, _ = said(capsys, "novelty", "mixed", "sample.txt", "--span", "9")
    assert re.search(r"\n +16  line 1  document \d+  johann sebastian\n", out)
    assert re.search(r"the slings\.\\nto be in\n", said(capsys, "novelty", "running", "sample.txt", "--span", "9")[0])
    _, err = said(capsys, "novelty", "model", "sample.txt", code=1)
    assert "'model': this model does not hold its training text" in err


def test_a_large_corpus_says_that_it_is_indexed(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr("pycharrnn.cli.corpora._LARGE", 100)
    _, err = said(capsys, "novelty", "book.txt", "lines.txt")
    assert re.fullmatch(r"indexing [\d,]+ characters of 'book.txt'\n", err)


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["novelty", "book.txt"], 2, "the following arguments are required: TEXT"),
        (["novelty", "none.txt", "lines.txt"], 1, "'none.txt': No such file or directory"),
        (["novelty", "book.txt", "lines.txt", "--span", "0"], 2, "argument --span: must be at least 1, got 0"),
        (["rank", "model", "lines.txt", "--top", "x"], 2, "argument --top: must be an integer"),
        (["sample", "model", "--span", "9"], 2, "--span is of the copies that --novel refuses; add --novel FILE"),
        (["sample", "model", "--novel", "none.txt"], 1, "'none.txt': No such file or directory"),
        (["sample", "model", "--novel", "model"], 1, "this model does not hold its training text"),
    ],
)
def test_what_is_wrong_is_said(
    folder: Path, words: list[str], code: int, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert problem in said(capsys, *words, code=code)[1]


# --- others -----------------------------------------------------------------------------------------------------


def test_a_sample_may_refuse_copies(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    how = ["sample", "model", "--length", "300", "--random-state", "3", "--temperature", "0.6"]
    out, err = said(capsys, *how, "--novel", "book.txt", "--span", "9")
    assert err == ""
    assert out == CharRNN.load("model").sample(300, random_state=3, temperature=0.6, novel=NoveltyIndex(text, 9)) + "\n"
    assert said(capsys, *how, "--novel", "book.txt", "--span", "9", "--stream")[0] == out
    assert NoveltyIndex(text, 9).spans(out[:-1]) == ()
    usual, _ = said(capsys, *how, "--novel", "book.txt")
    assert usual[:-1] == CharRNN.load("model").sample(300, random_state=3, temperature=0.6, novel=NoveltyIndex(text))


def test_an_evaluation_is_json_too(folder: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    out, _ = said(capsys, "eval", "model", "book.txt", "--json")
    assert json.loads(out) == CharRNN.load("model").evaluate(text)._asdict()


def test_standard_input_is_a_text(folder: Path, text: str, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text[10:60].encode()), "latin-1"))
    assert said(capsys, "novelty", "book.txt", "-")[0].startswith(
        "100.0% of 50 characters stand in 'book.txt': 1 span "
    )
