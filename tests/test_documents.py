"""Documents out of files: every format, every bad row told or counted, and no character changed."""

from __future__ import annotations

import codecs
import copy
import csv
import gzip
import io
import json
import pickle
import random
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pycharrnn.documents import Documents, read_documents

SEPARATORS = "a\x85b\u2028c\u2029d\ve\ff\x1cg\x00h"  # where str.splitlines would split, or C end
DOCUMENTS = ["caf\u00e9 \U0001f600\u200d\U0001f525", SEPARATORS, " x ", '#tag, "quoted" it\'s\\']


@pytest.fixture
def write(tmp_path: Path):
    def write(name: str, data: bytes | str) -> Path:
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write


def as_csv(rows: list[list[str]], **options: str) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, **options).writerows(rows)
    return file.getvalue()


def stored(documents: list[str]) -> dict[str, str]:
    """The documents as a file of each format that has one, by a name that tells the format."""
    objects = [{"id": i, "text": document} for i, document in enumerate(documents)]
    rows = [["id", "text"], *([str(i), document] for i, document in enumerate(documents))]
    return {
        "objects.json": json.dumps(objects, indent=1),
        "strings.json": json.dumps(documents, ensure_ascii=False),
        "objects.jsonl": "\n".join(map(json.dumps, objects)),
        "strings.NDJSON": "".join(json.dumps(document, ensure_ascii=False) + "\r\n" for document in documents),
        "table.csv": as_csv(rows),
        "table.tsv": as_csv(rows, delimiter="\t"),
        "lines.txt": "\n".join(documents),
    }


NAMES = list(stored([]))


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "marked"])
@pytest.mark.parametrize("name", NAMES)
def test_the_name_tells_the_format_and_no_character_changes(write, name: str, mark: str, packed: bool) -> None:
    data = (mark + stored(DOCUMENTS)[name]).encode()
    path = write(name + ".gz" * packed, gzip.compress(data) if packed else data)
    documents = read_documents(path)
    assert documents == DOCUMENTS
    assert (documents.source, documents.skipped) == (str(path), ())
    assert read_documents(str(path)) == DOCUMENTS


@pytest.mark.parametrize("format", ["json", "jsonl", "csv", "tsv", "lines"])
def test_a_given_format_overrules_the_name_and_gzip_is_known_by_its_bytes(write, format: str) -> None:
    data = next(data for name, data in stored(DOCUMENTS).items() if format in (Path(name).suffix[1:], Path(name).stem))
    for name in ("posts.dat", "posts.json", "posts.csv", "posts"):
        assert read_documents(write(name, gzip.compress(data.encode())), format) == DOCUMENTS


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "open"])
def test_lines_end_with_lf_crlf_or_cr_and_nothing_else(write, end: str, last: bool) -> None:
    lines = ["one", SEPARATORS, "\tthree "]
    assert read_documents(write("a.txt", end.join(lines) + end * last)) == lines
    rows = end.join(['id,text', '1,"a\r\nb\rc\nd"', f'2,"{SEPARATORS}"']) + end * last  # fmt: skip
    assert read_documents(write("a.csv", rows)) == ["a\r\nb\rc\nd", SEPARATORS]
    rows = end.join(f'{{"text": "{line}"}}' for line in ("one", "a\x85b\u2028c", "three")) + end * last
    assert read_documents(write("a.jsonl", rows)) == ["one", "a\x85b\u2028c", "three"]


def test_a_folder_gives_its_files_by_name_without_hidden_ones_and_folders(tmp_path: Path, write) -> None:
    for name, data in [("b.txt", b"two\r\n\n"), ("a", b"\xef\xbb\xbfone\n"), ("B.gz", gzip.compress(b"zero"))]:
        write(name, data)
    write(".hidden", b"\xff")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner.txt").write_text("inner")
    documents = read_documents(tmp_path)
    assert documents == ["zero", "one\n", "two\r\n\n"]
    assert documents.source == str(tmp_path)
    assert read_documents(str(tmp_path), "files") == documents


