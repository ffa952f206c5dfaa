"""Kneser-Ney against a twin of dicts, written straight from the formula."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from pycharrnn.text.vocabulary import Vocabulary
from pycharrnn.training.baseline import KneserNey


class Twin:
    """The same probabilities from dicts of tuples, one n-gram at a time."""

    def __init__(self, ids, order, n_symbols, end=None):
        self.order = order
        self.K = n_symbols
        self.end = end
        occurrences, before = Counter(), defaultdict(set)
        for i in range(1, len(ids)):
            history = self.history(ids, i)
            for k in range(1, len(history) + 2):
                gram = (*history[len(history) + 1 - k :], ids[i])
                if k == order or k == len(history) + 1:
                    occurrences[gram] += 1
                else:
                    before[gram].add(history[-k])
        self.counts = {g: occurrences[g] + len(before[g]) for g in occurrences.keys() | before.keys()}
        self.D = [self.discounts([a for g, a in self.counts.items() if len(g) == k]) for k in range(1, order + 1)]

    def history(self, ids, i):
        """Up to order - 1 symbols before position i, not beyond the last `end`."""
        h = []
        while len(h) < self.order - 1 and i - len(h) > 0 and not (h and h[0] == self.end):
            h.insert(0, ids[i - len(h) - 1])
        return tuple(h)

    def discounts(self, counts):
        n1, n2, n3, n4 = (counts.count(a) for a in (1, 2, 3, 4))
        if n1 and n2 and n3 and n4:
            Y = n1 / (n1 + 2 * n2)
            D = [1 - 2 * Y * n2 / n1, 2 - 3 * Y * n3 / n2, 3 - 4 * Y * n4 / n3]
            if all(0 < D[i] < i + 1 for i in range(3)):
                return D
        return [0.5, 1, 1.5]

    def p(self, w, h):
        lower = self.p(w, h[1:]) if h else 1 / self.K
        after = {g[-1]: a for g, a in self.counts.items() if g[:-1] == h}
        if not after:
            return lower
        D = {v: self.D[len(h)][min(a, 3) - 1] for v, a in after.items()}
        discounted = max(after[w] - D[w], 0) if w in after else 0
        return (discounted + sum(D.values()) * lower) / sum(after.values())

    def nats(self, ids):
        return [-math.log(self.p(ids[i], self.history(ids, i))) for i in range(1, len(ids))]


def distributions(model, context):
    """p(w | context) of all symbols w."""
    return np.exp([-model.nats(np.append(context, w))[-1] for w in range(model.n_symbols_)])


def markov(rng, n, K):
    """A text of n symbols with structure: rows of a transition matrix that is far from uniform."""
    rows = rng.dirichlet(np.full(K, 0.3), K).cumsum(axis=1)
    ids = [0]
    while len(ids) < n:
        ids.append(min(int(np.searchsorted(rows[ids[-1]], rng.random())), K - 1))
    return np.array(ids, np.int32)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("end", [None, 2])
def test_it_equals_the_twin(order, end):
    rng = np.random.default_rng(order)
    train, test = markov(rng, 400, 7), rng.integers(0, 7, 60).astype(np.int32)  # the test has contexts of all kinds
    model, twin = KneserNey(order).fit(train, 8, end), Twin(train.tolist(), order, 8, end)
    for ids in (train[:80], test):
        assert_allclose(model.nats(ids), twin.nats(ids.tolist()), rtol=0, atol=1e-12)
    assert_allclose(model.discounts_, twin.D, rtol=0, atol=1e-12)


def test_the_texts_of_the_twin_have_estimated_discounts():
    model = KneserNey(4).fit(markov(np.random.default_rng(4), 400, 7), 8)
    assert (model.discounts_[2:] != [0.5, 1, 1.5]).all()


DEGENERATE = {
    "every n-gram once": [0, 1, 2, 3, 4, 5],
    "one symbol over and over": [0] * 4,
    "one symbol": [3],
    "two symbols": [1, 0],
    "two that alternate": [0, 1] * 9,
    "only ends": [5, 5, 5],
    "empty documents": [5, 0, 5, 5, 0, 1, 5],
    "no end yet": [0, 1, 0, 1, 5, 0],
}


@pytest.mark.parametrize("text", DEGENERATE.values(), ids=DEGENERATE)
@pytest.mark.parametrize("order", [1, 3, 7])
@pytest.mark.parametrize("end", [None, 5])
def test_degenerate_texts_are_smoothed_like_the_twins(text, order, end):
    model, twin = KneserNey(order).fit(text, 6, end), Twin(text, order, 6, end)
    for ids in (text, [0, 1, 0, 0, 5, 2, 1, 3, 4]):
        nats = model.nats(np.array(ids))
        assert nats.shape == (len(ids) - 1,)
        assert_allclose(nats, twin.nats(ids), rtol=0, atol=1e-12)
    for context in ([0], [5], [1, 0], [5, 0], [4, 4, 4]):
        p = distributions(model, context)
        assert p.min() > 0
        assert p.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("order", [1, 2, 4, 7])
@pytest.mark.parametrize("end", [None, 2])
def test_what_may_follow_has_the_probabilities_of_the_losses(order, end):
    rng = np.random.default_rng(order)
    train = markov(rng, 400, 7)
    model = KneserNey(order).fit(train, 8, end)
    contexts = [train[i : i + n] for n in (0, 1, 2, 3, 6, 11) for i in rng.integers(0, 380, 5)]
    for context in [*contexts, *rng.integers(0, 8, (8, 5)), np.array([7, 7, 7]), np.array([2, 2, 0])]:
        p = model.following(context)
        assert p.shape == (8,)
        assert p.min() > 0
        assert p.sum() == pytest.approx(1, abs=1e-12)
        if len(context):
            assert_array_equal(-np.log(p), [model.nats(np.append(context, w))[-1] for w in range(8)])
    assert_array_equal(model.following([]), model.following(np.array([], np.int32)))
    unigrams = KneserNey(order).fit(train, 8, end).following([])
    twin = Twin(train.tolist(), order, 8, end)
    assert_allclose(unigrams, [twin.p(w, ()) for w in range(8)], rtol=0, atol=1e-12)


@pytest.mark.parametrize("end", [None, 2])
@pytest.mark.parametrize("window", [1, 2, 3, 10, 59, 1000])
def test_no_context_reaches_beyond_a_window(window, end):
    rng = np.random.default_rng(5)
    train, ids = markov(rng, 400, 7), rng.integers(0, 7, 60).astype(np.int32)
    model = KneserNey(5).fit(train, 8, end)
    pieces = [ids[at : at + window + 1] for at in range(0, 59, window)]
    assert_array_equal(model.nats(ids, window), np.concatenate([model.nats(piece) for piece in pieces]))


def test_one_possible_symbol_is_certain():
    assert_allclose(KneserNey().fit([0, 0, 0], 1).nats([0] * 9), np.zeros(8), rtol=0, atol=1e-15)


def test_every_distribution_sums_to_one(text):
    vocabulary = Vocabulary.from_text(text)
    ids = vocabulary.encode(text)
    model = KneserNey(5).fit(ids, vocabulary.n_symbols)
    rng = np.random.default_rng(0)
    seen = [ids[i : i + length] for length in (1, 2, 3, 4, 6) for i in rng.integers(0, ids.size - 6, 4)]
    for context in [*seen, *rng.integers(0, vocabulary.n_symbols, (4, 5))]:
        p = distributions(model, context)
        assert p.min() > 0
        assert p.sum() == pytest.approx(1, abs=1e-12)


def test_order_1_is_the_unigram_with_the_discounts_spread_evenly():
    ids = np.random.default_rng(1).choice(5, 10_000, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    model = KneserNey(1).fit(ids, 6)
    p = distributions(model, ids[:1])
    frequencies = np.bincount(ids[1:], minlength=6) / (ids.size - 1)
    assert_allclose(p, frequencies + 5 * 1.5 / (ids.size - 1) * np.array([1 / 6 - 1 / 5] * 5 + [1 / 6]), atol=1e-12)


def test_a_lower_order_counts_what_stands_before_and_not_how_often():
    # "Francisco" of the paper: 1 is frequent, but only after 0; 2 is rarer, but after many.
    ids = np.array([0, 1] * 40 + [3, 2, 4, 2, 5, 2, 6, 2, 7])
    p = distributions(KneserNey(2).fit(ids, 9), [8])  # nothing was seen after 8
    assert p[2] > 2 * p[1]
    p = distributions(KneserNey(1).fit(ids, 9), [8])
    assert p[1] > 2 * p[2]


def test_no_context_reaches_beyond_the_end_symbol():
    vocabulary = Vocabulary.from_text(["ab", "ba"])
    end = vocabulary.end
    train = vocabulary.encode(["abba", "baab", "abab"] * 5)
    model = KneserNey(4).fit(train, vocabulary.n_symbols, end)
    one, other = (model.nats(vocabulary.encode([first, "abba"])) for first in ("a", "bb"))
    assert one[-5:].tolist() == other[-5:].tolist() == model.nats(vocabulary.encode(["abba"])).tolist()
    across = KneserNey(4).fit(train, vocabulary.n_symbols)
    one, other = (across.nats(vocabulary.encode([first, "abba"])) for first in ("a", "bb"))
    assert abs(one[-5:] - other[-5:]).max() > 0.1


def test_the_order_of_documents_does_not_matter():
    vocabulary = Vocabulary.from_text(["anna", "bob"])
    a, b = (
        KneserNey(4).fit(vocabulary.encode(names), vocabulary.n_symbols, vocabulary.end)
        for names in (["anna", "bob", "nan", "bab"], ["bab", "nan", "anna", "bob"])
    )
    ids = vocabulary.encode(["nanna", "abo"])
    assert_allclose(a.nats(ids), b.nats(ids), rtol=0, atol=1e-15)


def test_many_symbols_and_long_contexts_do_not_overflow():
    K = 65_536
    ids = np.tile(np.random.default_rng(2).integers(0, K, 300), 3)
    nats = KneserNey(8).fit(ids.astype(np.int32), K).nats(ids.astype(np.uint16))
    assert nats[:7].max() < 2
    assert nats[7:].max() < 0.6  # each context came three times, with the same symbol after it
    assert KneserNey(8).fit(ids, K).nats([1, 2])[0] > math.log(1000)


def test_a_second_fit_forgets_the_first():
    model = KneserNey(3).fit([0, 1, 0, 1, 2], 3, end=2)
    again = model.fit([1, 1, 0], 2)
    assert again is model
    assert (model.n_symbols_, model.end_) == (2, None)
    assert model.nats([1, 1, 0]).tolist() == KneserNey(3).fit([1, 1, 0], 2).nats([1, 1, 0]).tolist()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: KneserNey(0), ValueError, "order must be at least 1 .* got 0"),
        (lambda: KneserNey(2.0), TypeError, r"order must be an integer, got 2\.0"),
        (lambda: KneserNey(True), TypeError, "order must be an integer, got True"),
        (lambda: KneserNey().fit([0], 0), ValueError, "n_symbols must be at least 1 .* got 0"),
        (lambda: KneserNey().fit([0], "é"), TypeError, r"n_symbols must be an integer, got '\\xe9'"),
        (lambda: KneserNey().fit([0], 3, end=3), ValueError, "end must be at least 0 and at most 2, got 3"),
        (lambda: KneserNey().fit([0, 3, 1], 3), ValueError, r"ids\[1\] is 3, but ids go from 0 to 2"),
        (lambda: KneserNey().fit([0, 1, -1], 3), ValueError, r"ids\[2\] is -1, but ids go from 0 to 2"),
        (lambda: KneserNey().fit([0.0, 1.0], 3), TypeError, r"ids must be .* got shape \(2,\) and dtype float64"),
        (lambda: KneserNey().fit([[0, 1]], 3), TypeError, r"ids must be .* got shape \(1, 2\) and dtype int64"),
        (lambda: KneserNey().fit(np.zeros(0, np.int32), 3), ValueError, "ids has no symbol"),
        (lambda: KneserNey().fit([0], 3).nats("abc"), TypeError, r"ids must be .* got shape \(\) and dtype <U3"),
        (lambda: KneserNey().fit([0], 3).nats([3]), ValueError, r"ids\[0\] is 3, but ids go from 0 to 2"),
        (lambda: KneserNey().fit([0], 3).nats([1, 2], 0), ValueError, "window must be at least 1 .* got 0"),
        (lambda: KneserNey().fit([0], 3).following([1, 3]), ValueError, r"ids\[1\] is 3, but ids go from 0 to 2"),
        (lambda: KneserNey().fit([0], 3).following(1), TypeError, r"ids must be .* got shape \(\) and dtype int64"),
        (lambda: KneserNey().following([1]), AttributeError, r"not been trained yet: call fit\(ids, n_symbols\)"),
        (lambda: KneserNey().nats([0, 1]), AttributeError, r"not been trained yet: call fit\(ids, n_symbols\)"),
    ],
)
def test_a_bad_argument_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
