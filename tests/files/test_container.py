"""Model files: a frozen format, every damage refused, every crash survived."""

import doctest
import errno
import gzip
import hashlib
import io
import json
import os
import pickle
import random
import re
import signal
import stat
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import safetensors
import safetensors.numpy

from pycharrnn.errors import ModelFileError
from pycharrnn.files import atomic
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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A saved example, alone in its folder."""
    storage.save(tmp_path / "m.safetensors", example(), METADATA)
    return tmp_path / "m.safetensors"


@pytest.fixture
def data(path: Path) -> bytes:
    return path.read_bytes()


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


# --- what comes back


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_round_trip(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    tensors = {"x": np.random.default_rng(3).uniform(0, 255, shape).astype(dtype), "y": np.ones(3, "uint8")}
    storage.save(tmp_path / "m", tensors, {}, kind="checkpoint")
    loaded, metadata = storage.load(tmp_path / "m", as_saved(tensors), kind="checkpoint")
    assert same(loaded, tensors)
    assert metadata == {}
    assert all(array.flags.writeable and array.flags.owndata for array in loaded.values())
    assert same(safetensors.numpy.load_file(tmp_path / "m"), tensors)


def test_metadata_round_trip(path: Path) -> None:
    tensors, metadata = storage.load(str(path), layout)
    assert same(tensors, example())
    assert repr(metadata) == repr(dict(sorted(METADATA.items())))  # -0.0 and True as they were


def test_special_floats_keep_their_bits(tmp_path: Path) -> None:
    tensors: Tensors = {}
    for dtype in (np.float32, np.float64):
        info = np.finfo(dtype)
        tensors[info.dtype.name] = np.array([-0.0, info.max, info.min, info.smallest_subnormal], dtype)
    storage.save(tmp_path / "m", tensors, {})
    assert same(storage.load(tmp_path / "m", as_saved(tensors))[0], tensors)


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
        lambda a: a.astype(a.dtype.newbyteorder(">")),
        lambda a: np.asfortranarray(a.astype(a.dtype.newbyteorder(">"))),
        # unaligned and read-only
        lambda a: np.frombuffer(b"." + a.tobytes(), a.dtype, offset=1).reshape(a.shape),
    ],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_order_does_not_matter(tmp_path: Path, dtype: str, change: Callable[..., Any]) -> None:
    plain = np.arange(12).reshape(3, 4).astype(dtype)
    storage.save(tmp_path / "plain", {"x": plain}, {})
    odd = change(plain)
    storage.save(tmp_path / "odd", {"x": odd}, {})
    assert (tmp_path / "odd").read_bytes() == (tmp_path / "plain").read_bytes()
    assert np.array_equal(odd, plain)


def test_no_tensors(tmp_path: Path) -> None:
    storage.save(tmp_path / "m", {}, {"only": "words"})
    assert storage.load(tmp_path / "m", lambda metadata: {}) == ({}, {"only": "words"})


# --- the format


def test_format_is_frozen(tmp_path: Path) -> None:
    """A change here means that old files cannot be read any more: it takes a new format version."""
    tensors = {"b": np.array([258], "int32"), "a": np.array(1.0), "c": np.array([7], "uint8")}
    storage.save(tmp_path / "m", tensors, {"k": "é"})
    header = (
        r'{"__metadata__":{"pycharrnn":"{\"format\":\"pycharrnn model\",\"format_version\":1,'
        r"\"metadata\":{\"k\":\"\\u00e9\"},"
        r'\"sha256\":\"fc69df1eabc888a5adcb571ced3de8e5185c6bd3f54b940159d215892d448873\"}"},'
        r'"a":{"dtype":"F64","shape":[],"data_offsets":[0,8]},'
        r'"b":{"dtype":"I32","shape":[1],"data_offsets":[8,12]},'
        r'"c":{"dtype":"U8","shape":[1],"data_offsets":[12,13]}}'
    )
    expected = join(header.encode(), b"\0\0\0\0\0\0\xf0\x3f" + b"\2\1\0\0" + b"\7")
    assert (tmp_path / "m").read_bytes() == expected


def test_checksum_is_of_the_file_with_zeros_for_the_digest(data: bytes) -> None:
    assert forge(data, b"", b"") == data


def test_official_library_reads_it(path: Path) -> None:
    assert same(safetensors.numpy.load_file(path), example())
    with safetensors.safe_open(path, "np") as file:
        about = json.loads(file.metadata()["pycharrnn"])
    assert about["metadata"] == METADATA
    assert about["format"] == "pycharrnn model"


def test_official_library_writes_the_same_bytes(path: Path, data: bytes) -> None:
    tensors = {dtype + digit: np.arange(3).astype(dtype) for digit in "21" for dtype in DTYPES}
    storage.save(path, tensors, METADATA)
    data = path.read_bytes()
    about = json.loads(split(data)[0])["__metadata__"]
    assert safetensors.numpy.save(tensors, about) == data


def test_same_input_same_bytes(path: Path, data: bytes, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "other name"
    other.parent.mkdir()
    storage.save(other, dict(reversed(example().items())), dict(reversed(METADATA.items())))
    assert other.read_bytes() == data
    storage.save(path, *storage.load(other, layout))
    assert path.read_bytes() == data


# --- damage


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
        a, b, c, d = data[:i], data[i:j], data[j:k], data[k:]
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


# --- forgery

TENSOR_B = b'"b":{"dtype":"F64","shape":[10],"data_offsets":[0,80]}'
TENSOR_W = b'"W":{"dtype":"F32","shape":[10,10],"data_offsets":[80,480]}'
QUOTED = rb"\"size\":10"


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


# --- what errors say


def test_future_version_names_both_versions(path: Path, data: bytes) -> None:
    newer = forge(data, rb"\"format_version\":1", rb"\"format_version\":7")
    message = refused(path, newer, "version 7.*up to 1: upgrade pycharrnn")
    assert "fetch" not in message
    # A later version may keep other things beside, or instead of, what this one knows.
    refused(path, forge(newer, rb"\"metadata\"", rb"\"meta\""), "version 7.*up to 1")


@pytest.mark.parametrize(
    ("saved", "asked", "use"),
    [("checkpoint", "model", ", and this pycharrnn opens none"), ("model", "checkpoint", ": use CharRNN.load")],
)
def test_wrong_kind_says_what_to_use(path: Path, saved: str, asked: str, use: str) -> None:
    storage.save(path, example(), METADATA, kind=saved)
    message = refused(path, path.read_bytes(), f"is a pycharrnn {saved}, not a {asked}{use}", kind=asked)
    assert "fetch" not in message


def test_unknown_kind_is_the_callers_error(path: Path) -> None:
    with pytest.raises(ValueError, match=r"kind must be one of.*not 'modle'") as caught:
        storage.load(path, layout, kind="modle")
    assert not isinstance(caught.value, ModelFileError)
    with pytest.raises(ValueError, match=r"kind must be one of.*not 'modle'"):
        storage.save(path, example(), METADATA, kind="modle")


def test_messages_are_printable_and_short(path: Path, data: bytes) -> None:
    evil = path.with_name("\x1b[31m\n\u202eé")
    for old, new in [
        (b'"W"', rb'"\u001b[31m\u202e"'),
        (b'"W"', b'"' + b"x" * 100_000 + b'"'),
        (QUOTED, rb"\"size\":\"\\u001b[31m\\n\""),
        (b"pycharrnn model", rb"\\u001b[31m"),
    ]:
        message = refused(evil, forge(data, old, new))
        assert message.isascii()
        assert message.isprintable()
        assert len(message) < 1000


def test_missing_file_and_directory_stay_os_errors(tmp_path: Path) -> None:
    for error, target in [(FileNotFoundError, tmp_path / "none"), (IsADirectoryError, tmp_path)]:
        with pytest.raises(error) as caught:
            storage.load(target, layout)
        assert caught.value.filename == str(target)
    with pytest.raises(IsADirectoryError) as caught:
        storage.save(tmp_path, example(), METADATA)
    assert caught.value.filename == str(tmp_path)
    with pytest.raises(FileNotFoundError) as caught:
        storage.save(tmp_path / "no" / "m", example(), METADATA)
    assert caught.value.filename == str(tmp_path / "no")
    assert list(tmp_path.iterdir()) == []


def test_forbidden_file_stays_an_os_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(name: str, *args: Any, **options: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", name)

    for module in (storage, atomic):
        monkeypatch.setattr(module, "open", forbid, raising=False)
    with pytest.raises(PermissionError, match=r"m\.safetensors"):
        storage.load(path, layout)
    with pytest.raises(PermissionError, match=r"m\.safetensors"):
        storage.save(path, example(), METADATA)


@pytest.mark.parametrize(
    ("tensors", "metadata", "match"),
    [
        ({"W": np.array([1, np.nan])}, {}, "tensor 'W' holds NaN"),
        ({"W": np.array([[-np.inf]], ">f4")}, {}, "tensor 'W' holds NaN or inf"),
        ({"W": np.zeros(2, "float16")}, {}, "tensor 'W' has dtype float16"),
        ({"W": np.zeros(2, "uint64")}, {}, "tensor 'W' has dtype uint64"),
        ({"W": np.zeros(2, bool)}, {}, "tensor 'W' has dtype bool"),
        ({"W": np.zeros(2, complex)}, {}, "tensor 'W' has dtype complex128"),
        ({"W": np.array([None])}, {}, "tensor 'W' has dtype object"),
        ({"W": np.array(["a"])}, {}, "tensor 'W' has dtype str"),
        ({"\ud800": np.zeros(2)}, {}, "tensor name"),
        ({"a\n": np.zeros(2)}, {}, "tensor name"),
        ({"__metadata__": np.zeros(2)}, {}, "tensor name '__metadata__'"),
        ({}, {"a": float("nan")}, "JSON"),
        ({}, {"a": [float("-inf")]}, "JSON"),
        ({}, {"a": (1, 2)}, "use str keys and lists"),
        ({}, {"a": {1: 2}}, "use str keys and lists"),
        ({}, {"a": {1: 2, "1": 3}}, "use str keys and lists|not supported between"),
        ({}, {"a": "\ud83d\ude00"}, "use str keys and lists"),  # comes back as one character
        ({}, {"a": np.int64(1)}, "not JSON serializable"),
        ({}, {"a": {1, 2}}, "not JSON serializable"),
        ({}, {"a": "x" * 2**20}, "1048576 are allowed"),
    ],
)  # fmt: skip
def test_what_cannot_be_stored_does_not_touch_the_disk(
    path: Path, data: bytes, tensors: Tensors, metadata: dict[str, Any], match: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=match):
        storage.save(path, tensors, metadata)
    with pytest.raises((ValueError, TypeError), match=match):
        storage.save(path.parent / "new", tensors, metadata)
    assert os.listdir(path.parent) == [path.name]
    assert path.read_bytes() == data


def test_largest_header_that_is_written_is_read(path: Path) -> None:
    room = 2**20 - len(split(path.read_bytes())[0]) - len(rb",\"z\":\"\"")
    metadata = METADATA | {"z": "x" * room}
    storage.save(path, example(), metadata)
    assert len(split(path.read_bytes())[0]) == 2**20
    assert storage.load(path, layout)[1] == metadata
    with pytest.raises(ValueError, match="1048584 bytes; 1048576 are allowed"):
        storage.save(path, example(), METADATA | {"z": "x" * (room + 1)})


# --- crashes while saving


class TornFile(io.FileIO):
    """Writes some bytes, then fails."""

    error: BaseException

    def writelines(self, pieces: Any) -> None:
        self.write(b"".join(pieces)[:100])
        raise self.error


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["open", "chmod", "write", "fsync", "replace"])
@pytest.mark.parametrize("existing", [True, False])
def test_a_fault_leaves_the_old_file_and_nothing_else(
    path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch, where: str, error: BaseException, existing: bool
) -> None:
    if not existing:
        path.unlink()
        if where == "chmod":  # which a new file does not need
            where = "fsync"

    def fail(*args: Any, **options: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        if where == "write":
            patch.setattr(TornFile, "error", error, raising=False)
            patch.setattr(atomic, "open", TornFile, raising=False)
        else:
            patch.setattr(os, where, fail)
        with pytest.raises(type(error)) as caught:
            storage.save(path, example(seed=2), METADATA)
    assert caught.value is error
    assert os.listdir(path.parent) == ([path.name] if existing else [])
    assert not existing or path.read_bytes() == data
    storage.save(path, example(seed=2), METADATA)
    assert same(storage.load(path, layout)[0], example(seed=2))


@pytest.mark.parametrize(("code", "raised"), [(errno.EIO, True), (errno.EINVAL, False)])
def test_a_folder_that_does_not_sync(path: Path, monkeypatch: pytest.MonkeyPatch, code: int, raised: bool) -> None:
    """An error is raised, unless the file system says that it has no such call; the new file is complete."""
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    if raised:
        with pytest.raises(OSError, match=os.strerror(code)):
            storage.save(path, example(seed=2), METADATA)
    else:
        storage.save(path, example(seed=2), METADATA)
    assert same(storage.load(path, layout)[0], example(seed=2))
    assert os.listdir(path.parent) == [path.name]


def test_order_of_a_save(path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """All bytes are durable before the name moves, the name is afterwards; the mode is right at once."""
    os.chmod(path, 0o600)
    events: list[object] = []
    real_chmod, real_fsync, real_replace = os.chmod, os.fsync, os.replace

    def chmod(name: str, mode: int) -> None:
        status = os.stat(name)
        events.append((status.st_size, stat.S_IMODE(status.st_mode)))
        real_chmod(name, mode)

    def fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        folder = stat.S_ISDIR(status.st_mode)
        events.append("folder" if folder else (status.st_size, stat.S_IMODE(status.st_mode)))
        real_fsync(descriptor)

    def replace(source: str, target: str) -> None:
        events.append("replace")
        name = os.path.basename(source)
        assert re.fullmatch(r"\.m\.safetensors\.[0-9a-f]{16}\.tmp", name)
        assert os.path.dirname(source) == str(path.parent)
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(os, "chmod", chmod)
    storage.save(path, example(), METADATA)
    assert events == [(0, 0o600), (len(data), 0o600), "replace", "folder"]


@pytest.mark.parametrize(("where", "survivor"), [("fsync", 1), ("replace", 1), ("close", 2)])
def test_kill_leaves_a_complete_file(path: Path, where: str, survivor: int) -> None:
    """SIGKILL at the sync of the file, at the replacement, and (os.close) after all is done."""
    storage.save(path.parent / "next", example(seed=2), METADATA)
    package = str(Path(storage.__file__).parents[2])
    script = f"""if True:
        import os, signal, sys
        sys.path.insert(0, {package!r})
        from pycharrnn.files import container as storage
        tensors, metadata = storage.load({str(path.parent / "next")!r}, lambda metadata: {layout(METADATA)!r})
        os.{where} = lambda *args, **options: os.kill(os.getpid(), signal.SIGKILL)
        storage.save({str(path)!r}, tensors, metadata)
        """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert same(storage.load(path, layout)[0], example(seed=survivor))
    storage.save(path, example(seed=3), METADATA)  # what a dead process left behind is in nobody's way
    assert same(storage.load(path, layout)[0], example(seed=3))


# --- permissions, links, names


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
def test_permissions(path: Path, monkeypatch: pytest.MonkeyPatch, umask: int) -> None:
    old = os.umask(umask)
    try:
        with monkeypatch.context() as patch:
            patch.delattr(os, "umask")  # changing it, even for a moment, would be seen by other threads
            storage.save(path.parent / "new", example(), METADATA)
            assert stat.S_IMODE((path.parent / "new").stat().st_mode) == 0o666 & ~umask
            for mode in (0o600, 0o640, 0o664, 0o444, 0o666):
                os.chmod(path, mode)
                storage.save(path, example(), METADATA)
                assert stat.S_IMODE(path.stat().st_mode) == mode
    finally:
        os.umask(old)


@pytest.mark.parametrize("dangling", [False, True])
def test_symbolic_link_stays_one(path: Path, dangling: bool) -> None:
    link = path.parent / "folder" / "link"
    link.parent.mkdir()
    link.symlink_to("../m.safetensors")
    if dangling:
        path.unlink()
    storage.save(link, example(seed=2), METADATA)
    assert os.readlink(link) == "../m.safetensors"
    assert not path.is_symlink()
    assert same(storage.load(path, layout)[0], example(seed=2))
    assert os.listdir(link.parent) == ["link"]


def test_what_is_not_a_file_is_not_replaced(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(OSError, match=r"is a directory or a device.*fifo"):
        storage.save(fifo, example(), METADATA)
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert os.listdir(tmp_path) == ["fifo"]


@pytest.mark.parametrize("name", ["x" * 255, "\U0001f600" * 63, ".hidden", "a b\n", "-"])
def test_odd_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    storage.save(name, example(), METADATA)
    assert os.listdir(tmp_path) == [name]
    assert same(storage.load(name, layout)[0], example())


def test_docstrings() -> None:
    results = doctest.testmod(storage)
    assert results.attempted >= 4
    assert results.failed == 0


# --- other files


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "it is empty"),
        (b"to be", "it looks like text"),
        ("caf\u00e9, it was the best of times\n".encode() * 50, "it looks like text"),
        ("it was".encode("utf-16"), "it looks like text"),
        (b'{"text": "a"}', "it looks like text"),
        (gzip.compress(b"a"), "it looks like a gzip file"),
        (b"PK\x03\x04" + bytes(50), "it looks like a zip archive"),
        (pickle.dumps({"W": [1.0]}), "it looks like a pickle"),
        (b"%PDF-1.7\n%\xe2\xe3", "it looks like a PDF document"),
        (b"\x93NUMPY\x01\x00", "it looks like a NumPy array"),
        (b"\x89HDF\r\n\x1a\n", "it looks like an HDF5 file"),
        (
            safetensors.numpy.save({"W": np.zeros(2)}),
            "it is a safetensors file of another program, with no pycharrnn entry",
        ),
        (safetensors.numpy.save({"W": np.zeros(2)}, {"format": "pt"}), "it is a safetensors file of another program"),
        (safetensors.numpy.save({}), "it is a safetensors file of another program"),
    ],
)
def test_another_file_is_named(path: Path, data: bytes, told: str) -> None:
    assert f"m.safetensors' is not a pycharrnn model: {told}" in refused(path, data)
    assert "is not a pycharrnn checkpoint: it" in refused(path, data, kind="checkpoint")


@pytest.mark.parametrize("seed", range(20))
def test_no_nonsense_is_said_of_random_bytes(path: Path, seed: int) -> None:
    told = refused(path, b"\xf8" + np.random.default_rng(seed).bytes(1000))
    assert "is not an intact pycharrnn model: it does not begin like one" in told
    assert not re.search("[0-9]{8}", told.replace(str(path), ""))
