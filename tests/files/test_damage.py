"""Every damage to a file is refused, and every forgery but that of finite weights."""

from __future__ import annotations

import json
import os
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from container_examples import (
    METADATA,
    QUOTED,
    example,
    forge,
    join,
    layout,
    refused,
    same,
    split,
)

from pycharrnn.errors import ModelFileError
from pycharrnn.files import container as storage


def test_every_truncation_is_refused(path: Path, data: bytes) -> None:
    end = 8 + int.from_bytes(data[:8], "little")
    for length in range(len(data)):
        match = f"{length} bytes, its header calls for {len(data)}" if length >= end else f"announces.* of {length};"
        refused(path, data[:length], match if length else "is not a pycharrnn model: it is empty")


def test_every_changed_byte_is_refused(path: Path, data: bytes) -> None:
    for position, byte in enumerate(data):
        for value in {byte ^ 0x01, byte ^ 0x80, 0x00, 0xFF} - {byte}:
            refused(path, data[:position] + bytes([value]) + data[position + 1 :])


def test_random_cuts_swaps_and_insertions_are_refused(path: Path, data: bytes) -> None:
    rng = random.Random(5)
    for _ in range(600):
        i, j, k = sorted(rng.sample(range(len(data) + 1), 3))
        a = data[:i]
        b = data[i:j]
        c = data[j:k]
        d = data[k:]
        for damaged in (a + c + b + d, a + c + d, a + b + b + c + d, a + rng.randbytes(8) + b + c + d):
            if damaged != data:
                refused(path, damaged)


@pytest.mark.parametrize("extra", [b"\0", b" ", b"\n", b"\0" * 4096, b"PK\5\6" + b"\0" * 18])
def test_trailing_bytes_are_refused(path: Path, data: bytes, extra: bytes) -> None:
    message = refused(path, data + extra, "bytes, its header calls for")
    assert str(len(data)) in message
    assert str(len(data + extra)) in message
    assert "save it again or fetch the file anew" in message


def test_changed_weight_is_a_checksum_error(path: Path, data: bytes) -> None:
    refused(path, data[:-1] + bytes([data[-1] ^ 1]), "checksum")


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"\x80\x04K\x01.", b"PK\3\4" * 9, b"#!/bin/sh", b"\xff" * 64])
def test_other_files_are_refused(path: Path, content: bytes) -> None:
    refused(path, content)


def test_other_safetensors_file_is_refused(path: Path) -> None:
    refused(path, safetensors.numpy.save(example()), "no pycharrnn entry")
    refused(path, safetensors.numpy.save(example(), {"format": "pt"}), "no pycharrnn entry")


