"""The benchmark: its NumPy twin is the same model, and no competitor goes missing in silence."""

import importlib.util
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from pycharrnn import CharRNN, Vocabulary, _kernels, benchmark, cli
from pycharrnn.benchmark import NumpyCharRNN, measuring, run, run_full
from pycharrnn.benchmark.competitors import COMPETITORS, prepare
from pycharrnn.benchmark.jobs import CLASSIC, Job, streams
from pycharrnn.benchmark.measuring import Row, Steps, Turn, fma_peaks


def pair(text, hidden_size, seq_length, n_updates):
    """The losses and smooth losses of CharRNN and of the twin, update for update from the same weights."""
    model = CharRNN(
        hidden_size=hidden_size,
        seq_length=seq_length,
        dtype="float64",
        random_state=0,
        epochs=None,
        max_updates=n_updates,
        verbose=False,
    ).fit(text)
    vocabulary = Vocabulary.from_text(text)
    twin, ids = NumpyCharRNN(len(vocabulary), hidden_size, seq_length), vocabulary.encode(text)
    found = [(twin.train(ids, 1)[0], twin.smooth_loss) for _ in range(n_updates)]
    return model.history_, np.array(found).T


@pytest.mark.parametrize(("length", "seq_length"), [(131, 25), (68, 25), (67, 5), (30, 25), (12, 25), (2, 3)])
def test_the_twin_makes_the_same_updates(text, length, seq_length):
    """Over many epochs of a text whose last window is short. Larger networks part sooner: rounding grows."""
    history, (loss, smooth) = pair(text[:length], 20, seq_length, 40)
    assert_allclose(loss, history.loss, rtol=1e-9)
    assert_allclose(smooth, history.smooth_loss, rtol=1e-9)


def test_the_twin_of_the_classic_size_starts_alike(text):
    history, (loss, _) = pair(text, CLASSIC.hidden_size, CLASSIC.seq_length, 15)
    assert_allclose(loss[:4], history.loss[:4], rtol=1e-9)
    assert_allclose(loss, history.loss, rtol=1e-3)  # AdaGrad's first steps are the signs of tiny gradients


def test_training_in_pieces_changes_nothing(text):
    vocabulary = Vocabulary.from_text(text)
    ids = vocabulary.encode(text[:100])
    one, two = (NumpyCharRNN(len(vocabulary), 10) for _ in range(2))
    whole, pieces = one.train(ids, 12), [two.train(ids, 5), two.train(ids, 7)]
    np.testing.assert_array_equal(whole, np.concatenate(pieces))
    assert one.smooth_loss == two.smooth_loss


@pytest.mark.parametrize("hidden_size", [1, 7, 100])
def test_the_gradients_agree(text, hidden_size):
    model = CharRNN(hidden_size=hidden_size, random_state=3, dtype="float64", init_scale=0.1)
    window = text[:26]
    loss, gradients = model.loss_and_gradients(window)
    vocabulary = Vocabulary.from_text(window)
    twin, ids = NumpyCharRNN(len(vocabulary), hidden_size, random_state=3), vocabulary.encode(window)
    for name in "UWV":  # those far out are rounded to single precision at another scale
        twin.params[name] *= 0.1 / CLASSIC.init_scale
    found, h, p = twin.forward(ids[:-1], ids[1:], np.zeros(hidden_size))
    grads = twin.backward(ids[:-1], ids[1:], h, p)
    assert_allclose(found, loss, rtol=1e-10)
    assert grads.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert np.linalg.norm(grads[name] - gradient) <= 1e-7 * np.linalg.norm(gradient), name


def test_the_twin_draws_from_its_own_distribution():
    twin, rng = NumpyCharRNN(3, 4, dtype="float32"), np.random.default_rng(0)
    twin.params["c"][:] = np.log([0.5, 0.3, 0.2])
    drawn = twin.sample(3000, rng)
    assert_allclose(np.bincount(drawn) / 3000, [0.5, 0.3, 0.2], atol=0.03)


def table(text, **options):
    file = io.StringIO()
    run(updates=200, repeats=1, text=text, file=file, **options)
    return file.getvalue()


