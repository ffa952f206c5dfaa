"""Random numbers that weights begin with: the same bits on every machine."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pycharrnn import _kernels
from pycharrnn.arrays import Array

_PIECE = 1 << 20  # numbers that are drawn at once
_TAIL = 3.65  # standard deviations beyond which NumPy takes its normal numbers from a logarithm


def normal(rng: np.random.Generator, scale: float, shape: tuple[int, ...]) -> Array:
    """Normal numbers of this standard deviation.

    NumPy draws those far from zero with the C library's logarithm, whose last bits depend on the processor. They are
    therefore rounded to single precision.
    """
    drawn = rng.normal(0.0, abs(scale), shape)  # it may be -0.0
    return np.where(np.abs(drawn) > _TAIL * scale, drawn.astype(np.float32), drawn)


def fill(array: Array, draw: Callable[..., Any]) -> None:
    """Draw the numbers of an array, one piece after the other, so that signals have their turn.

    Examples
    --------
    >>> array = np.empty((3, 2))
    >>> fill(array, np.random.default_rng(0).random)
    >>> bool((array == np.random.default_rng(0).random((3, 2))).all())
    True
    """
    rows = max(1, _PIECE // max(1, math.prod(array.shape[1:])))
    for start in range(0, len(array), rows):
        part = array[start : start + rows]
        part[...] = draw(part.shape)


def orthogonal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Square blocks, one below the other, each drawn from all orthogonal matrices alike (Saxe et al. 2014).

    A block grows from its lower right corner (Stewart 1980). Each step puts +-1 on the diagonal before the corner, and
    then reflects all columns of this larger corner, so that the first one has a direction at random. Products and sums
    have a fixed order, which BLAS and LAPACK do not promise: the bits are the same on every machine.

    Examples
    --------
    >>> Q = orthogonal(np.random.default_rng(0), (3, 3))
    >>> np.allclose(Q.T @ Q, np.eye(3))
    True
    """
    n = shape[1]
    blocks, sums = np.zeros(shape), np.empty(2 * n)
    for block in blocks.reshape(-1, n, n):
        for size in range(1, n + 1):
            corner, v = block[n - size :, n - size :], normal(rng, 1.0, (size,))
            first = math.copysign(math.sqrt(math.fsum((v * v).tolist())), v[0])
            v[0] += first
            corner[0, 0] = -math.copysign(1.0, first)
            _kernels.reflect(v / math.sqrt(math.fsum((v * v).tolist()) / 2), corner, sums)
    return blocks
