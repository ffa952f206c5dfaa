"""Files to write, damage and forge: what the tests of files share."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pycharrnn.errors import ModelFileError
from pycharrnn.files import container as storage

Tensors = dict[str, npt.NDArray[Any]]

DTYPES = ["float32", "float64", "uint32", "int32", "int64", "uint8"]
SHAPES: list[tuple[int, ...]] = [(), (0,), (0, 3), (1,), (5,), (2, 3), (2, 1, 3, 2)]
METADATA: dict[str, Any] = {
    "size": 10,
    "note": 'naïve "q" \\ \n \ud800',
    "list": [1.5, None, True, {"a": -0.0}],
}
EXAMPLE_DTYPES = {"W": "float32", "b": "float64", "ids": "uint32", "bytes": "uint8"}
ZEROS = b"0" * 64
QUOTED = rb"\"size\":10"  # how the size stands in a header


def layout(metadata: dict[str, Any]) -> storage.Specs:
    """The kind of function that a model gives: few bounded integers in, all shapes out."""
    size = metadata["size"]
    if type(size) is not int or not 0 < size <= 10**6:
        raise ValueError(f"size must be an integer in [1, 10**6], not {size}")
    shapes = {"W": (size, size), "b": (size,), "ids": (size,), "bytes": (100 * size,)}
    return {name: (shapes[name], dtype) for name, dtype in EXAMPLE_DTYPES.items()}


def example(size: int = 10, seed: int = 1) -> Tensors:
    rng = np.random.default_rng(seed)
    return {
        "W": rng.normal(size=(size, size)).astype("float32"),
        "b": rng.normal(size=size),
        "ids": np.arange(size, dtype="uint32"),
        "bytes": rng.integers(256, size=100 * size, dtype="uint8"),
    }


def as_saved(tensors: Tensors) -> Callable[[dict[str, Any]], storage.Specs]:
    return lambda metadata: {name: (array.shape, array.dtype.name) for name, array in tensors.items()}


def same(left: Tensors, right: Tensors) -> bool:
    """Equal to the bit, in dtype and in shape."""

    def content(tensors: Tensors) -> dict[str, object]:
        return {name: (array.dtype, array.shape, array.tobytes()) for name, array in tensors.items()}

    return content(left) == content(right)


def refused(path: Path, data: bytes, match: str = "m", **options: Any) -> str:
    """Load these bytes, demand the one error, and return its message."""
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=match) as caught:
        storage.load(path, options.pop("layout", layout), **options)
    assert ascii(str(path)) in str(caught.value)
    return str(caught.value)


def split(data: bytes) -> tuple[bytes, bytes]:
    end = 8 + int.from_bytes(data[:8], "little")
    return data[8:end].rstrip(b" "), data[end:]


def join(header: bytes, body: bytes) -> bytes:
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + body


def forge(data: bytes, old: bytes, new: bytes) -> bytes:
    """Do what an attacker can: change header or tensors, then make length and checksum right again."""
    header, body = split(data)
    header = re.sub(rb'(sha256\\":\\")[0-9a-f]{64}', rb"\g<1>" + ZEROS, header)
    assert not old or (old in header) != (old in body)
    data = join(header.replace(old, new, 1), body.replace(old, new, 1))
    return data.replace(ZEROS, hashlib.sha256(data).hexdigest().encode(), 1)
