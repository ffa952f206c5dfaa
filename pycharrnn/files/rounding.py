"""bfloat16, which NumPy does not have: numbers as the upper 16 bits of float32, in memory and in files."""

from typing import Any

import numpy as np
import numpy.typing as npt

BFLOAT16 = "bfloat16"


def rounded(numbers: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Return the nearest bfloat16 numbers, ties to even, as their bits; what is too large becomes infinite.

    Parameters
    ----------
    numbers : ndarray of float32 or float64
        In any order; none is NaN.

    Examples
    --------
    >>> widened(rounded(np.array([1.0, 1.00390625, 1.01171875])))
    array([1.      , 1.      , 1.015625], dtype=float32)
    """
    with np.errstate(over="ignore", under="ignore"):
        single = np.asarray(numbers).astype(np.float32)
    bits = single.view(np.uint32)
    if numbers.dtype == np.float64:  # to the odd number beside it, or a sum just above a tie would become the tie
        bits -= np.abs(single) > np.abs(numbers)
        bits |= single.astype(np.float64) != numbers
    bits += 0x7FFF + (bits >> 16 & 1)
    return (bits >> 16).astype(np.uint16)


def widened(bits: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """Return bfloat16 numbers as float32, exactly.

    Examples
    --------
    >>> widened(np.array([0x3F80, 0xC000], np.uint16))
    array([ 1., -2.], dtype=float32)
    """
    return (np.asarray(bits).astype(np.uint32) << 16).view(np.float32)
