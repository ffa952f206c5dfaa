"""How each format is cut into records, and which field of them is the document."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import random

import pytest

from pycharrnn.text.documents import read_documents


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
