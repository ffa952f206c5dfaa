"""A checkpoint file: a training as it stands. The container keeps it intact and reads it strictly."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from pycharrnn.arguments import Integer, Real
from pycharrnn.files import container
from pycharrnn.files.model_file import check_symbols

__all__ = ["SERIES", "CheckpointFile", "Fields", "Series", "sizes"]

Fields = dict[str, Any]
Series = dict[str, npt.NDArray[Any]]
Arrays = Callable[[Fields, Fields, int, bool], container.Specs]
Check = Callable[[str, Any], None]

_COUNT = Integer(0, 2**62)
_FROM_ZERO = Real(zero=True)
_TIME = Real(zero=True, below=1e12)  # seconds
_PART = Real(zero=True, below=1.0000001)


def _count(name: str, value: Any) -> None:
    _COUNT.check(name, value)


def _real(name: str, value: Any) -> None:
    if type(value) is not float:  # 1 and 1.0 are equal, but written in two ways
        raise ValueError(f"{name} must be a number with a point, got {value!a}")
    _FROM_ZERO.check(name, value)


def _time(name: str, value: Any) -> None:
    _real(name, value)
    _TIME.check(name, value)


def _part(name: str, value: Any) -> None:
    _real(name, value)
    _PART.check(name, value)


def _flag(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, got {value!a}")


def _object(name: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object, got {value!a}")


def _digest(name: str, value: Any) -> None:
    if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{64}", value):
        raise ValueError(f"{name} must be a SHA-256, got {value!a}")


def _maybe(check: Check) -> Check:
    """A check that lets null pass."""
    return lambda name, value: None if value is None else check(name, value)


def _of(**checks: Check) -> Check:
    """A check of an object with just these fields."""

    def check(name: str, value: Any) -> None:
        if not isinstance(value, dict) or value.keys() != checks.keys():
            raise ValueError(f"{name} must be an object of {sorted(checks)}, got {value!a}")
        for field, one in checks.items():
            one(f"{name} {field}", value[field])

    return check


def _each(one: Check) -> Check:
    """A check of a list, item by item."""

    def check(name: str, value: Any) -> None:
        if not isinstance(value, list):
            raise ValueError(f"{name} must be a list, got {value!a}")
        for item in value:
            one(name, item)

    return check


_TEXT = _of(sha256=_digest, n_symbols=_count)
_METADATA = {
    "params": _object,  # what these two hold is checked by whoever knows the parameters
    "chosen": _object,
    "n_characters": Integer(1, 0x110000).check,
    "documents": _flag,
    "text": _TEXT,
    "validation": _maybe(_TEXT),
    "n_documents": _count,
    "budget": _of(epochs=_maybe(_count), max_updates=_maybe(_count), max_seconds=_maybe(_time)),
    "state": _of(
        n_updates=_count, seed=_count, power1=_part, power2=_part, smooth=_maybe(_real), shift=_count,
    ),
    "kept": _of(
        n_updates=_count,
        smooth_loss=_maybe(_real),
        validation_loss=_maybe(_real),
        training_loss=_maybe(_real),
    ),
    "run": _of(
        first=_count,
        begun=_count,
        factor=_part,
        due=_flag,
        finished=_flag,
        seconds=_time,
        updating=_time,
        start=_maybe(_real),
        loss=_maybe(_real),
        smooth_loss=_maybe(_real),
        recent=_real,
        weight=_real,
    ),
    "memory": _of(
        lowest=_maybe(_real),
        improved=_flag,
        waited=_count,
        diverged=_count,
        looked=_maybe(_count),
        seconds=_maybe(_time),
        most=_count,
    ),
    "history": _of(
        n_updates=_count,
        stride=Integer(1, 2**62).check,
        baseline=_maybe(_real),
        divergences=_each(_of(n_updates=_count, factor=_part)),
        passes=_each(_of(first=_count, length=_count, n=_count)),
        sizes=_of(losses=_count, validation=_count, training=_count, texts=_count, characters=_count),
    ),
    "counted": _maybe(
        _of(order=Integer(1, 16).check, n_symbols=Integer(1, 2**40).check, share=_part, loss=_maybe(_real))
    ),
}  # fmt: skip

# The series of a history: which size they have, and the type of each.
SERIES = {
    "losses": {"updates": "int64", "loss": "float64", "smooth_loss": "float64", "seconds": "float64"},
    "validation": {"n_updates": "int64", "seconds": "float64", "nats": "float64"},
    "training": {"n_updates": "int64", "seconds": "float64", "nats": "float64"},
    "texts": {"n_updates": "int64", "smooth_loss": "float64", "length": "int64"},
    "characters": {"code_points": "uint32"},
}


class CheckpointFile(NamedTuple):
    """What a checkpoint file holds.

    Attributes
    ----------
    metadata : dict of str to object
        Parameters, counts and single numbers, as JSON has them.
    arrays : dict of str to ndarray
        The weights by name, shaped as in the equations; best weights, moments and the average of the weights under the
        same names behind "best.", "m.", "v." and "average."; and `carried`, what goes from one window to the next.
    series : dict of str to ndarray
        What the history remembers, as "losses.updates", "texts.length" and the like.
    code_points : ndarray of uint32, (N,)
        The characters that the model knows, increasing.
    order : ndarray of int32 or None
        The order in which the documents are read; None for running text.
    counted : ndarray of uint8 or int32, or None
        The symbols of the text whose n-grams are counted, if any are.
    """

    metadata: Fields
    arrays: Series
    series: Series
    code_points: npt.NDArray[np.uint32]
    order: npt.NDArray[np.int32] | None
    counted: npt.NDArray[Any] | None

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the file: the same bytes for the same content, all of them or none.

        Parameters
        ----------
        path : str or path-like
            Where. An existing file is replaced once the new one is complete.

        Raises
        ------
        ValueError, TypeError
            If something cannot be stored; the disk is not touched.
        OSError
            If the file cannot be written.
        """
        tensors = self.arrays | self.series | {"vocabulary": self.code_points}
        if self.order is not None:
            tensors["order"] = self.order
        if self.counted is not None:
            tensors["text"] = self.counted
        container.save(path, tensors, self.metadata, kind="checkpoint")

    @classmethod
    def read(cls, path: str | os.PathLike[str], arrays: Arrays) -> Self:
        """Read a file, and nothing that `write` would not have written.

        Parameters
        ----------
        path : str or path-like
            The file.
        arrays : callable
            ``arrays(parameters, chosen, n_symbols, documents)`` checks the parameters, which may come from anybody, and
            returns shape and dtype of each array by name. A ValueError, KeyError or TypeError of it says that the file
            is bad.

        Returns
        -------
        CheckpointFile

        Raises
        ------
        ModelFileError
            If anything in the file is not as `write` writes it.
        OSError
            If it cannot be read.
        """
        names: set[str] = set()

        def layout(metadata: Fields) -> container.Specs:
            _of(**_METADATA)("a checkpoint", metadata)
            if not any(value is not None for value in metadata["budget"].values()):
                raise ValueError("its budget has no limit")
            n_characters, documents = metadata["n_characters"], metadata["documents"]
            specs = arrays(metadata["params"], metadata["chosen"], n_characters + documents, documents)
            names.update(specs)
            return specs | _others(metadata)

        tensors, metadata = container.load(path, layout, _check_values, kind="checkpoint")
        code_points = tensors.pop("vocabulary")
        order, counted = (tensors.pop(name, None) for name in ("order", "text"))
        state = {name: tensors.pop(name) for name in names}
        return cls(metadata, state, tensors, code_points, order, counted)


