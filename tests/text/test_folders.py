"""Documents out of the files of a folder, and out of several files."""

from __future__ import annotations

import gzip
import io
import re
from pathlib import Path

import pytest

from pycharrnn.text.documents import read_documents


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


def test_a_bad_file_of_a_folder_is_told_or_skipped_and_counted(tmp_path: Path, write) -> None:
    files = {"a": b"a", "b": b"", "c\x1b": b"a\r\n\xe9t", "d": b"d", "e": gzip.compress(b"hello" * 99, mtime=0)[:-9]}
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


def test_an_empty_folder_has_no_document(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no document"):
        read_documents(tmp_path)


def test_an_unknown_encoding_raises_for_a_folder_too(tmp_path: Path, write) -> None:
    write("a", b"a")
    with pytest.raises(ValueError, match="encoding must name"):
        read_documents(tmp_path, on_bad="skip", encoding="utf-9")
