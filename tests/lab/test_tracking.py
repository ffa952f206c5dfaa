"""What units track: properties of a text by hand, correlations by NumPy, and the quote unit that is found."""

import numpy as np
import pytest
import quoted
from numpy.testing import assert_allclose, assert_array_equal

from pycharrnn import CharRNN, UnknownCharacterError
from pycharrnn.lab.passages import Passage, Recording, passages, units_of
from pycharrnn.lab.properties import OF_CODE, PROPERTIES, is_code, measure
from pycharrnn.lab.tracking import Tracker, Tracking, shared, track
from pycharrnn.trained import learned


@pytest.fixture(scope="module")
def names():
    documents = ["anna (a)", "Bo", "carl. (((b", "dan"] * 10
    return CharRNN(hidden_size=6, num_layers=2, cell="lstm", max_updates=40, random_state=0).fit(documents), documents


@pytest.mark.parametrize(
    ("name", "text", "digits"),
    [
        ("inside quotes", 'a "b c" d “e” „f“ g «h» 「i」', "00 1111 0000 11 00 11 0000 11 00 11 0"),
        ("inside quotes", 'a "bc\n\nd "e', "00 111 0000 11"),  # a blank line closes what is open
        ("inside quotes", 'a "b\n \nc', "0011000 0"),
        ("position in the line", "ab\nc\n\nd", "1201001"),
        ("indentation", "  ab c\n\td\n\n   x y", "1222220110012333 3"),
        ("bracket depth", "a)(b[c{}])", "00 11 22 32 10"),
        ("inside a word", "ab c1é", "1101 0 1"),
        ("position in the word", "ab c1d", "120101"),
        ("last letter of a word", "ab c d1 e", "010101000"),
        ("capitals", "Ab CÉ1", "100110"),
        ("digits", "a1 22b", "010110"),
        ("between sentences", 'Ab. Cd?" e... f', "00 11 00 111 0 1111 0"),
        ("inside a comment", 'x = "a#b" # c\ny', "000000000011100"),
        ("inside a comment", 'a /* b */ "// c" // d', "001111111000000001111"),
        ("inside a string", 'x = "a#b" # "c"\ny \'z\\\'w\' v', "0000 1111 00000 00000 11111 000"),
    ],
)
def test_properties_of_texts(name, text, digits):
    found = PROPERTIES[name](text)
    digits = digits.replace(" ", "")
    assert "".join(f"{value:.0f}" for value in found) == digits, f"\n{text!r}"


@pytest.mark.parametrize("name", PROPERTIES)
def test_every_property_is_a_number_for_each_character_of_any_text(name, rng):
    for text in ("", "a", "\n", '"', "\ud800\x00\u202e \u0301", "".join(map(chr, rng.integers(32, 127, 300)))):
        found = measure([text], {name: PROPERTIES[name]})
        assert found.shape == (len(text), 1)
    with pytest.raises(ValueError, match=r"the property 'odd' must give one finite number for each character"):
        measure(["abc"], {"odd": lambda text: np.zeros(2)})
    for wrong in (np.full(3, np.nan), [1, 2, np.inf], ["a", "b", "c"], [None] * 3, [1j] * 3, [[1], [2, 3], 4], 5):
        with pytest.raises(ValueError, match=r"the property 'odd' must give one finite number .*, 3 of them"):
            measure(["abc"], {"odd": lambda text, wrong=wrong: wrong})


def test_programs_are_told_from_prose(text):
    with open(__file__, encoding="utf-8") as file:
        assert is_code(file.read())
    assert not is_code(text)
    assert not is_code("")


