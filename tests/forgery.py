"""Forged files, with a right checksum and any contents: what tests and the programme of reliability share."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import tempfile
from collections.abc import Iterator
from typing import Any

from pycharrnn import CharRNN, Checkpoint, SampleText, optim
from pycharrnn.files.checkpoint_file import CheckpointFile
from pycharrnn.resuming import opened
from pycharrnn.training.schedules import Plateau, Step

__all__ = ["MODELS", "NAMES", "ODD", "Forgery", "change", "checkpoint", "places", "present", "trained"]

TEXT = "hello world, hello moon. " * 20
MODELS: list[tuple[dict[str, Any], Any]] = [
    ({"random_state": 0}, TEXT),
    ({"cell": "gru", "optimizer": optim.Adam(beta1=0.5), "schedule": Step(at=(0.5, 0.7)), "ngram_order": 3}, TEXT),
    ({"cell": "lstm", "optimizer": optim.RMSProp(), "schedule": Plateau(), "ema_decay": 0.9}, ["ab", "bc", "cda"]),
]
NAMES = ["anna", "bob", "carl", "dora", "emil", "fritz", "gina", "hans"] * 3
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


def trained(index: int) -> CharRNN:
    """A small model of each kind."""
    params, text = MODELS[index]
    return CharRNN(**{"hidden_size": 3, "max_updates": 3} | params).fit(text)


def checkpoint(seed: int = 0, **params: Any) -> CheckpointFile:
    """A small checkpoint with all that one can have."""
    given: dict[str, Any] = {"cell": "lstm", "optimizer": "adam", "ema_decay": 0.9, "ngram_order": 2, "seq_length": 5}
    given |= {"hidden_size": 3, "batch_size": 2, "epochs": 2, "random_state": seed}
    with tempfile.TemporaryDirectory() as folder:
        writers = [SampleText(4, 3, file=None), Checkpoint(folder, every=3, keep=2)]
        CharRNN(**given | params).fit(NAMES, callbacks=writers)
        return opened(folder).file


def present(data: bytes) -> bytes:
    """A model file as it is written today: early ones have a number of threads, and lack the training loss."""
    forged = Forgery(data)
    if "best" not in forged.metadata:  # a checkpoint
        return data
    before = forged.data()
    forged.metadata["best"].setdefault("training_loss", None)
    forged.metadata["params"]["n_threads"] = None
    return data if forged.data() == before else forged.data()
