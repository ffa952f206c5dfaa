"""The tables: what ``pycharrnn bench`` prints."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from typing import IO

from pycharrnn import _kernels, datasets
from pycharrnn.benchmark import measuring
from pycharrnn.benchmark.competitors import COMPETITORS
from pycharrnn.benchmark.jobs import CLASSIC, JOBS, SYMBOLS, Job
from pycharrnn.benchmark.measuring import Row, Steps, Turn

_FORM = "{:<34}{:>9}{:>11}{:>14}{:>8}{:>12}{:>14}{:>8}"
_FULL = "{:<26}{:>8}{:>11}{:>10}{:>9}{:>14}"


def run(updates: int = 20_000, repeats: int = 5, text: str | None = None, file: IO[str] | None = None) -> None:
    """Measure every competitor at the classic job and print a table.

    Parameters
    ----------
    updates : int, default 20_000
        Updates that pycharrnn makes in a turn. The others make fewer, in about the same time.
    repeats : int, default 5
        Turns of each competitor, of which the best counts.
    text : str or None, default None
        What to train on; None is the corpus "topics".
    file : text stream or None, default None
        Where the table goes; None is stdout.

    Raises
    ------
    ValueError
        If `updates` or `repeats` is below 1, or the text is not longer than a window.
    RuntimeError
        If a competitor that is installed fails.

    Examples
    --------
    >>> import io
    >>> table = io.StringIO()
    >>> run(updates=20, repeats=1, text="to be or not to be " * 20, file=table)
    >>> print(table.getvalue().partition("; ")[0])
    100 units, windows of 25, batch 1, AdaGrad 0.1, clip 5
    """
    text = datasets.load("topics") if text is None else text
    if updates < 1 or repeats < 1:
        raise ValueError(f"updates and repeats must be at least 1, got {updates!a} and {repeats!a}")
    if len(text) <= CLASSIC.seq_length:
        raise ValueError(f"the text must have more than {CLASSIC.seq_length} characters, it has {len(text)}")
    rows = _rows()
    best: dict[str, Turn] = {}
    for turn in range(repeats):
        for row in rows:
            if COMPETITORS[row.competitor].installed:
                found = measuring.measure(row, text, updates, turn)
                best[row.label] = found.best(best.get(row.label, found))
    n_symbols = len(set(text))
    ours = best[rows[0].label]
    print(
        f"{CLASSIC.hidden_size} units, windows of {CLASSIC.seq_length}, batch 1, AdaGrad {CLASSIC.learning_rate}, "
        f"clip {CLASSIC.clip_value:g}; {len(text):,} characters, {n_symbols} distinct",
        f"best of {repeats} turns; ratio: time over that of the first row\n",
        _FORM.format("", "updates", "us/update", "characters/s", "ratio", "sampled", "characters/s", "ratio"),
        *(_line(row.label, best.get(row.label), ours) for row in rows),
        *_share_of_the_peak(ours, n_symbols),
        _versions([turn.version for turn in best.values()]),
        *_products(),
        sep="\n",
        file=file,
    )


def _rows() -> list[Row]:
    """The rows of the table, pycharrnn's first: with the instruction set that is selected, and with AVX2."""
    selected = _kernels.simd_selected()
    forced = [name for name in measuring.supported() if name == "x86-64-v3" and name != selected]
    ours = [Row(f"pycharrnn float32, {name}", "pycharrnn", 1, 40, simd=name) for name in (selected, *forced)]
    torch = [Row(f"PyTorch float32, threads: {n}", "torch", 1 / 25, 1 / 2, threads=n) for n in (1, 2)]
    return [*ours, Row("NumPy float64", "numpy", 1 / 20, 2), *torch, Row("JAX float32, jitted", "jax", 1 / 2, 8)]


def _line(label: str, turn: Turn | None, ours: Turn) -> str:
    if turn is None:
        return f"{label:<34}not installed"
    u, c = turn.update, turn.character
    trained = f"{turn.n_updates:,}", f"{u * 1e6:,.1f}", f"{CLASSIC.seq_length / u:,.0f}", f"{u / ours.update:.2f}"
    sampled = f"{turn.n_characters:,}", f"{1 / c:,.0f}", f"{c / ours.character:.2f}"
    return _FORM.format(label, *trained, *sampled)