def rows(printed):
    """Words of each row by the competitor's first word; of pycharrnn the first row."""
    found = {}
    for line in printed.split("\n\n")[1].splitlines()[1:]:
        found.setdefault(line.split()[0], line.split())
    return found


def check(printed):
    found = rows(printed)
    assert list(found) == ["pycharrnn", "NumPy", "PyTorch", "JAX"]
    for module, name in (("torch", "PyTorch"), ("jax", "JAX")):
        assert (found[name][-2:] == ["not", "installed"]) is (importlib.util.find_spec(module) is None)
    assert found["pycharrnn"][2] == _kernels.simd_selected()
    assert found["pycharrnn"][6] == found["pycharrnn"][9] == "1.00"
    for words in found.values():
        if words[-1] != "installed":
            assert all(float(word.replace(",", "")) > 0 for word in words[-7:])
    for said in (
        "products of float32 by",
        "GFLOP/s",
        "FMA peak",
        "%",
        f"NumPy {np.__version__}",
        "pycharrnn ",
        "Python 3.",
    ):
        assert said in printed
    v3 = "x86-64-v3"
    forced = v3 in _kernels.simd_names() and _kernels.simd_supported(v3)
    assert (f"pycharrnn float32, {v3}" in printed) is forced


def test_every_competitor_has_a_row(text):
    check(table(text))


def test_without_torch_and_jax(text, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "jax", None)
    printed = table(text)
    check(printed)
    assert printed.count("not installed") == 3


def test_a_text_of_any_characters(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "jax", None)
    check(table("\0\ud83d\ude00 é\r\n\N{GRINNING FACE}" * 6))


def test_it_prints_on_stdout_by_itself(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "jax", None)
    measured = Turn("x", n_updates=1, n_characters=1, update=1.0, character=1.0, peaks=fma_peaks(best_of=1))
    monkeypatch.setattr(measuring, "measure", lambda *_: measured)
    run(1, 1)
    assert "not installed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"updates": 0}, "updates and repeats must be at least 1, got 0 and "),
        ({"repeats": 0}, "updates and repeats must be at least 1, got .* and 0"),
        ({"text": "x" * 25}, "the text must have more than 25 characters, it has 25"),
    ],
)
def test_what_cannot_be_measured_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        run(**change)


def test_a_failing_competitor_is_an_error(tmp_path, monkeypatch, text):
    """Not a missing row: here PyTorch is there, but cannot be imported."""
    (tmp_path / "torch.py").write_text("raise OSError('libtorch is broken')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with pytest.raises(RuntimeError, match=r"(?s)'PyTorch float32, threads: 1' failed.*OSError: libtorch is broken"):
        table(text)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('no table today')", "exit status 0.*no table today"),
        ("", "exit status 0"),
        ("import os; os.abort()", "exit status -6"),
        ("import sys; print('{}'); sys.exit('too late')", "exit status 1.*too late"),
    ],
)
def test_a_worker_that_says_something_else_is_an_error(tmp_path, monkeypatch, text, code, said):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(RuntimeError, match=f"(?s)'it' failed with {said}"):
        measuring.measure(Row("it", "numpy", 1, 1), text, 20)


def test_a_worker_that_nobody_knows_is_an_error(text):
    with pytest.raises(RuntimeError, match=r"(?s)'it' failed with exit status 1.*KeyError: 'abacus'"):
        measuring.measure(Row("it", "abacus", 1, 1), text, 20)


def test_peaks_leave_the_instruction_set_as_it_was():
    before = _kernels.simd_selected()
    peaks = fma_peaks("float64", best_of=1)
    assert _kernels.simd_selected() == before
    assert before in peaks
    assert min(peaks.values()) > 1e6


@pytest.mark.parametrize("threads", [1, 2])
def test_the_peak_counts_the_work_of_every_thread(threads, monkeypatch):
    monkeypatch.setattr(measuring, "seconds_each", lambda call, n: call(n) * 0 + 1)
    simd, x = _kernels.simd_selected(), np.full(64, 0.5, "float32")
    of_one = _kernels.multiply_adds(x, 1000) / 1000
    rounds = {1: 1_000_000, 2: 10_000_000}[threads]
    assert fma_peaks(best_of=1, threads=threads)[simd] == threads * rounds * of_one


