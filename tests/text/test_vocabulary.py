"""Text in and out: every code point, every line end, every way to hand over the wrong thing."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from pycharrnn.errors import UnknownCharacterError
from pycharrnn.text import vocabulary as vocabulary_module
from pycharrnn.text.vocabulary import Vocabulary

# What editors, codecs, str.splitlines and Unicode normalisation like to change.
LINE_ENDS = "a\r\nb\rc\n\r\x85\u2028\u2029\v\f\x1c\x00"
AWKWARD = LINE_ENDS + "\ufeff\ufffe\uffffe\u0301\u00e9\u200d\U0001f600\ud83d\ude00\ude00\ud83d"


@pytest.fixture
def abc() -> Vocabulary:
    return Vocabulary.from_text("cab")


# Vocabulary


def test_every_code_point_round_trips() -> None:
    everything = "".join(map(chr, range(0x110000)))
    vocabulary = Vocabulary.from_text(everything[::-1])
    assert len(vocabulary) == 0x110000
    ids = vocabulary.encode(everything)
    assert np.array_equal(ids, np.arange(0x110000))
    assert vocabulary.decode(ids) == everything
    assert vocabulary.decode(ids[::-1]) == everything[::-1]  # each low surrogate now stands before a high one


def test_awkward_text_round_trips_and_ids_are_ranks() -> None:
    vocabulary = Vocabulary.from_text(AWKWARD)
    ids = vocabulary.encode(AWKWARD)
    expected = sorted(set(AWKWARD))
    assert list(vocabulary) == expected
    assert vocabulary.code_points.tolist() == [ord(c) for c in expected]
    assert ids.tolist() == [expected.index(c) for c in AWKWARD]
    assert ids.dtype == np.int32
    assert ids.shape == (len(AWKWARD),)
    assert ids.flags.c_contiguous
    assert vocabulary.decode(ids) == AWKWARD


def test_lone_surrogates_do_not_merge() -> None:
    pair, merged = "\ud83d\ude00", "\U0001f600"
    assert len(Vocabulary.from_text(pair)) == 2
    assert Vocabulary.from_text(pair) != Vocabulary.from_text(merged)
    assert Vocabulary.from_text(pair).decode([0, 1]) == pair != merged


def test_long_texts_are_encoded_in_chunks(monkeypatch: pytest.MonkeyPatch, abc: Vocabulary) -> None:
    monkeypatch.setattr(vocabulary_module, "CHUNK", 3)
    for length in range(10):
        text = ("abccba" * 2)[:length]
        assert abc.encode(text).tolist() == ["abc".index(c) for c in text]
        with pytest.raises(UnknownCharacterError) as caught:
            abc.encode(text + "zb!z")
        assert (caught.value.character, caught.value.position) == ("z", length)
    assert list(Vocabulary.from_text("abcabcdabz")) == list("abcdz")


def test_empty_text(abc: Vocabulary) -> None:
    assert abc.encode("").shape == (0,)
    assert abc.encode("").dtype == np.int32
    assert abc.decode([]) == abc.decode(abc.encode("")) == ""
    with pytest.raises(ValueError, match="text is empty"):
        Vocabulary.from_text("")


@pytest.mark.parametrize(
    ("character", "shown"),
    [
        ("d", "'d' (U+0064)"),  # one beyond the largest known
        ("A", "'A' (U+0041)"),
        ("\u00c6", r"'\xc6' (U+00C6)"),
        ("\x1b", r"'\x1b' (U+001B)"),
        ("\u202e", r"'\u202e' (U+202E)"),
        ("\ud800", r"'\ud800' (U+D800)"),
        ("\U0010ffff", r"'\U0010ffff' (U+10FFFF)"),
    ],
)
def test_unknown_character_is_named_escaped(abc: Vocabulary, character: str, shown: str) -> None:
    with pytest.raises(UnknownCharacterError) as caught:
        abc.encode("abc" + character + "ab" + character)
    error = caught.value
    assert (error.character, error.position) == (character, 3)
    assert f"{shown} at position 3: leave it out, use on_unknown='skip' or on_unknown='replace'" in str(error)
    assert str(error).isascii()
    assert str(error).isprintable()
    twin = pickle.loads(pickle.dumps(error))  # as a process pool hands it over
    assert (type(twin), str(twin), twin.position) == (UnknownCharacterError, str(error), 3)


@pytest.mark.parametrize("wrong", [b"abc", bytearray(b"abc"), None, 5, {"a"}, np.array([0])])
def test_only_a_str_is_a_text(abc: Vocabulary, wrong: object) -> None:
    for take in (abc.encode, Vocabulary.from_text):
        with pytest.raises(TypeError, match=f"^text must be a str, not {type(wrong).__name__}") as caught:
            take(wrong)  # type: ignore[arg-type]
        assert ("text.decode('utf-8')" in str(caught.value)) == isinstance(wrong, (bytes, bytearray))


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([0, 2, 3, 9], r"ids\[2\] is 3, but ids go from 0 to 2"),
        ([0, -1], r"ids\[1\] is -1,"),
        (np.array([2**64 - 1], np.uint64), r"ids\[0\] is 18446744073709551615,"),
        (np.array([0, 255], np.uint8), r"ids\[1\] is 255,"),
    ],
)
def test_decode_names_the_bad_id(abc: Vocabulary, ids: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        abc.decode(ids)


@pytest.mark.parametrize("ids", [[0.0, 1.0], 1, None, "ab", b"ab", [[0], [1]], [True], ["a"], [[]]])
def test_decode_takes_only_a_row_of_integers(abc: Vocabulary, ids: list[int]) -> None:
    with pytest.raises(TypeError, match="ids must be a 1-d array of integers, got shape"):
        abc.decode(ids)


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i4", ">i4", "i8", "u8"])
def test_decode_takes_any_integer_type_and_stride(abc: Vocabulary, dtype: str) -> None:
    assert abc.decode(np.array([2, 9, 0, 9, 1, 9], dtype)[::2]) == "cab"


@pytest.mark.parametrize(
    ("code_points", "message"),
    [
        ([], "at least one integer"),
        (np.zeros(0, np.uint32), "at least one integer"),
        ([[97]], r"1-d array .* got shape \(1, 1\)"),
        (97, r"1-d array .* got shape \(\)"),
        ("abc", r"for a text: Vocabulary.from_text"),
        ([97.0], "integer, got shape .* float64"),
        ([2**70], "integer, got shape .* object"),
        ([97, 97], r"code_points\[1\] is 97, but"),
        ([97, 99, 98], r"code_points\[2\] is 98, but"),
        (np.array([99, 98], np.uint32), r"code_points\[1\] is 98, but"),
        ([-1, 97], r"code_points\[0\] is -1, but"),
        ([97, 0x110000], r"code_points\[1\] is 1114112, but"),
        (np.array([97, 2**32 + 98]), r"code_points\[1\] is 4294967394, but"),
    ],
)
def test_code_points_are_validated(code_points: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Vocabulary(code_points)


def test_code_points_are_a_read_only_copy() -> None:
    given = np.array([97, 98, 99], np.uint32)
    vocabulary = Vocabulary(given)
    given[0] = 65
    assert vocabulary.code_points.tolist() == [97, 98, 99]
    assert vocabulary.code_points.dtype == np.uint32
    with pytest.raises(ValueError, match="read-only"):
        vocabulary.code_points[0] = 65
    with pytest.raises(ValueError, match="cannot set WRITEABLE"):
        vocabulary.code_points.flags.writeable = True
    with pytest.raises(AttributeError):
        vocabulary.code_points = given  # type: ignore[misc]
    with pytest.raises(AttributeError):
        vocabulary.other = given  # type: ignore[attr-defined]


def test_equality(abc: Vocabulary) -> None:
    assert abc == Vocabulary.from_text("abcabc") == Vocabulary(np.array([97, 98, 99], np.uint32))
    assert abc != Vocabulary.from_text("abd")
    assert abc != Vocabulary.from_text("abcd")
    assert abc != "abc"
    assert abc != [97, 98, 99]


def test_container(abc: Vocabulary) -> None:
    assert len(abc) == 3
    assert list(abc) == ["a", "b", "c"]
    assert all(c in abc for c in "abc")
    outside: list[object] = ["d", "A", "\U0010ffff", "", "ab", 97, None, b"a"]
    assert not any(c in abc for c in outside)


def test_repr_is_short_and_safe_to_print(abc: Vocabulary) -> None:
    assert repr(abc) == "Vocabulary(3 characters: 'abc')"
    assert repr(Vocabulary.from_text("\x1b[\u00e9\ud800")) == r"Vocabulary(4 characters: '\x1b[\xe9\ud800')"
    many = Vocabulary(np.arange(65, 65 + 41))
    assert repr(many) == f"Vocabulary(41 characters: {''.join(many)[:40]!a}...)"


def test_pickle_and_copies(abc: Vocabulary) -> None:
    vocabulary = Vocabulary.from_text(AWKWARD)
    twins = [pickle.loads(pickle.dumps(vocabulary, p)) for p in range(pickle.HIGHEST_PROTOCOL + 1)]
    for twin in [*twins, copy.copy(vocabulary), copy.deepcopy(vocabulary)]:
        assert twin == vocabulary
        assert twin.decode(twin.encode(AWKWARD)) == AWKWARD
        assert not twin.code_points.flags.writeable
    assert len(pickle.dumps(Vocabulary([0, 0x10FFFF]))) < 500  # the table of ids stays at home
