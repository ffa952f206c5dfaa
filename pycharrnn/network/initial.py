"""Random numbers that weights begin with: the same bits on every machine."""

from __future__ import annotations

import math

import numpy as np

from pycharrnn import _kernels
from pycharrnn.arrays import Array

_TAIL = 3.65  # standard deviations beyond which NumPy takes its normal numbers from a logarithm


def normal(rng: np.random.Generator, scale: float, shape: tuple[int, ...]) -> Array:
    """Normal numbers of this standard deviation.

    The last bits of those far out depend on the C library's logarithm, and that on the processor: they are rounded to
    single precision.
    """
    drawn = rng.normal(0.0, scale, shape)
    return np.where(np.abs(drawn) > _TAIL * scale, drawn.astype(np.float32), drawn)


def orthogonal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Square blocks, one below the other, each drawn from all orthogonal matrices alike (Saxe et al. 2014).

    A block is a product of reflections (Stewart 1980). The first of its corners, from one row to all of them, is +-1;
    each next one has a column of a direction drawn from all alike, and across it the corner before. That takes products
    and sums in a fixed order, which BLAS and LAPACK do not have: the same bits on every machine.
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
