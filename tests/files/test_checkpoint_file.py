"""A checkpoint file has one spelling, and no other is read."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from container_examples import split

from pycharrnn import CharRNN, Checkpoint, ModelFileError, SampleText
from pycharrnn.files.checkpoint_file import CheckpointFile
from pycharrnn.files.header import Header
from pycharrnn.resuming import opened, specs
from pycharrnn.training.checkpoints import checkpoints_in

NAMES = ["anna", "bob", "carl", "dora", "emil", "fritz", "gina", "hans"] * 3
PARAMS: dict[str, Any] = {"cell": "lstm", "hidden_size": 3, "seq_length": 5, "batch_size": 2, "optimizer": "adam"}
PARAMS |= {"ema_decay": 0.9, "ngram_order": 2, "epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A checkpoint with all that one can have."""
    folder = tmp_path_factory.mktemp("checkpoints")
    CharRNN(**PARAMS).fit(NAMES, callbacks=[SampleText(4, 3, file=None), Checkpoint(folder, every=3)])
    return Path(checkpoints_in(folder)[0]).read_bytes()


@pytest.fixture
def path(tmp_path: Path, data: bytes) -> Path:
    (tmp_path / "checkpoint").write_bytes(data)
    return tmp_path / "checkpoint"


def refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="checkpoint"):
        opened(path)


def about(data: bytes) -> dict[str, Any]:
    """The metadata of a file."""
    header = json.loads(split(data)[0])
    found: dict[str, Any] = json.loads(header["__metadata__"]["pycharrnn"])["metadata"]
    return found


def forged(data: bytes, metadata: dict[str, Any]) -> bytes:
    """The file with other metadata, and the checksum made right."""
    header, body = split(data)
    tensors = {name: entry for name, entry in json.loads(header).items() if name != "__metadata__"}
    names = {"F64": "float64", "F32": "float32", "U32": "uint32", "I32": "int32", "I64": "int64", "U8": "uint8"}
    shapes = {name: (tuple(entry["shape"]), names[entry["dtype"]]) for name, entry in tensors.items()}
    return Header("checkpoint", metadata, shapes).signed([body]).encode() + body


def test_a_file_that_is_read_and_written_again_has_the_same_bytes(path: Path, data: bytes) -> None:
    CheckpointFile.read(path, specs).write(path)
    assert path.read_bytes() == data
    assert forged(data, about(data)) == data


def test_other_programs_can_read_it(data: bytes) -> None:
    tensors = safetensors.numpy.load(data)
    assert tensors["m.W"].shape == tensors["W"].shape == (12, 3)
    assert tensors["carried"].shape == (1, 2, 2, 3)


def test_every_truncation_and_every_changed_byte_is_refused(path: Path, data: bytes) -> None:
    for length in [*range(0, len(data), 153), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(ModelFileError):
            opened(path)
    for position in range(0, len(data), 37):
        byte = data[position]
        path.write_bytes(data[:position] + bytes([byte ^ 1 << position % 8]) + data[position + 1 :])
        with pytest.raises(ModelFileError):
            opened(path)


STRANGE = [None, -1, 0, 1, 2**63, -0.5, 1.0, 1e308, True, "x", [[]], {"a": 1}]


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the values of some metadata are."""
    found = [place] if place else []
    if isinstance(value, dict):
        for name, inner in value.items():
            found += places(inner, (*place, name))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            found += places(inner, (*place, i))
    return found


def changed(metadata: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    new: Any = json.loads(json.dumps(metadata))
    at = new
    for name in place[:-1]:
        at = at[name]
    at[place[-1]] = value
    return dict(new)


def test_a_forged_number_is_refused_or_has_one_spelling(path: Path, data: bytes) -> None:
    metadata = about(data)
    read = 0
    for place in places(metadata):
        for value in STRANGE:
            if place[0] == "params" and place[1:2] != ("hidden_size",):
                continue  # the same checks as in a model file
            forgery = forged(data, changed(metadata, place, value))
            path.write_bytes(forgery)
            try:
                file = CheckpointFile.read(path, specs)
            except ModelFileError:
                continue
            read += 1
            file.write(path)
            assert path.read_bytes() == forgery, (place, value)
    assert read > 50


def test_missing_and_additional_fields_are_refused(path: Path, data: bytes) -> None:
    metadata = about(data)
    for place in places(metadata):
        if isinstance(place[-1], str) and place[0] not in ("chosen", "params"):
            new = changed(metadata, place, 0)
            at: Any = new
            for name in place[:-1]:
                at = at[name]
            del at[place[-1]]
            refused(path, forged(data, new))
    for name in ("", "run", "memory", "history", "kept", "state", "budget", "text", "counted"):
        refused(path, forged(data, changed(metadata, (name, "more") if name else ("more",), 1)))


def test_an_order_that_names_a_document_twice_is_refused(path: Path, data: bytes) -> None:
    file = CheckpointFile.read(path, specs)
    assert file.order is not None
    order = file.order.copy()
    order[0] = order[1]
    for wrong in (order, order - 1, order + 1):
        file._replace(order=wrong).write(path)
        with pytest.raises(ModelFileError, match="order of documents"):
            opened(path)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("texts.length", -1, "its texts"),
        ("texts.length", 2**40, "its texts"),
        ("characters.code_points", 0x110000, "its texts"),
        ("losses.updates", 10**6, "not in order"),
        ("losses.loss", np.nan, "NaN"),
    ],
)
def test_series_that_make_no_sense_are_refused(path: Path, name: str, value: Any, told: str) -> None:
    file = CheckpointFile.read(path, specs)
    series = dict(file.series)
    series[name] = series[name].copy()
    series[name][0] = value
    new = file._replace(series=series)
    if told == "NaN":
        with pytest.raises(ValueError, match=told):
            new.write(path)
        return
    new.write(path)
    with pytest.raises(ModelFileError, match=told):
        opened(path)


def test_a_text_of_less_than_nothing_is_refused(path: Path, data: bytes) -> None:
    file = CheckpointFile.read(path, specs)
    length = file.series["texts.length"].copy()
    assert length.size > 1
    length[0], length[1] = -1, length[1] + length[0] + 1  # the sum is right
    file._replace(series=file.series | {"texts.length": length}).write(path)
    with pytest.raises(ModelFileError, match="its texts"):
        opened(path)


def test_random_forgeries_are_refused_or_train_on(path: Path, data: bytes) -> None:
    rng = random.Random(1)
    metadata = about(data)
    parts = ("run", "memory", "state", "kept", "history", "budget")
    where = [place for place in places(metadata) if place[0] in parts and len(place) > 1]
    went_on = 0
    for _ in range(150):
        new = changed(metadata, rng.choice(where), rng.choice([0, 1, 3, 7, 0.25, 2.5, None, True, False]))
        new["run"]["finished"] = False
        path.write_bytes(forged(data, new))
        try:
            found = CharRNN.resume(path, NAMES)
        except (ValueError, ArithmeticError):
            continue
        went_on += 1
        assert all(np.isfinite(array).all() for array in found.params_.values())
    assert went_on > 20
