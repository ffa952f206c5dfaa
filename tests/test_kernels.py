"""Each kernel against its NumPy twin, in both precisions and on every instruction set that this processor has."""

import hashlib
import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal

from pycharrnn import _kernels
from pycharrnn.network import Network
from pycharrnn.optim import SGD, AdaGrad, Adam, Momentum, RMSProp, Update
from pycharrnn.params import aligned

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
    for M, N, K in itertools.product((1, 2, 7, 13, 14, 25, 40), (1, 16, 31, 80), (1, 25, 100)):
        A, B, start = rng.normal(size=(M, K)).astype(dtype), rows(rng, K, N, dtype), rows(rng, M, N, dtype)
        panels = np.zeros((padded(N) + 2 * _kernels.LANES) * K, dtype)
        found = [start.copy(), start.copy()]
        for C, reverse in zip(found, (False, True), strict=True):
            given = np.ascontiguousarray(A.T) if transposed else A
            _kernels.matmul(given, B, C, panels, transposed, packed, reverse)
        scale = np.abs(start) + np.abs(A) @ np.abs(B)
        assert (np.abs(found[0] - (start + A @ B)) <= RTOL[dtype] * scale).all(), (M, N, K)
        assert_array_equal(found[0], found[1])  # the direction of the walk changes no bit
        assert not found[0][:, N:].any(), (M, N, K)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_row_of_a_product_has_the_bits_of_the_row_alone(rng, dtype):
    A, B = rng.normal(size=(40, 100)).astype(dtype), rows(rng, 100, 80, dtype)
    panels = np.zeros((padded(80) + 2 * _kernels.LANES) * 100, dtype)
    together = rows(rng, 40, 80, dtype)
    alone = together.copy()
    _kernels.matmul(A, B, together, panels, False, True, False)
    for i in range(40):
        _kernels.matmul(A[i : i + 1].copy(), B, alone[i : i + 1], panels, False, False, i % 2 == 1)
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
def test_softmax(rng, dtype, K, spread):
    M = 20
    logits = rows(rng, M, K, dtype) * dtype_of(spread, dtype)
    p, y, loss = logits.copy(), rng.integers(0, K, M).astype(np.int32), np.empty(M)
    _kernels.softmax(p, K, y, loss)
    expected = reference.softmax(logits[:, :K].astype(np.float64))
    assert_allclose(p[:, :K], expected, rtol=RTOL[dtype], atol=1e-28)
    assert not p[:, K:].any()
    assert_allclose(loss, -np.log(expected[np.arange(M), y]), rtol=RTOL[dtype], atol=RTOL[dtype])


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


