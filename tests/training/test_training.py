"""Budgets, callbacks, history, interrupts and divergence; the update loop against its ordered twin."""

import contextlib
import copy
import os
import signal
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference import OrderedRNN

from pycharrnn import CharRNN, SampleText, TrainingDivergedError, Vocabulary, _kernels
from pycharrnn.errors import NotFittedError
from pycharrnn.network.network import Network
from pycharrnn.parameters import descent
from pycharrnn.training import judge
from pycharrnn.training.history import History
from pycharrnn.training.optimizers import OPTIMIZERS, AdaGrad, Descent, Momentum
from pycharrnn.training.schedules import Step
from pycharrnn.training.trainer import Trainer


def test_the_very_bits_of_the_ordered_twin(text):
    # over epochs, so that short windows, resets and thousands of roundings are in it
    before = _kernels.simd_selected()
    if "baseline" in _kernels.simd_names():
        _kernels.simd_select("baseline")
        try:
            model = CharRNN(hidden_size=13, seq_length=7, dtype="float64", random_state=2, epochs=2).fit(text)
        finally:
            _kernels.simd_select(before)
        ids = model.vocabulary_.encode(text)
        network = model._net
        twin = OrderedRNN(network.named(network.initial(np.random.default_rng(2), 0.01)))
        losses = []
        for _ in range(2):
            twin.h = np.zeros(13)
            for start in range(0, len(ids) - 1, 7):
                x, y = ids[start : start + 7], ids[start + 1 : start + 8]
                losses.append(twin.update(x[: len(y)], y) * 7 / len(y))
        assert len(losses) == model.n_updates_
        for name, found in network.named(model._state.params).items():
            assert_array_equal(found, twin.p[name])
        assert_allclose(model.history_.loss, losses, rtol=1e-13)


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


# --- budgets and callbacks --------------------------------------------------------------------------------------


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


def test_a_limit_of_time_includes_the_looks(text, monkeypatch):
    read = judge.excerpt_losses

    def slow(*arguments, **options):
        time.sleep(0.5)
        return read(*arguments, **options)

    monkeypatch.setattr(judge, "excerpt_losses", slow)
    for times, options in ((200, {}), (20, {"validation": text[:300]})):
        model = CharRNN(hidden_size=100, epochs=None, max_seconds=2.5).fit(text * times, **options)
        assert 0.5 < model.history_.seconds[-1] < 2.3  # the last look has its time
        assert len(model.history_.validation or model.history_.training) >= 2


def test_of_a_long_unseen_text_as_much_is_read_as_the_time_allows(text):
    unseen = text * 3000  # reading all of it would take many times as long
    began = time.perf_counter()
    model = CharRNN(hidden_size=150, epochs=None, max_seconds=1.0).fit(text * 20, validation=unseen)
    assert time.perf_counter() - began < 15
    assert model.history_.validation
    assert abs(model.best_.validation_loss - model.evaluate(text).nats) < 0.2


def test_slices_do_not_change_the_training(text):
    plain = CharRNN(hidden_size=8, epochs=20, random_state=0).fit(text)
    seen = []

    def watch(run):
        seen.append(run.n_updates)

    watch.every = 7
    watched = CharRNN(hidden_size=8, epochs=20, random_state=0)
    watched.fit(text, callbacks=[watch, SampleText(11, 20, file=None)])
    assert_array_equal(plain._state.params, watched._state.params)
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


def test_an_error_in_a_callback_comes_through_and_the_model_is_usable(text):
    def fail(run):
        raise KeyError("mine")

    fail.every = 20
    model = CharRNN(hidden_size=8, epochs=5)
    with pytest.raises(KeyError, match="mine"):
        model.fit(text, callbacks=[lambda run: None, fail])
    assert model.n_updates_ == 0
    assert len(model.sample(10)) == 10


