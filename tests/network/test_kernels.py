"""Each kernel against its NumPy twin, in both precisions and on every instruction set that this processor has."""

import faulthandler
import functools
import hashlib
import itertools
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal

from pycharrnn import _kernels
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.cells import CELLS
from pycharrnn.network.engine import loss_and_gradients
from pycharrnn.network.memory import aligned
from pycharrnn.network.records import Drawing, Manner, record
from pycharrnn.network.scoring import streamed_losses
from pycharrnn.network.state import State
from pycharrnn.network.workspace import workspace
from pycharrnn.training.descent import Descent
from pycharrnn.training.optimizers import OPTIMIZERS, SGD, AdaGrad, Adam, Momentum, RMSProp
from pycharrnn.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("simd")

DTYPES = ("float32", "float64")
RTOL = {"float32": 1e-5, "float64": 1e-12}


def padded(n):
    return -(-n // _kernels.LANES) * _kernels.LANES


def rows(rng, m, n, dtype, width=None):
    """(m, n) standard normal numbers in rows padded with zeros."""
    out = np.zeros((m, width or padded(n)), dtype)
    out[:, :n] = rng.normal(size=(m, n))
    return out


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_matmul(rng, dtype, transposed, packed):
    # Blocks are 256 or 512 deep, 256 or 128 columns wide, bands at most 52 or 208 rows high.
    blocked = [*itertools.product((2, 27), (31, 300), (256, 257, 700)), (53, 144, 512), (107, 80, 1100), (419, 48, 520)]
    for M, N, K in itertools.chain(
        itertools.product((1, 2, 7, 13, 14, 25, 40), (1, 16, 31, 80), (1, 25, 100)), blocked
    ):
        A = rng.normal(size=(M, K)).astype(dtype)
        B = rows(rng, K, N, dtype)
        start = rows(rng, M, N, dtype)
        panels = np.zeros((padded(N) + _kernels.LANES) * K if packed else 0, dtype)
        found = [start.copy(), start.copy()]
        for C, reverse in zip(found, (False, True), strict=True):
            given = np.ascontiguousarray(A.T) if transposed else A
            _kernels.matmul(given, B, C, panels, transposed, reverse)
        scale = np.abs(start) + np.abs(A) @ np.abs(B)
        assert (np.abs(found[0] - (start + A @ B)) <= RTOL[dtype] * scale).all(), (M, N, K)
        assert_array_equal(found[0], found[1])  # the direction of the walk changes no bit
        assert not found[0][:, N:].any(), (M, N, K)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("M", "N", "K"), [(40, 80, 100), (27, 272, 700), (211, 160, 600)])
def test_every_row_of_a_product_has_the_bits_of_the_row_alone(rng, dtype, transposed, M, N, K):
    A, B = rng.normal(size=(M, K)).astype(dtype), rows(rng, K, N, dtype)
    panels = np.zeros((padded(N) + _kernels.LANES) * K, dtype)
    together = rows(rng, M, N, dtype)
    alone = together.copy()
    _kernels.matmul(np.ascontiguousarray(A.T) if transposed else A, B, together, panels, transposed, False)
    for i in range(M):
        _kernels.matmul(A[i : i + 1].copy(), B, alone[i : i + 1], panels[:0], False, i % 2 == 1)
    assert_array_equal(together, alone)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "k"), [(1, 1), (3, 5), (4, 4), (8, 4), (12, 7), (80, 100), (65, 31)])
def test_transpose(rng, dtype, n, k):
    A, B = rng.normal(size=(n, k)).astype(dtype), np.full((k, padded(n)), 7, dtype)
    _kernels.transpose(A, B)
    assert_array_equal(B[:, :n], A.T)
    assert (B[:, n:] == 7).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["exp", "tanh", "sigmoid"])
def test_activation(dtype, name):
    tiny = np.geomspace(1e-20, 1, 2000)
    x = np.concatenate([np.linspace(-60, 60, 100_001), tiny, -tiny, [0.0]])
    if name == "exp":
        x = -np.abs(x)
    x = x.astype(dtype)
    expected = {"exp": np.exp, "tanh": np.tanh, "sigmoid": reference.sigmoid}[name](x.astype(np.float64))
    _kernels.activation(name, x)
    assert_allclose(x, expected, rtol=3e-7 if dtype == "float32" else 2e-15)


@pytest.mark.parametrize("dtype", DTYPES)
def test_activation_at_the_ends(dtype):
    ends = np.array([-np.inf, -1e30, 1e30, np.inf, np.nan], dtype)
    found = ends.copy()
    _kernels.activation("tanh", found)
    assert_array_equal(found, [-1, -1, 1, 1, np.nan])
    found = ends.copy()
    _kernels.activation("sigmoid", found)
    assert_array_equal(found, [0, 0, 1, 1, np.nan])
    found = np.array([-np.inf, -1e30, -0.0, np.nan], dtype)
    _kernels.activation("exp", found)
    assert_array_equal(found, [0, 0, 1, np.nan])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", [1, 2, 15, 16, 17, 80, 300])
