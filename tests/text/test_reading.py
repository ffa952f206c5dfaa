"""Text in: every line end and encoding, every way to hand over the wrong thing, and what is surely not meant."""

from __future__ import annotations

import gzip
import io
import linecache
import os
import pathlib
import re
import threading
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pycharrnn import CharRNN, PathLikeTextWarning
from pycharrnn.packing import unpack
from pycharrnn.text.decoding import MARK, Fault, decode, split_lines, to_text
from pycharrnn.text.reading import read_corpus, read_text

# What editors, codecs, str.splitlines and Unicode normalisation like to change.
LINE_ENDS = "a\r\nb\rc\n\r\x85\u2028\u2029\v\f\x1c\x00"
AWKWARD = LINE_ENDS + "\ufeff\ufffe\uffffe\u0301\u00e9\u200d\U0001f600\ud83d\ude00\ude00\ud83d"


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
    path.write_bytes(gzip.compress(data, mtime=0))
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
    path.write_bytes(gzip.compress(before + bad, mtime=0))
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

    with pytest.warns(
        PathLikeTextWarning, match=r"^corpus is used as the text itself, but 'song\.txt' is the"
    ) as caught:
        assert read_corpus("song.txt", "corpus") == "song.txt"  # the user's own line
    assert "to read the file, pass pathlib.Path('song.txt'); if it is meant" in str(caught[0].message)
    assert "# the user's own line" in linecache.getline(caught[0].filename, caught[0].lineno)