def test_sample_text_prints(text, capsys):
    CharRNN(hidden_size=8, max_updates=20, random_state=0).fit(text, callbacks=[SampleText(10, 15)])
    out = capsys.readouterr().out
    assert out.startswith("--- update 0\n")
    assert "--- update 10, smooth loss " in out
    assert "--- update 20, smooth loss " in out


@pytest.mark.parametrize("every", [0, -1, 1.5, True, "10"])
def test_sample_text_refuses_a_bad_period(every):
    with pytest.raises(ValueError, match="every must be a positive number of updates"):
        SampleText(every)


# --- history ----------------------------------------------------------------------------------------------------


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


# --- the best model ---------------------------------------------------------------------------------------------


def nats(model, weights, text):
    return model._net.losses(weights, model._encode(text)).mean()


CORPORA = {
    "30 characters": "the quick brown fox jumps over"[:30],
    "two symbols": "ab" * 200,
    "names": [f"{a}{b}{c}" for a in ("an", "bo", "car", "de") for b in "aeiou" for c in ("na", "t")],
    "poems": ["the sea\nthe sea\n" + line for line in ("grey and cold", "blue and warm", "far away")] * 5,
    "easy, then hard": "a" * 3000 + "the quick brown fox jumps over the lazy dog. " * 60,
    "hard, then easy": "".join(map(chr, range(33, 127))) * 30 + "la " * 800,
    "counting": " ".join(map(str, range(700))),
    "chinese": "".join(chr(0x4E00 + i * i % 301) for i in range(2000)),
    "long lines": ("x" * 70 + "\n") * 40,
    "code": "for i in range(10):\n    print(i)\n" * 60,
}


@pytest.mark.parametrize("settings", [
    {"optimizer": "adagrad"},
    {"optimizer": "adam", "cell": "gru", "learning_rate": 0.01},
    {"optimizer": "momentum", "cell": "lstm", "batch_size": 3, "seq_length": 8, "learning_rate": 0.01},
])  # fmt: skip
@pytest.mark.parametrize("corpus", CORPORA)
def test_the_weights_that_are_kept_are_no_worse_than_the_last(corpus, settings):
    text = CORPORA[corpus]
    for n in (1, 5, 20, 44, 100, 300):
        model = CharRNN(hidden_size=24, epochs=None, max_updates=n, random_state=0, **settings).fit(text)
        kept, last = (nats(model, weights, text) for weights in (model._state.best, model._state.params))
        assert kept <= last + 1e-6
        assert abs(model.best_.training_loss - kept) < 0.01


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
        assert nats(each, each._state.best, hard) <= nats(each, each._state.params, hard) + 1e-6
        assert "Happy" in "".join(each.sample(400, random_state=0))
        began = each.history_.updates == each.history_.epochs[-1] - 6 * (
            each.history_.epochs[-1] - each.history_.epochs[-2]
        )
        assert each.history_.smooth_loss[began] == each.history_.loss[began]  # of this text alone


