"""The engine: windows of several streams, dropout, and what it refuses."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from pycharrnn.network.architecture import Architecture
from pycharrnn.network.cells import CELLS
from pycharrnn.network.drawing import Drawer
from pycharrnn.network.engine import Engine, loss_and_gradients
from pycharrnn.network.records import Drawing, Manner, Update, Windows, record
from pycharrnn.network.state import State
from pycharrnn.training.descent import Descent
from pycharrnn.training.optimizers import SGD


@pytest.fixture(params=CELLS)
def whole(request):
    return Architecture(request.param, 11, 7, 5, "float64", documents=True, num_layers=2)


@pytest.fixture
def weights(whole):
    return whole.initial(np.random.default_rng(1), 0.5)


def test_windows_go_on_from_each_other(whole, weights, rng):
    ids = rng.integers(0, 11, (13, 3)).astype(np.int32)
    engine = Engine(whole, 12, 3)
    at_once = engine.losses(weights, ids[:-1], ids[1:])
    after = engine.after()
    engine = Engine(whole, 4, 3)
    parts = []
    for at in (0, 4, 8):
        parts.append(engine.losses(weights, ids[at : at + 4], ids[at + 1 : at + 5]))
        engine.start(engine.after())
    assert_array_equal(np.concatenate(parts), at_once)
    engine.start(after)
    once_more = engine.losses(weights, ids[:4], ids[1:5])
    assert not np.array_equal(once_more, parts[0])
    engine.start()
    assert_array_equal(engine.losses(weights, ids[:4], ids[1:5]), parts[0])


def test_what_kernels_cannot_read_is_refused(whole, weights, rng):
    x, y = rng.integers(0, 11, (2, 4, 3)).astype(np.int32)
    engine = Engine(whole, 4, 3)
    for wrong in (weights[:-1], weights.astype("float32"), weights.reshape(1, -1)):
        with pytest.raises(ValueError, match="flat weights must be"):
            engine.losses(wrong, x, y)
        with pytest.raises(ValueError, match="flat weights must be"):
            engine.gradients(wrong, x, y)
    for inputs, targets in ((x[:3], y[:3]), (x, y[:3])):
        with pytest.raises(ValueError, match="a window of 4 x 3 symbols"):
            engine.losses(weights, inputs, targets)
    with pytest.raises(ValueError, match="one loss less and one stream"):
        Engine(whole, 4).read(weights, np.ascontiguousarray(x[:, 0]), np.empty(4))
    with pytest.raises(ValueError, match="shaped alike"):
        loss_and_gradients(whole, weights, x, y[:3])
    with pytest.raises(ValueError, match="ids must lie"):
        loss_and_gradients(whole, weights, x + 11, y)


def test_dropout_takes_its_share_anew_each_update():
    architecture = Architecture("rnn", 9, 400, 5, "float64", dropout=0.3)
    weights = architecture.initial(np.random.default_rng(0), None)
    x = np.arange(5, dtype=np.int32)
    plain = loss_and_gradients(architecture.replace(dropout=0.0), weights, x, x)
    found = [loss_and_gradients(architecture, weights, x, x, seed=seed) for seed in range(300)]
    assert len({loss for loss, *_ in found}) == 300
    # units that were dropped in all five steps have no gradient in V's columns; in the mean the gradient is kept
    dropped = np.mean([(np.abs(grads["V"]).max(axis=0) == 0).mean() for _, grads, _ in found])
    assert_allclose(dropped, 0.3**5, rtol=0.2)
    assert_allclose(np.mean([grads["c"] for _, grads, _ in found], axis=0), plain[1]["c"], atol=0.02)
    for _, _, carried in found[:3]:  # the state itself is whole
        assert_array_equal(carried, plain[2])


def test_dropout_takes_its_share_of_embeddings():
    x = np.arange(5, dtype=np.int32)
    architecture = Architecture("rnn", 9, 40, 5, "float64", dropout=0.3, embedding_size=50)
    weights = architecture.initial(np.random.default_rng(0), 0.3)
    plain = loss_and_gradients(architecture.replace(dropout=0.0), weights, x, x)[1]["E"]
    found = [loss_and_gradients(architecture, weights, x, x, seed=seed)[1]["E"][:5] == 0 for seed in range(100)]
    assert_allclose(np.mean(found), 0.3, atol=0.02)
    assert np.abs(plain[:5]).min() > 0
    assert len({zero.tobytes() for zero in found}) == 100


@pytest.mark.parametrize("wrong", ["loss", "steps", "fresh", "rates", "x", "y", "T"])
def test_arrays_that_do_not_fit_the_windows_are_refused(wrong):
    architecture = Architecture("rnn", 3, 4, 5)
    rule = Descent(SGD(), 0.1, None, None)
    state = State.begin(architecture, architecture.initial(np.random.default_rng(0)), rule, 2)
    arrays = {
        "x": np.zeros(20, np.int32),
        "y": np.zeros(20, np.int32),
        "steps": np.full(2, 5, np.int32),
        "fresh": np.zeros((2, 2), np.uint8),
        "rates": np.zeros(2),
        "loss": np.zeros(2),
    }
    if wrong == "T":
        arrays["steps"] = np.array([6, 4], np.int32)
    else:
        arrays[wrong] = np.concatenate([arrays[wrong], arrays[wrong][:1]])
    windows = Windows(*(arrays[name] for name in ("x", "y", "steps", "fresh")))
    update = Update("sgd", record(rule.numbers()), arrays["rates"], state.m, state.v, state.average)
    with pytest.raises(ValueError, match="windows of up to 5 x 2 symbols have arrays of the shapes"):
        Engine(architecture, 5, 2, training=True).train(state.weights, windows, update, state.run, arrays["loss"])


def test_each_symbol_takes_one_uniform_number():
    architecture = Architecture("rnn", 3, 4, 5)
    engine = Drawer(architecture)
    engine.pack(architecture.initial(np.random.default_rng(0)))
    drawing = Manner.of(Drawing(), 3)
    with pytest.raises(ValueError, match="each symbol takes one uniform number"):
        engine.draw(np.zeros(1, np.int32), drawing, np.zeros(3), np.zeros(4, np.int32))
