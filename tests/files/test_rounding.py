"""Weights rounded to bfloat16: the nearest ones, half the bytes, and nothing else is read."""

import hashlib
from fractions import Fraction

import numpy as np
import pytest
import reference
from container_examples import forge
from numpy.testing import assert_array_equal
from small import small

from pycharrnn import CharRNN
from pycharrnn.cli import main
from pycharrnn.errors import ModelFileError
from pycharrnn.files import container
from pycharrnn.files.rounding import rounded, widened


def test_numbers_are_rounded_as_the_twin_rounds_them():
    """Of normal numbers; the twin, as the kernels, has no others."""
    high = np.arange(1 << 16, dtype=np.uint32)[:, None] << 16
    given = (high + np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)).view(np.float32)
    normal = given[np.isfinite(given) & (np.abs(given) >= 2.0**-126)]
    assert_array_equal(widened(rounded(normal)), reference.bfloat16(normal))
    assert_array_equal(rounded(normal.astype(np.float64)), rounded(normal))


def nearest(x):
    """The bfloat16 number nearest to an exact number; Python rounds ties to even, as it should be."""
    exponent = max(np.frexp(abs(float(x)))[1] - 1, -126)
    unit = Fraction(2) ** int(exponent - 7)
    found = round(x / unit) * unit
    return float(found) if abs(found) < 2**128 else np.copysign(np.inf, float(found))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("exponent", [0, 5, -126, -130, -133, 127])
def test_numbers_beside_a_tie_go_to_the_nearer_one(dtype, exponent):
    steps = np.array([0, 1, 2, 3, 126, 127, -1, -2])[:, None]
    tiny = np.array([0.0, 2.0**-14, -(2.0**-14), 2.0**-40, -(2.0**-40)])
    given = np.ldexp(1 + (steps + 0.5 + tiny) / 128, exponent).ravel().astype(dtype)
    expected = [nearest(Fraction(float(x))) for x in given]
    assert_array_equal(widened(rounded(given)).astype(np.float64), expected)
    assert_array_equal(widened(rounded(-given)).astype(np.float64), [-x for x in expected])


def test_what_is_rounded_stays(text, tmp_path):
    for dtype in ("float32", "float64", "bfloat16"):
        model = small(dtype=dtype, optimizer="adam").fit(text)
        model.save(tmp_path / "whole")
        model.save(tmp_path / "half", dtype="bfloat16")
        size = sum(array.size for array in model.params_.values())
        item = 8 if dtype == "float64" else 4
        sizes = [(tmp_path / name).stat().st_size for name in ("whole", "half")]
        assert 0 <= (item - 2) * size - (sizes[0] - sizes[1]) < 100
        loaded = CharRNN.load(tmp_path / "half")
        for name, array in model.params_.items():
            assert loaded.params_[name].dtype == array.dtype
            assert_array_equal(loaded.params_[name], reference.bfloat16(array.astype(np.float32)), err_msg=name)
        assert loaded.get_params() == CharRNN.load(tmp_path / "whole").get_params()
        assert loaded.best_ == model.best_
        assert abs(loaded.evaluate(text).nats - model.evaluate(text).nats) < 0.01
        loaded.save(tmp_path / "again", dtype="bfloat16")
        assert (tmp_path / "again").read_bytes() == (tmp_path / "half").read_bytes()
        loaded.save(tmp_path / "wide")
        assert (tmp_path / "wide").stat().st_size == sizes[0]
        loaded.partial_fit(text)


def test_the_file_is_frozen(tmp_path):
    """A change here means that old files cannot be read any more: it takes a new format version."""
    container.save(tmp_path / "m", {"W": np.array([[1.0, -2.5]]), "n": np.array([3], np.int32)}, {}, narrow={"W"})
    data = (tmp_path / "m").read_bytes()
    assert data.endswith(b"\3\0\0\0" + b"\x80\x3f\x20\xc0")
    assert b'"n":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}' in data
    assert b'"W":{"dtype":"BF16","shape":[1,2],"data_offsets":[4,8]}' in data
    assert hashlib.sha256(data).hexdigest() == "83b1612230ffa2064175096f3c1c48c5d519e8485ffc1f1a95ed753f73f70793"
    found = container.load(tmp_path / "m", lambda _: {"W": ((1, 2), "bfloat16"), "n": ((1,), "int32")})[0]
    assert found["W"].dtype == np.float32
    assert_array_equal(found["W"], [[1, -2.5]])


def test_what_is_too_large_is_refused(text, tmp_path):
    full = np.array([0x7FFFFFFF], np.uint32).view(np.float32)  # a NaN that would round to a number
    for value in (3.4e38, -3.4e38, np.nan, np.inf, full[0]):
        with pytest.raises(ValueError, match="tensor 'W' holds NaN or infinite values"):
            container.save(tmp_path / "m", {"W": np.array([value], np.float32)}, {}, narrow={"W"})
    with pytest.raises(ValueError, match="tensor 'W' holds NaN or infinite values"):
        container.save(tmp_path / "m", {"W": np.array([1e300])}, {}, narrow={"W"})
    with pytest.raises(ValueError, match="dtype must be one of 'bfloat16', got 'float16'"):
        small().fit(text).save(tmp_path / "m", dtype="float16")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (rb",\"weights\":\"bfloat16\"", rb"", "the header has .*BF16.*calls for .*F32"),
        (rb"\"weights\":\"bfloat16\"", rb"\"weights\":\"float32\"", "weights must be one of 'bfloat16', got 'float32'"),
        (rb"\"weights\":\"bfloat16\"", rb"\"weights\":null", "weights must be one of 'bfloat16', got None"),
        (rb"\"weights\":\"bfloat16\"", rb"\"weights\":[]", "weights must be one of 'bfloat16', got"),
    ],
)
def test_forged_types_are_refused(text, tmp_path, old, new, message):
    small().fit(text).save(tmp_path / "m", dtype="bfloat16")
    (tmp_path / "m").write_bytes(forge((tmp_path / "m").read_bytes(), old, new))
    with pytest.raises(ModelFileError, match=message):
        CharRNN.load(tmp_path / "m")


def test_infinite_bits_are_refused(tmp_path):
    container.save(tmp_path / "m", {"W": np.array([1.0])}, {}, narrow={"W"})
    (tmp_path / "m").write_bytes(forge((tmp_path / "m").read_bytes(), b"\x80\x3f", b"\x80\x7f"))
    with pytest.raises(ModelFileError, match="tensor 'W' holds NaN or infinite values"):
        container.load(tmp_path / "m", lambda _: {"W": ((1,), "bfloat16")})


def test_the_command(text, tmp_path, capsys):
    (tmp_path / "t").write_text(text * 3)
    given = ["train", str(tmp_path / "t"), "--max-updates", "20", "--quiet", "--sample", "0", "--random-state", "0"]
    for name, more in (("whole", []), ("half", ["--save-dtype", "bfloat16"])):
        assert main([*given, "-o", str(tmp_path / name), *more]) == 0
    assert main(["adapt", *(str(tmp_path / name) for name in ["half", "t"]), "-o", str(tmp_path / "a"), *more]) == 0
    sizes = [(tmp_path / name).stat().st_size for name in ("whole", "half", "a")]
    assert sizes[1] < 0.6 * sizes[0]
    assert abs(sizes[2] - sizes[1]) < 100
    capsys.readouterr()
    assert main([*given, *more]) == 2
    assert "add --output FILE" in capsys.readouterr().err
