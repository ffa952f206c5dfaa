"""Measuring: every competitor works in a process of its own, on the same cores, in turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, NamedTuple, Self

import numpy as np

from pycharrnn import _kernels
from pycharrnn.benchmark.jobs import Job


class Turn(NamedTuple):
    """What a competitor did of the classic job in one turn.

    Parameters
    ----------
    version : str
        The competitor's name and version.
    n_updates, n_characters : int
        How many updates it made and characters it drew.
    update, character : float
        Seconds that each of them took.
    peaks : dict of str to float
        The FMA peaks by instruction set, in operations per second; of pycharrnn alone.
    """

    version: str
    n_updates: int
    n_characters: int
    update: float
    character: float
    peaks: dict[str, float]

    def best(self, other: Self) -> Self:
        """Return the shorter times and the higher peaks of both turns."""
        return self._replace(
            update=min(self.update, other.update),
            character=min(self.character, other.character),
            peaks={simd: max(peak, other.peaks[simd]) for simd, peak in self.peaks.items()},
        )


class Steps(NamedTuple):
    """What a competitor did of the larger jobs in one turn.

    Parameters
    ----------
    version : str
        The competitor's name and version.
    update : list of float
        Seconds of an update of each job.
    peak : float
        The highest FMA peak of as many threads, in operations per second; 0 but for pycharrnn.
    """

    version: str
    update: list[float]
    peak: float

    def best(self, other: Self) -> Self:
        """Return the shorter times and the higher peak of both turns."""
        shorter = [*map(min, self.update, other.update)]
        return self._replace(update=shorter, peak=max(self.peak, other.peak))


class Row(NamedTuple):
    """A competitor in the table of the classic job.

    Parameters
    ----------
    label : str
        What the table calls the row.
    competitor : str
        Its name in `COMPETITORS`.
    updates, characters : float
        How many updates it makes and characters it draws for each update of pycharrnn.
    threads : int
        How many threads it may use.
    simd : str
        The instruction set of pycharrnn's kernels; "" for the one that is selected.
    """

    label: str
    competitor: str
    updates: float
    characters: float
    threads: int = 1
    simd: str = ""


class Task(NamedTuple):
    """What is asked of a worker process.

    Parameters
    ----------
    label : str
        What an error calls the worker.
    kind : {"turn", "steps"}
        The classic job or the larger ones.
    arguments : tuple
        What `worker` takes for that kind, after the cores; as JSON has it.
    threads : int
        On how many cores the worker runs.
    turn : int
        Which turn this is: turns go round the cores, too.
    simd : str
        The instruction set of pycharrnn's kernels; "" for the one that is selected.
    data : bytes
        The worker's standard input.
    """

    label: str
    kind: str
    arguments: tuple[Any, ...]
    threads: int = 1
    turn: int = 0
    simd: str = ""
    data: bytes = b""


def measure(row: Row, text: str, updates: int, turn: int = 0) -> Turn:
    """Let the competitor of a row take one turn at the classic job.

    Parameters
    ----------
    row : Row
        The competitor.
    text : str
        What it trains on.
    updates : int
        Updates that pycharrnn makes in a turn.
    turn : int, default 0
        Which turn this is.

    Returns
    -------
    Turn
        What was measured.

    Raises
    ------
    RuntimeError
        If the worker fails; the message has what it wrote to stderr.
    """
    n_updates, n_characters = (max(20, int(updates * share)) for share in (row.updates, row.characters))
    arguments = (row.competitor, n_updates, n_characters)
    data = text.encode("utf-8", "surrogatepass")
    return Turn(**ask(Task(row.label, "turn", arguments, row.threads, turn, row.simd, data)))


def steps(
    jobs: Sequence[Job], competitors: Sequence[str], threads: int = 1, repeats: int = 3, seconds: float = 0.3
) -> dict[str, Steps]:
    """Let competitors take turns at larger jobs, each in a new process with all the jobs.

    Parameters
    ----------
    jobs : sequence of Job
        The models and their windows.
    competitors : sequence of str
        Names in `COMPETITORS`.
    threads : int, default 1
        How many threads each may use.
    repeats : int, default 3
        Turns of each, of which the best counts.
    seconds : float, default 0.3
        How long a job is measured in a turn, at least.

    Returns
    -------
    dict of str to Steps
        The best of each competitor.

    Raises
    ------
    RuntimeError
        If a worker fails; the message has what it wrote to stderr.
    """
    best: dict[str, Steps] = {}
    for turn in range(repeats):
        for name in competitors:
            found = Steps(**ask(Task(name, "steps", (name, [*jobs], seconds), threads, turn)))
            best[name] = found.best(best.get(name, found))
    return best


def ask(task: Task) -> dict[str, Any]:
    """Return what a worker answers, in a process of its own; RuntimeError, with what it said, if it fails."""
    able = cores() or [*range(task.threads)]
    own = [able[(task.turn + i) % len(able)] for i in range(task.threads)]
    env = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(task.threads))
    env |= {"XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={task.threads > 1}".lower(), "JAX_PLATFORMS": "cpu"}
    env |= {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}  # so that it finds what we found
    env |= {"PYCHARRNN_SIMD": task.simd or _kernels.simd_selected()}
    command = [sys.executable, "-P", "-m", "pycharrnn.benchmark.worker", task.kind]
    command += map(json.dumps, (own, *task.arguments))
    ended = subprocess.run(command, input=task.data, env=env, capture_output=True)
    if ended.returncode or not ended.stdout.startswith(b"{"):
        said = (ended.stderr + ended.stdout).decode(errors="replace")[-4000:]
        raise RuntimeError(f"the worker of {task.label!r} failed with exit status {ended.returncode}:\n{said}")
    return dict(json.loads(ended.stdout))


def cores() -> list[int]:
    """Return the processors that this process may use, or none where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def seconds_each(call: Callable[[int], object], n: int) -> float:
    """Return the seconds that each of n takes in ``call(n)``."""
    begin = time.perf_counter()
    call(n)
    return (time.perf_counter() - begin) / n


def fma_peaks(dtype: str = "float32", best_of: int = 10, threads: int = 1) -> dict[str, float]:
    """Measure how fast the processor makes multiply-adds and nothing else.

    Parameters
    ----------
    dtype : {"float32", "float64"}, default "float32"
        The precision.
    best_of : int, default 10
        How often to measure.
    threads : int, default 1
        How many threads work at once.

    Returns
    -------
    dict of str to float
        Operations per second of all threads together, for each instruction set that the processor has.
    """
    n = 1_000_000 if threads == 1 else 10_000_000  # longer than threads take to start
    registers = [np.full(64, 0.5, dtype) for _ in range(threads)]
    selected = _kernels.simd_selected()
    peaks = {}
    with ThreadPoolExecutor(threads) as pool:

        def spin(_: int) -> float:
            others = [pool.submit(_kernels.multiply_adds, own, n) for own in registers[1:]]
            flops: float = threads * _kernels.multiply_adds(registers[0], n)
            wait(others)
            return flops

        for simd in supported():
            _kernels.simd_select(simd)
            peaks[simd] = spin(1) / min(seconds_each(spin, 1) for _ in range(best_of))
    _kernels.simd_select(selected)
    return peaks


def supported() -> list[str]:
    """Return the instruction sets that the processor has, of those that the kernels know."""
    return [name for name in _kernels.simd_names() if _kernels.simd_supported(name)]
