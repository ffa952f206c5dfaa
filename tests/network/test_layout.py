"""Named views into one flat vector."""

import numpy as np
import pytest

from pycharrnn.network.layout import Layout
from pycharrnn.network.memory import ALIGNMENT, aligned


@pytest.mark.parametrize("size", [0, 1, 7, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_aligned(size, dtype):
    for _ in range(20):
        x = aligned(size, dtype)
        assert x.ctypes.data % ALIGNMENT == 0 or not size
        assert x.shape == (size,)
        assert x.dtype == dtype
        assert not x.any()


def test_views_share_the_vector_and_leave_out_its_padding():
    layout = Layout({"A": (2, 3), "b": (17,), "C": (2, 1, 16)}, 16)
    assert layout.size == 2 * 16 + 32 + 2 * 16
    flat = aligned(layout.size, "float64")
    views = layout.views(flat)
    assert {name: view.shape for name, view in views.items()} == layout.shapes
    for view in views.values():
        view[...] = 1
    assert flat.sum() == 2 * 3 + 17 + 2 * 16
    assert all(flat[offset] == 1 and offset % 16 == 0 for offset in layout.offsets.values())
    assert all(np.shares_memory(view, flat) for view in views.values())
