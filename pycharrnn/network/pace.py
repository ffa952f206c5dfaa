"""How many threads make a call: as many as have proved fastest."""

from __future__ import annotations

_TRIALS = 2  # measurements before a number of threads is known: the first one finds cold caches
_PROBE = 32  # calls between two looks at another number of threads, at first
_RARELY = 1024  # at last


class Pace:
    """Finds out how many threads are fastest. Any number gives the same bits.

    More threads need not be faster: a call may be too small to share, and on a busy machine each meeting of two
    threads may wait for the other programs. So the numbers 1, 2, 4, ... are measured in turns, first all of them, then
    one beside the fastest from time to time, and more and more rarely as long as the fastest one stays the same.

    Examples
    --------
    >>> pace = Pace()
    >>> for _ in range(4):
    ...     n = pace.choose(most=2)
    ...     pace.note(n, seconds=0.5 if n == 2 else 0.7)
    >>> pace.choose(most=2)
    2
    """

    def __init__(self) -> None:
        self._seconds: dict[int, list[float]] = {}  # of as much work, by the number of threads: the last ones
        self._calls = 0
        self._next = _PROBE  # the call that looks at another number
        self._wait = _PROBE
        self._fastest = 0

    def choose(self, most: int) -> int:
        """Return the number of threads for the next call, at most `most`."""
        sizes = sorted({1 << i for i in range(most.bit_length())} | {most})
        for size in reversed(sizes):
            if len(self._seconds.get(size, ())) < _TRIALS:
                return size
        fastest = min(sizes, key=lambda size: min(self._seconds[size]))
        if fastest != self._fastest:
            self._fastest = fastest
            self._wait = _PROBE
            self._next = self._calls + self._wait
        self._calls += 1
        if self._calls < self._next:
            return fastest
        self._wait = min(2 * self._wait, _RARELY)
        self._next = self._calls + self._wait
        at = sizes.index(fastest)
        beside = [sizes[i] for i in (at - 1, at + 1) if 0 <= i < len(sizes)] or [fastest]
        return beside[self._wait.bit_length() % len(beside)]

    def note(self, n_threads: int, seconds: float) -> None:
        """Remember what an update, or as much work, took with so many threads."""
        self._seconds[n_threads] = [*self._seconds.get(n_threads, [])[1 - _TRIALS :], seconds]
