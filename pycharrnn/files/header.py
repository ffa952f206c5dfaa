"""What stands before the tensors of a file, in the one spelling that is written and accepted.

The file, byte by byte::

    8 bytes   length of the header, little-endian
    header    ASCII JSON, filled up with spaces to a multiple of 8 bytes
    tensors   little-endian, C order, without gaps; sorted by dtype (widest first), then by name

    header  = {"__metadata__": {"pycharrnn": about}, name: {"dtype", "shape", "data_offsets"}, ...}
    about   = JSON text of {"format", "format_version", "metadata", "sha256"}, keys sorted, no spaces
    sha256  = SHA-256 of the whole file with 64 zeros where the digest stands

Metadata, shapes and digest determine every byte of the header. So most of reading is to build the header that a writer
would have written, and to compare: spaces, repeated keys or overlapping offsets show up. Hence the header is made here
and not by the safetensors package: it must be the same for all versions of that package, and a check must not copy the
tensors. The checksum finds accidents; a forger computes it anew, so nothing here trusts it. No text in a file is used
as code, class or path.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np

from pycharrnn.errors import ModelFileError
from pycharrnn.files.rounding import BFLOAT16

__all__ = ["Claims", "Header", "Specs", "format_name", "printable"]

Specs = dict[str, tuple[tuple[int, ...], str]]
"""The shape and the dtype's name of each tensor."""

VERSION = 1
"""The newest version of the format: the one that is written."""

_OPENERS = {"model": ": use CharRNN.load", "checkpoint": ": use CharRNN.resume"}
"""Each kind of file, and what a reader of another kind says of it."""

_KEYS = {"format", "format_version", "metadata", "sha256"}
_NO_DIGEST = "0" * 64
_MOST_BRACKETS = 10_000  # two for each tensor, and some: a megabyte of them would take long to parse
_PART = 1 << 20  # bytes that are hashed at once: between two parts an interrupt comes through
_LONGEST = 300  # characters of a file that a message quotes

# NumPy's name -> safetensors' name, in the official writer's order, which aligns every tensor.
_DTYPES = {
    **{"int64": "I64", "float64": "F64", "float32": "F32", "uint32": "U32", "int32": "I32"},
    **{BFLOAT16: "BF16", "uint8": "U8"},
}


def format_name(kind: str) -> str:
    """Return the name that a file of this kind gives itself.

    Raises
    ------
    ValueError
        If there is no such kind.

    Examples
    --------
    >>> format_name("model")
    'pycharrnn model'
    """
    if kind not in _OPENERS:
        raise ValueError(f"kind must be one of {sorted(_OPENERS)}, not {kind!a}")
    return f"pycharrnn {kind}"


@dataclass(frozen=True)
class Header:
    """The header of a file: what is said about it, and where each tensor lies.

    Parameters
    ----------
    kind : {"model", "checkpoint"}
        What the file is.
    metadata : dict
        What JSON gives back unchanged.
    specs : dict
        Shape and dtype of each tensor by name.
    version : int
        The version of the format.
    digest : str
        The SHA-256 in the header: 64 zeros until it is known.

    Raises
    ------
    ValueError
        If `entries` are asked for, and a tensor has a name, a dtype or a shape that no file can hold.

    Examples
    --------
    >>> header = Header("model", {"size": 2}, {"W": ((2, 2), "float64")})
    >>> header.entries, header.body_size
    ({'W': {'dtype': 'F64', 'shape': [2, 2], 'data_offsets': [0, 32]}}, 32)
    >>> len(header.encode()) % 8
    0
    """

    kind: str
    metadata: dict[str, Any]
    specs: Specs
    version: int = VERSION
    digest: str = _NO_DIGEST

    @cached_property
    def entries(self) -> dict[str, dict[str, Any]]:
        """The tensors as the header lists them, in the order of the file; all sizes are Python ints."""
        for name, (shape, dtype) in self.specs.items():
            if not (name.isascii() and name.isprintable()) or name == "__metadata__":
                raise ValueError(f"tensor name {name!a}: use printable ASCII, and not '__metadata__'")
            if dtype not in _DTYPES:
                raise ValueError(f"tensor {name!a} has dtype {dtype}; supported are {', '.join(_DTYPES)}")
            if not all(type(n) is int and 0 <= n < 1 << 63 for n in shape):
                raise ValueError(f"tensor {name!a} cannot have shape {shape}")
        order = list(_DTYPES)
        entries = {}
        end = 0
        for name, (shape, dtype) in sorted(self.specs.items(), key=lambda item: (order.index(item[1][1]), item[0])):
            start, end = end, end + math.prod(shape) * (2 if dtype == BFLOAT16 else np.dtype(dtype).itemsize)
            entries[name] = {"dtype": _DTYPES[dtype], "shape": list(shape), "data_offsets": [start, end]}
        return entries

    @property
    def body_size(self) -> int:
        """Bytes of all tensors."""
        return max((entry["data_offsets"][1] for entry in self.entries.values()), default=0)

    def encode(self) -> bytes:
        """Return everything that stands before the tensors."""
        about = {
            "format": format_name(self.kind),
            "format_version": self.version,
            "metadata": self.metadata,
            "sha256": self.digest,
        }
        text = _json({"__metadata__": {"pycharrnn": _json(about, sort_keys=True)}, **self.entries})
        text += " " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text.encode("ascii")

    def signed(self, body: Iterable[bytes | memoryview]) -> Self:
        """Return the header with the digest of a file with these tensors."""
        import hashlib  # here, for it is slow to import and seldom needed

        digest = hashlib.sha256(replace(self, digest=_NO_DIGEST).encode())
        for piece in body:
            for start in range(0, len(piece), _PART):
                digest.update(memoryview(piece)[start : start + _PART])
        return replace(self, digest=digest.hexdigest())


