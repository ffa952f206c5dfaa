"""Documents out of files: every format, every bad row told or counted, and no character changed."""

from __future__ import annotations

import codecs
import contextlib
import copy
import csv
import gzip
import io
import json
import os
import pickle
import random
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pycharrnn.text.documents import Documents, read_documents

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
        "table.tsv": "".join("\t".join(row) + "\n" for row in rows),  # no quotes: a field is what stands between tabs
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


@pytest.fixture
def tunes(tmp_path: Path) -> Path:
    """A folder with everything that a folder may have in it."""
    folder = tmp_path / "tunes"
    for name, data in {
        "b.txt": b"two\r\n\n", "a": b"\xef\xbb\xbfone\n", "B.abc.gz": gzip.compress(b"zero"), ".hidden": b"\xff",
        "reels/2.abc": b"reel 2", "reels/10.abc": b"reel 10", "reels/old/1.abc": b"old reel", ".git/config": b"[core]",
        "reels-2/1.abc": b"reel 3", "jigs/.DS_Store": b"\xff", "jigs/1.abc": b"jig",
    }.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "empty").mkdir()
    (folder / "reels" / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "broken").symlink_to(folder / "nowhere")
    (folder / "link.abc").symlink_to(folder / "jigs" / "1.abc")
    os.mkfifo(folder / "pipe")
    return folder


def test_a_folder_gives_the_files_of_all_folders_in_it_by_path(tunes: Path) -> None:
    documents = read_documents(tunes)
    by_path = {
        "B.abc.gz": "zero", "a": "one\n", "b.txt": "two\r\n\n", "jigs/1.abc": "jig", "link.abc": "jig",
        "reels/10.abc": "reel 10", "reels/2.abc": "reel 2", "reels/old/1.abc": "old reel", "reels-2/1.abc": "reel 3",
    }  # fmt: skip
    assert documents == list(by_path.values())
    assert documents.files == tuple(str(tunes / name) for name in by_path)
    assert documents.kinds == " (7 .abc, 1 .txt, 1 without suffix)"
    assert (documents.source, documents.skipped) == (str(tunes), ())
    assert sorted(documents.left_out) == [
        "'.git': its name begins with a dot",
        "'.hidden': its name begins with a dot",
        "'broken': it is a link to nothing",
        "'jigs/.DS_Store': its name begins with a dot",
        "'pipe': it is no regular file",
        "'reels/loop': it is a link to a folder",
    ]
    assert repr(documents).endswith("tunes' (7 .abc, 1 .txt, 1 without suffix), 6 files left out)")
    assert read_documents(str(tunes), "files") == documents


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.abc", ["jig", "jig", "reel 10", "reel 2", "old reel", "reel 3"]),
        ("1.*", ["jig", "old reel", "reel 3"]),
        ("[ab]*", ["one\n", "two\r\n\n"]),
        ("reels/*.abc", ["reel 10", "reel 2", "old reel"]),
        ("**/*.abc", ["jig", "jig", "reel 10", "reel 2", "old reel", "reel 3"]),
        ("reels/**/1*.abc", ["reel 10", "old reel"]),
    ],
)
def test_a_pattern_chooses_files_and_the_others_are_told(tunes: Path, pattern: str, found: list[str]) -> None:
    documents = read_documents(tunes, pattern=pattern)
    assert documents == found
    unmatched = [told for told in documents.left_out if told.endswith(f": it does not match {pattern!a}")]
    assert len(unmatched) == 9 - len(found)


def test_a_pattern_that_no_file_matches_is_told(tunes: Path) -> None:
    with pytest.raises(ValueError, match=r"has no document; it needs at least one; 15 files left out, first '\.git'"):
        read_documents(tunes, pattern="*.mid")


