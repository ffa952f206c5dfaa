"""How near the matrix product comes to the processor's peak, shape by shape, on one core, and beside MKL.

    python benchmarks/kernels.py [--repeats 20]

A product C (M, N) += A (M, K) @ B (K, N) makes 2 M N K operations; the peak is that of multiply-adds in registers,
measured just before each shape. All of a row take turns, and the best turn of each counts. MKL is measured where
`pip install mkl` has put it; it gets B in whole rows. `PYCHARRNN_SIMD` selects the instruction set.
"""

import argparse
import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pycharrnn import _kernels
from pycharrnn.benchmark.measuring import fma_peaks, seconds_each
from pycharrnn.network.memory import aligned
from pycharrnn.network.precision import PRECISIONS, Precision


class Shape(NamedTuple):
    """A product: its sizes, whether A is stored transposed, and what it is."""

    M: int
    N: int
    K: int
    transposed: bool
    meaning: str


SHAPES = [  # of the classic job with K = 80, then of larger ones
    Shape(25, 80, 100, False, "logits"),
    Shape(25, 112, 80, False, "dh from logits"),
    Shape(80, 112, 25, True, "dV"),
    Shape(100, 112, 25, True, "dW"),
    Shape(1, 112, 100, False, "one step of the recurrence"),
    Shape(50, 1024, 256, False, "a batch of 50, four gates of 256"),
    Shape(64, 2048, 512, False, "a batch of 64, four gates of 512"),
    Shape(1, 1024, 256, False, "one step, four gates of 256"),
    # Of an LSTM with B = T = 50. Rows are a cache line longer, as in a training: others share places in the cache.
    *(
        Shape(M, 4 * H + 16 if wide else H + 16, H if wide else 4 * H, False, f"LSTM of {H}: {meaning}")
        for H in (256, 512)
        for M, of in ((50, "a step"), (2500, "a window"))
        for wide, meaning in ((True, f"the gates of {of}"), (False, f"{of}'s way back"))
    ),
    *(Shape(4 * H + 16, H + 16, 2500, True, f"LSTM of {H}: the gradient of a matrix") for H in (256, 512)),
]


def matrix(rng: np.random.Generator, rows: int, columns: int, dtype: np.dtype) -> np.ndarray:
    """Random numbers that start on a cache line."""
    out = aligned(rows * columns, dtype).reshape(rows, columns)
    out[:] = rng.normal(size=out.shape)
    return out


def ours(shape: Shape, precision: Precision, packed: bool) -> Callable[[int], object]:
    """Our product, so many times."""
    M, N, K, transposed, _ = shape
    dtype = precision.weights
    rng = np.random.default_rng(0)
    A = matrix(rng, *((K, M) if transposed else (M, K)), dtype)
    B = matrix(rng, K, N, dtype)
    C = matrix(rng, M, N, dtype)
    panels = aligned((N + _kernels.LANES) * K if packed else 0, dtype)
    return lambda n: _kernels.matmul(A, B, C, panels, transposed, False, n, precision.name)


def mkl(shape: Shape) -> Callable[[int], object] | None:
    """MKL's product in float32, so many times; None where there is no MKL."""
    found = sorted((Path(sys.prefix) / "lib").glob("libmkl_rt.so*"))
    if not found:
        return None
    os.environ["MKL_NUM_THREADS"] = "1"
    gemm = ctypes.CDLL(str(found[-1])).cblas_sgemm
    M, N, K, transposed, _ = shape
    rng = np.random.default_rng(0)
    A = matrix(rng, *((K, M) if transposed else (M, K)), np.dtype(np.float32))
    B, C = matrix(rng, K, N, A.dtype), matrix(rng, M, N, A.dtype)
    by_rows, as_it_is, turned, one = 101, 111, 112, ctypes.c_float(1)
    views = [array.ctypes.data_as(ctypes.c_void_p) for array in (A, B, C)]

    def run(n: int) -> None:
        for _ in range(n):
            gemm(
                *(by_rows, turned if transposed else as_it_is, as_it_is, M, N, K),
                *(one, views[0], A.shape[1], views[1], N, one, views[2], N),
            )
        assert A.size  # the views do not keep
        assert B.size  # the arrays alive

    return run


def speeds(shape: Shape, rivals: dict[str, Callable[[int], object]], repeats: int) -> dict[str, float]:
    """Operations per second of each: the best of some turns of 50 ms, of which B is packed once."""
    flops = 2 * shape.M * shape.N * shape.K
    n, best = {}, dict.fromkeys(rivals, 0.0)
    for name, run in rivals.items():
        n[name], seconds = 1, seconds_each(run, 1)
        while seconds * n[name] < 0.05:
            n[name] *= 2
            seconds = seconds_each(run, n[name])
    for _ in range(repeats):
        for name, run in rivals.items():
            best[name] = max(best[name], flops / seconds_each(run, n[name]))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20, help="calls of each, of which the best counts")
    repeats = parser.parse_args().repeats
    simd = _kernels.simd_selected()
    print(f"{simd}: GFLOP/s and share of the FMA peak; 'rows' has B in whole rows, unpacked; T: A stored transposed")
    peaks = dict.fromkeys(("float32", "float64"), 0.0)
    for shape in SHAPES:
        rivals: dict[str, Callable[[int], object]] = {}
        for precision in PRECISIONS.values():
            peaks[precision.weights.name] = max(peaks[precision.weights.name], fma_peaks(precision.weights.name)[simd])
            for how in ("packed", "rows"):
                rivals[f"{how} {precision.name}"] = ours(shape, precision, how == "packed")
        theirs = mkl(shape)
        if theirs:
            rivals["MKL float32"] = theirs
        if shape is SHAPES[0]:
            print(f"{'M x N x K':<22}" + "".join(f"{name:>18}" for name in rivals))
        found = speeds(shape, rivals, repeats)
        size = f"{shape.M} x {shape.N} x {shape.K}{' T' * shape.transposed}"
        cells = (
            f"{one / 1e9:9.1f} {one / peaks['float64' if name.endswith('64') else 'float32']:5.0%}"
            for name, one in found.items()
        )
        print(f"{size:<22}" + "".join(f"{cell:>18}" for cell in cells) + f"  {shape.meaning}")
    print(", ".join(f"FMA peak {dtype} {peak / 1e9:.1f} GFLOP/s" for dtype, peak in peaks.items()))


if __name__ == "__main__":
    main()
