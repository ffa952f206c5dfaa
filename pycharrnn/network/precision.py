"""Precisions: what weights, products, activations and moments are stored and computed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Precision:
    """The data types of a network.

    Parameters
    ----------
    name : str
        What users call it: the parameter `dtype`.
    weights : numpy.dtype
        Of the weights, the best weights and the gradients.
    products : numpy.dtype
        Of the sums of matrix products.
    activations : numpy.dtype
        Of states and of what the forward pass keeps for the backward pass.
    moments : numpy.dtype
        Of the optimiser's moments.

    Examples
    --------
    >>> PRECISIONS["float32"].moments
    dtype('float32')
    """

    name: str
    weights: np.dtype[Any]
    products: np.dtype[Any]
    activations: np.dtype[Any]
    moments: np.dtype[Any]


def _uniform(name: str) -> Precision:
    """A precision of one data type for everything."""
    dtype = np.dtype(name)
    return Precision(name, dtype, dtype, dtype, dtype)


PRECISIONS = {name: _uniform(name) for name in ("float32", "float64")}
