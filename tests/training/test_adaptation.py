"""Dynamic evaluation: a model learns from what it has predicted."""

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose
from small import learned, small

from pycharrnn import CharRNN
from pycharrnn.cli import main
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.cells import CELLS
from pycharrnn.text.corpus import Corpus
from pycharrnn.training.adaptation import adapt, mean_squares, measured_squares

OTHER = "the sea is nobler than the slings, said the mind. " * 12


@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize(("layers", "more"), [(1, {}), (2, {"dropout": 0.5, "label_smoothing": 0.3, "zoneout": 0.2})])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("n", "restart"), [(2, None), (30, None), (41, None), (41, 10), (41, 13), (41, 7), (41, 99)])
def test_it_is_the_twins(cell, layers, more, documents, n, restart):
    """With a short window at the end, or none; with states that restart, or not."""
    rng = np.random.default_rng(0)
    architecture = Architecture(cell, 7, 9, 10, "float64", documents, layers, **more)
    named = {name: rng.normal(0, 0.4, shape) for name, shape in architecture.shapes.items()}
    weights = architecture.flatten(named)
    squares = rng.uniform(0.5, 2, weights.size)
    ids = rng.integers(0, 7, n).astype(np.int32)
    found = adapt(architecture, weights, squares, ids, 0.02, restart)
    scale = {name: np.array(view) for name, view in architecture.named(squares).items()}
    state, total, at = np.zeros(architecture.carried()), 0.0, 0
    stay = np.array([more.get("zoneout", 0.0), 0.0])[: state.shape[1], None, None]
    while at < n - 1:
        if restart and at % restart == 0:
            state = np.zeros_like(state)
        end = min(at + 10, n - 1, (at // restart + 1) * restart if restart else n)
        x, y = (ids[at + shift : end + shift, None] for shift in (0, 1))
        loss, grads, state = reference.loss_and_gradients(named, x, y, state, architecture.end, cell, stay=stay)
        total += loss
        named = {name: value - 0.02 * grads[name] / np.sqrt(scale[name]) for name, value in named.items()}
        at = end
    assert_allclose(found.nats, total / (n - 1), rtol=1e-12)
    for name, value in architecture.named(found.weights).items():
        assert_allclose(value, named[name], rtol=1e-10, atol=1e-12, err_msg=name)
    assert_allclose(architecture.named(weights)["V"], architecture.named(architecture.flatten(named))["V"], atol=1)


@pytest.mark.parametrize("n", [4, 90, 400])
def test_squares_that_are_measured_are_the_twins(n):
    """Of the first 16 windows, or of fewer, without dropout and smoothing."""
    rng = np.random.default_rng(0)
    architecture = Architecture("gru", 7, 9, 10, "float64", False, 2, dropout=0.5, label_smoothing=0.3)
    named = {name: rng.normal(0, 0.4, shape) for name, shape in architecture.shapes.items()}
    ids = rng.integers(0, 6, n).astype(np.int32)  # the last symbol does not occur
    found = measured_squares(architecture, architecture.flatten(named), ids)
    state, squares = np.zeros(architecture.carried()), []
    for at in range(0, min(n - 1, 160), 10):
        x, y = (ids[at + shift : min(at + 10, n - 1) + shift, None] for shift in (0, 1))
        _, grads, state = reference.loss_and_gradients(named, x, y, state, architecture.end, "gru")
        squares.append({name: grad**2 for name, grad in grads.items()})
    assert len(squares) == min(16, -(-(n - 1) // 10))
    for name, value in architecture.named(found).items():
        mean = np.mean([each[name] for each in squares], axis=0)
        assert_allclose(value, np.maximum(mean, 0.1 * mean.mean()), rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
@pytest.mark.parametrize("documents", [False, True])
def test_a_rule_without_squares_adapts(text, tmp_path, optimizer, documents):
    X, other = (text.split("\n")[:-1], OTHER.split(". ")[:-1]) if documents else (text, OTHER)
    model = small(optimizer=optimizer, learning_rate=0.02, on_unknown="skip", max_updates=300).fit(X)
    model.save(tmp_path / "m")
    found = model.evaluate(other, adapt=0.003).nats
    assert found < model.evaluate(other).nats
    assert CharRNN.load(tmp_path / "m").evaluate(other, adapt=0.003).nats == found
    assert model.adapt(other, 0.003).evaluate(other).nats < found


def test_it_learns_on_where_the_state_restarts(text):
    model = small(cell="gru", optimizer="adam", learning_rate=0.01, on_unknown="skip", max_updates=300).fit(text)
    cold, learned_from = (model.evaluate(OTHER, window=20, adapt=rate).nats for rate in (None, 0.003))
    assert learned_from < cold
    assert_allclose(model.evaluate(OTHER, window=20, adapt=1e-12).nats, cold, rtol=1e-5)
    assert model.evaluate(OTHER, window=10**4, adapt=0.003) == model.evaluate(OTHER, adapt=0.003)


@pytest.mark.parametrize("B", [1, 3])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "adagrad"])
def test_squares_are_the_means_of_the_gradients(text, optimizer, B, tmp_path):
    model = small(optimizer=optimizer, max_updates=60, batch_size=B).fit(text)
    architecture, state = learned(model).architecture, learned(model).state
    v = B * np.array(state.v, np.float64) / {"adam": 1 - 0.999**60, "adagrad": 60, "rmsprop": 1}[optimizer]
    least = {name: 0.1 * view.mean() for name, view in architecture.named(v).items()}
    for name, found in architecture.named(mean_squares(architecture, state, B)).items():
        assert_allclose(found, np.maximum(architecture.named(v)[name], least[name]), rtol=1e-5)
    model.save(tmp_path / "m")
    loaded = learned(CharRNN.load(tmp_path / "m"))
    for name, found in architecture.named(mean_squares(architecture, loaded.state, B)).items():
        counted = {"adam": 1 - 0.999**loaded.state.n_updates, "adagrad": loaded.state.n_updates, "rmsprop": 1}[
            optimizer
        ]
        known = B * architecture.named(state.v)[name].mean() / counted
        assert_allclose(found, known, rtol=1e-5)


@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize("loaded", [False, True])
def test_evaluate_learns_and_forgets(text, tmp_path, loaded, documents):
    X, other = (text.split("\n")[:-1], OTHER.split(". ")[:-1]) if documents else (text, OTHER)
    model = small(cell="gru", optimizer="adam", learning_rate=0.01, on_unknown="skip", max_updates=300).fit(X)
    model.save(tmp_path / "before")
    model = CharRNN.load(tmp_path / "before") if loaded else model
    plain = model.evaluate(other)
    found = model.evaluate(other, adapt=0.003)
    assert found.nats < plain.nats
    assert found.n_characters == plain.n_characters
    assert found == model.evaluate(other, adapt=0.003)
    assert model.evaluate(other) == plain
    model.save(tmp_path / "after")
    assert (tmp_path / "after").read_bytes() == (tmp_path / "before").read_bytes()
    assert_allclose(model.evaluate(other, adapt=1e-12).nats, plain.nats, rtol=1e-5)


def test_adapt_learns_and_keeps(text, tmp_path):
    model = small(cell="gru", optimizer="adam", learning_rate=0.01, on_unknown="skip", max_updates=300).fit(text)
    n, losses, plain = model.n_updates_, len(model.history_), model.evaluate(OTHER).nats
    assert model.adapt(OTHER, rate=0.003) is model
    after = model.evaluate(OTHER).nats
    assert after < model.evaluate(OTHER, adapt=0.003).nats + 0.5 < plain + 0.5
    assert after < plain
    assert (model.n_updates_, len(model.history_)) == (n, losses)
    assert model.best_.validation_loss is None
    model.save(tmp_path / "m")
    assert CharRNN.load(tmp_path / "m").evaluate(OTHER).nats == after
    assert model.sample(20)
    assert not learned(model).state.m.any()
    model.partial_fit(text)
    assert model.evaluate(text).nats < 1


def test_an_evaluation_reads_one_model_while_another_thread_trains_it(text, monkeypatch):
    model = small(cell="gru", optimizer="adam", max_updates=100).fit(text)
    expected, read = model.evaluate(text, adapt=0.001), Corpus.read

    def read_and_train(*given):
        found = read(*given)
        monkeypatch.setattr(Corpus, "read", read)
        model.partial_fit(text)
        return found

    monkeypatch.setattr(Corpus, "read", read_and_train)
    assert model.evaluate(text, adapt=0.001) == expected
    assert model.evaluate(text, adapt=0.001) != expected


def test_steps_do_not_depend_on_the_batch_of_the_training(text, tmp_path):
    """The scale of a model in memory and of its file: both know how many streams the training read."""
    for B in (1, 8):
        model = small(cell="gru", optimizer="adam", batch_size=B, seq_length=5, max_updates=200).fit(text)
        model.save(tmp_path / "m")
        plain = model.evaluate(text).nats
        gains = [plain - each.evaluate(text, adapt=0.002).nats for each in (model, CharRNN.load(tmp_path / "m"))]
        assert 0.3 < gains[0] / gains[1] < 3


def test_a_model_with_an_average_adapts(text):
    model = small(optimizer="adam", ema_decay=0.9, on_unknown="skip", max_updates=200).fit(text)
    plain = model.evaluate(OTHER).nats
    assert model.adapt(OTHER, rate=0.002).evaluate(OTHER).nats < plain


@pytest.mark.parametrize("rate", [0, -1.0, float("nan"), float("inf"), "fast", True])
def test_rates_that_cannot_be(text, rate):
    model = small(optimizer="adam").fit(text)
    with pytest.raises((ValueError, TypeError), match="adapt must be"):
        model.evaluate(text, adapt=rate)
    with pytest.raises((ValueError, TypeError), match="rate must be"):
        model.adapt(text, rate=rate)


def test_what_cannot_be_adapted(text):
    with pytest.raises(ValueError, match=r"adapt must be None with unsmooth, got 0\.01"):
        small(optimizer="adam", label_smoothing=0.1).fit(text).evaluate(text, adapt=0.01, unsmooth=0.5)
    with pytest.raises(ValueError, match="not been trained"):
        small().adapt(text)


def test_n_grams_take_no_part(text):
    how = {"optimizer": "adam", "validation_fraction": 0.1}
    mixed, plain = small(**how, ngram_order=3).fit(text), small(**how).fit(text)
    assert mixed.evaluate(text, adapt=0.01) == plain.evaluate(text, adapt=0.01)
    assert mixed.evaluate(text, ngrams=False) == plain.evaluate(text) != mixed.evaluate(text)
    share = mixed.ngram_share_
    assert mixed.adapt(text).evaluate(text, ngrams=False) == plain.adapt(text).evaluate(text)
    assert mixed.ngram_share_ == share


@pytest.mark.parametrize("rate", [10.0, 1e38])
def test_a_rate_that_is_far_too_high_leaves_the_model_as_it_was(text, rate):
    model = small(optimizer="adam").fit(text)
    before = model.evaluate(text)
    with pytest.raises(ValueError, match="rate must be lower for this text, got 1"):
        model.adapt(text, rate=rate)
    with pytest.raises(ValueError, match="adapt must be lower for this text, got 1"):
        model.evaluate(text, adapt=rate)
    assert model.evaluate(text) == before


def test_an_interrupt_leaves_the_model_as_it_was(text, monkeypatch):
    model = small(optimizer="adam").fit(text)
    before = model.evaluate(text)
    train, calls = "pycharrnn.network.engine.Engine.train", []

    def interrupted(self, *given):
        calls.append(given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train, interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.adapt(text, rate=0.01)
    assert calls
    assert model.evaluate(text) == before
    model.adapt(text, rate=0.001)  # and it is free again


def test_the_command(text, tmp_path, capsys):
    small(optimizer="adam", max_updates=200).fit(text).save(tmp_path / "m")
    (tmp_path / "t").write_text(text * 3)
    found = []
    for options in ([], ["--adapt", "0.003"]):
        assert main(["eval", str(tmp_path / "m"), str(tmp_path / "t"), *options]) == 0
        found.append(float(capsys.readouterr().out.split()[3]))
    assert found[1] < found[0]
    assert main(["eval", str(tmp_path / "m"), str(tmp_path / "t"), "--adapt", "0"]) == 2
    assert "--adapt must be finite and above 0" in capsys.readouterr().err
    assert main(["eval", str(tmp_path / "m"), str(tmp_path / "t"), "--adapt", "0.003", "--window", "20"]) == 0