RULES = [SGD(), Momentum(0.8), AdaGrad(), RMSProp(0.95), Adam(0.85, 0.97)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("clip", [None, 0.5])
def test_optimizer_steps(rng, dtype, rule, clip):
    n, rate = 50, 0.01
    p, m, v = rng.normal(size=n).astype(dtype), np.zeros(n, dtype), np.full(n, rule.start, dtype)
    expected = p.astype(np.float64), np.zeros(n), np.zeros(n)
    hyper = Update(rule, rate, clip, None).options()["hyper"]
    numbers = {name: hyper[name] for name in ("momentum", "decay", "eps", "beta1", "beta2")}
    for t in range(1, 6):
        g = rng.normal(size=n).astype(dtype)
        if rule.name == "adam":
            hyper |= {"correction1": 1 / (1 - rule.beta1**t), "correction2": 1 / (1 - rule.beta2**t)}
        _kernels.optimizer_step(rule.name, hyper, p, g, m, v)
        expected = reference.optimizer_step(
            rule.name, expected[0], g.astype(np.float64), *expected[1:], t, rate=rate, clip=clip or np.inf, **numbers
        )
    for found, wanted in zip((p, m, v), expected, strict=True):
        assert_allclose(found, wanted, rtol=RTOL[dtype], atol=RTOL[dtype] * 1e-2 + 1e-29)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_vanishing_gradients_leave_no_subnormal_numbers(rng, dtype, rule):
    n = 64
    p, m, v = np.zeros(n, dtype), np.zeros(n, dtype), np.full(n, rule.start, dtype)
    hyper = Update(rule, 0.1, None, None).options()["hyper"] | {"correction1": 1.0, "correction2": 1.0}
    g = (10.0 ** rng.uniform(-44 if dtype == "float32" else -320, -15, n)).astype(dtype)
    for _ in range(20):
        _kernels.optimizer_step(rule.name, hyper, p, g, m, v)
    least = np.finfo(dtype).tiny
    for array in (m, v):
        assert not ((array != 0) & (np.abs(array) < least)).any()


# --- the whole window -------------------------------------------------------------------------------------------


def small(rng, dtype, T, B, K=11, H=19, documents=False):
    network = Network("rnn", K, H, T, dtype, documents)
    params = network.initial(rng, 0.5)
    for name in ("b", "c"):
        network.named(params)[name][:] = rng.normal(size=network.shapes[name])
    x, y = rng.integers(0, K, (2, T, B)).astype(np.int32)
    return network, params, x, y, rng.uniform(-0.9, 0.9, (B, H))


def batch_plan(network, T, B):
    """A plan for B streams at once, which the kernels know and the API does not offer yet."""
    plan, _ = network.plan(T * B)
    plan |= {"T": T, "B": B, "p": plan["p"] + B * plan["Hp"], "d": plan["d"] + B * plan["Hp"]}
    plan |= {"WT": plan["WT"] + B * plan["Hp"], "VT": plan["VT"] + B * plan["Hp"]}
    plan |= {"r": plan["r"] + B * plan["Hp"]}
    return plan, aligned(network.plan(T * B)[1].size + 2 * B * plan["Hp"], network.dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize(("T", "B"), [(1, 1), (3, 1), (25, 1), (3, 2), (6, 5), (4, 17)])
def test_loss_and_gradients(rng, dtype, T, B, documents):
    network, params, x, y, h0 = small(rng, dtype, T, B, documents=documents)
    if documents:
        x[rng.random(x.shape) < 0.4] = network.end
        x[-1, -1] = network.end  # some streams begin anew within the window, this one certainly
    plan, work = batch_plan(network, T, B)
    work[: B * plan["Hp"]].reshape(B, -1)[:, : network.H] = h0
    grads, losses = aligned(network.layout.size, dtype), np.empty(T * B)
    loss = _kernels.loss_and_gradients(x.ravel(), y.ravel(), params, grads, work, plan, losses)
    named = {name: value.astype(np.float64) for name, value in network.named(params).items()}
    h0 = h0.astype(dtype).astype(np.float64)
    expected, expected_grads, last = reference.loss_and_gradients(named, x, y, h0, network.end)
    assert_allclose(loss, expected, rtol=RTOL[dtype])
    assert_allclose(losses.sum(), loss, rtol=1e-12)
    for name, found in network.named(grads).items():
        error = np.linalg.norm(found - expected_grads[name])
        assert error <= RTOL[dtype] * np.linalg.norm(expected_grads[name]), name
    state = work[plan["h"] + T * B * plan["Hp"] :][: B * plan["Hp"]].reshape(B, -1)
    assert_allclose(state[:, : network.H], last, rtol=RTOL[dtype], atol=RTOL[dtype])
    assert not state[:, network.H :].any()


def test_gradients_accumulate(rng):
    network, params, x, y, _ = small(rng, "float64", 5, 1)
    plan, work = network.plan(5)
    once, twice = aligned(params.size, "float64"), aligned(params.size, "float64")
    for grads in (once, twice, twice):
        _kernels.loss_and_gradients(x.ravel(), y.ravel(), params, grads, work, plan, np.empty(5))
    assert_allclose(twice, 2 * once, rtol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_stepping_at_once_gives_the_bits_of_clipping_then_stepping(rng, dtype, rule):
    # a norm that is never reached takes the way over the whole gradient
    network = Network("rnn", 11, 19, 7, dtype)
    start, ids = network.initial(rng, 0.5), rng.integers(0, 11, 100).astype(np.int32)
    states = []
    for clip_norm in (None, 1e30):
        update = Update(rule, 0.05, 0.3, clip_norm)
        state = network.state(start.copy(), update)
        network.trainer(state, update, ids).advance(np.empty(40), np.empty(40))
        states.append(state)
    for name in ("params", "m", "v", "hidden"):
        assert_array_equal(getattr(states[0], name), getattr(states[1], name))


def test_clip_norm(rng):
    network = Network("rnn", 11, 19, 7, "float64")
    start, ids = network.initial(rng, 0.5), rng.integers(0, 11, 8).astype(np.int32)
    _, grads, _ = network.loss_and_gradients(start, ids[:-1], ids[1:])
    norm = np.sqrt(sum((g**2).sum() for g in grads.values()))
    update = Update(SGD(), 1.0, None, norm / 3)
    state = network.state(start.copy(), update)
    network.trainer(state, update, ids).advance(np.empty(1), np.empty(1))
    for name, found in network.named(state.params).items():
        assert_allclose(found, network.named(start)[name] - grads[name] / 3, rtol=1e-9, atol=1e-12)


def test_sampling_draws_what_the_twin_draws(rng):
    network, params, *_ = small(rng, "float64", 1, 1)
    named = network.named(params)
    for temperature in (0.0, 0.3, 1.0, 5.0):
        plan, work = network.plan(1)
        u, out = rng.random(300), np.empty(300, np.int32)
        prompt = np.array([3, 1, 4], np.int32)
        _kernels.sample(prompt, params, work, plan, True, u, temperature, np.zeros(plan["Kp"]), False, out)
        h = reference.rnn_forward(named, prompt[:, None], np.zeros((1, network.H)))[-1]
        for i in range(300):
            assert out[i] == reference.draw(named["V"] @ h[0] + named["c"], temperature, u[i])
            h = reference.rnn_forward(named, out[i : i + 1, None], h)[-1]


@pytest.mark.parametrize(
    "logits", [[0, 0, 0], [1e4, -1e4, 1e4], [3e38, -3e38, 0], [-3e38, -3e38, -3e38], [0, 700, 800]]
)
@pytest.mark.parametrize("temperature", [5e-324, 1e-45, 1e-6, 0.1, 1, 10, 1e6, 1e308])
@pytest.mark.parametrize("u", [0.0, 0.3, 1 - 2**-24, 1 - 2**-53])
def test_sampling_at_the_ends(logits, temperature, u):
    """Whatever the logits, temperature and number, the character exists and has a share."""
    network = Network("rnn", 3, 2, 1, "float32")
    params = aligned(network.layout.size, "float32")
    network.named(params)["c"][:] = logits
    plan, work = network.plan(1)
    out = np.full(1, -1, np.int32)
    _kernels.sample(out[:0], params, work, plan, True, np.array([u]), temperature, np.zeros(plan["Kp"]), False, out)
    z = np.array(logits, np.float32).astype(np.float64)
    with np.errstate(over="ignore"):
        share = reference.softmax((z - z.max()) / temperature)
    assert 0 <= out[0] < 3
    assert share[out[0]] > 0


def test_sampling_follows_the_distribution(rng):
    # Pearson's chi-square over 200,000 draws with the state held still by zero weights
    network = Network("rnn", 20, 4, 1, "float32")
    params = aligned(network.layout.size, "float32")
    network.named(params)["c"][:] = rng.normal(size=20) * 1.5
    plan, work = network.plan(1)
    for temperature in (0.7, 1.0, 2.0):
        out = np.empty(200_000, np.int32)
        u = rng.random(out.size)
        _kernels.sample(out[:0], params, work, plan, True, u, temperature, np.zeros(plan["Kp"]), False, out)
        expected = out.size * reference.softmax(network.named(params)["c"].astype(np.float64) / temperature)
        chi_square = ((np.bincount(out, minlength=20) - expected) ** 2 / expected).sum()
        assert chi_square < 43.8  # 19 degrees of freedom, p = 0.001


def test_padding_stays_zero(rng):
    # it is multiplied with everything: one number in it would reach every sum
    network = Network("rnn", 11, 19, 7, "float32")
    update = Update(Adam(), 0.05, 0.3, None)
    state = network.state(network.initial(rng, 0.5), update)
    network.trainer(state, update, rng.integers(0, 11, 100).astype(np.int32)).advance(np.empty(50), np.empty(50))
    for flat in (state.params, state.m, state.v, state.best):
        for view in network.named(flat).values():
            view[...] = 0
        assert not flat.any()
    assert not state.hidden[network.H :].any()


# --- bits -------------------------------------------------------------------------------------------------------


def weights_after_training(dtype, rule, seed=0):
    network = Network("rnn", 80, 100, 25, dtype)
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 80, 1000).astype(np.int32)
    update = Update(rule, 0.1 if rule.name == "adagrad" else 0.002, 5.0, None)
    state = network.state(network.initial(rng, 0.01), update)
    loss, smooth = np.empty(200), np.empty(200)
    network.trainer(state, update, ids).advance(loss, smooth)
    digest = hashlib.sha256()
    for array in (state.params, state.best, state.m, state.v, state.hidden, loss, smooth):
        digest.update(array.tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", [AdaGrad(), Adam()], ids=lambda rule: rule.name)
def test_the_same_bits_wherever_there_is_fused_multiply_add(simd, dtype, rule):
    if simd == "baseline":  # has none: it repeats itself, and test_training holds it against the ordered twin
        assert weights_after_training(dtype, rule) == weights_after_training(dtype, rule)
        return
    found = weights_after_training(dtype, rule)
    fused = [name for name in _kernels.simd_names() if name != "baseline" and _kernels.simd_supported(name)]
    for name in fused:
        _kernels.simd_select(name)
        assert weights_after_training(dtype, rule) == found, name


@pytest.mark.parametrize(("name", "why"), [("x86-64-v9", "does not know"), ("", None)])
def test_environment_forces_an_instruction_set(name, why, simd):
    code = "from pycharrnn import _kernels, network; print(_kernels.simd_selected())"
    for value in [name] if why else [simd, ""]:
        done = subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYCHARRNN_SIMD": value}, capture_output=True, text=True
        )
        if why:
            assert done.returncode == 1
            assert f"ImportError: PYCHARRNN_SIMD={value!r} cannot be used" in done.stderr
            assert why in done.stderr
            assert "set it to one of" in done.stderr
        else:
            assert done.stdout.strip() == (value or _kernels.simd_best()), done.stderr
