"""Files with a right checksum and wrong contents: refused, or what load reads save writes, byte for byte."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import random
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pycharrnn import CharRNN, optim
from pycharrnn.errors import ModelFileError
from pycharrnn.training.schedules import Plateau, Step

TEXT = "hello world, hello moon. " * 20
MODELS: list[tuple[dict[str, Any], Any]] = [
    ({"random_state": 0}, TEXT),
    ({"cell": "gru", "optimizer": optim.Adam(beta1=0.5), "schedule": Step(at=(0.5, 0.7)), "ngram_order": 3}, TEXT),
    ({"cell": "lstm", "optimizer": optim.RMSProp(), "schedule": Plateau(), "ema_decay": 0.9}, ["ab", "bc", "cda"]),
]
ODD: list[Any] = [None, True, False, 0, 1, -1, 3, 1.0, 0.0, 0.5, -0.5, 1e308, 1e-320, 2**63, 10**30, "", "adam", "x"]
ODD += [[], [0.5], {}, {"name": "adam"}, {"name": "adam", "beta1": -1, "beta2": 0.9, "eps": 1e-8}, "float64"]
ODD += [{"name": "step", "at": [2.0], "factor": 0.3, "warmup": 0.0}, {"name": "adam", "beta1": 0.9, "x": 1}]


def written(value: Any, **options: Any) -> str:
    return json.dumps(value, separators=(",", ":"), **options)


class Forgery:
    """The parts of a file, which may be changed, and the file with a right checksum again."""

    def __init__(self, data: bytes) -> None:
        length = int.from_bytes(data[:8], "little")
        self.header: dict[str, Any] = json.loads(data[8 : 8 + length])
        self.about: dict[str, Any] = json.loads(self.header["__metadata__"]["pycharrnn"])
        self.metadata: dict[str, Any] = self.about["metadata"]
        self.body = bytearray(data[8 + length :])

    def _head(self, digest: str) -> bytes:
        self.about["sha256"] = digest
        self.header["__metadata__"]["pycharrnn"] = written(self.about, sort_keys=True)
        text = written(self.header)
        text += " " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text.encode()

    def data(self) -> bytes:
        digest = hashlib.sha256(self._head("0" * 64) + self.body).hexdigest()
        return self._head(digest) + bytes(self.body)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    found = []
    for params, text in MODELS:
        path = tmp_path_factory.mktemp("files") / "m"
        CharRNN(**{"hidden_size": 3, "max_updates": 3} | params).fit(text).save(path)
        found.append(path.read_bytes())
    return found


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value in nested dicts and lists."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield from places(below, (*path, key))


def change(forged: Forgery, rng: random.Random) -> None:
    if rng.random() < 0.25:
        at = rng.randrange(len(forged.body))
        forged.body[at : at + 4] = rng.choice([b"\0" * 4, b"\xff" * 4, rng.randbytes(4)])
        return
    path = rng.choice(list(places(forged.metadata)))
    inner: Any = forged.metadata
    for key in path[:-1]:
        inner = inner[key]
    what = rng.random()
    if what < 0.75:
        inner[path[-1]] = copy.deepcopy(rng.choice(ODD))
    elif what < 0.85 or not isinstance(inner, dict):
        del inner[path[-1]]
    else:
        inner["new"] = copy.deepcopy(rng.choice(ODD))


def loaded(path: Path) -> tuple[CharRNN | None, str]:
    try:
        return CharRNN.load(path), ""
    except ModelFileError as error:
        return None, str(error)


def early(metadata: dict[str, Any]) -> bool:
    """Whether this is a file of the first days: it says nothing of the training loss."""
    return "training_loss" not in metadata["best"]


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
        assert again.read_bytes() == path.read_bytes() or early(forged.metadata), forged.metadata
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


@pytest.mark.parametrize("points", [[0x110000], [0xFFFFFFFF], [98, 97], [97, 97]])
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
    with pytest.raises(ModelFileError, match=r"pipe' is not a pycharrnn model: it is a pipe or a device; copy"):
        CharRNN.load(tmp_path / "pipe")
    with pytest.raises(OSError, match="is a directory or a device"):
        CharRNN(hidden_size=2, max_updates=1).fit("abab").save(tmp_path / "pipe")


def test_a_forgery_that_changes_nothing_is_the_file(files: list[bytes]) -> None:
    for data in files:
        assert Forgery(data).data() == data