@pytest.mark.parametrize("spread", [0.01, 1, 30])
@pytest.mark.parametrize("smoothing", [0, 0.1])
def test_softmax(rng, dtype, K, spread, smoothing):
    M = 20
    logits = rows(rng, M, K, dtype) * dtype_of(spread, dtype)
    p = logits.copy()
    y = rng.integers(0, K, M).astype(np.int32)
    loss = np.empty(M)
    _kernels.softmax(p, K, y, loss, smoothing)
    expected = reference.softmax(logits[:, :K].astype(np.float64))
    assert_allclose(p[:, :K], expected, rtol=RTOL[dtype], atol=1e-28)
    assert not p[:, K:].any()
    logs = np.log(expected)
    target = (1 - smoothing) * logs[np.arange(M), y] + smoothing * logs.mean(axis=1)
    assert_allclose(loss, -target, rtol=RTOL[dtype], atol=RTOL[dtype])


def dtype_of(value, dtype):
    return np.dtype(dtype).type(value)


def test_softmax_of_large_logits_and_of_nothing_finite():
    p, loss = np.zeros((3, 16), np.float32), np.empty(3)
    p[0, :3] = 3e38, -3e38, 3e38
    p[1, :3] = np.nan, 0, 0
    p[2, :3] = np.inf, 0, 0
    _kernels.softmax(p, 3, np.zeros(3, np.int32), loss)
    assert_allclose(p[0, :3], [0.5, 0, 0.5])
    assert_allclose(loss[0], np.log(2))
    assert not np.isfinite(loss[1:]).any()


RULES = [*(rule() for rule in OPTIMIZERS.values()), Momentum(0.8), RMSProp(0.95), Adam(0.85, 0.97)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("clip", [None, 0.5])
def test_optimizer_steps(rng, dtype, rule, clip):
    n, rate = 50, 0.01
    p = rng.normal(size=n).astype(dtype)
    m = np.zeros(n, dtype)
    v = np.full(n, rule.start, dtype)
    expected = p.astype(np.float64), np.zeros(n), np.zeros(n)
    numbers = Descent(rule, rate, clip, None).numbers()
    own = {name: getattr(numbers, name) for name in ("momentum", "decay", "eps", "beta1", "beta2")}
    for t in range(1, 6):
        g = rng.normal(size=n).astype(dtype)
        numbers = numbers._replace(correction1=1 / (1 - numbers.beta1**t), correction2=1 / (1 - numbers.beta2**t))
        _kernels.optimizer_step(rule.name, record(numbers), p, g, m, v)
        expected = reference.optimizer_step(
            rule.name, expected[0], g.astype(np.float64), *expected[1:], t, rate=rate, clip=clip or np.inf, **own
        )
    for found, wanted in zip((p, m, v), expected, strict=True):
        assert_allclose(found, wanted, rtol=RTOL[dtype], atol=RTOL[dtype] * 1e-2 + 1e-29)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_vanishing_gradients_leave_no_subnormal_numbers(rng, dtype, rule):
    n = 64
    p = np.zeros(n, dtype)
    m = np.zeros(n, dtype)
    v = np.full(n, rule.start, dtype)
    numbers = record(Descent(rule, 0.1, None, None).numbers()._replace(correction1=1.0, correction2=1.0))
    g = (10.0 ** rng.uniform(-44 if dtype == "float32" else -320, -15, n)).astype(dtype)
    for _ in range(20):
        _kernels.optimizer_step(rule.name, numbers, p, g, m, v)
    least = np.finfo(dtype).tiny
    for array in (m, v):
        assert not ((array != 0) & (np.abs(array) < least)).any()


# --- the whole window -------------------------------------------------------------------------------------------


def text(rng, architecture, *shape):
    """Symbols; those of documents end now and then."""
    ids = rng.integers(0, architecture.n_symbols, shape).astype(np.int32)
    return np.where(rng.random(shape) < 0.3, architecture.end, ids).astype(np.int32) if architecture.end >= 0 else ids


def weights(rng, architecture):
    """By name, all far from zero, the same in both precisions."""
    scale = min(0.5, 1.2 / architecture.hidden_size**0.5)  # more, and the RNN amplifies what rounding leaves
    return {name: rng.normal(0, scale, shape).astype(np.float32) for name, shape in architecture.shapes.items()}


def exact(named):
    return {name: value.astype(np.float64) for name, value in named.items()}


@functools.cache
def window(cell, T, B, H, layers, documents, D):
    """Weights, symbols, a state, and what the twin makes of them."""
    rng, architecture = np.random.default_rng(0), Architecture(cell, 11, H, T, "float64", documents, layers, 0.0, D)
    named = weights(rng, architecture)
    x, y = text(rng, architecture, 2, T, B)
    if documents:
        x[-1, -1] = architecture.end  # some streams begin anew within the window, this one certainly
    carried = rng.uniform(-0.9, 0.9, architecture.carried(B)).astype(np.float32).astype(np.float64)
    twin = exact(named), x, carried, architecture.end, cell
    p, *_ = reference.predict(*twin)
    nats = -np.log(np.take_along_axis(p, y[..., None], axis=2))[..., 0]
    return named, x, y, carried, nats, *reference.loss_and_gradients(*twin[:2], y, *twin[2:])


def assert_close(found, expected, dtype, what):
    assert np.linalg.norm(found - expected) <= RTOL[dtype] * np.linalg.norm(expected), what


def check_window(dtype, cell, T, B, H, layers, documents, D=None):
    what = f"{cell=} {T=} {B=} {H=} {layers=} {documents=} {D=}"
    named, x, y, carried, nats, loss, grads, last = window(cell, T, B, H, layers, documents, D)
    architecture = Architecture(cell, 11, H, T, dtype, documents, layers, 0.0, D)
    params = architecture.flatten(named)
    found = aligned(architecture.layout.size, dtype)
    losses = np.empty((T, B))
    w = workspace(architecture, T, B)
    w.put(carried)
    total = _kernels.loss_and_gradients(params, w, x.ravel(), y.ravel(), found, losses.reshape(-1))
    assert abs(total - loss) <= RTOL[dtype] * loss, what
    assert_close(losses, nats, dtype, what)
    for name, gradient in architecture.named(found).items():
        assert_close(gradient, grads[name], dtype, f"{name} of {what}")
        gradient[...] = 0
    assert not found.any(), f"padding of {what}"
    for layer, states in enumerate(w.last):
        for s, state in enumerate(states):
            assert_close(state, last[layer, s], dtype, f"state of {what}")
            start, stride = w.blueprint.layers["hs"[s]][layer], w.blueprint.plan["Hs"][0]
            assert not w.memory[start:][: (T + 1) * B * stride].reshape(-1, stride)[:, H:].any(), f"padding of {what}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("layers", "D"), [(1, None), (2, None), (3, None), (1, 7), (2, 34)])
def test_loss_and_gradients(dtype, cell, layers, D):
    sizes = (1, 1), (25, 1), (3, 2), (6, 5), (4, 17)
    for (T, B), H, documents in itertools.product(sizes, (5, 16, 19, 33), (False, True)):
        check_window(dtype, cell, T, B, H, layers, documents, D)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("T", "B", "H"), [(2, 3, 64), (2, 3, 128), (2, 2, 256), (20, 17, 19)])
