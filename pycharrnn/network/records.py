"""Records that cross into the kernels: the fields that Python fills, by name.

The C structs in ``src/`` say what each field means, and the kernels export their layouts. The classes here mirror the
names: a field that is forgotten, unknown or new on one side only is an error where it is filled, or at import.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from pycharrnn import _kernels
from pycharrnn.arrays import Array, Floats, Ids

Record = npt.NDArray[np.void]


class Plan(NamedTuple):
    """Sizes, strides and places of arrays for windows of T steps of B streams."""

    precision: int
    cell: int
    T: int
    B: int
    K: int
    H: int
    L: int
    D: int
    Hp: int
    Kp: int
    Gp: int
    Hs: int
    As: int
    Ds: int
    E: int
    V: int
    c: int
    p: int
    VT: int
    r: int
    z: int
    zero: int
    R: int
    top: int
    end: int
    dropout: float
    zoneout: float
    cell_zoneout: float
    masked: bool
    label_smoothing: float


class Layer(NamedTuple):
    """Places of the arrays of one layer, and the sizes of its inputs."""

    U: int
    W: int
    b: int
    n: int
    h: int
    s: int
    hc: int
    sc: int
    a: int
    d: int
    da: int
    UT: int
    WT: int
    UB: int
    WB: int
    y: int
    I: int  # noqa: E741
    Ip: int
    Is: int
    x: int
    dx: int
    dropout: float


class Run(NamedTuple):
    """What each update counts: the kernels write it in place."""

    n_updates: int = 0
    seed: int = 0
    power1: float = 1.0
    power2: float = 1.0


class Numbers(NamedTuple):
    """The numbers of an optimiser's update; zeros where it has none. The kernels compute the corrections."""

    rate: float
    clip_value: float
    clip_norm: float
    weight_decay: float
    momentum: float = 0.0
    decay: float = 0.0
    eps: float = 0.0
    beta1: float = 0.0
    beta2: float = 0.0
    correction1: float = 0.0
    correction2: float = 0.0
    ema_decay: float = 0.0
    sparse: bool = False


class Drawing(NamedTuple):
    """How a symbol is drawn."""

    temperature: float = 1.0
    smoothing: float = 0.0
    whole: bool = False
    repetition_penalty: float = 1.0
    repetition_window: int = 0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0


class Manner(NamedTuple):
    """How B streams draw their symbols, and what they remember.

    Attributes
    ----------
    drawing : ndarray of Drawing, (1,)
        The settings.
    bias : ndarray of float64, (K,) or (0,)
        What is added to the logits: -inf where a symbol may not come.
    recent : ndarray of int32, (B, W + 1) or (B, 0)
        The last W symbols of each stream, -1 where there is none yet, and the place of the next; changed in place.
    counts : ndarray of int32, (B, K) or (B, 0)
        How often each symbol is among them, changed in place.

    Examples
    --------
    >>> Manner.of(Drawing(repetition_penalty=1.5, repetition_window=2), n_symbols=3).recent
    array([[-1, -1,  0]], dtype=int32)
    """

    drawing: Record
    bias: Floats
    recent: Ids
    counts: Ids

    @classmethod
    def of(cls, drawing: Drawing, n_symbols: int, bias: Floats | None = None, B: int = 1) -> Manner:
        """Return the manner of streams that remember nothing yet."""
        penalised = drawing.repetition_penalty != 1
        manner = cls(
            record(drawing),
            np.empty(0) if bias is None else bias,
            np.empty((B, drawing.repetition_window + 1 if penalised else 0), np.int32),
            np.empty((B, n_symbols if penalised else 0), np.int32),
        )
        manner.forget()
        return manner

    def forget(self) -> None:
        """Let all streams remember nothing."""
        self.recent[:, :-1] = -1
        self.recent[:, -1:] = 0
        self.counts[:] = 0