def test_a_year_of_posts(write) -> None:
    posts = r"""[
    {"text": "R&amp;B &lt;3 \ud83d\ude00 caf\u00e9", "created_at": "Wed Nov 09 11:00:00 +0000", "is_retweet": false},
    {"text": "", "created_at": "Wed Nov 09 12:00:00 +0000", "is_retweet": false},
    {"created_at": "Wed Nov 09 13:00:00 +0000", "is_retweet": true},
    {"text": "half of a pair: \ud83d, two\nlines 😀👍🏽", "created_at": "Wed", "is_retweet": false},
    {"text": null, "created_at": 5, "is_retweet": false},
    {"text": "&#1;", "created_at": 5, "is_retweet": false}]"""
    path = write("posts.json", posts)
    second = "half of a pair: \ud83d, two\nlines \U0001f600\U0001f44d\U0001f3fd"
    documents = read_documents(path, on_bad="skip")
    assert documents == ["R&amp;B &lt;3 \U0001f600 caf\u00e9", second, "&#1;"]
    assert documents.skipped == (
        "row 2: the document is empty",
        "row 3: field 'text' is missing",
        "row 5: field 'text' is null, not a string",
    )
    unescaped = read_documents(path, on_bad="skip", unescape=True)
    assert unescaped == ["R&B <3 \U0001f600 caf\u00e9", second]
    assert unescaped.skipped == (*documents.skipped, "row 6: the document is empty")  # what &#1; stands for
    with pytest.raises(ValueError, match=r"posts\.json', row 2: the document is empty \(and 2 bad rows more\); mend"):
        read_documents(path)


BAD = [
    ("json", '["a", {"text": "b"}, 7]', "row 3: a number, not an object or a string"),
    ("json", '["a", {"text": "b"}, [{"text": "c"}]]', "row 3: a list, not an object or a string"),
    ("json", '[null, "a", "b"]', "row 1: null, not an object or a string"),
    ("json", '["a", {"Text": "b"}, "b"]', "row 2: field 'text' is missing"),
    ("json", '["a", {"text": "b"}, {"text": null}]', "row 3: field 'text' is null, not a string"),
    ("json", '["a", {"text": "b"}, {"text": true}]', "row 3: field 'text' is a boolean, not a string"),
    ("json", '["a", {"text": "b"}, {"text": %s}]' % ("1" * 5000), "row 3: field 'text' is a number, not a string"),
    ("json", '["a", {"text": "b"}, {"text": ["c"]}]', "row 3: field 'text' is a list, not a string"),
    ("json", '["a", {"text": "b"}, {"text": {}}]', "row 3: field 'text' is an object, not a string"),
    ("json", '["a", {"text": "b"}, {"text": ""}]', "row 3: the document is empty"),
    ("json", '["a", "", "b"]', "row 2: the document is empty"),
    ("jsonl", '"a"\n{"text": "b"}\n{"text": 1.5}', "line 3: field 'text' is a number, not a string"),
    ("jsonl", '"a"\n\n{"text": "b"}\n', "line 2: the line is empty"),
    ("jsonl", '"a"\r\n  \r\n"b"', "line 2: the line is empty"),
    ("jsonl", '"a"\r{"text": "b}\r"b"', "line 2: not valid JSON at character 10: Unterminated string starting at"),
    ("jsonl", '"a"\n"b"\n' + "[" * 100_000, "line 3: has JSON that is nested too deeply"),
    ("csv", "id,text\n1,a\n2\n3,b\n", "line 3: 1 field, the first row 2"),
    ("csv", 'id,text\n1,"a"\n2,b\n3,b,c\n', "line 4: 3 fields, the first row 2"),
    ("csv", 'id,text\n1,a\n2,"b"\n\n', "line 4: 0 fields, the first row 2"),
    ("csv", 'id,text\n1,a\n2,""\n3,b\n', "line 3: the document is empty"),
    ("csv", 'id,text\n"1\r\n\r1",a\n2,b\n3,\n', "line 6: the document is empty"),
    ("tsv", "id\ttext\n1\ta\n2\tb\tc\n3\tb\n", "line 3: 3 fields, the first row 2"),
    ("lines", "a\n\nb\n", "line 2: the document is empty"),
    ("lines", "a\r\nb\r\n\r\n", "line 3: the document is empty"),
]


@pytest.mark.parametrize(("format", "data", "told"), BAD)
def test_a_bad_row_is_told_or_skipped_and_counted(write, format: str, data: str, told: str) -> None:
    path = write("posts", data)
    documents = read_documents(path, format, on_bad="skip")
    assert (documents, documents.skipped) == ([documents[0], "b"], (told,))
    with pytest.raises(ValueError, match=re.escape(f"{str(path)!a}, {told}; mend it, or")) as caught:
        read_documents(path, format)
    assert 'on_bad="skip" leaves such rows out and counts them' in str(caught.value)


def test_the_first_of_several_bad_rows_is_told_and_the_others_are_counted(write) -> None:
    with pytest.raises(ValueError, match=r"a\.txt', line 2: the document is empty \(and 1 bad row more\); mend it"):
        read_documents(write("a.txt", "a\n\nb\n\n"))


