"""One training at a time, and readers that see whole models."""

import copy
import os
import pickle
import sys
import threading
import time
import warnings

import numpy as np
import pytest

from pycharrnn import CharRNN, turns
from pycharrnn.errors import NotFittedError
from pycharrnn.training.baseline import KneserNey


def test_one_training_at_a_time(text):
    model = CharRNN(hidden_size=8, epochs=None, max_seconds=30.0)
    errors = []
    begun = threading.Event()
    end = threading.Event()

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


def test_threads_that_sample_share_no_numbers():
    model = CharRNN(hidden_size=4, max_updates=2, random_state=0).fit("abcabc" * 9)
    texts = []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            threading.Thread(target=lambda: [texts.append(model.sample(60)) for _ in range(300)]) for _ in "1234"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    again = CharRNN(hidden_size=4, max_updates=2, random_state=0).fit("abcabc" * 9)
    assert sorted(texts) == sorted(again.sample(60) for _ in range(1200))


NETWORKS = [
    {"hidden_size": 8},
    {"hidden_size": 24, "cell": "lstm"},
    {"hidden_size": 13, "num_layers": 2, "cell": "gru"},
]


@pytest.mark.parametrize("source", [None, 7, np.int64(7), np.random.SeedSequence(7), np.random.default_rng(7)])
def test_no_two_texts_of_eight_threads_are_the_same(source):
    model = CharRNN(hidden_size=4, max_updates=2).fit("abcdefgh" * 9).set_params(random_state=source)
    texts = []
    threads = [threading.Thread(target=lambda: texts.extend(model.sample(60) for _ in range(50))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(texts)) == len(texts) == 400


@pytest.mark.parametrize("seconds", [2.0, pytest.param(60.0, marks=pytest.mark.slow)])
def test_readers_see_whole_models_while_the_network_changes(tmp_path, seconds):
    """Every reader reads one snapshot: no weights of one network with the places of another."""
    model = CharRNN(hidden_size=8, max_updates=3, random_state=0, verbose=False).fit("abcabc" * 30)
    failures, done, counts = [], threading.Event(), [0] * 5

    def save(i):
        path = tmp_path / f"{i}.safetensors"
        model.save(path)
        return CharRNN.load(path)

    calls = [
        lambda i: model.sample(30),
        lambda i: model.evaluate("abcabc").nats,
        save,
        lambda i: pickle.loads(pickle.dumps(model)).sample(3),
        lambda i: model.loss_and_gradients("abcabc"),
    ]

    def read(i):
        while not done.is_set():
            try:
                calls[i](i)
                counts[i] += 1
            except Exception as error:
                failures.append((i, error))
                return

    threads = [threading.Thread(target=read, args=(i,)) for i in range(len(calls))]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    end = time.monotonic() + seconds
    n = 0
    try:
        for thread in threads:
            thread.start()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            while not failures and (n < 9 or time.monotonic() < end):
                model.set_params(**{"num_layers": 1, "cell": "rnn"} | NETWORKS[n % 3])
                model.fit("abcabc" * 20 + "".join(map(chr, range(0x4E00, 0x4E00 + 7 * (n % 5)))))
                model.partial_fit("abc" * 10 + chr(0x5E00 + n) * 5)
                n += 1
    finally:
        done.set()
        sys.setswitchinterval(before)
        for thread in threads:
            thread.join()
    assert failures == []
    assert all(counts)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_fork_while_another_thread_counts_n_grams_does_not_wait_for_it(monkeypatch):
    model = CharRNN(hidden_size=4, max_updates=2, ngram_order=3, random_state=0).fit("hello world " * 50)
    copied = pickle.loads(pickle.dumps(model))  # which has not counted yet
    begun, end = threading.Event(), threading.Event()
    fit = KneserNey.fit

    def slow(*args):
        begun.set()
        end.wait(20)
        return fit(*args)

    monkeypatch.setattr(KneserNey, "fit", slow)
    thread = threading.Thread(target=copied.sample)
    thread.start()
    assert begun.wait(20)
    child = os.fork()
    if child == 0:
        monkeypatch.undo()
        os._exit(copied.sample(30, random_state=0) != model.sample(30, random_state=0))
    assert ended(child) == 0
    end.set()
    thread.join()


def ended(child):
    """Return the exit code of a child that must not take long."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        process, status = os.waitpid(child, os.WNOHANG)
        if process:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return "the child waits"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_fork_while_another_thread_takes_a_turn_does_not_wait_for_it(text):
    """The lock that is held stays locked in the child, where nobody will release it."""
    model = CharRNN(hidden_size=4, max_updates=2, random_state=0)
    with turns.LOCK:
        child = os.fork()
        if child == 0:
            model.fit(text)
            os._exit(0)
    assert ended(child) == 0