class Queues(NamedTuple):
    """What each of B streams reads and draws in one call.

    Attributes
    ----------
    queue : ndarray of int32, (B, Q)
        The symbols that each reads first.
    queued, wanted : ndarray of int32, (B,)
        How many of them there are, and how many symbols it draws then.
    uniform : ndarray of float64, (B, N)
        The numbers in [0, 1) that it draws with.
    out : ndarray of int32, (B, N)
        The symbols that it draws; written by the kernel.
    drawn : ndarray of int32, (B,)
        How many these are; written by the kernel.
    order : ndarray of int32, (B,)
        Which stream each row of the states belongs to; it is kept from call to call, and changed in place.
    scratch : ndarray of int32, (2, B)
        Room for the kernel.
    """

    queue: Ids
    queued: Ids
    wanted: Ids
    uniform: Floats
    out: Ids
    drawn: Ids
    order: Ids
    scratch: Ids


class Windows(NamedTuple):
    """Consecutive windows of a text, as the kernels read them.

    Attributes
    ----------
    x, y : ndarray of int32
        The symbols that are read and those to predict, one window after the other, each (steps, B).
    steps : ndarray of int32, (n,)
        Steps of each window.
    fresh : ndarray of uint8, (n, B)
        Which streams begin the window from a zero state.
    """

    x: Ids
    y: Ids
    steps: Ids
    fresh: npt.NDArray[np.uint8]


class Update(NamedTuple):
    """What updates need of an optimiser.

    Attributes
    ----------
    name : str
        The rule, one of `_kernels.RULES`.
    numbers : ndarray of Numbers, (1,)
        Its numbers.
    rates : ndarray of float64, (n,)
        The learning rate of each update.
    m, v : ndarray, (P,) or (0,)
        Its moments, changed in place.
    average : ndarray, (P,) or (0,)
        The moving average of the weights, if there is one, changed in place.
    """

    name: str
    numbers: Record
    rates: Floats
    m: Array
    v: Array
    average: Array


class Team(NamedTuple):
    """A thread's part in a call that several threads make at once.

    Attributes
    ----------
    rank, size : int
        The number of this thread, 0 <= rank < size, and how many threads there are.
    meeting : ndarray of int32, (5,)
        Where they meet: zeros at first. The third entry, 1, tells that one of them will not come. The fourth asks them
        to leave the present update undone; the fifth is theirs.
    """

    rank: int
    size: int
    meeting: Ids


_DTYPES: dict[Any, np.dtype[np.void]] = {
    Plan: _kernels.PLAN,
    Layer: _kernels.LAYER,
    Run: _kernels.RUN,
    Numbers: _kernels.NUMBERS,
    Drawing: _kernels.DRAWING,
}


def compare(what: str, kernels: Sequence[Any], python: Sequence[Any]) -> None:
    """Raise ImportError unless both sides have the same names in the same order.

    Examples
    --------
    >>> compare("the rows", ("sgd", "adam"), ("sgd",))
    Traceback (most recent call last):
    ImportError: the rows of the compiled kernels (...) and of the Python files beside them differ: ...
    """
    if list(kernels) == list(python):
        return
    if set(kernels) == set(python):
        difference = f"the kernels have the order {list(kernels)}, Python has {list(python)}"
    else:
        only = [sorted(set(one) - set(other)) for one, other in ((kernels, python), (python, kernels))]
        difference = f"only the kernels have {only[0]}, only Python has {only[1]}"
    raise ImportError(
        f"{what} of the compiled kernels ({_kernels.__file__}) and of the Python files beside them differ: "
        f"{difference}; build the package anew"
    )


for _kind, _dtype in _DTYPES.items():
    compare(f"the fields of {_kind.__name__}", _dtype.names or (), _kind._fields)


def record(*rows: Plan | Layer | Run | Numbers | Drawing) -> Record:
    """The records of one kind as an array that the kernels read, one item each."""
    return cast(Record, np.array(list(rows), _DTYPES[type(rows[0])]))
