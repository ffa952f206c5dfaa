"""Gradients by central differences beside gradients by back-propagation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class GradientError(NamedTuple):
    """How far one tensor's analytic gradient ga lies from its numerical gradient gn.

    Attributes
    ----------
    seq_length, batch : int
        The window: its length, and whether it is the text's first (1), second (2), ...
    name : str
        The parameter.
    max_error, sum_error : float
        The largest and the sum of ``|ga - gn| / max(eps, |ga| + |gn|)`` over its entries.
    norm_error : float
        ``||ga - gn|| / (||ga|| + ||gn||)``.
    """

    seq_length: int
    batch: int
    name: str
    max_error: float
    sum_error: float
    norm_error: float


class GradientTable(tuple[GradientError, ...]):
    """The errors of all tensors; prints itself as a table."""

    __slots__ = ()

    @property
    def max_error(self) -> float:
        """The largest error of any entry."""
        return max(row.max_error for row in self)

    @property
    def norm_error(self) -> float:
        """The largest norm-wise error of any tensor."""
        return max(row.norm_error for row in self)

    def __repr__(self) -> str:
        lines = ["seq_length  batch  tensor  max error  sum of errors  norm-wise error"]
        for r in self:
            errors = f"{r.max_error:9.1e}  {r.sum_error:13.1e}  {r.norm_error:15.1e}"
            lines.append(f"{r.seq_length:10d}  {r.batch:5d}  {r.name:>6}  {errors}")
        return "\n".join(lines)

    __str__ = __repr__


def numerical_gradient(loss: Callable[[], Any], array: Array, h: float = 1e-4) -> Array:
    """Central differences ``(loss(x + h) - loss(x - h)) / 2h`` for every entry of `array`.

    Parameters
    ----------
    loss : callable
        Gives the loss at the present values of `array`, as a number or as an array of terms. The differences of terms
        are summed, not the terms: a sum of many is rounded more coarsely than any of them.
    array : ndarray of float64
        Changed entry by entry and put back.
    h : float
        The step.

    Returns
    -------
    ndarray
        Shaped as `array`.

    Examples
    --------
    >>> x = np.array([1.0, 2.0])
    >>> numerical_gradient(lambda: float((x**2).sum()), x).round(6)
    array([2., 4.])
    """
    gradient = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + h
        above = loss()
        array[index] = value - h
        below = loss()
        array[index] = value
        gradient[index] = np.sum(above - below) / (2 * h)
    return gradient


class Network(Protocol):
    """What a gradient check needs of a network."""

    def named(self, flat: Array) -> dict[str, Array]: ...
    def loss_function(self, params: Array, x: Array, y: Array, hidden: Array | None) -> Callable[[], Array]: ...
    def loss_and_gradients(
        self, params: Array, x: Array, y: Array, hidden: Array | None
    ) -> tuple[float, dict[str, Array], Array]: ...


def check(
    network: Network, params: Array, ids: Array, *, seq_length: int, batches: int, h: float, eps: float
) -> Iterator[GradientError]:
    """The errors of each tensor for the first windows of a text, each from the state that the one before it left.

    Parameters
    ----------
    network : Network
    params : ndarray of float64
        Flat weights.
    ids : ndarray of int32
        At least ``batches * seq_length + 1`` symbols.
    seq_length, batches : int
        Length and number of the windows.
    h, eps : float
        Step of the differences; what the relative error is at least relative to.
    """
    hidden = None
    for batch in range(batches):
        x, y = (ids[batch * seq_length + shift :][:seq_length] for shift in (0, 1))
        loss = network.loss_function(params, x, y, hidden)
        _, gradients, hidden_after = network.loss_and_gradients(params, x, y, hidden)
        for name, array in network.named(params).items():
            ga, gn = gradients[name], numerical_gradient(loss, array, h)
            relative = np.abs(ga - gn) / np.maximum(eps, np.abs(ga) + np.abs(gn))
            norms = float(np.linalg.norm(ga) + np.linalg.norm(gn))
            norm_error = float(np.linalg.norm(ga - gn)) / norms if norms else 0.0
            yield GradientError(seq_length, batch + 1, name, float(relative.max()), float(relative.sum()), norm_error)
        hidden = hidden_after
