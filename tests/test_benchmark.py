"""The benchmark: its NumPy twin is the same model, and no competitor goes missing in silence."""

import importlib.util
import io
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from pycharrnn import CharRNN, Vocabulary, _kernels, benchmark


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
    twin, ids = benchmark.NumpyCharRNN(len(vocabulary), hidden_size, seq_length), vocabulary.encode(text)
    found = [(twin.train(ids, 1)[0], twin.smooth_loss) for _ in range(n_updates)]
    return model.history_, np.array(found).T


@pytest.mark.parametrize(("length", "seq_length"), [(131, 25), (68, 25), (67, 5), (30, 25), (12, 25), (2, 3)])
def test_the_twin_makes_the_same_updates(text, length, seq_length):
    """Over many epochs of a text whose last window is short. Larger networks part sooner: rounding grows."""
    history, (loss, smooth) = pair(text[:length], 20, seq_length, 40)
    assert_allclose(loss, history.loss, rtol=1e-9)
    assert_allclose(smooth, history.smooth_loss, rtol=1e-9)


def test_the_twin_of_the_classic_size_starts_alike(text):
    history, (loss, _) = pair(text, benchmark.H, benchmark.T, 15)
    assert_allclose(loss[:4], history.loss[:4], rtol=1e-9)
    assert_allclose(loss, history.loss, rtol=1e-3)  # AdaGrad's first steps are the signs of tiny gradients


def test_training_in_pieces_changes_nothing(text):
    vocabulary = Vocabulary.from_text(text)
    ids = vocabulary.encode(text[:100])
    one, two = (benchmark.NumpyCharRNN(len(vocabulary), 10) for _ in range(2))
    whole, pieces = one.train(ids, 12), [two.train(ids, 5), two.train(ids, 7)]
    np.testing.assert_array_equal(whole, np.concatenate(pieces))
    assert one.smooth_loss == two.smooth_loss


@pytest.mark.parametrize("hidden_size", [1, 7, 100])
def test_the_gradients_agree(text, hidden_size):
    model = CharRNN(hidden_size=hidden_size, random_state=3, dtype="float64", init_scale=0.1)
    window = text[:26]
    loss, gradients = model.loss_and_gradients(window)
    vocabulary = Vocabulary.from_text(window)
    twin, ids = benchmark.NumpyCharRNN(len(vocabulary), hidden_size, random_state=3), vocabulary.encode(window)
    for name in "UWV":
        twin.params[name] *= 0.1 / benchmark.SCALE
    found, h, p = twin.forward(ids[:-1], ids[1:], np.zeros(hidden_size))
    grads = twin.backward(ids[:-1], ids[1:], h, p)
    assert_allclose(found, loss, rtol=1e-12)
    assert grads.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert np.linalg.norm(grads[name] - gradient) <= 1e-12 * np.linalg.norm(gradient), name


def test_the_twin_draws_from_its_own_distribution():
    twin, rng = benchmark.NumpyCharRNN(3, 4, dtype="float32"), np.random.default_rng(0)
    twin.params["c"][:] = np.log([0.5, 0.3, 0.2])
    drawn = twin.sample(3000, rng)
    assert_allclose(np.bincount(drawn) / 3000, [0.5, 0.3, 0.2], atol=0.03)


def table(text, **options):
    file = io.StringIO()
    benchmark.run(updates=200, repeats=1, text=text, file=file, **options)
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
    for said in ("GFLOP/s", "FMA peak", "%", f"NumPy {np.__version__}", "pycharrnn ", "Python 3."):
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
    measured = {"n": 1, "drawn": 1, "version": "x", "update": 1.0, "character": 1.0} | benchmark.fma_peaks(best_of=1)
    monkeypatch.setattr(benchmark, "measure", lambda *_: dict(measured))
    benchmark.run(1, 1)
    assert "not installed" in capsys.readouterr().out


@pytest.mark.parametrize("change", [{"updates": 0}, {"repeats": 0}, {"text": "x" * 25}])
def test_what_cannot_be_measured_is_refused(change):
    with pytest.raises(ValueError, match="at least 1, and the text longer than 25"):
        benchmark.run(**change)


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
        benchmark.measure(benchmark.Row("it", "numpy", 1, 1), text, 20)


def test_a_worker_that_nobody_knows_is_an_error(text):
    with pytest.raises(RuntimeError, match=r"(?s)'it' failed with exit status 1.*KeyError: 'abacus'"):
        benchmark.measure(benchmark.Row("it", "abacus", 1, 1), text, 20)


def test_peaks_leave_the_instruction_set_as_it_was():
    before = _kernels.simd_selected()
    peaks = benchmark.fma_peaks("float64", best_of=1)
    assert _kernels.simd_selected() == before
    assert before in peaks
    assert min(peaks.values()) > 1e6
