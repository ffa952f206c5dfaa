"""The slow twin, the competitors and the tables: speed side by side with a NumPy loop, PyTorch and JAX."""

from pycharrnn.benchmark.tables import run, run_full
from pycharrnn.benchmark.twin import NumpyCharRNN

__all__ = ["NumpyCharRNN", "run", "run_full"]
