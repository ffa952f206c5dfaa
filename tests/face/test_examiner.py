"""What a model says of texts, each read on its own: surprise, log-probability, rank, novelty."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small import learned, small

from pycharrnn import NoveltyIndex, UnknownCharacterError
from pycharrnn.network.scoring import streamed_losses

NAMES = ["anna", "hanna", "joanna", "bob", "otto"] * 10


@pytest.fixture(scope="module")
def names():
    return small(cell="gru").fit(NAMES)


@pytest.fixture(scope="module")
def book():
    return small(cell="gru").fit("the cat sat on the mat, and that was that. " * 20)


def test_the_surprise_of_each_character_is_that_of_one_stream(book):
    text = "the mat sat on that cat"
    nats = streamed_losses(learned(book).architecture, learned(book).state.best, book.vocabulary_.encode(text))
    assert_array_equal(book.surprise(text), nats)
    assert_array_equal(book.surprise(text, unit="bits"), nats / np.log(2))
    assert_allclose(nats.mean(), book.evaluate(text).nats, rtol=1e-12)
    assert book.surprise("t").size == book.surprise("").size == 0


def test_texts_are_read_on_their_own(book, names):
    for model, texts in ((book, ["the cat", "sat", "", "a", "mat on that mat"]), (names, ["anna", "", "otto", "b"])):
        together = model.surprise(texts)
        for text, found in zip(texts, together, strict=True):
            assert_array_equal(found, model.surprise(text))
            assert found.size == (len(text) + 1 if model is names else max(0, len(text) - 1))
        assert_array_equal(model.surprise(tuple(texts))[0], together[0])
        assert_allclose(model.log_proba(texts), [-found.sum() for found in together])
        assert all(model.log_proba(text) == each for text, each in zip(texts, model.log_proba(texts), strict=True))
    assert_allclose(names.log_proba(["anna", "bob"]).sum(), -names.evaluate(["anna", "bob"]).nats * 9)
    assert names.surprise([]) == []
    assert names.log_proba([]).shape == (0,)


def test_probabilities_of_documents_sum_to_one_at_most():
    """All documents of up to four of two characters, beside those that are longer."""
    model = small(cell="lstm", hidden_size=4).fit(["ab", "ba", "a", "bb"] * 20)
    texts = [""]
    total = np.exp(model.log_proba(texts)).sum()
    for _ in range(4):
        texts = [text + character for text in texts for character in "ab"]
        more = np.exp(model.log_proba(texts)).sum()
        assert more > 0
        total += more
    assert 0.5 < total <= 1


def test_rank_sorts_by_the_loss_per_character(names):
    texts = ["xyz" * 3, "anna", "bob", "nnnn", "anna"]
    model = names.set_params(on_unknown="skip")
    found = model.rank(texts[1:])
    names.set_params(on_unknown="raise")
    assert [ranked.text for ranked in found][-1] == "nnnn"
    assert [ranked.nats for ranked in found] == sorted(ranked.nats for ranked in found)
    for ranked in found:
        assert ranked.text == texts[1:][ranked.place]
        assert ranked.n_characters == len(ranked.text) + 1
        assert math.isclose(ranked.nats, names.evaluate([ranked.text]).nats)
    equal = [ranked.place for ranked in found if ranked.text == "anna"]
    assert equal == sorted(equal)
    assert names.rank([]) == []


@pytest.mark.parametrize("n_threads", [1, 2])
def test_long_texts_are_read_in_many_places(book, n_threads):
    model = book.set_params(n_threads=n_threads)
    text = "the cat sat on that mat. " * 400
    assert_allclose(model.surprise(text), model.surprise(text, exact=True), atol=1e-5)
    assert abs(model.evaluate(text).nats - model.evaluate(text, exact=True).nats) < 1e-6
    assert abs(model.log_proba(text) / model.log_proba(text, exact=True) - 1) < 1e-6
    book.set_params(n_threads=None)


def test_n_grams_are_mixed_in():
    text = "the cat sat on the mat. " * 30
    model = small(ngram_order=3, hidden_size=4).fit(text)
    some = ["the mat sat", "", "on the cat"]
    assert_allclose(
        [found.mean() for found in model.surprise(some) if found.size], [model.evaluate(t).nats for t in some if t]
    )
    assert (
        model.novelty("the dog sat on the mat", n=6).spans == model.novelty("the dog sat on the mat", text, n=6).spans
    )


def test_arguments_are_checked(book, names):
    for call, error, message in (
        (lambda: book.surprise("the", unit="nat"), ValueError, "^unit must be"),
        (lambda: book.surprise(5), TypeError, "^X must be a text or a sequence of texts, got int"),
        (lambda: book.surprise(b"the"), TypeError, "^X must be a text or a sequence of texts, got bytes"),
        (lambda: book.log_proba(["the", None]), TypeError, "^X must be a text or a sequence of texts, got list"),
        (lambda: book.log_proba("the", exact=1), ValueError, "^exact must be"),
        (lambda: book.rank("the"), TypeError, "^texts must be a sequence of texts, got one: 'the'"),
        (lambda: book.rank(["the", "t"]), ValueError, "^texts must have two known characters each, got 't' at 1"),
        (lambda: book.surprise(["the", "t!e"]), UnknownCharacterError, "'!' .* at position 1 of document 1"),
        (lambda: names.surprise("an!"), UnknownCharacterError, "'!' .* at position 2 of document 0"),
        (lambda: book.evaluate("the cat", window=5, exact=True), ValueError, "^exact must be False with a window"),
        (lambda: book.evaluate("the cat", adapt=0.1, exact=True), ValueError, "^exact must be False with adapt"),
        (lambda: book.novelty(5, "the"), TypeError, "^text must be a str, got int"),
        (lambda: book.novelty("the"), ValueError, "^corpus must be the training text: only a model"),
        (lambda: book.novelty("the", "the", n=0), ValueError, "^n must be"),
        (lambda: book.novelty("the", NoveltyIndex("the", n=3), n=4), ValueError, "^n must be 3, that of the index"),
        (lambda: book.set_params(n_threads=0).evaluate("the cat"), ValueError, "^n_threads must be"),
    ):
        with pytest.raises(error, match=message):
            call()
        book.set_params(n_threads=None)
    with pytest.raises(ValueError, match="not been trained"):
        small().surprise("the")


def test_the_novelty_of_documents(names, tmp_path):
    found = names.novelty("my hanna bobs", NAMES[:5], n=3)
    assert [("my hanna bobs"[s.start : s.end], s.document, s.place) for s in found.spans] == [
        ("hanna", 1, 0),
        ("bob", 3, 0),
    ]
    assert math.isclose(found.copied, 8 / 13)
    path = tmp_path / "corpus.txt"
    path.write_text("the cat sat")
    assert names.novelty("a cat sat", path, n=5).spans[0][:3] == (1, 9, 3)
    index = NoveltyIndex("the cat sat", n=5)
    assert names.novelty("a cat sat", index) == names.novelty("a cat sat", path, n=5)