def test_a_file_that_is_no_text_is_told_or_skipped_and_counted(tmp_path: Path, write) -> None:
    for name, data in [
        ("a", b"la"), ("b.pdf", b"%PDF-1.4\nplain"), ("c.tgz", gzip.compress(b"\0" * 257 + b"ustar\0" + b"\0" * 249)),
        ("d", b"l\0a\0"), ("e.png", b"\x89PNG\r\n\x1a\n"),
    ]:  # fmt: skip
        write(name, data)
    documents = read_documents(tmp_path, on_bad="skip")
    assert documents == ["la"]
    assert documents.files == (str(tmp_path / "a"),)
    assert documents.skipped == (
        "file 'b.pdf': no text: 'b.pdf' is a PDF document; convert or unpack it to a plain text first",
        "file 'c.tgz': no text: 'c.tgz' is a gzip file that holds a tar archive; convert or unpack it to a plain text "
        "first",
        "file 'd': it has NUL characters, which no text has",
        "file 'e.png': no text: 'e.png' is an image; convert or unpack it to a plain text first",
    )
    with pytest.raises(ValueError, match=r"file 'b\.pdf': no text.* \(and 3 bad rows more\); fix it"):
        read_documents(tmp_path)


def test_the_documents_of_several_files_follow_one_another(tmp_path: Path, write, tunes: Path) -> None:
    paths = [write("b.csv", "text\nanna\n"), write("a.jsonl", '"bo"\n'), write("c.txt", "ole\nolga\n")]
    documents = read_documents(paths)
    assert documents == ["anna", "bo", "ole", "olga"]
    assert (documents.source, documents.files) == (", ".join(map(str, paths)), ())
    assert read_documents(tuple(map(str, paths))) == documents
    assert read_documents([paths[2], io.BytesIO(b"x")], "lines") == ["ole", "olga", "x"]
    assert read_documents([paths[2], tunes / "reels"], "files")[:2] == ["ole\nolga\n", "reel 10"]
    assert read_documents([tunes / "a", tunes / "reels/2.abc"], "files").kinds == " (1 .abc, 1 without suffix)"
    bad = write("d.csv", "text\n\n")
    with pytest.raises(ValueError, match=r"^'.*d\.csv', the file: it has no document; fix it"):
        read_documents([paths[0], bad])
    worse = write("e.txt", "la\n\n")
    documents = read_documents([bad, worse], on_bad="skip")
    assert documents.skipped == (
        f"{str(bad)!a}, the file: it has no document",
        f"{str(worse)!a}, line 2: the document is empty",
    )
    with pytest.raises(FileNotFoundError):
        read_documents([paths[0], tmp_path / "missing.csv"], on_bad="skip")


def test_tabs_split_and_quotes_are_text(write) -> None:
    assert read_documents(write("a.tsv", 'text\n"a\nb"\nc\n')) == ['"a', 'b"', "c"]
    assert read_documents(write("b.tsv", 'id\ttext\r\n1\t5" pipe\r\n\r\n2\t"quoted"\r\n')) == ['5" pipe', '"quoted"']
    assert read_documents(write("c.tsv", 'text\n""\n"\n')) == ['""', '"']
    documents = read_documents(write("d.tsv", 'id\ttext\n"1\ta\n2\tb\tc\n3\td"\n'), on_bad="skip")
    assert (documents, documents.skipped) == (["a", 'd"'], ("line 3: 3 fields, the first row 2",))
    quoted = write("e.tsv", 'id\ttext\n1\t"a\n\tb"\n')
    assert read_documents(quoted, "csv") == read_documents(quoted, "csv", delimiter="\t") == ["a\n\tb"]


def test_empty_lines_of_tables_are_no_rows(write) -> None:
    rows = '\n\nid,text\n\n1,a\n\r\n\r2,"b\n\nc"\n\n'
    assert read_documents(write("a.csv", rows)) == ["a", "b\n\nc"]
    assert read_documents(write("b.csv", "\nla\n\n"), field=0) == ["la"]
    documents = read_documents(write("c.csv", "id,text\n\n1,a\n\n2\n"), on_bad="skip")
    assert documents.skipped == ("line 5: 1 field, the first row 2",)


