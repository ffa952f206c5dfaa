"""The kernels of tiles where there are none: an emulator carries out their instructions. The bits are as elsewhere."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pycharrnn import _kernels

TILES = "x86-64-v4-amx"
HERE = Path(__file__).parent
FLAGS = ["-O2", "-mfma", "-ffp-contract=off", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror"]

pytestmark = [
    pytest.mark.skipif(
        TILES not in _kernels.simd_names() or not _kernels.simd_supported("x86-64-v4") or not shutil.which("cc"),
        reason="no processor with vectors of 512 bits, or no C compiler for the emulator",
    ),
    pytest.mark.skipif(
        TILES in _kernels.simd_names() and _kernels.simd_supported(TILES),
        reason="the processor has tiles, on which the tests of bfloat16 run as they are",
    ),
]


@pytest.fixture(scope="module")
def emulated(tmp_path_factory):
    """A function that runs Python with emulated tiles, and returns its output and how many products tiles made."""
    folder = tmp_path_factory.mktemp("tiles")
    library, count = folder / "tiles.so", folder / "count"
    subprocess.run(["cc", *FLAGS, str(HERE / "tiles.c"), "-o", str(library), "-lm"], check=True)

    def run(*arguments, **variables):
        env = (
            os.environ
            | {"LD_PRELOAD": f"{os.environ.get('LD_PRELOAD', '')}:{library}", "TILES_COUNT": str(count)}
            | variables
        )
        count.unlink(missing_ok=True)
        done = subprocess.run([sys.executable, *arguments], env=env, cwd=folder, capture_output=True, text=True)
        assert not done.returncode, done.stdout + done.stderr
        return done.stdout, sum(map(int, count.read_text().split()))

    if (
        TILES
        not in run("-c", "from pycharrnn import _kernels as k; print(*filter(k.simd_supported, k.simd_names()))")[0]
    ):
        pytest.skip("this processor lacks even the rounding instruction")
    return run


def test_the_tests_of_bfloat16_pass(emulated):
    options = ["-q", "-p", "no:faulthandler", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", TILES]
    found, products = emulated("-m", "pytest", *options, str(HERE / "test_bfloat16.py"))
    assert int(re.search(r"(\d+) passed", found)[1]) > 50
    assert "failed" not in found
    assert products > 50_000


TRAINING = """
import hashlib
from pycharrnn import CharRNN, _kernels
text = "the quick brown fox jumps over the lazy dog. " * 40
found = set()
for name, n_threads in (("x86-64-v4", 1), ("x86-64-v4-amx", 1), ("x86-64-v4-amx", 3)):
    _kernels.simd_select(name)
    assert _kernels.products_by("bfloat16") == ("AMX tiles" if "amx" in name else "fused multiply-add")
    model = CharRNN("CELL", 45, num_layers=2, dtype="bfloat16", batch_size=70, seq_length=9, n_threads=n_threads,
                    dropout=0.1, optimizer="adam", epochs=None, max_updates=4, random_state=3).fit(text)
    digest = hashlib.sha256(b"".join(array.tobytes() for array in model.params_.values()))
    digest.update(repr(model.evaluate(text)).encode() + model.sample(50, random_state=0).encode())
    found.add(digest.hexdigest())
print(len(found))
"""


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_tiles_and_vectors_make_the_same_bits(emulated, cell):
    """More streams than a block has rows, odd sizes, and threads that share them."""
    found, products = emulated("-c", TRAINING.replace("CELL", cell))
    assert found == "1\n"
    assert products > 1000


def test_a_name_is_refused_where_there_are_no_tiles():
    with pytest.raises(ImportError, match=f"PYCHARRNN_SIMD='{TILES}' cannot be used: this processor does not have it"):
        _kernels.simd_select(TILES)
