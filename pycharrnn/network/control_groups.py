"""Control groups of Linux: what a container, or a job of a cluster, may use of the machine."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterator

# The files of a group, in version 2 and in version 1: the limit, what is used of it, and the key of what is cached.
_MEMORY = (
    ("memory.max", "memory.current", "file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache"),
)


def words(path: str) -> list[str]:
    """Return the words of a file of the system; none where there is no such file, as on another system."""
    return " ".join(_lines(path)).split()


def spare_memory() -> float:
    """Bytes that the groups of this process still have for it; infinite where none has a limit."""
    spare = math.inf
    for folder in _folders("memory"):
        for limit, used, cached in _MEMORY:
            most, now, stat = (words(f"{folder}/{name}") for name in (limit, used, "memory.stat"))
            if not now or most in ([], ["max"]):
                continue
            dropped = int(stat[stat.index(cached) + 1]) if cached in stat else 0  # when the system is asked for more
            spare = min(spare, int(most[0]) - int(now[0]) + dropped)
    return spare


@functools.cache  # asked once: it takes as long as an update of a small network
def quota() -> float:
    """How many processors' time the groups of this process allow it, such as 1.5; infinite where none has a limit."""
    least = math.inf
    for folder in _folders("cpu"):
        limit = words(f"{folder}/cpu.max") or words(f"{folder}/cpu.cfs_quota_us") + words(f"{folder}/cpu.cfs_period_us")
        if len(limit) < 2 or limit[0] == "max":
            continue
        time, period = map(int, limit)
        if time > 0 and period > 0:  # -1 is no limit
            least = min(least, time / period)
    return least


def _folders(controller: str) -> Iterator[str]:
    """The folders of this process's groups that a controller looks at: each group, then those that it is part of."""
    groups: dict[str, str] = {}  # their paths, by the controllers; that of version 2 names none
    for line in _lines("/proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        groups |= dict.fromkeys(controllers.split(","), path)
    for line in _lines("/proc/self/mountinfo"):
        mounted, _, system = line.partition(" - ")
        root, point = mounted.split()[3:5]
        kind, *_, options = system.split()
        version_1 = kind == "cgroup" and controller in options.split(",")
        group = groups.get(controller if version_1 else "" if kind == "cgroup2" else "no group")
        if group is None:
            continue
        inside = os.path.relpath(group, root)  # a container sees its own part of the tree
        folder = point if inside.startswith("..") else os.path.normpath(f"{point}/{inside}")
        yield folder
        while len(folder) > len(point):
            folder = os.path.dirname(folder)
            yield folder


def _lines(path: str) -> list[str]:
    try:
        with open(path) as file:
            return file.read().splitlines()
    except OSError:
        return []
