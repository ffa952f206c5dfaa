"""Which weights are kept, when a training ends by itself, and what looks cost."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small import learned, nats, small

from pycharrnn import CharRNN, TrainingDivergedError
from pycharrnn.text.corpus import Corpus
from pycharrnn.training import judge
from pycharrnn.training.baseline import KneserNey
from pycharrnn.training.schedules import Step

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
        state = learned(model).state
        kept, at_the_end = (nats(model, weights, text) for weights in (state.best, state.weights))
        assert kept <= at_the_end + 1e-6
        assert abs(model.best_.training_loss - kept) < 0.01


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
    assert nats(model, learned(model).state.weights, text) < 0.5
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
def test_what_is_memorised_from_its_start_is_kept(times, settings):
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
    state = learned(model).state
    assert nats(model, state.best, text) < nats(model, state.weights, text) - 0.5
    again = CharRNN(**options | {"max_updates": model.best_.n_updates, "schedule": None}).fit(text)
    assert_array_equal(learned(again).state.weights, state.best)


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


@pytest.mark.parametrize(("speed", "expected"), [(1e9, 16_384), (80_000.0, 12_000), (1.0, None)])
def test_the_look_after_an_interrupt_is_quick(speed, expected, text, monkeypatch):
    """A slow network reads less in the same time, and the slowest nothing: then nobody knows the loss."""
    amounts = []
    read = judge.excerpt_losses

    def recorded(*args, n_threads):
        amounts.append(args[3])
        return read(*args, n_threads=n_threads)

    def interrupt(run):
        if run.n_updates == 2:
            amounts.clear()
            run.updating = run.characters / speed
            raise KeyboardInterrupt

    monkeypatch.setattr(judge, "excerpt_losses", recorded)
    interrupt.every = 1
    model = small(cell="lstm", num_layers=2, ngram_order=3)
    with pytest.raises(KeyboardInterrupt):
        model.fit(text, validation=text * 30, callbacks=[interrupt])
    assert amounts == ([] if expected is None else [expected])
    assert model.best_.n_updates == 2
    assert (model.best_.validation_loss is None) == (expected is None)
    assert model.sample(20, random_state=0)


@pytest.mark.parametrize(("seconds", "kept"), [(0.01, 30), (0.2, 30), (100.0, 20)])
def test_weights_that_are_better_than_those_of_the_last_look_survive_an_interrupt(seconds, kept, text, monkeypatch):
    """They are looked at, or compared by a part of the text, unless that takes long, too."""

    def interrupt(run):
        if run.n_updates == 30:
            raise KeyboardInterrupt

    def slow(reader):
        begin = reader.memory
        monkeypatch.setattr(begin, "seconds", seconds)
        return ask(reader)

    ask = judge.Judge.interrupted
    monkeypatch.setattr(judge.Judge, "interrupted", slow)
    interrupt.every = 1
    model = small(optimizer="adam", batch_size=4, max_updates=60)
    make = judge.TrainingText.__init__

    def often(reader, *arguments):
        make(reader, *arguments)
        reader.every = 20

    monkeypatch.setattr(judge.TrainingText, "__init__", often)
    with pytest.raises(KeyboardInterrupt):
        model.fit(text * 40, callbacks=[interrupt])
    assert model.best_.n_updates == kept


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
    # A batch, whose streams start from zero now and then: one stream may be lost where a look begins.
    settings = {"hidden_size": 150, "batch_size": 8, "epochs": None, "max_seconds": 1.0, "random_state": 0}
    model = CharRNN(**settings).fit(text * 20, validation=unseen)
    assert time.perf_counter() - began < 15
    assert model.history_.validation
    assert abs(model.best_.validation_loss - model.evaluate(text).nats) < 0.2


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


def test_the_best_model_is_that_of_the_lowest_validation_loss(text):
    model = small(optimizer="adam", learning_rate=0.03, max_updates=None, epochs=25, hidden_size=48)
    other = text[::-1][:300]
    model.fit(text[:400], validation=other)
    looks = model.history_.validation
    assert [look.n_updates for look in looks] == [16 * i for i in range(1, 26)]
    assert looks[-1].nats > min(look.nats for look in looks)  # it has unlearned the other text
    lowest = min(looks, key=lambda look: look.nats)
    assert model.best_.n_updates == lowest.n_updates
    assert model.best_.validation_loss == lowest.nats
    assert_allclose(model.evaluate(other).nats, lowest.nats, rtol=1e-6)


def test_patience_ends_the_training(text):
    model = small(optimizer="adam", learning_rate=0.03, max_updates=None, epochs=100, patience=3, hidden_size=48)
    model.fit(text[:400], validation=text[400:700])
    looks = [look.nats for look in model.history_.validation]
    assert len(looks) < 60
    assert int(np.argmin(looks)) == len(looks) - 4


def test_patience_ends_a_training_that_learns_nothing(text):
    model = small(optimizer="sgd", learning_rate=1e-30, max_updates=None, epochs=9, patience=3)
    model.fit(text[:400], validation=text[400:700])
    first, *later = model.history_.validation
    assert [look.nats for look in later] == [first.nats] * 3  # of equal weights the first are kept
    assert model.best_.n_updates == first.n_updates


def test_a_fraction_of_the_text_is_not_trained_on(text):
    corpus = Corpus.learn(text)
    rest, held_out = (corpus.vocabulary.decode(part.ids) for part in corpus.split(0.25))
    split = small(validation_fraction=0.25).fit(text)
    given = small().fit(rest, validation=held_out)
    assert_array_equal(split.history_.loss, given.history_.loss)
    assert [look.nats for look in split.history_.validation] == [look.nats for look in given.history_.validation]


def test_a_fraction_of_the_documents_is_not_trained_on():
    names = [f"{a}{b}" for a in "abcdefgh" for b in "xyz"]
    model = small(validation_fraction=0.25, epochs=2, max_updates=None, seq_length=3)
    runs = []
    model.fit(names, callbacks=[runs.append])
    assert runs[-1].characters == 2 * 18 * 3  # eighteen of twenty-four, with their ends
    with pytest.raises(ValueError, match=r"validation_fraction 0.9 leaves too little"):
        small(validation_fraction=0.9).fit("ab")


def test_counting_is_the_baseline_of_a_validation(text):
    assert small().fit(text).history_.baseline is None
    history = small(validation_fraction=0.2).fit(text).history_
    rest, held_out = Corpus.learn(text).split(0.2)
    counted = KneserNey(history.baseline_order).fit(rest.ids, rest.vocabulary.n_symbols)
    assert history.baseline == counted.nats(held_out.ids).mean()
    names = ["anna", "bob", "carla", "dan", "eve"] * 8
    assert small(validation_fraction=0.2).fit(names).history_.baseline < 1.0


def test_validation_does_not_change_the_training(text):
    plain, watched = small().fit(text), small().fit(text, validation=text[:200])
    assert_array_equal(plain.history_.loss, watched.history_.loss)


def test_a_training_that_is_undone_to_its_start_is_a_divergence(text):
    # no character has been read after the rollback, by which the time of a look was divided
    model = CharRNN(
        init_scale=1e37,
        initializer="normal",
        hidden_size=512,
        batch_size=32,
        seq_length=64,
        validation_fraction=0.1,
        max_seconds=2.0,
        epochs=None,
        random_state=0,
    )
    with pytest.raises(TrainingDivergedError):
        model.fit(text * 200)