def test_no_warning_for_what_is_clearly_a_text(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    path.write_bytes(b"abc")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for text in ("song.txt\n", "song", ".", "..", "/", "", "./" * 127 + "song.txt"):
            assert read_text(text) == text
        with monkeypatch.context() as patch:  # not every system lets a file have such a name
            patch.setattr(os.path, "isfile", lambda path: True)
            assert read_text("song\ntxt") == "song\ntxt"
    with pytest.warns(PathLikeTextWarning, match=r"^X is used as the text itself"):
        assert read_text("./" * 126 + "song.txt")  # 260 characters are still short


PATHS = [
    *(
        "nosuch.txt",
        "nosuch.TXT",
        "my novel.txt",
        "War and Peace.txt",
        "posts.csv.gz",
        "book.epub",
        "main.py",
        "texts/",
    ),
    *(
        "data/novel.txt",
        "a/b/c.md",
        "src/core.c",
        "data\\novel.txt",
        "./novel",
        "../texts/a",
        "~/novel",
        "/home/me/novel",
    ),
    *("/home/me/My Texts/The great novel.txt", "C:\\texts\\n", "C:/x/y", "\\\\server\\share\\x", "nosuch.tar.gz"),
    *("*.txt", "data/*.csv", "tunes/*", "**/*.md", "novel?.txt", "novel[12].txt"),
    *("https://www.gutenberg.org/files/1342/1342-0.txt", "s3://bucket/key", "file:///a/b", "HTTP://a.b/" + "c" * 900),
]
TEXTS = [
    *(
        "to be or not to be",
        "hello world. ",
        "it ends here.",
        "end.The",
        "What? No!",
        "re: hello",
        "C: drive",
        "- a - b",
    ),
    *(
        "and/or",
        "either/or",
        "he/she",
        "he/she/they",
        "red/green/blue",
        "1/2",
        "24/7",
        "12/25/2024",
        "km/h",
        "w/o",
        "n/a",
    ),
    *(
        "TCP/IP",
        "AC/DC",
        "A/B testing",
        "s/foo/bar/",
        "/s/",
        "/w\u025c\u02d0rd/",
        "/h\u0259\u02c8lo\u028a/",
        "1-0 1/2-1/2",
        ":-/",
        "</p>",
    ),
    *(
        "3.14",
        "U.S.A.",
        "i.e.",
        "e.g. this",
        "Dr. Smith",
        "Ph.D.",
        "e4 e5 2. Nf3",
        "a.b.c",
        "no.1",
        "10:30",
        "...",
        "~5",
    ),
    *("a*b", "2*3", "f***", "***", "**bold**", "/* comment */", "http is a protocol", "www.example.com", "a@b.com"),
    *(
        "We read the file book.txt",
        "1.txt 2.txt are files",
        "\\alpha",
        "T:The Tune",
        "$x.y$",
        "nosuch.txt\n",
        "a\x00.txt",
    ),
]


@pytest.mark.parametrize("path", PATHS)
def test_a_str_that_looks_like_a_path_warns(path: str) -> None:
    with pytest.warns(PathLikeTextWarning, match=re.escape(f"X is used as the text itself, but {path!a} looks like")):
        assert read_corpus(path) == path
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", PathLikeTextWarning)  # as the message says
        assert read_corpus(path) == path


@pytest.mark.parametrize("text", TEXTS)
def test_a_short_text_does_not_warn(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_corpus(text) == text
        assert read_corpus([text]) == [text]


@pytest.mark.parametrize(
    ("X", "told"),
    [
        ("poems", r"'poems' is the name of a folder: to read its files, pass read_documents\('poems'\)"),
        (
            "poems/nosuch",
            r"'poems/nosuch' looks like a path, though nothing is there: .*pathlib\.Path\('poems/nosuch'\)",
        ),
        ("poems/*.txt", r"a pattern of file names: to read the files, pass read_documents\(folder, pattern=\.\.\.\)"),
        ("~/nosuch", r"pass pathlib\.Path\('~/nosuch'\)\.expanduser\(\)"),
        ("https://a.b/c", r"looks like a URL: download it, and pass pathlib\.Path\(\.\.\.\) of the file"),
        (
            ["a.txt", "b.txt"],
            r"^X holds the texts of documents, but 'a\.txt' looks like a path.* pass each as pathlib\.P",
        ),
        (["song", "poems", "and more"], r"'song' is the name of a file: to read the files, pass each as pathlib\.Path"),
        (("https://a.b/c",), r"'https://a\.b/c' looks like a URL"),
        (np.array(["a.txt", "b.md"]), r"'a\.txt' looks like a path"),
    ],
)
def test_the_warning_says_how_to_pass_what_is_meant(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, X: Any, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    pathlib.Path("poems").mkdir()
    pathlib.Path("song").write_text("la")
    with pytest.warns(PathLikeTextWarning, match=told):
        read_corpus(X)


def test_documents_of_which_few_look_like_paths_do_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for documents in (
            ["node.js", "vue.js"],
            ["a.txt", "la"],
            ["main.py", "setup.py"],
            ["la"] * 99 + ["a.txt"] * 99,
        ):
            assert read_corpus(documents) == documents


def test_every_method_says_what_it_takes_as_text() -> None:
    model = CharRNN(hidden_size=4, max_updates=2, random_state=0).fit("nosuch. txt" * 9)
    for call in (model.fit, model.partial_fit, model.evaluate, model.score):
        with pytest.warns(PathLikeTextWarning, match="^X is used as the text itself"):
            call("nosuch.txt")
    with pytest.warns(PathLikeTextWarning, match="^text is used as the text itself"):
        CharRNN(hidden_size=2).check_gradients("nosuch.txt", [2])
    with pytest.warns(PathLikeTextWarning, match="^validation is used as the text itself"):
        model.fit("nosuch. txt" * 9, validation="nosuch.txt")


# tables, rows, files, and texts that were cut up


def table(**attributes: Any) -> Any:
    class Frame(SimpleNamespace):
        def __iter__(self) -> Any:
            return iter(["id", "text"])

    return Frame(**attributes)


@pytest.mark.parametrize(
    ("X", "told"),
    [
        (np.array([["a", "b"], ["c", "d"]]), r"this ndarray has 2 dimensions; pass the column .* such as X\[:, 0\]$"),
        (np.array([["a"], ["b"]]), r"has 2 dimensions"),
        (np.array("to be"), r"has 0 dimensions; pass the text: str\(X\)$"),
        (np.zeros((2, 2, 2)), r"has 3 dimensions"),
        (
            table(ndim=2, columns=["id", "text"]),
            r"this Frame has 2 dimensions, with the columns 'id', 'text'; .*X\['text'\]",
        ),
        (table(shape=(5, 2), columns=["no", "body"]), r"with the columns 'no', 'body'; .* such as X\['no'\]"),  # polars
        (
            table(shape=(5, 1), column_names=["body"], columns=[[1]]),
            r"with the columns 'body'; .*X\['body'\]",
        ),  # pyarrow
    ],
)
def test_a_table_is_refused_and_its_columns_are_named(X: Any, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        read_corpus(X)


def test_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"id": [1, 2], "text": ["anna", "bob"]}, index=[7, 9])
    with pytest.raises(
        TypeError, match=r"^X must .* this DataFrame has 2 dimensions, with the columns 'id', 'text'; pass"
    ):
        CharRNN().fit(frame)
    with pytest.raises(TypeError, match=r"^validation must .*validation\['text'\]"):
        CharRNN(max_updates=1).fit(["anna"], validation=frame[["text"]])
    assert read_corpus(frame["text"]) == ["anna", "bob"]
    assert read_corpus(frame["text"].astype("category")) == ["anna", "bob"]
    for missing in (None, float("nan"), pandas.NA, pandas.NaT):
        column = pandas.Series(["anna", missing, "bob", missing], dtype=object)
        with pytest.raises(
            ValueError,
            match=r"^X\[1\] is missing \(.*\), as 1 more are; leave such rows out, as X\.dropna\(\) does in pandas$",
        ):
            read_corpus(column)
        assert read_corpus(column.dropna()) == ["anna", "bob"]
    with pytest.raises(TypeError, match=r"^X\[0\] must be a str \(a document\), not int$"):
        read_corpus(frame["id"])


@pytest.mark.parametrize(
    ("X", "error", "told"),
    [
        (
            [["a", "b"], ["c"]],
            TypeError,
            r"^X\[0\] must be a str \(a document\), not list; take the text out of each row",
        ),
        (
            [("a",), ("b",)],
            TypeError,
            r"^X\[0\] must be a str \(a document\), not tuple; take the text out of each row",
        ),
        (
            [{"text": "a", "\x1b": 1}],
            TypeError,
            r"not dict; take the text out of each, it has the keys 'text', '\\x1b'$",
        ),
        (["a", None], ValueError, r"^X\[1\] is missing \(None\); leave such rows out"),
        (["a", float("nan"), "b"], ValueError, r"^X\[1\] is missing \(nan\)"),
        (np.ma.array(["a", "b"], mask=[0, 1]), ValueError, r"^X\[1\] is missing \(masked\)"),
        (["a", 1.5], TypeError, r"^X\[1\] must be a str \(a document\), not float$"),
        ([b"a"], TypeError, r"^X\[0\] must be a str .*; decode it first: X\[0\]\.decode\('utf-8'\)$"),
        ({"a": "b"}, TypeError, r"not dict$"),
        ({"a", "b"}, TypeError, r"not set$"),
        (io.StringIO("a\nb"), TypeError, r"not StringIO|X\.read\(\) is the text of a file"),
        ([], ValueError, "^X has no document"),
        (iter([]), ValueError, "^X has no document"),
        (["a", ""], ValueError, r"^X\[1\] is empty"),
        ([pathlib.Path("a"), "b"], TypeError, r"^X has paths, but X\[1\] is of type str; give either documents"),
        (["a", pathlib.Path("b")], TypeError, r"^X has paths, but X\[0\] is of type str; give either documents"),
    ],
)
def test_what_is_no_list_of_documents(X: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        read_corpus(X)


def test_an_open_file_is_not_a_list_of_its_lines(path: pathlib.Path) -> None:
    path.write_text("la\nla\n")
    with (
        path.open() as file,
        pytest.raises(TypeError, match=r"\(X\.read\(\) is the text of a file\), not TextIOWrapper$"),
    ):
        read_corpus(file)


def test_paths_in_a_list_are_the_files_of_documents(tmp_path: pathlib.Path) -> None:
    paths = [tmp_path / name for name in ("b", "a.gz")]
    paths[0].write_bytes(b"\xef\xbb\xbftwo\r\n")
    paths[1].write_bytes(gzip.compress(b"one", mtime=0))
    assert read_corpus(paths) == read_corpus(tuple(paths)) == read_corpus(iter(paths)) == ["two\r\n", "one"]
    for name, data, error, told in [
        ("c", None, FileNotFoundError, r"X\[2\] names no file"),
        ("d", b"", ValueError, r"^X\[2\] is empty"),
        ("e", b"\xff", ValueError, r"^X\[2\] is not valid UTF-8: byte 0xFF at offset 0 of '.*e' "),
        ("f", b"%PDF-1.4\n", ValueError, r"^X\[2\] is no text: '.*f' is a PDF document; convert or unpack it"),
    ]:
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(error, match=told):
            read_corpus([*paths, tmp_path / name])
    with pytest.raises(IsADirectoryError, match=r"X\[0\] is a directory"):
        read_corpus([tmp_path])


def test_one_text_that_was_cut_into_characters_is_refused() -> None:
    text = "to be or not to be, " * 3
    for cut in (list(text), tuple(text), np.array(list(text)), iter(text)):
        with pytest.raises(
            ValueError, match=r"^X has 60 documents of one character each, like one text that was cut up"
        ):
            read_corpus(cut)
    assert read_corpus(["a", "b"]) == ["a", "b"]  # so few may be meant
    assert len(read_corpus([*text, "to"])) == 61


def test_cross_validation_of_one_text_says_what_is_wrong() -> None:
    selection = pytest.importorskip("sklearn.model_selection")
    model, grid = CharRNN(max_updates=5, random_state=0), {"hidden_size": [3, 4]}
    with pytest.raises(ValueError, match=r"documents of one character each, like one text that was cut up"):
        selection.GridSearchCV(model, grid, cv=2).fit("to be or not to be " * 20)
    for lines in (["to be", "or not"] * 10, np.array(["to be", "or not"] * 10)):
        assert selection.GridSearchCV(model, grid, cv=2).fit(lines).best_score_ < 0


# decode


def test_a_damaged_gzip_file_is_named(path: pathlib.Path) -> None:
    data = gzip.compress(bytes(range(256)) * 4, mtime=0)
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
    assert unpack(b"\x1fa", "a control character") == b"\x1fa"
    assert unpack(data + data, "two members") == bytes(range(256)) * 8


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
    for packed in (data, gzip.compress(data, mtime=0)):
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


def test_bad_bytes_are_marked_and_located() -> None:
    faults: list[Fault] = []
    data = b"\xef\xbb\xbfa\xff\r\n\xc3\xa9\xe2\x82z\xc3"
    assert to_text(data, "s", "utf-8", faults) == f"a{MARK}\r\n\u00e9{MARK}z{MARK}"
    assert [fault.offset for fault in faults] == [4, 9, 12]
    assert faults[1].reason == "not valid UTF-8: byte 0xE2 at offset 9 (invalid continuation byte)"
    with pytest.raises(ValueError, match="byte 0xFF at offset 4 of 's'"):  # nothing stays behind
        to_text(data, "s")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "gb18030", "ascii", "cp1252", "shift_jis"])
def test_bad_bytes_are_located_in_every_encoding(encoding: str) -> None:
    before = "line\nline ".encode(encoding)
    bad = {"utf-16": b"\x00\xdc", "utf-16-be": b"\xdc\x00"}.get(encoding, b"\x81" if encoding == "cp1252" else b"\xff")
    after = b"\x00a" if encoding == "utf-16-be" else b"a\x00" if encoding == "utf-16" else b"a"
    faults: list[Fault] = []
    assert to_text(before + bad + after, "s", encoding, faults) == f"line\nline {MARK}a"
    assert [fault.offset for fault in faults] == [len(before)]


def test_threads_mark_their_own_bytes() -> None:
    found: dict[int, list[Fault]] = {}

    def read(n: int) -> None:
        faults: list[Fault] = []
        to_text((b"a" * n + b"\xff") * 2000, "s", "utf-8", faults)
        found[n] = faults

    threads = [threading.Thread(target=read, args=(n,)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, faults in found.items():
        assert [fault.offset for fault in faults] == [n + i * (n + 1) for i in range(2000)]
