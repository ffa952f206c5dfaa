"""Text in and out: every code point, every line end, every way to hand over the wrong thing."""

from __future__ import annotations

import copy
import doctest
import gzip
import linecache
import os
import pathlib
import pickle
import re
import warnings

import numpy as np
import pytest

from pycharrnn import text as text_module
from pycharrnn.text import UnknownCharacterError, Vocabulary, decode, gunzip, read_corpus, read_text, split_lines

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
    monkeypatch.setattr(text_module, "_CHUNK", 3)
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


# read_text


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "song.txt"


@pytest.mark.parametrize("text", ["", "a\n", "\x00", "\ud800", "a\udc80", "x" * 5000, AWKWARD, "\ufeffa"])
def test_a_str_is_the_text(text: str) -> None:
    assert read_text(text) is text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"a\r\nb\rc\n\r\n\x1az", "a\r\nb\rc\n\r\n\x1az"),
        (LINE_ENDS.encode(), LINE_ENDS),
        ("e\u0301\u00e9\ufb01\U0001f600\uffff".encode(), "e\u0301\u00e9\ufb01\U0001f600\uffff"),
        (b"\xef\xbb\xbf", ""),
        (b"\xef\xbb\xbfabc", "abc"),
        (b"\xef\xbb\xbf\xef\xbb\xbfabc", "\ufeffabc"),
        (b"a\xef\xbb\xbfb\xef\xbb\xbf", "a\ufeffb\ufeff"),
    ],
)
def test_a_file_is_decoded_exactly(path: pathlib.Path, data: bytes, text: str) -> None:
    path.write_bytes(data)
    assert read_text(path) == text
    path.write_bytes(gzip.compress(data))
    assert read_text(path) == text


@pytest.mark.parametrize(
    ("before", "bad", "shown"),
    [
        (b"abc", b"\xff", "0xFF"),
        (b"", b"\xff\xfea\x00", "0xFF"),  # UTF-16
        (b"\xef\xbb\xbfabc", b"\x80z", "0x80"),
        (b"\xc3\xa9\r\n", b"\xe2\x28\xa1", "0xE2"),
        (b"cut off", b"\xf0\x9f\x98", "0xF0"),
        (b"a surrogate", b"\xed\xa0\x80", "0xED"),
        (b"x" * 100_000, b"\xe9t\xe9", "0xE9"),  # Latin-1
    ],
)
def test_invalid_utf8_is_located(path: pathlib.Path, before: bytes, bad: bytes, shown: str) -> None:
    path.write_bytes(before + bad)
    with pytest.raises(ValueError, match=r"^corpus is not valid UTF-8: ") as caught:
        read_text(path, "corpus")
    message = str(caught.value)
    line = before.count(b"\n") + 1
    assert f"byte {shown} at offset {len(before)} of {str(path)!a} (line {line}: " in message
    assert "save the file as UTF-8, or decode it yourself and pass the text" in message
    assert caught.value.__suppress_context__  # one error for the user, not a chain
    path.write_bytes(gzip.compress(before + bad))
    with pytest.raises(ValueError, match=re.escape(message)):  # the offset is that in the unpacked data
        read_text(path, "corpus")


@pytest.mark.parametrize("wrong", [None, 5, 1.5, True, ["a"], ("a",), {}, object(), memoryview(b"a")])
def test_neither_text_nor_path(wrong: object) -> None:
    message = rf"^corpus must be a str \(the text itself\) or a pathlib.Path .* not {type(wrong).__name__}$"
    with pytest.raises(TypeError, match=message):
        read_text(wrong, "corpus")  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [b"abc", b"", bytearray(b"abc")])
def test_bytes_are_to_be_decoded_first(wrong: bytes) -> None:
    with pytest.raises(TypeError, match=r"^X must be a str .*; decode it first: X\.decode\('utf-8'\)$"):
        read_text(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["missing.txt", "no/such/folder.txt", "nul\x00.txt", "\ud800.txt"])
def test_missing_file(tmp_path: pathlib.Path, name: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"corpus names no file; check the .* as a str") as caught:
        read_text(tmp_path / name, "corpus")
    assert caught.value.filename == str(tmp_path / name)
    assert ascii(name)[1:-1] in str(caught.value)


def test_directory(tmp_path: pathlib.Path) -> None:
    with pytest.raises(IsADirectoryError, match="X is a directory; pass the path of one text file") as caught:
        read_text(tmp_path)
    assert caught.value.filename == str(tmp_path)
    assert f"make each file a document: read_documents({str(tmp_path)!a})" in str(caught.value)


def test_any_path_like_will_do(path: pathlib.Path) -> None:
    class Book:
        def __fspath__(self) -> str:
            return str(path)

    path.write_bytes(b"abc")
    assert read_text(Book()) == "abc"


