"""Refusing copies: no span of n characters of a text stands in the corpus, whoever asks for it and however."""

import itertools
import pickle
import random
import re

import numpy as np
import pytest

from pycharrnn import CharRNN, NoveltyIndex

DOCUMENTS = ["anna", "hanna", "bob", "hannah", "ann", "barbara", "nan"] * 8


@pytest.fixture(scope="module")
def names():
    """A model of documents."""
    return CharRNN(hidden_size=16, epochs=30, random_state=0, verbose=False).fit(DOCUMENTS)


def copied(text, corpus, n, start=0):
    """The spans of n characters that end after `start` and stand in a document of the corpus: tries all."""
    documents = [corpus] if isinstance(corpus, str) else corpus
    spans = (text[i : i + n] for i in range(max(0, start - n + 1), len(text) - n + 1))
    return [span for span in spans if any(span in document for document in documents)]


@pytest.mark.parametrize("n", [3, 5, 8, 20])
def test_no_span_of_a_hundred_texts_stands_in_the_training_text(model, text, n):
    index = NoveltyIndex(text, n)
    texts = model.sample(120, n_samples=100, random_state=n, novel=index, temperature=0.7)
    assert [len(one) for one in texts] == [120] * 100
    assert [copied(one, text, n) for one in texts] == [[]] * 100
    free = model.sample(120, n_samples=10, random_state=n, temperature=0.7)
    assert all(copied(one, text, n) for one in free)


def test_whoever_writes_the_text_is_the_same(model, text):
    how = {"prompt": text[30:60], "random_state": 4, "novel": NoveltyIndex(text, 6), "temperature": 0.8}
    written = model.sample(150, **how)
    assert "".join(model.stream(150, **how)) == written
    assert model.sample(150, n_samples=3, **how)[0] == written
    session = model.session(**how)
    assert session.write(40) + session.step() + "".join(c for c, _ in zip(session, range(109), strict=False)) == written
    fed = model.session(**how | {"prompt": text[30:33]}).feed(text[33:41]).feed(text[41:60])
    assert fed.write(150) == written
    again = pickle.loads(pickle.dumps(fed.undo()))
    assert again.write(150) == written == fed.branch().restore(fed.snapshot()).write(150)


@pytest.mark.parametrize("how", [{}, {"temperature": 0}, {"top_k": 2}, {"stop": "slings"}, {"top_p": 0.5}], ids=str)
@pytest.mark.parametrize("seed", range(12))
def test_a_span_that_begins_in_the_prompt_is_none_either(model, text, how, seed):
    draw = random.Random(seed)
    n, begin = draw.randrange(2, 26), draw.randrange(len(text) - 40)
    prompt = text[begin : begin + draw.randrange(41)]
    written = model.sample(60, prompt=prompt, random_state=seed, novel=NoveltyIndex(text, n), **how)
    assert copied(prompt + written, text, n, len(prompt)) == []
    unlimited = model.sample(60, prompt=prompt, random_state=seed, **how)
    if not copied(prompt + unlimited, text, n, len(prompt)) and "stop" not in how:
        assert written == unlimited  # nothing was refused, so nothing is different


def test_probabilities_know_what_is_refused(model, text):
    index = NoveltyIndex(text, 4)
    session, free = model.session("to b", novel=index, random_state=1), model.session("to b", random_state=1)
    p, all_of_them = session.probabilities(), free.probabilities()
    assert {character for character in p if p[character] == 0} == set(index.forbidden("to b")) == {"e"}
    left = 1 - all_of_them["e"]
    assert p == pytest.approx({c: (c != "e") * value / left for c, value in all_of_them.items()}, rel=1e-5)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_documents_begin_anew(names, n):
    index = NoveltyIndex(DOCUMENTS, n)
    texts = names.sample(n_samples=60, random_state=n, novel=index)
    assert [copied(one, DOCUMENTS, n) for one in texts] == [[]] * 60
    assert len({*texts}) > 5
    watched = names.session("han", novel=index, random_state=2)
    watched.write(30)
    assert copied(watched.text, DOCUMENTS, n, 3) == []


