"""What is evaluated is the whole model, on a text as a whole or in cold windows."""

import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small import learned, small


def test_dropout_is_not_for_evaluation_and_sampling(text):
    model = small(dropout=0.5, label_smoothing=0.5, num_layers=2).fit(text)
    assert model.evaluate(text) == model.evaluate(text)
    weights = {name: value.copy() for name, value in model.params_.items()}
    same = small(num_layers=2, max_updates=1).fit(text)
    learned(same).state.best[:] = learned(same).architecture.flatten(weights)
    assert same.evaluate(text) == model.evaluate(text)


def test_gradients_are_those_of_the_whole_model(text):
    # of one that is not trained yet, too
    dropped, whole = small(dropout=0.5, label_smoothing=0.5, init_scale=0.3), small(init_scale=0.3)
    (loss, grads), (expected, exact) = (model.loss_and_gradients(text[:40]) for model in (dropped, whole))
    assert loss == expected
    for name, gradient in exact.items():
        assert_array_equal(grads[name], gradient)


@pytest.mark.parametrize("window", [1, 7, 30])
def test_cold_windows_start_from_zero(text, window):
    model = small(cell="gru", batch_size=2).fit(text)
    some = text[:200]
    pieces = [some[at : at + window + 1] for at in range(0, 199, window)]
    losses = [model.evaluate(piece) for piece in pieces]
    expected = sum(found.nats * found.n_characters for found in losses) / 199
    assert_allclose(model.evaluate(some, window=window).nats, expected, rtol=1e-6)
    assert model.evaluate(some, window).nats != model.evaluate(some).nats
    assert_allclose(model.evaluate(some, 1000).nats, model.evaluate(some).nats, rtol=1e-6)
    with pytest.raises(ValueError, match=r"^window must be"):
        model.evaluate(some, window=0)
