"""What happens when a loss or a weight is not finite."""

import contextlib

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from small import learned, small

from pycharrnn import CharRNN, SampleText, TrainingDivergedError, Vocabulary
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.state import State
from pycharrnn.training.descent import Descent
from pycharrnn.training.optimizers import Adam, Momentum
from pycharrnn.training.rollback import Rollback
from pycharrnn.training.trainer import Trainer


@pytest.mark.parametrize("rate", [1e3, 1e30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_divergence_keeps_the_last_finite_weights(text, rate, dtype, optimizer):
    model = CharRNN(
        hidden_size=8, epochs=300, optimizer=optimizer, learning_rate=rate, clip_value=None, dtype=dtype, random_state=0
    )
    with contextlib.suppress(TrainingDivergedError):  # some of these saturate instead
        model.fit(text)
    assert np.isfinite(learned(model).state.weights).all()
    assert all(np.isfinite(value).all() for value in model.params_.values())
    assert np.isfinite(model.smooth_loss_)
    assert len(model.sample(20)) == 20


def test_divergence_is_raised_and_the_update_is_exact(text):
    # weights that grow until they overflow: the twin without the slices tells at which update
    settings = {"hidden_size": 8, "optimizer": "momentum", "init_scale": 1.0, "random_state": 0}
    settings |= {"learning_rate": 1e36, "clip_value": None}
    with pytest.raises(TrainingDivergedError, match="Lower learning_rate, or set clip_value or clip_norm") as caught:
        (model := CharRNN(**settings, epochs=300)).fit(text)
    n = caught.value.n_updates
    assert n == model.n_updates_
    assert f"after update {n}." in str(caught.value)
    assert n > 1
    architecture = Architecture("rnn", len(set(text)), 8, 25, "float32")
    update = Descent(Momentum(), 1e36, None, None)
    state = State.begin(architecture, architecture.initial(np.random.default_rng(0), 1.0), update)
    trainer = Trainer(architecture, state, update, Vocabulary.from_text(text).encode(text))
    trainer.advance(np.empty(n + 5), np.empty(n + 5))
    assert state.n_updates == n + 1 or not np.isfinite(state.weights).all()


def test_the_history_of_what_diverged_tells_of_the_updates_that_were_kept(text):
    settings = {"hidden_size": 8, "optimizer": "momentum", "init_scale": 1.0, "random_state": 0}
    model = CharRNN(**settings, learning_rate=1e36, clip_value=None, epochs=300)
    with pytest.raises(TrainingDivergedError):
        model.fit(text[:26], callbacks=[SampleText(1, 3, file=None)])  # every update an epoch
    n = model.n_updates_
    assert n > 1
    for count in (n, n + 1):
        history = model.history_
        assert history.n_updates == count
        assert_array_equal(history.updates, range(count))
        assert_array_equal(history.epochs, range(1, count + 1))
        assert np.isfinite(history.loss).all()
        with contextlib.suppress(TrainingDivergedError):  # it goes on from weights that know less than nothing
            model.set_params(learning_rate=1e-9).partial_fit(text[:26])
    assert [sample.n_updates for sample in history.texts] == list(range(n + 1))


def test_weights_that_start_beyond_all_bounds():
    model = CharRNN(hidden_size=4, init_scale=1e38, epochs=1, random_state=0)
    with contextlib.suppress(TrainingDivergedError):
        model.fit("abcabcabc")
    assert len(model.sample(5)) == 5


def test_after_a_divergence_training_goes_on_more_slowly(text):
    model = small(init_scale=1e38, random_state=1)
    with pytest.raises(TrainingDivergedError) as caught:
        model.fit(text)  # however often the rate is cut
    cuts = model.history_.divergences
    assert [cut.factor for cut in cuts] == pytest.approx([0.3, 0.09, 0.027, 0.0081, 0.00243])
    assert {cut.n_updates for cut in cuts} == {caught.value.n_updates} == {model.n_updates_}

    fast = small(optimizer="sgd", learning_rate=1e36, clip_value=5.0, init_scale=0.1, max_updates=60)
    with pytest.raises(TrainingDivergedError, match="far worse than guessing"):
        fast.fit(text)  # overflows now and then, until the rate has been cut a few times
    assert 1 <= len(fast.history_.divergences) <= 5
    assert fast.n_updates_ == 60
    assert np.isfinite(learned(fast).state.weights).all()
    assert len(fast.history_) == 60


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize("put_back", [Rollback.recover, Rollback.leave_finite])
def test_squares_that_overflow_one_update_before_the_weights_do_are_put_back(text, put_back):
    # So the state of the update before the bad one is not finite either.
    architecture = Architecture("rnn", len(set(text)), 8, 25, "float32")
    weights = architecture.initial(np.random.default_rng(0), 0.1)
    architecture.named(weights)["V"][...] *= 1e22
    adam = Descent(Adam(), 0.001, None, None)
    state = State.begin(architecture, weights, adam)
    trainer = Trainer(architecture, state, adam, Vocabulary.from_text(text).encode(text))
    twin = Trainer(architecture, state.copy(), adam, trainer.ids)
    twin.advance(np.empty(1), np.empty(1))
    assert np.isfinite(twin.state.weights).all()
    assert not np.isfinite(twin.state.v).all()

    good = state.copy()
    rollback = Rollback(trainer)
    rollback.mark(0.0)
    rollback.note(np.ones(2))
    trainer.advance(np.empty(2), np.empty(2))
    assert not np.isfinite(state.weights).all()
    put_back(rollback)
    assert state.n_updates == 0
    for name in ("weights", "m", "v", "carried", "run"):
        assert_array_equal(getattr(state, name), getattr(good, name))
