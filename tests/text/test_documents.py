"""Documents out of files: no character changes, and every wrong argument is named."""

from __future__ import annotations

import copy
import csv
import gzip
import io
import pickle
import random
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from document_files import DOCUMENTS, NAMES, SEPARATORS, stored

from pycharrnn.text.documents import Documents, read_documents


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "marked"])
@pytest.mark.parametrize("name", NAMES)
def test_the_name_tells_the_format_and_no_character_changes(write, name: str, mark: str, packed: bool) -> None:
    data = (mark + stored(DOCUMENTS)[name]).encode()
    path = write(name + ".gz" * packed, gzip.compress(data, mtime=0) if packed else data)
    documents = read_documents(path)
    assert documents == DOCUMENTS
    assert (documents.source, documents.skipped) == (str(path), ())
    assert read_documents(str(path)) == DOCUMENTS


@pytest.mark.parametrize("format", ["json", "jsonl", "csv", "tsv", "lines"])
def test_a_given_format_overrules_the_name_and_gzip_is_known_by_its_bytes(write, format: str) -> None:
    data = next(data for name, data in stored(DOCUMENTS).items() if format in (Path(name).suffix[1:], Path(name).stem))
    for name in ("posts.dat", "posts.json", "posts.csv", "posts"):
        assert read_documents(write(name, gzip.compress(data.encode(), mtime=0)), format) == DOCUMENTS


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "open"])
def test_lines_end_with_lf_crlf_or_cr_and_nothing_else(write, end: str, last: bool) -> None:
    lines = ["one", SEPARATORS, "\tthree "]
    assert read_documents(write("a.txt", end.join(lines) + end * last)) == lines
    rows = end.join(['id,text', '1,"a\r\nb\rc\nd"', f'2,"{SEPARATORS}"']) + end * last  # fmt: skip
    assert read_documents(write("a.csv", rows)) == ["a\r\nb\rc\nd", SEPARATORS]
    rows = end.join(f'{{"text": "{line}"}}' for line in ("one", "a\x85b\u2028c", "three")) + end * last
    assert read_documents(write("a.jsonl", rows)) == ["one", "a\x85b\u2028c", "three"]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-be", "utf-32", "utf-8-sig", "utf-7"])
@pytest.mark.parametrize("name", NAMES)
def test_other_encodings_are_read_when_named(write, name: str, encoding: str) -> None:
    documents = ["caf\u00e9, \u00fcber", "na\u00efve"]
    assert read_documents(write(name, stored(documents)[name].encode(encoding)), encoding=encoding) == documents


@pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda data: data[:20] + b"\xff\xff" + data[22:]])
def test_damaged_gzip_raises(write, damage) -> None:
    path = write("a.txt.gz", damage(gzip.compress("".join(map(chr, range(33, 3000))).encode(), mtime=0)))
    with pytest.raises(ValueError, match=r"not valid gzip: .*a\.txt\.gz' (ends too early|is damaged)") as caught:
        read_documents(path, on_bad="skip")
    assert caught.value.__suppress_context__


def test_a_field_is_a_key_a_column_or_the_number_of_one(write) -> None:
    assert read_documents(write("a.json", '[{"body": "a", "text": "b"}]'), field="body") == ["a"]
    assert read_documents(write("a.jsonl", '{"": "a"}\n{"": "b"}'), field="") == ["a", "b"]
    table = write("a.csv", 'who,what\nme,"a, b"\n')
    assert read_documents(table, field="what") == ["a, b"]
    assert read_documents(table, field=1) == ["what", "a, b"]
    assert read_documents(write("a.tsv", 'who\tx\nme\t"a, b"\n'), field=1) == ["x", '"a, b"']
    with pytest.raises(ValueError, match=r"a\.csv' has no column 2; pass field=, the first row has 0 to 1$"):
        read_documents(table, field=2)
    assert read_documents(write("b.csv", "a,b\nc\nd,e\n"), field=0, on_bad="skip").skipped == (
        "line 2: 1 field, the first row 2",  # though it has a column 0: a comma may be missing, or be text
    )