def test_a_long_list_of_fields_is_cut(write) -> None:
    with pytest.raises(ValueError, match=r"the first row has 'k0', 'k1', .*\.\.\.$") as caught:
        read_documents(write("a.json", json.dumps([{f"k{i}": "" for i in range(1000)}])))
    assert 300 < len(str(caught.value)) < 1000


def test_a_bad_file_of_a_folder_is_told_or_skipped_and_counted(tmp_path: Path, write) -> None:
    files = {"a": b"a", "b": b"", "c\x1b": b"a\r\n\xe9t", "d": b"d", "e": gzip.compress(b"hello" * 99)[:-9]}
    for name, data in files.items():
        write(name, data)
    documents = read_documents(tmp_path, on_bad="skip")
    assert documents == ["a", "d"]
    empty, undecodable, cut = documents.skipped
    assert empty == "file 'b': the document is empty"
    assert undecodable.startswith(
        r"file 'c\x1b': not valid UTF-8: byte 0xE9 at offset 3 of 'c\x1b' (line 2: invalid continuation byte)"
    )
    assert cut.startswith("file 'e': not valid gzip: 'e' ends too early")
    with pytest.raises(ValueError, match=re.escape(f"{str(tmp_path)!a}, {empty} (and 2 bad rows more); mend it")):
        read_documents(tmp_path)
    assert read_documents(tmp_path, on_bad="skip", encoding="latin-1")[:2] == ["a", "a\r\n\u00e9t"]


BROKEN = [
    ("json", '["\u00e9",\r\n\r"\u00e9" "b"]', "is not valid JSON: line 3, byte offset 14: Expecting ',' delimiter"),
    ("json", '{"text": "a"}\n{"text": "b"}', "line 2, byte offset 14: Extra data; mend it, or, if each line is"),
    ("json", '["a"', "line 1, byte offset 4: Expecting ',' delimiter"),
    ("json", '{"text": "a"}', "must hold a list of objects or of strings; for one object or string a line pass"),
    ("json", "[" * 100_000, "has JSON that is nested too deeply"),
    ("json", '[{"body": "a", "b\x7f": 1}, {}]', r"field 'text'; pass field=, the first row has 'body', 'b\x7f'"),
    ("jsonl", '{"body": "a"}\n{"id": "b"}', "has no row with the field 'text'; pass field=, the first row has 'body'"),
    ("jsonl", "{}\n", "the first row has none"),
    ("csv", "id,body\n1,a\n", "has no column 'text'; pass field=, the columns are 'id', 'body'"),
    ("csv", "text,text\n1,a\n", "has more than one column 'text'; pass field=, the columns are 'text', 'text'"),
    ("csv", 'text\n"a\nb"\n"a" b\n', "is broken in the row that starts on line 4: ',' expected after '\"'; mend it"),
    ("csv", 'text\na\n"b\nc\n', "is broken in the row that starts on line 3: unexpected end of data; mend it"),
    ("csv", "text\na\n" + "b" * 131_073, "line 3: field larger than field limit (131072); mend it; a quote within"),
    ("json", "", "has no document; it needs at least one"),
    ("json", "[]", "has no document"),
    ("jsonl", "", "has no document"),
    ("csv", "", "has no document"),
    ("csv", "id,text\r\n", "has no document"),
    ("lines", "", "has no document"),
    ("lines", "\ufeff", "has no document"),
    ("lines", "\n\n", "has no document: 2 rows skipped, first line 1: the document is empty"),
]  # fmt: skip


@pytest.mark.parametrize(("format", "data", "told"), BROKEN)
def test_a_broken_file_raises_even_if_bad_rows_are_skipped(write, format: str, data: str, told: str) -> None:
    path = write("po\x1bsts", data)
    with pytest.raises(ValueError, match=re.escape(told)) as caught:
        read_documents(path, format, on_bad="skip")
    assert str(caught.value).startswith(repr(str(path)))
    assert caught.value.__suppress_context__ or "no document" in told
    assert "\x1b" not in str(caught.value)


