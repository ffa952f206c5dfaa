"""The command line: what goes to stdout, what to stderr, exit codes, and that nothing is lost or left behind."""

from __future__ import annotations

import inspect
import io
import os
import re
import signal
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import pycharrnn
from pycharrnn import CharRNN, datasets
from pycharrnn.cli import main

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


# --- train and sample -------------------------------------------------------------------------------------------


def test_train_writes_a_model_that_sample_reads(tmp_path: Path, book: str, text: str) -> None:
    path = str(tmp_path / "new.safetensors")
    trained = run("train", book, "-o", path, *QUICK)
    assert trained.returncode == 0
    assert len(trained.stdout.decode()) == 200 + 1
    assert set(trained.stdout.decode()[:-1]) <= set(text)
    assert trained.stdout.endswith(b"\n")
    line = summary(trained.stderr.decode())
    pattern = (
        r"done: 60 updates on '.*book.txt', [\d,]+ characters/s, smooth loss [\d.]+, best [\d.]+ after update \d+; "
    )
    assert re.fullmatch(pattern + "wrote '.*new.safetensors'", line)

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
    assert "on standard input" in summary(trained.stderr.decode())
    assert set(CharRNN.load(path).vocabulary_) == set("blå\r\nrød\ufeff")  # only the first mark is one


def test_train_has_a_corpus(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(datasets.NAMES, "tiny", lambda: "abc" * 50)
    assert main(["train", *QUICK, "--sample", "7"]) == 0
    captured = capsys.readouterr()
    assert len(captured.out) == 7 + 1
    assert "on corpus topics" in captured.err
    assert "no file written" in captured.err
    assert main(["train", "--corpus", "tiny", *QUICK, "--sample", "0"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "on corpus tiny" in captured.err


def test_options_are_the_constructors_parameters(tmp_path: Path, book: str) -> None:
    path = str(tmp_path / "m")
    given: dict[str, Any] = {
        "cell": "rnn", "hidden_size": 7, "seq_length": 11, "optimizer": "rmsprop", "learning_rate": 0.003,
        "clip_value": None, "clip_norm": 2.5, "init_scale": 0.2, "epochs": 3, "max_updates": 9, "max_seconds": 50.0,
        "dtype": "float64", "random_state": 42,
    }  # fmt: skip
    assert {*given, "verbose"} == set(inspect.signature(CharRNN).parameters)
    options = [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    assert main(["train", book, "-o", path, *options, "--sample", "0"]) == 0
    assert CharRNN.load(path).get_params() == {**given, "verbose": None}
    assert CharRNN.load(path).best_.n_updates <= 9


def test_what_is_not_given_is_the_constructors_default(tmp_path: Path, book: str) -> None:
    path = str(tmp_path / "m")
    assert main(["train", book, "-o", path, "--sample", "0"]) == 0
    assert CharRNN.load(path).get_params() == CharRNN().get_params()


@pytest.mark.parametrize(
    ("options", "epochs"),
    [
        (["--max-updates", "5"], None),
        (["--max-seconds", "0.01"], None),
        (["--max-updates", "5", "--epochs", "2"], 2),
        (["--max-updates", "none"], 4),
        (["--epochs", "1"], 1),
    ],
)
def test_another_limit_lifts_that_on_epochs(tmp_path: Path, book: str, options: list[str], epochs: int | None) -> None:
    path = str(tmp_path / "m")
    assert main(["train", book, "-o", path, "--sample", "0", *options]) == 0
    assert CharRNN.load(path).epochs == epochs


@pytest.mark.parametrize(("option", "shown"), [("--quiet", False), ("--progress", True)])
def test_the_bar_can_be_forced(book: str, capsys: pytest.CaptureFixture[str], option: str, shown: bool) -> None:
    assert main(["train", book, "--sample", "0", "--max-seconds", "0.8", "--hidden-size", "8", option]) == 0
    assert ("characters/s]" in capsys.readouterr().err) == shown


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


def test_bench_hands_over_to_the_benchmark(monkeypatch: pytest.MonkeyPatch, book: str, text: str) -> None:
    calls = []
    stub = types.ModuleType("pycharrnn.benchmark")
    stub.run = lambda **options: calls.append(options)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pycharrnn.benchmark", stub)
    monkeypatch.setattr(pycharrnn, "benchmark", stub, raising=False)
    assert main(["bench"]) == 0
    assert main(["bench", book, "--updates", "7", "--repeats", "2"]) == 0
    assert calls == [
        {"updates": 20_000, "repeats": 5, "text": datasets.topics(), "file": sys.stdout},
        {"updates": 7, "repeats": 2, "text": text, "file": sys.stdout},
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


# --- help -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [[], ["train"], ["sample"], ["bench"]])
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
    for command in ("train", "sample", "bench"):
        main([command, "--help"])
        example = capsys.readouterr().out.splitlines()[-1].split()
        assert example[:2] == ["pycharrnn", command]
        assert main([command, "--help", *example[2:]]) == 0
        known = set(re.findall(r"--?[a-z-]+", capsys.readouterr().out.rpartition("example:")[0]))
        assert {word for word in example if word.startswith("-")} <= known


def test_help_explains_the_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--hidden-size SIZE Units of the hidden state. (default: 100)" in shown
    assert re.search(r"--optimizer \{[a-z,]*adagrad[a-z,]*\} The update rule. \(default: adagrad\)", shown)
    assert "(default: 4; none if --max- updates or --max-seconds is given)" in shown
    main(["sample", "--help"])
    shown = " ".join(capsys.readouterr().out.split())  # Python 3.13 says "-n, --length LENGTH"
    assert re.search(r"-n(?: LENGTH)?, --length LENGTH Characters to write\. \(default: 200\)", shown)


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
        ("--hidden-size abc", "argument --hidden-size: invalid int value: 'abc'"),
        ("--hidden-size 1.5", "argument --hidden-size: invalid int value: '1.5'"),
        ("--hidden-size none", "argument --hidden-size: invalid int value: 'none'"),
        ("--hidden-size", "argument --hidden-size: expected one argument"),
        ("--seq-length 0", "--seq-length must be at least 1"),
        ("--optimizer lion", "--optimizer must be one of "),
        ("--optimizer cell", "got 'cell'"),
        ("--learning-rate nan", "--learning-rate must be finite and above 0, got nan"),
        ("--learning-rate 0", "--learning-rate must be finite and above 0, got 0.0"),
        ("--learning-rate fast", "argument --learning-rate: invalid float value: 'fast'"),
        ("--clip-value inf", "--clip-value must be finite and above 0, got inf"),
        ("--clip-norm -2", "--clip-norm must be finite and above 0, got -2.0"),
        ("--init-scale -1", "--init-scale must be finite and at least 0, got -1.0"),
        ("--epochs 0", "--epochs must be at least 1"),
        ("--epochs none", "give at least one of --epochs, --max-updates and --max-seconds"),
        ("--max-updates 0", "--max-updates must be at least 1"),
        ("--max-seconds 0", "--max-seconds must be finite and above 0"),
        ("--dtype float16", "--dtype must be one of 'float32', 'float64', got 'float16'"),
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
        ("--length many", 2, "argument -n/--length: invalid int value: 'many'"),
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
        (["bench", "--repeats", "x"], "argument --repeats: invalid int value: 'x'"),
        (["train", "a.txt", "--corpus", "topics"], "not allowed with argument"),
    ],
)
def test_wrong_usage(args: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args) == 2
    assert message in failure(capsys)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"abc\xff\xfeabc", "is not valid UTF-8: byte 0xFF at offset 3 (invalid start byte)"),
        (b"\xef\xbb\xbfab\x80", "is not valid UTF-8: byte 0x80 at offset 5 (invalid start byte)"),
        (b"ab\xed\xa0\x80", "is not valid UTF-8: byte 0xED at offset 2"),
        (b"", "the text has 0 characters"),
        (b"\xef\xbb\xbfa", "the text has 1 character:"),
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
    assert main(["train", str(path), "-o", str(output)]) == 1
    assert failure(capsys).startswith(f"{str(path)!r}")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), "latin-1"))
    assert main(["train", "-", "-o", str(output)]) == 1
    error = failure(capsys)
    assert error.startswith("standard input")
    assert message in error
    assert os.listdir(tmp_path) == ["bad.txt"]