def test_correlations_are_those_of_numpy(text):
    model = CharRNN(cell="lstm", hidden_size=5, num_layers=2, max_updates=60, random_state=0).fit(text)
    found = track(model, text)
    assert found.n_characters == len(text)
    assert found.units == units_of(model)
    states = model.activations(text)
    rows = np.array([states[state][layer, :, unit] for layer, state, unit in found.units])
    values = measure([text], {name: PROPERTIES[name] for name in found.properties})
    assert {"position in the line", "inside a word", "last letter of a word"} <= set(found.properties)
    assert not {*OF_CODE, "digits", "inside quotes"} & set(found.properties)  # there are none
    middle = len(text) // 2
    for part, correlations in ((slice(middle), found.chosen), (slice(middle, None), found.held_out)):
        both = np.corrcoef(np.vstack([rows[:, part], values[part].T]))
        assert_allclose(correlations, both[: len(rows), len(rows) :], atol=1e-6)
    best = found.best()
    assert [abs(one.chosen) for one in best] == sorted((abs(one.chosen) for one in best), reverse=True)
    row = found.units.index((best[0].layer, best[0].state, best[0].unit))
    column = found.properties.index(best[0].property)
    assert (
        best[0].chosen
        == found.chosen[row, column]
        == pytest.approx(np.abs(found.chosen).max() * np.sign(best[0].chosen))
    )
    assert best[0].held_out == found.held_out[row, column]
    [*words] = found.best("inside a word")
    assert {one.property for one in words} == {"inside a word"}
    assert words[0].chosen == max((one.chosen for one in words), key=abs)
    with pytest.raises(ValueError, match=r"property must be one of .*'inside a word'.*; got 'sorrow'"):
        found.best("sorrow")
    with pytest.raises(ValueError, match=r"property must be one of none, for the text is too short .* got 'capitals'"):
        track(model, text[:9]).best("capitals")


def test_the_first_part_chooses_and_the_second_is_told():
    units = [(0, "h", 0), (0, "h", 1)]
    found = Tracking(units, ["a", "b"], np.array([[0.5, -0.6], [0.9, 0.1]]), np.array([[0.7, -0.2], [0.3, 0.4]]), 10)
    assert found.best() == [Tracker(0, "h", 1, "a", 0.9, 0.3), Tracker(0, "h", 0, "b", -0.6, -0.2)]
    assert found.best("b") == [Tracker(0, "h", 0, "b", -0.6, -0.2), Tracker(0, "h", 1, "b", 0.1, 0.4)]


def test_a_quote_unit_is_found_with_its_correlation(quoter):
    found = track(quoter, quoted.quoted(20_000, seed=5))
    best = found.best()[0]
    assert best.property == "inside quotes"
    assert abs(best.held_out) > 0.7  # 0.86 on the part that took no part in the choice
    assert best == found.best("inside quotes")[0]
    untrained = CharRNN(cell="lstm", hidden_size=32, max_updates=1, random_state=0).fit(quoted.quoted(5000, seed=0))
    assert abs(track(untrained, quoted.quoted(20_000, seed=5)).best("inside quotes")[0].held_out) < 0.5


def test_what_was_chosen_by_luck_shows_on_the_part_held_out(rng):
    model = CharRNN(hidden_size=200, max_updates=1, init_scale=1.0, random_state=0).fit(
        "".join(rng.choice(list("ab "), 3000))
    )
    found = track(model, "".join(rng.choice(list("ab "), 200)), {"luck": lambda text: rng.normal(size=len(text))})
    best = found.best()[0]
    assert abs(best.chosen) > 0.2
    assert abs(best.held_out) < abs(best.chosen)


def test_a_constant_unit_and_a_constant_property_have_no_correlation(text):
    model = CharRNN(hidden_size=5, max_updates=5, random_state=0).fit(text)
    constant = {"always": lambda text: np.ones(len(text)), "rarely": lambda text: np.arange(len(text)) == 3}
    found = track(model, text, constant)
    assert found.properties == []
    assert found.best() == []
    for weights in learned(model).state.best, learned(model).state.weights:
        weights[:] = 0
    found = track(model, text)
    assert found.properties
    assert_array_equal(found.chosen, 0)


def test_a_model_that_learns_meanwhile_is_read_as_it_was(text):
    model = CharRNN(hidden_size=5, max_updates=20, random_state=0).fit(text)
    expected = track(model, text)

    def slow(text):
        model.fit(text[::-1])
        return PROPERTIES["inside a word"](text)

    found = track(model, text, {"inside a word": slow})
    assert_array_equal(found.held_out[:, 0], expected.held_out[:, expected.properties.index("inside a word")])
    assert np.abs(track(model, text).held_out - expected.held_out).max() > 0.01