DELIMITED = [
    ("id;text\n1;a, b\n2;c, d\n", "text", ["a, b", "c, d"]),
    ("id\ttext\n1\ta;b\n", "text", ["a;b"]),
    ("id|text\n1|a\n", "text", ["a"]),
    ('"a;b;c",text\n1,x;y\n', "text", ["x;y"]),  # quoted ones do not count
    ('"say ""hi; ho""",text\n1,x\n', "text", ["x"]),
    ("id;text, long;n\n1;a;2\n", "text, long", ["a"]),  # both split it, one gives the column
    ("text\na;b\n", "text", ["a;b"]),
    ("sep=;\r\nid;text\r\n1;a, b\r\n", "text", ["a, b"]),  # Excel's
    ("sep=^\nid^text\n1^a\n", "text", None),
    ("1;a, b, c\n2;d\n3;e, f\n", 1, ["a, b, c", "d", "e, f"]),  # one splits all rows alike
    ("1,a;b\n2,c;d\n", 1, None),
    ("text;a|text\n1;2|3\n", "text", None),
    ("text;x,y\n" + "1;2,3\n" * 30, "y", ["3"] * 30),
]


@pytest.mark.parametrize(("data", "field", "found"), DELIMITED)
def test_the_delimiter_is_found(write, data: str, field: str | int, found: list[str] | None) -> None:
    path = write("a.csv", data)
    if found is None:
        with pytest.raises(
            ValueError, match=r"a\.csv' (may be split by '.' or '.'; pass delimiter=$|has no column 'text')"
        ):
            read_documents(path, field=field)
    else:
        assert read_documents(path, field=field) == found


def test_a_delimiter_may_be_given(write) -> None:
    assert read_documents(write("a.csv", "1,a;b\n2,c;d\n"), field=1, delimiter=";") == ["b", "d"]
    assert read_documents(write("b.csv", "id^text\n1^a]\n"), delimiter="^") == ["a]"]
    assert read_documents(write("c.csv", 'id]text\n1]"a]b"\n'), delimiter="]") == ["a]b"]
    with pytest.raises(ValueError, match=r"has no column 'text'; pass field=, the columns are 'id;text'$"):
        read_documents(write("d.csv", "id;text\n1;a\n"), delimiter=",")


def test_rows_are_read_as_the_csv_module_reads_them(write) -> None:
    rng = random.Random(0)
    for _ in range(3000):
        data = "x,y\n" + "".join(
            rng.choices(['"', '""', ",", "\n", "\r\n", "\r", "a", "b ", '"c"', ","], k=rng.randrange(30))
        )
        try:
            rows = [row for row in csv.reader(io.StringIO(data, newline=""), strict=True) if row]
        except csv.Error:
            with contextlib.suppress(ValueError):  # the same rows are bad, or the file is
                assert read_documents(write("a.csv", data), field=0, on_bad="skip", delimiter=",").skipped
            continue
        expected = [row[0] for row in rows if len(row) == 2 and row[0]]
        assert read_documents(write("a.csv", data), field=0, on_bad="skip", delimiter=",") == expected


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_paragraphs_are_split_at_blank_lines(write, end: str) -> None:
    data = "\n \t\nroses\n  are \n\n\nviolets\n\t\n\u3000\nsugar\nis\n\n".replace("\n", end)
    documents = read_documents(write("poems.txt", data), "paragraphs")
    assert documents == [f"roses{end}  are ", "violets", f"sugar{end}is"]
    assert read_documents(write("poems.txt", data.rstrip()), "paragraphs") == documents
    assert read_documents(write("poems.txt", "one\x0btwo"), "paragraphs") == ["one\x0btwo"]


@pytest.mark.parametrize(
    ("data", "separator", "found"),
    [
        ("a\nb\n%%\nc\n%%\n", "%%\n", ["a\nb", "c"]),
        ("a\r\n%%\r\nc", "%%\n", ["a", "c"]),
        ("a\r%%\rc", "%%\r\n", ["a", "c"]),
        ("---\na\n---\n\nb\n\n", "---", ["a", "b"]),
        ("<|endoftext|>a b<|endoftext|>c", "<|endoftext|>", ["a b", "c"]),
        (" a .* b ", ".*", [" a ", " b "]),
        ("a\tb", "\t", ["a", "b"]),
        ("\x1e\n{1}\x1e\n{2}", "\x1e", ["{1}", "{2}"]),
    ],
)
def test_a_separator_splits_documents(write, data: str, separator: str, found: list[str]) -> None:
    assert read_documents(write("poems", data), separator=separator) == found
    assert read_documents(io.BytesIO(data.encode("utf-16")), separator=separator, encoding="utf-16") == found