class Claims(NamedTuple):
    """What the header of a file claims, before any of it is believed.

    Parameters
    ----------
    kind : str
        What the file must be.
    metadata : dict
        The metadata.
    version : int
        The version of the format.
    digest : str
        The SHA-256.
    entries : dict
        The tensors as the header lists them.
    """

    kind: str
    metadata: dict[str, Any]
    version: int
    digest: str
    entries: dict[str, Any]

    @classmethod
    def parse(cls, text: bytes, kind: str) -> Self:
        """Read the JSON of a header; ModelFileError if the file is something else, ValueError if it is damaged."""
        if text.count(b"[") + text.count(b"{") > _MOST_BRACKETS:
            raise ValueError(f"its header has more than {_MOST_BRACKETS:,} brackets")
        header = json.loads(text.decode("ascii"))
        try:
            said = header.pop("__metadata__")["pycharrnn"]
            about = json.loads(said)
            found, version = about["format"], about["format_version"]
        except (AttributeError, KeyError, TypeError) as error:
            if _is_foreign(header):
                raise ModelFileError(
                    f"is not a pycharrnn {kind}: it is a safetensors file of another program, with no "
                    "pycharrnn entry in its header"
                ) from error
            raise ValueError("its header has no pycharrnn entry with a format and a version") from error
        _check_format(found, version, kind)
        if about.keys() != _KEYS or not isinstance(about["metadata"], dict):
            raise ValueError(f"its pycharrnn entry has keys {sorted(about)}, or metadata that is no object")
        if said != _json(about, sort_keys=True):  # which knows no NaN either
            raise ValueError("its pycharrnn entry is not canonical JSON (spaces, escapes, repeated keys, ...)")
        return cls(kind, about["metadata"], version, about["sha256"], header)

    def header(self, specs: Specs) -> Header:
        """Return the header that a file with these tensors has; ValueError if it lists others."""
        header = Header(self.kind, self.metadata, specs, self.version, self.digest)
        for name in sorted(self.entries.keys() | header.entries.keys()):
            has, wants = self.entries.get(name, "nothing"), header.entries.get(name, "nothing")
            if has != wants:
                raise ValueError(f"tensor {name!a}: the header has {has}, the metadata calls for {wants}")
        return header


def _check_format(found: object, version: object, kind: str) -> None:
    """Refuse another kind of file, and a newer version."""
    for other, opener in _OPENERS.items():
        if found == format_name(other) != format_name(kind):
            raise ModelFileError(f"is a pycharrnn {other}, not a {kind}{opener}")
    if found != format_name(kind) or type(version) is not int or version < 1:  # True is an int, too
        raise ValueError(f"it has the format {found!a}, version {version!a}")
    if version > VERSION:
        raise ModelFileError(
            f"has format version {printable(version)}, this pycharrnn reads up to {VERSION}: upgrade pycharrnn"
        )


def _is_foreign(header: object) -> bool:
    """Whether this is the header of a safetensors file that was never a model's."""
    if not isinstance(header, dict) or "pycharrnn" in (header.get("__metadata__") or ()):
        return False
    return all(isinstance(entry, dict) and "dtype" in entry for name, entry in header.items() if name != "__metadata__")


def _json(value: dict[str, Any], sort_keys: bool = False) -> str:
    return json.dumps(value, sort_keys=sort_keys, separators=(",", ":"), allow_nan=False)


def printable(value: object) -> str:
    r"""Return printable ASCII of bounded length: text out of a file must not reach a terminal as it is.

    Examples
    --------
    >>> print(printable("red \x1b[31m"))
    red \x1b[31m
    """
    return "".join(c if c.isascii() and c.isprintable() else ascii(c)[1:-1] for c in str(value)[:_LONGEST])