def test_own_properties_and_limits(text):
    model = CharRNN(hidden_size=5, max_updates=20, random_state=0).fit(text)
    found = track(model, text, {"vowels": lambda text: [character in "aeiou" for character in text]}, most=300)
    assert found.properties == ["vowels"]
    assert found.n_characters == 300
    with pytest.raises(ValueError, match="most must be at least 100 and"):
        track(model, text, most=5)
    with pytest.raises(TypeError, match="properties must be functions of a text by name"):
        track(model, text, {"vowels": "aeiou"})


def test_passages_are_what_a_model_reads(names, text):
    model, documents = names
    [passage] = passages(model, documents[:2])
    assert passage.texts(model.vocabulary_) == ["anna (a)\n", "Bo\n"]
    assert passage.part(4).texts(model.vocabulary_) == ["anna"]
    assert [p.name for p in passages(model, {"one": ["dan"], "two": "Bo"})] == ["one", "two"]
    running = CharRNN(hidden_size=4, max_updates=5, random_state=0).fit(text)
    assert [p.name for p in passages(running, ["to be", "or not"])] == ["text 1", "text 2"]
    for wrong, error, says in (
        (3, TypeError, "X must be a text, several, or a dict of them, got 3"),
        ({}, ValueError, "X must have a text, and has none"),
        ({"a": 3}, TypeError, "X must be texts, or documents by name, got 3 in 'a'"),
        ({"a": ["to"]}, ValueError, "X must have one text for each name of this model of running text: 'a'"),
        ({"a": [3]}, TypeError, "X must be texts, or documents by name"),
        ("t", ValueError, "fewer than two characters of 'text'"),
        ("", ValueError, "fewer than two characters of 'text'"),
    ):
        with pytest.raises(error, match=says):
            passages(running, wrong)
    with pytest.raises(UnknownCharacterError):
        passages(running, "to\x00be")
    assert [len(p.ids) for p in shared([Passage("", np.zeros(n, np.int32), passage.first) for n in (5, 1, 9)], 9)] == [
        4,
        1,
        4,
    ]


def test_a_recording_is_what_the_model_says(names, text):
    model, documents = names
    [passage] = passages(model, documents[:3])
    found = Recording.of(model, passage)
    expected = np.concatenate(model.surprise(documents[:3], unit="bits"))
    assert_allclose(found.bits, expected, atol=1e-6)
    at = len("anna (a)") + 1 + 1  # the o of Bo
    session = model.session("B")
    likeliest = sorted(session.probabilities().items(), key=lambda one: -one[1])[:5]
    labels = [*model.vocabulary_, ""]
    assert [labels[i] for i in found.likely[at]] == [name for name, _ in likeliest]
    assert_allclose(found.shares[at], [share for _, share in likeliest], rtol=1e-5)
    states = model.activations("Bo")
    rows = [states[state][layer, :, unit] for layer, state, unit in units_of(model)]
    assert_allclose(found.states[:, at - 1 : at + 1], rows, rtol=1e-6)
    running = CharRNN(hidden_size=4, max_updates=20, random_state=0).fit(text)
    [passage] = passages(running, text[:50])
    found = Recording.of(running, passage)
    assert np.isnan(found.bits[0])
    assert_allclose(found.bits[1:], running.surprise(text[:50], unit="bits"), atol=1e-6)
    assert_array_equal(found.shares[0], 0)


def test_memory_is_claimed_before_a_text_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(n_bytes: int, what: str, advice: str) -> None:
        assert n_bytes >= 4 * 8 * 1881
        raise MemoryError(f"{what}: {advice}")

    model = CharRNN(hidden_size=8, max_updates=1, random_state=0).fit("to be or not to be " * 9)
    monkeypatch.setattr("pycharrnn.lab.passages.claim", refuse)
    with pytest.raises(MemoryError, match="8 units do while they read 1,881 characters: look at a part of the text"):
        Recording.of(model, passages(model, "to be or not to be " * 99)[0])
