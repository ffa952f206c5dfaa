"""Every script in examples/ runs, at a reduced size, and prints what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pycharrnn import CharRNN

EXAMPLES = {path.stem: path for path in Path(__file__).resolve().parents[2].joinpath("examples").glob("*.py")}

# For each script: options that make it small, and what it must print.
CASES: dict[str, tuple[list[str], list[str]]] = {
    "quickstart": (["text.txt", "--output", "m.safetensors"], [r"--- temperature 0\.7\n", r"Written: m\.safetensors"]),
    "gradient_check": (
        ["text.txt", "--hidden-size", "4"],
        [
            *(rf"(?m)^ +{T} +{batch} +{name} " for T in (5, 10, 15, 25) for batch in (1, 2) for name in "UWbVc"),
            r" max +sum +norm +<= 1e-06\n",
            r"\n([\d,]+) of \1 checked entries within 1e-06, largest error \d\.\de-\d\d, ",
        ],
    ),
    "train_novel": (
        ["text.txt", "--max-updates", "150", "--every", "50", "--plot", "plot.png"],
        [r"--- update 100, smooth loss \d", r"\n150 updates, 3 epochs, ", r"--- best model: update \d+, "],
    ),
    "optimizers": (
        ["text.txt", "--max-updates", "200", "--every", "100", "--plot", "plot.png"],
        [r" sgd +adagrad +rmsprop +adam\nlearning rate +0\.005 +0\.1 +0\.002 +0\.002\n", r"\nbest( +\d+\.\d\d){4}\n"],
    ),
    "sequence_lengths": (
        ["text.txt", "--characters", "15000", "--seeds", "2", "--plot", "plot.png"],
        [
            r"\nseq_length +5 +10 +15 +25 +50\n",
            r"\n15,000( +\d\.\d{3}){5}\nlowest( +\d\.\d{3}){5}\nhighest( +\d\.\d{3}){5}\n",
            r"\nupdates +3,000 +1,500 +1,000 +600 +300\n",
        ],
    ),
    "overfit_100_characters": (
        ["text.txt", "--plot", "plot.png"],  # full size: it takes a second
        [
            r"^100 characters, ",
            r"smooth loss \d\d\.\d\d -> 0\.0[0-4]\d\d ",
            r"(?s)\n--- the text\n(.{100})\n--- written\n\1\n---\nmemorised\n$",
        ],
    ),
    "tweets": (
        ["--max-seconds", "1", "--every", "1000"],
        [r"^1,980 posts, .*; 20 skipped, the first: row 1: ", r"\n +1,000 +\d+\.\d\d +\d\.\d\n", r"(\n\* .+){10}\n$"],
    ),
    "names": (
        ["--epochs", "3", "--span", "4", "--pattern", "[a-z]{4,6}"],
        [
            r"\n[12]\.\d{3} nats per character on the [\d,]+ held-out names\n",
            r"20 new ones: (\w+, ){19}\w+\n",
            r"\nno 4 characters in a row of a learned one: (\w{4,}, ){9}\w{4,}\n",
            r"\nup to _: ([^\W_]+, )+[^\W_]+\n",
            r"\nmatching \[a-z\]\{4,6\}: ([a-z]{4,6}, ){9}[a-z]{4,6}\n$",
        ],
    ),
    "autocomplete": (
        ["text.txt", "--max-seconds", "2", "--prompts", "to b", "wheth"],
        [
            r"^\d+ updates in ",
            r"\n'to b' goes on with\n +\d+\.\d% '.'\n",
            r"\nand its word may become\n +\d+\.\d% be?\w*\n",
            r"\n'wheth' goes on with\n",
        ],
    ),
    "odd_log_lines": (
        ["--epochs", "3"],
        [
            r"^1,500 lines learned in \d",
            r"(\n +\d+\.\d\d nats  line +\d+  .*\n +-?\d+\.\d bits  +\^){8}\n",
            r"\n[3-6] of the 6 lines that no rule describes are the first 6\n$",
        ],
    ),
    "use_in_an_app": (
        ["text.txt", "--max-updates", "500", "--characters", "5000"],
        [
            r"\nth\.\.\. th",
            r"\n4 texts of 5,000 characters and their scores, the same from 4 threads as from one\n",
            r"(\nseed \d: -\d\.\d{4} nats per character){4}\n",
            r"\n 1 thread .*\d characters/s written and read\n 4 threads .*\d characters/s",
        ],
    ),
}  # fmt: skip


def run(folder: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    import matplotlib.font_manager  # its cache is made here, and said on the standard error, if there is none yet

    environment = os.environ | {"MPLCONFIGDIR": matplotlib.get_cachedir(), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", str(EXAMPLES[name]), *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=100)


@pytest.fixture
def folder(tmp_path: Path, text: str) -> Path:
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    return tmp_path


def test_every_example_is_tested() -> None:
    assert EXAMPLES.keys() == CASES.keys()


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_example_runs_and_prints_what_it_says(folder: Path, name: str) -> None:
    options, patterns = CASES[name]
    process = run(folder, name, *options)
    assert (process.stderr, process.returncode) == ("", 0)
    assert [pattern for pattern in patterns if not re.search(pattern, process.stdout)] == [], process.stdout
    if "--plot" in options:
        assert (folder / "plot.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / "plot.png").stat().st_size > 5_000


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_example_says_its_command_and_its_options(folder: Path, name: str) -> None:
    process = run(folder, name, "--help")
    documentation = EXAMPLES[name].read_text(encoding="utf-8").split('"""')[1]
    assert f"\n    python examples/{name}.py " in documentation
    known = set(re.findall(r"--[a-z-]+", process.stdout))
    assert set(re.findall(r"--[a-z-]+", documentation)) <= known


