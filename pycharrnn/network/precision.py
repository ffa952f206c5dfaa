"""Precisions: what weights, products, activations and moments are stored and computed in.

The kernels have a row of each as well. Rows that differ are an error at import.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pycharrnn import _kernels
from pycharrnn.network.records import compare


class Precision(NamedTuple):
    """The data types of a network.

    Parameters
    ----------
    name : str
        What users call it: the parameter `dtype`.
    weights : numpy.dtype
        Of the weights, the best weights and the gradients.
    products : str
        Of the operands of matrix products, by name: NumPy has no bfloat16. The sums are activations.
    activations : numpy.dtype
        Of states and of what the forward pass caches for the backward pass.
    moments : numpy.dtype
        Of the optimiser's moments.

    Examples
    --------
    >>> PRECISIONS["float32"].moments
    dtype('float32')
    """

    name: str
    weights: np.dtype[Any]
    products: str
    activations: np.dtype[Any]
    moments: np.dtype[Any]

    @property
    def mixed(self) -> bool:
        """Whether the operands of products are rounded: they have another type than the weights."""
        return self.products != self.weights.name

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of an item of each, by the kernels' names."""
        types = (("weights", self.weights), ("activations", self.activations), ("moments", self.moments))
        return {name: dtype.itemsize for name, dtype in types} | {"products": _BYTES[self.products]}


def _uniform(name: str) -> Precision:
    """A precision of one data type for everything."""
    dtype = np.dtype(name)
    return Precision(name, dtype, name, dtype, dtype)


_BYTES = {"float32": 4, "float64": 8, "bfloat16": 2}

PRECISIONS = {name: _uniform(name) for name in ("float32", "float64")}
PRECISIONS["bfloat16"] = PRECISIONS["float32"]._replace(name="bfloat16", products="bfloat16")

compare("the precisions", tuple(_kernels.PRECISIONS), tuple(PRECISIONS))
for _name, _precision in PRECISIONS.items():
    compare(f"the sizes of {_name}", sorted(_kernels.PRECISIONS[_name].items()), sorted(_precision.sizes.items()))
