"""What a second thread brings: two threads that sample from one model, and two that each fit one of their own.

    python benchmarks/threads.py [--repeats 5]

The kernels run without the interpreter lock, so two threads on two free cores should do twice the work of one.
"""

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from pycharrnn import CharRNN, datasets


def seconds(job: Callable[[int], object], threads: int) -> float:
    """Time until `threads` threads have each done the job."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: time.sleep(0.01), range(threads)))  # they are there
        begin = time.perf_counter()
        list(pool.map(job, range(threads)))
        return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="turns of each, of which the best counts")
    parser.add_argument("--updates", type=int, default=10_000)
    parser.add_argument("--characters", type=int, default=500_000)
    arguments = parser.parse_args()
    text = datasets.load("topics")

    def fit(seed: int) -> CharRNN:
        return CharRNN(epochs=None, max_updates=arguments.updates, random_state=seed, verbose=False).fit(text)

    model = fit(0)

    def sample(seed: int) -> str:
        return model.sample(arguments.characters, random_state=seed)

    print(f"best of {arguments.repeats}; speed of two threads relative to one")
    for name, job, unit, n in (
        ("sample from one model", sample, "characters/s", arguments.characters),
        ("fit one model each", fit, "updates/s", arguments.updates),
    ):
        turns = [(seconds(job, 1), seconds(job, 2)) for _ in range(arguments.repeats)]
        one, two = map(min, zip(*turns, strict=True))
        print(f"{name:<24}{n / one:>12,.0f}{2 * n / two:>12,.0f} {unit:<14}{2 * one / two:>6.2f}x")


if __name__ == "__main__":
    main()
