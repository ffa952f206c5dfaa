"""What goes beyond the classic model: cells, layers, batches, dropout, schedules, weight decay, validation."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from pycharrnn import CharRNN
from pycharrnn.network.network import Network

CELLS = ["rnn", "lstm", "gru"]


def small(**changes):
    params = {"hidden_size": 12, "epochs": None, "max_updates": 40, "random_state": 0, "verbose": False}
    return CharRNN(**(params | changes))


@pytest.mark.parametrize("how", [None, "normal", "uniform", "orthogonal"])
@pytest.mark.parametrize("cell", CELLS)
def test_initializers(cell, how):
    net, rng = Network(cell, 30, 64, 3, "float64", num_layers=2), np.random.default_rng(0)
    for scale in (None, 0.3):
        named = net.named(net.initial(rng, scale, how))
        normal = how == "normal" or (how is None and (cell == "rnn" or scale is not None))
        spread = scale if scale is not None else 0.01 if normal else 1 / 8
        for name in ("U", "U2", "W", "W2", "V"):
            found = named[name]
            if how == "orthogonal" and name[0] == "W":
                for block in np.split(found, len(found) // 64):
                    assert_allclose(block @ block.T, np.eye(64), atol=1e-12)
            elif name[0] == "U" and scale is None and cell != "rnn":
                assert_allclose(found.std(), 1 if name == "U" else 2 / 8, rtol=0.05)
            else:
                assert_allclose(found.std(), spread * (1 if normal else 3**-0.5), rtol=0.05)
                assert normal == (np.abs(found).max() > spread)
    blocks = np.split(net.named(net.initial(rng, None, "orthogonal"))["W"], net.cell.gates)
    assert all(np.abs(a - b).max() > 0.1 for a, b in itertools.pairwise(blocks))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_embeddings_begin_as_pytorchs(cell):
    net = Network(cell, 30, 64, 3, "float64", embedding_size=50)
    named = net.named(net.initial(np.random.default_rng(0)))
    assert_allclose([named["E"].std(), named["U"].std()], [1, (3 * 64) ** -0.5], rtol=0.05)


def test_forget_gates_start_open():
    net = Network("lstm", 9, 5, 3, "float32", num_layers=2)
    named = net.named(net.initial(np.random.default_rng(0)))
    for name in ("b", "b2"):
        assert named[name].tolist() == [0] * 5 + [1] * 5 + [0] * 10
    assert np.abs(named["W"]).max() <= 5**-0.5
    assert np.abs(named["W2"]).max() > 0.4


def test_dropout_takes_its_share_anew_each_update(text):
    net = Network("rnn", 9, 400, 5, "float64", dropout=0.3)
    params = net.initial(np.random.default_rng(0), None)
    x = np.arange(5, dtype=np.int32)
    plain = Network("rnn", 9, 400, 5, "float64").loss_and_gradients(params, x, x)
    found = [net.loss_and_gradients(params, x, x, seed=seed) for seed in range(300)]
    assert len({loss for loss, *_ in found}) == 300
    # units that were dropped in all five steps have no gradient in V's columns; in the mean the gradient is kept
    dropped = np.mean([(np.abs(grads["V"]).max(axis=0) == 0).mean() for _, grads, _ in found])
    assert_allclose(dropped, 0.3**5, rtol=0.2)
    assert_allclose(np.mean([grads["c"] for _, grads, _ in found], axis=0), plain[1]["c"], atol=0.02)
    for _, _, carried in found[:3]:  # the state itself is whole
        assert_array_equal(carried, plain[2])


def test_dropout_takes_its_share_of_embeddings():
    x = np.arange(5, dtype=np.int32)
    net = Network("rnn", 9, 40, 5, "float64", False, 1, 0.3, 50)
    params = net.initial(np.random.default_rng(0), 0.3)
    plain = Network("rnn", 9, 40, 5, "float64", False, 1, 0.0, 50).loss_and_gradients(params, x, x)[1]["E"]
    found = [net.loss_and_gradients(params, x, x, seed=seed)[1]["E"][:5] == 0 for seed in range(100)]
    assert_allclose(np.mean(found), 0.3, atol=0.02)
    assert np.abs(plain[:5]).min() > 0
    assert len({zero.tobytes() for zero in found}) == 100


def test_validation_losses_are_nearly_those_of_one_reader(text):
    net = Network("gru", 20, 16, 10, "float64", num_layers=2)
    params = net.initial(np.random.default_rng(0), None)
    ids = np.random.default_rng(1).integers(0, 20, 3000).astype(np.int32)
    assert_allclose(net.validation_losses(params, ids, streams=4), net.losses(params, ids), atol=1e-9)
    one, *more = (net.validation_losses(params, ids, warm_up=100, n_threads=n) for n in (1, 2, 3, 40))
    assert all((one == other).all() for other in more)
    assert_allclose(net.validation_losses(params, ids[:600]), net.losses(params, ids[:600]), atol=1e-9)
