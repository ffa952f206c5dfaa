"""Training on with characters that a model does not know."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from small import last, small

from pycharrnn.network.cells import CELLS


@pytest.mark.parametrize("optimizer", ["adagrad", "adam", "sgd"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_vocabulary_grows(text, cell, optimizer):
    model = small(cell=cell, optimizer=optimizer, max_updates=60).fit(text)
    known, nats = model.vocabulary_, model.evaluate(text).nats
    before = {name: np.array(value) for name, value in last(model).items()}
    grown = model.set_params(max_updates=1, learning_rate=1e-12)
    with pytest.warns(UserWarning, match=r"has grown by 2, to \d+ characters: '#', '\\xc4'") as caught:
        grown.partial_fit("#Ä" + text[:60])
    assert caught[0].filename == __file__
    assert list(grown.vocabulary_) == sorted([*known, "#", "Ä"])
    old = grown.vocabulary_.encode("".join(known))
    for name, after in last(grown).items():
        found = after[:, old] if name == "U" else after[old] if name in ("V", "c") else after
        if optimizer == "sgd":
            assert_allclose(found, before[name], atol=1e-6)
    assert abs(grown.evaluate(text).nats - nats) < 0.2
    assert grown.sample(20, prompt="#Ä", random_state=0)
    assert grown.n_updates_ == 61


def test_the_vocabulary_of_documents_grows():
    model = small(max_updates=60).fit(["anna", "bob"] * 20)
    end = model.vocabulary_.end
    with pytest.warns(UserWarning, match="has grown by 2, to 6 characters: 'e', 'z'"):
        model.partial_fit(["zoe", "anna"] * 20)
    assert model.vocabulary_.end == end + 2
    assert len(model.sample(n_samples=3, random_state=0)) == 3


def test_the_vocabulary_does_not_grow_when_told_so(text):
    model = small(on_unknown="skip").fit(text)
    known = model.vocabulary_
    assert model.partial_fit("#Ä" + text[:60]).vocabulary_ == known
