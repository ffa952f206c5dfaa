"""Beam search, against its definition: all texts that are one character longer, and the best of them."""

import itertools
import re

import numpy as np
import pytest

from pycharrnn import CharRNN, NoveltyIndex
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.lookahead import Lookahead
from pycharrnn.network.records import Drawing, Manner

NAMES = ["anna", "hanna", "bob", "hannah", "ann", "barbara", "nan"] * 8


@pytest.fixture(scope="module")
def names():
    """A model of documents."""
    return CharRNN(hidden_size=16, epochs=30, random_state=0, verbose=False).fit(NAMES)


@pytest.fixture(scope="module")
def mixed():
    """A mixture with n-grams."""
    model = CharRNN(hidden_size=8, epochs=1, ngram_order=3, random_state=0, verbose=False).fit(NAMES)
    assert model.ngram_share_
    return model


def log_p(model, prompt, text):
    """The logarithm of the probability of a text after a prompt."""
    session = model.session(prompt)
    total = 0.0
    for character in text:
        total += np.log(session.probabilities()[character])
        session.feed(character)
    return total


def search(model, prompt, width, length, n=1, stops=(), **settings):
    """The best texts, by the definition: a session for each of them."""
    beam, done = [("", 0.0)], []
    for _ in range(length):
        found = []
        for text, total in beam:
            session = model.session(prompt, **settings).feed(text)
            p = session.probabilities()
            if session.is_over:
                p = {None: 1.0}  # nothing may follow
            found += [(text, c, total + np.log(p[c])) for c in p if p[c] > 0]
        found.sort(key=lambda one: -one[2])
        beam = []
        for rank, (text, c, total) in enumerate(found):
            if not c or (text + c).endswith(stops or ("\0",)):
                if rank < width:
                    done.append((text + (c or ""), total, len(text) + (c is not None)))
            elif len(beam) < width:
                beam.append((text + c, total))
        if not beam or len(done) >= width:
            break
    else:
        done += [(text, total, len(text)) for text, total in beam]
    done.sort(key=lambda one: -one[1] / max(1, one[2]))
    texts = [min((text.partition(s)[0] for s in stops), key=len, default=text) for text, *_ in done]
    return list(dict.fromkeys(texts))[:n]


def test_a_beam_of_one_is_greedy(model, names):
    assert model.sample(60, temperature=0, beam=1) == model.sample(60, temperature=0)
    for beam in (2, 3, 8):
        text = model.sample(25, prompt="to be", temperature=0, beam=beam)
        assert len(text) == 25
        greedy = model.sample(25, prompt="to be", temperature=0)
        assert log_p(model, "to be", text) >= log_p(model, "to be", greedy) - 1e-6
    assert names.sample(temperature=0, beam=3) in NAMES


def test_a_wide_beam_finds_the_likeliest_text(model):
    """As wide as there are texts of two characters, it looks at all of them."""
    characters = "".join(model.vocabulary_)
    best = max(itertools.product(characters, repeat=2), key=lambda two: log_p(model, "w", "".join(two)))
    assert model.sample(2, prompt="w", temperature=0, beam=len(characters)) == "".join(best)


@pytest.mark.parametrize("width", [2, 5])
@pytest.mark.parametrize("prompt", ["to", "w", ""])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"repetition_penalty": 2.0, "repetition_window": 4},
        {"ban": "et", "bias": {"o": 1.5}},
        {"constraint": lambda text: None if len(text) < 4 else "to"},
        {"constraint": lambda text: "" if len(text) > 3 else None},
        {"novel": NoveltyIndex("to be nobler, said the sea", 4)},
    ],
    ids=",".join,
)
def test_a_beam_follows_the_best_texts(model, width, prompt, settings):
    expected = search(model, prompt, width, 6, n=width, **settings)
    how = {"prompt": prompt, "temperature": 0, "beam": width, **settings}
    assert model.sample(6, **how) == expected[0]
    assert model.sample(6, n_samples=width, **how) == expected
    assert model.sample(6, n_samples=2, **how | {"prompt": [prompt, "or"]}) == [
        *expected[:2],
        *search(model, "or", width, 6, n=2, **settings),
    ]