def test_the_novel_s_table_and_text_are_those_of_the_model(folder: Path, text: str) -> None:
    output = run(folder, "train_novel", "text.txt", "--max-updates", "150", "--every", "50").stdout
    table, written = output.split("seconds\n")[1].split("--- best model: ")
    rows = [line.split()[:3] for line in table.splitlines()[:4]]
    model = CharRNN(max_updates=150, random_state=0).fit(text)
    losses = model.history_.loss, model.history_.smooth_loss
    expected = [(0, 0), (50, 49), (100, 99), (150, 149)]  # update 50 is the one that made loss[49]
    assert rows == [[str(n), *(f"{values[i]:.2f}" for values in losses)] for n, i in expected]
    first, _, thousand = written.partition("\n")
    assert first == f"update {model.best_.n_updates:,}, smooth loss {model.best_.smooth_loss:.2f}"
    assert thousand == model.sample(1_000, random_state=0) + "\n"


def test_the_optimizers_columns_are_those_of_their_rules(folder: Path, text: str) -> None:
    output = run(folder, "optimizers", "text.txt", "--max-updates", "200", "--every", "100").stdout
    models = [
        CharRNN(optimizer=rule, max_updates=200, epochs=None, random_state=0).fit(text)
        for rule in ("sgd", "adagrad", "rmsprop", "adam")
    ]
    table = {line.split()[0]: line.split()[1:] for line in output.splitlines() if line}
    assert table["100"] == [f"{model.history_.smooth_loss[99]:.2f}" for model in models]
    assert table["200"] == [f"{model.smooth_loss_:.2f}" for model in models]
    assert table["best"] == [f"{model.best_.smooth_loss:.2f}" for model in models]


def test_the_optimizers_take_other_learning_rates(folder: Path, text: str) -> None:
    options = ["text.txt", "--max-updates", "20", "--every", "20", "--learning-rates", "0.05", "0.2", "0.1", "0.05"]
    table = {line.split()[0]: line.split() for line in run(folder, "optimizers", *options).stdout.splitlines() if line}
    assert table["learning"] == ["learning", "rate", "0.05", "0.2", "0.1", "0.05"]
    model = CharRNN(optimizer="adam", learning_rate=0.05, max_updates=20, random_state=0).fit(text)
    assert table["20"][-1] == f"{model.smooth_loss_:.2f}"


