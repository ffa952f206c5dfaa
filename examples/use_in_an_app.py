"""One model in an application: loaded from its file once, used by any number of threads at the same time.

    python examples/use_in_an_app.py [TEXT] [--max-updates 20000] [--characters 500000]

Trains and saves a small model, loads it, completes a few prompts, and lets four threads write, each with its own seed,
and score how it begins. Prints whether texts and scores are those of one thread, and the characters per second that
are written and read with one thread and with four.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pycharrnn import CharRNN, datasets

THREADS = 4
READ = 20_000  # characters of each text that are scored


def suggest(model: CharRNN, prompt: str, *, seed: int = 0) -> str:
    """Complete the last word of the prompt: what an application would call. The same seed gives the same word."""
    word = ""
    for character in model.stream(20, prompt=prompt, temperature=0.3, random_state=seed):
        if not character.isalnum():
            break
        word += character
    return prompt + word


def timed(work: Callable[[int], tuple[str, float]], threads: int) -> tuple[list[tuple[str, float]], float]:
    """What the work gives for seeds 0 to 3 on so many threads, and the seconds that it took."""
    with ThreadPoolExecutor(threads) as pool:
        begin = time.perf_counter()
        found = list(pool.map(work, range(THREADS)))
        return found, time.perf_counter() - begin


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", metavar="TEXT", nargs="?", type=Path, help="UTF-8 file; default: Python's own help")
    parser.add_argument("--max-updates", type=int, default=20_000)
    parser.add_argument("--characters", type=int, default=500_000, help="that each thread writes")
    args = parser.parse_args(argv)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        trained = CharRNN(epochs=None, max_updates=args.max_updates, random_state=0)
        trained.fit(args.text or datasets.load("topics")).save(path)
        # Users type what no model has seen. The threads are the application's own, so each call takes one.
        model = CharRNN.load(path).set_params(on_unknown="skip", n_threads=1)
        print(f"{path.name}: {path.stat().st_size:,} bytes")

    for prompt in ("th", "an", "co"):
        print(f"{prompt}... {suggest(model, prompt)}")

    def write_and_score(seed: int) -> tuple[str, float]:
        text = model.sample(args.characters, random_state=seed)
        return text, model.score(text[:READ])

    one_by_one, slow = timed(write_and_score, 1)
    together, fast = timed(write_and_score, THREADS)
    same, total = together == one_by_one, THREADS * (args.characters + min(READ, args.characters))
    verdict = "the same" if same else "NOT the same"
    which = f"{THREADS} texts of {args.characters:,} characters and their scores"
    print(f"{which}, {verdict} from {THREADS} threads as from one")
    for seed, (_, score) in enumerate(together):
        print(f"seed {seed}: {score:.4f} nats per character")
    print(f" 1 thread  {total / slow:>12,.0f} characters/s written and read")
    print(f"{THREADS:>2} threads {total / fast:>12,.0f} characters/s, {slow / fast:.2f} times as many")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
