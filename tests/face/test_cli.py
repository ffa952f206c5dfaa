"""The command line: what goes to stdout, what to stderr, exit codes, and that nothing is lost or left behind."""

from __future__ import annotations

import bz2
import functools
import gzip
import html
import inspect
import io
import json
import math
import os
import pickle
import re
import shlex
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

import pycharrnn
from pycharrnn import CharRNN, Sampling, benchmark
from pycharrnn.cli import main
from pycharrnn.cli.commands import parse
from pycharrnn.cli.failures import described
from pycharrnn.cli.rows import FORMAT, ON_BAD, ON_UNKNOWN
from pycharrnn.errors import ParameterValueError, TrainingDivergedError, UnknownCharacterError
from pycharrnn.files import container as storage
from pycharrnn.lab import gradcheck, report
from pycharrnn.messages import Message, Setting, advice
from pycharrnn.tables import table
from pycharrnn.text import datasets
from pycharrnn.text.documents import read_documents
from pycharrnn.training.progress import Progress

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
COMMAND = [sys.executable, "-m", "pycharrnn"]
QUICK = ["--hidden-size", "8", "--max-updates", "60", "--random-state", "1"]
FOREVER = ["--hidden-size", "8", "--epochs", "none", "--max-seconds", "60"]  # but a lost test ends


def run(*args: str, stdin: bytes = b"", **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *args], input=stdin, capture_output=True, timeout=60, **{"env": ENVIRONMENT} | options
    )


def interruptible() -> None:
    """In the child: a shell in the background starts its programs deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def start(*args: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, *args], stdout=stdout, stderr=subprocess.PIPE, preexec_fn=interruptible, env=ENVIRONMENT
    )


def finish(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    with process:
        assert process.stderr is not None
        errors = process.stderr.read().decode()
    return process.returncode, errors


def summary(errors: str) -> str:
    """The last line of stderr that is not a progress bar; a traceback is a failure."""
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors
    return errors.splitlines()[-1]


@pytest.fixture
def book(tmp_path: Path, text: str) -> str:
    path = tmp_path / "book.txt"
    path.write_bytes(text.encode())
    return str(path)


@pytest.fixture
def model_file(tmp_path: Path, model: CharRNN) -> str:
    path = tmp_path / "model.safetensors"
    model.save(path)
    return str(path)


NAMES = ["anna", "annika", "bo", "børge", "hanna", "johanna", "marianne", "ole", "olga", "susanna"]


@pytest.fixture(scope="session")
def names_model() -> CharRNN:
    """A small model of documents; tests must not change it."""
    return CharRNN(hidden_size=16, epochs=None, max_updates=400, random_state=1, verbose=False).fit(NAMES * 5)


@pytest.fixture
def names_file(tmp_path: Path, names_model: CharRNN) -> str:
    path = tmp_path / "names.safetensors"
    names_model.save(path)
    return str(path)


def type_in(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    """Let this come from stdin, whose own encoding must not matter."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), "latin-1"))


# --- train and sample -------------------------------------------------------------------------------------------


def test_train_writes_a_model_that_sample_reads(tmp_path: Path, book: str, text: str) -> None:
    path = str(tmp_path / "new.safetensors")
    trained = run("train", book, "-o", path, *QUICK)
    assert trained.returncode == 0
    assert len(trained.stdout.decode()) == 500 + 1
    assert set(trained.stdout.decode()[:-1]) <= set(text)
    assert trained.stdout.endswith(b"\n")
    begin, done, after = trained.stderr.decode().splitlines()
    assert re.fullmatch("training a GRU of 8 units on '.*book.txt' for 60 updates; Ctrl-C ends it early", begin)
    pattern = r"done: 60 updates on '.*book.txt' in [\d.]+ s, \d\.\d{3} nats per character on 10 % of the text, "
    pattern += r"which it has not seen \(counting 5-grams: \d\.\d{3}\); wrote '.*new.safetensors'"
    assert re.fullmatch(pattern, done)
    assert after == f"next: pycharrnn sample {path} --temperature 0.6"

    first, second = (run("sample", path, "-n", "300", "--random-state", "5") for _ in range(2))
    assert first.returncode == second.returncode == 0
    assert first.stderr == b""
    assert first.stdout == second.stdout
    assert first.stdout.decode() == CharRNN.load(path).sample(300, random_state=5) + "\n"
    assert first.stdout != run("sample", path, "-n", "300", "--random-state", "6").stdout
    assert sorted(os.listdir(tmp_path)) == ["book.txt", "new.safetensors"]


def test_train_reads_stdin_with_its_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "m"
    trained = run("train", "-", "-o", str(path), *QUICK, stdin=("\ufeff\ufeff" + "blå\r\nrød\r\n" * 20).encode())
    assert trained.returncode == 0
    assert "on standard input" in trained.stderr.decode()
    assert set(CharRNN.load(path).vocabulary_) == set("blå\r\nrød\ufeff")  # only the first mark is one


