"""The machine: aligned vectors, a check that there is enough memory before it is taken, and processors."""

from __future__ import annotations

import math
import os

import numpy as np
import numpy.typing as npt

from pycharrnn.arrays import Array
from pycharrnn.errors import warn
from pycharrnn.messages import Message
from pycharrnn.network.control_groups import quota, spare_memory, words

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register
_BLOCK = 1 << 18  # numbers that are looked at together


def free_memory() -> float:
    """Bytes that Linux, or the control groups of a container, still have for this process; infinite if nothing says."""
    meminfo = words("/proc/meminfo")
    free = 1024 * int(meminfo[meminfo.index("MemAvailable:") + 1]) if "MemAvailable:" in meminfo else math.inf
    return min(free, spare_memory())


def claim(n_bytes: int, what: str, advice: str) -> None:
    """Check that enough memory is free. A system that runs out of memory ends the process without a word.

    Parameters
    ----------
    n_bytes : int
        How much is wanted. Less than 256 MiB is never refused.
    what, advice : str
        Two parts of the message: what would take the memory, and what to do about it.

    Raises
    ------
    MemoryError
        If there is less than `n_bytes`.

    Warns
    -----
    UserWarning
        If there is less than twice as much.

    Examples
    --------
    >>> claim(2**62, "this network", "take a smaller one")
    Traceback (most recent call last):
    MemoryError: this network would take 4,294,967,296.0 GiB of memory, and ... GiB are free: take a smaller one
    """
    if n_bytes < 1 << 28:
        return
    free = free_memory()
    wanted = f" would take {n_bytes / 2**30:,.1f} GiB of memory, "
    if n_bytes > free:
        raise MemoryError(Message(what, wanted, f"and {free / 2**30:,.1f} GiB are free: ", advice))
    if n_bytes > free / 2:
        warn(Message(what, wanted, f"most of the {free / 2**30:,.1f} GiB that are free: ", advice))


def aligned(size: int, dtype: npt.DTypeLike) -> Array:
    """A vector of zeros that starts on a cache line.

    Examples
    --------
    >>> vector = aligned(3, np.float32)
    >>> vector, vector.ctypes.data % ALIGNMENT
    (array([0., 0., 0.], dtype=float32), 0)
    """
    n_bytes = size * np.dtype(dtype).itemsize
    room = np.zeros(n_bytes + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + n_bytes].view(dtype)


def finite(array: Array) -> bool:
    """Whether no number of an array is NaN or infinite: looked at block by block, which costs no memory.

    Examples
    --------
    >>> finite(np.ones(3)), finite(np.array([np.inf, -np.inf])), finite(np.full(2, 1e308))
    (True, False, True)
    """
    flat = array.reshape(-1)
    return all(np.isfinite(flat[i : i + _BLOCK]).all() for i in range(0, flat.size, _BLOCK))


def processors() -> int:
    """How many processors this process may use: those that it may run on, and no more than its time is enough for."""
    known = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return known if quota() >= known else math.ceil(quota())