def test_a_str_that_names_a_file_is_still_the_text_but_warns(
    path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    path.write_bytes(b"abc")

    def fit() -> str:  # stands for the method that a user calls
        return read_corpus("song.txt", "corpus")

    with pytest.warns(UserWarning, match=r"^corpus is taken as the text itself; to train on the") as caught:
        assert fit() == "song.txt"
    assert str(caught[0].message).endswith("pass pathlib.Path('song.txt')")
    assert "assert fit()" in linecache.getline(caught[0].filename, caught[0].lineno)  # the user's own line


def test_no_warning_for_what_is_clearly_a_text(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    path.write_bytes(b"abc")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for text in ("song.txt\n", "song", ".", "", "./" * 127 + "song.txt"):
            assert read_text(text) == text
        with monkeypatch.context() as patch:  # not every system lets a file have such a name
            patch.setattr(os.path, "isfile", lambda path: True)
            assert read_text("song\ntxt") == "song\ntxt"
    with pytest.warns(UserWarning, match=r"^X is taken as the text itself"):
        assert read_text("./" * 126 + "song.txt")  # 260 characters are still short


# decode


def test_a_damaged_gzip_file_is_named(path: pathlib.Path) -> None:
    data = gzip.compress(bytes(range(256)) * 4)
    wrong_sum = data[:-8] + bytes([data[-8] ^ 1]) + data[-7:]
    for damaged, what in [(data[:-9], "ends too early"), (data[:5], "ends too early"), (b"\x1f\x8b", "ends too early"),
                          (wrong_sum, "is damaged"), (data[:10] + b"\xff" * 9, "is damaged"),
                          (b"\x1f\x8b\x07" + data[3:], "is damaged"), (data + b"more", "is damaged")]:  # fmt: skip
        path.write_bytes(damaged)
        with pytest.raises(
            ValueError, match=rf"^X is not valid gzip: .*song\.txt' {what}; .* and pass the text$"
        ) as caught:
            read_text(path)
        assert caught.value.__suppress_context__
    assert gunzip(b"\x1fa", "a control character") == b"\x1fa"
    assert gunzip(data + data, "two members") == bytes(range(256)) * 8


@pytest.mark.parametrize(
    ("data", "encoding", "told"),
    [
        (b"\xef\xbb\xbfa\r\n\r\xff", "utf-8-sig", "UTF-8-SIG: byte 0xFF at offset 7 of 's' (line 3: "),
        (b"a\xc2\x85\xe2\x80\xa8\x0b\xff", "UTF8", "UTF-8: byte 0xFF at offset 7 of 's' (line 1: "),
        ("\ufeffa\nb".encode("utf-16-be") + b"\xdc\x00\x00a", "utf-16", "byte 0xDC at offset 8 of 's' (line 2: "),
        ("\ufeffa\rb".encode("utf-16-le") + b"x", "utf-16", "UTF-16: byte 0x78 at offset 8 of 's' (line 2: "),
        ("\u010a\u0d0a\n".encode("utf-32-le") + b"\xff" * 4, "utf-32-le", "byte 0xFF at offset 12 of 's' (line 2: "),
        (b"a\n\n\x81", "cp1252", "CP1252: byte 0x81 at offset 3 of 's' (line 3: "),
        (b"caf\xe9", "us-ascii", "ASCII: byte 0xE9 at offset 3 of 's' (line 1: "),
    ],
)  # fmt: skip
def test_an_invalid_byte_is_located_in_every_encoding(data: bytes, encoding: str, told: str) -> None:
    for packed in (data, gzip.compress(data)):
        with pytest.raises(ValueError, match="^not valid .*" + re.escape(told)):
            decode(packed, "s", encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "U8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-7", "gb18030"])
def test_one_byte_order_mark_is_dropped(encoding: str) -> None:
    assert decode("\ufeff\ufeffa\r\n\ufeff".encode(encoding), "s", encoding) == "\ufeffa\r\n\ufeff"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf_16", "UTF-32"])
def test_a_mark_that_the_codec_drops_is_not_dropped_twice(encoding: str) -> None:
    assert decode("\ufeffa".encode(encoding), "s", encoding) == "\ufeffa"  # these write a mark of their own


@pytest.mark.parametrize("encoding", ["utf-9", "hex", "rot13", "undefined", "", "utf\x008", "\ud800", "a" * 99])
@pytest.mark.parametrize("data", [b"", b"a"])
def test_an_unknown_encoding_is_named_even_for_no_data(data: bytes, encoding: str) -> None:
    with pytest.raises(ValueError, match=r"^encoding must name .*" + re.escape(f"got {encoding!a}") + "$"):
        decode(data, "s", encoding)


def test_lines_are_split_at_three_line_ends_only() -> None:
    assert split_lines(LINE_ENDS) == ["a", "b", "c", "", "\x85\u2028\u2029\v\f\x1c\x00"]
    assert split_lines("") == [""]
    assert split_lines("\n\r\r\n") == ["", "", "", ""]


def test_the_examples_run() -> None:
    result = doctest.testmod(text_module)
    assert (result.failed, result.attempted > 8) == (0, True)