def sizes(series: Mapping[str, npt.NDArray[Any]]) -> dict[str, int]:
    """Return how many entries each kind of series has.

    Examples
    --------
    >>> columns = {f"{name}.{column}": np.zeros(2) for name, columns in SERIES.items() for column in columns}
    >>> sizes(columns)["validation"]
    2
    """
    return {name: series[f"{name}.{next(iter(columns))}"].size for name, columns in SERIES.items()}


def _others(metadata: Fields) -> container.Specs:
    """The tensors besides those of the network."""
    n_characters, documents = metadata["n_characters"], metadata["documents"]
    specs: container.Specs = {"vocabulary": ((n_characters,), "uint32")}
    for name, columns in SERIES.items():
        size = metadata["history"]["sizes"][name]
        specs |= {f"{name}.{column}": ((size,), dtype) for column, dtype in columns.items()}
    if documents:
        specs["order"] = (metadata["n_documents"],), "int32"
    if (counted := metadata["counted"]) is not None:
        specs["text"] = (counted["n_symbols"],), "uint8" if n_characters + documents <= 256 else "int32"
    return specs


def _check_values(tensors: container.Tensors, metadata: Fields) -> None:
    """Check what could lead outside an array, or make no sense."""
    check_symbols(tensors, metadata)
    if "order" in tensors and not np.array_equal(np.sort(tensors["order"]), np.arange(metadata["n_documents"])):
        raise ValueError("its order of documents does not name each of them once")
    updates, n_updates = tensors["losses.updates"], metadata["state"]["n_updates"]
    if not (updates[1:] > updates[:-1]).all() or metadata["run"]["first"] > metadata["state"]["n_updates"]:
        raise ValueError("its updates are not in order")
    if metadata["history"]["n_updates"] != metadata["state"]["n_updates"] or (updates >= n_updates).any():
        raise ValueError("its history is not of as many updates as its state")
    if any(run["first"] + run["length"] * run["n"] > n_updates for run in metadata["history"]["passes"]):
        raise ValueError("its passes over the text are longer than its training")
    lengths, written = tensors["texts.length"], tensors["characters.code_points"]
    if (lengths < 0).any() or int(lengths.sum()) != written.size or (written > 0x10FFFF).any():
        raise ValueError("its texts are not as long as it says, or have no characters")
