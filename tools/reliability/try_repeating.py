"""Repeating: the same bits whatever the machine is set to."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator

from rows import Finding, row, scratch

from pycharrnn import _kernels

SCRIPT = """
import hashlib, multiprocessing, os, sys
def digest(n_threads):
    from pycharrnn import CharRNN, datasets
    text = datasets.load("tinyshakespeare")[:6000]
    found = hashlib.sha256()
    for cell, dtype in (("rnn", "float32"), ("lstm", "float32"), ("gru", "float64"), ("gru", "bfloat16")):
        model = CharRNN(cell, hidden_size=24, dtype=dtype, batch_size=4, dropout=0.1, random_state=0, epochs=None,
                        max_updates=30, optimizer="adam", initializer="orthogonal", n_threads=n_threads).fit(text)
        for array in model.params_.values():
            found.update(array.tobytes())
        found.update(model.sample(1000, random_state=1).encode())
        found.update(repr(model.evaluate(text[:3000])).encode())
    return found.hexdigest()
if __name__ == "__main__":
    n_threads, method = int(sys.argv[1]), sys.argv[2]
    if method == "here":
        print(digest(n_threads))
    else:
        with multiprocessing.get_context(method).Pool(1) as pool:
            print(pool.apply(digest, (n_threads,)))
"""
ENVIRONMENTS: list[dict[str, str]] = [
    {},
    {"PYTHONHASHSEED": "1"},
    {"PYTHONHASHSEED": "77"},
    {"OPENBLAS_CORETYPE": "Haswell"},
    {"OPENBLAS_CORETYPE": "Sandybridge"},
    {"OPENBLAS_CORETYPE": "Prescott"},
    {"OPENBLAS_NUM_THREADS": "1"},
    {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"},
    {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4"},
    {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2"},
    {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3"},
    {"LC_ALL": "C", "TZ": "Asia/Kathmandu"},
    {"PYTHONUTF8": "1", "TZ": "UTC"},
    {"MALLOC_PERTURB_": "165"},
    {"PYTHONMALLOC": "malloc", "MALLOC_ARENA_MAX": "1"},
    {"PYTHONOPTIMIZE": "2"},
]


def fused() -> list[str]:
    """The instruction sets of this processor that have fused multiply-add."""
    return [name for name in _kernels.simd_names() if _kernels.simd_supported(name) and name != "baseline"]


def settings(full: bool) -> Iterator[tuple[dict[str, str], int, str]]:
    """Environment, threads, and how the process is started."""
    for environment, n_threads in itertools.product(
        ENVIRONMENTS if full else ENVIRONMENTS[::4], (1, 2, 4) if full else (2,)
    ):
        yield environment, n_threads, "here"
    for method, n_threads in itertools.product(("fork", "spawn", "forkserver"), (1, 2, 4) if full else (1,)):
        yield {}, n_threads, method
    for name, n_threads in itertools.product(fused(), (1, 2, 4) if full else (1,)):
        yield {"PYCHARRNN_SIMD": name}, n_threads, "here"


@row("R23", "The same bits in every setting: threads, hash seed, BLAS, glibc, sets")
def repeats(full: bool) -> Finding:
    found = Finding("settings", 60 if full else 8)
    digests: dict[str, str] = {}
    with scratch() as folder:
        script = folder / "digest.py"
        script.write_text(SCRIPT)
        for environment, n_threads, method in settings(full):
            name = f"{environment} n_threads={n_threads} {method}"
            command = [sys.executable, str(script), str(n_threads), method]
            path = os.pathsep.join(part for part in sys.path if "reliability" not in part)
            where = os.environ | {"PYTHONPATH": path, "NPY_DISABLE_CPU_FEATURES": ""} | environment
            done = subprocess.run(command, env=where, cwd=folder, capture_output=True, text=True)
            digests[name] = done.stdout.strip() or done.stderr[-300:]
            found.check(digests[name] == next(iter(digests.values())), name, digests[name])
    found.note = f"{len(set(digests.values()))} hash: {next(iter(digests.values()))[:16]}"
    return found


@row("R24", "An instruction set that is not there is an error, and none crashes")
def sets(full: bool) -> Finding:
    found = Finding("sets", 3)
    for name in [*_kernels.simd_names(), "none", ""]:
        script = "import pycharrnn; print(pycharrnn.CharRNN(hidden_size=8, max_updates=5).fit('abcab' * 9).sample(5))"
        where = os.environ | {"PYCHARRNN_SIMD": name, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", script], env=where, capture_output=True, text=True)
        there = name == "" or (name in _kernels.simd_names() and _kernels.simd_supported(name))
        right = done.returncode == 0 if there else done.returncode == 1 and name in done.stderr
        found.check(right, name, done.returncode, done.stderr[-200:])
    return found