def test_train_has_a_corpus(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(datasets.NAMES, "tiny", lambda: "abc" * 50)
    assert main(["train", *QUICK, "--sample", "7"]) == 0
    captured = capsys.readouterr()
    assert len(captured.out) == 7 + 1
    assert "on corpus tinyshakespeare" in captured.err
    assert "no file written" in captured.err
    assert main(["train", "--corpus", "tiny", *QUICK, "--sample", "0"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "on corpus tiny " in captured.err
    assert "next" not in captured.err


def test_the_first_run_tells_what_comes_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    beginning = datasets.tinyshakespeare()[:20_000]
    monkeypatch.setitem(datasets.NAMES, "tinyshakespeare", lambda: beginning)
    options = ["--max-updates", "2", "--sample", "20"]

    def suggested() -> list[str]:
        return re.findall(r"^(?:next:|     ) (pycharrnn .*)$", capsys.readouterr().err, re.MULTILINE)

    assert main(["train", *options]) == 0
    keep, sample, own = suggested()
    assert os.listdir(tmp_path) == []
    assert main([*shlex.split(keep)[1:], *options]) == 0
    assert suggested() == [sample, own]
    assert main([*shlex.split(sample)[1:], "-n", "30"]) == 0  # the prompt is known, too
    assert len(capsys.readouterr().out) == 30 + 1
    Path("yourtext.txt").write_text("to be or not to be\n" * 200)
    assert main([*shlex.split(own)[1:], *options]) == 0
    assert suggested() == ["pycharrnn sample mine.safetensors --temperature 0.6"]
    assert main(["train", "yourtext.txt", "-o", "a b$", *options]) == 0
    assert suggested() == ["pycharrnn sample 'a b$' --temperature 0.6"]
    assert main(["train", *options, "--random-state", "0", "--quiet"]) == 0
    assert capsys.readouterr().err.count("\n") == 1


def test_the_text_in_the_end_begins_with_a_paragraph(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = []

    def sample(self: CharRNN, length: int | None = None, *, prompt: str = "", temperature: float = 1.0) -> str:
        prompts.append((length, prompt, temperature))
        return "text"

    monkeypatch.setattr(CharRNN, "sample", sample)
    for text in ("ab\n\nc" * 9, "ab\nc" * 9, "abc" * 9):
        (tmp_path / "t").write_text(text)
        assert main(["train", str(tmp_path / "t"), *QUICK]) == 0
    assert prompts == [(500, "\n\n", 0.6), (500, "\n", 0.6), (500, "", 0.6)]
    assert capsys.readouterr().out == "text\n" * 3


def test_options_are_the_constructors_parameters(tmp_path: Path, book: str) -> None:
    path = str(tmp_path / "m")
    given: dict[str, Any] = {
        "cell": "rnn", "hidden_size": 7, "seq_length": 11, "optimizer": "rmsprop", "learning_rate": 0.003,
        "clip_value": None, "clip_norm": 2.5, "init_scale": 0.2, "epochs": 3, "max_updates": 9, "max_seconds": 50.0,
        "dtype": "float64", "on_unknown": "skip", "random_state": 42, "num_layers": 2, "dropout": 0.1, "batch_size": 3,
        "schedule": "cosine", "weight_decay": 0.01, "validation_fraction": 0.2, "patience": 5, "n_threads": 2,
        "embedding_size": 5, "label_smoothing": 0.2, "initializer": "orthogonal", "min_count": 2,
        "output_dropout": 0.2, "zoneout": 0.1, "cell_zoneout": 0.05, "ema_decay": 0.9, "ngram_order": 3,
    }  # fmt: skip
    assert {*given, "auto", "verbose"} == set(inspect.signature(CharRNN).parameters)
    options = [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    assert main(["train", book, "-o", path, *options, "--sample", "0"]) == 0
    assert CharRNN.load(path).get_params() == {**given, "auto": False, "n_threads": None, "verbose": None}
    assert CharRNN.load(path).best_.n_updates <= 9


def test_a_preset_and_options_beside_it(tmp_path: Path, book: str) -> None:
    path = str(tmp_path / "m")
    assert main(["train", book, "-o", path, "--preset", "minute", "--max-seconds", "0.2", "--hidden-size", "20"]) == 0
    expected = CharRNN.preset("minute", max_seconds=0.2, hidden_size=20).get_params()
    assert CharRNN.load(path).get_params() == expected


def test_the_validation_loss_is_named_and_compared(
    book: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = str(tmp_path / "m")
    assert main(["train", book, "-o", path, "--validation-fraction", "0.25", *QUICK]) == 0
    pattern = r", (\S+) nats per character on 25 % of the text, which it has not seen \(counting 5-grams: \S+\)"
    found = re.search(pattern, capsys.readouterr().err)
    assert found
    assert found[1] == f"{CharRNN.load(path).best_.validation_loss:.3f}"
    assert main(["train", book, "--validation-fraction", "0", *QUICK]) == 0
    assert re.search(r" in [\d.]+ s, \d\.\d{3} nats per character; no file", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("name", "data", "options", "fraction"),
    [
        ("a.txt", "ab" * 499, [], 0.0),
        ("a.txt", "ab" * 500, [], 0.1),
        ("a.txt", "ab" * 499, ["--validation-fraction", "0.2"], 0.2),
        ("a.txt", "ab" * 500, ["--preset", "classic"], 0.0),
        ("a.csv", "text\n" + "abcd\n" * 19, [], 0.0),
        ("a.csv", "text\n" + "abcd\n" * 20, [], 0.1),
    ],
)
def test_a_part_of_a_small_text_is_not_held_back(
    tmp_path: Path, name: str, data: str, options: list[str], fraction: float
) -> None:
    path = str(tmp_path / "m")
    (tmp_path / name).write_text(data)
    assert main(["train", str(tmp_path / name), "-o", path, "--sample", "0", *QUICK, *options]) == 0
    assert CharRNN.load(path).validation_fraction == fraction


def test_eval_of_cold_windows(book: str, model_file: str, capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert main(["eval", model_file, book, "--window", "5"]) == 0
    nats = CharRNN.load(model_file).evaluate(text, window=5).nats
    assert f"nats per character{nats:>14.4f}" in capsys.readouterr().out


def test_what_is_not_given_is_that_of_the_preset(tmp_path: Path, book: str) -> None:
    path = str(tmp_path / "m")
    assert main(["train", book, "-o", path, "--sample", "0", "--epochs", "1"]) == 0
    assert CharRNN.load(path).get_params() == CharRNN.preset("quick", epochs=1, max_seconds=None).get_params()
    assert main(["train", book, "-o", path, "--sample", "0", "--preset", "classic"]) == 0
    assert CharRNN.load(path).get_params() == CharRNN().get_params()


@pytest.mark.parametrize(
    ("options", "limits"),
    [
        (["--max-updates", "5"], (None, 5, None)),
        (["--max-seconds", "0.01"], (None, None, 0.01)),
        (["--max-updates", "5", "--epochs", "2"], (2, 5, None)),
        (["--max-updates", "none", "--max-seconds", "none"], (20, None, None)),
        (["--epochs", "1"], (1, None, None)),
        (["--preset", "classic", "--max-updates", "none"], (4, None, None)),
        (["--preset", "minute", "--max-updates", "5"], (None, 5, None)),
        (["--preset", "minute", "--max-updates", "5", "--max-seconds", "9"], (None, 5, 9.0)),
    ],
)
def test_a_limit_takes_the_place_of_those_of_the_preset(
    tmp_path: Path, book: str, options: list[str], limits: tuple[int | float | None, ...]
) -> None:
    path = str(tmp_path / "m")
    assert main(["train", book, "-o", path, "--sample", "0", "--hidden-size", "8", *options]) == 0
    model = CharRNN.load(path)
    assert (model.epochs, model.max_updates, model.max_seconds) == limits


def test_a_number_of_updates_repeats_to_the_bit(tmp_path: Path, book: str) -> None:
    files = [tmp_path / "a", tmp_path / "b"]
    options = ["--random-state", "0", "--max-updates", "20", "--hidden-size", "16"]
    texts = [run("train", book, "-o", str(file), *options).stdout for file in files]
    assert texts[0] == texts[1]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(("option", "lines"), [(["--quiet"], 1), (["--progress"], 4), ([], 4)])
def test_in_a_pipe_progress_is_a_log(
    book: str, capsys: pytest.CaptureFixture[str], option: list[str], lines: int
) -> None:
    assert main(["train", book, "--sample", "0", "--max-seconds", "0.8", "--hidden-size", "8", *option]) == 0
    errors = capsys.readouterr().err
    assert "\r" not in errors
    assert len(errors.splitlines()) == lines
    assert (re.search(r"^training +\d+ % \| .* nats/char", errors, re.MULTILINE) is not None) == (lines > 1)


@pytest.mark.filterwarnings("default")
def test_train_goes_on_with_a_model(
    tmp_path: Path, model_file: str, model: CharRNN, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As partial_fit does, in place or into another file, with the limits of this call."""
    more, other = tmp_path / "more.txt", tmp_path / "other"
    more.write_text("Zebras zigzag. " * 60)
    words = ["train", str(more), "--model", model_file, "--random-state", "4", "--quiet", "--sample", "0"]
    assert main([*words, "--epochs", "5", "-o", str(other)]) == 0
    told = capsys.readouterr().err
    assert re.match("pycharrnn: warning: the vocabulary has grown by 2, to .* characters: 'Z', 'z'\n", told)
    expected = CharRNN.load(model_file).set_params(epochs=5, max_updates=None, random_state=4)
    with pytest.warns(UserWarning, match="the vocabulary has grown by"):
        expected.partial_fit(more.read_text(), epochs=5)
    found = CharRNN.load(other)
    assert found.get_params() == expected.get_params()
    assert all((found.params_[name] == value).all() for name, value in expected.params_.items())
    assert found.evaluate(more.read_text()).nats < 0.5 * model.evaluate(text).nats
    before = Path(model_file).read_bytes()
    assert main([*words, "--max-updates", "7", "-o", model_file]) == 0
    assert Path(model_file).read_bytes() != before
    assert (CharRNN.load(model_file).epochs, CharRNN.load(model_file).max_updates) == (None, 7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--optimizer", "sgd", "--learning-rate", "1e9"], "training diverged: .* far worse than guessing"),
        (["--optimizer", "sgd", "--learning-rate", "1e9", "--max-updates", "5"], "training diverged: "),
        (["--learning-rate", "1e-12"], "updates have taught nothing: the text takes .*, and took .* at the start"),
        (["--learning-rate", "1e-12", "--validation-fraction", "0.2"], "taught nothing: the validation text takes"),
        (["--cell", "gru", "--optimizer", "adam", "--learning-rate", "1e5"], "(diverged|taught nothing): "),
    ],
)
def test_a_training_that_learned_nothing_fails(
    tmp_path: Path, book: str, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "m"
    output.write_bytes(b"old")
    words = ["train", book, "-o", str(output), "--preset", "classic", "--random-state", "0", *options]
    assert main(words) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.search(f"pycharrnn: error: .*{message}", captured.err)
    assert "no file was written" in captured.err
    assert output.read_bytes() == b"old"


@pytest.mark.parametrize("options", [[], ["--validation-fraction", "0.1"]])
def test_weights_that_begin_better_than_guessing_have_learned_nothing_by_that(
    tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    book = tmp_path / "book.txt"
    book.write_text("to be or not to be, " * 40, encoding="utf-8")
    start = CharRNN("gru", 16, random_state=9, max_updates=1, learning_rate=1e-12).fit(book)
    assert start.evaluate(book).nats < math.log(8) - 0.05
    words = ["train", str(book), "--cell", "gru", "--hidden-size", "16", "--random-state", "9", "--max-updates", "60"]
    words += ["--preset", "classic", *options]
    assert main([*words, "--learning-rate", "1e-12"]) == 1
    assert "60 updates have taught nothing" in capsys.readouterr().err
    assert main(words) == 0


def test_a_handful_of_updates_that_taught_nothing_is_told(
    tmp_path: Path, book: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", book, "-o", str(tmp_path / "m"), "--preset", "classic", "--learning-rate", "1e-12"]
    assert main([*words, "--max-updates", "3"]) == 0
    assert "pycharrnn: warning: 3 updates have taught nothing" in capsys.readouterr().err


def test_training_on_that_makes_nothing_better_fails(
    tmp_path: Path, book: str, model_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before, words = Path(model_file).read_bytes(), ["train", book, "--model", model_file, "-o", model_file]
    assert main([*words, "--learning-rate", "1e-30"]) == 1
    assert "have not made the model better" in capsys.readouterr().err
    assert Path(model_file).read_bytes() == before


def test_train_goes_on_as_the_model_was_trained(
    tmp_path: Path, book: str, capsys: pytest.CaptureFixture[str], names_file: str
) -> None:
    path = tmp_path / "m"
    (tmp_path / "names.txt").write_text("\n".join(NAMES), encoding="utf-8")
    CharRNN(hidden_size=8, epochs=None, max_updates=13, optimizer="adam", on_unknown="skip").fit("abc" * 30).save(path)
    assert main(["train", book, "--model", str(path), "-o", str(path), "--sample", "9"]) == 0
    captured = capsys.readouterr()
    assert "done: 13 updates on " in captured.err
    assert set(captured.out) <= set("abc\n")
    model = CharRNN.load(path)
    assert (model.max_updates, model.optimizer, model.on_unknown) == (13, "adam", "skip")
    assert main(["train", str(tmp_path / "names.txt"), "--format", "lines", "--model", names_file]) == 0
    assert capsys.readouterr().out.count("\n") == 10


def test_texts_while_training_go_to_stdout(book: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", book, *QUICK, "--sample-every", "25", "--sample", "0", "--quiet"]) == 0
    captured = capsys.readouterr()
    assert re.findall(r"^--- update (\d+)", captured.out, re.MULTILINE) == ["0", "25", "50"]
    assert captured.err.count("\n") == 1


def test_sample_passes_its_options_on(model_file: str, model: CharRNN, capsys: pytest.CaptureFixture[str]) -> None:
    def sample(*options: str) -> str:
        assert main(["sample", model_file, *options]) == 0
        return capsys.readouterr().out

    assert sample("--random-state", "3") == model.sample(200, random_state=3) + "\n"
    options: dict[str, Any] = {"prompt": "to be", "temperature": 0.5, "random_state": 3}
    words = ["--prompt", "to be", "--temperature", "0.5", "--random-state", "3"]
    assert sample("--length", "40", *words) == model.sample(40, **options) + "\n"
    assert sample("--length", "40", "--stream", *words) == model.sample(40, **options) + "\n"
    assert sample("-n", "30", "--greedy") == model.sample(30, temperature=0) + "\n"
    assert sample("-n", "0") == sample("-n", "0", "--stream") == "\n"


def test_bench_hands_over_to_the_benchmark(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, book: str, text: str
) -> None:
    calls = []

    def stub(updates: int = -1, repeats: int = -1, text: str | None = None, file: Any = None) -> None:
        calls.append((updates, repeats, text, file))

    assert [*inspect.signature(stub).parameters] == [*inspect.signature(benchmark.run).parameters]
    monkeypatch.setattr(benchmark, "run", stub)
    (tmp_path / "names.csv").write_text("text\nbo\nole\n")
    assert main(["bench"]) == 0
    assert main(["bench", book, "--updates", "7", "--repeats", "2"]) == 0
    assert main(["bench", str(tmp_path / "names.csv")]) == 0
    assert calls == [
        (-1, -1, datasets.tinyshakespeare(), sys.stdout),
        (7, 2, text, sys.stdout),
        (-1, -1, "bo\nole", sys.stdout),
    ]


def test_any_character_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "m"
    text = "a\ud800é\U0001f600\n" * 30
    CharRNN(hidden_size=4, max_updates=5, random_state=1).fit(text).save(path)
    for option in ([], ["--stream"]):
        done = run("sample", str(path), "--random-state", "1", *option, env=ENVIRONMENT | {"PYTHONIOENCODING": "ascii"})
        assert done.stderr == b""
        expected = CharRNN.load(path).sample(200, random_state=1) + "\n"
        assert done.stdout.decode("utf-8", "surrogatepass") == expected
        assert "\ud800" in expected


def test_a_command_imports_no_outer_floor_that_it_does_not_need(model_file: str) -> None:
    program = "import sys, pycharrnn.cli; pycharrnn.cli.main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    loaded = []
    for words in (["sample", model_file], ["bench", "--help"], ["report", "--help"]):
        done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, env=ENVIRONMENT, text=True)
        loaded.append({name for name in done.stderr.split() if re.match(r"pycharrnn\.(lab|benchmark)\b", name)})
    assert loaded[:2] == [set(), set()]
    assert "pycharrnn.lab.report" in loaded[2]


# --- help -------------------------------------------------------------------------------------------------------


COMMANDS = ["train", "sample", "eval", "adapt", "surprise", "explore", "check", "report", "info", "bench"]


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_has_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--help"]) == 0
    captured = capsys.readouterr()
    assert f"example:\n  {' '.join(['pycharrnn', *command])} " in captured.out
    assert captured.err == ""


def test_the_examples_parse(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("book.txt").write_text(text)
    assert main(["train", "book.txt", "-o", "book.safetensors", "--max-seconds", "0.05"]) == 0
    assert main(["sample", "book.safetensors", "--length", "50"]) == 0
    capsys.readouterr()
    for command in COMMANDS:
        main([command, "--help"])
        shown, _, examples = capsys.readouterr().out.rpartition("example:\n")
        known = set(re.findall(r"(?<![\w-])--?[a-z-]+", shown))
        for line in examples.splitlines():
            example = shlex.split(line)
            assert len(line) <= 80
            assert example[:2] == ["pycharrnn", command]
            assert main([command, "--help", *example[2:]]) == 0
            capsys.readouterr()
            assert {word for word in example if word.startswith("-")} <= known


def test_help_explains_the_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--hidden-size SIZE Units of the hidden state of a layer. (default: 192)" in shown
    assert re.search(r"--optimizer \{[a-z,]*adagrad[a-z,]*\} The update rule. \(default: adam\)", shown)
    assert "(default: 25.0; none if another limit is given)" in shown
    main(["report", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--hidden-size SIZE Units of the hidden state of a layer. (default: 100)" in shown
    assert re.search(r"--optimizer \{[a-z,]*adagrad[a-z,]*\} The update rule. \(default: adagrad\)", shown)
    assert "(default: 4; none if another limit is given)" in shown
    main(["sample", "--help"])
    shown = " ".join(capsys.readouterr().out.split())  # Python 3.13 says "-n, --length LENGTH"
    assert re.search(r"-n(?: LENGTH)?, --length LENGTH Characters to write\. none is 200 for", shown)
    assert re.search(r"--on-unknown \{raise,skip,replace\} What to do with .* \(default: as it was trained\)", shown)
    main(["check", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--seq-lengths LENGTHS Lengths of the windows. (default: 5,10,15,25)" in shown
    assert "exit code 1 if a norm error is above the tolerance" in shown


@pytest.mark.parametrize(
    ("command", "function"),
    [
        ("train", CharRNN),
        ("sample", CharRNN.sample),
        ("eval", CharRNN.evaluate),
        ("adapt", CharRNN.adapt),
        ("check", CharRNN.check_gradients),
        ("report", report.write),
        ("report", CharRNN),
        ("bench", benchmark.run),
        *((command, read_documents) for command in ("train", "eval", "adapt", "check", "report", "bench")),
    ],
)
def test_the_parameters_of_the_api_are_options(command: str, function: Any, capsys: pytest.CaptureFixture[str]) -> None:
    main([command, "--help"])
    options = set(re.findall(r"^  (?:-\w(?: [A-Z]+)?, )?--([a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    parameters = {name.replace("_", "-") for name in inspect.signature(function).parameters}
    if command == "sample":
        parameters |= {name.replace("_", "-") for name in table(Sampling)} - {"sampling"}
    elsewhere = {
        "constraint",
        "novel",
        "sampling",
        "path",
        "X",
        "model",
        "source",
        "log",
        "text",
        "file",
        "self",
        "verbose",
    }
    assert parameters - elsewhere <= options | {name.removeprefix("no-") for name in options}


def test_prompts(model_file: str, model: CharRNN, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any):
    """Every way to give one; the model's texts tell which characters came in."""
    read: list[str] = []
    sample = CharRNN.sample

    @functools.wraps(sample)
    def watched(self: CharRNN, **options: Any) -> Any:
        read.append(options["prompt"])
        return sample(self, **options)

    monkeypatch.setattr(CharRNN, "sample", watched)
    smile, odd = "\U0001f600", "\ufeff to\r\n\tbe \\n\n\n"
    (tmp_path / "prompt").write_text("\ufeff" + odd, encoding="utf-8", newline="")
    (tmp_path / "empty").write_text("")
    for words, expected in [
        (["--prompt", r"to\tbe\n\r\\n\\\\"], "to\tbe\n\r\\n\\\\"),
        (["--prompt", r"\u00e9\ud83d\ude00\u00E9" + "\u732b"], f"\xe9{smile}\xe9\u732b"),
        (["--prompt", r"\ud83d to \/\"\b\f"], '\ud83d to /"\b\f'),
        (["--prompt", ""], ""),
        (["--prompt", "to\nbe\t"], "to\nbe\t"),
        (["--prompt=--greedy"], "--greedy"),
        (["--prompt-file", str(tmp_path / "prompt")], odd),
        (["--prompt-file", str(tmp_path / "empty")], ""),
        (["--prompt-file", "-"], odd),
    ]:
        type_in(monkeypatch, ("\ufeff" + odd).encode())
        assert main(["sample", model_file, "--on-unknown", "skip", "-n", "20", "--greedy", *words]) == 0
        assert read[-1] == expected
        assert capsys.readouterr().out == sample(model, 20, prompt=_known(model, expected), temperature=0) + "\n"
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["sample", model_file, "--prompt-file", "-"]) == 1
    assert failure(capsys) == "standard input is closed"


def _known(model: CharRNN, text: str) -> str:
    return "".join(character for character in text if character in model.vocabulary_)


def test_every_process_writes_another_text(model_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert CharRNN.load(model_file).random_state is not None

    def texts(*options: str) -> set[str]:
        for _ in range(3):
            assert main(["sample", model_file, *options]) == 0
        shown = capsys.readouterr().out
        return {shown[i : i + len(shown) // 3] for i in range(0, len(shown), len(shown) // 3)}

    for options in ([], ["--random-state", "none"], ["--stream"]):
        assert len(texts(*options)) == 3
    for options in (["--random-state", "0"], ["--stream", "--random-state", "7"], ["--greedy"]):
        assert len(texts(*options)) == 1
    main(["sample", "--help"])
    assert "A number gives the same text every time, none another one each time." in " ".join(
        capsys.readouterr().out.split()
    )


def test_train_repeats_its_text_if_asked(book: str, capsys: pytest.CaptureFixture[str]) -> None:
    for state, expected in (("3", 1), ("none", 2)):
        shown = set()
        for _ in range(2):
            assert main(["train", book, "--max-updates", "60", "--hidden-size", "8", "--random-state", state]) == 0
            shown.add(capsys.readouterr().out)
        assert len(shown) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (advice("use {on_unknown=skip} or {on_unknown=replace}"), "use --on-unknown skip or --on-unknown replace"),
        (Message("pass ", Setting("field", ...), ", not 'field'"), "pass --field, not 'field'"),
        (Message(Setting("unescape", True), " or ", Setting("patience", None)), "--unescape or --patience none"),
        (Message("row {hidden_size}: ", advice("lower {hidden_size}")), "row {hidden_size}: lower --hidden-size"),
        ("a hidden_size that nobody marked", "a hidden_size that nobody marked"),
    ],
)
def test_messages_name_options(message: str, expected: str) -> None:
    assert described(ValueError(message)) == expected
    assert described(pickle.loads(pickle.dumps(UserWarning(message)))) == expected


@pytest.mark.parametrize(
    "error",
    [
        ParameterValueError("hidden_size", "must be at least 1, got 0"),
        TrainingDivergedError(3),
        TrainingDivergedError(3, 99.0),
        UnknownCharacterError("{epochs}"[0], 4, 2),
    ],
)
def test_errors_name_options(error: Exception) -> None:
    said, told = str(error), described(error)
    assert "--" in told
    assert "--" not in said
    assert "_" in said
    assert "_" not in told


def test_the_choices_are_those_of_the_api() -> None:
    for option, of in ((FORMAT, "format"), (ON_BAD, "on_bad")):
        choices = [choice for choice in option.how["choices"] if choice != "text"]
        with pytest.raises(ValueError, match=f"{of} must be") as caught:
            read_documents("x", **{of: "?"})
        assert re.findall("'(.+?)'", str(caught.value))[:-1] == choices
    with pytest.raises(ValueError, match="on_unknown must be") as caught:
        CharRNN(on_unknown="?").fit("ab")
    assert re.findall("'(.+?)'", str(caught.value))[:-1] == [*ON_UNKNOWN.how["choices"]]


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, f"pycharrnn {pycharrnn.__version__}\n", b"")


def test_no_command_is_a_call_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("usage: pycharrnn ")


# --- errors -----------------------------------------------------------------------------------------------------


def failure(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr."""
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("pycharrnn: error: ")
    assert captured.err.count("\n") == 1
    return captured.err.removeprefix("pycharrnn: error: ").rstrip("\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--hidden-size 0", "--hidden-size must be at least 1 and at most 65536, got 0"),
        ("--hidden-size -1", "--hidden-size must be at least 1 and at most 65536, got -1"),
        ("--hidden-size abc", "argument --hidden-size: must be an integer, got 'abc'"),
        ("--hidden-size 1.5", "argument --hidden-size: must be an integer, got '1.5'"),
        ("--hidden-size none", "argument --hidden-size: must be an integer, got 'none'"),
        ("--hidden-size", "argument --hidden-size: expected one argument"),
        ("--seq-length 0", "--seq-length must be at least 1"),
        ("--optimizer newton", "--optimizer must be one of "),
        ("--optimizer cell", "got 'cell'"),
        ("--learning-rate nan", "--learning-rate must be finite and above 0, got nan"),
        ("--learning-rate 0", "--learning-rate must be finite and above 0, got 0.0"),
        ("--learning-rate fast", "argument --learning-rate: must be a number or none, got 'fast'"),
        ("--clip-value inf", "--clip-value must be finite and above 0, got inf"),
        ("--clip-norm -2", "--clip-norm must be finite and above 0, got -2.0"),
        ("--init-scale -1", "--init-scale must be finite and at least 0, got -1.0"),
        ("--epochs 0", "--epochs must be at least 1"),
        ("--preset classic --epochs none", "give at least one of --epochs, --max-updates and --max-seconds"),
        ("--max-updates 0", "--max-updates must be at least 1"),
        ("--max-seconds 0", "--max-seconds must be finite and above 0"),
        ("--dtype float16", "--dtype must be one of 'float32', 'float64', 'bfloat16', got 'float16'"),
        ("--random-state -1", "--random-state must be at least 0"),
        ("--sample-every 0", "argument --sample-every: must be at least 1, got 0"),
        ("--sample -1", "argument --sample: must be at least 0, got -1"),
        ("--corpus nothing", "argument --corpus: invalid choice: 'nothing' (choose from"),
        ("--hidden=5", "unrecognized arguments: --hidden=5"),
        ("--quiet --progress", "not allowed with argument"),
    ],
)
def test_train_refuses_bad_options(options: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *options.split()]) == 2
    assert message in failure(capsys)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ("--length -1", 2, "--length must be at least 0"),
        ("--length many", 2, "argument -n/--length: must be an integer or none, got 'many'"),
        ("--temperature -0.5", 2, "--temperature must be finite and at least 0, got -0.5"),
        ("--temperature nan", 2, "--temperature must be finite"),
        ("--random-state -3", 2, "--random-state must be at least 0"),
        ("--prompt beZ", 1, "--prompt: unknown character 'Z' (U+005A) at position 2"),
        ("--stream --temperature -1", 2, "--temperature must be finite"),
        ("--stream --prompt Z", 1, "--prompt: unknown character 'Z'"),
    ],
)
def test_sample_refuses_bad_options(
    model_file: str, options: str, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", model_file, *options.split()]) == code
    assert message in failure(capsys)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["fly"], "argument COMMAND: invalid choice: 'fly' (choose from"),
        (["--fly"], "unrecognized arguments: --fly (see pycharrnn --help)"),
        (["sample"], "the following arguments are required: MODEL (see pycharrnn sample --help)"),
        (["bench", "--updates", "0"], "argument --updates: must be at least 1, got 0"),
        (["bench", "--repeats", "x"], "argument --repeats: must be an integer, got 'x'"),
        (["train", "a.txt", "--corpus", "topics"], "not allowed with argument"),
    ],
)
def test_wrong_usage(args: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args) == 2
    assert message in failure(capsys)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\nc\xff\xfeabc", "not valid UTF-8: byte 0xFF at offset 3 of '{}' (line 2: invalid start byte)"),
        (b"\xef\xbb\xbfab\x80", "not valid UTF-8: byte 0x80 at offset 5 of '{}' (line 1: invalid start byte)"),
        (b"ab\xed\xa0\x80", "not valid UTF-8: byte 0xED at offset 2 of '{}'"),
        (gzip.compress(b"abc", mtime=0)[:-3], "not valid gzip: '{}' ends too early"),
        (b"", "{}: the text has 0 characters"),
        (b"\xef\xbb\xbfa", "{}: the text has 1 character:"),
    ],
)
def test_train_refuses_a_bad_text(
    tmp_path: Path,
    data: bytes,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, output = tmp_path / "bad.txt", tmp_path / "m"
    path.write_bytes(data)
    for given, shown in ((str(path), str(path)), ("-", "standard input")):
        type_in(monkeypatch, data)
        assert main(["train", given, "-o", str(output)]) == 1
        error = failure(capsys)
        expected = message.format(shown)
        assert error.startswith(expected if "'" in message or given == "-" else expected.replace(shown, repr(shown)))
        assert error.endswith(", or pass --encoding") == ("UTF-8" in message)
    assert os.listdir(tmp_path) == ["bad.txt"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_cannot_be_read(
    command: str, tmp_path: Path, book: str, model_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    missing, folder = str(tmp_path / "missing"), str(tmp_path)
    before = [command, model_file] if command in ("eval", "adapt", "surprise", "explore") else [command]
    after = ["-o", str(tmp_path / "result")] if command in ("report", "adapt") else []
    assert main([*before, missing, *after]) == 1
    assert failure(capsys) == f"{missing!r}: No such file or directory"
    as_text = [] if command in ("sample", "info") else ["--format", "text"]
    assert main([*before, folder, *as_text, *after]) == 1
    assert failure(capsys) == f"{folder!r}: Is a directory"


def test_stdin_may_be_closed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["train", "-"]) == 1
    assert failure(capsys) == "standard input is closed"


def test_a_python_without_the_corpus(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    assert main(["train", "--corpus", "topics"]) == 1
    assert "lacks the module pydoc_data" in failure(capsys)


def test_too_little_memory(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*args: object, **options: object) -> None:
        raise MemoryError

    monkeypatch.setattr(CharRNN, "fit", greedy)
    assert main(["train"]) == 1
    assert failure(capsys) == "out of memory"


def test_a_bad_output_is_found_before_training(
    tmp_path: Path, book: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CharRNN, "fit", None)
    (tmp_path / "loop").symlink_to(tmp_path / "nowhere" / "m")
    for output, code, message in [
        (tmp_path / "nowhere" / "m", 1, "cannot be written: No such file or directory"),
        (tmp_path / "loop", 1, "cannot be written: No such file or directory"),
        (Path(book) / "m", 1, "cannot be written: Not a directory"),
        (Path("/proc/m"), 1, "cannot be written: "),  # where not even root may write
        (tmp_path, 1, "is a directory or a device"),
        ("", 1, "is a directory or a device"),
        (Path(os.devnull), 1, "is a directory or a device"),
        (Path(book), 2, "is the text itself"),
    ]:
        assert main(["train", book, "-o", str(output)]) == code
        error = failure(capsys)
        assert error.startswith(f"--output {str(output)!r} ")
        assert message in error
    assert sorted(os.listdir(tmp_path)) == ["book.txt", "loop"]


def test_sample_refuses_what_is_no_model(
    tmp_path: Path, book: str, model_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Path(model_file).read_bytes()
    cut, empty = tmp_path / "cut", tmp_path / "empty"
    cut.write_bytes(whole[:-100])
    empty.write_bytes(b"")
    for path, told in (
        (book, "is not a pycharrnn model: it looks like text"),
        (str(cut), "is not an intact pycharrnn model"),
        (str(empty), "is not a pycharrnn model: it is empty"),
    ):
        assert main(["sample", path]) == 1
        assert failure(capsys).startswith(f"{path!r} {told}")


def test_divergence_writes_nothing(tmp_path: Path, book: str, capsys: pytest.CaptureFixture[str]) -> None:
    old = tmp_path / "old.safetensors"
    old.write_bytes(b"an older model")
    wild = ["--optimizer", "sgd", "--learning-rate", "1e300", "--clip-norm", "none", "--quiet"]
    assert main(["train", book, *wild, "-o", str(old)]) == 1
    error = failure(capsys)
    assert error.startswith("training diverged")
    assert "Lower --learning-rate, or set --clip-value or --clip-norm; no file was written" in error
    assert old.read_bytes() == b"an older model"
    assert sorted(os.listdir(tmp_path)) == ["book.txt", "old.safetensors"]


# --- interruptions ----------------------------------------------------------------------------------------------


def test_ctrl_c_keeps_what_was_learned(tmp_path: Path, book: str) -> None:
    path = tmp_path / "m.safetensors"
    process = start("train", book, "-o", str(path), *FOREVER, "--sample-every", "1000")
    assert process.stdout is not None
    for shown in process.stdout:
        if shown.startswith(b"--- update 1000,"):
            break
    process.send_signal(signal.SIGINT)
    process.stdout.read()
    code, errors = finish(process)
    assert code == 130
    line = summary(errors)
    updates = int(line.removeprefix("interrupted: ").split()[0].replace(",", ""))
    assert updates >= 1000
    assert line.endswith(f"wrote {str(path)!r}")
    assert 1 <= CharRNN.load(path).best_.n_updates <= updates
    assert sorted(os.listdir(tmp_path)) == ["book.txt", "m.safetensors"]


def test_ctrl_c_before_training_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    monkeypatch.setitem(datasets.NAMES, "tinyshakespeare", interrupted)
    assert main(["train", "-o", str(tmp_path / "m")]) == 130
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(CharRNN, "fit", lambda *args, **options: interrupted())
    assert main(["train", __file__, "-o", str(tmp_path / "m")]) == 130
    assert failure(capsys) == "interrupted before the first update; no file was written"
    assert os.listdir(tmp_path) == []


def test_sample_stops_when_nobody_reads(model_file: str) -> None:
    for option in ([], ["--stream"]):
        process = start("sample", model_file, "-n", "2000000", *option)
        assert process.stdout is not None
        assert len(process.stdout.read(10)) == 10
        process.stdout.close()
        assert finish(process) == (141, "")


def test_train_saves_when_nobody_reads(tmp_path: Path, book: str) -> None:
    path = tmp_path / "m.safetensors"
    process = start("train", book, "-o", str(path), *FOREVER, "--sample-every", "100")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(b"--- update 500,"):
            break
    process.stdout.close()
    code, errors = finish(process)
    assert code == 141
    assert summary(errors).endswith(f"wrote {str(path)!r}")
    assert CharRNN.load(path).best_.n_updates >= 1


def test_help_when_nobody_reads() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = start("train", "--help", stdout=writer)
    os.close(writer)
    code, errors = finish(process)
    assert code in (0, 141)
    assert errors == ""


def test_a_full_disk_is_an_error(model_file: str) -> None:
    with open("/dev/full", "wb") as full:
        process = start("sample", model_file, stdout=full.fileno())
    assert finish(process) == (1, "pycharrnn: error: No space left on device\n")


def test_stdout_may_be_closed(model_file: str) -> None:
    done = run("sample", model_file, preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, b"")


# --- wrong command lines ----------------------------------------------------------------------------------------

POSTS = [
    {"text": "Good morning \U0001f600 &amp; hello", "created_at": "2020-01-01", "is_retweet": False},
    {"text": "caf\u00e9 &lt;3 \u2764\ufe0f", "created_at": "2020-01-02", "is_retweet": True},
    {"text": "two\nlines, \"quoted\"", "created_at": "2020-01-03", "is_retweet": False},
    {"text": "", "created_at": "2020-01-04", "is_retweet": False},
    {"created_at": "2020-01-05", "is_retweet": False},
]  # fmt: skip
GOOD = [post for post in POSTS if post.get("text")]

WRONG: list[tuple[str, int, str]] = [
    # the command itself
    ("fly", 2, r"argument COMMAND: invalid choice: 'fly'"),
    ("--fly", 2, r"unrecognized arguments: --fly"),
    ("train book.txt more.txt", 1, r"'more\.txt': No such file"),
    ("train book.txt posts.json", 2, r"'book\.txt' is running text, 'posts\.json' holds documents; give one"),
    ("train folder --max-updates 1 book.txt", 2, r"'book\.txt' is running text, 'folder' holds doc"),
    ("train - book.txt -", 2, r"standard input can be read only once"),
    ("train book.txt latin.txt", 1, r"not valid UTF-8: byte 0xE9 at offset 7 of 'latin\.txt' \(line 2"),
    ("train short.txt book.txt -o book.txt", 2, r"--output 'book\.txt' is the text itself"),
    ("eval model --window 5 other.txt", 1, r"'other\.txt': unknown character 'Z'"),
    ("train book.txt --hidden-size", 2, r"argument --hidden-size: expected one argument"),
    ("train tweets.js", 2, r"'tweets\.js' is an archive of posts: pass --format json and --field, or --format text"),
    ("train tweets.js --format json", 1, r"pass --field, the first row has 'tweet\.full_text'$"),
    ("train poems --separator", 2, r"argument --separator: expected one argument"),
    ("train --separator -- poems", 2, r"argument --separator: expected one argument"),
    ("train --hidden-size ---", 2, r"argument --hidden-size: must be an integer, got '---'"),
    (r"train poems --separator '\q'", 2, r"argument --separator: unknown escape in '\\\\q': write"),
    ("train poems --separator ''", 2, r"--separator must be a str of at least one character, got ''"),
    ("train poems --separator @@", 1, r"'poems' does not contain the separator '@@'"),
    ("train poems --separator %% --format lines", 2, r"--separator must go without a format, got 'lines'"),
    ("train table.csv --separator ,", 2, r"--separator must go with a text, .* 'csv'; .*delimiter is for its columns"),
    ("train table.csv --delimiter ,,", 2, r"--delimiter must be one character"),
    ("train posts.json --delimiter ,", 2, r"--delimiter must go with the format 'csv', got 'json'"),
    ("train poems --delimiter ,", 2, r"--delimiter is for documents, but 'poems' is running text; see --format"),
    ("train both.csv --field 1", 1, r"'both\.csv' may be split by ',' or ';'; pass --delimiter"),
    ("train folder --pattern *.md", 1, r"'folder' has no document.*1 file left out, first 'a\.txt': it does not m"),
    ("train posts.json --pattern *.md", 2, r"--pattern must go with a folder, and 'posts\.json' is none"),
    ("train book.pdf", 1, r"no text: 'book\.pdf' is a PDF document; convert or unpack it to a plain text first"),
    ("train model", 1, r"no text: 'model' is a safetensors file"),
    ("train book.txt --fly", 2, r"unrecognized arguments: --fly \(see pycharrnn train --help\)"),
    ("train --hidden=5", 2, r"unrecognized arguments: --hidden=5"),
    ("sample", 2, r"arguments are required: MODEL \(see pycharrnn sample --help\)"),
    ("info", 2, r"arguments are required: MODEL"),
    ("info model names", 2, r"unrecognized arguments: names"),
    ("eval model", 2, r"one of the arguments TEXT --corpus is required"),
    # files
    ("train missing.txt", 1, r"'missing\.txt': No such file"),
    ("train book.txt/x", 1, r"'book\.txt/x': Not a directory"),
    ("train missing.json", 1, r"'missing\.json': No such file"),
    ("train folder --format text", 1, r"'folder': Is a directory"),
    ("train folder --format json", 1, r"'folder': Is a directory"),
    ("train hollow", 1, r"'hollow' has no document"),
    ("train book.txt --corpus topics", 2, r"argument TEXT: not allowed with argument --corpus"),
    ("train --corpus nothing", 2, r"argument --corpus: invalid choice: 'nothing'"),
    ("report missing.txt", 1, r"'missing\.txt': No such file"),
    # running text
    ("train empty", 1, r"'empty': the text has 0 characters"),
    ("train one", 1, r"'one': the text has 1 character:"),
    ("train latin.txt", 1, r"not valid UTF-8: byte 0xE9 at offset 7 of 'latin\.txt' \(line 2: .*--encoding$"),
    ("train latin.txt --encoding utf-9", 2, r"--encoding must name a text encoding .*'utf-9'"),
    ("train cut.txt.gz", 1, r"not valid gzip: 'cut\.txt\.gz' ends too early"),
    ("train book.txt --field text", 2, r"--field is for documents, but 'book\.txt' is running text; see --format"),
    ("train book.txt --on-bad skip", 2, r"--on-bad is for documents"),
    ("train book.txt --format text --unescape", 2, r"--unescape is for documents"),
    ("train --format json", 2, r"--format is for a TEXT, and there is none"),
    ("train --corpus topics --encoding latin-1", 2, r"--encoding is for a TEXT"),
    # documents
    ("train bad.json", 1, r"'bad\.json' is not valid JSON: line 2, byte offset 25: .*--format jsonl"),
    ("train object.json", 1, r"'object\.json' must hold a list"),
    ("train posts.json", 1, r"'posts\.json', row 4: the document is empty \(and 1 bad row more\).*--on-bad skip"),
    ("train posts.json --field body", 1, r"no row with the field 'body'; pass --field, .*'text', 'created_at', 'is_"),
    ("train posts.json --field is_retweet", 1, r"row 1: field 'is_retweet' is a boolean, not a string"),
    ("train posts.json --field 1", 2, r"--field must be a name, .*got 1 for 'json'"),
    ("train posts.json --format csv", 1, r"'posts\.json' has no column 'text'"),
    ("train posts.json --format xml", 2, r"argument --format: invalid choice: 'xml'"),
    ("train posts.json --on-bad drop", 2, r"argument --on-bad: invalid choice: 'drop'"),
    ("train table.csv", 1, r"'table\.csv' has no column 'text'; pass --field, the columns are 'id', 'name'"),
    ("train table.csv --field 2", 1, r"'table\.csv' has no column 2; pass --field, the first row has 0 to 1"),
    ("train table.csv --field name", 1, r"'table\.csv', line 3: the document is empty"),
    ("train broken.csv", 1, r"'broken\.csv', line 2: a quote is opened and not closed; fix it, or --on-bad skip"),
    ("train latin.csv", 1, r"not valid UTF-8: byte 0xE9 at offset 8 of 'latin\.csv' \(line 2: .*or pass --encoding"),
    ("train empty --format jsonl", 1, r"'empty' has no document"),
    ("train blank.json --on-bad skip", 1, r"'blank\.json' has no document: 1 row skipped, first row 1: "),
    ("train - --format files", 2, r"--format must be one of json, .* for standard input, got 'files'"),
    ("train - --format json", 1, r"'standard input' has no document"),
    ("train -", 1, r"standard input: the text has 0 characters"),
    # parameters
    ("train book.txt --hidden-size 0", 2, r"--hidden-size must be at least 1 .*got 0"),
    ("train book.txt --hidden-size -3", 2, r"--hidden-size must be at least 1 .*got -3"),
    ("train book.txt --hidden-size many", 2, r"argument --hidden-size: must be an integer, got 'many'"),
    ("train book.txt --learning-rate nan", 2, r"--learning-rate must be finite and above 0, got nan"),
    ("train book.txt --learning-rate -1", 2, r"--learning-rate must be finite and above 0, got -1\.0"),
    ("train book.txt --optimizer newton", 2, r"--optimizer must be one of 'sgd', .*got 'newton'"),
    ("train book.txt --optimizer clip_value", 2, r"--optimizer must be one of .*got 'clip_value'"),
    ("train book.txt --cell lstm9", 2, r"--cell must be one of .*got 'lstm9'"),
    ("train book.txt --dtype float16", 2, r"--dtype must be one of .*got 'float16'"),
    ("train book.txt --on-unknown guess", 2, r"--on-unknown must be one of .*got 'guess'"),
    ("train book.txt --preset classic --epochs none", 2, r"give at least one of --epochs, --max-updates and --max-s"),
    ("train book.txt --sample -1", 2, r"argument --sample: must be at least 0, got -1"),
    ("train book.txt --sample-every 0", 2, r"argument --sample-every: must be at least 1, got 0"),
    ("train book.txt --random-state x", 2, r"argument --random-state: must be an integer or none, got 'x'"),
    ("train book.txt --optimizer sgd --learning-rate 1e300 --quiet -o model", 1, r"training diverged.*no f"),
    # outputs
    ("train book.txt -o nowhere/m", 1, r"--output 'nowhere/m' cannot be written: No such file"),
    ("train book.txt -o folder", 1, r"--output 'folder' is a directory"),
    ("train book.txt -o one/m", 1, r"--output 'one/m' cannot be written: Not a directory"),
    ("train book.txt -o /proc/m", 1, r"--output '/proc/m' cannot be written: "),
    ("train book.txt -o ./folder/../book.txt", 2, r"--output '\./folder/\.\./book\.txt' is the text itself"),
    ("train book.txt -o link", 2, r"--output 'link' is the text itself"),
    ("train book.txt -o -", 2, r"--output '-' cannot be standard output"),
    # models
    ("sample book.txt", 1, r"'book\.txt' is not a pycharrnn model: it looks like text$"),
    ("info book.gz", 1, r"'book\.gz' is not a pycharrnn model: it looks like a gzip file$"),
    ("check --model book.pdf book.txt", 1, r"'book\.pdf' is not a pycharrnn model: it looks like a PDF document$"),
    ("sample empty", 1, r"'empty' is not a pycharrnn model: it is empty$"),
    ("sample cut", 1, r"'cut' is not an intact pycharrnn model"),
    ("info checkpoint", 1, r"'checkpoint' .*checkpoint"),
    ("info folder", 1, r"'folder': Is a directory"),
    ("eval missing book.txt", 1, r"'missing': No such file"),
    ("eval - -", 2, r"a model cannot be read from standard input"),
    ("check --model cut book.txt", 1, r"'cut' is not an intact pycharrnn model"),
    # sampling
    ("sample model -n -1", 2, r"--length must be at least 0"),
    ("sample model --length long", 2, r"argument -n/--length: must be an integer or none, got 'long'"),
    ("sample model --temperature -0.5", 2, r"--temperature must be finite and at least 0, got -0\.5"),
    ("sample model --temperature inf", 2, r"--temperature must be finite"),
    ("sample model --temperature hot", 2, r"argument --temperature: must be a number, got 'hot'"),
    ("sample model --n-samples -2", 2, r"--n-samples must be at least 0"),
    ("sample model --n-samples 1.5", 2, r"argument --n-samples: must be an integer or none, got '1\.5'"),
    ("sample model --stream --n-samples 2", 2, r"--stream writes one text; leave out --n-samples"),
    ("sample model --prompt Zoo", 1, r"--prompt: unknown character 'Z' .* position 0: .*use --on-unknown skip or --"),
    ("sample model --prompt Zoo --on-unknown x", 2, r"argument --on-unknown: invalid choice: 'x'"),
    # evaluation
    ("eval model other.txt", 1, r"'other\.txt': unknown character 'Z' \(U\+005A\) at position 0"),
    ("eval model one", 1, r"'one': the text has 1 character"),
    ("eval model other.txt --on-unknown skip", 1, r"'other\.txt': the text has 4 characters, of which"),
    ("eval names book.txt", 1, r"'book\.txt': this is running text, the model is of documents; see --format"),
    ("eval names --corpus topics", 1, r"corpus topics: this is running text"),
    ("eval model book.txt --adapt -1", 2, r"--adapt must be finite and above 0, got -1\.0"),
    ("eval model book.txt --adapt nan", 2, r"--adapt must be finite and above 0, got nan"),
    ("eval model book.txt --adapt fast", 2, r"argument --adapt: must be a number or none, got 'fast'"),
    ("eval model book.txt --adapt 1e9", 2, r"--adapt must be lower for this text, got 1e\+09: "),
    ("eval model book.txt --adapt 0.1 --unsmooth 0.5", 2, r"--adapt must be None with unsmooth, got 0\.1"),
    ("eval model book.txt --unsmooth 1", 2, r"--unsmooth must be below 1, got 1\.0"),
    ("train book.txt --save-dtype bfloat16", 2, r"--save-dtype is of the file that --output names; add --output FILE"),
    ("train book.txt -o x --save-dtype float16", 2, r"argument --save-dtype: invalid choice: 'float16'"),
    # adapting
    ("adapt model book.txt", 2, r"the following arguments are required: -o/--output"),
    ("adapt model -o x", 2, r"one of the arguments TEXT --corpus is required"),
    ("adapt model book.txt -o book.txt", 2, r"--output 'book\.txt' is the text itself"),
    ("adapt model book.txt -o x --rate 0", 2, r"--rate must be finite and above 0, got 0\.0"),
    ("adapt model book.txt -o x --rate none", 2, r"argument --rate: must be a number, got 'none'"),
    ("adapt model book.txt -o x --rate 1e9", 2, r"--rate must be lower for this text, got 1e\+09: "),
    ("adapt model one -o x", 1, r"'one': the text has 1 character"),
    ("adapt model other.txt -o x", 1, r"'other\.txt': unknown character 'Z' \(U\+005A\) at position 0"),
    ("adapt names book.txt -o x", 1, r"'book\.txt': this is running text, the model is of documents"),
    # checking
    ("check short.txt", 1, r"'short\.txt': text must have more than 2 \* 25 characters, it has 5"),
    ("check book.txt --seq-lengths 5,x", 2, r"argument --seq-lengths: must be an integer, got 'x'"),
    ("check book.txt --seq-lengths 0", 2, r"--seq-lengths must be at least 1"),
    ("check book.txt --batches 0", 2, r"--batches must be at least 1"),
    ("check book.txt --h 0", 2, r"--h must be finite and above 0"),
    ("check book.txt --tolerance -1", 2, r"--tolerance must be finite and above 0"),
    ("check book.txt --max-entries 0", 2, r"--max-entries must be at least 1"),
    ("check book.txt --max-entries all", 2, r"--max-entries: must be an integer, 'auto' or none, got 'all'"),
    ("check book.txt --max-seconds 0", 2, r"--max-seconds must be finite and above 0"),
    ("check book.txt --model model --hidden-size 5", 2, r"--hidden-size: only for a new model, but --model names a tr"),
    # training on
    ("train book.txt --model missing", 1, r"'missing': No such file"),
    ("train book.txt --model book.txt", 1, r"'book\.txt' is not"),
    ("train book.txt --model -", 2, r"a model cannot be read from standard input"),
    ("train book.txt --model names", 1, r"'book\.txt': this is running text, the model is of documents; see --format"),
    ("train folder --model names --cell gru --dtype float64", 2, r"^--cell, --dtype: only for a new model"),
    ("train book.txt --model model --preset minute", 2, r"^--preset: only for a new model"),
    ("train book.txt --model model --ngram-order 5", 2, r"^--ngram-order: only for a new model"),
    ("train book.txt --model model --validation-fraction 0.1", 2, r"^--validation-fraction: only for a new model"),
    ("train book.txt --model model --epochs 0", 2, r"--epochs must be at least 1"),
    ("train book.txt --model model --epochs none --max-updates none", 2, r"would never end: give at least one of --ep"),
    ("train book.txt --model model -o book.txt", 2, r"--output 'book\.txt' is the text itself"),
    # reports
    ("report book.txt --compare optimizer", 2, r"--compare: must name an option .*as in optimizer=sgd,adam, got 'opt"),
    ("report book.txt --compare optimizer=", 2, r"--optimizer must be one of .*got ''"),
    ("report book.txt --compare optimiser=sgd,adam", 2, r"--compare: must name .*got 'opt.*' \(.* --optimizer\?\)"),
    ("report book.txt --compare seq-length=5,9 --compare cell=rnn,gru", 2, r"argument --compare: given twice"),
    # options given twice, misspelt names
    ("sample model --prompt to --prompt be", 2, r"argument --prompt: given twice"),
    ("sample model -n 5 --length 5", 2, r"argument -n/--length: given twice"),
    ("sample model --greedy --temperature 0.5", 2, r"argument --temperature: not allowed with --greedy"),
    ("sample model --temperature 0.5 --greedy", 2, r"argument --greedy: not allowed with --temperature"),
    ("sample model --prompt to --prompt-file one", 2, r"argument --prompt-file: not allowed with argument --prompt"),
    ("train book.txt -o a -o b", 2, r"argument -o/--output: given twice"),
    ("train book.txt --hidden-size 8 --hidden-size=9", 2, r"argument --hidden-size: given twice"),
    ("train book.txt --corpus topics --corpus topics", 2, r"argument --corpus: "),
    ("trian book.txt", 2, r"invalid choice: 'trian' \(did you mean 'train'\?\) \(choose from train, sample, "),
    ("Train book.txt", 2, r"invalid choice: 'Train' \(did you mean 'train'\?\)"),
    ("train book.txt --hiddensize 8", 2, r": --hiddensize \(did you mean --hidden-size\?\) \(see pycharrnn train"),
    ("check book.txt --seqlengths 5", 2, r": --seqlengths \(did you mean --seq-lengths\?\) \(see pycharrnn check"),
    ("sample model --seed 5", 2, r": --seed 5 \(see pycharrnn sample"),
    ("train book.txt --leraning-rate=1", 2, r": --leraning-rate=1 \(did you mean --learning-rate\?\)"),
    ("train book.txt --HIDDEN_SIZE 8", 2, r": --HIDDEN_SIZE \(did you mean --hidden-size\?\)"),
    ("train book.txt --cell LSTM", 2, r"--cell must be one of .*got 'LSTM' \(did you mean 'lstm'\?\)"),
    ("train book.txt --optimizer adma", 2, r"got 'adma' \(did you mean 'adam'\?\)"),
    ("train --corpus tinyshakespear", 2, r"'tinyshakespear' \(did you mean 'tinyshakespeare'\?\)"),
    ("train book.txt --format JSON", 2, r"invalid choice: 'JSON' \(did you mean 'json'\?\)"),
    ("train book.txt --preset minutes", 2, r"invalid choice: 'minutes' \(did you mean 'minute'\?\)"),
    ("train book.txt --on-unknown skpi", 2, r"got 'skpi' \(did you mean 'skip'\?\)"),
    # prompts
    (r"sample model --prompt 'a\z'", 2, r"argument --prompt: unknown escape in '\\\\z': write \\\\ for a backslash"),
    (r"sample model --prompt '\u00'", 2, r"argument --prompt: unknown escape"),
    (r"sample model --prompt 'to\'", 2, r"argument --prompt: unknown escape"),
    (r"sample model --prompt 'to\u732b'", 1, r"--prompt: unknown character '\\u732b' \(U\+732B\) at position 2"),
    ("sample model --prompt-file missing.txt", 1, r"'missing\.txt': No such file"),
    ("sample model --prompt-file folder", 1, r"'folder': Is a directory"),
    ("sample model --prompt-file latin.txt", 1, r"not valid UTF-8: byte 0xE9 at offset 7 of 'latin\.txt'"),
    ("sample model --prompt-file other.txt", 1, r"'other\.txt': unknown character 'Z' .*use --on-unknown skip or --on"),
    ("report book.txt --compare colour=red,blue", 2, r"--compare: must name an option .*, got 'colour=red,blue' \(see"),
    ("report book.txt --compare output=a,b", 2, r"--compare: must name an option of the model, .*got 'output=a,b'"),
    ("report book.txt --compare hidden-size=8,wide", 2, r"--compare: --hidden-size must be an integer, got 'wide'"),
    ("report book.txt --compare hidden_size=8,0", 2, r"--hidden-size must be at least 1 .*got 0"),
    ("report book.txt --compare epochs=4", 2, r"--compare must have a value"),
    ("report book.txt -o nowhere/r.html", 1, r"--output 'nowhere/r\.html' cannot be written"),
    ("report book.txt -o book.txt", 2, r"--output 'book\.txt' is the text itself"),
    ("report book.txt --save folder", 1, r"--save 'folder' is a directory"),
    ("report book.txt -o r --save r", 2, r"--save 'r' is --output itself"),
    ("report book.txt --memorize 1", 2, r"--memorize must be 0 or at least 2"),
    ("report book.txt --numpy-seconds nan", 2, r"--numpy-seconds must be finite"),
    ("report empty", 1, r"'empty': text is empty"),
    # speed
    ("bench --updates 0", 2, r"argument --updates: must be at least 1, got 0"),
    ("bench short.txt", 1, r"'short\.txt': the text must have more than 25 characters, it has 5"),
]  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, model: CharRNN, names_model: CharRNN) -> Path:
    """The working directory, with things to get wrong."""
    monkeypatch.chdir(tmp_path)
    type_in(monkeypatch, b"")
    model.save("model")
    names_model.save("names")
    storage.save("checkpoint", {}, {}, kind="checkpoint")
    files = {
        "book.txt": text.encode(),
        "other.txt": b"ZZtZ",
        "empty": b"",
        "one": b"t",
        "short.txt": b"to be",
        "latin.txt": "bar\ncaf\xe9".encode("latin-1"),
        "cut.txt.gz": gzip.compress(text.encode(), mtime=0)[:-9],
        "cut": Path("model").read_bytes()[:-100],
        "posts.json": json.dumps(POSTS).encode(),
        "bad.json": b'[{"text": "\xc3\xa9"},\n{"text" "b"}]',
        "object.json": b'{"text": "a"}',
        "blank.json": b'[""]',
        "tweets.js": b'window.YTD.tweets.part0 = [{"tweet": {"full_text": "a"}}]',
        "poems": b"roses\n%%\nviolets\n",
        "both.csv": b"1,a;b\n2,c;d\n",
        "book.pdf": b"%PDF-1.4\n",
        "book.gz": gzip.compress(text.encode(), mtime=0),
        "table.csv": b"id,name\n1,bo\n2,\n",
        "broken.csv": b'text\n"a',
        "latin.csv": "text\ncaf\xe9".encode("latin-1"),
    }
    for name, data in files.items():
        Path(name).write_bytes(data)
    Path("folder").mkdir()
    Path("folder", "a.txt").write_text("first")
    Path("hollow").mkdir()
    Path("link").symlink_to("book.txt")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def test_the_list_is_long() -> None:
    assert len(WRONG) >= 40
    assert len({line for line, _, _ in WRONG}) == len(WRONG)


@pytest.mark.parametrize(("line", "code", "message"), WRONG, ids=[line for line, _, _ in WRONG])
def test_a_wrong_command_line(
    line: str, code: int, message: str, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(shop)
    assert main(shlex.split(line)) == code
    error = failure(capsys)
    assert re.search(message, error)
    assert contents(shop) == before


@pytest.mark.parametrize(
    ("line", "code", "message"), [WRONG[i * (len(WRONG) - 1) // 4] for i in range(5)], ids=range(5)
)
def test_a_wrong_command_line_as_a_process(line: str, code: int, message: str, shop: Path) -> None:
    before = contents(shop)
    done = run(*shlex.split(line), cwd=shop, env=ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(sys.path)})
    assert (done.returncode, done.stdout) == (code, b"")
    assert re.fullmatch(f"pycharrnn: error: .*{message.removeprefix('^')}.*\n", done.stderr.decode())
    assert contents(shop) == before


def test_documents_for_a_model_of_running_text(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(shop)
    for line in ("eval model folder", "check folder --model model"):
        assert main(line.split()) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        told, error = captured.err.splitlines()
        assert told == "1 document from 'folder' (1 .txt)"
        assert error.startswith(
            "pycharrnn: error: 1 document from 'folder': this is documents, the model is of running text"
        )
    assert contents(shop) == before


def test_stderr_may_be_closed(tmp_path: Path, book: str) -> None:
    for args, code in ((["train", book, *QUICK, "--sample", "0"], 0), (["train", book, "--fly"], 2)):
        done = run(*args, preexec_fn=lambda: os.close(2))
        assert (done.returncode, done.stdout) == (code, b"")


def test_a_file_may_be_called_minus(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "book.txt", "-o", "./-", *QUICK, "--sample", "0"]) == 0
    assert main(["train", "-o", "./-", *QUICK, "--sample", "0"]) == 0  # the text is a corpus, no file
    assert main(["info", "./-"]) == 0
    assert "hidden_size         8" in capsys.readouterr().out


def test_stdin_may_be_closed_in_a_process(tmp_path: Path, names_file: str) -> None:
    for args in (["train", "-"], ["eval", names_file, "-", "--format", "lines"]):
        done = run(*args, stdin=None, preexec_fn=lambda: os.close(0))
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr == b"pycharrnn: error: standard input is closed\n"


# --- documents --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stdin", [False, True])
def test_posts_from_a_file_and_from_stdin(
    stdin: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = json.dumps(POSTS).encode()  # with \\u escapes for all that is not ASCII
    assert b"\\ud83d\\ude00" in data
    posts, path = tmp_path / "posts.json", str(tmp_path / "m")
    posts.write_bytes(data)
    type_in(monkeypatch, data)
    source = ["-", "--format", "json"] if stdin else [str(posts)]
    options = ["--on-bad", "skip", "--unescape", "--hidden-size", "32", "--epochs", "400", "--random-state", "1"]
    assert main(["train", *source, *options, "-o", path, "--sample", "20", "--quiet"]) == 0
    captured = capsys.readouterr()
    told, done = captured.err.splitlines()
    name = "standard input" if stdin else repr(str(posts))
    assert told == f"3 documents from {name}, 2 rows skipped (first: row 4: the document is empty)"
    assert done.startswith("done: ")
    assert f" updates on 3 documents from {name} in " in done

    texts = {html.unescape(str(post["text"])) for post in GOOD}
    model = CharRNN.load(path)
    assert model.vocabulary_.end is not None
    assert set(model.vocabulary_) == set("".join(texts))
    written = captured.out.removesuffix("\n").split("\n\n")  # a document has two lines
    assert len(written) == 20
    assert len(texts & set(written)) >= 2

    assert main(["sample", path, "--n-samples", "30", "--random-state", "3"]) == 0
    expected = model.sample(n_samples=30, random_state=3)
    assert capsys.readouterr().out == "\n\n".join(expected) + "\n"
    assert main(["sample", path, "--prompt", "Good", "--greedy"]) == 0
    assert capsys.readouterr().out == " morning \U0001f600 & hello\n"
    assert main(["sample", path, "--prompt", "Good", "--greedy", "--stream"]) == 0
    assert capsys.readouterr().out == " morning \U0001f600 & hello\n"
    assert main(["sample", path, "--prompt", "Good", "--greedy", "-n", "8"]) == 0
    assert capsys.readouterr().out == " morning\n"


def test_names_one_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, model = tmp_path / "names.txt", str(tmp_path / "m")
    path.write_text("\n".join(NAMES * 5) + "\n", encoding="utf-8")
    options = ["--hidden-size", "24", "--max-updates", "600", "--random-state", "1", "--quiet"]
    assert main(["train", str(path), "--format", "lines", "-o", model, *options]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith(f"50 documents from {str(path)!r}\n")
    assert captured.out.count("\n") == 10
    assert set(captured.out.split()) & set(NAMES)
    assert main(["sample", model, "--n-samples", "4", "--random-state", "1"]) == 0
    assert capsys.readouterr().out == "\n".join(CharRNN.load(model).sample(n_samples=4, random_state=1)) + "\n"
    assert main(["train", str(path), "-o", model, *options, "--sample", "30"]) == 0  # .txt alone is running text
    assert len(capsys.readouterr().out) == 30 + 1
    assert CharRNN.load(model).vocabulary_.end is None


def read(*words: str) -> tuple[Any, str]:
    """The text that `train` would read, and what it is called."""
    command, options = parse(["train", *words])
    source = command.read(options)
    return source.text, source.name


@pytest.mark.parametrize(
    ("name", "data", "options"),
    [
        ("a.jsonl", b'{"text": "anna"}\n"bo"\n', ""),
        ("a.NDJSON.gz", gzip.compress(b'{"text": "anna"}\n"bo"\n', mtime=0), ""),
        ("a.csv", b"id,text\n1,anna\n2,bo\n", ""),
        ("a.csv", b"1,anna\n2,bo\n", "--field 1"),
        ("a.tsv", b"id\tname\n1\tanna\n2\tbo\n", "--field name"),
        ("a.txt", b"anna\r\nbo", "--format lines"),
        ("a.dat", "anna\nbo".encode("utf-16"), "--format lines --encoding utf-16"),
        ("-", b'["anna", "bo"]', "--format json"),
        ("-", gzip.compress(b"text\nanna\nbo\n", mtime=0), "--format csv"),
        ("a.csv.bz2", bz2.compress(b"text\nanna\nbo\n"), ""),
        ("a.csv", b"id;text\n1;anna\n2;bo\n", ""),
        ("a.csv", b"id\ttext\n1\tanna\n2\tbo\n", r"--delimiter \t"),
        ("a.txt", b"anna\r\n\r\n\r\nbo\r\n", "--format paragraphs"),
        ("a.txt", b"anna\n%%\nbo\n%%\n", r"--separator %%\n"),
        ("-", b"anna---bo", "--separator ---"),
        ("a.js", b'x = [{"a": {"b": "anna"}}, {"a": {"b": "bo"}}];', "--format json --field a.b"),
    ],
)
def test_every_format_of_documents(
    name: str, data: bytes, options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    type_in(monkeypatch, data)
    Path(name).write_bytes(data)
    text, source = read(name, *options.split())
    assert (list(text), source) == (
        ["anna", "bo"],
        f"2 documents from {'standard input' if name == '-' else repr(name)}",
    )


def test_a_folder_is_documents_and_text_may_be_gzipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("poems").mkdir()
    Path("poems", "b.txt").write_bytes(b"roses\nare")
    Path("poems", "a.txt").write_bytes(b"violets")
    Path("book.gz").write_bytes(gzip.compress("bl\xe5".encode("latin-1"), mtime=0))
    Path("posts.json").write_text('["a"]')

    assert read("poems") == (["violets", "roses\nare"], "2 documents from 'poems'")
    assert read("book.gz", "--encoding", "latin-1") == ("bl\xe5", "'book.gz'")
    assert read("posts.json", "--format", "text") == ('["a"]', "'posts.json'")
    type_in(monkeypatch, Path("book.gz").read_bytes())
    assert read("-", "--encoding", "latin-1") == ("bl\xe5", "standard input")


def test_several_texts_are_joined_line_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, data in {"a": b"one", "b": b"two\n", "c": b"", "d": b"1\r\n2", "e": bz2.compress(b"end")}.items():
        Path(name).write_bytes(data)
    assert read("a", "b", "c", "e") == ("one\ntwo\nend", "'a', 'b', 'c' and 1 more")
    assert capsys.readouterr().err == "4 texts, joined in this order, each on a line of its own: 11 characters\n"
    assert read("d", "--hidden-size", "5", "a") == ("1\r\n2\r\none", "'d', 'a'")
    type_in(monkeypatch, b"typed")
    assert read("a", "-", "b") == ("one\ntyped\ntwo\n", "'a', standard input, 'b'")
    assert read("a") == ("one", "'a'")
    assert capsys.readouterr().err.count("\n") == 2  # one text is not joined


def test_files_and_options_in_any_order(book: str, model_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    for line in (
        "a b --hidden-size 5 --quiet -- -c",
        "--hidden-size 5 a --quiet b -- -c",
        "a --quiet b --hidden-size=5 -- -c",
    ):
        _, options = parse(["train", *line.split()])
        assert options == {"TEXT": ["a", "b", "-c"], "verbose": False}
        assert options.model == {"hidden_size": 5}
    assert main(["eval", model_file, "--window", "5", book]) == main(["eval", "--window", "5", model_file, book]) == 0
    assert main(["train", "--prompt", "a"]) == 2  # which train does not have


def test_documents_of_several_files_and_of_a_folder_in_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "tunes/reels/1.abc": "reel", "tunes/jigs/2.abc": "jig", "tunes/README.md": "read", "tunes/.git/x": "x",
        "a.csv": "text\nanna\n", "b.json": '["bo", ""]',
    }.items():  # fmt: skip
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    assert read("a.csv", "b.json", "--on-bad", "skip") == (["anna", "bo"], "2 documents from 'a.csv', 'b.json'")
    assert capsys.readouterr().err == (
        "2 documents from 'a.csv', 'b.json', 1 row skipped (first: 'b.json', row 2: the document is empty)\n"
    )
    assert read("tunes") == (["read", "jig", "reel"], "3 documents from 'tunes'")
    assert capsys.readouterr().err == (
        "3 documents from 'tunes' (2 .abc, 1 .md), 1 file left out (first: '.git': its name begins with a dot)\n"
    )
    assert read("tunes", "--pattern", "*.abc") == (["jig", "reel"], "2 documents from 'tunes'")
    assert "(2 .abc), 2 files left out (first: '.git'" in capsys.readouterr().err
    assert read("tunes/jigs/2.abc", "tunes/README.md", "--format", "files")[0] == ["jig", "read"]
    assert capsys.readouterr().err == ("2 documents from 'tunes/jigs/2.abc', 'tunes/README.md' (1 .abc, 1 .md)\n")


def test_several_texts_and_documents(
    model_file: str, names_file: str, model: CharRNN, names_model: CharRNN, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", model_file, "--n-samples", "3", "-n", "90", "--random-state", "1"]) == 0
    expected = model.sample(90, n_samples=3, random_state=1)
    assert "\n" in "".join(expected)
    assert capsys.readouterr().out == "\n".join(expected) + "\n"
    assert main(["sample", names_file, "--n-samples", "0"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["sample", names_file, "--n-samples", "none", "--random-state", "2"]) == 0
    assert capsys.readouterr().out == names_model.sample(random_state=2) + "\n"
    assert main(["sample", model_file, "--prompt", "Zto Zbe", "--on-unknown", "skip", "--greedy"]) == 0
    assert capsys.readouterr().out == model.sample(prompt="to be", temperature=0) + "\n"


def test_the_settings_of_a_drawing(model_file: str, model: CharRNN, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--top-k", "9", "--top-p", "0.9", "--min-p", "0.01", "--ban", r"e\n", "--bias", r"t=1.5,o=-2"]
    words += ["--repetition-penalty", "1.2", "--repetition-window", "5", "--stop", ", said", "--min-length", "3"]
    how = {"top_k": 9, "top_p": 0.9, "min_p": 0.01, "ban": "e\n", "bias": {"t": 1.5, "o": -2.0}, "stop": ", said"}
    how |= {"repetition_penalty": 1.2, "repetition_window": 5, "min_length": 3}
    expected = model.sample(90, random_state=1, **how)  # type: ignore[arg-type]
    for more in ([], ["--stream"]):
        assert main(["sample", model_file, "-n", "90", "--random-state", "1", *words, *more]) == 0
        assert capsys.readouterr().out == expected + "\n"
    assert main(["sample", model_file, "-n", "30", "--greedy", "--beam", "3", "--allow", "to be"]) == 0
    assert capsys.readouterr().out == model.sample(30, temperature=0, beam=3, allow="to be") + "\n"
    for wrong, problem in (
        (["--top-p", "2"], "--top-p must be at most 1, got 2.0"),
        (["--beam", "2"], "--beam draws nothing, so it goes with temperature=0 alone, got beam=2"),
        (["--bias", "ab"], "argument --bias: must be characters with their numbers, as"),
        (["--stop", ""], "--stop must not be empty"),
        (["--allow", "#"], "--allow must have characters that the model knows, got '#' (U+0023)"),
    ):
        assert main(["sample", model_file, *wrong]) == 2
        assert problem in capsys.readouterr().err


def test_a_stream_ends_unless_it_is_told_not_to(
    model_file: str, model: CharRNN, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["sample", model_file, "--stream", "--random-state", "1"]) == 0
    assert capsys.readouterr().out == model.sample(200, random_state=1) + "\n"
    lengths = []

    def stream(self: CharRNN, length: int | None = None, **options: Any) -> Any:
        lengths.append(length)
        return iter("abc")

    monkeypatch.setattr(CharRNN, "stream", stream)
    assert main(["sample", model_file, "--stream", "--length", "none"]) == 0
    assert lengths == [None]


@pytest.mark.filterwarnings("default")
def test_warnings_are_lines(
    names_file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sample(self: CharRNN, **options: Any) -> list[str]:
        warnings.warn("a document had no end", stacklevel=2)
        return ["anna"]

    monkeypatch.setattr(CharRNN, "sample", sample)
    shown = warnings.showwarning
    assert main(["sample", names_file]) == 0
    assert capsys.readouterr() == ("anna\n", "pycharrnn: warning: a document had no end\n")
    assert warnings.showwarning is shown


# --- eval, info, check and report -------------------------------------------------------------------------------


def test_eval_prints_a_table(
    shop: Path, text: str, model: CharRNN, names_model: CharRNN, capsys: pytest.CaptureFixture[str]
) -> None:
    def figures(*args: str) -> list[str]:
        assert main(["eval", *args]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len({len(line) for line in lines}) == 1  # aligned
        names, values = zip(*(re.split("  +", line) for line in lines), strict=True)
        assert names == ("nats per character", "bits per character", "perplexity", "characters")
        return list(values)

    def expected(found: Any) -> list[str]:
        return [f"{found.nats:.4f}", f"{found.bits:.4f}", f"{found.perplexity:.4f}", f"{found.n_characters:,}"]

    assert figures("model", "book.txt") == expected(model.evaluate(text))
    Path("other.txt").write_text(text.replace("t", "tZ"))
    assert figures("model", "other.txt", "--on-unknown", "skip") == figures("model", "book.txt")
    Path("names.txt").write_text("\n".join(NAMES), encoding="utf-8")
    assert figures("names", "names.txt", "--format", "lines") == expected(names_model.evaluate(NAMES))


def test_adapt_writes_a_model(shop: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("letters.txt").write_text("whether nobler or not\n" * 20)
    before = Path("model").read_bytes()
    assert main(["adapt", "model", "letters.txt", "-o", "letters", "--rate", "0.002"]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "done: adapted to 'letters.txt'; wrote 'letters'\n")
    assert Path("model").read_bytes() == before
    expected = CharRNN.load("model").adapt(Path("letters.txt"), rate=0.002)
    for name, array in CharRNN.load("letters").params_.items():
        assert (array == expected.params_[name]).all()
    assert main(["adapt", "model", "letters.txt", "-o", "letters"]) == 0  # the rate has a default
    assert (CharRNN.load("letters").params_["W"] != expected.params_["W"]).any()
    assert main(["adapt", "letters", "letters.txt", "-o", "letters"]) == 0  # in place


def test_info_tells_what_a_file_holds(shop: Path, model: CharRNN, capsys: pytest.CaptureFixture[str]) -> None:
    def rows(name: str) -> dict[str, str]:
        assert main(["info", name]) == 0
        return {line[:20].rstrip(): line[20:] for line in capsys.readouterr().out.splitlines()}

    found = rows("model")
    assert found.pop("file") == f"'model', {os.path.getsize('model'):,} bytes"
    assert found.pop("trained on") == "running text"
    assert found.pop("updates") == f"{model.best_.n_updates}"
    assert found.pop("training loss") == f"{model.best_.training_loss:.4f} nats per character"
    assert found.pop("weights") == f"{sum(w.size for w in model.params_.values()):,}"
    assert found.pop("characters") == f"{len(model.vocabulary_)}: {''.join(model.vocabulary_)!r}"
    params = {name: "none" if value is None else str(value) for name, value in model.get_params().items()}
    assert found == {name: value for name, value in params.items() if name != "verbose"}
    assert rows("names")["trained on"] == "documents"
    mixed = CharRNN(hidden_size=2, max_updates=20, ngram_order=4, verbose=False).fit("to be or not " * 20)
    mixed.save("mixed")
    share = f"{mixed.ngram_share_:.4f}; the file holds the text that was counted"
    assert (rows("mixed")["share of n-grams"], rows("mixed")["ngram_order"]) == (share, "4")
    CharRNN(hidden_size=2, max_updates=1).fit("a\ud800\u202e\n").save("odd")
    assert rows("odd")["characters"] == r"4: '\na\u202e\ud800'"


def test_check_prints_the_table_and_fails_above_the_tolerance(
    shop: Path, text: str, model: CharRNN, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--seq-lengths", "3,4", "--batches", "1", "--eps", "0.01"]
    new = ["--hidden-size", "4", "--init-scale", "0.1", "--random-state", "1"]
    assert main(["check", "book.txt", *options, *new]) == 0
    table = CharRNN(hidden_size=4, init_scale=0.1, random_state=1).check_gradients(text, (3, 4), batches=1, eps=0.01)
    assert capsys.readouterr() == (f"{table}\n", f"checking gradients: {table.n_entries:,} entries, at most 60 s\n")
    entries = CharRNN(hidden_size=4, init_scale=0.1, random_state=1).check_gradients(text, (3, 4), batches=1, eps=1e-12)
    between = (entries.norm_error + entries.max_error) / 2
    assert entries.norm_error < between < entries.max_error  # no single entry, but a whole tensor is a reason to fail
    strict = [*options[:-1], "1e-12", "--tolerance", str(between)]
    assert main(["check", "book.txt", *strict, *new]) == 0
    capsys.readouterr()
    assert main(["check", "book.txt", "--model", "names"]) == 1
    assert "the model is of documents" in failure(capsys)
    Path("names.txt").write_text("\n".join(NAMES), encoding="utf-8")
    assert main(["check", "names.txt", "--format", "lines", "--model", "names", "--seq-lengths", "3"]) == 0
    assert capsys.readouterr().err.startswith("10 documents from 'names.txt'\nchecking gradients: ")
    assert main(["check", "book.txt", *options, *new, "--tolerance", "1e-14"]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("ga: gradient by back-propagation")
    pattern = r"pycharrnn: error: the norm error of U \(seq_length 3, batch 1\) is \S+, above --tolerance 1e-14"
    assert re.fullmatch(pattern, captured.err.splitlines()[-1])


def test_check_of_a_text_with_thousands_of_characters_ends(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("many.txt").write_text("".join(map(chr, range(0x4E00, 0x4E00 + 1937))) * 2, encoding="utf-8")
    begin = time.perf_counter()
    options = ["--hidden-size", "30", "--seq-lengths", "5,25"]
    assert main(["check", "many.txt", *options, "--max-entries", "100", "--max-seconds", "none"]) == 0
    output, errors = capsys.readouterr()
    assert re.fullmatch(r"checking gradients: [\d,]+ of [\d,]+ entries\n", errors)
    assert "  100 of 58,110  " in output
    assert main(["check", "many.txt", *options, "--max-seconds", "0.5", "--max-entries", "none"]) == 0
    output, errors = capsys.readouterr()
    assert re.fullmatch(r"checking gradients: [\d,]+ entries, at most 0\.5 s\n", errors)
    assert "cut off: the limit of time" in output
    assert time.perf_counter() - begin < 30
    CharRNN(hidden_size=4, max_updates=1).fit("ab" * 99).save("ab")
    Path("ab.txt").write_text("ab" * 99)
    assert main(["check", "ab.txt", "--model", "ab", "--max-seconds", "5"]) == 0  # not a parameter of the model
    monkeypatch.setattr(gradcheck.Countdown, "every", 0.01)
    assert main(["check", "ab.txt", "--hidden-size", "30"]) == 0
    _, _, first, *_ = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"checking gradients: [\d,]+ of [\d,]+ entries in 0 s", first)


TINY = [
    *("--hidden-size", "6", "--max-updates", "40", "--random-state", "1", "--sample-every", "20", "--quiet"),
    *("--sample-length", "30", "--seq-lengths", "3", "--batches", "1", "--memorize", "0", "--numpy-seconds", "0.01"),
]


def test_report_writes_a_page_and_a_model(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = "report book.txt -o book.html --save new --compare seq-length=5,10"
    assert main([*line.split(), *TINY]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    *stages, done = captured.err.splitlines()
    assert re.fullmatch(r"done: wrote 'book.html' and 'new' in [\d.]+ s", done)
    assert len([stage for stage in stages if stage.startswith("training seq_length=")]) == 3
    page = Path("book.html").read_text(encoding="utf-8")
    assert "<title>" in page
    assert "book.txt" in page
    model = CharRNN.load("new")
    assert (model.hidden_size, model.max_updates, model.epochs) == (6, 40, None)
    files = {path.name for path in shop.iterdir()}
    assert {"book.html", "new"} <= files
    assert not [name for name in files if "tmp" in name]
    assert main(["report", "posts.json", "--on-bad", "skip", *TINY]) == 0
    assert "posts.json" in Path("report.html").read_text(encoding="utf-8")


def test_a_report_in_a_pipe_says_how_far_it_is(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Progress, "logged_every", 0.1)
    monkeypatch.setattr(gradcheck.Countdown, "every", 0.01)
    options = ["--hidden-size", "40", "--max-seconds", "1.2", "--memorize", "0", "--numpy-seconds", "0"]
    assert main(["report", "book.txt", *options, "--seq-lengths", "5"]) == 0
    before, after = capsys.readouterr().err.split("training, at most 1.2 s\n")
    assert "\r" not in before + after
    assert len(re.findall(r"^checking gradients: [\d,]+ of [\d,]+ entries in \d s$", before, re.MULTILINE)) > 2
    training, _, _ = after.partition("evaluating ")
    assert len(training.splitlines()) > 2


def test_report_hands_its_options_over(shop: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []
    signature = inspect.signature(report.write)

    @functools.wraps(report.write)
    def stub(*args: Any, **options: Any) -> Any:
        calls.append(dict(signature.bind(*args, **options).arguments))
        return report.Report("", 1.0, *[None] * 3)  # type: ignore[arg-type]

    monkeypatch.setattr(report, "write", stub)
    options = "--h 0.01 --eps 0.1 --tolerance 0.2 --batches 3 --seq-lengths 7,8 --memorize 9 --numpy-seconds 0.5 "
    options += "--max-entries none --check-seconds 7"
    line = f"report book.txt {options} --sample-every 11 --sample-length 12 --compare clip-norm=none,2 --hidden-size 13"
    assert main(line.split()) == 0
    assert main(["report", "-", "--format", "lines"]) == 1  # nothing comes in
    type_in(monkeypatch, b"ab")
    assert main(["report", "-"]) == 0
    first, second = calls
    model = first.pop("model")
    assert model.get_params() == CharRNN(hidden_size=13, verbose=True).get_params()
    assert first.pop("log") is second.pop("log") is not None
    assert first == {
        "path": "report.html", "X": text, "source": "book.txt", "h": 0.01, "eps": 0.1, "tolerance": 0.2, "batches": 3,
        "seq_lengths": [7, 8], "memorize": 9, "numpy_seconds": 0.5, "sample_every": 11, "sample_length": 12,
        "compare": ("clip_norm", [None, 2.0]), "max_entries": None, "check_seconds": 7.0,
    }  # fmt: skip
    del second["model"]
    assert second == {"path": "report.html", "X": "ab", "source": "standard input"}


def test_an_interrupted_report_writes_nothing(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    before = contents(shop)
    monkeypatch.setattr(CharRNN, "fit", interrupted)
    assert main(["report", "book.txt", "--save", "new", *TINY]) == 130
    assert capsys.readouterr().out == ""
    assert contents(shop) == before


@pytest.mark.parametrize("module", ["jinja2", "matplotlib"])
def test_a_missing_extra_is_named(
    module: str, shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(shop)
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["report", "book.txt"]) == 1
    assert 'pip install "pycharrnn[report]"' in failure(capsys)
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert main(["train", "--corpus", "mysterious_island"]) == 1
    assert 'pip install "pycharrnn[datasets]"' in failure(capsys)
    assert contents(shop) == before


def test_the_network_alone(text, tmp_path, capsys):
    book = tmp_path / "book.txt"
    book.write_text(text)
    path = str(tmp_path / "mixed")
    assert main(["train", str(book), "-o", path, "--ngram-order", "3", "--max-updates", "3", "--sample", "0"]) == 0
    capsys.readouterr()
    found = []
    for options in ([], ["--no-ngrams"]):
        assert main(["eval", path, str(book), *options]) == 0
        assert main(["sample", path, "--random-state", "1", *options]) == 0
        found.append(capsys.readouterr().out)
    model = CharRNN.load(path)
    alone = model.evaluate(text, ngrams=False).nats
    assert found[0] != found[1]
    assert f"{alone:.4f}" in found[1]
    assert model.sample(ngrams=False, random_state=1) in found[1]
