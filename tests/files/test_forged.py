"""Files with a right checksum and wrong contents: refused, or what load reads save writes, byte for byte."""

from __future__ import annotations

import os
import random
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forgery import MODELS, Forgery, change, present, trained

from pycharrnn import CharRNN
from pycharrnn.errors import ModelFileError


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    found = []
    for index in range(len(MODELS)):
        path = tmp_path_factory.mktemp("files") / "m"
        trained(index).save(path)
        found.append(path.read_bytes())
    return found


def loaded(path: Path) -> tuple[CharRNN | None, str]:
    try:
        return CharRNN.load(path), ""
    except ModelFileError as error:
        return None, str(error)


def test_a_file_that_is_not_as_it_is_written_is_refused(files: list[bytes], tmp_path: Path) -> None:
    rng = random.Random(0)
    path, again = tmp_path / "m", tmp_path / "again"
    accepted = refused = 0
    for _ in range(600):
        forged = Forgery(rng.choice(files))
        for _ in range(rng.choice([1, 1, 2])):
            change(forged, rng)
        path.write_bytes(forged.data())
        model, message = loaded(path)
        if model is None:
            assert ascii(str(path)) in message
            assert len(message) < 1000
            refused += 1
            continue
        model.save(again)
        assert again.read_bytes() == present(path.read_bytes()), forged.metadata
        accepted += 1
    assert accepted > 20
    assert refused > 300


@pytest.mark.parametrize(
    ("index", "name", "value"),
    [
        (0, "learning_rate", -1.0),
        (0, "learning_rate", "0.1"),
        (0, "clip_value", 0.0),
        (0, "verbose", True),
        (0, "n_threads", 0),
        (0, "n_threads", True),
        (0, "n_threads", 2.0),
        (0, "n_threads", "2"),
        (0, "optimizer", {"eps": 1e-8, "name": "adagrad", "rate": 1}),
        (0, "optimizer", {"name": "adagrad"}),
        (1, "optimizer", {"beta1": -1.0, "beta2": 0.9, "eps": 1e-8, "name": "adam"}),
        (1, "optimizer", {"beta1": True, "beta2": 0.9, "eps": 1e-8, "name": "adam"}),
        (1, "schedule", {"at": [2.0], "factor": 0.3, "name": "step", "warmup": 0.0}),
        (1, "schedule", {"at": [0.5], "factor": -0.3, "name": "step", "warmup": 0.0}),
        (2, "schedule", {"factor": 0.5, "name": "plateau", "patience": 0, "warmup": 0.0}),
        (2, "ema_decay", 1.0),
    ],
)
def test_numbers_of_optimisers_and_schedules_are_checked(
    files: list[bytes], tmp_path: Path, index: int, name: str, value: Any
) -> None:
    forged = Forgery(files[index])
    forged.metadata["params"][name] = value
    (tmp_path / "m").write_bytes(forged.data())
    with pytest.raises(ModelFileError, match=r"m' is not an intact pycharrnn model: its metadata is wrong"):
        CharRNN.load(tmp_path / "m")


def test_a_parameter_that_is_missing_is_told(files: list[bytes], tmp_path: Path) -> None:
    for name in Forgery(files[0]).metadata["params"]:
        forged = Forgery(files[0])
        del forged.metadata["params"][name]
        (tmp_path / "m").write_bytes(forged.data())
        with pytest.raises(ModelFileError, match=f"{name}.*missing"):
            CharRNN.load(tmp_path / "m")


@pytest.mark.parametrize("points", [[0x110000], [0xFFFFFFFF], [98, 97], [97, 97], [119, 119]])
def test_wrong_code_points_are_an_error_of_the_file(files: list[bytes], tmp_path: Path, points: list[int]) -> None:
    forged = Forgery(files[0])
    start, end = forged.header["vocabulary"]["data_offsets"]
    found = np.frombuffer(bytes(forged.body[start:end]), "<u4").copy()
    found[-len(points) :] = points
    forged.body[start:end] = found.tobytes()
    (tmp_path / "m").write_bytes(forged.data())
    with pytest.raises(ModelFileError, match=r"m' is not .* its vocabulary has no increasing code points"):
        CharRNN.load(tmp_path / "m")


@pytest.mark.parametrize("filling", ["[],", "{},", "[", '{"a":', "0,", '"",', "-1e-9,"])
def test_a_header_of_a_megabyte_is_refused_at_once(tmp_path: Path, filling: str) -> None:
    text = ('{"__metadata__":[' + filling * (1_000_000 // len(filling)))[:1_000_000].encode()
    (tmp_path / "m").write_bytes(len(text).to_bytes(8, "little") + text + b"0" * 64)
    begin = time.process_time()
    with pytest.raises(ModelFileError):
        CharRNN.load(tmp_path / "m")
    assert time.process_time() - begin < 0.5  # mostly under 0.02; a machine may be slow


@pytest.mark.parametrize("filling", ["[],", "{},", "[", '{"a":'])
def test_brackets_are_counted_before_they_are_read(tmp_path: Path, filling: str) -> None:
    text = ('{"__metadata__":[' + filling * (1_000_000 // len(filling)))[:1_000_000].encode()
    (tmp_path / "m").write_bytes(len(text).to_bytes(8, "little") + text + b"0" * 64)
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match="its header has more than 10,000 brackets"):
            CharRNN.load(tmp_path / "m")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * len(text)  # the bytes and the text; as lists or objects they would take 25 times as much


def test_loading_takes_twice_the_size_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "m"
    CharRNN(cell="lstm", hidden_size=400, optimizer="adam", max_updates=1, seq_length=2).fit("abcdef" * 4).save(path)
    size = path.stat().st_size
    CharRNN.load(path)
    tracemalloc.start()
    try:
        model = CharRNN.load(path)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2.2 * size
    assert kept < 1.2 * size
    assert model.partial_fit("abcdef" * 4).n_updates_ > 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    rescue = threading.Timer(10, lambda: os.close(os.open(tmp_path / "pipe", os.O_RDWR)))  # who waits, waits no longer
    rescue.start()
    begin = time.monotonic()
    with pytest.raises(ModelFileError, match=r"pipe' is not a pycharrnn model: it is a pipe or a device; copy"):
        CharRNN.load(tmp_path / "pipe")
    rescue.cancel()
    assert time.monotonic() - begin < 10
    with pytest.raises(OSError, match="is a directory or a device"):
        CharRNN(hidden_size=2, max_updates=1).fit("abab").save(tmp_path / "pipe")


def test_a_forgery_that_changes_nothing_is_the_file(files: list[bytes]) -> None:
    for data in files:
        assert Forgery(data).data() == data