def test_what_is_kept_is_chosen_by_parts_of_a_long_text():
    text = "".join(chr(97 + i * i % 23) + " " * (i % 3) for i in range(90_000))
    model = CharRNN(hidden_size=16, epochs=20, random_state=0).fit(text)
    start, *looks = model.history_.training
    every = looks[0].n_updates
    assert start.n_updates == 0
    assert abs(start.nats - np.log(len(model.vocabulary_))) < 0.01
    assert every == -(-32 * 16_384 // 25)
    assert [look.n_updates for look in looks] == [*range(every, model.n_updates_, every), model.n_updates_]
    assert model.best_.training_loss == min(look.nats for look in looks)
    assert abs(model.best_.training_loss - model.evaluate(text).nats) < 0.02
    assert model.best_.n_updates in [look.n_updates for look in looks]


def test_new_weights_are_not_kept_by_parts_of_a_long_text():
    # readers that begin amid a text that is memorised from its start may not find their way
    text = "the cat sat on the mat.\n" * 1611
    model = CharRNN(hidden_size=150, epochs=None, max_updates=981, random_state=62).fit(text)
    assert nats(model, model._state.params, text) < 0.5
    assert model.best_.n_updates == 981
    assert [look.n_updates for look in model.history_.training] == [0, 981]


def test_a_short_training_is_not_mostly_looks(text, monkeypatch):
    read, sizes = judge.excerpt_losses, []

    def count(*arguments, **options):
        losses = read(*arguments, **options)
        sizes.append(len(losses))
        return losses

    monkeypatch.setattr(judge, "excerpt_losses", count)
    for options, most in (
        ({"max_updates": 3}, 8_192),
        ({"max_updates": 400}, 10_000),
        ({"max_seconds": 0.01}, 2_048),
        ({"max_updates": 1500, "batch_size": 2}, 16_384),
    ):
        sizes.clear()
        CharRNN(hidden_size=8, epochs=None, random_state=0, **options).fit(text * 50)
        assert most * 0.7 < sizes[0] <= most
        assert len(set(sizes)) == 1


@pytest.mark.parametrize(("times", "settings"), [
    (150, {"random_state": 1}),
    (1350, {"random_state": 74, "hidden_size": 150, "optimizer": "adam"}),
    (621, {"random_state": 98, "max_updates": 431}),
])  # fmt: skip
def test_what_is_known_by_heart_from_its_start_is_kept(times, settings):
    corpus = "to be or not to be, " * times
    model = CharRNN(**{"epochs": None, "max_updates": 1307} | settings).fit(corpus)
    assert model.best_.n_updates > 400
    assert model.evaluate(corpus).nats == pytest.approx(model.best_.training_loss, abs=1e-6)
    assert model.best_.training_loss < 0.05


def test_weights_that_unlearn_are_not_kept(text):
    class Late(Step):  # a rate that is far too large in the end
        def factors(self, progress, validation):
            return np.where(progress < 0.9, 1.0, 3000.0)

    options = {"hidden_size": 16, "epochs": None, "max_updates": 8000, "random_state": 0, "schedule": Late()}
    model = CharRNN(**options).fit(text)
    looks = model.history_.training
    assert looks[-1].nats > min(look.nats for look in looks) + 0.5
    assert nats(model, model._state.best, text) < nats(model, model._state.params, text) - 0.5
    again = CharRNN(**options | {"max_updates": model.best_.n_updates, "schedule": None}).fit(text)
    assert_array_equal(again._state.params, model._state.best)


@pytest.mark.parametrize("validation", [False, True])
def test_an_interrupt_keeps_what_has_been_learned(text, validation):
    def interrupt(run):
        if run.n_updates >= 600:
            raise KeyboardInterrupt

    model = CharRNN(hidden_size=24, epochs=100_000, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(text * 40, validation=text if validation else None, callbacks=[interrupt])
    assert model.n_updates_ >= 600
    assert model.best_.n_updates == model.n_updates_
    assert model.evaluate(text).nats < 2.9
    assert (model.best_.validation_loss is not None) == validation


def test_the_recent_loss_is_right_after_a_few_updates(text):
    runs = []

    def look(run):
        runs.append((run.n_updates, run.nats, run.share, run.seconds_left))

    look.every = 1
    model = CharRNN(hidden_size=8, max_updates=30, random_state=0).fit(text, callbacks=[look])
    losses, weights = model.history_.loss[:30] / 25, 0.999 ** np.arange(29, -1, -1)
    assert np.isnan(runs[0][1])
    assert runs[0][3] is None
    assert_allclose(runs[-1][1], (weights * losses).sum() / weights.sum(), rtol=1e-9)
    assert [share for _, _, share, _ in runs] == pytest.approx([n / 30 for n in range(31)])
    assert runs[-1][3] == 0


# --- one training at a time -------------------------------------------------------------------------------------


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
            assert_array_equal(array, again._net.named(again._state.params)[name])
        path.unlink()


def test_one_training_at_a_time(text):
    model = CharRNN(hidden_size=8, epochs=None, max_seconds=30.0)
    errors, begun, end = [], threading.Event(), threading.Event()

    def wait(run):
        begun.set()
        return end.is_set()

    thread = threading.Thread(target=model.fit, args=(text,), kwargs={"callbacks": [wait]})
    thread.start()
    assert begun.wait(20)
    for train in (model.fit, model.partial_fit):
        with pytest.raises(RuntimeError, match="is being trained already"):
            train(text)
    with pytest.raises(NotFittedError):
        model.sample(5)
    copied = copy.deepcopy(model)
    end.set()
    thread.join()
    assert errors == []
    assert len(model.sample(5)) == 5
    assert copied.fit(text[:100], callbacks=[lambda run: True]).n_updates_ > 0  # the copy was not in training
    model.fit(text, callbacks=[wait])
    assert model.n_updates_ > 0


def test_a_callback_does_not_train_its_own_model(text):
    model = CharRNN(hidden_size=8, max_updates=10)
    with pytest.raises(RuntimeError, match="is being trained already"):
        model.fit(text, callbacks=[lambda run: model.partial_fit(text)])
    assert model.fit(text).n_updates_ == 10


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


def test_readers_see_whole_models_while_the_vocabulary_grows(text):
    model = CharRNN(hidden_size=8, max_updates=30, random_state=0).fit("abcabc" * 30)
    failures, done = [], threading.Event()

    def read():
        while not done.is_set():
            try:
                written = model.sample(30)
                if set(written) - set(model.vocabulary_):
                    failures.append(written)
                model.evaluate("abcabc")
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for i in range(40):
                model.partial_fit("abc" * 10 + chr(0x4E00 + i) * 5)
    finally:
        done.set()
        sys.setswitchinterval(before)
        for thread in threads:
            thread.join()
    assert failures == []
    assert len(model.vocabulary_) == 43


# --- interrupts -------------------------------------------------------------------------------------------------


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
    assert_array_equal(model._state.params, again._state.params)
    assert_array_equal(model._state.counts, again._state.counts)
    assert_array_equal(model.history_.loss, again.history_.loss)
    assert len(model.sample(10)) == 10


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_a_long_validation(text, threads):
    began = []

    def soon(run):
        if not began:
            began.append(time.perf_counter())
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()

    settings = {"hidden_size": 256, "max_updates": 1, "batch_size": 4, "n_threads": threads, "verbose": False}
    model = CharRNN(**settings, cell="lstm")
    with pytest.raises(KeyboardInterrupt):
        model.fit(text * 4, validation=text * 2000, callbacks=[soon])  # 2.4 million characters to read
    assert time.perf_counter() - began[0] < 10
    assert model.n_updates_ == 1
    assert len(model.sample(10)) == 10


# --- divergence -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1e3, 1e30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_divergence_keeps_the_last_finite_weights(text, rate, dtype, optimizer):
    model = CharRNN(
        hidden_size=8, epochs=300, optimizer=optimizer, learning_rate=rate, clip_value=None, dtype=dtype, random_state=0
    )
    with contextlib.suppress(TrainingDivergedError):  # some of these saturate instead
        model.fit(text)
    assert np.isfinite(model._state.params).all()
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
    network = Network("rnn", len(set(text)), 8, 25, "float32")
    update = Descent(Momentum(), 1e36, None, None)
    state = network.state(network.initial(np.random.default_rng(0), 1.0), update)
    trainer = Trainer(network, state, update, Vocabulary.from_text(text).encode(text))
    trainer.advance(np.empty(n + 5), np.empty(n + 5))
    assert state.n_updates == n + 1 or not np.isfinite(state.params).all()


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


@pytest.mark.parametrize("options", [
    {"optimizer": "sgd", "learning_rate": 1e9},
    {"optimizer": "momentum", "learning_rate": 30.0, "clip_value": None, "clip_norm": 5.0},
    {"optimizer": "adam", "learning_rate": 1e6, "cell": "gru"},
])  # fmt: skip
@pytest.mark.parametrize("documents", [False, True])
def test_a_finite_divergence_fails(text, options, documents):
    corpus = text.split(" ") if documents else text
    model = CharRNN(hidden_size=8, random_state=0, **options)
    for train in (model.fit, model.partial_fit):
        with pytest.raises(TrainingDivergedError, match=r"far worse than guessing .*\. Lower learning_rate") as caught:
            train(corpus)
        assert caught.value.nats > 30
        assert model.best_.training_loss < 10
    with pytest.raises(TrainingDivergedError):
        CharRNN(hidden_size=8, random_state=0, **options).fit(corpus, validation=corpus)


def test_weights_that_start_beyond_all_bounds():
    model = CharRNN(hidden_size=4, init_scale=1e38, epochs=1, random_state=0)
    with contextlib.suppress(TrainingDivergedError):
        model.fit("abcabcabc")
    assert len(model.sample(5)) == 5


def test_training_on(text):
    half = len(text) // 2
    model = CharRNN(hidden_size=8, epochs=3, random_state=0).fit(text)
    before, n = model._state.params.copy(), model.n_updates_
    model.partial_fit(text[:half])
    assert model.n_updates_ == n + -(-(half - 1) // 25)
    assert not np.array_equal(before, model._state.params)
    assert model.best_.n_updates >= n
    first = CharRNN(hidden_size=8, random_state=0).partial_fit(text)
    once = CharRNN(hidden_size=8, epochs=1, random_state=0).fit(text)
    assert_array_equal(first._state.params, once._state.params)


def test_the_looks_of_a_history_are_in_the_order_of_updates(text):
    model = CharRNN(hidden_size=8, epochs=3, random_state=0).fit(text).partial_fit(text).partial_fit(text)
    n = model.n_updates_ // 5
    assert [look.n_updates for look in model.history_.training] == [0, 3 * n, 3 * n, 4 * n, 4 * n, 5 * n]


@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_training_on_with_the_same_rule_goes_on_with_its_moments(text, rule):
    model = CharRNN(hidden_size=8, optimizer=rule, learning_rate=0.01, epochs=2, random_state=0).fit(text)
    n, params, moments = model.n_updates_, model._state.params.copy(), (model._state.m, model._state.v)
    model.partial_fit(text)
    assert model.n_updates_ == n + -(-(len(text) - 1) // 25)
    network, update = model._net, descent(model)
    twin = network.state(params, update)
    twin.m[:], twin.v[:] = moments
    twin.scalars[1:] = [update.rule.numbers().get(name, 0.0) ** n for name in ("beta1", "beta2")]
    k = model.n_updates_ - n
    Trainer(network, twin, update, model.vocabulary_.encode(text)).advance(np.empty(k), np.empty(k))
    assert_allclose(model._state.params, twin.params, rtol=1e-4, atol=1e-6)


def mean_squares(model, text):
    """The gradients of each window, by name, at the best weights of a model of float64."""
    network, carried, found = model._net, None, []
    ids = model.vocabulary_.encode(text)
    for start in range(0, len(ids) - 1, model.seq_length):
        window = ids[start : start + model.seq_length + 1]
        _, gradients, carried = network.loss_and_gradients(model._state.best, window[:-1], window[1:], carried)
        found.append({name: np.array(value) for name, value in gradients.items()})
    return found


@pytest.mark.parametrize("other", [False, True])
@pytest.mark.parametrize("rule", ["adagrad", "adam", "rmsprop", "momentum"])
def test_a_state_without_moments_gets_those_of_the_text(text, tmp_path, rule, other):
    # from a file, or after another rule: the first update is that of moments which the text's gradients would have left
    options = {"hidden_size": 8, "dtype": "float64", "clip_value": None, "seq_length": 10, "random_state": 0}
    first = "sgd" if other else rule
    model = CharRNN(**options, optimizer=first, learning_rate=0.005, epochs=4).fit(text)
    model._state.params[:] = model._state.best
    v = model._state.v
    kept = {name: array.mean() for name, array in model._net.named(v).items()} if v.size else {}
    if not other:
        model.save(tmp_path / "m")
        model = CharRNN.load(tmp_path / "m")
    gradients, n = mean_squares(model, text), model.n_updates_
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
                m, v, k = 0.1 * g[0], 0.999 * v + 0.001 * g[0] ** 2, len(g) + 1
                step = m / (1 - 0.9**k) / (np.sqrt(v / (1 - 0.999**k)) + 1e-8)
        found = model._net.named(model._state.params)[name]
        assert_allclose(found, p - 1e-3 * step, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("memorised", [False, True])
@pytest.mark.parametrize("cell", ["rnn", "gru"])
@pytest.mark.parametrize("rule", ["adagrad", "adam", "rmsprop"])
def test_a_loaded_model_trains_on_as_gently_as_the_saved_one(text, tmp_path, cell, rule, memorised):
    text = "to be or not to be, that is the question: " * 100 if memorised else text * 10
    model = CharRNN(cell=cell, hidden_size=32, optimizer=rule, epochs=20, random_state=0).fit(text)
    model.save(tmp_path / "m")
    loaded = CharRNN.load(tmp_path / "m")
    last = model.history_.loss[-1000:].max()
    loaded.partial_fit(text)
    assert loaded.history_.loss.max() < 1.5 * last
    assert loaded.evaluate(text).nats <= model.evaluate(text).nats + 0.01


@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_a_loaded_model_trains_on_where_there_is_no_gradient(tmp_path, rule):
    CharRNN(hidden_size=8, optimizer=rule, random_state=0).fit("aaaaaaaaaa").save(tmp_path / "m")
    loaded = CharRNN.load(tmp_path / "m").partial_fit("aaaaaaaaaa")
    assert loaded.sample(3) == "aaa"
    assert np.isfinite(loaded._state.params).all()


@pytest.mark.parametrize("rule", ["adagrad", "adam", "sgd"])
def test_new_characters_join_with_moments_of_their_own(text, rule):
    model = CharRNN(hidden_size=8, optimizer=rule, learning_rate=0.01, epochs=3, random_state=0).fit(text)
    before = {name: model._net.named(getattr(model._state, name)) for name in "mv" if getattr(model._state, name).size}
    known = model.vocabulary_
    with pytest.warns(UserWarning, match="has grown by 1"):
        model.set_params(learning_rate=1e-30, max_updates=1).partial_fit(text[:300] + "#" + text[:30])
    old = [i for i, character in enumerate(model.vocabulary_) if character in known]
    new = list(model.vocabulary_).index("#")
    for flat, arrays in before.items():
        after = model._net.named(getattr(model._state, flat))
        if flat == "v":
            assert (after["U"][:, new] > 1e-12).all()  # though the one update has not read it
        for name, array in arrays.items():
            rows = {"U": after["U"][:, old], "V": after["V"][old], "c": after["c"][old]}.get(name, after[name])
            if rule == "adagrad":  # one update more
                assert (rows >= array).all()
                assert rows.sum() < array.sum() + 25**2 * array.size
            else:
                assert_allclose(rows, array, rtol=0.5, atol=5)


def test_a_state_is_not_trained_with_the_moments_of_another_rule(text):
    model = CharRNN(hidden_size=8, epochs=1).fit(text)
    adam = descent(CharRNN(optimizer="adam"))
    with pytest.raises(ValueError, match="moments of adagrad, not of adam"):
        Trainer(model._net, model._state, adam, model.vocabulary_.encode(text))


def test_moments_start_where_the_rule_says():
    network = Network("rnn", 3, 4, 5, "float32")
    state = network.state(network.initial(np.random.default_rng(0), 1), Descent(AdaGrad(), 0.1, None, None))
    assert (state.v == np.float32(1e-30)).all()
    assert state.m.size == 0