TINY = Job("lstm", 2, 8, 3, 5)


def test_only_products_that_are_made_are_counted():
    """Of the first layer W alone, of the others U and W, and V."""
    assert Job("rnn", 1, 10, 2, 3).flops == 6 * 3 * 2 * (10 * 10 + 65 * 10)
    assert TINY.flops == 6 * 5 * 3 * (4 * 64 + 2 * 4 * 64 - 4 * 64 + 4 * 64 + 65 * 8)
    assert Job("gru", 3, 7, 1, 1).flops == 6 * (3 * 49 * 5 + 65 * 7)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("worker", [name for name, one in COMPETITORS.items() if one.steps])
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # of its own parts, while it compiles
def test_every_competitor_learns(worker, cell):
    """From the loss of guessing, ln 65 = 4.17, it memorises some of 100 random symbols."""
    if worker != "pycharrnn":
        pytest.importorskip(worker.partition(".")[0])
    ready = prepare(worker, Job(cell, 1, 64, 1, 5))
    assert abs(ready.train(1) - np.log(65)) < 0.4
    assert ready.train(500) < 3
    assert ready.version.split()[1][0].isdigit()


def test_a_competitor_without_larger_models_is_refused():
    with pytest.raises(ValueError, match="'numpy' makes no steps of larger models"):
        prepare("numpy", TINY)


def test_streams_are_cut_where_pycharrnn_cuts_them():
    columns = streams(np.arange(21, dtype=np.int32), 2)
    np.testing.assert_array_equal(columns.T, [np.arange(11), np.arange(10, 21)])


def test_every_window_is_whole():
    """A short one would count as an update of less work."""
    assert (len(TINY.text()) - 1) % (TINY.batch_size * TINY.seq_length) == 0


def full(jobs=(TINY,), **options):
    file = io.StringIO()
    run_full(repeats=1, seconds=0.001, jobs=jobs, file=file, **options)
    return file.getvalue()


def test_a_full_table_has_each_job_for_each_number_of_threads(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "jax", None)
    jobs = (TINY, Job("rnn", 1, 16, 4, 5))
    printed = full(jobs)
    _, table, end = printed.split("\n\n")
    rows = [line.split() for line in table.splitlines()[1:]]
    n_threads = min(2, len(measuring.cores()) or 2)
    assert [row[:-7] for row in rows] == [str(job).split() for _ in range(n_threads) for job in jobs]
    assert [row[-7] for row in rows] == [str(1 + n) for n in range(n_threads) for _ in jobs]
    assert all(float(row[-2]) > 0 for row in rows)
    assert "PyTorch: not installed\nJAX: not installed\n" in printed
    assert f"{_kernels.simd_selected()}\n" in end
    assert f"products of bfloat16 by {_kernels.products_by('bfloat16')}\n" in end


def test_the_figures_of_a_full_table(monkeypatch):
    """For 2 ms an update at a peak of 1 GFLOP/s, PyTorch 3 ms: less than one would be printed, too."""
    times = {"pycharrnn": 0.002, "torch": 0.003, "torch.compile": 0.005, "jax": 0.001}
    times |= {"pycharrnn.bfloat16": 0.0015, "torch.autocast": 0.004}

    def ask(task):
        name, jobs, _ = task.arguments
        return {"version": f"{name} 1", "update": [times[name]] * len(jobs), "peak": 1e9 * (name == "pycharrnn")}

    monkeypatch.setattr(measuring, "ask", ask)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(measuring, "cores", lambda: [0])
    printed, job = full([Job("lstm", 1, 100, 20, 10)]), "lstm 1 x 100, B 20, T 10"
    speed = 6 * 200 * (4 * 10_000 + 6_500) / 0.002
    [row] = [line.split() for line in printed.splitlines() if line.startswith(job)]
    figures = ["1", "2.00", f"{speed / 1e9:.1f}", f"{speed / 1e9:.0%}", "100,000"]
    figures += ["1.50", "0.75", "3.00", "1.50", "5.00", "2.50", "4.00", "2.00", "1.00", "0.50"]
    assert row == [*job.split(), *figures]
    assert "GFLOP/s: 1: 1.0\n" in printed
    assert "pycharrnn 1, pycharrnn.bfloat16 1, torch 1, torch.compile 1, torch.autocast 1, jax 1, Python" in printed
    heads = next(line for line in printed.splitlines() if "GFLOP/s  of peak" in line).split()
    assert heads[6::3] == ["bfloat16", "PyTorch", "compiled", "autocast", "JAX"]
    assert "not installed" not in printed


