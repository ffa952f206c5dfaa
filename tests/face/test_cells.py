"""Models of every cell, from a text to a file and back."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from small import last, small

from pycharrnn import CharRNN
from pycharrnn.network.cells import CELLS


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("num_layers", [1, 3])
def test_every_cell_learns_writes_and_is_kept(text, tmp_path, cell, num_layers):
    model = small(cell=cell, num_layers=num_layers, optimizer="adam", learning_rate=0.01, max_updates=300).fit(text)
    assert model.history_.loss[-20:].mean() < 0.95 * model.history_.loss[0]
    assert model.evaluate(text).nats < np.log(len(model.vocabulary_)) - 0.3
    model.save(tmp_path / "m")
    loaded = CharRNN.load(tmp_path / "m")
    assert loaded.sample(50, random_state=1) == model.sample(50, random_state=1)
    assert loaded.evaluate(text) == model.evaluate(text)
    assert {name.rstrip("23") for name in model.params_} == set("UWbVc") | (
        {"n"} if CELLS[cell].shared < CELLS[cell].gates else set()
    )
    assert model.check_gradients(text, (5,), batches=2).norm_error < 1e-7


@pytest.mark.parametrize("cell", CELLS)
def test_documents_with_every_cell(cell):
    names = ["anna", "bob", "carla", "dan", "eve"] * 8
    model = small(cell=cell, optimizer="adam", learning_rate=0.01, batch_size=3, max_updates=400, hidden_size=24).fit(
        names
    )
    assert sum(name in names for name in model.sample(n_samples=50, random_state=0)) > 40


def test_an_lstm_memorises_a_hundred_characters(text):
    # what tells its lines from each other lies further back than 25 characters
    model = small(cell="lstm", hidden_size=64, seq_length=50, optimizer="adam", max_updates=4000).fit(text[:100])
    assert model.sample(99, prompt=text[0], temperature=0) == text[1:100]


@pytest.mark.parametrize("cell", CELLS)
def test_characters_can_be_embedded(text, tmp_path, cell):
    model = small(cell=cell, embedding_size=6, num_layers=2, optimizer="adam", learning_rate=0.01, max_updates=300)
    model.fit(text)
    K = len(model.vocabulary_)
    assert model.evaluate(text).nats < np.log(K) - 0.3
    assert (model.params_["E"].shape, model.params_["U"].shape) == ((K, 6), (12 * CELLS[cell].gates, 6))
    model.save(tmp_path / "m")
    loaded = CharRNN.load(tmp_path / "m")
    assert loaded.get_params() == model.get_params() | {"n_threads": None, "verbose": None}
    assert loaded.sample(50, random_state=1) == model.sample(50, random_state=1)
    assert model.check_gradients(text, (5,), batches=2).norm_error < 1e-7
    before = last(model)["E"].copy()
    with pytest.warns(UserWarning, match="has grown by 1"):
        model.set_params(max_updates=1, learning_rate=1e-12).partial_fit("#" + text[:60])
    old = [i for i, character in enumerate(model.vocabulary_) if character != "#"]
    assert_allclose(last(model)["E"][old], before, atol=1e-9)