@pytest.mark.parametrize("command", ["train", "sample", "bench"])
def test_a_file_that_cannot_be_read(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "missing")
    assert main([command, missing]) == 1
    assert failure(capsys) == f"{missing!r}: No such file or directory"
    assert main([command, str(tmp_path)]) == 1
    assert failure(capsys) == f"{str(tmp_path)!r}: Is a directory"


def test_stdin_may_be_closed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["train", "-"]) == 1
    assert failure(capsys) == "standard input is closed"


def test_a_python_without_the_corpus(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    assert main(["train"]) == 1
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
    for path in (book, str(cut), str(empty)):
        assert main(["sample", path]) == 1
        error = failure(capsys)
        assert error.startswith(f"{path!r} is not an intact pycharrnn model")


def test_divergence_writes_nothing(tmp_path: Path, book: str, capsys: pytest.CaptureFixture[str]) -> None:
    old = tmp_path / "old.safetensors"
    old.write_bytes(b"an older model")
    wild = ["--optimizer", "sgd", "--learning-rate", "1e300", "--clip-value", "none"]
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

    monkeypatch.setitem(datasets.NAMES, "topics", interrupted)
    assert main(["train", "-o", str(tmp_path / "m")]) == 130
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(CharRNN, "fit", lambda *args, **options: interrupted())
    assert main(["train", __file__, "-o", str(tmp_path / "m")]) == 130
    assert capsys.readouterr() == ("", "")
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
