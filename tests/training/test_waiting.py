"""Long steps of NumPy: an interrupt does not wait for their end."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from pycharrnn import CharRNN
from pycharrnn.training import judge
from pycharrnn.training.baseline import KneserNey
from pycharrnn.training.ngrams import NGrams
from pycharrnn.waiting import interruptibly


def test_the_result_and_the_error_come_through():
    assert interruptibly(divmod, 7, 3) == (2, 1)
    with pytest.raises(ZeroDivisionError):
        interruptibly(divmod, 7, 0)


def test_another_thread_makes_the_call_itself():
    found = []
    thread = threading.Thread(target=lambda: found.append(interruptibly(threading.get_ident)))
    thread.start()
    thread.join()
    assert found == [thread.ident]
    assert interruptibly(threading.get_ident) != threading.get_ident()


def interrupted(call, after):
    """Return how long after the signal the interrupt came, in seconds."""
    sent = []

    def send():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(after, send)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            call()
        return time.perf_counter() - sent[0]
    finally:
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name != "posix", reason="elsewhere the signal ends the process")
@pytest.mark.parametrize("method", ["fit", "nats"])
def test_an_interrupt_does_not_wait_for_the_counting_of_n_grams(monkeypatch, method):
    """The counting takes seconds here; the interrupt comes at once, and the model is as it was."""
    end = threading.Event()
    real = getattr(KneserNey, method)

    def slow(*args, **options):
        end.wait(20)
        return real(*args, **options)

    monkeypatch.setattr(KneserNey, method, slow)
    model = CharRNN(hidden_size=4, max_updates=2, validation_fraction=0.2)
    ngrams = NGrams(np.tile([0, 1, 2], 99), 3, None, order=3)
    try:
        assert interrupted(lambda: model.fit("hello world " * 50), after=0.3) < 10
        assert interrupted(lambda: ngrams.nats(np.array([0, 1, 2], np.int32)), after=0.3) < 10
    finally:
        end.set()
    monkeypatch.undo()
    assert model.fit("hello world " * 50).history_.baseline > 0
    assert ngrams.nats(np.array([0, 1, 2], np.int32)).shape == (2,)


def test_the_baseline_counts_the_end_of_a_long_text(monkeypatch):
    monkeypatch.setattr(judge, "MOST_COUNTED", 200)
    text, validation = "abcd" * 100 + "hello world " * 20, "hello world " * 5
    model = CharRNN(hidden_size=4, max_updates=2).fit(text, validation=validation)
    vocabulary = model.vocabulary_
    counted = KneserNey(5).fit(vocabulary.encode(text)[-200:], len(vocabulary))
    assert model.history_.baseline == counted.nats(vocabulary.encode(validation)).mean()
