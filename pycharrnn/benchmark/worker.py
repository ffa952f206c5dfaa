"""A worker process: `measuring.ask` starts it, and it prints what it measured as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from pycharrnn import Vocabulary
from pycharrnn.benchmark.competitors import COMPETITORS, prepare
from pycharrnn.benchmark.jobs import Job
from pycharrnn.benchmark.measuring import Steps, Turn, fma_peaks, seconds_each

_WARM_UP = 20  # a turn begins with one update in so many that the clock does not see


def turn(cores: list[int], name: str, n_updates: int, n_characters: int) -> Turn:
    """Warm up and measure the classic job; the text comes in on stdin."""
    text = sys.stdin.buffer.read().decode("utf-8", "surrogatepass")
    vocabulary = Vocabulary.from_text(text)
    prepare_classic = COMPETITORS[name].classic
    if prepare_classic is None:
        raise ValueError(f"{name!a} has no classic model")
    ready = prepare_classic(text, vocabulary.encode(text), len(vocabulary), len(cores))
    assert ready.sample is not None  # a competitor that trains the classic model also samples from it
    warm = 1 if name == "jax" else _WARM_UP  # JAX compiles anew for each length
    ready.train(-(-n_updates // warm))
    ready.sample(-(-n_characters // warm))
    update = seconds_each(ready.train, n_updates)
    character = seconds_each(ready.sample, n_characters)
    peaks = fma_peaks() if name == "pycharrnn" else {}
    return Turn(ready.version, n_updates, n_characters, update, character, peaks)


def steps(cores: list[int], name: str, jobs: list[list[Any]], seconds: float) -> Steps:
    """Measure an update of each job, for `seconds` or longer, and for pycharrnn the FMA peak."""
    updates, version = [], ""
    for job in jobs:
        ready = prepare(name, Job(*job), len(cores))
        version = ready.version
        ready.train(1)  # JAX and torch.compile compile, PyTorch allocates
        one = seconds_each(ready.train, 1)
        updates.append(seconds_each(ready.train, int(seconds / one)) if one * 2 <= seconds else one)
    peaks = fma_peaks(threads=len(cores)) if name == "pycharrnn" else {}
    return Steps(version, updates, max(peaks.values(), default=0.0))


_KINDS: dict[str, Callable[..., Turn | Steps]] = {"turn": turn, "steps": steps}


def main(kind: str, cores: list[int], *arguments: Any) -> None:
    """Work on these cores and print what was measured."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    found = _KINDS[kind](cores, *arguments)
    print(json.dumps(found._asdict()))


if __name__ == "__main__":
    main(sys.argv[1], *map(json.loads, sys.argv[2:]))
