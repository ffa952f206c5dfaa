"""In which windows a text is read."""

import numpy as np
import pytest
import reference
from numpy.testing import assert_array_equal

from pycharrnn.training.windows import Reading, key


def places(reading, n_updates, n):
    """Of each window, where in a text whose symbols are their own places each stream reads, (steps, B)."""
    windows = reading.cut(n_updates, n)
    ends = np.cumsum(windows.steps * reading.B)
    assert ends[-1] == windows.x.size == windows.y.size
    found = [part.reshape(-1, reading.B) for part in np.split(windows.x, ends[:-1])]
    assert [len(window) for window in found] == windows.steps.tolist()
    return found, windows


@pytest.mark.parametrize(
    ("N", "T", "B"), [(17, 4, 1), (16, 4, 1), (3, 5, 1), (23, 4, 2), (50, 7, 5), (6, 4, 6), (90, 6, 7)]
)
def test_windows_are_those_of_a_plain_reader(N, T, B):
    ids = np.arange(N + 1, dtype=np.int32)
    first = 10
    seed = 2**61 + 5
    shift = 8
    reading, S = Reading(ids, T, B, first, seed, shift), N // B
    n_updates, at = first, shift if B > 1 else 0
    for _ in range(3):  # passes
        for position in range(0, S, T):
            (window,), cut = places(reading, n_updates, 1)
            steps = np.arange(position, min(position + T, S))
            expected = (at + steps[:, None] + S * np.arange(B)) % N
            assert_array_equal(window, expected)
            assert_array_equal(cut.y, expected.ravel() + 1)  # the last symbol is only predicted
            assert (reading.position(n_updates), reading.shift(n_updates)) == (position, at if B > 1 else shift)
            if position == 0:
                assert cut.fresh.all()
            n_updates += 1
        at = reference.key(seed, n_updates) if B > 1 else 0
    assert n_updates == first + 3 * reading.per_pass


@pytest.mark.parametrize("B", [1, 3])
def test_windows_do_not_depend_on_how_many_are_cut_at_a_time(B):
    reading = Reading(np.arange(50, dtype=np.int32), 4, B, first=5, seed=3, shift=11)
    together, cut = places(reading, 5, 60)
    for i in range(60):
        (alone,), one = places(reading, 5 + i, 1)
        assert_array_equal(alone, together[i])
        assert_array_equal(one.fresh[0], cut.fresh[i])


def test_a_single_stream_is_read_where_it_lies():
    ids = np.arange(101, dtype=np.int32)
    windows = Reading(ids, 10, 1).cut(2, 5)
    assert np.shares_memory(windows.x, ids)
    assert np.shares_memory(windows.y, ids)


def test_each_stream_of_a_batch_starts_afresh_now_and_then():
    # every 64 windows, one stream after the other; a single stream never does
    for B, expected in ((1, []), (4, [[16, 3], [32, 2], [48, 1], [64, 0], [80, 3]])):
        fresh = Reading(np.zeros(4 * 500 + 1, np.int32), 5, B).cut(0, 90).fresh
        assert fresh[0].all()
        assert np.argwhere(fresh[1:90]).tolist() == [[n - 1, stream] for n, stream in expected]


def test_keys_are_those_of_the_twin():
    for seed in (0, 1, 2**62 - 1):
        assert [key(seed, i) for i in range(5)] == [reference.key(seed, i) for i in range(5)]
