"""Do the losses follow those of a plain NumPy loop? Four runs from the same starting weights, side by side.

    python benchmarks/overlay.py TEXT [--updates 100000] [--plot overlay.png]

CharRNN in single and in double precision, the NumPy twin in double precision, and that twin again with starting weights
changed by one part in 1e15. The last shows how far rounding alone drives two runs apart: the early steps of AdaGrad
follow the signs of tiny gradients, so no two programs that round differently give the same losses for long.
"""

import argparse
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from pycharrnn import CharRNN, Vocabulary
from pycharrnn.benchmark import NumpyCharRNN

EVERY = 100  # updates between two points of a curve

Curve = dict[int, float]  # smooth loss by updates made


def char_rnn(text: str, updates: int, dtype: str, seed: int) -> Curve:
    found: Curve = {}

    def watch(run) -> None:
        found[run.n_updates] = run.smooth_loss

    watch.every = EVERY
    model = CharRNN(epochs=None, max_updates=updates, dtype=dtype, random_state=seed, verbose=False)
    model.fit(text, callbacks=[watch])
    return found


def numpy_twin(text: str, updates: int, change: float, seed: int) -> Curve:
    """The curve of the twin, its starting weights times 1 +- change."""
    vocabulary = Vocabulary.from_text(text)
    ids, model = vocabulary.encode(text), NumpyCharRNN(len(vocabulary), random_state=seed)
    rng = np.random.default_rng(seed + 1)
    for p in model.params.values():
        p *= 1 + change * rng.choice([-1.0, 1.0], p.shape)
    found = {}
    for n in range(EVERY, updates + 1, EVERY):
        model.train(ids, EVERY)
        found[n] = model.smooth_loss
    return found


def plot(path: str, curves: dict[str, Curve]) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), dpi=150)
    styles = {"color": "C0"}, {"color": "C1", "ls": "--"}, {"color": "black"}, {"color": "0.5", "ls": ":"}
    for (name, curve), style in zip(curves.items(), styles, strict=True):
        axes.plot([n for n in curve if n], [loss for n, loss in curve.items() if n], lw=1.3, label=name, **style)
    axes.set(xlabel="updates", ylabel="smooth loss (nats per 25 characters)", ylim=(44, 75))
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", metavar="TEXT", help="path of a UTF-8 text")
    parser.add_argument("--updates", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="of the starting weights")
    parser.add_argument("--plot", metavar="FILE", help="draw the curves, too (needs matplotlib)")
    arguments = parser.parse_args()
    with open(arguments.text, encoding="utf-8-sig", newline="") as file:
        text = file.read()
    updates, seed = arguments.updates, arguments.seed
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # for the two processes, which import NumPy anew
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(numpy_twin, text, updates, change, seed) for change in (0.0, 1e-15)]
        single, double = (char_rnn(text, updates, dtype, seed) for dtype in ("float32", "float64"))
        twin, changed = (future.result() for future in waiting)
    print(f"smooth loss in nats per 25 characters; {len(text):,} characters, {len(set(text))} distinct, seed {seed}\n")
    print(f"{'':>9}{'CharRNN':>12}{'CharRNN':>12}{'NumPy':>12}{'NumPy':>12}{'difference from NumPy':>36}")
    print(f"{'updates':>9}{'float32':>12}{'float64':>12}{'float64':>12}{'1 +- 1e-15':>12}", end="")
    print(f"{'float32':>12}{'float64':>12}{'1 +- 1e-15':>12}")
    for n in sorted({100, 1000, *range(10_000, updates, 10_000), updates // EVERY * EVERY}):
        losses = single[n], double[n], twin[n], changed[n]
        differences = (loss - twin[n] for loss in (single[n], double[n], changed[n]))
        print(f"{n:>9,}" + "".join(f"{x:12.4f}" for x in losses) + "".join(f"{x:12.1e}" for x in differences))
    if arguments.plot:
        names = "CharRNN, float32", "CharRNN, float64", "NumPy, float64", "NumPy, weights changed by 1e-15"
        plot(arguments.plot, dict(zip(names, (single, double, twin, changed), strict=True)))


if __name__ == "__main__":
    main()
