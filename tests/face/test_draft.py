"""A text that a person and a model write in turns: what is suggested, and that the model has read the whole text."""

import pytest

from pycharrnn import CharRNN, NoveltyIndex
from pycharrnn.cli.draft import Draft


def read_by(draft, model, text):
    """Whether the next character depends on all of the text: as if it had been the prompt."""
    assert draft.text == text
    mine = draft.session().probabilities()
    return mine == pytest.approx(model.session(text, temperature=draft.temperature).probabilities(), abs=1e-6)


@pytest.fixture
def draft(model):
    return Draft(model, 0, temperature=0.5)


def test_the_model_reads_whatever_is_edited(draft, model):
    for text in ("t", "to", "to be no", "to be", "to", "whether to", "", "\n\nsea", "to be\n", "to b\nsea", "sea"):
        draft.edit(text)
        assert read_by(draft, model, text)
        assert draft.suggestion


def test_a_greedy_suggestion_is_what_the_model_writes(model):
    draft = Draft(model, temperature=0)
    for text in ("to be", "or not in", "sea.\n"):
        draft.edit(text)
        expected = model.sample(60, prompt=text, temperature=0)
        assert expected.startswith(draft.suggestion)
        assert expected[len(draft.suggestion)].isspace()  # it ends with a word
        assert len(draft.suggestion) > 30


def test_words_that_are_taken_leave_the_rest(draft):
    draft.edit("to be")
    suggested = draft.suggestion
    taken = ""
    while len(taken) < len(suggested):
        word = draft.word()
        assert suggested[len(taken) :].startswith(word)
        taken += word
        draft.edit("to be" + taken)
        assert (taken + draft.suggestion).startswith(suggested)
    assert taken == suggested
    draft.edit("to be" + taken + draft.suggestion[:1])  # as typed by hand
    assert draft.suggestion


@pytest.mark.parametrize(
    ("suggestion", "word"),
    [("ler, said", "ler,"), (" said the", " said"), ("\nto be", "\n"), ("  \nto", "  "), ("\t\tx", "\t\tx"), ("", "")],
)
def test_words(draft, monkeypatch, suggestion, word):
    monkeypatch.setattr(Draft, "suggestion", suggestion)
    assert draft.word() == word


def test_there_are_other_suggestions(draft):
    draft.edit("to be")
    found = [draft.suggestion]
    for _ in range(5):
        draft.another()
        found.append(draft.suggestion)
    assert len({*found}) > 3
    for expected in found[-2::-1]:
        draft.another(-1)
        assert draft.suggestion == expected
    draft.another(-1)
    assert draft.suggestion == found[0]
    draft.another()
    assert draft.suggestion == found[1]
    draft.another(-1)
    word = draft.word()
    draft.edit("to be" + word)
    assert (word + draft.suggestion).startswith(found[0])
    draft.edit("to be")
    for _ in range(120):
        draft.another()
    for _ in range(200):
        draft.another(-1)
    assert draft.suggestion != found[0]  # no more than the latest are kept


def test_what_has_been_undone_is_suggested_again_and_what_was_typed_is_not(draft):
    draft.edit("to be")
    suggested, word = draft.suggestion, draft.word()
    draft.edit("to be" + word)
    draft.edit("to be")
    assert draft.suggestion == suggested
    draft.edit("to bew")
    draft.edit("to be")
    assert not draft.suggestion.startswith("w")


def test_a_temperature_is_that_of_the_suggestions(draft, model):
    draft.edit("to be")
    draft.warm(-0.3)
    assert draft.temperature == 0.2
    for _ in range(5):
        draft.warm(-0.1)
    assert draft.temperature == 0.0
    assert model.sample(60, prompt="to be", temperature=0).startswith(draft.suggestion)
    draft.warm(1.3)
    assert draft.temperature == 1.3
    assert read_by(draft, model, "to be")
    draft.edit("to")
    assert read_by(draft, model, "to")


def test_a_number_repeats_the_suggestions(model):
    one, other, third = Draft(model, 5), Draft(model, 5), Draft(model, 6)
    for draft in (one, other, third):
        draft.edit("to")
        draft.another()
    assert one.suggestion == other.suggestion != third.suggestion


def test_a_document_ends(text):
    names = CharRNN(hidden_size=16, epochs=30, random_state=0, verbose=False).fit(["anna", "hanna", "bob"] * 20)
    draft = Draft(names, temperature=0)
    draft.edit("han")
    assert draft.suggestion == "na"
    assert not draft.is_over
    draft.edit("hanna")
    assert (draft.suggestion, draft.word(), draft.problem) == ("", "", "")
    assert draft.is_over
    draft.edit("hannab")
    assert draft.text == "hannab"


def test_what_the_model_cannot_read_is_a_problem_until_it_is_gone(text):
    model = CharRNN(hidden_size=8, max_updates=30, random_state=0).fit(text)
    draft = Draft(model)
    draft.edit("to #")
    assert draft.suggestion == draft.word() == ""
    assert draft.problem.startswith("unknown character '#' (U+0023) at position 3")
    draft.edit("to # b")
    assert draft.problem.startswith("unknown character '#' (U+0023) at position 3")
    draft.edit("to ")
    assert read_by(draft, model, "to ")
    assert not draft.problem
    model.on_unknown = "skip"
    skipping = Draft(model)
    skipping.edit("to # b")
    assert skipping.text == "to # b"
    assert skipping.suggestion


def test_settings_hold_for_suggestions(model, text):
    index = NoveltyIndex(text, 6)
    draft = Draft(model, 0, novel=index, temperature=0.3, ban="o")
    draft.edit("wh")
    for _ in range(5):
        draft.another()
        assert "o" not in draft.suggestion
        assert index.spans(draft.suggestion) == ()
    nothing = Draft(model, 0, novel=NoveltyIndex("".join(model.vocabulary_), 1))
    assert nothing.suggestion == ""
    assert nothing.problem.startswith("novel lets no character come")
