"""A part of the label smoothing is taken off: the losses are those of shares that sum to one."""

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from small import learned, small

from pycharrnn.cli import main
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.cells import CELLS
from pycharrnn.network.engine import Engine
from pycharrnn.network.scoring import streamed_losses
from pycharrnn.network.unsmoothing import unsmoothed_losses


def smoothed(cell, documents=False, dtype="float64", e=0.3):
    return Architecture(cell, 7, 9, 10, dtype, documents, 2, dropout=0.5, label_smoothing=e)


@pytest.mark.parametrize("window", [None, 1, 4, 13, 39, 500])
@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_losses_are_the_twins(cell, documents, window):
    """Some shares are far below the noise."""
    rng = np.random.default_rng(0)
    architecture = smoothed(cell, documents)
    named = {name: rng.normal(0, 1.5, shape) for name, shape in architecture.shapes.items()}
    ids = rng.integers(0, 7, 40).astype(np.int32)
    state, expected, few = np.zeros(architecture.carried()), [], 0
    for t in range(39):
        state = state * (window is None or t % window != 0)
        q, state, *_ = reference.predict(named, ids[t : t + 1, None], state, architecture.end, cell)
        few += q[0, 0, ids[t + 1]] < 0.9 * 0.3 / 7
        expected.append(-np.log(reference.unsmoothed(q, 0.3, 0.9)[0, 0, ids[t + 1]]))
    assert few > 3
    found = unsmoothed_losses(architecture, architecture.flatten(named), ids, window, 0.9)
    assert_allclose(found, expected, rtol=1e-9)


def test_the_losses_of_all_symbols_are_of_shares_that_sum_to_one():
    rng = np.random.default_rng(1)
    architecture = smoothed("gru")
    weights = architecture.flatten({name: rng.normal(0, 2, shape) for name, shape in architecture.shapes.items()})
    text = rng.integers(0, 7, 30).astype(np.int32)
    last = [
        unsmoothed_losses(architecture, weights, np.append(text, k).astype(np.int32), None, 0.5)[-1] for k in range(7)
    ]
    assert_allclose(np.exp(-np.array(last)).sum(), 1, rtol=1e-12)
    assert_allclose(
        unsmoothed_losses(architecture, weights, text, None, 0.0), streamed_losses(architecture, weights, text)
    )


def test_a_loss_beyond_the_smallest_share_is_finite():
    architecture = smoothed("rnn", dtype="float32")
    named = {name: np.zeros(shape) for name, shape in architecture.shapes.items()}
    named["c"][0] = 1000.0
    found = unsmoothed_losses(architecture, architecture.flatten(named), np.array([0, 1, 0], np.int32), None, 0.5)
    assert_allclose(found, [1000 + np.log(10 * (1 - 0.15 / 7)), 0], atol=1e-3)


@pytest.mark.parametrize("B", [1, 3])
def test_shares_are_those_of_the_last_window(B):
    architecture = smoothed("lstm")
    weights = architecture.initial(np.random.default_rng(0))
    engine = Engine(architecture, 5, B)
    x, y = np.random.default_rng(1).integers(0, 7, (2, 5 * B)).astype(np.int32)
    losses = engine.losses(weights, x, y)
    assert_allclose(-np.log(engine.predictions()[np.arange(5 * B), y]), losses)
    assert_allclose(engine.predictions().sum(axis=1), 1)


def test_a_smoothed_model_is_evaluated_without(text, tmp_path, capsys):
    model = small(optimizer="adam", label_smoothing=0.3, max_updates=300, ngram_order=None).fit(text)
    assert model.evaluate(text, unsmooth=0.5).nats < model.evaluate(text).nats - 0.05
    assert model.evaluate(text, unsmooth=0.5) != model.evaluate(text, window=9, unsmooth=0.5)
    assert model.evaluate(text, unsmooth=0.0) == model.evaluate(text, unsmooth=0) == model.evaluate(text)
    expected = unsmoothed_losses(
        *learned(model)[1:2], learned(model).state.best, model.vocabulary_.encode(text), None, 0.5
    )
    assert model.evaluate(text, unsmooth=0.5).nats == expected.mean()
    plain = small().fit(text)
    assert plain.evaluate(text, unsmooth=0.5) == plain.evaluate(text)
    model.save(tmp_path / "m")
    (tmp_path / "t").write_text(text)
    assert main(["eval", str(tmp_path / "m"), str(tmp_path / "t"), "--unsmooth", "0.5"]) == 0
    assert f"{expected.mean():.4f}" in capsys.readouterr().out


def test_n_grams_are_mixed_with_what_is_unsmoothed(text):
    model = small(label_smoothing=0.3, max_updates=200, ngram_order=3).fit(text)
    _, built, state, *_, ngrams = learned(model)
    ids = model.vocabulary_.encode(text)
    expected = ngrams.mix(unsmoothed_losses(built, state.best, ids, None, 0.5), ids, None).mean()
    assert_array_equal(model.evaluate(text, unsmooth=0.5).nats, expected)


@pytest.mark.parametrize("part", [1, -0.1, float("nan"), "half", None])
def test_parts_that_cannot_be(text, part):
    model = small(label_smoothing=0.1).fit(text)
    with pytest.raises((ValueError, TypeError), match=r"^unsmooth must be"):
        model.evaluate(text, unsmooth=part)
    with pytest.raises(ValueError, match=r"^adapt must be None with unsmooth, got 0\.01"):
        model.evaluate(text, adapt=0.01, unsmooth=0.5)