def test_what_a_separator_leaves_empty_is_told(write) -> None:
    path = write("poems.txt", "%\na\nb\n%\n\n%\nc\n%\n%\nd\n")
    documents = read_documents(path, separator="%\n", on_bad="skip")
    assert documents == ["a\nb", "c", "d"]
    assert documents.skipped == ("line 6: the document is empty", "line 9: the document is empty")
    with pytest.raises(ValueError, match=r"poems\.txt' does not contain the separator '%%'$"):
        read_documents(path, separator="%%")


@pytest.mark.parametrize(
    ("row", "field", "found"),
    [
        ({"tweet": {"full_text": "a"}}, "tweet.full_text", "a"),
        ({"tweet": {"full_text": "a"}, "tweet.full_text": "b"}, "tweet.full_text", "b"),
        ({"data": [{"text": "a"}, {"text": "b"}]}, "data.1.text", "b"),
        ({"a.b": {"x": "1"}, "a": {"b": {"c": "t"}}}, "a.b.c", "t"),
        ({"a": {"b.c": "t"}}, "a.b.c", "t"),
        ({"0": "t"}, "0", "t"),
        ({"": {"": "t"}}, ".", "t"),
        ({"choices": [["no", "yes"]]}, "choices.0.1", "yes"),
    ],
)
def test_a_field_may_be_within_another(write, row: dict, field: str, found: str) -> None:
    assert read_documents(write("a.json", json.dumps([row])), field=field) == [found]
    assert read_documents(write("a.jsonl", json.dumps(row) + "\n"), field=field) == [found]


def test_a_field_that_is_not_there_is_told_with_those_that_are(write) -> None:
    rows = [
        {"tweet": {"id": 1, "full_text": "a", "entities": {"urls": []}}},
        {"tweet": {"id": 2}},
        {"x": ""},
        {"tweet": 1},
    ]
    path = write("a.json", json.dumps(rows))
    told = "the first row has 'tweet.id', 'tweet.full_text', 'tweet.entities.urls'$"
    for field in ("text", "tweet.text", "tweet.full_text.x"):
        with pytest.raises(ValueError, match=f"has no row with the field '{field}'; pass field=, {told}"):
            read_documents(path, field=field)
    documents = read_documents(path, field="tweet.full_text", on_bad="skip")
    assert documents == ["a"]
    assert documents.skipped == (
        "row 2: field 'tweet.full_text' is missing; 'tweet' has 'id'",
        "row 3: field 'tweet.full_text' is missing",
        "row 4: field 'tweet.full_text' is missing",
    )


@pytest.mark.parametrize("start", ["window.YTD.tweets.part0 = ", "var posts=", "  const a = ", "$x=\n"])
@pytest.mark.parametrize("end", ["", "\n", ";", " ;\n"])
def test_a_list_that_javascript_names_is_read(write, start: str, end: str) -> None:
    rows = '[ {"tweet": {"full_text": "R&amp;B"}} ]'
    path = write("tweets.js", start + rows + end)
    assert read_documents(path, field="tweet.full_text", unescape=True) == ["R&B"]
    with pytest.raises(ValueError, match=f"line .*, byte offset {len(start + rows)}: Extra data"):
        read_documents(write("tweets.js", start + rows + "x"), field="tweet.full_text")
    with pytest.raises(ValueError, match="Extra data"):
        read_documents(write("a.json", rows + ";"), field="tweet.full_text")


