"""How near the packed matrix product comes to the processor's peak, shape by shape, on one core.

    python benchmarks/kernels.py [--repeats 20]

A product C (M, N) += A (M, K) @ B (K, N) makes 2 M N K operations; the peak is that of multiply-adds in registers,
measured just before each shape. `PYCHARRNN_SIMD` selects the instruction set.
"""

import argparse
import time
from typing import NamedTuple

import numpy as np

from pycharrnn import _kernels
from pycharrnn.benchmark.measuring import fma_peaks
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
]


def matrix(rng: np.random.Generator, rows: int, columns: int, dtype: np.dtype) -> np.ndarray:
    """Random numbers that start on a cache line."""
    out = aligned(rows * columns, dtype).reshape(rows, columns)
    out[:] = rng.normal(size=out.shape)
    return out


def speed(shape: Shape, precision: Precision, packed: bool, repeats: int) -> float:
    """Operations per second: the best of some calls of about 5 ms."""
    M, N, K, transposed, _ = shape
    dtype = precision.weights
    rng = np.random.default_rng(0)
    repeat, best = 1, 0.0
    A = matrix(rng, *((K, M) if transposed else (M, K)), dtype)
    B = matrix(rng, K, N, dtype)
    C = matrix(rng, M, N, dtype)
    panels = aligned((N + _kernels.LANES) * K if packed else 0, dtype)
    done = 0
    while done < repeats:
        begin = time.perf_counter()
        _kernels.matmul(A, B, C, panels, transposed, False, repeat, precision.name)
        seconds = time.perf_counter() - begin
        if seconds < 0.005:
            repeat *= 2
            continue
        best = max(best, 2 * M * N * K * repeat / seconds)
        done += 1
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20, help="calls of each, of which the best counts")
    repeats = parser.parse_args().repeats
    simd = _kernels.simd_selected()
    print(f"{simd}: GFLOP/s and share of the FMA peak; 'rows' has B in whole rows, unpacked; T: A stored transposed")
    heads = (f"{how} {name}" for name in PRECISIONS for how in ("packed", "rows"))
    print(f"{'M x N x K':<22}" + "".join(f"{head:>18}" for head in heads))
    peaks = dict.fromkeys(("float32", "float64"), 0.0)
    for shape in SHAPES:
        cells = []
        for precision in PRECISIONS.values():
            dtype = precision.weights.name
            peaks[dtype] = max(peaks[dtype], fma_peaks(dtype)[simd])
            for packed in (True, False):
                found = speed(shape, precision, packed, repeats)
                cells.append(f"{found / 1e9:9.1f} {found / peaks[dtype]:5.0%}")
        size = f"{shape.M} x {shape.N} x {shape.K}{' T' * shape.transposed}"
        print(f"{size:<22}" + "".join(f"{cell:>18}" for cell in cells) + f"  {shape.meaning}")
    print(", ".join(f"FMA peak {dtype} {peak / 1e9:.1f} GFLOP/s" for dtype, peak in peaks.items()))


if __name__ == "__main__":
    main()
