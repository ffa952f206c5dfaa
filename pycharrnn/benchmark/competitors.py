"""The competitors: the one list of those that are measured, pycharrnn among them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from pycharrnn import CharRNN, __version__
from pycharrnn.arrays import Ids
from pycharrnn.benchmark import in_jax, in_torch
from pycharrnn.benchmark.jobs import CLASSIC, SYMBOLS, Job, Prepared
from pycharrnn.benchmark.twin import NumpyCharRNN
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.state import State
from pycharrnn.training.descent import Descent
from pycharrnn.training.optimizers import Adam
from pycharrnn.training.trainer import Trainer


class Competitor(NamedTuple):
    """One row of the tables.

    Parameters
    ----------
    label : str
        What the tables call it.
    package : str
        What must be installed for it; "" if it is always there.
    classic : callable or None
        Prepares the classic job from a text, its ids, the number of its symbols and the number of threads.
    steps : callable or None
        Prepares a larger model from its job, the ids that it reads and the number of threads.
    """

    label: str
    package: str
    classic: Callable[[str, Ids, int, int], Prepared] | None = None
    steps: Callable[[Job, Ids, int], Prepared] | None = None

    @property
    def installed(self) -> bool:
        """Whether it can be measured here."""
        return not self.package or importlib.util.find_spec(self.package) is not None


def _classic(text: str, ids: Ids, n_symbols: int, threads: int) -> Prepared:
    model = CharRNN(epochs=None, verbose=True, random_state=0)  # the bar goes to the stderr of the worker

    def train(n: int) -> None:
        model.set_params(max_updates=n).fit(text)

    return Prepared(f"pycharrnn {__version__}", train, model.sample)


def _numpy_classic(text: str, ids: Ids, n_symbols: int, threads: int) -> Prepared:
    twin = NumpyCharRNN(n_symbols)
    rng = np.random.default_rng(0)
    return Prepared(f"NumPy {np.__version__}", partial(twin.train, ids), lambda n: twin.sample(n, rng))


def _steps(job: Job, ids: Ids, threads: int, dtype: str = "float32") -> Prepared:
    rule = Descent(Adam(), None, None, CLASSIC.clip_value)
    architecture = Architecture(job.cell, SYMBOLS, job.hidden_size, job.seq_length, dtype, num_layers=job.num_layers)
    state = State.begin(architecture, architecture.initial(np.random.default_rng(0)), rule, job.batch_size)
    trainer = Trainer(architecture, state, rule, ids, threads)

    def train(n: int) -> float:
        losses = np.empty(n)
        trainer.advance(losses, np.empty(n))
        return float(losses[-1] / job.seq_length)

    return Prepared(f"pycharrnn {__version__}", train)


COMPETITORS = {
    "pycharrnn": Competitor("pycharrnn", "", _classic, _steps),
    "pycharrnn.bfloat16": Competitor("bfloat16", "", steps=partial(_steps, dtype="bfloat16")),
    "numpy": Competitor("NumPy", "", _numpy_classic),
    "torch": Competitor("PyTorch", "torch", in_torch.classic, in_torch.steps),
    "torch.compile": Competitor("compiled", "torch", steps=partial(in_torch.steps, compiled=True)),
    "torch.autocast": Competitor("autocast", "torch", steps=partial(in_torch.steps, autocast=True)),
    "jax": Competitor("JAX", "jax", in_jax.classic, in_jax.steps),
}


def prepare(name: str, job: Job, threads: int = 1) -> Prepared:
    """Make a competitor ready for a larger job on random symbols.

    Parameters
    ----------
    name : str
        The competitor's name in `COMPETITORS`.
    job : Job
        The model and its windows.
    threads : int, default 1
        How many threads it may use.

    Returns
    -------
    Prepared
        Its ``train(n)`` makes n updates and returns the loss of the last.

    Raises
    ------
    KeyError
        If there is no competitor of that name.
    ValueError
        If it has only the classic model.

    Examples
    --------
    >>> ready = prepare("pycharrnn", Job("gru", num_layers=2, hidden_size=8, batch_size=3, seq_length=5))
    >>> f"{ready.train(1):.1f} nats per character"
    '4.0 nats per character'
    """
    steps = COMPETITORS[name].steps
    if steps is None:
        raise ValueError(f"{name!a} makes no steps of larger models")
    return steps(job, job.text(), threads)
