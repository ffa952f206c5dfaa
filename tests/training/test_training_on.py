"""Training on: with the moments of before, with those of the text, with more characters."""

import time

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small import last, learned, nats, small

from pycharrnn import CharRNN
from pycharrnn.network.engine import loss_and_gradients
from pycharrnn.network.state import State
from pycharrnn.training.descent import Descent
from pycharrnn.training.optimizers import OPTIMIZERS, Optimizer
from pycharrnn.training.trainer import Trainer


def test_training_on(text):
    half = len(text) // 2
    model = CharRNN(hidden_size=8, epochs=3, random_state=0).fit(text)
    before, n = learned(model).state.weights.copy(), model.n_updates_
    model.partial_fit(text[:half])
    assert model.n_updates_ == n + -(-(half - 1) // 25)
    assert not np.array_equal(before, learned(model).state.weights)
    assert model.best_.n_updates >= n
    first = CharRNN(hidden_size=8, random_state=0).partial_fit(text)
    once = CharRNN(hidden_size=8, epochs=1, random_state=0).fit(text)
    assert_array_equal(learned(first).state.weights, learned(once).state.weights)


@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_second_text_is_learned_however_easy_the_first_was(tmp_path, cell, documents):
    def corpus(sentence):
        return [sentence] * 60 if documents else sentence * 60

    easy, hard = corpus("to be or not to be, "), corpus("Happy families are all alike. ")
    model = CharRNN(cell=cell, epochs=20, optimizer="adam", learning_rate=0.005, random_state=0).fit(easy)
    model.save(tmp_path / "m")
    for each in (model, CharRNN.load(tmp_path / "m")):
        with pytest.warns(UserWarning, match="has grown"):
            each.partial_fit(hard, epochs=6)
        assert nats(each, learned(each).state.best, hard) <= nats(each, learned(each).state.weights, hard) + 1e-6
        assert "Happy" in "".join(each.sample(400, random_state=0))
        began = each.history_.updates == each.history_.epochs[-1] - 6 * (
            each.history_.epochs[-1] - each.history_.epochs[-2]
        )
        assert each.history_.smooth_loss[began] == each.history_.loss[began]  # of this text alone


@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_training_on_with_the_same_rule_goes_on_with_its_moments(text, rule):
    model = CharRNN(hidden_size=8, optimizer=rule, learning_rate=0.01, epochs=2, random_state=0).fit(text)
    n, before = model.n_updates_, learned(model).state
    weights = before.weights.copy()
    model.partial_fit(text)
    assert model.n_updates_ == n + -(-(len(text) - 1) // 25)
    architecture = learned(model).architecture
    descent = Descent(Optimizer.of(rule), 0.01, model.clip_value, None)
    twin = State.begin(architecture, weights, descent)
    twin.m[:] = before.m
    twin.v[:] = before.v
    for power, beta in (("power1", "beta1"), ("power2", "beta2")):
        twin.run[power] = descent.rule.numbers().get(beta, 0.0) ** n
    k = model.n_updates_ - n
    Trainer(architecture, twin, descent, model.vocabulary_.encode(text)).advance(np.empty(k), np.empty(k))
    assert_allclose(learned(model).state.weights, twin.weights, rtol=1e-4, atol=1e-6)


def gradients_of(model, text):
    """The gradients of each window, by name, at the best weights of a model of float64."""
    architecture = learned(model).architecture
    carried = None
    found = []
    ids = model.vocabulary_.encode(text)
    for start in range(0, len(ids) - 1, model.seq_length):
        window = ids[start : start + model.seq_length + 1]
        best = learned(model).state.best
        _, gradients, carried = loss_and_gradients(architecture, best, window[:-1], window[1:], carried)
        found.append({name: np.array(value) for name, value in gradients.items()})
    return found


@pytest.mark.parametrize("other", [False, True])
@pytest.mark.parametrize("rule", ["adagrad", "adam", "rmsprop", "momentum"])
def test_a_state_without_moments_gets_those_of_the_text(text, tmp_path, rule, other):
    # from a file, or after another rule: the first update is that of moments which the text's gradients would have left
    options = {"hidden_size": 8, "dtype": "float64", "clip_value": None, "seq_length": 10, "random_state": 0}
    first = "sgd" if other else rule
    model = CharRNN(**options, optimizer=first, learning_rate=0.005, epochs=4).fit(text)
    architecture, state = learned(model).architecture, learned(model).state
    state.weights[:] = state.best
    kept = {name: array.mean() for name, array in architecture.named(state.v).items()} if state.v.size else {}
    if not other:
        model.save(tmp_path / "m")
        model = CharRNN.load(tmp_path / "m")
    gradients, n = gradients_of(model, text), model.n_updates_
    start, squares = model.params_, None if other else kept
    model.set_params(optimizer=rule, learning_rate=1e-3, max_updates=1).partial_fit(text)
    for name, p in start.items():
        g = np.stack([each[name] for each in gradients])
        v = np.zeros_like(p)
        for each in g:
            v = {"adagrad": v + each**2, "rmsprop": 0.9 * v + 0.1 * each**2}.get(rule, 0.999 * v + 0.001 * each**2)
        mean, bias = v.mean(), 1 - 0.999 ** len(g) if rule == "adam" else 1
        if rule == "adagrad":
            times = max(1, n / len(g), 0 if squares is None else squares[name] / mean)
            v = np.maximum(v, mean) * times + g[0] ** 2
            step = g[0] / np.sqrt(v + 1e-8)
        elif rule == "momentum":
            step = g[0]
        else:
            if squares is not None:
                v = np.maximum(v, mean) * max(1, 2 * squares[name] * bias / mean)
            if rule == "rmsprop":
                step = g[0] / np.sqrt(0.9 * v + 0.1 * g[0] ** 2 + 1e-8)
            else:
                m = 0.1 * g[0]
                v = 0.999 * v + 0.001 * g[0] ** 2
                k = len(g) + 1
                step = m / (1 - 0.9**k) / (np.sqrt(v / (1 - 0.999**k)) + 1e-8)
        found = last(model)[name]
        assert_allclose(found, p - 1e-3 * step, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("memorised", [False, True])
@pytest.mark.parametrize("cell", ["rnn", "gru"])
@pytest.mark.parametrize("rule", ["adagrad", "adam", "rmsprop"])
def test_a_loaded_model_trains_on_as_gently_as_the_saved_one(text, tmp_path, cell, rule, memorised):
    text = "to be or not to be, that is the question: " * 100 if memorised else text * 10
    model = CharRNN(cell=cell, hidden_size=32, optimizer=rule, epochs=20, random_state=0).fit(text)
    model.save(tmp_path / "m")
    loaded = CharRNN.load(tmp_path / "m")
    largest = model.history_.loss[-1000:].max()
    loaded.partial_fit(text)
    assert loaded.history_.loss.max() < 1.5 * largest
    assert loaded.evaluate(text).nats <= model.evaluate(text).nats + 0.01


@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_a_loaded_model_trains_on_where_there_is_no_gradient(tmp_path, rule):
    CharRNN(hidden_size=8, optimizer=rule, random_state=0).fit("aaaaaaaaaa").save(tmp_path / "m")
    loaded = CharRNN.load(tmp_path / "m").partial_fit("aaaaaaaaaa")
    assert loaded.sample(3) == "aaa"
    assert np.isfinite(learned(loaded).state.weights).all()


@pytest.mark.parametrize("rule", ["adagrad", "adam", "sgd"])
def test_new_characters_join_with_moments_of_their_own(text, rule):
    model = CharRNN(hidden_size=8, optimizer=rule, learning_rate=0.01, epochs=3, random_state=0).fit(text)
    state = learned(model).state
    moments = [name for name in "mv" if getattr(state, name).size]
    before = {name: learned(model).architecture.named(getattr(state, name)) for name in moments}
    known = model.vocabulary_
    with pytest.warns(UserWarning, match="has grown by 1"):
        model.set_params(learning_rate=1e-30, max_updates=1).partial_fit(text[:300] + "#" + text[:30])
    old = [i for i, character in enumerate(model.vocabulary_) if character in known]
    new = list(model.vocabulary_).index("#")
    for flat, arrays in before.items():
        after = learned(model).architecture.named(getattr(learned(model).state, flat))
        if flat == "v":
            assert (after["U"][:, new] > 1e-12).all()  # though the one update has not read it
        for name, array in arrays.items():
            rows = {"U": after["U"][:, old], "V": after["V"][old], "c": after["c"][old]}.get(name, after[name])
            if rule == "adagrad":  # one update more
                assert (rows >= array).all()
                assert rows.sum() < array.sum() + 25**2 * array.size
            else:
                assert_allclose(rows, array, rtol=0.5, atol=5)


def test_a_loaded_model_trains_on_as_its_random_state_says(text, tmp_path):
    small(dropout=0.5, batch_size=3).fit(text).save(tmp_path / "m")
    models = [CharRNN.load(tmp_path / "m").set_params(random_state=seed).partial_fit(text) for seed in (0, 0, 1)]
    weights = [learned(model).state.weights.tobytes() for model in models]
    assert weights[0] == weights[1] != weights[2]


def test_one_stream_always_begins_at_the_start_of_the_text(text, tmp_path):
    small().fit(text).save(tmp_path / "m")
    batch = small(batch_size=5, epochs=2, max_updates=None).fit(text)
    for model in (CharRNN.load(tmp_path / "m"), batch.set_params(batch_size=1)):
        state = learned(model).state
        state.weights[:] = state.best
        first, _ = model.loss_and_gradients(text[:26])
        before = model.n_updates_
        model.partial_fit(text)
        assert_allclose(model.history_.loss[model.history_.updates == before], [first], rtol=1e-5)


def test_what_is_measured_first_keeps_to_the_limit_of_time(text):
    model = CharRNN("lstm", 300, seq_length=50, max_updates=2, random_state=0).fit(text * 200)
    model.set_params(optimizer="adam", max_updates=None, max_seconds=0.2)
    begin = time.perf_counter()
    model.partial_fit(text * 200, epochs=None)
    assert time.perf_counter() - begin < 1.5  # all that would be measured takes several seconds


def test_an_interrupt_of_what_is_measured_first_changes_nothing(text, monkeypatch):
    model = CharRNN(hidden_size=20, max_updates=20, random_state=0).fit(text * 20)
    state = learned(model).state.copy()
    calls = []

    def advance(self, *arguments):
        calls.append(len(arguments[0]))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return made(self, *arguments)

    made = Trainer.advance
    monkeypatch.setattr(Trainer, "advance", advance)
    with pytest.raises(KeyboardInterrupt):
        model.set_params(optimizer="adam").partial_fit(text * 20)
    assert calls[:2] == [1, 2]  # in parts, between which signals have their turn
    for name in ("weights", "best", "v"):
        assert (getattr(learned(model).state, name) == getattr(state, name)).all()


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        {"cell": "gru"},
        {"hidden_size": 13},
        {"num_layers": 2},
        {"embedding_size": 4},
        {"dtype": "float64"},
        {"dtype": "bfloat16"},
        {"seq_length": 24},
        {"dropout": 0.1},
        {"output_dropout": 0.0},
        {"zoneout": 0.1},
        {"cell_zoneout": 0.1},
        {"label_smoothing": 0.1},
    ],
)
def test_another_network_is_refused(text, tmp_path, change, loaded):
    """Training on with the old one would ignore what the user asks for."""
    model = small().fit(text)
    model.save(tmp_path / "m")
    model = CharRNN.load(tmp_path / "m") if loaded else model
    [(name, value)] = change.items()
    old, before = getattr(model, name), learned(model).state.weights.copy()
    model.set_params(**change)
    with pytest.raises(
        ValueError, match=rf"^{name} must stay {old!r} .*, got {value!r}; call set_params\({name}={old!r}"
    ):
        model.partial_fit(text)
    assert_array_equal(learned(model).state.weights, before)
    model.set_params(**{name: old}).partial_fit(text)
    assert not np.array_equal(learned(model).state.weights, before)
    assert getattr(learned(model.set_params(**change).fit(text)).architecture, name) == value


def test_what_was_chosen_trains_on(text):
    model = CharRNN.preset("auto", max_seconds=0.3, random_state=0, verbose=False).fit(text * 20)
    model.partial_fit(text)
    with pytest.raises(ValueError, match=r"^hidden_size must stay"):
        model.set_params(hidden_size=7).partial_fit(text)