def _share_of_the_peak(ours: Turn, n_symbols: int) -> list[str]:
    """How much of what the processor can do an update makes; no higher peak is hidden."""
    flops, selected = CLASSIC.flops(n_symbols), _kernels.simd_selected()
    speed = flops / ours.update
    lines = [f"\nmatrix products of an update: {flops / 1e6:.2f} MFLOP, {speed / 1e9:.1f} GFLOP/s"]
    for name in (selected, *(name for name, peak in ours.peaks.items() if peak > 1.05 * ours.peaks[selected])):
        peak = f"{ours.peaks[name] / 1e9:.1f} GFLOP/s, of which an update makes {speed / ours.peaks[name]:.0%}"
        lines.append(f"FMA peak of one core in float32, {name}: {peak}")
    return lines


def run_full(repeats: int = 3, seconds: float = 0.3, jobs: Sequence[Job] = JOBS, file: IO[str] | None = None) -> None:
    """Measure whole training steps of larger models (forward, backward, clip by norm, Adam) and print a table.

    With one thread, and with two where there are two processors.

    Parameters
    ----------
    repeats : int, default 3
        Turns of each competitor, of which the best counts.
    seconds : float, default 0.3
        How long a job is measured in a turn, at least.
    jobs : sequence of Job
        The models and their windows.
    file : text stream or None, default None
        Where the table goes; None is stdout.

    Raises
    ------
    ValueError
        If `repeats` is below 1.
    RuntimeError
        If a competitor that is installed fails.

    Examples
    --------
    >>> import io
    >>> table = io.StringIO()
    >>> run_full(repeats=1, seconds=0.01, jobs=[Job("gru", 1, 16, 2, 5)], file=table)
    >>> print(table.getvalue().partition(";")[0])
    Training steps in float32: forward, backward, clip by norm, Adam
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    steppers = {name: one for name, one in COMPETITORS.items() if one.steps}
    names = [name for name, one in steppers.items() if one.installed]
    others = [word for name in names[1:] for word in (f"{steppers[name].label} ms", "ratio")]
    form = _FULL + "{:>13}{:>8}" * (len(names) - 1)
    print(
        f"Training steps in float32: forward, backward, clip by norm, Adam; {SYMBOLS} symbols, B streams, windows of T",
        f"best of {repeats} turns; ratio: time over that of pycharrnn with as many threads\n",
        form.format("", "threads", "ms/update", "GFLOP/s", "of peak", "characters/s", *others),
        sep="\n",
        file=file,
        flush=True,
    )
    peaks: list[str] = []
    best: dict[str, Steps] = {}
    for threads in range(1, 1 + min(2, len(measuring.cores()) or os.cpu_count() or 1)):
        best = measuring.steps(jobs, names, threads, repeats, seconds)
        peaks.append(f"{threads}: {best['pycharrnn'].peak / 1e9:.1f}")
        for i, job in enumerate(jobs):
            times = [best[name].update[i] for name in names]
            print(form.format(str(job), threads, *_figures(job, times, best["pycharrnn"].peak)), file=file, flush=True)
    absent = [one.label for name, one in steppers.items() if not one.installed and name == one.package]
    print(
        "",
        *(f"{label}: not installed" for label in absent),
        "GFLOP/s: the matrix products of pycharrnn alone",
        f"FMA peak in float32 by threads, GFLOP/s: {', '.join(peaks)}",
        "bfloat16: pycharrnn with products of bfloat16, autocast: PyTorch with torch.autocast",
        f"{_versions([best[name].version for name in names])}, {_kernels.simd_selected()}",
        *_products(),
        sep="\n",
        file=file,
    )


def _figures(job: Job, times: Sequence[float], peak: float) -> list[str]:
    """The cells of a row, from the seconds of an update by pycharrnn and by the others."""
    ours, *theirs = times
    speed = job.flops / ours
    characters = job.batch_size * job.seq_length / ours
    cells = [f"{ours * 1e3:,.2f}", f"{speed / 1e9:,.1f}", f"{speed / peak:.0%}", f"{characters:,.0f}"]
    return cells + [word for other in theirs for word in (f"{other * 1e3:,.2f}", f"{other / ours:.2f}")]


def _versions(competitors: Sequence[str]) -> str:
    return ", ".join([*dict.fromkeys(competitors), f"Python {platform.python_version()}", platform.machine()])


def _products() -> list[str]:
    """What makes the matrix products of pycharrnn, a line for each precision."""
    return [f"products of {name} by {_kernels.products_by(name)}" for name in _kernels.PRECISIONS]