def test_loss_and_gradients_of_rows_set_apart_and_of_sums_in_blocks(dtype, cell, T, B, H):
    # rows of whole multiples of 2 KiB lie a cache line further apart; T * B > 256 is a product in blocks
    check_window(dtype, cell, T, B, H, 2, True)
    check_window(dtype, cell, T, B, 19, 1, True, H)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_state_that_vanishes_is_zero_before_it_is_subnormal(dtype, cell):
    # Of zero weights, but for the bias of the gate by which the state stays: state = state sigmoid(-40).
    architecture, stays = Architecture(cell, 3, 4, 2, dtype), 1 / (1 + np.exp(40))
    start = architecture.flatten({name: np.zeros(shape, dtype) for name, shape in architecture.shapes.items()})
    architecture.named(start)["b"][4:8] = -40
    x = np.zeros(2, np.int32)
    for n, wanted in ((1, 0.5 * stays), (2, 0.0)):
        before = np.full(architecture.carried(1), 0.5, dtype)
        *_, after = loss_and_gradients(architecture, start, x[:n], x[:n], before)
        assert_allclose(after[0, -1], wanted, rtol=RTOL[dtype])


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_accumulate(rng, cell):
    architecture = Architecture(cell, 11, 19, 5, "float64", True, 2, 0.2, 7, 0.3)
    params, (x, y) = architecture.flatten(weights(rng, architecture)), text(rng, architecture, 2, 5 * 3)
    w = workspace(architecture, 5, 3, training=True)
    once, twice = (aligned(architecture.layout.size, "float64") for _ in range(2))
    for grads in (once, twice, twice):
        _kernels.loss_and_gradients(params, w, x, y, grads, np.empty(15))
    assert once.any()
    assert_allclose(twice, 2 * once, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("documents", [False, True])
def test_evaluation_equals_the_twin(rng, cell, documents):
    for layers, N, D, zoneout in ((1, 40, None, 0.0), (2, 4, 7, 0.2), (3, 23, None, 0.1), (1, 20, 23, 0.3)):
        more = {"zoneout": zoneout, "cell_zoneout": zoneout / 2}
        architecture = Architecture(cell, 11, 19, 7, "float64", documents, layers, 0.5, D, 0.5, **more)
        named, ids = weights(rng, architecture), text(rng, architecture, N)
        carried = rng.uniform(-0.9, 0.9, architecture.carried())
        stay = np.array([zoneout, zoneout / 2])[: carried.shape[1], None, None]
        p, *_ = reference.predict(exact(named), ids[:-1, None], carried, architecture.end, cell, stay)
        found = streamed_losses(architecture, architecture.flatten(named), ids, carried)
        assert_allclose(found, -np.log(p[np.arange(N - 1), 0, ids[1:]]), rtol=1e-11)


# --- training ---------------------------------------------------------------------------------------------------


@functools.cache
def twin_training(cell, layers, B, documents, D):
    """Nine updates by the twin, of four windows an epoch, the last one short."""
    rng, architecture = np.random.default_rng(1), Architecture(cell, 7, 5, 4, "float64", documents, layers, 0.0, D)
    named, ids = weights(rng, architecture), text(rng, architecture, 14 * B)
    options = {"cell": cell, "end": architecture.end, "T": 4, "B": B, "layers": layers, "rate": 0.3, "n_updates": 9}
    return named, ids, reference.train(named, ids, **options)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize(("layers", "B", "n_threads"), [(1, 1, 1), (1, 3, 1), (2, 2, 2), (2, 3, 3)])
@pytest.mark.parametrize("D", [None, 9])
def test_training_equals_the_twin(cell, documents, layers, B, n_threads, D):
    named, ids, (expected, carried, losses) = twin_training(cell, layers, B, documents, D)
    architecture = Architecture(cell, 7, 5, 4, "float64", documents, layers, 0.0, D)
    update = Descent(SGD(), 0.3, None, None)
    state = State.begin(architecture, architecture.flatten(named), update, B)
    loss, smooth = np.empty((2, 9))
    trainer = Trainer(architecture, state, update, ids, n_threads)
    trainer.advance(loss[:5], smooth[:5])
    trainer.advance(loss[5:], smooth[5:])
    trainer.close()
    assert trainer.updates_per_epoch == 4
    assert (state.n_updates, trainer.position) == (9, 4)
    assert_allclose(loss, losses, rtol=1e-10)
    for name, found in architecture.named(state.weights).items():
        assert_close(found, expected[name], "float64", name)
    assert_allclose(state.carried, carried, rtol=1e-10, atol=1e-12)
    weight, mean = [1e-3 * B / (1 + 1e-3 * (B - 1)) * n / 4 for n in (4, 4, 4, 1)], losses[0]
    for i in range(1, 9):
        mean += weight[i % 4] * (losses[i] - mean)
        assert_allclose(smooth[i], mean, rtol=1e-10)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("D", [None, 9])
def test_stepping_at_once_gives_the_bits_of_clipping_then_stepping(rng, dtype, rule, cell, D):
    # a norm that is never reached takes the way over the whole gradient
    architecture = Architecture(cell, 11, 19, 7, dtype, True, 2, 0.0, D)
    start, ids = architecture.flatten(weights(rng, architecture)), text(rng, architecture, 100)
    states = []
    for clip_norm in (None, 1e30):
        update = Descent(rule, 0.05, 0.3, clip_norm)
        state = State.begin(architecture, start.copy(), update, 2)
        Trainer(architecture, state, update, ids).advance(np.empty(20), np.empty(20))
        states.append(state)
    for name in ("weights", "best", "m", "v", "carried"):
        assert_array_equal(getattr(states[0], name), getattr(states[1], name))


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("share", [0.3, 0.99, 1.01])  # of the norm; what is below the limit stays
def test_clip_norm(rng, n_threads, share):
    architecture = Architecture("lstm", 11, 19, 7, "float64", num_layers=2)
    start, ids = architecture.flatten(weights(rng, architecture)), rng.integers(0, 11, 15).astype(np.int32)
    x, y = (np.stack([ids[shift:][:7], ids[shift + 7 :][:7]], axis=1) for shift in (0, 1))
    _, grads, _ = loss_and_gradients(architecture, start, x, y)
    norm = np.sqrt(sum(((g / 2) ** 2).sum() for g in grads.values()))  # of the mean over two streams
    update = Descent(SGD(), 1.0, None, share * norm)
    state = State.begin(architecture, start.copy(), update, 2)
    trainer = Trainer(architecture, state, update, ids, n_threads)
    trainer.advance(np.empty(1), np.empty(1))
    trainer.close()
    for name, found in architecture.named(state.weights).items():
        assert_allclose(found, architecture.named(start)[name] - min(share, 1) * grads[name] / 2, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("D", [None, 9])
def test_padding_stays_zero(rng, cell, n_threads, D):
    # it is multiplied with everything: one number in it would reach every sum
    architecture = Architecture(cell, 11, 19, 7, "float32", False, 2, 0.2, D, 0.2)
    update = Descent(Adam(), 0.05, 0.3, None)
    state = State.begin(architecture, architecture.flatten(weights(rng, architecture)), update, 3)
    trainer = Trainer(architecture, state, update, rng.integers(0, 11, 100).astype(np.int32), n_threads)
    trainer.advance(np.empty(50), np.empty(50))
    trainer.close()
    for flat in (state.weights, state.m, state.v, state.best):
        for view in architecture.named(flat).values():
            assert view.any()
            view[...] = 0
        assert not flat.any()


# --- sampling ---------------------------------------------------------------------------------------------------


@functools.cache
def twin_sample(cell, layers, D, zoneout, temperature, smoothing):
    """Weights, a prompt, random numbers, a state; the symbols that the twin draws, and the state before the last."""
    rng, architecture = np.random.default_rng(2), Architecture(cell, 11, 19, 1, "float64", True, layers, 0.0, D)
    stay = np.array([zoneout, zoneout / 2])[: architecture.carried()[1], None, None]
    named = weights(rng, architecture)
    u = rng.random(60)
    prompt = np.array([3, architecture.end, 1, 4], np.int32)
    named["c"][architecture.end] -= 3  # documents of some length
    state, out = rng.uniform(-0.9, 0.9, architecture.carried()), []
    start, read = state, prompt
    for number in u:
        p, state, *_ = reference.predict(exact(named), read[:, None], state, architecture.end, cell, stay)
        out.append(reference.draw(np.log(p[-1, 0]), temperature, number, smoothing))
        read = np.array(out[-1:])
    return named, prompt, u, start, np.array(out), state


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    ("layers", "D", "zoneout"),
    [(1, None, 0.0), (2, None, 0.0), (3, None, 0.0), (1, 7, 0.0), (2, 34, 0.0), (1, None, 0.4), (2, 7, 0.2)],
)
def test_sampling_draws_what_the_twin_draws(cell, layers, D, zoneout):
    more = {"zoneout": zoneout, "cell_zoneout": zoneout / 2}
    architecture = Architecture(cell, 11, 19, 1, "float64", True, layers, 0.0, D, **more)
    for temperature, smoothing in ((0.0, 0.0), (0.3, 0.0), (1.0, 0.0), (5.0, 0.0), (0.0, 0.4), (1.0, 0.4), (0.7, 0.9)):
        named, prompt, u, start, expected, last = twin_sample(cell, layers, D, zoneout, temperature, smoothing)
        params, w = architecture.flatten(named), workspace(architecture, 1)
        for first in (60, 25):  # at once, or in two calls of which the second reads on
            w.put(start)
            out, after = np.empty(60, np.int32), np.empty(architecture.carried())
            drawing = Manner.of(Drawing(temperature, smoothing), 11)
            _kernels.pack(params, w)
            assert _kernels.sample(params, w, prompt, drawing, u[:first], out[:first]) == first
            if first < 60:
                _kernels.sample(params, w, out[first - 1 : first], drawing, u[first:], out[first:])
            assert_array_equal(out, expected)
            w.take(w.first, after)
            assert_allclose(after, last, rtol=1e-10, atol=1e-12)
        ends = np.flatnonzero(expected == architecture.end)
        w.put(start)
        drawn = _kernels.sample(
            params,
            w,
            prompt,
            Manner.of(Drawing(temperature, smoothing, whole=True), int(w.blueprint.plan["K"][0])),
            u,
            out,
        )
        assert drawn == (ends[0] + 1 if ends.size else 60)
        assert_array_equal(out[:drawn], expected[:drawn])


@pytest.mark.parametrize(
    "logits", [[0, 0, 0], [1e4, -1e4, 1e4], [3e38, -3e38, 0], [-3e38, -3e38, -3e38], [0, 700, 800]]
)
@pytest.mark.parametrize("temperature", [5e-324, 1e-45, 1e-6, 0.1, 1, 10, 1e6, 1e308])
@pytest.mark.parametrize("u", [0.0, 0.3, 1 - 2**-24, 1 - 2**-53])
@pytest.mark.parametrize("smoothing", [0.0, 5e-324, 0.1, 1 - 2**-53])
def test_sampling_at_the_ends(logits, temperature, u, smoothing):
    """Whatever the logits, temperature and number, the character exists and has a share."""
    architecture = Architecture("rnn", 3, 2, 1, "float32")
    params = aligned(architecture.layout.size, "float32")
    architecture.named(params)["c"][:] = logits
    w = workspace(architecture, 1)
    out = np.full(1, -1, np.int32)
    _kernels.pack(params, w)
    _kernels.sample(
        params,
        w,
        out[:0],
        Manner.of(Drawing(temperature, smoothing, False), int(w.blueprint.plan["K"][0])),
        np.array([u]),
        out,
    )
    z = np.array(logits, np.float32).astype(np.float64)
    with np.errstate(over="ignore"):
        share = reference.softmax((z - z.max()) / temperature)
    assert 0 <= out[0] < 3
    assert share[out[0]] > 0


def test_sampling_follows_the_distribution(rng):
    # Pearson's chi-square over 200,000 draws with the state held still by zero weights
    architecture = Architecture("rnn", 20, 4, 1, "float32")
    params = aligned(architecture.layout.size, "float32")
    p = reference.softmax(rng.normal(size=20) * 1.5)
    w = workspace(architecture, 1)
    for temperature, smoothing in ((0.7, 0.0), (1.0, 0.0), (2.0, 0.0), (1.0, 0.2), (0.7, 0.2)):
        architecture.named(params)["c"][:] = np.log((1 - smoothing) * p + smoothing / 20)
        out = np.empty(200_000, np.int32)
        _kernels.pack(params, w)
        _kernels.sample(
            params,
            w,
            out[:0],
            Manner.of(Drawing(temperature, smoothing, False), int(w.blueprint.plan["K"][0])),
            rng.random(out.size),
            out,
        )
        kept = np.where((1 - smoothing) * p > smoothing / 20, p, 0) ** (1 / temperature)
        expected = out.size * kept / kept.sum()
        assert not np.bincount(out, minlength=20)[kept == 0].any()
        expected, drawn = expected[kept > 0], np.bincount(out, minlength=20)[kept > 0]
        chi_square = ((drawn - expected) ** 2 / expected).sum()
        assert chi_square < 43.8  # 19 degrees of freedom, p = 0.001


# --- bits and threads -------------------------------------------------------------------------------------------

FUSED = [name for name in _kernels.simd_names() if name != "baseline" and _kernels.simd_supported(name)]
# (K, H, T, B, layers, documents): the classic one, one with few streams, one of middle size, and one with all that is
# averaged or stays as it is. EXTRAS: dropout, embedding size, label smoothing, output dropout, zoneout, cell zoneout.
SIZES = {"classic": (80, 100, 25, 1, 1, False), "small": (11, 19, 5, 5, 1, True), "middle": (30, 48, 9, 7, 2, True)}
SIZES["averaged"] = (17, 21, 6, 5, 2, True)
EXTRAS = {"middle": (0.2, 23, 0.3), "averaged": (0.2, None, 0.0, 0.4, 0.3, 0.1)}


def digest(size, cell, dtype, rule, n_threads):
    """SHA-256 of all that 30 updates leave, of five windows an epoch."""
    K, H, T, B, layers, documents = SIZES[size]
    rng = np.random.default_rng(0)
    architecture = Architecture(cell, K, H, T, dtype, documents, layers, *EXTRAS.get(size, ()))
    clips = (None, 0.5) if rule.name == "adam" else (5.0, None)
    update = Descent(rule, None, *clips, ema_decay=0.9 if size == "averaged" else 0.0)
    state = State.begin(architecture, architecture.initial(rng, 0.1), update, B)
    loss, smooth = np.empty(30), np.empty(30)
    trainer = Trainer(architecture, state, update, text(rng, architecture, 9 * T * B // 2), n_threads)
    assert trainer.n_threads == n_threads
    trainer.advance(loss, smooth)
    trainer.close()
    found = hashlib.sha256()
    for array in (state.weights, state.best, state.m, state.v, state.average, state.carried, loss, smooth):
        assert np.isfinite(array).all()
        found.update(array.tobytes())
    return found.hexdigest()


@functools.cache
def digest_of_one_thread(simd, *case):
    before = _kernels.simd_selected()
    _kernels.simd_select(simd)
    found = digest(*case, 1)
    _kernels.simd_select(before)
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", [AdaGrad(), Adam()], ids=lambda rule: rule.name)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("size", SIZES)
def test_the_same_bits_for_any_number_of_threads_and_wherever_there_is_fused_multiply_add(
    simd, dtype, rule, cell, size
):
    # the baseline of x86-64 has none: it repeats itself, and test_training holds it against the ordered twin
    expected = digest_of_one_thread("baseline" if simd == "baseline" else FUSED[0], size, cell, dtype, rule)
    for n_threads in (1,) if size == "classic" else (1, 2, 3, 4):
        assert digest(size, cell, dtype, rule, n_threads) == expected, n_threads


@pytest.fixture
def watched():
    """A thread that waits for another in a kernel cannot be interrupted: end the process instead of hanging."""
    faulthandler.dump_traceback_later(60, exit=True, file=sys.__stderr__)  # which pytest does not replace
    yield
    faulthandler.cancel_dump_traceback_later()


def training(n_threads, B=5, H=16):
    architecture = Architecture("lstm", 11, H, 5, "float64", True, 2)
    rng, update = np.random.default_rng(0), Descent(SGD(), 0.1, None, None)
    state = State.begin(architecture, architecture.flatten(weights(rng, architecture)), update, B)
    return Trainer(architecture, state, update, text(rng, architecture, 400), n_threads)


def advance(trainer, n):
    losses = np.full((2, n), np.nan)
    trainer.advance(*losses)
    return losses


def assert_same_state(found, expected):
    for name in ("weights", "best", "m", "v", "average", "carried", "run", "smooth", "shift"):
        assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("submitted", [0, 1, 2])
def test_an_interrupt_before_all_threads_have_begun_changes_nothing(watched, monkeypatch, started, submitted):
    trainer, expected = training(4), training(1)
    if started:
        advance(trainer, 3)
        advance(expected, 3)
    before = trainer.state.copy()
    calls = []
    losses = np.full((2, 5), np.nan)

    def interrupted(self, *call):
        if len(calls) == submitted:
            raise KeyboardInterrupt
        calls.append(submit(self, *call))
        return calls[-1]

    with monkeypatch.context() as patch:
        submit = ThreadPoolExecutor.submit
        patch.setattr(ThreadPoolExecutor, "submit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trainer.advance(*losses)
    assert len(calls) == submitted
    assert all(call.done() for call in calls)
    assert np.isnan(losses).all()
    assert_same_state(trainer.state, before)
    assert_array_equal(advance(trainer, 5), advance(expected, 5))  # and it can go on
    assert_same_state(trainer.state, expected.state)
    trainer.close()


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_signal_while_threads_train_leaves_whole_updates(watched, n_threads):
    trainer, again = training(n_threads, B=2, H=40), training(1, B=2, H=40)
    timer = threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        while True:
            advance(trainer, 500)
    found = trainer.state.copy()
    trainer.close()
    timer.join()
    assert_same_state(trainer.state, found)  # no thread went on
    advance(again, found.n_updates)
    assert_same_state(found, again.state)


def test_no_thread_is_left_behind(watched):
    before = set(threading.enumerate())
    trainer = training(3)
    assert set(threading.enumerate()) == before
    for _ in range(2):
        advance(trainer, 1)
        assert len(set(threading.enumerate()) - before) == 2  # this one is the third
    trainer.close()
    trainer.close()
    assert set(threading.enumerate()) == before
    advance(trainer, 1)  # it may be closed and used again
    trainer.close()
    assert set(threading.enumerate()) == before


def test_there_are_no_more_threads_than_streams():
    assert [training(n).n_threads for n in (1, 4, 5, 6, 1000)] == [1, 4, 5, 5, 5]
    assert training(4, B=1).n_threads == 1


def test_trainings_at_a_time_share_the_processors(monkeypatch):
    monkeypatch.setattr("pycharrnn.training.trainer.processors", lambda: 4)
    one, expected = training(None, H=256), training(1, H=256)
    loss = np.empty((2, 9))
    assert one.n_threads == 4
    one.advance(loss[0, :3], np.empty(3))
    two = training(None, H=256)
    small = training(None)
    three = training(3)
    assert [t.n_threads for t in (one, two, small, three)] == [1, 1, 1, 3]  # what was asked for is given
    small.close()
    assert [t.n_threads for t in (one, two)] == [2, 2]
    one.advance(loss[0, 3:6], np.empty(3))
    del two
    assert one.n_threads == 4
    one.advance(loss[0, 6:], np.empty(3))
    one.close()
    expected.advance(loss[1], np.empty(9))
    assert_array_equal(one.state.weights, expected.state.weights)
    assert_array_equal(loss[0], loss[1])


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of a process with threads, which is the point
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_trains_with_threads_of_its_own():
    parent, expected = training(2), training(1)
    advance(parent, 1)
    advance(expected, 8)
    child = os.fork()
    if not child:
        status = 1
        try:
            signal.alarm(60)  # the end of a process that hangs
            trainer = training(2)
            advance(trainer, 8)
            trainer.close()
            assert_same_state(trainer.state, expected.state)
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    advance(parent, 7)
    parent.close()
    assert_same_state(parent.state, expected.state)


# --- choice of the instruction set ------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "why"), [("Base_line", "does not know"), ("fastest", "does not know"), ("", None)])
def test_environment_forces_an_instruction_set(name, why, simd):
    code = "from pycharrnn import _kernels; import pycharrnn.network.engine; print(_kernels.simd_selected())"
    for value in [name] if why else [simd, ""]:
        done = subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYCHARRNN_SIMD": value}, capture_output=True, text=True
        )
        if why:
            assert done.returncode == 1
            assert f"ImportError: PYCHARRNN_SIMD={value!r} cannot be used" in done.stderr
            assert why in done.stderr
            assert "set it to one of" in done.stderr
            assert ("did you mean" in done.stderr) == (value != "fastest")
        else:
            assert done.stdout.strip() == (value or _kernels.simd_best()), done.stderr


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 100])
def test_reflect(rng, simd, n):
    v, Q = rng.normal(size=n), rng.normal(size=(n + 3, n + 5))
    expected = Q.copy()
    expected[3:, 5:] -= np.outer(v, v @ Q[3:, 5:])
    _kernels.reflect(v, Q[3:, 5:], np.empty(2 * n))
    np.testing.assert_allclose(Q, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("start", [-1.0, 3.25])
def test_moving_average(rng, start):
    """To the bit what Python computes, which fuses nothing."""
    x = rng.normal(size=300)
    weights = rng.random(300)
    out = np.empty(300)
    last = _kernels.moving_average(x, weights, out, start)
    np.testing.assert_array_equal(out, reference.moving_average(x, weights, start))
    assert last == out[-1]


def test_no_moving_average_of_nothing():
    assert _kernels.moving_average(np.empty(0), np.empty(0), np.empty(0), 3.25) == 3.25


@pytest.mark.parametrize("field", ["precision", "cell", "L"])
def test_a_blueprint_that_no_kernel_could_read_is_refused(field):
    blueprint = workspace(Architecture("lstm", 11, 8, 4), 3).blueprint
    plan = blueprint.plan.copy()
    plan[field] = 99
    with pytest.raises(ValueError, match=r"99|as many layers"):
        _kernels.Blueprint(plan, blueprint.layers)


@pytest.mark.parametrize("blueprint", [None, "plan"])
def test_only_a_blueprint_is_read_as_one(blueprint):
    architecture = Architecture("rnn", 3, 4, 5)
    space = workspace(architecture, 1)._replace(blueprint=blueprint)
    with pytest.raises(TypeError):
        _kernels.pack(architecture.initial(np.random.default_rng(0)), space)
    with pytest.raises(TypeError):
        _kernels.Blueprint.__new__(_kernels.Blueprint)


def pack(space, plan, layers):
    architecture = Architecture("lstm", 11, 8, 4, num_layers=2)
    blueprint = _kernels.Blueprint(plan, layers)
    _kernels.pack(architecture.initial(np.random.default_rng(0)), space._replace(blueprint=blueprint))


@pytest.mark.parametrize("field", ["Kp", "c", "V", "p", "VT", "zero", "r", "z", "top"])
@pytest.mark.parametrize("place", [-8, 10**12])
def test_a_plan_whose_arrays_lie_outside_is_refused(field, place):
    """The kernels check no place: each array lies in the memory or among the weights."""
    space = workspace(Architecture("lstm", 11, 8, 4, num_layers=2), 3)
    plan = space.blueprint.plan.copy()
    plan[field] = place
    with pytest.raises(ValueError, match=r"of this plan|places of at least 0|weights lie in"):
        pack(space, plan, space.blueprint.layers)


@pytest.mark.parametrize("field", ["U", "W", "b", "h", "s", "hc", "a", "d", "da", "UT", "WT", "x", "dx"])
@pytest.mark.parametrize("place", [-8, 10**12])
def test_a_layer_whose_arrays_lie_outside_is_refused(field, place):
    space = workspace(Architecture("lstm", 11, 8, 4, num_layers=2), 3)
    layers = space.blueprint.layers.copy()
    layers[field][1] = place
    with pytest.raises(ValueError, match=r"of this plan|places are at least 0|weights lie in"):
        pack(space, space.blueprint.plan, layers)


def test_weights_and_memory_that_are_too_short_are_refused():
    architecture = Architecture("gru", 11, 8, 4)
    space, weights = workspace(architecture, 3), architecture.initial(np.random.default_rng(0))
    with pytest.raises(ValueError, match=f"weights of this plan are {weights.size} numbers, not 64"):
        _kernels.pack(weights[:64], space)
    with pytest.raises(ValueError, match="memory of this plan"):
        _kernels.pack(weights, space._replace(memory=space.memory[:64]))
    ids, losses = np.zeros(4, np.int32), np.empty(3)
    with pytest.raises(ValueError, match="weights of this plan"):
        _kernels.evaluate(weights[:64], space, ids, losses)
    with pytest.raises(ValueError, match="weights of this plan"):
        _kernels.loss_and_gradients(weights[:64], space, ids[:3], ids[1:], weights[:0].copy(), losses)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_a_thread_may_have_a_small_stack(dtype, tmp_path):
    program = f"""
import threading
from pycharrnn import CharRNN

def train():
    model = CharRNN("lstm", hidden_size=160, batch_size=30, dtype={dtype!r}, max_updates=1, verbose=False)
    model.fit("some words " * 500)
    print("trained")

threading.stack_size(1 << 17)
thread = threading.Thread(target=train)
thread.start()
thread.join()
"""
    env = os.environ | {"PYCHARRNN_SIMD": _kernels.simd_selected()}
    done = subprocess.run([sys.executable, "-P", "-c", program], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "trained\n"), done.stderr