@pytest.mark.parametrize("kind", ["names", "mixed"])
@pytest.mark.parametrize("settings", [{}, {"repetition_penalty": 1.5}, {"ban": "b"}, {"constraint": lambda text: None}])
def test_documents_end(request, kind, settings):
    model = request.getfixturevalue(kind)
    for prompt, width, length in (("", 4, 30), ("han", 3, 30), ("b", 6, 3)):
        expected = search(model, prompt, width, length, n=width, **settings)
        found = model.sample(length, prompt=prompt, temperature=0, beam=width, n_samples=width, **settings)
        assert found == expected
        assert len({*found}) == len(found)


def test_documents_have_a_least_length(names):
    for n in (6, 9):
        found = names.sample(temperature=0, beam=4, n_samples=4, min_length=n)
        assert all(len(text) >= n for text in found)
        assert len(found) == 4


def test_texts_end_before_a_stop(model):
    for stops in (["d"], ["e ", "no"], [", said"]):
        expected = search(model, "to", 4, 20, n=4, stops=tuple(stops))
        assert model.sample(20, prompt="to", temperature=0, beam=4, n_samples=4, stop=stops) == expected


def test_there_may_be_fewer_texts_than_asked(names):
    pytest.importorskip("regex")
    found = names.sample(prompt="", temperature=0, beam=6, n_samples=6, pattern="bob|anna|hannah")
    assert sorted(found) == ["anna", "bob", "hannah"]
    assert names.sample(temperature=0, beam=6, n_samples=0) == []


def test_more_texts_than_the_beam_are_an_error(model):
    with pytest.raises(ValueError, match=r"^n_samples must be at most beam, 3, the texts that a search follows, got 4"):
        model.sample(9, temperature=0, beam=3, n_samples=4)


def test_the_texts_advance_together(model, monkeypatch):
    calls = []
    advance = Lookahead.advance
    monkeypatch.setattr(Lookahead, "advance", lambda self, *rows: calls.append(len(rows[0])) or advance(self, *rows))
    model.sample(9, prompt="to", temperature=0, beam=5)
    assert calls == [5] * 9


def test_a_long_prompt_is_read_in_pieces(model, text, monkeypatch):
    expected = model.sample(12, prompt=text[:70], temperature=0, beam=3)
    monkeypatch.setattr(Architecture, "chunk_size", 7)
    assert model.sample(12, prompt=text[:70], temperature=0, beam=3) == expected


def test_there_must_be_memory_for_a_beam(model, monkeypatch):
    monkeypatch.setattr("pycharrnn.network.memory.free_memory", lambda: 2**30)
    with pytest.raises(MemoryError, match="beam 1,024 x length 1,000,000 would take"):
        model.sample(10**6, temperature=0, beam=1024)


def test_values_that_do_not_fit_are_refused():
    built = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5)
    ahead = Lookahead(built, built.initial(np.random.default_rng(0)), Manner.of(Drawing(), 3, B=2))
    ahead.begin_with(np.array([1], np.int32))
    with pytest.raises(ValueError, match=re.escape("3 symbols have (4,) values and a bias of the shape (0,)")):
        ahead.shares_of(np.full(4, 0.25), 0, Manner.of(Drawing(), 3))
    with pytest.raises(ValueError, match=re.escape("3 symbols have (3,) values and a bias of the shape (2,)")):
        ahead.shares_after(0, Manner.of(Drawing(), 3, np.zeros(2)))
    with pytest.raises(ValueError, match="no symbol may come"):
        ahead.shares_after(0, Manner.of(Drawing(), 3, np.full(3, -np.inf)))