def test_other_settings_go_with_it(model, text):
    n = 5
    index = NoveltyIndex(text, n)
    for how in (
        {"repetition_penalty": 1.5},
        {"ban": "eo"},
        {"constraint": lambda written: "to eab"},
        {"stop": ["t", "e "], "min_length": 20},
        {"beam": 3, "temperature": 0},
    ):
        for seed in range(4):
            assert copied(model.sample(50, random_state=seed, novel=index, **how), text, n) == []
    beam = model.sample(30, temperature=0, beam=6, novel=index)
    assert len(beam) == 30
    assert beam != model.sample(30, temperature=0, beam=6)
    pytest.importorskip("regex")
    held = model.sample(80, random_state=1, pattern=r"([to ]{3}){9}", novel=NoveltyIndex("to to to", 4))
    assert re.fullmatch(r"([to ]{3}){9}", held)
    assert copied(held, "to to to", 4) == []
    with pytest.raises(ValueError, match=r"^novel lets no character come that the model may write, after 'to t'"):
        model.sample(80, random_state=1, pattern=r"(to ){9}", novel=NoveltyIndex("to to to", 5))


def test_a_mixture_is_held_to_it(text):
    model = CharRNN(hidden_size=8, max_updates=60, epochs=None, ngram_order=4, random_state=0).fit(text)
    assert model.ngram_share_
    written = model.sample(200, random_state=0, novel=NoveltyIndex(text, 7))
    assert copied(written, text, 7) == []


def test_where_every_character_would_be_a_copy(model, names):
    every = NoveltyIndex("".join(model.vocabulary_), 1)
    problem = r"^novel lets no character come that the model may write, after ''; build the index with a larger n"
    for attempt in (model.sample, lambda **how: next(model.stream(**how)), lambda **how: model.session(**how).step()):
        with pytest.raises(ValueError, match=problem):
            attempt(novel=every)
    two = "".join(a + b for a, b in itertools.product("ab", repeat=2))  # after a and b there is nothing new
    with pytest.raises(ValueError, match=r"^novel lets no character come that the model may write, after 'b'"):
        names.sample(novel=NoveltyIndex(two, 2), allow="ab", prompt="b", min_length=3, random_state=0)
    for seed in range(9):  # a document ends there
        assert len(names.sample(novel=NoveltyIndex(two, 2), allow="ab", random_state=seed)) <= 1
    with pytest.raises(ValueError, match=r"^novel lets no character come"):
        names.sample(novel=NoveltyIndex("aaaa", 3), constraint=lambda written: "a")
    assert names.sample(
        novel=NoveltyIndex("aaaa", 3), constraint=lambda written: ["a", ""][: 1 + len(written) // 2]
    ) in (
        "aa",
        "a",
    )


def test_a_corpus_that_the_model_does_not_know_changes_nothing(model):
    foreign = NoveltyIndex(["日本語" * 9, "XYZ#"], 1)
    assert model.sample(80, random_state=3, novel=foreign) == model.sample(80, random_state=3)


def test_text_without_end_takes_no_more_room(model, text):
    session = model.session(novel=NoveltyIndex(text, 9), random_state=0)
    sizes = []
    for n in (50, 900):
        session.write(n)
        sizes.append(len(pickle.dumps(session.snapshot().stream)))
    assert sizes[1] < sizes[0] + 10


@pytest.mark.parametrize("wrong", ["the text", 5, ["a"], NoveltyIndex])
def test_it_takes_an_index(model, wrong):
    with pytest.raises(TypeError, match=r"^novel must be a NoveltyIndex of the corpus, as NoveltyIndex\(text, n=20\)"):
        model.sample(novel=wrong)


def test_the_numbers_are_used_as_without(model, text):
    """One number a character, whatever is refused: a text goes on as alone when nothing more is."""
    rng = np.random.default_rng(5)
    model.sample(70, novel=NoveltyIndex(text, 4), random_state=rng)
    other = np.random.default_rng(5)
    other.random(70)
    assert rng.random() == other.random()
