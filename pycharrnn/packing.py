"""The kind of a file, by its first bytes, and what is packed in it. Its name never counts."""

from __future__ import annotations

import importlib
import io
import re
import struct
import sys
import zlib
from collections.abc import Callable
from typing import Any

__all__ = ["identify", "looks_like_text", "unpack"]

CHUNK = 1 << 20  # packed bytes at a time: a stream that ends gives back at most so many
LEAST = 1 << 12  # at first: there may be thousands of short streams
MOST = 1 << 28  # unpacked bytes that are never too many
_RATIO = 100  # unpacked bytes for each packed one: no text comes near it, a file that is made to fill the memory does

# Each begins with bytes that no text in a usual encoding begins with, or that only such a file has.
_KINDS = {
    "a gzip file": rb"\x1f\x8b",
    "a bzip2 file": rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)",
    "an xz file": rb"\xfd7zXZ\x00",
    "an lzma file": rb"\]\x00\x00[^\xff]{2}(?:\xff{8}|.{5}\x00{3})",
    "a zip archive": rb"PK(?:\x03\x04|\x05\x06|\x07\x08)",
    "a Zstandard file (.zst)": rb"\x28\xb5\x2f\xfd",
    "an LZ4 file": rb"\x04\x22\x4d\x18",
    "a compress file (.Z)": rb"\x1f\x9d",
    "a 7-Zip archive": rb"7z\xbc\xaf\x27\x1c",
    "a RAR archive": rb"Rar!\x1a\x07",
    "a tar archive": rb".{257}ustar(?:\x00|  \x00)",
    "a PDF document": rb"(?:\xef\xbb\xbf)?%PDF-\d\.\d[\r\n ]",
    "an RTF document": rb"\{\\rtf\d",
    "an old Office document (.doc, .xls)": rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "an e-book (.mobi)": rb".{60}BOOKMOBI",
    "a DjVu document": rb"AT&TFORM.{4}DJV",
    "a safetensors file": rb'.{5}\x00{3}\{ *"',
    "a pickle": rb"\x80[\x02-\x05][\x95}\]()cXK]",
    "a NumPy array (.npy)": rb"\x93NUMPY",
    "an HDF5 file": rb"\x89HDF\r\n\x1a\n",
    "a Parquet file": rb"PAR1\x15",
    "an SQLite database": rb"SQLite format 3\x00",
    "an image": rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff[\xc0-\xfe]|GIF8[79]a.{1,3}\x00",
    "a sound file": rb"OggS\x00|fLaC\x00|ID3[\x02-\x04]\x00",
    "a program": rb"\x7fELF",
}
_KIND_OF = re.compile(b"|".join(b"(%s)" % pattern for pattern in _KINDS.values()), re.DOTALL)
# What a zip archive is, by the name of a member.
_ZIPPED = {
    "a Word document (.docx)": r"word/document\.xml",
    "an Excel workbook (.xlsx)": r"xl/workbook\.\w+",
    "a PowerPoint file (.pptx)": r"ppt/presentation\.xml",
    "an e-book (.epub)": r"META-INF/container\.xml",
    "an OpenDocument file (.odt)": r"META-INF/manifest\.xml",
    "a PyTorch file": r".*/data\.pkl",
    "a NumPy archive (.npz)": r".*\.npy",
}
_ADVICE = "convert or unpack it to a plain text first"


def identify(data: bytes) -> str | None:
    r"""Return what a file is, by its first bytes.

    Parameters
    ----------
    data : bytes
        The beginning of the file; some hundreds are enough.

    Returns
    -------
    str or None
        What it is, as in "it is a PDF document"; None if it may be a text.

    Examples
    --------
    >>> identify(b"%PDF-1.7\n"), identify(b"to be or not to be")
    ('a PDF document', None)
    """
    found = _KIND_OF.match(data)
    return None if found is None or found.lastindex is None else list(_KINDS)[found.lastindex - 1]