@pytest.mark.parametrize("format", ["json", "jsonl", "csv", "tsv", "lines"])
def test_a_binary_file_object_is_read(format: str, write) -> None:
    data = next(data for name, data in stored(DOCUMENTS).items() if format in (Path(name).suffix[1:], Path(name).stem))
    documents = read_documents(io.BytesIO(gzip.compress(data.encode(), mtime=0)), format)
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
        ({"format": "xml"}, ValueError, r"^format must be one of 'json', .*'lines', 'paragraphs', 'files', got 'xml'$"),
        ({"format": ["csv"]}, ValueError, r"^format must be one of .*, got \['csv'\]$"),
        ({"on_bad": "ignore"}, ValueError, r"^on_bad must be one of 'raise', 'skip', got 'ignore'$"),
        ({"on_bad": True}, ValueError, r"^on_bad must be one of 'raise', 'skip', got True$"),
        ({"field": None}, TypeError, r"^field must be a str .*or an int .*, not NoneType$"),
        ({"field": True}, TypeError, r"^field must be a str .*or an int .*, not bool$"),
        ({"field": -1}, ValueError, r"^field must be a name, or .* a number from 0, got -1 for 'csv'$"),
        ({"field": 0, "format": "jsonl"}, ValueError, r"^field must be a name, or .* from 0, got 0 for 'jsonl'$"),
        ({"encoding": "utf-9"}, ValueError, r"^encoding must name a text encoding .*, got 'utf-9'$"),
        ({"encoding": "hex"}, ValueError, r"^encoding must name a text encoding .*, got 'hex'$"),
        ({"encoding": None}, TypeError, r"'encoding' must be str, not None"),
        ({"path": io.BytesIO(b"a")}, ValueError, r"^format must be one of json, .* for a file object, got None$"),
        (
            {"path": io.BytesIO(b"a"), "format": "files"},
            ValueError,
            r"^format must be one of .* for a file object, got 'files'$",
        ),
        ({"path": io.StringIO("a"), "format": "csv"}, TypeError, r"^path must be a binary file .* reads as text$"),
        ({"path": b"a.csv"}, TypeError, r"^path must be a str, .* or a list of these, not bytes$"),
        ({"path": [b"a.csv"]}, TypeError, r"^path must be a str, .* or a list of these, not bytes$"),
        ({"path": []}, ValueError, r"^path must have at least one path, got none$"),
        ({"delimiter": ",,"}, ValueError, r"^delimiter must be one character, but no quote and no line end, got ',,'$"),
        ({"delimiter": ""}, ValueError, r"^delimiter must be one character"),
        ({"delimiter": "\n"}, ValueError, r"^delimiter must be one character"),
        ({"delimiter": '"'}, ValueError, r"^delimiter must be one character"),
        (
            {"delimiter": ",", "format": "tsv"},
            ValueError,
            r"^delimiter must go with the format 'csv', got 'tsv'; its c",
        ),
        ({"delimiter": ",", "format": "lines"}, ValueError, r"^delimiter must go with the format 'csv', got 'lines'$"),
        ({"separator": ""}, ValueError, r"^separator must be a str of at least one character, got ''$"),
        ({"separator": 5}, ValueError, r"^separator must be a str of at least one character, got 5$"),
        ({"separator": "%", "format": "lines"}, ValueError, r"^separator must go without a format, got 'lines'$"),
        (
            {"separator": ";"},
            ValueError,
            r"^separator must go with a text, .* tells 'csv'; delimiter is for its columns$",
        ),
        ({"pattern": "*.csv"}, ValueError, r"^pattern must go with a folder, and '.*a\.csv' is none$"),
    ],
)
def test_wrong_arguments_are_named(write, arguments: dict, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        read_documents(**{"path": write("a.csv", "text\na\n"), **arguments})


@pytest.mark.parametrize("name", ["posts", "posts.gz", ".json", "posts.xml", "a.json/posts", "a.csv.7z"])
def test_a_name_that_tells_no_format(tmp_path: Path, write, name: str) -> None:
    (tmp_path / "a.json").mkdir()
    told = r"tells no format; pass format=, one of json, jsonl, csv, tsv, lines, paragraphs, files$"
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
    assert read_documents(write("a", b"a"), "files") == ["a"]  # each file is a document


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
    if name in ("lines.txt", "table.tsv"):
        alphabet = re.sub("[\r\n\t]", "x", alphabet)
    documents = ["".join(rng.choices(alphabet, k=rng.randint(1, 40))) for _ in range(200)]
    assert read_documents(write(name, stored(documents)[name])) == documents


def test_a_field_may_be_of_any_length(write) -> None:
    before = csv.field_size_limit()
    for n in (before, before + 1, 10 * before):
        assert read_documents(write("a.csv", 'text\n"' + "b" * n + '"\n' + "c" * n)) == ["b" * n, "c" * n]
    assert csv.field_size_limit() == before
