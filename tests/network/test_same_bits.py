"""The same weights on every machine: NumPy, OpenBLAS, the C library and our core are told that this is another."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest

from pycharrnn import _kernels
from pycharrnn.network.cells import CELLS
from pycharrnn.network.initial import normal, orthogonal
from pycharrnn.training.schedules import Cosine, Step

SCRIPT = """
import hashlib, itertools
import numpy as np
from pycharrnn import CharRNN
from pycharrnn.network.cells import CELLS
from pycharrnn.training.schedules import Step

text = "it was the best of times, it was the worst of times, " * 12
steps = Step(at=tuple(i / 20 for i in range(20)), factor=0.77)
documents = [f"number {i} of {i * i}" for i in range(40)]
kinds = [*itertools.product(("normal", "uniform", "orthogonal"), ("float32", "float64")), ("uniform", "bfloat16")]
for cell, (initializer, dtype) in itertools.product(CELLS, kinds):
    for schedule, more in (
        ("cosine", {"optimizer": "adam", "weight_decay": 0.01, "clip_norm": 1.0}),
        (steps, {"num_layers": 2, "embedding_size": 5, "batch_size": 3, "dropout": 0.2, "label_smoothing": 0.1}),
        ("plateau", {"optimizer": "rmsprop", "validation_fraction": 0.2}),
    ):
        model = CharRNN(
            cell, 33, initializer=initializer, dtype=dtype, schedule=schedule, epochs=2, random_state=5, **more
        )
        model.fit(text if isinstance(schedule, str) else documents)
        bits = b"".join(array.tobytes() for array in model.params_.values())
        print(cell, initializer, dtype, schedule, hashlib.sha256(bits).hexdigest())
"""

FUSING = [name for name in _kernels.simd_names() if _kernels.simd_supported(name) and name != "baseline"]
NUMPY = "X86_V4 X86_V3 AVX512_SPR AVX512_ICL AVX512_SKX AVX512F AVX2 FMA3"  # what versions of NumPy call them
MACHINES = [
    {"OPENBLAS_CORETYPE": "Prescott"},
    {"OPENBLAS_CORETYPE": "Haswell"},
    {"OPENBLAS_CORETYPE": "Sandybridge"},
    {"OPENBLAS_CORETYPE": "SkylakeX"},
    {"NPY_DISABLE_CPU_FEATURES": NUMPY},
    {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F"},
    *({"PYCHARRNN_SIMD": name} for name in FUSING),
]


def weights(machine, tmp_path):
    """What training comes to on such a machine, a line for each network."""
    environment = os.environ | {"PYTHONWARNINGS": "ignore"} | machine  # NumPy warns of features that it does not know
    command = [sys.executable, "-P", "-c", SCRIPT]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    return weights({}, tmp_path_factory.mktemp("here"))


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: "-".join(*machine.items()))
@pytest.mark.skipif(_kernels.simd_selected() == "baseline", reason="sums without fused multiply-add have other bits")
def test_training_gives_the_same_weights_on_every_machine(here, machine, tmp_path):
    assert len(here) == len(CELLS) * 7 * 3
    assert len({line.split()[-1] for line in here}) == len(here)
    assert weights(machine, tmp_path) == here


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (6, 2), (100, 100), (99, 33), (400, 100)])
def test_orthogonal_blocks_are_orthogonal(shape, rng):
    blocks = orthogonal(rng, shape).reshape(-1, shape[1], shape[1])
    eye = np.broadcast_to(np.eye(shape[1]), blocks.shape)
    np.testing.assert_allclose(blocks @ blocks.transpose(0, 2, 1), eye, rtol=0, atol=1e-13)


def test_orthogonal_blocks_are_the_same_with_and_without_fused_multiply_add(simd):
    found = orthogonal(np.random.default_rng(0), (99, 33))
    _kernels.simd_select(_kernels.simd_names()[-1])  # the fixture puts back what was in force
    assert orthogonal(np.random.default_rng(0), (99, 33)).tobytes() == found.tobytes()


def test_orthogonal_blocks_are_drawn_from_all_alike(rng):
    """Moments of the trace (Diaconis and Shahshahani 1994), an entry's distribution, and half are rotations."""
    n = 20_000
    blocks = orthogonal(rng, (4 * n, 4)).reshape(n, 4, 4)
    trace = np.trace(blocks, axis1=1, axis2=2)
    for power, moment, spread in ((1, 0, 1), (2, 1, 2**0.5), (4, 3, 96**0.5)):  # as if the trace were normal
        assert abs((trace**power).mean() - moment) < 4 * spread / n**0.5
    assert abs((np.linalg.det(blocks) > 0).mean() - 0.5) < 2 / n**0.5
    for entry in blocks.reshape(n, 16).T:  # of a point on a sphere in 4 dimensions: its angle has the density 1 - cos
        turns = 2 * np.arccos(-np.clip(entry, -1, 1))
        share = np.sort((turns - np.sin(turns)) / (2 * np.pi))
        assert np.abs(share - np.arange(n) / n).max() < 2 / n**0.5  # Kolmogorov and Smirnov: once in 1,500


def test_normal_numbers_are_numpys_but_for_the_last_bits_of_those_far_out():
    drawn = normal(np.random.default_rng(3), 0.01, (200, 1000))
    theirs = np.random.default_rng(3).normal(0, 0.01, (200, 1000))
    far = np.abs(theirs) > 0.0365
    assert 20 < far.sum() < 100
    np.testing.assert_array_equal(drawn[~far], theirs[~far])
    np.testing.assert_array_equal(drawn[far], theirs[far].astype(np.float32))


def test_the_cosine_is_within_an_ulp_of_one():
    x = np.linspace(0, 1, 10_001)
    schedule = Cosine(warmup=0, final=0)
    found = schedule.factors(x, [])
    np.testing.assert_allclose(found, [(1 + math.cos(math.pi * a)) / 2 for a in x], rtol=0, atol=4e-16)
    np.testing.assert_array_equal(schedule.factors(np.array([0.0, 1.0]), []), [1, 0])
    np.testing.assert_array_equal(
        Cosine(warmup=0.5, final=0.25).factors(np.array([0, 0.25, 0.5, 1]), []), [0, 0.5, 1, 0.25]
    )


def test_steps_multiply():
    schedule = Step(at=(0.25, 0.5, 0.5, 0.9), factor=0.3)
    found = schedule.factors(np.array([0, 0.25, 0.4, 0.5, 0.9, 1]), [])
    np.testing.assert_array_equal(found, [1, 0.3, 0.3, 0.3 * 0.3 * 0.3, 0.3 * 0.3 * 0.3 * 0.3, 0.3 * 0.3 * 0.3 * 0.3])
