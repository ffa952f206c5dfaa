"""What a callback sees of a run, and what it can do with it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small import last

from pycharrnn import CharRNN
from pycharrnn.errors import NotFittedError


def test_what_a_callback_sees(text):
    runs = []

    def look(run):
        runs.append((run.n_updates, run.epoch, run.loss, run.smooth_loss, run.characters, run.total, run.seconds))

    look.every = 5
    model = CharRNN(hidden_size=8, epochs=2, random_state=0).fit(text, callbacks=[look])
    n, epoch, loss, smooth, characters, total, seconds = runs[-1]
    assert (n, total) == (model.n_updates_ // 5 * 5, model.n_updates_)
    assert epoch == n // (total // 2)
    assert loss == model.history_.loss[n - 1]
    assert smooth == model.history_.smooth_loss[n - 1]
    assert characters == epoch * (len(text) - 1) + (n - epoch * (total // 2)) * 25
    assert 0 < seconds < 60


@pytest.mark.parametrize("batch_size", [1, 4])  # as many windows in each update
def test_the_recent_loss_is_right_after_a_few_updates(text, batch_size):
    runs = []

    def look(run):
        runs.append((run.n_updates, run.nats, run.share, run.seconds_left))

    look.every = 1
    model = CharRNN(hidden_size=8, max_updates=30, batch_size=batch_size, random_state=0).fit(text, callbacks=[look])
    losses, weights = model.history_.loss[:30] / 25, 0.999 ** (batch_size * np.arange(29, -1, -1))
    assert np.isnan(runs[0][1])
    assert runs[0][3] is None
    assert_allclose(runs[-1][1], (weights * losses).sum() / weights.sum(), rtol=1e-9)
    assert [share for _, _, share, _ in runs] == pytest.approx([n / 30 for n in range(31)])
    assert runs[-1][3] == 0


def test_a_run_saves_the_model_that_is_being_trained(text, tmp_path):
    model, path = CharRNN(hidden_size=8, epochs=5, random_state=0), tmp_path / "m"

    def save(run):
        with pytest.raises(NotFittedError, match=r"run\.save"):
            model.save(path)
        run.save(path)

    save.every = 20
    for _ in range(2):  # in a second fit the model of the first is still there
        model.fit(text, callbacks=[save])
        n = model.n_updates_ // 20 * 20
        saved, again = CharRNN.load(path), CharRNN(hidden_size=8, max_updates=n, epochs=5, random_state=0).fit(text)
        assert saved.best_.n_updates == n
        for name, array in saved.params_.items():
            assert_array_equal(array, last(again)[name])
        path.unlink()
