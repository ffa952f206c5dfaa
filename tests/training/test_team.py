"""Threads that share an update: none waits for ever for one that does not come, and all leave one undone together."""

import signal
import threading
import time

import numpy as np
import pytest

from pycharrnn import CharRNN
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.engine import Engine
from pycharrnn.network.records import Team
from pycharrnn.network.state import State
from pycharrnn.trained import learned
from pycharrnn.training import trainer as module
from pycharrnn.training.descent import Descent
from pycharrnn.training.optimizers import SGD, Adam
from pycharrnn.training.trainer import Trainer


@pytest.fixture
def trainer():
    network = Architecture("rnn", n_symbols=4, hidden_size=8, seq_length=5)
    rule = Descent(SGD(), 0.01, 5.0, None)
    state = State.begin(network, network.initial(np.random.default_rng(0)), rule, batch_size=6)
    found = Trainer(network, state, rule, np.tile(np.arange(4, dtype=np.int32), 60), n_threads=3)
    yield found
    found.close()


@pytest.mark.parametrize("absent", [0, 1, 2])
def test_the_others_do_not_wait_for_a_thread_that_raises(trainer, monkeypatch, absent):
    train = Engine.train

    def fail(engine, weights, windows, update, run, loss, team=None):
        if team.rank == absent:
            raise MemoryError(f"thread {absent}")
        train(engine, weights, windows, update, run, loss, team)

    monkeypatch.setattr(Engine, "train", fail)
    before, found = trainer.state.copy(), []

    def call():
        try:
            trainer.advance(np.empty(3), np.empty(3))
        except MemoryError as error:
            found.append(str(error))

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert found == [f"thread {absent}"]
    for name in ("weights", "carried", "run"):
        assert (getattr(trainer.state, name) == getattr(before, name)).all()
    monkeypatch.undo()
    trainer.advance(np.empty(3), np.empty(3))
    assert trainer.state.n_updates == 3


def told(options, n_threads, hidden_size=8, batch_size=6):
    """A trainer of an LSTM with two layers, whose calls ask at once to leave the update undone."""
    network = Architecture("lstm", n_symbols=4, hidden_size=hidden_size, seq_length=5, num_layers=2, embedding_size=3)
    rule = Descent(Adam(), 0.01, 5.0, options)
    state = State.begin(network, network.initial(np.random.default_rng(0)), rule, batch_size)
    ids = np.tile(np.arange(4, dtype=np.int32), 60)
    return Trainer(network, state, rule, ids, n_threads=n_threads)


@pytest.mark.parametrize("clip_norm", [None, 1.0])
@pytest.mark.parametrize(("n_threads", "shape"), [(1, (8, 6)), (3, (8, 6)), (3, (256, 2))])  # the last share units
@pytest.mark.parametrize("asked", [True, False])
def test_an_update_is_left_undone_by_all_threads(monkeypatch, clip_norm, n_threads, shape, asked):
    train, made = Engine.train, told(clip_norm, n_threads, *shape)

    def ask(engine, weights, windows, update, run, loss, team=None):
        team = team or Team(0, 1, np.zeros(5, np.int32))
        if team.rank == 0:
            team.meeting[3] = asked
        train(engine, weights, windows, update, run, loss, team)

    n = made.updates_per_epoch
    made.advance(np.empty(n), np.empty(n))  # the next one begins the text anew
    assert made.state.carried.all()
    monkeypatch.setattr(Engine, "train", ask)
    before = made.state.copy()
    made.advance(np.empty(3), np.empty(3))
    made.close()
    assert made.state.n_updates == n + (0 if asked else 3)
    for name in ("weights", "m", "v", "carried", "run"):
        same = bool((getattr(made.state, name) == getattr(before, name)).all())
        assert same is asked, name


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_long_update_that_is_interrupted_is_undone(monkeypatch, n_threads, batch_size):
    """Any update is long here. What is left is the state of so many updates that nobody interrupted, to the bit.

    No pass over the text ends meanwhile: an update that begins one sets the carried state to zero before it can be left
    undone, as the next one does again.
    """
    params = {"hidden_size": 256, "seq_length": 200, "optimizer": "adam", "epochs": None, "random_state": 0}
    text = "hello world, hello moon. " * 8000

    def model(**more):
        return CharRNN("gru", batch_size=batch_size, n_threads=n_threads, **params, **more)

    monkeypatch.setattr(module, "LONG", 0.0)
    main = threading.main_thread().ident
    compared, after = 0, 0.05
    while compared < 3 and after < 60:  # seconds: on a slow machine the first update takes long
        after *= 1.5
        found = model(max_updates=300)
        timer = threading.Timer(after, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            found.fit(text)
        assert time.monotonic() - begin < after + 20
        timer.join()
        if not found.__sklearn_is_fitted__() or not found.n_updates_:
            continue  # it came before the first update was done
        monkeypatch.setattr(module, "LONG", 1e300)
        whole = learned(model(max_updates=found.n_updates_).fit(text)).state
        monkeypatch.setattr(module, "LONG", 0.0)
        for name in ("weights", "m", "v", "carried", "run"):
            assert (getattr(whole, name) == getattr(learned(found).state, name)).all(), name
        compared += 1
    assert compared == 3


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_signal_asks_for_it(monkeypatch, n_threads):
    """An update that ends only when it is asked to."""
    asked = []

    def endless(engine, weights, windows, update, run, loss, team=None):
        end = time.monotonic() + 20
        while not team.meeting[3] and time.monotonic() < end:
            time.sleep(0.01)
        asked.append(int(team.meeting[3]))

    monkeypatch.setattr(module, "LONG", 0.0)
    monkeypatch.setattr(Engine, "train", endless)
    found = told(None, n_threads)
    threading.Timer(0.1, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        found.advance(np.empty(1), np.empty(1))
    assert asked == [1] * n_threads
    found.close()
