"""Named arrays as views into one flat, aligned vector.

Optimiser, clipping, gradient check and storage then see one vector, and a table ``{name: shape}`` is the only list of
names there is. Every row is padded with zeros to whole vector registers, so that no kernel has a ragged edge.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pycharrnn import _kernels

Array = npt.NDArray[Any]

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register


def free_memory() -> float:
    """Bytes that Linux, or the control group of a container, still has for this process; infinite if nothing says."""

    def words(path: str) -> list[str]:
        try:
            with open(path) as file:
                return file.read().split()
        except OSError:  # another system, or no such limit
            return []

    free, meminfo, limit = math.inf, words("/proc/meminfo"), words("/sys/fs/cgroup/memory.max")
    if "MemAvailable:" in meminfo:
        free = 1024 * int(meminfo[meminfo.index("MemAvailable:") + 1])
    if limit and limit != ["max"]:
        used, stat = words("/sys/fs/cgroup/memory.current"), words("/sys/fs/cgroup/memory.stat")
        cached = int(stat[stat.index("file") + 1])  # which the system drops when it is asked for more
        free = min(free, int(limit[0]) - int(used[0]) + cached)
    return free


def claim(n_bytes: int, what: str, advice: str) -> None:
    """See that memory is free before it is taken: a system that runs out of it ends the process without a word.

    Parameters
    ----------
    n_bytes : int
        How much is wanted. Less than 256 MiB is not looked at.
    what, advice : str
        What the message says: what would take the memory, and what to do.

    Raises
    ------
    MemoryError
        If there is less than `n_bytes`.

    Warns
    -----
    UserWarning
        If there is less than twice as much.
    """
    if n_bytes < 1 << 28:
        return
    free = free_memory()
    message = f"{what} would take {n_bytes / 2**30:,.1f} GiB of memory, "
    if n_bytes > free:
        raise MemoryError(f"{message}and {free / 2**30:,.1f} GiB are free: {advice}")
    if n_bytes > free / 2:
        warnings.warn(f"{message}most of the {free / 2**30:,.1f} GiB that are free: {advice}", stacklevel=2)


def aligned(size: int, dtype: npt.DTypeLike) -> Array:
    """A vector of zeros that starts on a cache line."""
    n_bytes = size * np.dtype(dtype).itemsize
    room = np.zeros(n_bytes + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + n_bytes].view(dtype)


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


class Layout:
    """Where each array of a table lies in a flat vector.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Name and shape of each array; the last dimension is padded to a multiple of `lanes`.
    lanes : int
        Elements in the widest vector register.

    Attributes
    ----------
    offsets : dict of str to int
        Index of each array's first element.
    size : int
        Length of the flat vector, padding included.

    Examples
    --------
    >>> layout = Layout({"W": (2, 3), "b": (3,)}, lanes=4)
    >>> layout.size, layout.offsets
    (12, {'W': 0, 'b': 8})
    >>> layout.views(np.arange(12.0))["W"]
    array([[0., 1., 2.],
           [4., 5., 6.]])
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], lanes: int) -> None:
        self.shapes = dict(shapes)
        self.offsets: dict[str, int] = {}
        self._padded: dict[str, tuple[int, ...]] = {}
        self.size = 0
        for name, shape in self.shapes.items():
            padded = (*shape[:-1], -(-shape[-1] // lanes) * lanes)
            self.offsets[name] = self.size
            self._padded[name] = padded
            self.size += int(np.prod(padded))

    def views(self, flat: Array) -> dict[str, Array]:
        """Each array by name, without its padding: views, so writing to them writes to `flat`."""
        found = {}
        for name, shape in self.shapes.items():
            start, padded = self.offsets[name], self._padded[name]
            found[name] = flat[start : start + int(np.prod(padded))].reshape(padded)[..., : shape[-1]]
        return found
