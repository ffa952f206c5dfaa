"""Every bad row is told or counted, and every broken file told."""

from __future__ import annotations

import codecs
import gzip
import json
import re

import pytest
from document_files import NAMES

from pycharrnn.text.documents import read_documents


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
    packed = read_documents(write(name, gzip.compress(data, mtime=0)), format, on_bad="skip")
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
    assert "on_bad='skip' leaves such rows out and counts them" in str(caught.value)


def test_the_first_of_several_bad_rows_is_told_and_the_others_are_counted(write) -> None:
    with pytest.raises(ValueError, match=r"a\.txt', line 2: the document is empty \(and 1 bad row more\); fix it"):
        read_documents(write("a.txt", "a\n\nb\n\n"))


def test_a_long_list_of_fields_is_cut(write) -> None:
    with pytest.raises(ValueError, match=r"the first row has 'k0', 'k1', .*\.\.\.$") as caught:
        read_documents(write("a.json", json.dumps([{f"k{i}": "" for i in range(1000)}])))
    assert 300 < len(str(caught.value)) < 1000


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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030"])
@pytest.mark.parametrize("mark", [False, True])
def test_the_byte_offset_of_bad_json_counts_a_mark_in_every_encoding(write, encoding: str, mark: bool) -> None:
    body = "utf-16-le" if encoding == "utf-16" else "utf-32-le" if encoding == "utf-32" else encoding
    body = "utf-8" if encoding == "utf-8-sig" else body
    start = ("\ufeff" * mark).encode(body)
    before = start + '["\u00e9\U0001f600",\n'.encode(body)
    with pytest.raises(ValueError, match=f"line 2, byte offset {len(before)}: Expecting value"):
        read_documents(write("a.json.gz", gzip.compress(before + "!]".encode(body), mtime=0)), encoding=encoding)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["", "marked"])
@pytest.mark.parametrize("name", NAMES)
def test_invalid_utf8_is_located_in_every_format(write, name: str, mark: bytes, packed: bool) -> None:
    data = mark + b"a\r\nb\rc\n\xc3\xa9 caf\xe9!"
    path = write(name, gzip.compress(data, mtime=0) if packed else data)
    told = f"not valid UTF-8: byte 0xE9 at offset {len(data) - 2} of {str(path)!a} (line 4: invalid continuation byte)"
    with pytest.raises(ValueError, match=re.escape(told) + "; save the file as UTF-8, or pass encoding=") as caught:
        read_documents(path)
    assert caught.value.__suppress_context__  # one error for the user, not a chain