def test_an_empty_folder_has_no_document(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no document"):
        read_documents(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030"])
@pytest.mark.parametrize("mark", [False, True])
def test_the_byte_offset_of_bad_json_counts_a_mark_in_every_encoding(write, encoding: str, mark: bool) -> None:
    body = "utf-16-le" if encoding == "utf-16" else "utf-32-le" if encoding == "utf-32" else encoding
    body = "utf-8" if encoding == "utf-8-sig" else body
    start = ("\ufeff" * mark).encode(body)
    before = start + '["\u00e9\U0001f600",\n'.encode(body)
    with pytest.raises(ValueError, match=f"line 2, byte offset {len(before)}: Expecting value"):
        read_documents(write("a.json.gz", gzip.compress(before + "!]".encode(body))), encoding=encoding)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["", "marked"])
@pytest.mark.parametrize("name", NAMES)
def test_invalid_utf8_is_located_in_every_format(write, name: str, mark: bytes, packed: bool) -> None:
    data = mark + b"a\r\nb\rc\n\xc3\xa9 caf\xe9!"
    path = write(name, gzip.compress(data) if packed else data)
    told = f"not valid UTF-8: byte 0xE9 at offset {len(data) - 2} of {str(path)!a} (line 4: invalid continuation byte)"
    with pytest.raises(ValueError, match=re.escape(told) + "; save the file as UTF-8, or pass the encoding") as caught:
        read_documents(path, on_bad="skip")
    assert caught.value.__suppress_context__  # one error for the user, not a chain


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-be", "utf-32", "utf-8-sig", "utf-7"])
@pytest.mark.parametrize("name", NAMES)
def test_other_encodings_are_read_when_named(write, name: str, encoding: str) -> None:
    documents = ["caf\u00e9, \u00fcber", "na\u00efve"]
    assert read_documents(write(name, stored(documents)[name].encode(encoding)), encoding=encoding) == documents


@pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda data: data[:20] + b"\xff\xff" + data[22:]])
def test_damaged_gzip_raises(write, damage) -> None:
    path = write("a.txt.gz", damage(gzip.compress("".join(map(chr, range(33, 3000))).encode())))
    with pytest.raises(ValueError, match=r"not valid gzip: .*a\.txt\.gz' (ends too early|is damaged)") as caught:
        read_documents(path, on_bad="skip")
    assert caught.value.__suppress_context__


def test_a_field_is_a_key_a_column_or_the_number_of_one(write) -> None:
    assert read_documents(write("a.json", '[{"body": "a", "text": "b"}]'), field="body") == ["a"]
    assert read_documents(write("a.jsonl", '{"": "a"}\n{"": "b"}'), field="") == ["a", "b"]
    table = write("a.csv", 'who,what\nme,"a, b"\n')
    assert read_documents(table, field="what") == ["a, b"]
    assert read_documents(table, field=1) == ["what", "a, b"]
    assert read_documents(write("a.tsv", 'who\tx\nme\t"a\t b"\n'), field=0) == ["who", "me"]
    with pytest.raises(ValueError, match=r"a\.csv' has no column 2; pass field=, the first row has 0 to 1$"):
        read_documents(table, field=2)
    assert read_documents(write("b.csv", "a,b\nc\nd,e\n"), field=0, on_bad="skip").skipped == (
        "line 2: 1 field, the first row 2",  # though it has a column 0: a comma may be missing, or be text
    )


@pytest.mark.parametrize("format", ["json", "jsonl", "csv", "tsv", "lines"])
def test_a_binary_file_object_is_read(format: str, write) -> None:
    data = next(data for name, data in stored(DOCUMENTS).items() if format in (Path(name).suffix[1:], Path(name).stem))
    documents = read_documents(io.BytesIO(gzip.compress(data.encode())), format)
    assert (documents, documents.source) == (DOCUMENTS, "the file object")
    with write("file", data).open("rb") as file:
        assert read_documents(file, format).source == file.name
        file.seek(0)
        with open(file.fileno(), "rb", closefd=False) as nameless:  # its name is a number
            assert read_documents(nameless, format).source == "the file object"


