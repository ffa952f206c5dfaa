"""What a report of a fault begins with."""

import platform

import numpy as np
import pytest

import pycharrnn
from pycharrnn import _kernels


def test_the_versions_are_those_of_what_runs(capsys):
    pycharrnn.show_versions()
    printed = capsys.readouterr().out
    rows = {line[:15].strip(): line[17:] for line in printed.splitlines()}
    assert rows == {
        "pycharrnn": pycharrnn.__version__,
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "system": platform.platform(),
        "processor": rows["processor"],
        "instruction set": _kernels.simd_selected(),
        **{name: f"products by {_kernels.products_by(name)}" for name in ("float32", "float64", "bfloat16")},
    }
    assert rows["processor"].strip()


def test_products_are_by_what_the_instruction_set_has():
    before = _kernels.simd_selected()
    try:
        for name in filter(_kernels.simd_supported, _kernels.simd_names()):
            _kernels.simd_select(name)
            for precision in _kernels.PRECISIONS:
                assert ("fused" in _kernels.products_by(precision)) is (name != "baseline") or "AMX" in name.upper()
    finally:
        _kernels.simd_select(before)
    with pytest.raises(ValueError, match="precision must be one of float32, float64, bfloat16, got 'float16'"):
        _kernels.products_by("float16")
