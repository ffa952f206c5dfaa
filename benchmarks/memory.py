"""The memory that training takes at its highest: a few updates, pycharrnn and PyTorch each in a new process.

    python benchmarks/memory.py [--hidden-size 512] [--num-layers 2] [--batch-size 50] [--seq-length 50]

Beside what was measured stands what pycharrnn should need, counted from its arrays: the parameters, their gradients,
the best parameters, two moments of Adam, and the workspace, which holds the activations of a window and the matrices in
the order in which the products read them.
"""

import argparse
import importlib.util
import json
import resource
import subprocess
import sys

MiB = 2**20


def peak() -> int:
    """Bytes of this process in memory, at their highest."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def worker(name: str, job: list) -> None:
    """Train, and print the peaks after the imports and after the updates."""
    from pycharrnn.benchmark.competitors import prepare
    from pycharrnn.benchmark.jobs import SYMBOLS, Job
    from pycharrnn.network.architecture import Architecture
    from pycharrnn.network.workspace import workspace

    if name != "pycharrnn":
        importlib.import_module(name)
    imported = peak()
    job = Job(*job)
    ready = prepare(name, job)
    ready.train(5)
    found = {"version": ready.version, "imported": imported, "peak": peak()}
    if name == "pycharrnn":
        architecture = Architecture(job.cell, SYMBOLS, job.hidden_size, job.seq_length, num_layers=job.num_layers)
        work = workspace(architecture, job.seq_length, job.batch_size).memory
        found |= {"params": architecture.layout.size, "work": work.size, "itemsize": work.itemsize}
    print(json.dumps(found))


def main() -> None:
    from pycharrnn.network.cells import CELLS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cell", choices=tuple(CELLS), default="lstm")
    for option, default in (("num-layers", 2), ("hidden-size", 512), ("batch-size", 50), ("seq-length", 50)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = vars(parser.parse_args())
    name = arguments.pop("worker")
    job = [arguments[key] for key in ("cell", "num_layers", "hidden_size", "batch_size", "seq_length")]
    if name:
        worker(name, job)
        return
    cell, L, m, B, T = job
    print(f"{cell}, {L} x {m} units, batches of {B}, windows of {T}, float32, Adam, one thread; MiB\n")
    print(f"{'':<24}{'peak':>8}{'imports':>9}{'training':>10}")
    ours = {}
    for name in ("pycharrnn", "torch"):
        if not importlib.util.find_spec(name):
            print(f"{name:<24}not installed")
            continue
        # Linux hands the peak of a parent on to its children, so this process imports neither NumPy nor any of these.
        command = [sys.executable, __file__, "--worker", name]
        command += [f"--{key.replace('_', '-')}={value}" for key, value in arguments.items()]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        ours = ours or found
        columns = found["peak"], found["imported"], found["peak"] - found["imported"]
        print(f"{found['version']:<24}{columns[0] / MiB:8.1f}{columns[1] / MiB:9.1f}{columns[2] / MiB:10.1f}")
    params, work = ours["params"], ours["work"]
    itemsize = ours["itemsize"]
    kept = "parameters, gradients, best, two moments"
    print(f"\nformula: {itemsize} bytes * ({params:,} * 5 ({kept}) + {work:,} (workspace))", end="")
    print(f" = {itemsize * (5 * params + work) / MiB:.1f} MiB")


if __name__ == "__main__":
    main()
