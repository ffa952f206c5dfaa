"""The list of faults that tools/planted.py plants keeps up with the code."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAULTS = runpy.run_path(str(ROOT / "tools" / "planted.py"))["FAULTS"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.module}: {fault.right.strip()[:40]}")
def test_each_fault_has_one_place(fault):
    assert (ROOT / fault.path).read_text(encoding="utf-8").count(fault.right) == 1
    assert fault.right != fault.wrong
    assert all((ROOT / path).exists() for path in fault.tests.split())