TENSOR_B = b'"b":{"dtype":"F64","shape":[10],"data_offsets":[0,80]}'
TENSOR_W = b'"W":{"dtype":"F32","shape":[10,10],"data_offsets":[80,480]}'


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (TENSOR_B, TENSOR_B.replace(b"F64", b"F16"), "tensor 'b'.*F16.*F64"),
        (TENSOR_B, TENSOR_B.replace(b"F64", b"I64"), "tensor 'b'.*I64.*F64"),
        (TENSOR_B, TENSOR_B.replace(b'"F64"', b"null"), "tensor 'b'"),
        (TENSOR_B, TENSOR_B.replace(b"[10]", b"[5,2]"), "tensor 'b'"),
        (TENSOR_B, TENSOR_B.replace(b"[10]", b"[-10]"), "tensor 'b'"),
        (TENSOR_B, TENSOR_B.replace(b"[10]", b"[10.0]"), "canonical"),
        (TENSOR_B, TENSOR_B.replace(b"[0,80]", b"[-0,80]"), "canonical"),
        (TENSOR_B, TENSOR_B.replace(b"[0,80]", b"[false,80]"), "canonical"),
        (TENSOR_B, TENSOR_B.replace(b"[0,80]", b"[NaN,80]"), "tensor 'b'"),
        (TENSOR_B, TENSOR_B.replace(b"}", b',"x":1}'), "tensor 'b'"),
        (TENSOR_B, b'"b":' + b"[" * 99999 + b"]" * 99999, "is not an intact"),
        (TENSOR_B, b'"b":' + b"9" * 9999, "digits"),
        (TENSOR_W, TENSOR_W.replace(b"[80,480]", b"[0,400]"), "tensor 'W'.*0, 400"),  # overlap
        (TENSOR_W, TENSOR_W.replace(b"[80,480]", b"[88,488]"), "tensor 'W'.*88, 488"),  # hole
        (TENSOR_W, TENSOR_W.replace(b"10,10", b"1000000,1000000"), "tensor 'W'.*1000000"),
        (TENSOR_W, TENSOR_W + b"," + TENSOR_W, "canonical"),  # repeated, alike
        (TENSOR_W, TENSOR_W.replace(b"80", b"0") + b"," + TENSOR_W, "canonical"),  # repeated, differing
        (TENSOR_B + b"," + TENSOR_W, TENSOR_W + b"," + TENSOR_B, "canonical"),
        (TENSOR_W, TENSOR_W.replace(b'"W"', b'"V"'), "tensor 'V'.*nothing"),
        (TENSOR_W + b",", b"", "tensor 'W'.*nothing"),
        (TENSOR_W, TENSOR_W + b',"x":{"dtype":"U8","shape":[0],"data_offsets":[480,480]}', "tensor 'x'"),
        (QUOTED, rb"\"size\":9", "tensor 'W'"),
        (QUOTED, rb"\"size\":1000000", "tensor 'W'.*1000000"),
        (QUOTED, rb"\"size\":-10", "metadata is wrong: ValueError: size must be"),
        (QUOTED, rb"\"size\":10.0", "metadata is wrong|canonical"),
        (QUOTED, rb"\"size\":1e1", "canonical"),
        (QUOTED, rb"\"sise\":10", "metadata is wrong: KeyError: 'size'|canonical"),
        (QUOTED, rb"\"size\":10,\"size\":10", "canonical"),
        (QUOTED, rb"\"size\":9,\"size\":10", "canonical"),
        (QUOTED, rb"\"size\": 10", "canonical"),
        (QUOTED, rb"\"si\\u007ae\":10", "canonical"),
        (QUOTED, rb"\"size\":10,\"z\":NaN", "JSON"),
        (QUOTED, rb"\"size\":10,\"z\":-Infinity", "JSON"),
        (QUOTED, rb"\"size\":10,\"z\":1e999", "JSON"),
        (QUOTED, rb"\"size\":10,\"z\":" + b"9" * 9999, "digits"),
        (QUOTED, rb"\"size\":10,\"z\":" + b"[" * 99999 + b"]" * 99999, "is not an intact"),
        (QUOTED, rb"\"size\":10,\"z\":", "line 1 column"),
        (rb"\"format\":", rb"\"extra\":1,\"format\":", "keys.*extra"),
        (rb"\"format\":", rb"\"former\":", "no pycharrnn entry"),
        (rb"\"format_version\":1,", b"", "no pycharrnn entry"),
        (rb"\"format_version\":1", rb"\"format_version\":1.0", "version 1.0"),
        (rb"\"format_version\":1", rb"\"format_version\":true", "version True"),
        (rb"\"format_version\":1", rb"\"format_version\":0", "version 0"),
        (rb"\"format_version\":1", rb"\"format_version\":\"1\"", "version '1'"),
        (rb"pycharrnn model", rb"pycharrnn muddle", "format 'pycharrnn muddle'"),
        (rb'{"pycharrnn":', rb'{"a":"b","pycharrnn":', "canonical"),
        (rb'{"pycharrnn":', rb'{"pycharrnn":"{}","pycharrnn":', "canonical"),
        (rb'{"pycharrnn":', rb'{"pycharrn":', "no pycharrnn entry"),
        (b'{"__metadata__"', b' {"__metadata__"', "canonical"),
        (b'{"__metadata__"', b'{ "__metadata__"', "canonical"),
        (b'{"__metadata__"', b'{"\xc3\xa9":1,"__metadata__"', "ascii"),
        (b'{"__metadata__"', b'{"\xff":1,"__metadata__"', "ascii"),
        (b'{"__metadata__"', b'\xef\xbb\xbf{"__metadata__"', "ascii"),
    ],
)  # fmt: skip
def test_forged_header_is_refused(path: Path, data: bytes, old: bytes, new: bytes, match: str) -> None:
    refused(path, forge(data, old, new), match)
    # The digest of the untouched file is the right one where only the spelling differs.
    header, body = split(data)
    refused(path, join(header.replace(old, new, 1), body), match)


def test_more_padding_is_refused(path: Path, data: bytes) -> None:
    header, body = split(data)
    padded = header + b" " * (-len(header) % 8 + 8)
    refused(path, len(padded).to_bytes(8, "little") + padded + body, "canonical")


SHAPELESS = [b"", b"1", b"[]", b'"text"', b"null", b"{}", b"NaN", b"[" * 9999]
SHAPELESS += [b'{"__metadata__":%s}' % value for value in (b"1", b"[]", b"{}", b'"pycharrnn"')]
SHAPELESS += [
    b'{"__metadata__":{"pycharrnn":%s}}' % about
    for about in (b"1", b"{}", b'""', b'"1"', b'"["', b'"[]"', b'"null"', b'"{}"')
]
SHAPELESS += [
    rb'{"__metadata__":{"pycharrnn":"{\"format\":\"pycharrnn model\",\"format_version\":1%s}"}}' % more
    for more in (
        b"",
        rb",\"metadata\":{}",
        rb",\"sha256\":\"\"",
        rb",\"metadata\":[],\"sha256\":\"\"",
        rb",\"metadata\":{},\"sha256\":1",
    )
]


@pytest.mark.parametrize("header", SHAPELESS)
def test_header_of_another_shape_is_refused(path: Path, header: bytes) -> None:
    refused(path, join(header, b""), layout=lambda metadata: {})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["W", "b"])
def test_forged_weights_that_are_not_finite_are_refused(path: Path, data: bytes, name: str, value: float) -> None:
    weights = example()[name]
    forged = forge(data, weights.flat[3].tobytes(), np.array(value, weights.dtype).tobytes())
    refused(path, forged, f"tensor '{name}' holds NaN or infinite")


