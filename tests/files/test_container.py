"""Files: a frozen format, everything comes back, and errors say what a file is."""

from __future__ import annotations

import errno
import gzip
import json
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from container_examples import (
    DTYPES,
    METADATA,
    QUOTED,
    SHAPES,
    Tensors,
    as_saved,
    example,
    forge,
    join,
    layout,
    refused,
    same,
    split,
)

from pycharrnn import CharRNN, read_documents
from pycharrnn.errors import ModelFileError
from pycharrnn.files import atomic
from pycharrnn.files import container as storage


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


@pytest.mark.parametrize("version", [2, 7])
def test_future_version_names_both_versions(path: Path, data: bytes, version: int) -> None:
    newer = forge(data, rb"\"format_version\":1", rb"\"format_version\":%d" % version)
    message = refused(path, newer, f"version {version}.*up to 1: upgrade pycharrnn")
    assert "fetch" not in message
    # A later version may keep other things beside, or instead of, what this one knows.
    refused(path, forge(newer, rb"\"metadata\"", rb"\"meta\""), f"version {version}.*up to 1")


@pytest.mark.parametrize(
    ("saved", "asked", "use"),
    [("checkpoint", "model", ": use CharRNN.resume"), ("model", "checkpoint", ": use CharRNN.load")],
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


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "it is empty"),
        (b"to be", "it looks like text"),
        ("caf\u00e9, it was the best of times\n".encode() * 50, "it looks like text"),
        ("it was".encode("utf-16"), "it looks like text"),
        (b'{"text": "a"}', "it looks like text"),
        (gzip.compress(b"a", mtime=0), "it looks like a gzip file"),
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


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="a file of Linux whose first byte cannot be read")
@pytest.mark.parametrize(
    "read",
    [
        CharRNN.load,
        lambda path: CharRNN.resume(path, "a text"),
        lambda path: CharRNN(max_updates=1).fit(Path(path)),
        lambda path: read_documents(path, "lines"),
    ],
    ids=["load", "resume", "fit", "read_documents"],
)
def test_a_file_on_a_failing_disk_is_named(read):
    with pytest.raises(OSError, match="Input/output error") as caught:
        read("/proc/self/mem")
    assert caught.value.filename == "/proc/self/mem"
