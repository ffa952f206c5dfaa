"""The cost of a training step of one LSTM layer against hidden size and batch size, on one thread.

    python benchmarks/scaling.py [--repeats 2] [--plot scaling.png]

GFLOP/s count the matrix products that pycharrnn makes, for PyTorch (where it is installed), too: twice the figure is
twice the characters a second. The peak is that of multiply-adds in registers, measured in the same run.
"""

import argparse
import importlib.util

from pycharrnn.benchmark.jobs import Job
from pycharrnn.benchmark.measuring import steps

T = 32
SWEEPS = {
    "hidden size": [Job("lstm", 1, m, 32, T) for m in (64, 128, 256, 512, 1024)],
    "batch size": [Job("lstm", 1, 256, B, T) for B in (1, 2, 4, 8, 16, 32, 64, 128, 256)],
}
FIXED = {"hidden size": "batches of 32", "batch size": "256 units"}
LABELS = {"pycharrnn": "pycharrnn", "torch": "PyTorch"}


def size(sweep: str, job: Job) -> int:
    return job.hidden_size if sweep == "hidden size" else job.batch_size


def plot(path: str, speeds: dict[str, dict[str, list[float]]], peak: float) -> None:
    import matplotlib.pyplot as plt

    figure, both = plt.subplots(1, 2, figsize=(9, 3.5), dpi=150, sharey=True)
    for axes, (sweep, found) in zip(both, speeds.items(), strict=True):
        sizes = [size(sweep, job) for job in SWEEPS[sweep]]
        for name, speed in found.items():
            axes.plot(sizes, [x / 1e9 for x in speed], "o-", ms=4, label=LABELS[name])
        axes.axhline(peak / 1e9, color="black", ls=":", lw=1, label="FMA peak")
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [str(n) for n in sizes])
        axes.set(xlabel=f"{sweep} ({FIXED[sweep]})", ylim=(0, None))
        axes.grid(alpha=0.3)
    both[0].set_ylabel("GFLOP/s of a training step")
    both[0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2, help="turns of each, of which the best counts")
    parser.add_argument("--seconds", type=float, default=0.3, help="least time to measure a job for in a turn")
    parser.add_argument("--plot", metavar="FILE", help="draw it, too (needs matplotlib)")
    arguments = parser.parse_args()
    workers = [name for name in LABELS if name == "pycharrnn" or importlib.util.find_spec(name)]
    jobs = [job for sweep in SWEEPS.values() for job in sweep]
    best = steps(jobs, workers, 1, arguments.repeats, arguments.seconds)
    seconds = {name: dict(zip(jobs, best[name].update, strict=True)) for name in workers}
    peak = best["pycharrnn"].peak
    print(f"one LSTM layer, windows of {T}, one thread; best of {arguments.repeats} turns")
    print(", ".join(best[name].version for name in workers) + f"; FMA peak {peak / 1e9:.1f} GFLOP/s in float32")
    for sweep, swept in SWEEPS.items():
        print(f"\n{f'{sweep} ({FIXED[sweep]})':<28}", end="")
        print("".join(f"{LABELS[name] + ' ms':>14}{'GFLOP/s':>10}{'of peak':>9}" for name in workers), end="")
        print(f"{'ratio':>8}" * (len(workers) - 1))
        for job in swept:
            times = [seconds[name][job] for name in workers]
            print(f"{size(sweep, job):<28}", end="")
            print(
                "".join(f"{t * 1e3:14.2f}{job.flops / t / 1e9:10.1f}{job.flops / t / peak:9.0%}" for t in times), end=""
            )
            print("".join(f"{t / times[0]:8.2f}" for t in times[1:]))
    if arguments.plot:
        speeds = {
            sweep: {name: [job.flops / seconds[name][job] for job in swept] for name in workers}
            for sweep, swept in SWEEPS.items()
        }
        plot(arguments.plot, speeds, peak)


if __name__ == "__main__":
    main()
