"""The training loop: budgets, callbacks, whole updates."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small import learned

from pycharrnn import CharRNN, SampleText


@pytest.mark.parametrize("n", [2, 3, 6, 7, 8, 14, 15, 16, 21, 22])
def test_texts_around_a_multiple_of_seq_length(n):
    # 7 characters to a window: n - 1 predictions, the last window as short as what is left
    model = CharRNN(hidden_size=5, seq_length=7, epochs=3, random_state=0).fit("abcdefghijklmnopqrstuvwxyz"[:n])
    assert model.n_updates_ == 3 * -(-(n - 1) // 7)
    assert np.isfinite(model.smooth_loss_)
    assert len(model.sample(30)) == 30


def test_every_character_weighs_alike_in_the_smooth_loss():
    model = CharRNN(hidden_size=5, seq_length=4, epochs=6, dtype="float64", random_state=0).fit("abacabad")
    smooth = model.history_.loss[0]
    for i, loss in enumerate(model.history_.loss):
        share = 1 if i % 2 == 0 else 3 / 4  # windows of 4 and 3
        smooth = smooth if i == 0 else (1 - 0.001 * share) * smooth + 0.001 * share * loss
        assert_allclose(model.history_.smooth_loss[i], smooth, rtol=1e-12)


def test_a_text_of_one_symbol():
    model = CharRNN(hidden_size=5, epochs=2).fit("aaaaaaaaaa")
    assert model.sample(5) == "aaaaa"
    assert model.smooth_loss_ == 0
    assert model.evaluate("aaa").perplexity == 1


def test_a_hundred_characters_are_memorised():
    text = "Call me Ishmael. Some years ago, never mind how long precisely, having little or no money in my purse,"[
        :100
    ]
    model = CharRNN(epochs=1500, random_state=0).fit(text)
    assert model.sample(99, prompt=text[0], temperature=0) == text[1:]
    assert model.history_.loss[-1] < 1


def test_budgets(text):
    per_epoch = -(-(len(text) - 1) // 25)
    small = {"hidden_size": 8, "random_state": 0}
    assert CharRNN(**small, epochs=3).fit(text).n_updates_ == 3 * per_epoch
    assert CharRNN(**small, epochs=3, max_updates=10).fit(text).n_updates_ == 10
    assert CharRNN(**small, epochs=1, max_updates=10**9).fit(text).n_updates_ == per_epoch
    began = time.perf_counter()
    model = CharRNN(**small, epochs=None, max_seconds=0.3).fit(text)
    assert 0.28 <= time.perf_counter() - began < 10
    assert model.n_updates_ > per_epoch


def test_slices_do_not_change_the_training(text):
    plain = CharRNN(hidden_size=8, epochs=20, random_state=0).fit(text)
    seen = []

    def watch(run):
        seen.append(run.n_updates)

    watch.every = 7
    watched = CharRNN(hidden_size=8, epochs=20, random_state=0)
    watched.fit(text, callbacks=[watch, SampleText(11, 20, file=None)])
    assert_array_equal(learned(plain).state.weights, learned(watched).state.weights)
    assert seen == list(range(0, plain.n_updates_ + 1, 7))
    assert [t.n_updates for t in watched.history_.texts] == list(range(0, plain.n_updates_ + 1, 11))
    assert all(len(t.text) == 20 for t in watched.history_.texts)
    again = CharRNN(hidden_size=8, epochs=20, random_state=0).fit(text, callbacks=[SampleText(11, 20, file=None)])
    assert [t.text for t in again.history_.texts] == [t.text for t in watched.history_.texts]


def test_a_callback_ends_the_training(text):
    def enough(run):
        return run.n_updates >= 30

    enough.every = 10
    assert CharRNN(hidden_size=8, epochs=100).fit(text, callbacks=[enough]).n_updates_ == 30


@pytest.mark.parametrize("validation", [0.0, 0.2])
def test_a_callback_ends_the_training_before_the_first_update(text, validation):
    def enough(run):
        return True

    enough.every = 10
    model = CharRNN(hidden_size=8, validation_fraction=validation).fit(text, callbacks=[enough])
    assert model.n_updates_ == 0
    assert len(model.sample(5)) == 5


def test_a_slow_callback_before_the_first_update_is_no_time_of_updates(text):
    def slow(run):
        time.sleep(0.3 if run.n_updates == 0 else 0)

    slow.every = 10
    for validation in (0.0, 0.2):
        model = CharRNN(hidden_size=8, epochs=None, max_seconds=1.0, validation_fraction=validation)
        assert model.fit(text, callbacks=[slow]).history_.seconds[-1] > 0.8


def test_an_error_in_a_callback_comes_through_and_the_model_is_usable(text):
    def fail(run):
        raise KeyError("mine")

    fail.every = 20
    model = CharRNN(hidden_size=8, epochs=5)
    with pytest.raises(KeyError, match="mine"):
        model.fit(text, callbacks=[lambda run: None, fail])
    assert model.n_updates_ == 0
    assert len(model.sample(10)) == 10


@pytest.mark.parametrize("after", [0.05, 0.21, 0.37])
def test_ctrl_c_leaves_a_whole_update(text, after):
    model = CharRNN(hidden_size=50, epochs=None, max_updates=10**9, random_state=0, verbose=False)
    began = []

    def note(run):
        began.append(time.perf_counter())
        threading.Timer(after, os.kill, (os.getpid(), signal.SIGINT)).start()

    note.every = 10**12
    with pytest.raises(KeyboardInterrupt):
        model.fit(text, callbacks=[note])
    assert time.perf_counter() - began[0] < after + 5  # and not never
    again = CharRNN(hidden_size=50, epochs=None, max_updates=model.n_updates_, random_state=0, verbose=False)
    again.fit(text)
    assert_array_equal(learned(model).state.weights, learned(again).state.weights)
    assert_array_equal(learned(model).state.run, learned(again).state.run)
    assert_array_equal(model.history_.loss, again.history_.loss)
    assert len(model.sample(10)) == 10
