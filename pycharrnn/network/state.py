"""What training changes: weights, moments, carried state, and the numbers of a run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from pycharrnn.arrays import Array
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.memory import aligned, finite
from pycharrnn.network.records import Numbers, Record, Run, record


class Rule(Protocol):
    """What a run needs to know of its optimiser.

    Attributes
    ----------
    name : str
        The kernel's name for it.
    moments : tuple of str
        Which moments it has: "m", "v", both or none.
    start : float
        What each entry of v begins with.
    sums : bool
        Whether v sums squares, as AdaGrad's does, and so never forgets any.
    averages : bool
        Whether there is a moving average of the weights.
    """

    @property
    def name(self) -> str: ...
    @property
    def moments(self) -> tuple[str, ...]: ...
    @property
    def start(self) -> float: ...
    @property
    def sums(self) -> bool: ...
    @property
    def averages(self) -> bool: ...
    def numbers(self) -> Numbers:
        """Its numbers, as the kernel takes them."""
        ...


class Best(NamedTuple):
    """What is known of the weights with the lowest loss, on the validation text or, without one, on the training text.

    Attributes
    ----------
    n_updates : int
        Updates that they have made.
    smooth_loss : float
        The smooth loss then, in nats per `seq_length` characters; infinite before the first update.
    validation_loss : float or None
        Nats per character of the validation text.
    training_loss : float or None
        Nats per character of the training text, or of some 16,000 characters spread evenly over a longer one.

    Examples
    --------
    >>> Best(n_updates=400, smooth_loss=51.2, validation_loss=2.03).validation_loss
    2.03
    """

    n_updates: int
    smooth_loss: float
    validation_loss: float | None = None
    training_loss: float | None = None


class Squares(NamedTuple):
    """How large the squared gradients in v are.

    Attributes
    ----------
    rule : str
        Whose v it is.
    means : dict of str to float
        The mean of each parameter's part of v.

    Examples
    --------
    >>> Squares("adagrad", {"W": 0.25}).means["W"]
    0.25
    """

    rule: str
    means: dict[str, float]


@dataclass
class State:
    """All that training changes. Flat vectors include their padding.

    Parameters
    ----------
    weights, best : ndarray, (P,)
        The present weights, and those that are kept: the best ones so far, or the best average of them.
    m, v : ndarray, (P,) or (0,)
        The optimiser's moments: the mean of the gradients and of their squares. A rule may lack either.
    average : ndarray, (P,) or (0,)
        The moving average of the weights, if there is one.
    carried : ndarray, (L, states, B, H)
        What goes from one window to the next.
    run : ndarray of records.Run, (1,)
        The numbers that the kernels change, by name.
    rule : str
        Whose moments m and v are; "" if there are none yet.
    kept : Best
        What is known of the best weights.
    squares : Squares or None, default None
        Means of the moment v from a model file; None in all other states.
    smooth : float, default -1.0
        The smooth loss in nats per T symbols; negative before the first update.
    shift : int, default 0
        The place of the text where the first stream of a batch began the present pass.

    Examples
    --------
    >>> from pycharrnn.training.optimizers import Adam
    >>> small = Architecture("lstm", n_symbols=3, hidden_size=4, seq_length=5)
    >>> state = State.begin(small, small.initial(np.random.default_rng(0)), Adam(), batch_size=2)
    >>> state.n_updates, state.m.size == state.weights.size, state.carried.shape
    (0, True, (1, 2, 2, 4))
    """

    weights: Array
    best: Array
    m: Array
    v: Array
    average: Array
    carried: Array
    run: Record
    rule: str
    kept: Best
    squares: Squares | None = None
    smooth: float = -1.0
    shift: int = 0

    @classmethod
    def begin(cls, architecture: Architecture, weights: Array, rule: Rule, batch_size: int = 1) -> Self:
        """A new run from these weights, which it takes as its own: nothing accumulated, nothing read."""
        precision = architecture.precision
        m, v = (aligned(weights.size if name in rule.moments else 0, precision.moments) for name in "mv")
        v[:] = rule.start
        best = aligned(weights.size, precision.weights)
        best[:] = weights
        average = aligned(weights.size if rule.averages else 0, precision.weights)
        average[:] = weights[: average.size]
        carried = np.zeros(architecture.carried(batch_size), precision.activations)
        return cls(weights, best, m, v, average, carried, record(Run()), rule.name, Best(0, np.inf))

    @classmethod
    def without_moments(cls, architecture: Architecture, weights: Array, averages: bool) -> Self:
        """What a file has of a run: its best weights, which are then the last ones and the average, too, in one memory.

        Nothing changes them in place: training on begins with a copy.
        """
        none = aligned(0, architecture.precision.moments)
        average = weights if averages else aligned(0, architecture.precision.weights)
        carried = np.zeros(architecture.carried(), architecture.precision.activations)
        return cls(weights, weights, none, none, average, carried, record(Run()), "", Best(0, np.inf))

    def __setstate__(self, values: dict[str, Any]) -> None:
        """Take the arrays as they are, perhaps read-only or mapped from a file. Copy those that are not aligned."""
        for name, value in values.items():
            setattr(self, name, np.require(value, None, "A") if isinstance(value, np.ndarray) else value)

    def check(self, architecture: Architecture) -> None:
        """Refuse arrays that are not shaped as a network of this architecture needs them.

        Raises
        ------
        ValueError
            If one has another shape or another type.

        Examples
        --------
        >>> from pycharrnn.training.optimizers import SGD
        >>> small = Architecture("rnn", n_symbols=2, hidden_size=4, seq_length=5)
        >>> state = State.begin(small, small.initial(np.random.default_rng(0)), SGD())
        >>> state.best = state.best[:8]
        >>> state.check(small)
        Traceback (most recent call last):
        ValueError: best must have the shape (160,) and the type float32, got (8,) and float32
        """
        precision, P = architecture.precision, (architecture.layout.size,)
        wanted: dict[str, tuple[Any, set[tuple[int, ...]]]] = {}
        wanted |= {"weights": (precision.weights, {P}), "best": (precision.weights, {P})}
        wanted |= {"m": (precision.moments, {P, (0,)}), "v": (precision.moments, {P, (0,)})}
        wanted["average"] = precision.weights, {P, (0,)}
        streams = self.carried.shape[2] if self.carried.ndim == 4 else 1
        wanted["carried"] = precision.activations, {architecture.carried(streams)}
        wanted["run"] = record(Run()).dtype, {(1,)}
        for name, (dtype, shapes) in wanted.items():
            array = getattr(self, name)
            if array.dtype != dtype or array.shape not in shapes:
                shape = " or ".join(map(str, sorted(shapes, reverse=True)))
                problem = f"the shape {shape} and the type {dtype}, got {array.shape} and {array.dtype}"
                raise ValueError(f"{name} must have {problem}")

    @property
    def judged(self) -> Array:
        """The weights that count: their moving average, if there is one."""
        return self.average if self.average.size else self.weights

    @property
    def batch_size(self) -> int:
        """Streams that are read at once."""
        return int(self.carried.shape[2])

    @property
    def n_updates(self) -> int:
        """Updates made."""
        return int(self.run["n_updates"][0])

    @property
    def smooth_loss(self) -> float:
        """In nats per T characters; infinite before the first update."""
        return self.smooth if self.smooth >= 0 else np.inf

    def is_finite(self) -> bool:
        """Whether training can go on: no weight, no moment and no carried state is NaN or infinite."""
        return all(finite(array) for array in (self.weights, self.m, self.v, self.average, self.carried))

    def draw_seed(self, architecture: Architecture, rng: np.random.Generator) -> None:
        """Draw the seed of masks and of the places where passes begin; draw nothing if the run has neither."""
        if architecture.random or self.batch_size > 1:
            self.run["seed"] = rng.integers(2**62)

    def restart(self) -> None:
        """Begin a text: from its start, with a smooth loss and best weights of its own."""
        self.smooth = -1.0
        self.keep()

    def reach(self, n_updates: int, smooth_loss: float | None, **losses: float | None) -> None:
        """Become the state of a run whose file has only the best weights."""
        self.run["n_updates"] = n_updates
        self.smooth = -1.0 if smooth_loss is None else smooth_loss
        self.kept = Best(n_updates, self.smooth_loss, **losses)

    def keep(self, training: float | None = None, validation: float | None = None) -> None:
        """Keep the present weights as the best ones: they have these losses, in nats per character."""
        best = aligned(self.weights.size, self.weights.dtype)
        best[:] = self.judged
        known = (nats if nats is not None and math.isfinite(nats) else None for nats in (validation, training))
        kept = Best(self.n_updates, self.smooth_loss, *known)
        vars(self).update(best=best, kept=kept)  # both at once, wherever an interrupt comes

    def recover(self) -> None:
        """Go back to the best weights, and discard the moments."""
        self.weights[:] = self.best
        self.average[:] = self.best[: self.average.size]
        self.rule = ""

    def copy(self) -> State:
        """The same state in memory of its own, without what is known of a file."""
        old = (self.weights, self.best, self.m, self.v, self.average)
        weights, best, m, v, average = (aligned(vector.size, vector.dtype) for vector in old)
        new = State(weights, best, m, v, average, self.carried.copy(), self.run.copy(), self.rule, self.kept)
        new.assign(self)
        return new

    def assign(self, other: State) -> None:
        """Take the values of `other`, in place."""
        for name in ("weights", "best", "m", "v", "average", "carried", "run"):
            getattr(self, name)[:] = getattr(other, name)
        self.kept = other.kept
        self.smooth = other.smooth
        self.shift = other.shift