def test_the_losses_of_sequence_lengths_are_per_character_and_of_all_seeds(folder: Path, text: str) -> None:
    output = run(folder, "sequence_lengths", "text.txt", "--characters", "1000", "--seq-lengths", "5", "10").stdout
    ends = []
    for T in (5, 10):
        models = [CharRNN(seq_length=T, max_updates=1000 // T, epochs=None, random_state=seed) for seed in range(3)]
        ends.append(sorted(model.fit(text).smooth_loss_ / T for model in models))
    table = {line.split()[0]: line.split()[1:] for line in output.splitlines() if line}
    assert table["1,000"] == [f"{sum(losses) / 3:.3f}" for losses in ends]
    assert table["lowest"] == [f"{losses[0]:.3f}" for losses in ends]
    assert table["highest"] == [f"{losses[2]:.3f}" for losses in ends]
    assert [line for line in table if line.endswith("00")] == [*(f"{n}00" for n in range(1, 10)), "1,000"]


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("overfit_100_characters", ["--epochs", "2"], "NOT memorised"),
        (
            "gradient_check",
            ["--hidden-size", "2", "--seq-lengths", "5", "--tolerance", "1e-30"],
            "entries within 1e-30",
        ),
    ],
)
def test_a_failed_check_is_an_exit_code(folder: Path, name: str, options: list[str], says: str) -> None:
    process = run(folder, name, "text.txt", *options)
    assert (process.stderr, process.returncode) == ("", 1)
    assert says in process.stdout


def test_posts_come_from_a_file_and_new_ones_are_not_in_it(folder: Path) -> None:
    posts = [f"{a} {b} &amp; {c}" for a in ("Fish", "Peas", "Bread") for b in ("now", "here") for c in ("tea", "wine")]
    rows = [{"body": post} for post in posts] + [{"text": "of no interest"}]
    (folder / "posts.json").write_text(json.dumps(rows))
    process = run(folder, "tweets", "posts.json", "--field", "body", "--max-seconds", "0.5")
    assert (process.stderr, process.returncode) == ("", 0)
    n_characters = sum(len(post.replace("&amp;", "&")) for post in posts)
    assert process.stdout.startswith(f"12 posts, {n_characters} characters; 1 skipped, the first: row 13: ")
    n_new = int(re.search(r"\n(\d+) of 100 posts are not in the file", process.stdout)[1])  # type: ignore[index]
    new = re.findall(r"^\* (.*)$", process.stdout, re.M)
    assert len(new) == min(10, n_new)
    assert not {post.replace("&amp;", "&") for post in posts} & set(new)


def test_the_lines_of_files_are_ranked(folder: Path, text: str) -> None:
    (folder / "known.log").write_text(text)
    (folder / "today.log").write_text(
        "to be nobler, said the sea.\n\nqqqq %% zzzz\nor not in the mind, said the sea.\n"
    )
    process = run(folder, "odd_log_lines", "today.log", "--known", "known.log", "--epochs", "5", "--top", "1")
    assert (process.stderr, process.returncode) == ("", 0)
    rows = process.stdout.splitlines()
    assert rows[0].endswith("; the oddest of 3 lines:")
    assert rows[1].endswith(" nats  line     2  qqqq %% zzzz")
    assert len(rows) == 3


def test_names_come_from_a_file_and_new_ones_are_not_in_it(folder: Path) -> None:
    names = [
        a + b + c for a in ("an", "bo", "ca", "di", "el", "fe") for b in ("na", "ri", "lo") for c in ("", "s", "tta")
    ]
    (folder / "names.txt").write_text("\n".join([*names, "", *names]))
    process = run(folder, "names", "names.txt", "--epochs", "40")
    assert (process.stderr, process.returncode) == ("", 0)
    assert process.stdout.startswith("49 names to learn from, ")  # 54 without the empty line and those that come twice
    assert " on the 5 held-out names\n" in process.stdout
    new = process.stdout.split("20 new ones: ")[1].partition("\n")[0].split(", ")
    assert len(set(new)) == 20
    assert not set(names) & set(new)
