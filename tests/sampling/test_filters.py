"""What the settings of a drawing do to the shares: the kernel beside its twin, and draws beside the distribution."""

import itertools

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose

from pycharrnn import _kernels
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.drawing import Drawer
from pycharrnn.network.records import Drawing, Manner

K = 20
PADDED = -(-K // _kernels.LANES) * _kernels.LANES
BIAS = np.where(np.arange(K) % 5 == 3, -np.inf, np.linspace(-1.5, 1.5, K))
RECENT = np.array([0, 2, 2, 7, 19], np.int32)
SETTINGS = {
    "temperature": 0.7,
    "smoothing": 0.2,
    "penalty": 1.6,
    "bias": BIAS,
    "top_k": 6,
    "top_p": 0.8,
    "min_p": 0.1,
}


def manner_of(settings, n_symbols=K):
    """The manner of settings as the twin has them; with a penalty, the symbols of RECENT have come."""
    given = {name: value for name, value in settings.items() if name not in ("penalty", "bias")}
    penalty = {"repetition_penalty": settings["penalty"], "repetition_window": 5} if "penalty" in settings else {}
    manner = Manner.of(Drawing(**given, **penalty), n_symbols, settings.get("bias"))
    if penalty:
        manner.counts[0] = np.bincount(RECENT, minlength=n_symbols)
    return manner


def drawn(logits, settings, uniform):
    """What the kernel draws, and the shares of the last draw."""
    out, memory = np.empty(len(uniform), np.int32), np.empty(3 * PADDED)
    _kernels.draw(logits, manner_of(settings, len(logits)), uniform, memory, out)
    return out, memory[: len(logits)] / memory[: len(logits)].sum()


def twin(logits, settings):
    counts = {"counts": np.bincount(RECENT, minlength=len(logits))} if "penalty" in settings else {}
    return reference.shares(logits, **settings, **counts)


def combinations(most):
    return [c for n in range(most + 1) for c in itertools.combinations(SETTINGS, n)]


@pytest.mark.parametrize("names", combinations(7), ids="+".join)
def test_the_shares_are_those_of_the_twin(rng, names, simd):
    settings = {name: SETTINGS[name] for name in names}
    for scale in (0.1, 2.0, 9.0):
        logits = rng.normal(size=K) * scale
        u = rng.random(50)
        symbols, p = drawn(logits, settings, u)
        expected = twin(logits, settings)
        assert_allclose(p, expected, rtol=1e-11, atol=1e-300)
        assert symbols.tolist() == [reference.covering(expected, one) for one in u]


@pytest.mark.parametrize("settings", [{"top_k": 3}, {"top_p": 0.47}, {"top_k": 4, "top_p": 0.57}, {"min_p": 1.0}, {}])
def test_equal_shares(rng, settings):
    """Of equal symbols top_k keeps all, and top_p the first ones."""
    for logits in (np.zeros(K), np.repeat([1.0, 0.0, 2.0, 0.0], 5)):
        symbols, p = drawn(logits, settings, rng.random(500))
        expected = twin(logits, settings)
        assert_allclose(p, expected, rtol=1e-12)
        assert set(symbols) == set(np.flatnonzero(expected))


@pytest.mark.parametrize("settings", [{}, {"bias": BIAS}, {"penalty": 9.0}, {"smoothing": 0.3, "bias": BIAS}])
def test_greedy_takes_the_likeliest_of_what_may_come(rng, settings):
    for _ in range(20):
        logits = rng.normal(size=K)
        out = np.empty(5, np.int32)
        greedy = settings | {"temperature": 0.0, "top_k": 2, "top_p": 0.5, "min_p": 0.5}
        _kernels.draw(logits, manner_of(greedy), rng.random(5), np.empty(3 * PADDED), out)
        assert set(out) == {twin(logits, settings).argmax()}


@pytest.mark.parametrize("K", [1, 2, 15, 16, 17, 31, 300])
def test_any_number_of_symbols(rng, K):
    logits, u = rng.normal(size=K) * 3, rng.random(30)
    for top_k, top_p, min_p in itertools.product((0, 1, 2, K, 2 * K), (1e-9, 0.5, 1.0), (0.0, 0.3, 1.0)):
        memory, out = np.empty(3 * (-(-K // _kernels.LANES) * _kernels.LANES)), np.empty(30, np.int32)
        _kernels.draw(logits, Manner.of(Drawing(top_k=top_k, top_p=top_p, min_p=min_p), K), u, memory, out)
        expected = reference.shares(logits, top_k=top_k or None, top_p=top_p, min_p=min_p)
        assert out.tolist() == [reference.covering(expected, one) for one in u]
        if top_k == 1 or top_p == 1e-9 or min_p == 1:
            assert set(out) == {logits.argmax()}


@pytest.mark.parametrize("temperature", [5e-324, 1e-300, 0.1, 1.0, 1e6, 1e308])
@pytest.mark.parametrize("bias", [None, -1e308, 1e308])
@pytest.mark.parametrize("penalty", [1.0, 5e-324, 1e308])
@pytest.mark.parametrize("smoothing", [0.0, 0.5, 1 - 2**-53])
def test_the_ends_of_all_ranges(temperature, bias, penalty, smoothing):
    """Whatever the settings, what is drawn may come."""
    for logits in ([0, 0, 0, 0], [1e4, -1e4, 1e4, 0], [3e38, -3e38, 0, 1], [-3e38] * 4):
        own = None if bias is None else np.array([-np.inf, bias, bias, 0.0])
        how = Drawing(temperature, smoothing, False, penalty, 2, 3, 0.9, 1e-3)
        manner = Manner.of(how, 4, own)
        manner.counts[:] = 1
        out = np.full(4, -1, np.int32)
        u = np.array([0.0, 0.3, 0.999, 1 - 2**-53])
        memory = np.empty(3 * _kernels.LANES)
        _kernels.draw(np.array(logits, float), manner, u, memory, out)
        assert ((out >= 0) & (out < 4)).all()
        assert (memory[out] > 0).all()
        assert np.isfinite(memory[:4]).all()
        if own is not None:
            assert not (out == 0).any()


def test_what_is_left_may_be_noise(rng):
    """Where the truncation of smoothed labels leaves none of the allowed symbols, they are drawn as learned."""
    logits = np.array([9.0, 0.0, -1.0, -2.0])
    bias = np.array([-np.inf, -np.inf, 0.0, 0.0])
    settings = {"smoothing": 0.3, "bias": bias}
    manner, out, memory = Manner.of(Drawing(smoothing=0.3), 4, bias), np.empty(500, np.int32), np.empty(48)
    _kernels.draw(logits, manner, rng.random(500), memory, out)
    assert set(out) == {2, 3}
    assert_allclose(memory[:4] / memory[:4].sum(), reference.shares(logits, **settings), rtol=1e-12)


def test_rounding_draws_nothing_that_is_left_out(rng, simd):
    """Numbers at the very end of a block, whose symbols are added up in two orders, before one that begins with -inf.

    Symbol after symbol, the shares of the block may sum to less than all at once.
    """
    lanes = _kernels.LANES
    bias = np.zeros(3 * lanes)
    bias[lanes : lanes + 5] = -np.inf
    manner, memory, out = Manner.of(Drawing(), 3 * lanes, bias), np.empty(9 * lanes), np.empty(17, np.int32)
    for _ in range(200):
        logits = rng.normal(size=3 * lanes)
        below = np.cumsum(np.exp(logits + bias))
        u = below[lanes - 1] / below[-1] * (1 + np.arange(-8, 9) * 2.0**-53)
        _kernels.draw(logits, manner, u, memory, out)
        assert (memory[out] > 0).all()
        assert set(out) <= {lanes - 1, lanes + 5}


def test_where_no_symbol_may_come_none_is_drawn(rng, simd):
    logits, p = rng.normal(size=4), rng.dirichlet(np.ones(4))
    never, memory = np.full(4, -np.inf), np.empty(3 * _kernels.LANES)
    for settings in ({}, {"smoothing": 0.3}, {"temperature": 0.0}, {"top_k": 2}):
        for given, bias, chances in ((logits, never, False), (p, never, True), (0 * p, None, True)):
            out = np.zeros(3, np.int32)
            _kernels.draw(given, Manner.of(Drawing(**settings), 4, bias), rng.random(3), memory, out, chances)
            assert out.tolist() == [-1] * 3
    for B in (1, 3):
        lab = Architecture("gru", 4, 5, 5)
        drawer = Drawer(lab, B)
        drawer.pack(lab.initial(rng))
        manner = Manner.of(Drawing(), 4, never, B)
        with pytest.raises(ValueError, match="no symbol may come"):
            drawer.draw_many([np.array([1, 2], np.int32)] * B, manner, [rng.random(20)] * B)
        for attempt in (drawer.draw, drawer.draw_from, drawer.predict)[: 3 * (B == 1)]:
            given = (p if attempt == drawer.draw_from else np.array([1], np.int32), manner)
            more = () if attempt == drawer.predict else (rng.random(9), np.empty(9, np.int32))
            with pytest.raises(ValueError, match="no symbol may come"):
                attempt(*given, *more)


def chi_square(names, seed, n):
    """Pearson's statistic of n draws, and how many of its degrees of freedom there are."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=K) * 1.5
    settings = {name: SETTINGS[name] for name in names}
    symbols, _ = drawn(logits, settings, rng.random(n))
    expected, counts = n * twin(logits, settings), np.bincount(symbols, minlength=K)
    assert not counts[expected == 0].any()
    seen = expected > 0
    return ((counts - expected)[seen] ** 2 / expected[seen]).sum(), seen.sum() - 1


def limit(degrees):
    """What Pearson's statistic exceeds once in a thousand times, by Wilson and Hilferty (1931)."""
    part = 2 / (9 * max(degrees, 1))
    return max(degrees, 1) * (1 - part + 3.0902 * np.sqrt(part)) ** 3 * 1.02


@pytest.mark.parametrize("names", combinations(2), ids="+".join)
def test_draws_follow_the_distribution(names):
    found, degrees = chi_square(names, seed=11, n=20_000)
    assert found < limit(degrees)


@pytest.mark.slow
@pytest.mark.parametrize("names", combinations(2), ids="+".join)
def test_a_million_draws_follow_the_distribution(names):
    for seed in range(4):
        found, degrees = chi_square(names, seed, n=10**6)
        assert found < limit(degrees)


def test_where_no_symbol_covers_a_number_the_likeliest_is_drawn(rng, simd):
    """All shares are added up in two orders. By the second the last number below 1 may lie beyond the last share."""
    K, lanes = 3 * _kernels.LANES, _kernels.LANES
    u = np.array([1 - 2.0**-53])
    manner, out, memory = Manner.of(Drawing(), K), np.empty(1, np.int32), np.empty(3 * K)

    def fold(lane):
        while lane.size > 1:
            lane = lane[: lane.size // 2] + lane[lane.size // 2 :]
        return lane[0]

    beyond = 0
    for logits in rng.normal(size=(300, K)):
        _kernels.draw(logits, manner, u, memory, out)
        blocks = memory[:K].reshape(-1, lanes)
        target = u[0] * fold(blocks[0] + blocks[1] + blocks[2])
        if fold(blocks[0]) + fold(blocks[1]) + fold(blocks[2]) <= target:
            assert out[0] == logits.argmax()
            beyond += 1
    assert beyond > 10
