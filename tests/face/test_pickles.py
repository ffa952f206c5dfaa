"""Pickles of models: of this version and whole, or an error."""

import copy
import pickle

import numpy as np
import pytest

from pycharrnn import CharRNN

TEXT = "hello world, hello moon. " * 10


@pytest.fixture
def model():
    return CharRNN(hidden_size=8, batch_size=2, optimizer="adam", ema_decay=0.9, max_updates=5, random_state=0).fit(
        TEXT
    )


def test_a_pickle_goes_on_where_the_model_was(model):
    again = pickle.loads(pickle.dumps(model))
    assert again.get_params() == model.get_params()
    assert again.partial_fit(TEXT).history_.loss.tolist() == model.partial_fit(TEXT).history_.loss.tolist()
    assert "pickled" not in vars(again)


@pytest.mark.parametrize("version", [None, 0, 99, "1"])
def test_a_pickle_of_another_version_is_refused(model, version):
    state = model.__getstate__()
    state["pickled"] = version
    if version is None:
        del state["pickled"]
    old = CharRNN.__new__(CharRNN)
    with pytest.raises(ValueError, match=r"pickled by another version of pycharrnn .*train it anew, or write it to"):
        old.__setstate__(state)
    assert vars(old) == {}


@pytest.mark.parametrize("name", ["weights", "best", "m", "v", "average", "carried", "run"])
def test_a_pickle_with_short_arrays_is_refused(model, name):
    state = model.__getstate__()["_learned"].state
    setattr(state, name, getattr(state, name).ravel()[:-1])
    for copied in (lambda: pickle.loads(pickle.dumps(model)), lambda: copy.deepcopy(model)):
        with pytest.raises(ValueError, match=f"^{name} must have the shape"):
            copied()


def test_a_pickle_of_another_network_is_refused(model):
    state = model.__getstate__()
    found = state["_learned"]
    state["_learned"] = found._replace(architecture=found.architecture.replace(hidden_size=80))
    with pytest.raises(ValueError, match=r"^weights must have the shape"):
        CharRNN().__setstate__(state)


def test_a_pickle_has_no_places_of_arrays(model):
    """A later version may lay them out in another way."""
    architecture = model.__getstate__()["_learned"].architecture
    assert "layout" in vars(architecture)
    again = pickle.loads(pickle.dumps(architecture))
    assert "layout" not in vars(again)
    assert again == architecture
    assert np.array_equal(pickle.loads(pickle.dumps(model)).params_["W"], model.params_["W"])
