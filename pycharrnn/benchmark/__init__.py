"""The slow twin, the competitors and the tables."""

from pycharrnn.benchmark.tables import NumpyCharRNN, run, run_full

__all__ = ["NumpyCharRNN", "run", "run_full"]
