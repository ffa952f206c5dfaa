"""What is remembered of a training."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from pycharrnn import CharRNN
from pycharrnn.training.history import History, Look


def test_history_forgets_evenly():
    history = History(limit=10)
    everything = np.arange(1000.0)
    start = 0
    for n in (1, 5, 30, 64, 200, 700):
        part = everything[start : start + n]
        history.extend(start, part, -part, start / 10, (start + n) / 10)
        start += n
    assert 5 <= len(history) <= 10
    assert_array_equal(history.updates, np.arange(0, 1000, history.stride))
    assert_array_equal(history.loss, history.updates)
    assert_array_equal(history.smooth_loss, -history.updates)
    assert_allclose(history.seconds, (history.updates + 1) / 10)


def test_history_of_a_run(text):
    model = CharRNN(hidden_size=8, epochs=2, random_state=0).fit(text)
    history = model.history_
    assert_array_equal(history.updates, np.arange(model.n_updates_))
    assert history.smooth_loss[-1] == model.smooth_loss_
    assert (np.diff(history.seconds) >= 0).all()
    assert repr(history).startswith(f"History({model.n_updates_} updates in ")


def test_the_ends_of_epochs(text):
    per_epoch = -(-(len(text) - 1) // 25)
    model = CharRNN(hidden_size=8, epochs=3, random_state=0).fit(text)
    history = model.history_
    assert history.epochs.dtype == np.int64
    assert_array_equal(history.epochs, per_epoch * np.arange(1, 4))
    model.partial_fit(text[:101])  # 4 updates
    model.set_params(max_updates=2).partial_fit(text)  # not a whole epoch
    model.set_params(max_updates=None).partial_fit(text[:26])
    history = model.history_
    assert_array_equal(history.epochs, [*per_epoch * np.arange(1, 4), 3 * per_epoch + 4, 3 * per_epoch + 4 + 2 + 1])
    assert history.epochs[-1] == model.n_updates_
    assert CharRNN(hidden_size=8, max_updates=5).fit(text).history_.epochs.shape == (0,)


@pytest.mark.parametrize("after", [0, 1, 3, 4])
def test_the_ends_of_epochs_after_an_interrupt(text, after):
    def interrupt(run):
        if run.n_updates == stop:
            raise KeyboardInterrupt

    interrupt.every, stop = 1, 5 + after
    model = CharRNN(hidden_size=8, random_state=0, epochs=9)
    with pytest.raises(KeyboardInterrupt):
        model.fit(text[:51], callbacks=[interrupt])  # 2 updates
    ends = [*range(2, stop + 1, 2)]
    assert model.n_updates_ == model.history_.n_updates == stop
    assert_array_equal(model.history_.epochs, ends)
    model.partial_fit(text[:51])
    assert_array_equal(model.history_.epochs, [*ends, stop := stop + 2])
    stop += after  # of the 4 updates of the next
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit((text[:51] * 2)[:101], callbacks=[interrupt])
    ends += [stop - after] + [stop] * (after == 4)
    assert_array_equal(model.history_.epochs, ends)


def test_the_books_of_a_history_are_settled_twice_without_harm():
    history, loss = History(seq_length=3), np.arange(6.0)
    for _ in range(2):
        history.extend(0, loss, loss, 0, 1)
        history.count_epochs(0, 4, 1)
    for _ in range(2):
        history.rewind(5)
        history.extend(0, loss[:5], loss[:5], 0, 1)
        history.count_epochs(5, 2, 0)
    assert_array_equal(history.updates, range(5))
    assert_array_equal(history.epochs, [4])
    assert history.seq_length == 3


def test_what_was_seen_before_the_first_update_that_is_undone_stays():
    history = History()
    history.extend(0, np.ones(9), np.ones(9), 0, 1)
    for n in (0, 4, 5, 6):
        history.remember(n, 1.0, "to be")
        history.validation.append(Look(n, 0.0, 1.0))
        history.training.append(Look(n, 0.0, 1.0))
    history.rewind(5)  # these five stay
    for kept in (history.texts, history.validation, history.training):
        assert [one.n_updates for one in kept] == [0, 4, 5]


def test_a_history_that_was_taken_stays_as_it_is(text):
    model = CharRNN(hidden_size=8, max_updates=30, random_state=0).fit(text)
    before, seen = model.history_, set()
    looks = len(before.training)

    def look(run):
        seen.add((before.n_updates, len(before.training), len(before.epochs)))

    model.partial_fit(text, callbacks=[look])
    assert seen == {(30, looks, 0)}
    assert model.history_.n_updates == model.n_updates_ == 60
    assert model.history_.training[:looks] == before.training


def test_the_looks_of_a_history_are_in_the_order_of_updates(text):
    model = CharRNN(hidden_size=8, epochs=3, random_state=0).fit(text).partial_fit(text).partial_fit(text)
    n = model.n_updates_ // 5
    assert [look.n_updates for look in model.history_.training] == [0, 3 * n, 3 * n, 4 * n, 4 * n, 5 * n]
