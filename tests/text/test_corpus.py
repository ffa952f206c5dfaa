"""The corpus: what is read of a text and of documents, how it is shuffled and split, and what it refuses."""

import numpy as np
import pytest

from pycharrnn.errors import UnknownCharacterError
from pycharrnn.text.corpus import PIECES, Corpus, reading_rule
from pycharrnn.text.vocabulary import Vocabulary

NAMES = ["anna", "bob", "carl", "dora"]


def words(corpus):
    """The documents of a corpus, in their order."""
    return corpus.vocabulary.decode(corpus.ids).split("\n")[1:-1]


def test_a_text_and_documents_are_learned(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("to be", "utf-8")
    for X in ("to be", path):
        corpus = Corpus.learn(X)
        assert (corpus.vocabulary.decode(corpus.ids), corpus.documents, corpus.n_predicted) == ("to be", False, 4)
    corpus = Corpus.learn(NAMES)
    assert words(corpus) == NAMES
    assert corpus.documents
    assert corpus.ids[0] == corpus.ids[-1] == corpus.vocabulary.end


def test_rare_characters_are_learned_as_one():
    with pytest.warns(UserWarning, match="2 of 4 characters occur fewer than 2 times") as caught:
        corpus = Corpus.learn("aabbxy", min_count=2)
    assert caught[0].filename == __file__
    assert corpus.vocabulary.decode(corpus.ids) == "aabb\ufffd\ufffd"
    grown = Corpus.learn("zz", min_count=1, known=corpus.vocabulary)
    assert "".join(grown.vocabulary) == "abz\ufffd"
    assert corpus.vocabulary.decode(grown.new_ids(corpus.vocabulary) - 2) == "a"  # z is the third
    assert grown.old_ids(corpus.vocabulary).tolist() == [0, 1, 3]


def test_the_end_of_a_document_is_an_old_symbol():
    known = Vocabulary.from_text(["bd"])
    corpus = Corpus.learn(["abc"], known=known)
    assert corpus.old_ids(known).tolist() == [1, 3, 4]
    assert corpus.new_ids(known).tolist() == [0, 2]


def test_what_is_not_known():
    known = Vocabulary.from_text("banana")
    with pytest.raises(UnknownCharacterError):
        Corpus.read("band", known)
    assert Corpus.read("band", known, "skip").ids.tolist() == [1, 0, 2]
    with pytest.raises(ValueError, match="the text has 3 characters, of which the model knows 1: at least 2"):
        Corpus.read("xay", known, "skip")


@pytest.mark.parametrize(("text", "n"), [("", "0 characters"), ("a", "1 character")])
def test_a_text_that_is_too_short(text, n):
    for attempt in (Corpus.learn, lambda text: Corpus.read(text, Vocabulary.from_text("a"))):
        with pytest.raises(ValueError, match=f"the text has {n}: at least 2 are needed"):
            attempt(text)


def test_a_text_or_documents():
    text, documents = Vocabulary.from_text("ab"), Vocabulary.from_text(["ab"])
    for attempt in (Corpus.read, lambda X, known: Corpus.learn(X, known=known)):
        with pytest.raises(ValueError, match="trained on running text: pass one text, not a sequence"):
            attempt(["ab"], text)
        with pytest.raises(ValueError, match="trained on documents: pass a sequence of them, not one text"):
            attempt("ab", documents)


def test_shuffling_moves_whole_documents():
    corpus = Corpus.learn(NAMES)
    orders = {tuple(words(corpus.shuffled(corpus.order(np.random.default_rng(seed))))) for seed in range(40)}
    assert all(sorted(order) == NAMES for order in orders)
    assert len(orders) > 10
    text = Corpus.learn("anna bob")
    assert text.shuffled(text.order(np.random.default_rng(0))) is text


def test_a_short_text_loses_its_middle():
    rest, held_out = Corpus.learn("to be or not").split(0.25)
    assert [part.vocabulary.decode(part.ids) for part in (rest, held_out)] == ["to br not", "e o"]


@pytest.mark.parametrize(("n", "fraction", "pieces"), [(19_990, 0.1, 1), (20_000, 0.1, 2), (99_999, 0.5, PIECES)])
def test_pieces_of_a_long_text_lie_evenly_apart(n, fraction, pieces):
    text = "".join(map(chr, range(1000, 1000 + n)))
    rest, held_out = Corpus.learn(text).split(fraction)
    assert sorted([*rest.ids, *held_out.ids]) == list(range(n))
    assert (np.diff(rest.ids) > 0).all()
    assert abs(len(held_out.ids) - n * fraction) <= pieces
    starts = np.flatnonzero(np.diff(held_out.ids, prepend=-2) > 1)
    sizes, places = np.diff(starts, append=len(held_out.ids)), held_out.ids[starts]
    assert len(starts) == pieces
    assert np.ptp(sizes) == 0
    assert np.ptp(np.diff(places)) <= 1 if pieces > 2 else True
    assert abs(places[0] - (n - places[-1] - sizes[-1])) <= 2  # as much before the first as behind the last


@pytest.mark.parametrize(
    ("fraction", "held"), [(0.01, ["bob"]), (0.25, ["bob"]), (0.5, ["anna", "carl"]), (0.99, ["anna", "bob", "carl"])]
)
def test_splitting_documents(fraction, held):
    rest, held_out = Corpus.learn(NAMES).split(fraction)
    assert words(held_out) == held
    assert words(rest) == [name for name in NAMES if name not in held]


@pytest.mark.parametrize(("X", "fraction"), [("abcdef", 0.01), ("abcdef", 0.99), (["abc"], 0.5)])
def test_a_part_that_is_too_small(X, fraction):
    with pytest.raises(ValueError, match=f"validation_fraction {fraction} leaves too little"):
        Corpus.learn(X).split(fraction)


def test_rare_characters_decide_how_others_are_read():
    folded = Vocabulary([97, 0xFFFD])
    assert reading_rule("raise", 2, folded) == "replace"
    assert reading_rule("raise", 1, folded) == "raise"
    assert reading_rule("raise", 2, Vocabulary([97])) == "raise"
    assert reading_rule("skip", 2, folded) == "skip"
