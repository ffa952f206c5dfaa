"""A model file: what it holds, version by version. The container below keeps it intact and reads it strictly.

A new version touches two places: the number in `header`, and here a writer in place of the old one, whose reader stays.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from pycharrnn.arguments import Choice, Integer, Real
from pycharrnn.files import container
from pycharrnn.files.rounding import BFLOAT16

__all__ = ["Counted", "ModelFile", "check_symbols"]

_BEST = ("n_updates", "smooth_loss", "validation_loss", "training_loss")
_KEYS = {"params", "n_characters", "documents", "best"}
_LATER = {"squares", "ngrams", "weights"}
_COUNT = Integer(0, 2**62)
_FROM_ZERO = Real(zero=True)
_TEXT = Integer(1, 2**40)
Weights = Callable[[dict[str, Any], int, bool], container.Specs]


class Counted(NamedTuple):
    """A text whose n-grams are mixed with the network.

    Attributes
    ----------
    share : float
        Their share.
    ids : ndarray of uint8 or int32, (N,)
        The symbols of the text, in bytes where there are at most 256 different ones.

    Examples
    --------
    >>> Counted(0.25, np.array([0, 1, 0], np.uint8)).ids.size
    3
    """

    share: float
    ids: npt.NDArray[Any]


class ModelFile(NamedTuple):
    """What a model file holds.

    Attributes
    ----------
    parameters : dict of str to object
        The constructor's parameters as JSON has them.
    code_points : ndarray of uint32, (N,)
        The characters that the model knows, increasing.
    documents : bool
        Whether the model writes documents, and so knows one symbol more, which ends them.
    best : dict of str to object
        Of the weights: `n_updates`, the updates that they have made, and the losses `smooth_loss`, `validation_loss`
        and `training_loss`, a number or None.
    squares : dict of str to object or None
        How large the squares of gradients were: the `rule` that kept them, and `means`, a number for each weight array.
        None if the rule keeps none.
    weights : dict of str to ndarray
        The weights by name, shaped as in the equations.
    ngrams : Counted or None, default None
        The training text, if its n-grams are mixed with the network.
    narrow : bool, default False
        Whether the file has the weights rounded to bfloat16. What is read from such a file is float32.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> file = ModelFile({"size": 2}, np.array([97, 98], np.uint32), False, {"n_updates": 9, "smooth_loss": 1.5,
    ...     "validation_loss": None}, None, {"W": np.eye(2)})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "tiny.safetensors")
    ...     file.write(path)
    ...     again = ModelFile.read(path, lambda params, n, documents: {"W": ((params["size"],) * 2, "float64")}, [])
    >>> again.best["n_updates"], again.weights["W"].shape
    (9, (2, 2))
    """

    parameters: dict[str, Any]
    code_points: npt.NDArray[np.uint32]
    documents: bool
    best: dict[str, Any]
    squares: dict[str, Any] | None
    weights: dict[str, npt.NDArray[Any]]
    ngrams: Counted | None = None
    narrow: bool = False

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the file, version 1: the same bytes for the same content, all of them or none.

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
        metadata = {
            "params": self.parameters,
            "n_characters": len(self.code_points),
            "documents": self.documents,
            "best": self.best,
        }
        if self.squares is not None:
            metadata["squares"] = self.squares
        tensors = self.weights | {"vocabulary": self.code_points}
        if self.ngrams is not None:
            metadata["ngrams"] = {"share": self.ngrams.share, "n_symbols": self.ngrams.ids.size}
            tensors["text"] = self.ngrams.ids
        if self.narrow:
            metadata["weights"] = BFLOAT16
        container.save(path, tensors, metadata, narrow=self.weights if self.narrow else ())

    @classmethod
    def read(cls, path: str | os.PathLike[str], weights: Weights, rules: Collection[str]) -> Self:
        """Read a file of version 1, and nothing that `write` would not have written.

        Parameters
        ----------
        path : str or path-like
            The file.
        weights : callable
            ``weights(parameters, n_symbols, documents)`` checks the parameters, which may come from anybody, and
            returns shape and dtype of each weight array by name. A ValueError, KeyError or TypeError of it says that
            the file is bad.
        rules : collection of str
            The update rules that exist.

        Returns
        -------
        ModelFile

        Raises
        ------
        ModelFileError
            If anything in the file is not as `write` writes it.
        OSError
            If it cannot be read.
        """

        def layout(metadata: dict[str, Any]) -> container.Specs:
            return _layout_1(metadata, weights, rules)

        tensors, metadata = container.load(path, layout, check_symbols)
        code_points = tensors.pop("vocabulary")
        ngrams = Counted(metadata["ngrams"]["share"], tensors.pop("text")) if "ngrams" in metadata else None
        parameters, documents, best = (metadata[name] for name in ("params", "documents", "best"))
        squares, narrow = metadata.get("squares"), "weights" in metadata
        return cls(parameters, code_points, documents, best, squares, tensors, ngrams, narrow)


def _layout_1(metadata: dict[str, Any], weights: Weights, rules: Collection[str]) -> container.Specs:
    """Check what version 1 says of itself, and derive the tensors that it holds from a few bounded integers."""
    if not _KEYS <= set(metadata) <= _KEYS | _LATER:
        raise ValueError(f"it has the keys {sorted(metadata)}")
    n_characters = metadata["n_characters"]
    Integer(1, 0x110000).check("n_characters", n_characters)
    documents = metadata["documents"]
    if not isinstance(documents, bool):
        raise ValueError(f"documents must be true or false, got {documents!a}")
    _check_best(metadata["best"])
    parameters = _object("params", metadata["params"])
    specs = weights(parameters, n_characters + documents, documents)
    if "squares" in metadata:
        _check_squares(metadata["squares"], specs, rules)
    if "weights" in metadata:
        Choice(BFLOAT16).check("weights", metadata["weights"])
        specs = {name: (shape, BFLOAT16) for name, (shape, _) in specs.items()}
    specs = specs | {"vocabulary": ((n_characters,), "uint32")}
    if ("ngrams" in metadata) != (parameters.get("ngram_order") is not None):
        raise ValueError("there must be n-grams if there is an ngram_order, and only then")
    if "ngrams" in metadata:
        size = _size(_object("ngrams", metadata["ngrams"]))
        specs["text"] = (size,), "uint8" if n_characters + documents <= 256 else "int32"
    return specs


def _object(name: str, value: Any) -> dict[str, Any]:
    """Return a value of the metadata that must be a JSON object."""
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object, got {value!a}")
    return value


def _check_best(best: dict[str, Any]) -> None:
    """Check what is said of the weights; a file of an early version 1 says nothing of the training loss."""
    if not set(_BEST[:-1]) <= set(_object("best", best)) <= set(_BEST):
        raise ValueError(f"best has the keys {sorted(best)}")
    _COUNT.check("best n_updates", best["n_updates"])
    for name in _BEST[1:]:
        if best.get(name) is not None:
            _FROM_ZERO.check(f"best {name}", best[name])


def _size(ngrams: dict[str, Any]) -> int:
    """Check what is said of n-grams, and return how many symbols the text has."""
    if set(ngrams) != {"share", "n_symbols"}:
        raise ValueError(f"ngrams has the keys {sorted(ngrams)}")
    _FROM_ZERO.check("the share of ngrams", ngrams["share"])
    if ngrams["share"] > 1:
        raise ValueError(f"the share of ngrams must be at most 1, got {ngrams['share']}")
    if type(ngrams["share"]) is not float:  # as it is written
        raise ValueError(f"the share of ngrams must be written with a point, got {ngrams['share']}")
    _TEXT.check("n_symbols of ngrams", ngrams["n_symbols"])
    return int(ngrams["n_symbols"])


def check_symbols(tensors: container.Tensors, metadata: dict[str, Any]) -> None:
    """Check the characters of a file, and that its text has no others.

    Raises
    ------
    ValueError
        If they are not in order, or the text has another symbol.
    """
    characters = tensors["vocabulary"]
    if characters[-1] > 0x10FFFF or not (characters[1:] > characters[:-1]).all():
        raise ValueError("its vocabulary has no increasing code points")
    if "text" in tensors:
        ids, most = tensors["text"], characters.size + metadata["documents"] - 1
        if ids.min() < 0 or ids.max() > most:
            raise ValueError(f"its text has symbols from {ids.min()} to {ids.max()}, of 0 to {most}")


def _check_squares(squares: dict[str, Any], specs: container.Specs, rules: Collection[str]) -> None:
    if set(_object("squares", squares)) != {"rule", "means"}:
        raise ValueError(f"squares has the keys {sorted(squares)}")
    Choice(*rules).check("the rule of squares", squares["rule"])
    means = _object("the means of squares", squares["means"])
    if means.keys() != specs.keys():
        raise ValueError(f"there are squares of {sorted(means)}, and arrays {sorted(specs)}")
    for name, mean in means.items():
        _FROM_ZERO.check(f"the squares of {name}", mean)
