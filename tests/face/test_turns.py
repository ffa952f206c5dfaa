"""One training at a time, and readers that see whole models."""

import copy
import sys
import threading
import warnings

import pytest

from pycharrnn import CharRNN
from pycharrnn.errors import NotFittedError


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
