"""bfloat16 products to the bit: rounding, sums, whole updates, threads, instruction sets, and models that use them."""

import functools
import hashlib
from fractions import Fraction

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from ordered import Ordered
from reference import bfloat16, bfloat16_matmul, fused

from pycharrnn import CharRNN, _kernels
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.cells import CELLS
from pycharrnn.network.engine import Engine
from pycharrnn.network.precision import PRECISIONS
from pycharrnn.network.records import Drawing, Manner
from pycharrnn.network.state import State
from pycharrnn.network.workspace import workspace
from pycharrnn.training.descent import Descent
from pycharrnn.training.optimizers import OPTIMIZERS, Adam
from pycharrnn.training.trainer import Trainer
from pycharrnn.training.windows import Reading

# Every sign, exponent and upper half of a mantissa, with lower halves on, beside and far from a tie.
PATTERNS = (np.arange(1 << 16, dtype=np.uint32)[:, None] << 16) + np.array(
    [0, 1, 0x1234, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32
)
FUSING = [name for name in _kernels.simd_names() if _kernels.simd_supported(name) and name != "baseline"]


def padded(n):
    return -(-n // _kernels.LANES) * _kernels.LANES


def assert_same_bits(found, expected):
    """Signs of zeros too; of a NaN only that it is one."""
    assert found.dtype == expected.dtype == np.float32
    assert_array_equal(found, expected)
    number = ~np.isnan(expected)
    assert_array_equal(np.signbit(found)[number], np.signbit(expected)[number])


def numbers(rng, shape, spread):
    """Float32 numbers: ordinary ones; of nearly all exponents; near and below the smallest normal number."""
    low, high = {"ordinary": (118, 128), "wide": (40, 210), "tiny": (0, 90)}[spread]
    bits = rng.integers(0, 1 << 23, shape) | rng.integers(low, high, shape) << 23 | rng.integers(0, 2, shape) << 31
    return bits.astype(np.uint32).view(np.float32)


# --- the twin itself --------------------------------------------------------------------------------------------


def test_the_twin_rounds_to_the_nearest_and_ties_to_even():
    eighth = 2.0**-8  # half the distance of two bfloat16 numbers between 1 and 2
    given = [1 + eighth, 1 + 3 * eighth, 1 + eighth * (1 + 2**-14), -1 - eighth, 3.39e38, 3.4e38]
    expected = [1, 1 + 4 * eighth, 1 + 2 * eighth, -1, 255 * 2.0**120, np.inf]
    assert_same_bits(bfloat16(given), np.array(expected, np.float32))
    finite = PATTERNS.view(np.float32)[np.isfinite(PATTERNS.view(np.float32))]
    found = bfloat16(finite).astype(np.float64)
    distance = np.abs(found - finite)
    exponent = np.frexp(finite)[1]
    normal = (np.abs(finite) >= 2.0**-126) & np.isfinite(found)
    assert (distance[normal] <= np.ldexp(0.5, exponent[normal] - 8)).all()  # no other one is nearer
    assert not found[np.abs(finite) < 2.0**-126].any()


def single(x):
    """The float32 number nearest to an exact number, ties to the even one, flushed if it is below the normal ones."""
    if not x:
        return 0.0
    exponent = len(bin(abs(x.numerator))) - len(bin(x.denominator))
    exponent += abs(x) >= Fraction(2) ** (exponent + 1)
    exponent -= abs(x) < Fraction(2) ** exponent
    unit = Fraction(2) ** (exponent - 23)
    nearest = round(x / unit) * unit  # Python rounds ties to even
    return 0.0 if abs(nearest) < Fraction(2) ** -126 else float(nearest)


def test_the_twin_rounds_a_fused_product_and_sum_once():
    rng = np.random.default_rng(0)
    a, b, c = [], [], []
    for spread in ("ordinary", "tiny"):
        for numbers_of in (bfloat16, np.array):
            x, y, z = numbers(rng, (3, 4000), spread)
            a.append(numbers_of(x))
            b.append(numbers_of(y))
            c.append(z if spread == "tiny" else np.float32(x * y) * rng.choice(np.float32([-1, 1e-7, 1, 1e7]), 4000))
    # 2**-54 beside a tie of float32, where float64 has the tie alone: two roundings go to the even number
    a.append(np.full(4000, 2.0**-24 * (1 + 2.0**-15), np.float32) * rng.choice(np.float32([-1, 1]), 4000))
    b.append(np.full(4000, 1 - 2.0**-15, np.float32))
    c.append(rng.uniform(1, 2, 4000).astype(np.float32))
    # the largest sum that is flushed and the smallest that rounds up to a normal number
    a.append(np.float32([1, 1]))
    b.append(np.float32([-(2.0**-126), -(2.0**-149)]))
    c.append(np.float32([2.0**-126 * (1 + 2**-23), 2.0**-126]))
    a, b, c = (np.concatenate(part) for part in (a, b, c))
    c = reference.flushed(c)
    exact = (map(Fraction, numbers) for numbers in zip(a.tolist(), b.tolist(), c.tolist(), strict=True))
    expected = [single(x * y + z) for x, y, z in exact]
    twice = (a.astype(np.float64) * b + c).astype(np.float32)
    found = fused(a, b, c, flush=True)
    assert_array_equal(found, np.array(expected, np.float32))
    assert (twice != found).sum() > 1000


# --- rounding and products -----------------------------------------------------------------------------------------


def test_packing_rounds_every_pattern(simd):
    given = PATTERNS.view(np.float32)
    expected = bfloat16(given)
    for array in (given, np.ascontiguousarray(given.T)):  # whole vectors, and what is left of them
        found = np.zeros((array.shape[1], padded(len(array))), np.float32)
        _kernels.transpose(array, found, "bfloat16")
        assert_same_bits(found[:, : len(array)].T, expected if array is given else expected.T)


def test_a_product_rounds_both_operands(simd):
    given = PATTERNS.view(np.float32).reshape(-1, 7 * 16)
    given = given[(np.abs(bfloat16(given)) < np.inf).all(axis=1)]  # with an infinite number, zeros give a NaN
    expected = bfloat16(given) + np.float32(0)  # -0 + 0 = 0
    one, nothing = np.eye(112, dtype=np.float32), np.zeros(0, np.float32)
    for left in (False, True):
        found = np.zeros_like(given)
        for rows in range(0, len(given), 112):
            some = given[rows : rows + 112]
            A, B = (some, one) if left else (np.eye(len(some), dtype=np.float32), some)
            _kernels.matmul(A, B, found[rows : rows + 112], nothing, False, False, 1, "bfloat16")
        assert_same_bits(found, expected)


SHAPES = [
    *((1, 16, k) for k in (1, 2, 31, 32, 33, 62, 63, 64, 200)),
    *((2, 31, 1), (3, 16, 31), (7, 80, 95), (5, 48, 129), (13, 33, 257), (1, 300, 300), (6, 300, 140)),
    *((111, 16, 40), (112, 17, 33), (113, 20, 65), (230, 16, 130)),
]


@functools.cache
def twin_products(spread, fma):
    """Operands, starts and sums of each shape."""
    rng, found = np.random.default_rng(3), []
    for M, N, K in SHAPES:
        A = numbers(rng, (M, K), spread)
        B, start = (np.zeros((rows, padded(N)), np.float32) for rows in (K, M))
        B[:, :N] = numbers(rng, (K, N), spread)
        start[:, :N] = numbers(rng, (M, N), spread)
        start[:, ::5] = -0.0
        found.append((A, B, start, bfloat16_matmul(start, A, B, fma)))
    return found


@pytest.mark.parametrize("spread", ["ordinary", "wide", "tiny"])
@pytest.mark.parametrize("packed", [False, True])
def test_products_have_the_bits_of_the_twin(simd, spread, packed):
    for A, B, start, expected in twin_products(spread, simd != "baseline"):
        panels = np.zeros((B.shape[1] + _kernels.LANES) * len(B) if packed else 0, np.float32)
        for transposed in (False, True):
            found = start.copy()
            given = np.ascontiguousarray(A.T) if transposed else A
            _kernels.matmul(given, B, found, panels, transposed, transposed, 1, "bfloat16")
            assert_same_bits(found, expected)


@pytest.mark.parametrize("K", [30, 31, 32, 33, 63])
def test_zeros_fill_the_last_block(simd, K):
    """Fused products below all numbers make a sum of -0, and a zero behind them +0."""
    A, B = np.full((2, K), -1e-30, np.float32), np.full((K, 16), 1e-30, np.float32)
    found = np.full((2, 16), -0.0, np.float32)
    expected = bfloat16_matmul(found, A, B, simd != "baseline")
    assert np.signbit(expected).all() == (K == 32 and simd != "baseline")  # no zero has come between
    _kernels.matmul(A, B, found, np.zeros(0, np.float32), False, False, 1, "bfloat16")
    assert_same_bits(found, expected)


def test_subnormal_numbers_are_zero_in_products_alone(simd):
    least = 2.0**-126
    for start, product in ((least / 2, least / 4), (1.5 * least, -least), (1.5 * least, -least / 2), (0, least / 2)):
        found, right = (np.full((1, 16), number, np.float32) for number in (start, product))
        one = np.ones((1, 1), np.float32)
        _kernels.matmul(one, right, found, np.zeros(0, np.float32), False, False, 1, "bfloat16")
        expected = 1.5 * least if product == -least / 2 else 0
        assert (found.view(np.int32) == np.float32(expected).view(np.int32)).all()  # as floats they might be zero
    subnormal = right * np.float32(0.5)  # the processor is as it was
    assert (subnormal.view(np.int32) == 1 << 21).all()


def test_a_precision_of_other_sizes_is_refused():
    A = np.ones((1, 1))
    with pytest.raises(ValueError, match="bfloat16 do not have 8 bytes"):
        _kernels.transpose(A, np.zeros((1, 16)), "bfloat16")


# --- whole updates ------------------------------------------------------------------------------------------------


def drawn(rng, architecture):
    return {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in architecture.shapes.items()}


def symbols(rng, architecture, *shape):
    """Symbols; those of documents end now and then."""
    ids = rng.integers(0, architecture.n_symbols, shape).astype(np.int32)
    return np.where(rng.random(shape) < 0.2, architecture.end, ids).astype(np.int32) if architecture.end >= 0 else ids


RICH = {"documents": True, "num_layers": 2, "dropout": 0.2, "embedding_size": 9, "label_smoothing": 0.1}
KINDS = [(1, {}), (3, RICH), (1, RICH | {"embedding_size": None}), (2, RICH | {"num_layers": 3, "dropout": 0.0})]


@functools.cache
def twin_updates(kind, dtype, name, cell, fma):
    """What four updates are made of, of which the third reads a short window, and what the twin makes of them."""
    (B, options), rule, rng = KINDS[kind], OPTIMIZERS[name](), np.random.default_rng(4)
    architecture = Architecture(cell, 11, 19, 7, dtype, **options)
    update = Descent(rule, 0.05, 0.3, 0.5 if B > 1 else None, 0.01 if B > 1 else 0)
    named, ids = drawn(rng, architecture), symbols(rng, architecture, 20 * B + 1)
    twin = Ordered(architecture, named, name, update.numbers(), rule.start, B, fma)
    windows, at, losses = Reading(ids, 7, B).cut(0, 4), 0, []
    for steps, fresh in zip(windows.steps, windows.fresh, strict=True):
        x, y = (array[at : at + steps * B].reshape(steps, B) for array in (windows.x, windows.y))
        losses.append(twin.update(x, y, fresh) * 7 / steps / B)
        at += steps * B
    return architecture, update, named, ids, B, twin, losses


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("rule", OPTIMIZERS)
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_updates_have_the_bits_of_the_twin(simd, dtype, rule, cell):
    for kind in range(len(KINDS)):
        architecture, update, named, ids, B, twin, losses = twin_updates(kind, dtype, rule, cell, simd != "baseline")
        state = State.begin(architecture, architecture.flatten(named), update, B)
        loss = np.empty(4)
        Trainer(architecture, state, update, ids, 1).advance(loss, np.empty(4))
        for name, found in architecture.named(state.weights).items():
            assert_array_equal(found, twin.p[name])
        for moments, expected in ((state.m, twin.m), (state.v, twin.v)):
            for name, found in architecture.named(moments).items() if moments.size else ():
                assert_array_equal(found, expected[name])
        assert_array_equal(state.carried, twin.state)
        assert_allclose(loss, losses, rtol=1e-7)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("D", [None, 9])
def test_a_stream_has_the_same_bits_alone_and_among_others(rng, simd, cell, D):
    architecture = Architecture(cell, 11, 70, 6, "bfloat16", True, 2, 0.0, D)
    weights, ids = architecture.flatten(drawn(rng, architecture)), symbols(rng, architecture, 7, 3)
    together = Engine(architecture, 6, 3).losses(weights, ids[:-1], ids[1:]).reshape(6, 3)
    for stream in range(3):
        own = np.ascontiguousarray(ids[:, stream])
        assert_array_equal(Engine(architecture, 6).losses(weights, own[:-1], own[1:]), together[:, stream])
        found = np.empty(6)
        Engine(architecture, 4).read(weights, own, found)  # in windows of four steps and of two
        assert_array_equal(found, together[:, stream])


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("D", [None, 9])
def test_sampling_draws_what_the_twin_draws(rng, simd, cell, D):
    architecture = Architecture(cell, 11, 19, 1, "bfloat16", True, 2, 0.0, D)
    named, numbers = drawn(rng, architecture), Descent(Adam(), 0.1, None, None).numbers()
    twin = Ordered(architecture, named, "adam", numbers, 0.0, 1, simd != "baseline")
    expected, x = [], np.array([[3]], np.int32)
    for _ in range(30):
        layers, top = twin.forward(x)
        twin.state = np.stack([states[-1] for _, states, _ in layers])
        x = twin.matmul(named["c"], top[0], named["V"].T).argmax(axis=1)[None].astype(np.int32)
        expected.append(x.item())
    space, out = workspace(architecture, 1), np.empty(30, np.int32)
    _kernels.pack(weights := architecture.flatten(named), space)
    _kernels.sample(
        weights,
        space,
        np.array([3], np.int32),
        Manner.of(Drawing(0.0, 0.0, whole=False), int(space.blueprint.plan["K"][0])),
        np.zeros(30),
        out,
    )
    assert_array_equal(out, expected)


# --- models -------------------------------------------------------------------------------------------------------


def digest(model):
    return hashlib.sha256(b"".join(array.tobytes() for array in model.params_.values())).hexdigest()


@pytest.mark.skipif(not FUSING, reason="sums without fused multiply-add have other bits")
@pytest.mark.parametrize("cell", CELLS)
def test_threads_and_instruction_sets_change_no_bit(text, cell):
    found = set()
    before = _kernels.simd_selected()
    options = {"hidden_size": 45, "num_layers": 2, "batch_size": 5, "dropout": 0.1, "optimizer": "adam"}
    try:
        for name in FUSING:
            _kernels.simd_select(name)
            for n_threads in (1, 2, 3, 4):
                model = CharRNN(
                    cell, dtype="bfloat16", epochs=None, max_updates=200, n_threads=n_threads, random_state=3, **options
                )
                found.add(digest(model.fit(text)))
    finally:
        _kernels.simd_select(before)
    assert len(found) == 1
    other = CharRNN(cell, dtype="float32", epochs=None, max_updates=200, random_state=3, **options).fit(text)
    assert digest(other) not in found


@pytest.mark.parametrize("cell", CELLS)
def test_a_string_is_memorised(cell):
    string = "the quick brown fox jumps over the lazy dog. " * 3
    model = CharRNN(
        cell, 32, dtype="bfloat16", optimizer="adam", learning_rate=0.01, epochs=None, max_updates=600, random_state=0
    )
    model.fit(string)
    assert model.sample(45, prompt="the quick", temperature=0).startswith(" brown fox jumps over the lazy dog.")


def test_a_model_in_a_file_goes_on_with_the_same_bits(text, tmp_path):
    options = {"hidden_size": 20, "dtype": "bfloat16", "optimizer": "adam", "epochs": 1, "random_state": 0}
    model = CharRNN("gru", **options).fit(text)
    model.save(tmp_path / "model.safetensors")
    again = CharRNN.load(tmp_path / "model.safetensors")
    assert again.dtype == "bfloat16"
    for name, array in model.params_.items():
        assert array.dtype == np.float32
        assert_array_equal(again.params_[name], array)
    wide = sum(np.any(array != bfloat16(array)) for array in model.params_.values())
    assert wide == len(model.params_)  # a file has the weights as they are, not rounded
    assert again.evaluate(text) == model.evaluate(text)
    assert again.sample(50, random_state=1) == model.sample(50, random_state=1)
    assert digest(again.partial_fit(text)) == digest(CharRNN.load(tmp_path / "model.safetensors").partial_fit(text))
    assert digest(again) != digest(model)


def test_gradients_are_checked_in_double_precision(text):
    model = CharRNN("lstm", 8, dtype="bfloat16", epochs=1, random_state=0).fit(text)
    _, gradients = model.loss_and_gradients(text[:9])
    assert {array.dtype for array in gradients.values()} == {np.dtype("float64")}
    assert model.check_gradients(text, (5,), batches=1).max_error < 1e-6


def test_float32_holds_everything_but_operands_of_products():
    precision = PRECISIONS["bfloat16"]
    assert precision.mixed
    assert precision.products == "bfloat16"
    assert {precision.weights, precision.activations, precision.moments} == {np.dtype("float32")}
    assert not any(PRECISIONS[name].mixed for name in ("float32", "float64"))
