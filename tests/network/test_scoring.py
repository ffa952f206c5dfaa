"""The losses of long texts, read in four ways."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from pycharrnn.network.architecture import Architecture
from pycharrnn.network.engine import loss_and_gradients
from pycharrnn.network.scoring import (
    cold_losses,
    excerpt_losses,
    excerpt_places,
    parallel_losses,
    streamed_losses,
)


@pytest.fixture
def gru():
    return Architecture("gru", 20, 16, 10, "float64", num_layers=2)


@pytest.fixture
def weights(gru):
    return gru.initial(np.random.default_rng(0))


def test_parallel_losses_are_nearly_those_of_one_stream(gru, weights):
    ids = np.random.default_rng(1).integers(0, 20, 3000).astype(np.int32)
    streamed = streamed_losses(gru, weights, ids)
    assert_allclose(parallel_losses(gru, weights, ids, streams=4), streamed, atol=1e-9)
    one, *more = (parallel_losses(gru, weights, ids, warm_up=100, n_threads=n) for n in (1, 2, 3, 40))
    assert all((one == other).all() for other in more)
    assert_array_equal(parallel_losses(gru, weights, ids[:600]), streamed[:599])


def test_streams_of_long_memory_differ_at_the_beginnings_of_parts_alone(gru, weights):
    ids = np.random.default_rng(1).integers(0, 20, 3000).astype(np.int32)
    close = np.abs(
        parallel_losses(gru, 20 * weights, ids, streams=4, warm_up=1) - streamed_losses(gru, 20 * weights, ids)
    )
    assert close[:750].max() == 0  # the first stream has nothing before it
    assert close[[750, 1500, 2250]].max() > 1e-3
    assert np.median(close[1500:2250]) <= close[1500]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_excerpts_are_parts_of_the_text(gru, weights, n_threads):
    ids = np.random.default_rng(1).integers(0, 20, 6000).astype(np.int32)
    streamed = streamed_losses(gru, weights, ids)
    found = excerpt_losses(gru, weights, ids, most=2048, warm_up=128, n_threads=n_threads)
    excerpts, length = 4, 2048 // 4 - 128
    starts = [k * (5999 - length) // 3 for k in range(excerpts)]
    assert_allclose(found, np.concatenate([streamed[start : start + length] for start in starts]), atol=1e-9)
    assert_array_equal(excerpt_losses(gru, weights, ids, most=5999), parallel_losses(gru, weights, ids))


@pytest.mark.parametrize("warm_up", [1, 10])
def test_an_excerpt_remembers_its_warm_up_and_nothing_before(gru, weights, warm_up):
    ids = np.random.default_rng(1).integers(0, 20, 3000).astype(np.int32)
    places = excerpt_places(2999, most=1000, warm_up=warm_up)
    found = excerpt_losses(gru, 20 * weights, ids, most=1000, warm_up=warm_up).reshape(places.shape)
    for excerpt, (first, *_, last) in zip(found, places, strict=True):
        before = min(first, warm_up)
        alone = streamed_losses(gru, 20 * weights, ids[first - before : last + 2])
        assert_allclose(excerpt, alone[before:], atol=1e-12)


@pytest.mark.parametrize("window", [1, 7, 100, 5000])
def test_cold_windows_know_nothing_of_what_was_before(gru, weights, window):
    ids = np.random.default_rng(1).integers(0, 20, 1000).astype(np.int32)
    alone = [streamed_losses(gru, weights, ids[at : at + window + 1]) for at in range(0, 999, window)]
    assert_allclose(cold_losses(gru, weights, ids, window), np.concatenate(alone), atol=1e-12)


def test_the_state_before_a_text(gru, weights):
    ids = np.random.default_rng(1).integers(0, 20, 31).astype(np.int32)
    *_, after = loss_and_gradients(gru, weights, ids[:10], ids[1:11])
    assert_allclose(streamed_losses(gru, weights, ids[10:], after), streamed_losses(gru, weights, ids)[10:], atol=1e-12)