def undecodable(name: str) -> tuple[bytes, list[str], str]:
    """A file in which one of three rows is not in UTF-8, its other rows, and where that stands."""
    rows = {
        "a.txt": (b"la", b"l\xe9", b"lo\n"),
        "a.jsonl": (b'{"text": "la"}', b'{"text": "l\xe9"}', b'"lo"'),
        "a.csv": (b'id,text\n"1\n1",la', b'2,"l\xe9\n2"', b"3,lo\n"),
        "a.tsv": (b"id\ttext\n1\tla", b"\xff\tl\xe9", b"3\tlo"),
        "paragraphs": (b"la\n", b"l1\nl\xe9\nl3\n", b"lo\n"),
    }[name]
    data = b"\n".join(rows)
    bad = next(i for i, byte in enumerate(data) if byte >= 0x80)
    line = data.count(b"\n", 0, data.index(rows[1])) + 1
    last = line + rows[1].count(b"\n") if name == "a.csv" else line
    place = f"line {line}" if last == line else f"lines {line} to {last}"
    return data, ["la", "lo"], f"{place}: not valid UTF-8: byte 0x{data[bad]:02X} at offset {bad} ("


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["", "marked"])
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv", "a.tsv", "paragraphs"])
def test_an_undecodable_row_is_skipped_and_counted(write, name: str, mark: bytes) -> None:
    data, rest, told = undecodable(name)
    path = write(name, data)
    format = "paragraphs" if name == "paragraphs" else None
    documents = read_documents(path, format, on_bad="skip")
    assert documents == rest
    assert len(documents.skipped) == 1
    assert documents.skipped[0].startswith(told)
    with pytest.raises(ValueError, match=r"^not valid UTF-8: byte 0x"):
        read_documents(path, format)
    if mark:  # which is 3 bytes, and no character
        offset = int(re.findall("offset ([0-9]+)", told)[0])
        marked = read_documents(write(name, mark + data), format, on_bad="skip")
        assert f"offset {offset + 3} (" in marked.skipped[0]
    packed = read_documents(write(name, gzip.compress(data)), format, on_bad="skip")
    assert (packed, packed.skipped) == (documents, documents.skipped)


def test_undecodable_parts_headers_and_lists(write) -> None:
    documents = read_documents(write("a", b"la%l\xe9%lo"), separator="%", on_bad="skip")
    assert documents == ["la", "lo"]
    assert documents.skipped[0].startswith("line 1: not valid UTF-8: byte 0xE9 at offset 4 (")
    with pytest.raises(ValueError, match=r"a first row that is not well formed, on line 1: not valid UTF-8: byte 0xE9"):
        read_documents(write("a.csv", b"caf\xe9,text\n1,a\n"), on_bad="skip")
    with pytest.raises(ValueError, match=r"^not valid UTF-8: byte 0xE9 at offset 3"):  # where it ends is not known
        read_documents(write("a.json", b'["l\xe9", "la"]'), on_bad="skip")
    many = read_documents(write("a.txt", b"la\nl\xff\xfe\n" * 5000), on_bad="skip")
    assert (len(many), len(many.skipped)) == (5000, 5000)
    assert many.skipped[-1].startswith("line 10000: not valid UTF-8: byte 0xFF at offset 34997 (")


def test_undecodable_rows_of_other_encodings(write) -> None:
    data = "la\n".encode("utf-16") + b"l\x00\x00\xdc\n\x00" + "lo\n".encode("utf-16-le")
    documents = read_documents(write("a.txt", data), encoding="utf-16", on_bad="skip")
    assert documents == ["la", "lo"]
    assert documents.skipped == ("line 2: not valid UTF-16: byte 0x00 at offset 10 (illegal encoding)",)
    documents = read_documents(write("a.txt", b"la\nl\x81\nlo"), encoding="cp1252", on_bad="skip")
    assert (documents, documents.skipped[0][:43]) == (["la", "lo"], "line 2: not valid CP1252: byte 0x81 at offs")


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
    with pytest.raises(ValueError, match=r"posts\.json', row 2: the document is empty \(and 2 bad rows more\); fix"):
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
    ("csv", 'id,text\n1,a\n2,"b"\n3\n', "line 4: 1 field, the first row 2"),
    ("csv", 'id,text\n1,a\n"2" x,c\n3,b\n', "line 3: there is text after the quote that closes field 1"),
    ("csv", 'id,text\n1,a\n2,"say "hi" now"\n3,"b"\n', "line 3: there is text after the quote that closes field 2"),
    ("csv", 'id,text\n1,a\n2,"c"d",x\n"3",b\n', "line 3: there is text after the quote that closes field 2"),
    ("csv", 'id,text\n1,a\n2,b\n3,"c', "line 4: a quote is opened and not closed"),
    ("csv", 'id,text\n1,a\n"2\n\n3"\n4,b\n', "lines 3 to 5: 1 field, the first row 2"),
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
    with pytest.raises(ValueError, match=re.escape(f"{str(path)!a}, {told}; fix it, or")) as caught:
        read_documents(path, format)
    assert 'on_bad="skip" leaves such rows out and counts them' in str(caught.value)


