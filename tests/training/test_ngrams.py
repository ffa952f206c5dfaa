"""The n-grams beside a network: their share, the losses of the mixture, and texts that are joined."""

import copy
import math
import pickle
import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from pycharrnn.network.scoring import excerpt_places
from pycharrnn.training import baseline, ngrams
from pycharrnn.training.baseline import KneserNey
from pycharrnn.training.ngrams import LONGEST, NGrams, likeliest_share, mixed, most_counted

IDS = np.random.default_rng(0).integers(0, 5, 300).astype(np.int32)


def test_the_losses_of_a_mixture_are_those_of_the_formula(rng):
    p, q = rng.random((2, 1000))
    for share in (0.0, 1e-6, 0.3, 1.0):
        expected = [-math.log(share * a + (1 - share) * b) for a, b in zip(p, q, strict=True)]
        assert_allclose(mixed(-np.log(p), -np.log(q), share), expected, rtol=0, atol=1e-12)


def test_a_mixture_of_one_is_that_one(rng):
    one, other = -np.log(rng.random((2, 1000)))
    assert_array_equal(mixed(one, other, 0.0), other)
    assert_array_equal(mixed(one, other, 1.0), one)
    assert_allclose(
        mixed(np.array([1.0, 800.0]), np.array([math.inf, 900.0]), 0.25), [1 + math.log(4), 800 + math.log(4)]
    )


@pytest.mark.parametrize("seed", range(6))
def test_the_share_is_the_best_of_a_grid(seed):
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet([0.5, 2.0], (2, 400))[:, :, 0] ** rng.uniform(0.5, 1.5, (2, 1))  # one is better than the other
    grid = np.linspace(0, 1, 10_001)
    likelihood = [np.log(share * p + (1 - share) * q).sum() for share in grid]
    found = likeliest_share(-np.log(p), -np.log(q))
    assert abs(found - grid[np.argmax(likelihood)]) <= 1e-4
    assert mixed(-np.log(p), -np.log(q), found).sum() <= -max(likelihood) + 1e-6


@pytest.mark.parametrize(
    ("ngrams", "network", "share"),
    [
        ([1.0, 2.0], [1.5, 2.5], 1.0),
        ([1.5, 2.5], [1.0, 2.0], 0.0),
        ([1.0], [1.0], 0.0),
        ([1.0, 5000.0], [5000.0, 1.0], 0.5),
        ([1.0, 1.0], [math.inf, 1.0], 1.0),
        ([40.0, 40.0, 1.0], [1.0, 1.0, 2.0], 0.0),
    ],
)
def test_the_share_at_the_ends(ngrams, network, share):
    found = likeliest_share(np.array(ngrams), np.array(network))
    assert found == pytest.approx(share, abs=1e-6)
    assert 0 <= found <= 1


@pytest.mark.parametrize("order", [3, 6])  # of 3, every context has been seen
def test_excerpts_have_the_losses_of_the_whole_text(order):
    counted = NGrams(IDS, 5, 4, order=order)
    text = np.random.default_rng(1).integers(0, 5, 5000).astype(np.int32)
    for most in (600, 2048, 4998, 5000):
        places = excerpt_places(4999, most)
        assert_array_equal(counted.excerpt_nats(text, places), counted.nats(text)[places.ravel()])


def test_n_grams_are_counted_once_by_whichever_thread_needs_them(monkeypatch):
    counts = []
    monkeypatch.setattr(baseline.KneserNey, "fit", lambda self, *args: counts.append(args) or self)
    one = NGrams(IDS, 5, None, order=3)
    assert not counts
    threads = [threading.Thread(target=one.model) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counts) == 1


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_predict_the_same(duplicate):
    one = NGrams(IDS, 5, 4, order=3, share=0.25)
    one.model()
    other = duplicate(one)
    assert (other.share, other.order, other.end, other.n_symbols) == (0.25, 3, 4, 5)
    assert_array_equal(other.nats(IDS), one.nats(IDS))


def test_a_text_after_another_is_counted_as_one():
    old = np.array([0, 2, 3, 5, 6])
    both = NGrams(IDS, 5, None, order=4, share=0.5).extended(IDS[:100] + 1, old, 7, None)
    whole = np.concatenate([old[IDS], IDS[:100] + 1])
    assert_array_equal(both.nats(whole), KneserNey(4).fit(whole, 7).nats(whole))
    assert (both.share, both.ids.dtype) == (0.5, np.uint8)
    assert NGrams(IDS, 5, None, order=4).extended(IDS, old, 257, None).ids.dtype == np.int32


def test_documents_after_others_have_no_empty_one_between():
    both = NGrams([2, 0, 1, 2], 3, 2, order=3).extended(np.array([3, 2, 3], np.int32), np.array([0, 1, 3]), 4, 3)
    assert both.ids.tolist() == [3, 0, 1, 3, 2, 3]
    assert both.end == 3


def test_the_last_symbols_of_long_texts_are_counted(monkeypatch):
    monkeypatch.setattr(ngrams, "LONGEST", 120)
    both = NGrams(IDS, 5, None, order=4).extended(IDS[:100], np.arange(5), 5, None)
    assert_array_equal(both.ids, np.concatenate([IDS[-20:], IDS[:100]]))
    assert (most_counted(None), most_counted(1.0), most_counted(1e-9)) == (120, 120, 2)
    monkeypatch.undo()
    assert (most_counted(10.0), most_counted(1e6)) == (4_000_000, LONGEST)


def test_there_must_be_memory_to_count(monkeypatch):
    monkeypatch.setattr("pycharrnn.network.memory.free_memory", lambda: 2**20)
    long = NGrams(np.zeros(2_000_000, np.uint8), 5, None, order=16)
    with pytest.raises(
        MemoryError, match=r"the ngram_order 16 of 2,000,000 characters would take .* lower ngram_order"
    ):
        long.model()