def test_the_best_turn_counts_and_turns_alternate(monkeypatch):
    ours, theirs = [([3.0, 9.0], 5.0), ([4.0, 8.0], 7.0), ([5.0, 8.5], 6.0)], [([1.0, 1.0], 0.0), ([2.0, 0.5], 0.0)] * 2
    said = (turn for pair in zip(ours, theirs, strict=False) for turn in pair)
    asked = []

    def ask(task):
        asked.append((task.arguments[0], task.turn, task.threads, task.kind))
        update, peak = next(said)
        return {"version": "1", "update": update, "peak": peak}

    monkeypatch.setattr(measuring, "ask", ask)
    best = measuring.steps([TINY, TINY], ["pycharrnn", "torch"], threads=2, repeats=3)
    assert asked == [(name, turn, 2, "steps") for turn in range(3) for name in ("pycharrnn", "torch")]
    assert best["pycharrnn"] == Steps(version="1", update=[3.0, 8.0], peak=7.0)
    assert best["torch"].update == [1.0, 0.5]


def test_a_failing_competitor_is_an_error_in_full(tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("raise OSError('libtorch is broken')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match=r"(?s)'torch' failed.*OSError: libtorch is broken"):
        measuring.steps([TINY], ["torch"])


def test_no_turns_are_refused():
    with pytest.raises(ValueError, match="repeats must be at least 1, got 0"):
        run_full(repeats=0)


def test_full_on_the_command_line(monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(benchmark, "run_full", lambda repeats=3, file=None: calls.append((repeats, file)))
    assert cli.main(["bench", "--full"]) == cli.main(["bench", "--full", "--repeats", "2"]) == 0
    assert calls == [(3, sys.stdout), (2, sys.stdout)]
    assert cli.main(["bench", "--full", "--updates", "5", __file__]) == 2
    assert "--full has sizes and a text of its own; leave out TEXT, --updates" in capsys.readouterr().err
    assert len(calls) == 2


def test_the_folder_is_a_program():
    command = [sys.executable, "-m", "pycharrnn.benchmark", "--help"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"pycharrnn bench" in done.stdout


def script(name, *options):
    """What a script of benchmarks/ prints where PyTorch is not installed."""
    path = Path(__file__).resolve().parents[2] / "benchmarks" / name
    code = (
        "import runpy, sys; sys.modules['torch'] = None; del sys.argv[0]; runpy.run_path(sys.argv[0], {}, '__main__')"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code, str(path), *options], env=env, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout


def test_memory_is_what_the_formula_says():
    """Over it are NumPy's random generator, 6 MiB, and its draws in double precision, here 2 MiB a matrix."""
    printed = script("memory.py", "--hidden-size", "256", "--batch-size", "64")
    measured = float(re.search(r"(?m)^pycharrnn .* ([\d.]+)$", printed)[1])
    predicted = float(re.search(r"= ([\d.]+) MiB", printed)[1])
    assert predicted > 60
    assert 0 < measured - predicted < 16
    assert re.search(r"(?m)^torch +not installed$", printed)


@pytest.mark.slow
def test_scaling_has_a_row_for_each_size(tmp_path):
    printed = script("scaling.py", "--repeats", "1", "--seconds", "0.001", "--plot", str(tmp_path / "s.png"))
    rows = [line.split() for line in printed.splitlines() if line[:1].isdigit()]
    assert [int(row[0]) for row in rows] == [64, 128, 256, 512, 1024, 1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert all(float(row[1]) > 0 and row[3].endswith("%") for row in rows)
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
