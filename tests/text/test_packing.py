"""Packed files: every format, every damage, and what is named because it is no text."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import pickle
import random
import re
import struct
import subprocess
import sys
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pycharrnn import packing, read_documents
from pycharrnn.packing import identify, looks_like_text, unpack
from pycharrnn.text.decoding import decode
from pycharrnn.text.reading import read_text

TEXT = "caf\u00e9, to be or not to be\r\n".encode() * 500


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "zip": lambda data: zipped(("book.txt", data)),
}


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("text", [b"", b"a", TEXT], ids=["empty", "short", "long"])
def test_packed_files_are_read_whatever_their_names(tmp_path: Path, name: str, text: bytes) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(PACKERS[name](text))
    assert unpack(path.read_bytes(), "s") == text
    assert read_text(path) == text.decode()
    if text:
        assert read_documents(path, "files") == [text.decode()]


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "lzma"])
def test_streams_may_follow_one_another(name: str) -> None:
    data = b"".join(PACKERS[name](part) for part in (b"one", b"", TEXT, b"two"))
    assert unpack(data, "s") == b"one" + TEXT + b"two"


def test_long_streams_are_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pycharrnn.packing.CHUNK", 7)
    for pack in PACKERS.values():
        assert unpack(pack(TEXT), "s") == TEXT
    assert unpack(gzip.compress(b"a", mtime=0) + gzip.compress(TEXT, mtime=0), "s") == b"a" + TEXT


def test_zeros_that_fill_up_a_file_are_no_damage() -> None:
    assert unpack(gzip.compress(TEXT, mtime=0) + bytes(500), "s") == TEXT
    assert unpack(lzma.compress(TEXT) + bytes(8), "s") == TEXT


@pytest.mark.parametrize("name", PACKERS)
def test_damage_is_told_with_the_kind(name: str) -> None:
    text = random.Random(0).randbytes(3000)
    data = PACKERS[name](text)
    told = rf"^not valid {name}: 'po\\x1bst' (ends too early|is damaged); compress it or download it again$"
    ends = (len(data) - 1, len(data) - 9, len(data) // 2, 40)
    for damaged in (*(data[:end] for end in ends), data[:1000] + b"\xff" * 100 + data[1100:], data + b"more"):
        if name == "lzma" and len(damaged) == len(data):  # a format without a checksum
            continue
        if name == "zip" and damaged.endswith(b"more"):  # the end is looked for
            continue
        with pytest.raises(ValueError, match=told) as caught:
            unpack(damaged, "po\x1bst")
        assert caught.value.__suppress_context__
    for end in ends:
        if name != "zip":
            with pytest.raises(ValueError, match="ends too early"):
                unpack(data[:end], "s")


def test_a_zip_archive_has_one_file() -> None:
    assert (
        unpack(zipped(("a/", b""), ("a/book.txt", b"la"), ("__MACOSX/a/._book.txt", b"x"), (".DS_Store", b"x")), "s")
        == b"la"
    )
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        assert unpack(zipped(("a", TEXT), method=method), "s") == TEXT
    with pytest.raises(
        ValueError, match=r"'s' is a zip archive of 2 files \('a', 'b\\x1b'\); unpack it and pass what it holds"
    ):
        unpack(zipped(("a", b""), ("b\x1b", b"")), "s")
    with pytest.raises(ValueError, match=r"archive of 30 files \('0', .*'9', \.\.\.\)"):
        unpack(zipped(*((str(i), b"") for i in range(30))), "s")
    with pytest.raises(ValueError, match=r"'s' is a zip archive of no file;"):
        unpack(zipped(), "s")
    secret = bytearray(zipped(("a", b"la")))
    for at in (6, secret.index(b"PK\x01\x02") + 8):
        secret[at] |= 1  # says that it is encrypted
    with pytest.raises(ValueError, match=r"is a zip archive that cannot be read \(File \'?.*password"):
        unpack(bytes(secret), "s")


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return file.getvalue()


def saved(save: Callable[..., Any], *values: Any) -> bytes:
    file = io.BytesIO()
    save(file, *values)
    return file.getvalue()


KINDS = {
    "a tar archive": tar(),
    "a gzip file that holds a tar archive": gzip.compress(tar(), mtime=0),
    "a gzip file that holds a gzip file": gzip.compress(gzip.compress(b"a", mtime=0), mtime=0),
    "a bzip2 file that holds a PDF document": bz2.compress(b"%PDF-1.7\r\n"),
    "a PDF document": b"%PDF-1.4\nall of it ASCII",
    "a Word document (.docx)": zipped(("[Content_Types].xml", b""), ("word/document.xml", b"<w>")),
    "an Excel workbook (.xlsx)": zipped(("xl/workbook.xml", b"")),
    "an e-book (.epub)": zipped(("mimetype", b"application/epub+zip"), ("META-INF/container.xml", b"")),
    "an OpenDocument file (.odt)": zipped(("content.xml", b""), ("META-INF/manifest.xml", b"")),
    "a PyTorch file": zipped(("archive/data.pkl", b"")),
    "a NumPy archive (.npz)": saved(np.savez, np.zeros(3)),
    "a NumPy array (.npy)": saved(np.save, np.zeros(3)),
    "an RTF document": b"{\\rtf1\\ansi la}",
    "an old Office document (.doc, .xls)": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(9),
    "a Zstandard file (.zst)": b"\x28\xb5\x2f\xfd\x04",
    "a 7-Zip archive": b"7z\xbc\xaf\x27\x1c\0",
    "a RAR archive": b"Rar!\x1a\x07\x01",
    "an image": b"\x89PNG\r\n\x1a\n",
    "an SQLite database": b"SQLite format 3\0",
    "a program": b"\x7fELF\x02",
    "a safetensors file": (8).to_bytes(8, "little") + b'{"a":{}}',
    **{f"a pickle ({protocol})": pickle.dumps(["a"], protocol) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)},
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_text_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(KINDS[kind])
    told = f"no text: {str(path)!a} is {kind.partition(' (p')[0] if 'pickle' not in kind else 'a pickle'}"
    for encoding in ("utf-8", "latin-1"):
        with pytest.raises(ValueError, match="^" + re.escape(told)):
            decode(KINDS[kind], str(path), encoding)
        with pytest.raises(ValueError, match="^" + re.escape(told)):
            read_documents(path, "lines", on_bad="skip", encoding=encoding)
    with pytest.raises(
        ValueError, match="^X is " + re.escape(told) + ".*first, or decode it yourself and pass the text$"
    ):
        read_text(path)


TEXTS = [
    *(
        "BZh91 is a road",
        "PKZIP",
        "%PDF is a format",
        "{\\rt",
        "Rar! it roars",
        "7z",
        "PAR1 of 2",
        "GIF89a is a format",
    ),
    *(
        "]",
        "]\0\0 ]",
        "AT&TFORM",
        "ID3 tags",
        "MZ",
        "{}",
        "OggS",
        "",
        "a" * 257 + "ustar ",
        "\x1a",
        "PK\x03",
        "\x1fa",
        "BZh9",
    ),
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_no_text_is_taken_for_something_else(text: str, encoding: str) -> None:
    assert identify(text.encode(encoding)) is None
    assert identify("]\u4e00\u4e8c\u4e09\u56db\u4e94\u516d".encode("utf-16-le")) is None
    assert decode(text.encode(encoding), "s", encoding) == text


def test_what_looks_like_text() -> None:
    for text in ("to be", "caf\u00e9" * 200, "\x1b[1mbold\t\r\n\f", "a".encode("utf-16"), "\U0001f600" * 128):
        data = text.encode() if isinstance(text, str) else text
        assert all(looks_like_text(data[:n]) for n in range(4, len(data)))
    for data in (b"a\0b", b"\x80abc", b"abcd\xffabcd", bytes(range(8, 40)), "caf\u00e9 au lait".encode("latin-1")):
        assert not looks_like_text(data)


@pytest.mark.parametrize(("name", "module"), [("bzip2", "bz2"), ("xz", "lzma"), ("lzma", "lzma"), ("zip", "zipfile")])
def test_a_python_without_the_module(monkeypatch: pytest.MonkeyPatch, name: str, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        ImportError, match=rf"^'s' is an? {name} .*, but this Python lacks the module {module}; convert or unp"
    ):
        unpack(PACKERS[name](TEXT) if name != "zip" else zipped(("a", TEXT)), "s")


def test_modules_are_imported_when_they_are_needed(tmp_path: Path) -> None:
    code = "import sys, pycharrnn; print(sorted({'bz2', 'lzma', 'zipfile'} & set(sys.modules) - before))"
    code = "import sys, numpy; before = set(sys.modules); " + code
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zip"])
def test_a_file_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """A text is at most a few times smaller when it is packed; this one is a thousand times."""
    size = 40 * 2**20
    monkeypatch.setattr(packing, "MOST", 2**22)
    path = tmp_path / f"zeros.{suffix}"
    block = bytes(2**20)
    if suffix == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros.txt", "w") as file:
            for _ in range(size // len(block)):
                file.write(block)
    else:
        module: Any = {"gz": gzip, "bz2": bz2, "xz": lzma}[suffix]
        with module.open(path, "wb") as file:
            for _ in range(size // len(block)):
                file.write(block)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"that unpacks to more than 4,194,304 bytes, 100 times its size"):
            unpack(path.read_bytes(), path.name)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**25


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_archive_that_lies_about_its_size_does_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch, method: int
) -> None:
    monkeypatch.setattr(packing, "MOST", 2**22)
    size = 60 * 2**20
    honest = zipped(("zeros.txt", bytes(size)), method=method)
    forged = honest.replace(struct.pack("<I", size), struct.pack("<I", 10))
    assert forged != honest
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"^(no text|not valid zip): 's' is "):
            unpack(forged, "s")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**25


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_each_changed_byte_of_a_packed_member_is_found(method: int) -> None:
    data = zipped(("a", TEXT), method=method)
    for at in range(40, 40 + 60):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with contextlib.suppress(ValueError):
            assert unpack(changed, "s") == TEXT


@pytest.mark.parametrize(
    "data",
    [bz2.compress(b"") * 70_000, gzip.compress(b"", mtime=0) * 50_000, gzip.compress(b"", mtime=0) + bytes(20_000_000)],
    ids=["bzip2", "gzip", "zeros"],
)
def test_thousands_of_empty_streams_take_no_time(data: bytes) -> None:
    """Each copied a megabyte, and each zero of the padding was looked at alone: 2.5 to 6.5 seconds."""
    start = time.process_time()
    assert unpack(data, "s") == b""
    assert time.process_time() - start < 1.5