def test_standard_input_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"a\n\xff")))
    with pytest.raises(ValueError, match="byte 0xFF at offset 2 of 'standard input'"):
        read_documents(sys.stdin.buffer, "lines")
    sys.stdin.buffer.seek(2)
    documents = read_documents(sys.stdin.buffer, "lines", encoding="latin-1")
    assert repr(documents) == "Documents(1 document from 'standard input')"


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"format": "xml"}, ValueError, r"^format must be one of 'json', .*'lines', 'files', got 'xml'$"),
        ({"format": ["csv"]}, ValueError, r"^format must be one of .*, got \['csv'\]$"),
        ({"on_bad": "ignore"}, ValueError, r"^on_bad must be 'raise' or 'skip', got 'ignore'$"),
        ({"on_bad": True}, ValueError, r"^on_bad must be 'raise' or 'skip', got True$"),
        ({"field": None}, TypeError, r"^field must be a str .*or an int .*, not NoneType$"),
        ({"field": True}, TypeError, r"^field must be a str .*or an int .*, not bool$"),
        ({"field": -1}, ValueError, r"^field must be a name, or .* a number from 0, got -1 for 'csv'$"),
        ({"field": 0, "format": "jsonl"}, ValueError, r"^field must be a name, or .* from 0, got 0 for 'jsonl'$"),
        ({"encoding": "utf-9"}, ValueError, r"^encoding must name a text encoding .*, got 'utf-9'$"),
        ({"encoding": "hex"}, ValueError, r"^encoding must name a text encoding .*, got 'hex'$"),
        ({"encoding": None}, TypeError, r"'encoding' must be str, not None"),
        ({"path": io.BytesIO(b"a")}, ValueError, r"^format must be given for a file object, one of .*, got None$"),
        ({"path": io.BytesIO(b"a"), "format": "files"}, ValueError, r"^format must be given for a file .*'files'$"),
        ({"path": io.StringIO("a"), "format": "csv"}, TypeError, r"^path must be a binary file .* reads as text$"),
        ({"path": b"a.csv"}, TypeError, r"^path must be a str, a path-like or a binary file object, not bytes$"),
        ({"path": ["a.csv"]}, TypeError, r"^path must be a str, a path-like or a binary file object, not list$"),
    ],
)
def test_wrong_arguments_are_named(write, arguments: dict, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        read_documents(**{"path": write("a.csv", "text\na\n"), **arguments})


def test_an_unknown_encoding_raises_for_a_folder_too(tmp_path: Path, write) -> None:
    write("a", b"a")
    with pytest.raises(ValueError, match="encoding must name"):
        read_documents(tmp_path, on_bad="skip", encoding="utf-9")


@pytest.mark.parametrize("name", ["posts", "posts.gz", ".json", "posts.xml", "a.json/posts", "a.csv.zip"])
def test_a_name_that_tells_no_format(tmp_path: Path, write, name: str) -> None:
    (tmp_path / "a.json").mkdir()
    told = r"tells no format; pass format=, one of json, jsonl, csv, tsv, lines, files$"
    with pytest.raises(ValueError, match=told):
        read_documents(write(name, b"a"))


def test_errors_of_the_system_pass_with_the_name(tmp_path: Path, write) -> None:
    for name, format in (("missing", None), ("missing.json", None), ("missing", "files")):
        with pytest.raises(FileNotFoundError) as missing:
            read_documents(tmp_path / name, format)
        assert missing.value.filename == str(tmp_path / name)
    with pytest.raises(IsADirectoryError) as directory:
        read_documents(tmp_path, "csv")
    assert directory.value.filename == str(tmp_path)
    with pytest.raises(NotADirectoryError):
        read_documents(write("a", b"a"), "files")


def test_documents_are_a_list_with_a_short_repr() -> None:
    documents = Documents(["a"] * 12_345, "po\x1bsts.json", [f"row {i}: bad" for i in range(17)])
    assert repr(documents) == r"Documents(12,345 documents from 'po\x1bsts.json', 17 rows skipped)"
    assert isinstance(documents, list)
    assert documents[:2] == ["a", "a"]
    twins = [pickle.loads(pickle.dumps(documents, p)) for p in range(pickle.HIGHEST_PROTOCOL + 1)]
    for twin in [*twins, copy.copy(documents), copy.deepcopy(documents)]:
        assert (twin, repr(twin), twin.skipped) == (documents, repr(documents), documents.skipped)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", NAMES)
def test_random_documents_round_trip(write, name: str, seed: int) -> None:
    rng = random.Random(seed)
    awkward = "\"'\\,;\t\n\r\r\n &{}[]\x00\x1a\x1c\x85\u2028\u2029\ufeff\ufffe\U0001f600"
    alphabet = awkward * 50 + "".join(chr(rng.randrange(0x110000)) for _ in range(1000))
    alphabet = re.sub("[\ud800-\udfff]", "x", alphabet)  # what no UTF-8 file can hold
    if name == "lines.txt":
        alphabet = re.sub("[\r\n]", "x", alphabet)
    documents = ["".join(rng.choices(alphabet, k=rng.randint(1, 40))) for _ in range(200)]
    assert read_documents(write(name, stored(documents)[name])) == documents


def test_the_limit_of_the_csv_module_stays_as_it_is(write) -> None:
    before = csv.field_size_limit()
    assert read_documents(write("a.csv", "text\n" + "b" * before)) == ["b" * before]
    assert csv.field_size_limit() == before
