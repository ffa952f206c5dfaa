"""Named arrays as views into one flat, aligned vector.

Optimiser, clipping, gradient check and storage then see one vector, and a table ``{name: shape}`` is the only list of
names there is. Every row is padded with zeros to whole vector registers, so that no kernel has a ragged edge.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from pycharrnn.arrays import Array


class Layout:
    """Where each array of a table lies in a flat vector.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Name and shape of each array; the last dimension is padded to a multiple of `lanes`.
    lanes : int
        Elements in the widest vector register.

    Attributes
    ----------
    offsets : dict of str to int
        Index of each array's first element.
    size : int
        Length of the flat vector, padding included.

    Examples
    --------
    >>> import numpy as np
    >>> layout = Layout({"W": (2, 3), "b": (3,)}, lanes=4)
    >>> layout.size, layout.offsets
    (12, {'W': 0, 'b': 8})
    >>> layout.views(np.arange(12.0))["W"]
    array([[0., 1., 2.],
           [4., 5., 6.]])
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], lanes: int) -> None:
        self.shapes = dict(shapes)
        self.offsets: dict[str, int] = {}
        self._padded: dict[str, tuple[int, ...]] = {}
        self.size = 0
        for name, shape in self.shapes.items():
            padded = (*shape[:-1], -(-shape[-1] // lanes) * lanes)
            self.offsets[name] = self.size
            self._padded[name] = padded
            self.size += math.prod(padded)

    def views(self, flat: Array) -> dict[str, Array]:
        """Each array by name, without its padding: views, so writing to them writes to `flat`."""
        found = {}
        for name, shape in self.shapes.items():
            start, padded = self.offsets[name], self._padded[name]
            found[name] = flat[start : start + math.prod(padded)].reshape(padded)[..., : shape[-1]]
        return found
