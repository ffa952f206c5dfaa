"""What a report of a fault begins with."""

import platform

import numpy as np

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
    }
    assert rows["processor"].strip()
