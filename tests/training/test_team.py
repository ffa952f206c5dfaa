"""Threads that share an update: none waits for ever for one that does not come."""

import threading

import numpy as np
import pytest

from pycharrnn.network.architecture import Architecture
from pycharrnn.network.engine import Engine
from pycharrnn.network.state import State
from pycharrnn.training.descent import Descent
from pycharrnn.training.optimizers import SGD
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
