"""Versions of the package, of Python and of NumPy: speed and, at times, the bits of a result depend on them."""

from __future__ import annotations

import os

import numpy as np

from pycharrnn import _kernels

__all__ = ["__version__", "show_versions", "versions"]

__version__ = "0.1.0"


def versions() -> dict[str, str]:
    """Return the versions of pycharrnn and of what it runs on.

    Returns
    -------
    dict of str to str
        pycharrnn, Python, NumPy, the system, the processor, the instruction set in force, and what makes the matrix
        products of each precision.

    Examples
    --------
    >>> list(versions())
    ['pycharrnn', 'Python', 'NumPy', 'system', 'processor', 'instruction set', 'float32', 'float64', 'bfloat16']
    """
    import platform  # only now: `import pycharrnn` must not wait for it

    return {
        "pycharrnn": __version__,
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "system": platform.platform(),
        "processor": _processor(),
        "instruction set": _kernels.simd_selected(),
        **{name: f"products by {_kernels.products_by(name)}" for name in _kernels.PRECISIONS},
    }


def show_versions() -> None:
    """Print the versions of pycharrnn and of what it runs on: please paste them into a report of a fault.

    Examples
    --------
    >>> from pycharrnn import show_versions
    >>> show_versions()  # doctest: +ELLIPSIS
    pycharrnn        ...
    Python           ...
    NumPy            ...
    system           ...
    processor        ...
    instruction set  ...
    float32          products by ...
    float64          products by ...
    bfloat16         products by ...
    """
    for name, version in versions().items():
        print(f"{name:<15}  {version}")


def _processor() -> str:
    """The processor as Linux names it, or as far as Python knows it."""
    import platform

    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        if names and names[0]:
            return names[0]
    return platform.processor() or platform.machine()