def test_forged_finite_weight_is_beyond_a_checksum(path: Path, data: bytes) -> None:
    """Control for the tests above: their forgeries are refused for what they forge."""
    path.write_bytes(forge(data, example()["b"].tobytes(), np.zeros(10).tobytes()))
    tensors, _ = storage.load(path, layout)
    assert same(tensors, example() | {"b": np.zeros(10)})


@pytest.mark.parametrize("error", [ValueError, KeyError, TypeError, ModelFileError])
def test_layout_refuses_metadata(path: Path, error: type[Exception]) -> None:
    def refuse(metadata: dict[str, Any]) -> storage.Specs:
        raise error("size")

    with pytest.raises(ModelFileError, match=rf"m\.safetensors.*metadata is wrong: {error.__name__}.*size"):
        storage.load(path, refuse)


@pytest.mark.parametrize(
    ("shape", "size", "match"),
    [
        ((-1, 0), 0, "cannot have shape"),
        ((-5, -5), 25, "cannot have shape"),
        ((25.0,), 25, "cannot have shape"),
        ((True,), 1, "cannot have shape"),
        (("0",), 0, "cannot have shape"),
        ((10**30, 0), 0, "cannot have shape"),
        ((2**62, 2**62, 0), 0, "too big"),
        ((0,) * 99, 0, "dimension"),
        # The product is 4 in 64 bits.
        ((4194305, 4194305, 211106198978564), 4, "the metadata calls for .*3713821298447761542108676100"),
    ],
)
def test_layout_with_impossible_shapes(tmp_path: Path, shape: tuple[Any, ...], size: int, match: str) -> None:
    """Even where header, length and checksum agree with the layout."""
    storage.save(tmp_path / "m", {"x": np.zeros(size, "uint8")}, {})
    spelt = json.dumps(shape, separators=(",", ":")).encode()
    data = forge((tmp_path / "m").read_bytes(), b'"shape":[%d]' % size, b'"shape":' + spelt)
    refused(tmp_path / "m", data, match, layout=lambda metadata: {"x": (shape, "uint8")})


def test_metadata_that_is_no_object_is_refused(tmp_path: Path) -> None:
    """Even where no layout looks at it."""
    storage.save(tmp_path / "m", {}, {})
    for other in (b"[]", b"null", b"1"):
        data = forge((tmp_path / "m").read_bytes(), rb"\"metadata\":{}", rb"\"metadata\":" + other)
        refused(tmp_path / "n", data, "no object", layout=lambda metadata: {})


def test_layout_with_unknown_dtype(path: Path) -> None:
    with pytest.raises(ModelFileError, match="tensor 'W' has dtype float16; supported are"):
        storage.load(path, lambda metadata: {"W": ((10, 10), "float16")})


def peak_memory(function: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("header_too", [False, True])
def test_a_million_million_elements_cost_nothing(path: Path, data: bytes, header_too: bool) -> None:
    data = forge(data, QUOTED, rb"\"size\":1000000")
    if header_too:  # a header that agrees with its metadata; only the length of the file tells
        for old, new in [
            (b"[10],{}[0,80]", b"[1000000],{}[0,8000000]"),
            (b"[10,10],{}[80,480]", b"[1000000,1000000],{}[8000000,4000008000000]"),
            (b"[10],{}[480,520]", b"[1000000],{}[4000008000000,4000012000000]"),
            (b"[1000],{}[520,1520]", b"[100000000],{}[4000012000000,4000112000000]"),
        ]:
            data = forge(data, old.replace(b"{}", b'"data_offsets":'), new.replace(b"{}", b'"data_offsets":'))
    match = "calls for 40001120" if header_too else "tensor 'W'"
    assert peak_memory(lambda: refused(path, data, match)) < 200_000


@pytest.mark.parametrize("length", [2**20 + 8, 2**31, 2**63, 2**64 - 1])
def test_header_length_is_bounded(path: Path, data: bytes, length: int) -> None:
    huge = length.to_bytes(8, "little") + data[8:] + bytes(2**20)
    told = str(length) if length < 2**40 else "does not begin like one"  # no header has so many bytes
    assert peak_memory(lambda: refused(path, huge, told)) < 200_000


def test_memory_is_twice_the_file(tmp_path: Path) -> None:
    tensors = example(size=1000)
    storage.save(tmp_path / "m", tensors, METADATA | {"size": 1000})
    size = (tmp_path / "m").stat().st_size
    assert size > 4_000_000
    assert peak_memory(lambda: storage.load(tmp_path / "m", layout)) < 2 * size + 100_000


def test_file_cut_while_it_is_read(path: Path, data: bytes) -> None:
    def cut(metadata: dict[str, Any]) -> storage.Specs:
        os.truncate(path, 8200)
        return {"x": ((20_000,), "uint8")}

    storage.save(path, {"x": np.zeros(20_000, "uint8")}, {})
    with pytest.raises(ModelFileError, match="cut short"):
        storage.load(path, cut)