def test_the_first_of_several_bad_rows_is_told_and_the_others_are_counted(write) -> None:
    with pytest.raises(ValueError, match=r"a\.txt', line 2: the document is empty \(and 1 bad row more\); fix it"):
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
    with pytest.raises(ValueError, match=re.escape(f"{str(tmp_path)!a}, {empty} (and 2 bad rows more); fix it")):
        read_documents(tmp_path)
    assert read_documents(tmp_path, on_bad="skip", encoding="latin-1")[:2] == ["a", "a\r\n\u00e9t"]


BROKEN = [
    ("json", '["\u00e9",\r\n\r"\u00e9" "b"]', "is not valid JSON: line 3, byte offset 14: Expecting ',' delimiter"),
    ("json", '{"text": "a"}\n{"text": "b"}', "line 2, byte offset 14: Extra data; fix it, or, if each line is"),
    ("json", '["a"', "line 1, byte offset 4: Expecting ',' delimiter"),
    ("json", '{"text": "a"}', "must hold a list of objects or of strings; for one object or string a line pass"),
    ("json", "[" * 100_000, "has JSON that is nested too deeply"),
    ("json", '[{"body": "a", "b\x7f": 1}, {}]', r"field 'text'; pass field=, the first row has 'body', 'b\x7f'"),
    ("jsonl", '{"body": "a"}\n{"id": "b"}', "has no row with the field 'text'; pass field=, the first row has 'body'"),
    ("jsonl", "{}\n", "the first row has none"),
    ("json", '{"data": [{"text": "a"}], "meta": {}}', "pass 'jsonl', it holds an object with 'data', 'meta'"),
    ("csv", "id,body\n1,a\n", "has no column 'text'; pass field=, the columns are 'id', 'body'"),
    ("csv", "text,text\n1,a\n", "has more than one column 'text'; pass field=, the columns are 'text', 'text'"),
    ("csv", 'text\na\n"b\nc\n', "has a quote on line 3 that is not closed, in field 1; fix it: close every quote"),
    ("csv", 'id,text\n"1\n1",a\n2,"b\nc\n', "has a quote on line 4 that is not closed, in field 2"),
    ("csv", 'id,text\n"1\n1","b\nc\n', "has a quote on line 3 that is not closed, in field 2"),
    ("csv", 'id,text\n1,"b\n2,"c"\n', "has text after the quote that closes field 2 of the row on lines 2 to 3; fix"),
    ("csv", 'text\na\n"he said "hi\nyou"\nb\n', "text after the quote that closes field 1 of the row on line 3; fix"),
    ("csv", '"te"xt\na\nb\n', "has a first row that is not well formed, on line 1: there is text after the quote"),
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
        read_documents(path)
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
    assert read_documents(write("a.tsv", 'who\tx\nme\t"a, b"\n'), field=1) == ["x", '"a, b"']
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


def test_an_unknown_encoding_raises_for_a_folder_too(tmp_path: Path, write) -> None:
    write("a", b"a")
    with pytest.raises(ValueError, match="encoding must name"):
        read_documents(tmp_path, on_bad="skip", encoding="utf-9")


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
