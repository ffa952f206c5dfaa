"""Limits of containers: memory and the time of processors, in both versions of control groups, one in another."""

import builtins
import io
import math
import os

import pytest

from pycharrnn.network.control_groups import quota, spare_memory
from pycharrnn.network.memory import free_memory, processors

MEMINFO = {"/proc/meminfo": "MemTotal: 9 kB\nMemAvailable:    5 kB\n"}
# A container that sees its own group as the root.
OWN = {
    "/proc/self/cgroup": "0::/\n",
    "/proc/self/mountinfo": (
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n30 1 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
    ),
}
# A job in a slice of a machine.
NESTED = OWN | {"/proc/self/cgroup": "0::/user.slice/job: 7.scope\n"}
# A container of version 1 whose tree is mounted where the machine's root would be.
FIRST = {
    "/proc/self/cgroup": "5:memory:/docker/af3\n4:cpu,cpuacct:/docker/af3\n1:name=systemd:/docker/af3\n",
    "/proc/self/mountinfo": (
        "31 1 0:27 /docker/af3 /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu,cpuacct\n"
        "32 1 0:28 /docker/af3 /sys/fs/cgroup/memory ro master:15 - cgroup cgroup rw,memory\n"
        "33 1 0:29 /docker/af3 /sys/fs/cgroup/cpuset ro - cgroup cgroup rw,cpuset\n"
    ),
}
# The same without the container's own view: the tree of the whole machine is mounted.
FIRST_WHOLE = FIRST | {"/proc/self/mountinfo": FIRST["/proc/self/mountinfo"].replace(" /docker/af3 ", " / ")}
# The group lies outside of what is mounted.
ELSEWHERE = OWN | {"/proc/self/mountinfo": OWN["/proc/self/mountinfo"].replace("0:26 / ", "0:26 /other ")}
GROUP = "/sys/fs/cgroup"


def under(folder, **files):
    """Files of a group, `cpu_max` for cpu.max."""
    return {f"{folder}/{name.replace('_', '.', 1)}": text for name, text in files.items()}


USED = {"memory_current": "3500\n", "memory_stat": "anon 3000\nfile 450\n"}
USED_FIRST = {"memory_usage_in_bytes": "3500\n", "memory_stat": "cache 9\ntotal_cache 450\n"}


@pytest.fixture
def system(monkeypatch):
    """Put files of the system in the place of the real ones."""

    def pretend(files):
        def fake(path):
            if path not in files:
                raise FileNotFoundError(path)
            return io.StringIO(files[path])

        monkeypatch.setattr(builtins, "open", fake)
        quota.cache_clear()

    yield pretend
    monkeypatch.undo()
    quota.cache_clear()


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, math.inf),  # another system
        (MEMINFO, 5 * 1024),
        (MEMINFO | OWN, 5 * 1024),
        (MEMINFO | OWN | under(GROUP, memory_max="max\n", **USED), 5 * 1024),
        (MEMINFO | OWN | under(GROUP, memory_max="4000\n", **USED), 950),
        (OWN | under(GROUP, memory_max="4000\n", memory_current="3500\n"), 500),
        (MEMINFO | NESTED | under(f"{GROUP}/user.slice/job: 7.scope", memory_max="4000\n", **USED), 950),
        (MEMINFO | NESTED | under(f"{GROUP}/user.slice", memory_max="4001\n", **USED), 951),
        (
            MEMINFO
            | NESTED
            | under(f"{GROUP}/user.slice/job: 7.scope", memory_max="4000\n", **USED)
            | under(f"{GROUP}/user.slice", memory_max="4100\n", **USED),
            950,
        ),
        (MEMINFO | NESTED | under(f"{GROUP}/system.slice", memory_max="4000\n", **USED), 5 * 1024),
        (MEMINFO | FIRST | under(f"{GROUP}/memory", memory_limit_in_bytes="4000\n", **USED_FIRST), 950),
        (MEMINFO | FIRST_WHOLE | under(f"{GROUP}/memory/docker/af3", memory_limit_in_bytes="4000", **USED_FIRST), 950),
        (MEMINFO | FIRST | under(f"{GROUP}/memory", memory_limit_in_bytes=f"{2**63 - 4096}", **USED_FIRST), 5 * 1024),
    ],
)
def test_free_memory_is_what_the_system_and_the_container_have(files, free, system):
    system(files)
    assert free_memory() == free


def test_this_machine_has_memory_and_processors():
    assert free_memory() > 0
    assert spare_memory() > 0
    assert 1 <= processors() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),  # another system
        (OWN, 8),
        (OWN | under(GROUP, cpu_max="max 100000\n"), 8),
        (OWN | under(GROUP, cpu_max="200000 100000\n"), 2),
        (OWN | under(GROUP, cpu_max="150000 100000\n"), 2),  # one and a half are used by two
        (OWN | under(GROUP, cpu_max="1000 100000\n"), 1),
        (OWN | under(GROUP, cpu_max="6400000 100000\n"), 8),
        (ELSEWHERE | under(GROUP, cpu_max="300000 100000\n"), 3),
        (NESTED | under(f"{GROUP}/user.slice/job: 7.scope", cpu_max="400000 100000\n"), 4),
        (
            NESTED
            | under(f"{GROUP}/user.slice/job: 7.scope", cpu_max="400000 100000")
            | under(f"{GROUP}/user.slice", cpu_max="300000 100000"),
            3,
        ),
        (
            NESTED
            | under(f"{GROUP}/user.slice/job: 7.scope", cpu_max="200000 100000")
            | under(f"{GROUP}/user.slice", cpu_max="300000 100000"),
            2,
        ),
        (NESTED | under(f"{GROUP}/system.slice", cpu_max="300000 100000"), 8),
        (FIRST | under(f"{GROUP}/cpu", cpu_cfs_quota_us="-1\n", cpu_cfs_period_us="100000\n"), 8),
        (FIRST | under(f"{GROUP}/cpu", cpu_cfs_quota_us="50000\n", cpu_cfs_period_us="25000\n"), 2),
        (FIRST_WHOLE | under(f"{GROUP}/cpu/docker", cpu_cfs_quota_us="5", cpu_cfs_period_us="1"), 5),
        (FIRST | under(f"{GROUP}/cpuset", cpu_cfs_quota_us="50000", cpu_cfs_period_us="25000"), 8),
    ],
)
def test_a_quota_of_a_container_bounds_the_processors(files, expected, system, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    system(files)
    assert processors() == expected