def looks_like_text(data: bytes) -> bool:
    """Whether a file may be a text, in UTF-8 or marked as UTF-16, by its first bytes.

    Parameters
    ----------
    data : bytes
        The beginning of the file.

    Returns
    -------
    bool
        Whether it may be.

    Examples
    --------
    >>> looks_like_text("Noël, 5 o'clock".encode()), looks_like_text(bytes(range(30)))
    (True, False)
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        if error.start < len(data) - 3:  # not only cut within a character
            return False
        text = data[: error.start].decode()
    return not re.search(r"[\0-\x08\x0e-\x1a]", text)


def unpack(data: bytes, source: str) -> bytes:
    """Return what is packed with gzip, bzip2, xz or zip in the bytes of a file, or these bytes if nothing is.

    Parameters
    ----------
    data : bytes
        A whole file. What is packed in it takes memory beside it.
    source : str
        What the messages call the file.

    Returns
    -------
    bytes
        What is packed, or `data`.

    Raises
    ------
    ValueError
        If the file is cut off or damaged, or is no text: a PDF document, an archive of several files. The message
        goes on from "the text is".
    ImportError
        If this Python was built without the module that unpacks it.

    Examples
    --------
    >>> import gzip
    >>> unpack(gzip.compress(b"la"), "song.txt.gz"), unpack(b"la", "song.txt")
    (b'la', b'la')
    """
    kind = identify(data)
    if kind is None:
        return data
    if kind not in _UNPACKERS:
        raise ValueError(f"no text: {source!a} is {kind}; {_ADVICE}")
    module, read = _UNPACKERS[kind]
    try:
        unpacked = read(importlib.import_module(module), data, source)
    except ImportError as error:
        raise ImportError(f"{source!a} is {kind}, but this Python lacks the module {module}; {_ADVICE}") from error
    except _TooLarge:
        problem = f"unpacks to more than {_most(data):,} bytes, {_RATIO} times its size"
        raise ValueError(f"no text: {source!a} is {kind} that {problem}; {_ADVICE}") from None
    except _damage() as error:
        what = "ends too early" if isinstance(error, EOFError) else "is damaged"
        name = kind.split()[1]
        raise ValueError(f"not valid {name}: {source!a} {what}; compress it or download it again") from None
    if within := identify(unpacked):  # unpacked once only: a file can hold itself
        raise ValueError(f"no text: {source!a} is {kind} that holds {within}; {_ADVICE}")
    return unpacked


class _TooLarge(Exception):
    """What is packed is far larger than any text would be."""


def _most(packed: bytes) -> int:
    """Bytes that may be packed in so many."""
    return max(MOST, _RATIO * len(packed))


def _damage() -> tuple[type[Exception], ...]:
    """What the modules that are there raise when what they unpack is not as it must be."""
    lzma, zipfile = sys.modules.get("lzma"), sys.modules.get("zipfile")
    own = (getattr(lzma, "LZMAError", EOFError), getattr(zipfile, "BadZipFile", EOFError))
    return (EOFError, OSError, struct.error, zlib.error, *own)


def _streams(new: Callable[[], Any], data: bytes, padding: bytes = b"") -> bytes:
    """Unpack one stream after the other. The library's own functions drop what follows the first, if it is damaged."""
    pieces, at, size, most = [], 0, 0, _most(data)
    while at < len(data):
        stream, chunk = new(), LEAST
        while not stream.eof:
            if at >= len(data):
                raise EOFError
            pieces.append(stream.decompress(data[at : at + chunk], most - size + 1))
            size += len(pieces[-1])
            if size > most:
                raise _TooLarge
            at += chunk
            chunk = min(2 * chunk, CHUNK)
        at = min(at, len(data)) - len(stream.unused_data)
        if follows := re.compile(b"(?:%s)*" % padding).match(data, at):
            at = follows.end()
    return b"".join(pieces)


def _unzip(zipfile: Any, data: bytes, source: str) -> bytes:
    """Return the one file of an archive; files that file managers add do not count."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
        for kind, pattern in _ZIPPED.items():
            if any(re.fullmatch(pattern, name) for name in names):
                raise ValueError(f"no text: {source!a} is {kind}; {_ADVICE}")
        names = [name for name in names if not re.search(r"(^|/)(\.|__MACOSX/)", name)]  # what file managers add
        if len(names) != 1:
            listed = ", ".join(map(ascii, names[:10])) + ", ..." * (len(names) > 10)
            held = f"{len(names)} files ({listed})" if names else "no file"
            raise ValueError(f"no text: {source!a} is a zip archive of {held}; unpack it and pass what it holds")
        try:
            if archive.getinfo(names[0]).file_size > _most(data):
                raise _TooLarge
            return _member(zipfile, archive, archive.getinfo(names[0]), data)
        except (NotImplementedError, RuntimeError) as error:  # a password, or a method that Python does not know
            told = ascii(str(error))[1:-1]
            raise ValueError(f"no text: {source!a} is a zip archive that cannot be read ({told}); {_ADVICE}") from None


def _member(zipfile: Any, archive: Any, entry: Any, data: bytes) -> bytes:
    """Unpack a file of an archive. What the archive says of its size may be wrong, and zipfile finds out too late."""
    with archive.open(entry) as file:  # after checks of zipfile's own
        if entry.compress_type not in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
            return b"".join(iter(lambda: file.read(CHUNK), b""))  # it unpacks no more at a time
    start = entry.header_offset
    start += 30 + sum(struct.unpack_from("<HH", data, start + 26))  # a name and what else precedes the data
    packed = data[start : start + entry.compress_size]
    if entry.compress_type == zipfile.ZIP_BZIP2:
        unpacked = _streams(importlib.import_module("bz2").BZ2Decompressor, packed)
    else:  # the properties of LZMA follow their length; in a file of its own the size follows them
        size = -1 if entry.flag_bits & 2 else entry.file_size
        packed = packed[4:9] + struct.pack("<q", size) + packed[9:]
        unpacked = _streams(importlib.import_module("lzma").LZMADecompressor, packed)
    if len(unpacked) != entry.file_size or zlib.crc32(unpacked) != entry.CRC:
        raise zipfile.BadZipFile
    return unpacked


_UNPACKERS: dict[str, tuple[str, Callable[[Any, bytes, str], bytes]]] = {
    "a gzip file": ("zlib", lambda zlib, data, _: _streams(lambda: zlib.decompressobj(31), data, b"\0")),
    "a bzip2 file": ("bz2", lambda bz2, data, _: _streams(bz2.BZ2Decompressor, data)),
    "an xz file": ("lzma", lambda lzma, data, _: _streams(lzma.LZMADecompressor, data, b"\0" * 4)),
    "an lzma file": ("lzma", lambda lzma, data, _: _streams(lzma.LZMADecompressor, data)),
    "a zip archive": ("zipfile", _unzip),
}
