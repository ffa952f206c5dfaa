"""Rows and records that the kernels and Python both have."""

import pytest

from pycharrnn.network.records import compare


@pytest.mark.parametrize(
    ("kernels", "python", "message"),
    [
        (("T", "B", "Q"), ("T", "B"), r"the fields of Plan .* only the kernels have \['Q'\], only Python has \[\];"),
        (("T",), ("T", "Q"), r"only the kernels have \[\], only Python has \['Q'\]; build the package anew"),
        (("T", "B"), ("B", "T"), r"the kernels have the order \['T', 'B'\], Python has \['B', 'T'\];"),
    ],
)
def test_two_sides_that_differ_are_told_apart(kernels, python, message):
    with pytest.raises(ImportError, match=message):
        compare("the fields of Plan", kernels, python)


def test_two_sides_that_agree_are_silent():
    compare("the fields of Plan", ("T", "B"), ["T", "B"])
