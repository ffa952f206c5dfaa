"""What is seen inside a network while it reads is what the NumPy twin has there."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference import predict

from pycharrnn import CharRNN, UnknownCharacterError
from pycharrnn.network import architecture as architectures
from pycharrnn.network import watching
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.scoring import streamed_losses
from pycharrnn.trained import learned


def twin(architecture, weights, ids):
    """The states after each symbol, (N, L, states, H), and what each predicts, (N, K)."""
    shape = architecture.carried(1)
    stay = np.zeros(shape)
    if architecture.zones:
        rates = (architecture.zoneout, architecture.cell_zoneout)[: len(architecture.row.states)]
        stay += np.array(rates)[None, :, None, None]
    named = architecture.named(weights)
    shares, _, _, steps = predict(named, ids[:, None], np.zeros(shape), architecture.end, architecture.cell, stay)
    return np.array([[after for _, _, after, _, _ in layers] for layers in steps])[:, :, :, 0], shares[:, 0]


def seen(architecture, weights, ids):
    """The same, of the kernels, and the nats."""
    states, shares, nats = [], [], []
    for steps in watching.watch(architecture, weights, ids):
        assert steps.start == len(states)
        states += np.moveaxis(np.array(steps.states), 2, 0).tolist()
        shares += steps.shares.tolist()
        nats += steps.nats.tolist()
    return np.array(states), np.array(shares), np.array(nats)


@pytest.mark.parametrize("most", [1, 7, 50])
@pytest.mark.parametrize(
    "more",
    [
        {"cell": "rnn"},
        {"cell": "lstm", "num_layers": 2, "documents": True},
        {"cell": "gru", "num_layers": 2, "embedding_size": 3},
        {"cell": "lstm", "zoneout": 0.2, "cell_zoneout": 0.3, "dropout": 0.5},
    ],
    ids=["rnn", "documents", "embedded", "zoneout"],
)
def test_states_and_predictions_are_those_of_the_twin(more, most, monkeypatch, rng):
    monkeypatch.setattr(watching, "affordable_steps", lambda *_: most)  # several windows, and a last one in part
    built = Architecture(n_symbols=6, hidden_size=5, seq_length=4, dtype="float64", **more)
    weights = 5 * built.initial(np.random.default_rng(1))
    ids = rng.integers(0, 6, 31).astype(np.int32)
    states, shares, nats = seen(built, weights, ids)
    expected, predicted = twin(built, weights, ids)
    assert_allclose(states, expected, rtol=1e-10, atol=1e-12)
    assert_allclose(shares, predicted, rtol=1e-10)
    assert_array_equal(nats[:-1], streamed_losses(built, weights, ids))
    assert np.isnan(nats[-1])


def test_a_text_is_read_in_windows_that_fit_the_memory(monkeypatch):
    built = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5)
    weights = built.initial(np.random.default_rng(0))
    monkeypatch.setattr(architectures.Architecture, "chunk_size", 10)
    lengths = [len(steps.nats) for steps in watching.watch(built, weights, np.zeros(24, np.int32))]
    assert lengths == [10, 10, 4]
    assert list(watching.watch(built, weights, np.zeros(0, np.int32))) == []
    with pytest.raises(ValueError, match="3"):
        next(watching.watch(built, weights, np.full(2, 3, np.int32)))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_activations_have_a_row_for_each_character(cell, text):
    model = CharRNN(
        cell=cell, hidden_size=7, num_layers=2, dtype="float64", max_updates=30, epochs=None, random_state=0
    ).fit(text)
    found = model.activations(text[:40])
    vocabulary, built, state, *_ = learned(model)
    states, _ = twin(built, state.best, vocabulary.encode(text[:40]))
    assert list(found) == list(built.row.states)
    for s, values in enumerate(found.values()):
        assert values.shape == (2, 40, 7)
        assert_allclose(values, np.moveaxis(states[:, :, s], 0, 1), rtol=1e-9, atol=1e-12)
    several = model.activations([text[:40], "to be"])
    assert_array_equal(several[0]["h"], found["h"])
    assert_array_equal(several[1]["h"], model.activations("to be")["h"])
    assert model.activations("")["h"].shape == (2, 0, 7)
    with pytest.raises(UnknownCharacterError, match=r"U\+00E9\) at position 4"):
        model.activations("to bé")
    with pytest.raises(TypeError, match="X must be a text or a sequence of texts, got int"):
        model.activations(3)
    model.set_params(on_unknown="skip")
    assert_array_equal(model.activations("tzo bQe")["h"], model.activations("to be")["h"])


@pytest.mark.parametrize("most", [1, 3, 50])
def test_a_document_is_read_after_the_end_of_another_one(most, monkeypatch):
    monkeypatch.setattr(watching, "affordable_steps", lambda *_: most)
    model = CharRNN(hidden_size=6, dtype="float64", max_updates=30, epochs=None, random_state=0).fit(["anna", "bo"] * 9)
    vocabulary, built, state, *_ = learned(model)
    states, _ = twin(built, state.best, vocabulary.encode(["bonna"]))
    assert_allclose(model.activations("bonna")["h"][0], states[1:-1, 0, 0], rtol=1e-10, atol=1e-12)
    assert model.activations("")["h"].shape == (1, 0, 6)


def test_what_does_not_fit_into_memory_is_refused_before_it_is_taken(monkeypatch, text):
    model = CharRNN(hidden_size=6, max_updates=30, random_state=0).fit(text)
    monkeypatch.setattr("pycharrnn.network.memory.free_memory", lambda: 1e8)
    with pytest.raises(MemoryError, match=r"the values of 6 units for 20,000,000 characters would take 0\.4 GiB"):
        model.activations("to" * 10_000_000)
