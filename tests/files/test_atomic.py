"""A file is replaced whole or not at all, whatever happens meanwhile; its permissions and links stay."""

from __future__ import annotations

import errno
import io
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from container_examples import (
    METADATA,
    example,
    layout,
    same,
)

from pycharrnn.files import atomic
from pycharrnn.files import container as storage


class TornFile(io.FileIO):
    """Writes some bytes, then fails."""

    error: BaseException

    def write(self, data: Any) -> int:
        super().write(data[:100])
        raise self.error


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["open", "chmod", "write", "fsync", "replace"])
@pytest.mark.parametrize("existing", [True, False])
def test_a_fault_leaves_the_old_file_and_nothing_else(
    path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch, where: str, error: BaseException, existing: bool
) -> None:
    if not existing:
        path.unlink()
        if where == "chmod":  # which a new file does not need
            where = "fsync"

    def fail(*args: Any, **options: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        if where == "write":
            patch.setattr(TornFile, "error", error, raising=False)
            patch.setattr(atomic, "open", TornFile, raising=False)
        else:
            patch.setattr(os, where, fail)
        with pytest.raises(type(error)) as caught:
            storage.save(path, example(seed=2), METADATA)
    if isinstance(error, OSError):
        assert isinstance(caught.value, OSError)
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    else:
        assert caught.value is error
    assert os.listdir(path.parent) == ([path.name] if existing else [])
    assert not existing or path.read_bytes() == data
    storage.save(path, example(seed=2), METADATA)
    assert same(storage.load(path, layout)[0], example(seed=2))


@pytest.mark.parametrize(("code", "raised"), [(errno.EIO, True), (errno.EINVAL, False)])
def test_a_folder_that_does_not_sync(path: Path, monkeypatch: pytest.MonkeyPatch, code: int, raised: bool) -> None:
    """An error is raised, unless the file system says that it has no such call; the new file is complete."""
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    if raised:
        with pytest.raises(OSError, match=os.strerror(code)):
            storage.save(path, example(seed=2), METADATA)
    else:
        storage.save(path, example(seed=2), METADATA)
    assert same(storage.load(path, layout)[0], example(seed=2))
    assert os.listdir(path.parent) == [path.name]


def test_order_of_a_save(path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """All bytes are durable before the name moves, the name is afterwards; the mode is right at once."""
    os.chmod(path, 0o600)
    events: list[object] = []
    real_chmod = os.chmod
    real_fsync = os.fsync
    real_replace = os.replace

    def chmod(name: str, mode: int) -> None:
        status = os.stat(name)
        events.append((status.st_size, stat.S_IMODE(status.st_mode)))
        real_chmod(name, mode)

    def fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        folder = stat.S_ISDIR(status.st_mode)
        events.append("folder" if folder else (status.st_size, stat.S_IMODE(status.st_mode)))
        real_fsync(descriptor)

    def replace(source: str, target: str) -> None:
        events.append("replace")
        name = os.path.basename(source)
        assert re.fullmatch(r"\.m\.safetensors\.[0-9a-f]{16}\.tmp", name)
        assert os.path.dirname(source) == str(path.parent)
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(os, "chmod", chmod)
    storage.save(path, example(), METADATA)
    assert events == [(0, 0o600), (len(data), 0o600), "replace", "folder"]


@pytest.mark.parametrize(("where", "survivor"), [("fsync", 1), ("replace", 1), ("close", 2)])
def test_kill_leaves_a_complete_file(path: Path, where: str, survivor: int) -> None:
    """SIGKILL at the sync of the file, at the replacement, and (os.close) after all is done."""
    storage.save(path.parent / "next", example(seed=2), METADATA)
    package = str(Path(storage.__file__).parents[2])
    script = f"""if True:
        import os, signal, sys
        sys.path.insert(0, {package!r})
        from pycharrnn.files import container as storage
        tensors, metadata = storage.load({str(path.parent / "next")!r}, lambda metadata: {layout(METADATA)!r})
        os.{where} = lambda *args, **options: os.kill(os.getpid(), signal.SIGKILL)
        storage.save({str(path)!r}, tensors, metadata)
        """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert same(storage.load(path, layout)[0], example(seed=survivor))
    storage.save(path, example(seed=3), METADATA)  # what a dead process left behind is in nobody's way
    assert same(storage.load(path, layout)[0], example(seed=3))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
def test_permissions(path: Path, monkeypatch: pytest.MonkeyPatch, umask: int) -> None:
    old = os.umask(umask)
    try:
        with monkeypatch.context() as patch:
            patch.delattr(os, "umask")  # changing it, even for a moment, would be seen by other threads
            storage.save(path.parent / "new", example(), METADATA)
            assert stat.S_IMODE((path.parent / "new").stat().st_mode) == 0o666 & ~umask
            for mode in (0o600, 0o640, 0o664, 0o444, 0o666):
                os.chmod(path, mode)
                storage.save(path, example(), METADATA)
                assert stat.S_IMODE(path.stat().st_mode) == mode
    finally:
        os.umask(old)


@pytest.mark.parametrize("dangling", [False, True])
def test_symbolic_link_stays_one(path: Path, dangling: bool) -> None:
    link = path.parent / "folder" / "link"
    link.parent.mkdir()
    link.symlink_to("../m.safetensors")
    if dangling:
        path.unlink()
    storage.save(link, example(seed=2), METADATA)
    assert os.readlink(link) == "../m.safetensors"
    assert not path.is_symlink()
    assert same(storage.load(path, layout)[0], example(seed=2))
    assert os.listdir(link.parent) == ["link"]


def test_what_is_not_a_file_is_not_replaced(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(OSError, match=r"is a directory or a device.*fifo"):
        storage.save(fifo, example(), METADATA)
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert os.listdir(tmp_path) == ["fifo"]


@pytest.mark.parametrize("name", ["x" * 255, "\U0001f600" * 63, ".hidden", "a b\n", "-"])
def test_odd_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    storage.save(name, example(), METADATA)
    assert os.listdir(tmp_path) == [name]
    assert same(storage.load(name, layout)[0], example())


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "is a directory or a device"),
        ("fifo", "is a directory or a device"),
        ("none/m", "cannot be written: No such"),
        ("file/m", "cannot be written: Not a directory"),
    ],
)
def test_what_cannot_be_written_is_known_before(tmp_path: Path, name: str, told: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OSError, match=told) as caught:
        atomic.check_writable(tmp_path / name)
    assert caught.value.strerror.startswith(told)
    assert caught.value.filename == str(tmp_path / name)


def test_what_can_be_written_is_left_as_it_is(path: Path, data: bytes) -> None:
    atomic.check_writable(path)
    atomic.check_writable(path.parent / "new")
    assert (path.read_bytes(), os.listdir(path.parent)) == (data, [path.name])


@pytest.mark.skipif(os.name != "posix", reason="elsewhere an open file cannot be removed, and needs no lock")
def test_what_a_killed_save_left_is_removed_by_the_next_one(path: Path, data: bytes) -> None:
    """And nothing else: neither a part that is being written, nor files of other names."""
    parts = [path.parent / f".{path.name}.{digit * 16}.tmp" for digit in "0a"]
    others = [
        ".m.safetensors.tmp",
        f".{path.name}.{'A' * 16}.tmp",
        f".{path.name}.{'0' * 16}.tmp2",
        f".n.{'0' * 16}.tmp",
    ]
    for part in [*parts, *(path.parent / other for other in others)]:
        part.write_bytes(b"part")
    held = path.parent / f".{path.name}.{'b' * 16}.tmp"
    script = f"""if True:
        import fcntl, sys
        with open({str(held)!r}, "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            print(flush=True)
            sys.stdin.read()
        """
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        storage.save(path, example(), METADATA)
        assert sorted(os.listdir(path.parent)) == sorted([path.name, held.name, *others])
        writer.communicate(b"")
    storage.save(path, example(), METADATA)
    assert sorted(os.listdir(path.parent)) == sorted([path.name, *others])
    assert path.read_bytes() == data


@pytest.mark.skipif(os.name != "posix", reason="elsewhere an open file cannot be removed")
def test_a_part_that_another_process_removes_at_once_is_written_anew(
    path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    lexists, removed = os.path.lexists, []

    def remove(name: str) -> bool:
        if str(name).endswith(".tmp") and len(removed) < 2:
            removed.append(name)
            os.unlink(name)
        return lexists(name)

    path.write_bytes(b"old")
    monkeypatch.setattr(os.path, "lexists", remove)
    storage.save(path, example(), METADATA)
    monkeypatch.undo()
    assert len(removed) == 2
    assert path.read_bytes() == data
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a file that is read cannot be replaced")
def test_files_of_different_processes_do_not_meet(path: Path, data: bytes) -> None:
    """Four save and read one path at once."""
    script = f"""if True:
        import sys
        sys.path[:0] = {[str(Path(__file__).parents[1]), str(Path(storage.__file__).parents[2])]!r}
        from container_examples import METADATA, example, layout
        from pycharrnn.files import container
        for _ in range(40):
            container.save({str(path)!r}, example(), METADATA)
            container.load({str(path)!r}, layout)
        """
    writers = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) for _ in range(4)]
    errors = [writer.communicate(timeout=120)[1].decode() for writer in writers]
    assert [(writer.returncode, error) for writer, error in zip(writers, errors, strict=True)] == [(0, "")] * 4
    assert os.listdir(path.parent) == [path.name]
    assert path.read_bytes() == data


def test_the_error_of_a_limit_names_the_file(path: Path, data: bytes) -> None:
    """EFBIG, at a write; the old file stays."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: .*m\.safetensors'") as caught:
            storage.save(path, example(seed=2), METADATA)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.filename == str(path)
    assert os.listdir(path.parent) == [path.name]
    assert path.read_bytes() == data


def test_other_hard_links_keep_the_old_file(path: Path, data: bytes) -> None:
    other = path.parent / "other"
    os.link(path, other)
    storage.save(path, example(seed=2), METADATA)
    assert other.read_bytes() == data != path.read_bytes()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_stays(path: Path) -> None:
    os.chown(path, 12345, 54321)
    os.chmod(path, 0o640)
    storage.save(path, example(seed=2), METADATA)
    status = path.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (12345, 54321, 0o640)


@pytest.mark.skipif(not hasattr(os, "chown"), reason="files have no owner here")
def test_an_owner_that_cannot_stay_is_no_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def refuse(name: str, owner: int, group: int) -> None:
        calls.append((owner, group))
        raise PermissionError(errno.EPERM, "Operation not permitted", name)

    real = os.stat

    def foreign(name: Any, *args: Any, **options: Any) -> os.stat_result:
        found = real(name, *args, **options)
        if str(name) != str(path):
            return found
        return os.stat_result([*found[:4], found.st_uid + 1, found.st_gid + 1, *found[6:]])

    monkeypatch.setattr(os, "stat", foreign)
    monkeypatch.setattr(os, "chown", refuse)
    storage.save(path, example(seed=2), METADATA)
    monkeypatch.undo()
    assert len(calls) == 2
    assert same(storage.load(path, layout)[0], example(seed=2))


def test_no_part_is_removed_where_files_cannot_be_locked(
    path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def fails(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    part = path.with_name(f".{path.name}.0123456789abcdef.tmp")
    atomic.replace(path, [data])
    part.write_bytes(b"being written")
    monkeypatch.setattr(fcntl, "flock", fails)
    atomic.replace(path, [data])
    assert part.exists()  # another process may be writing it
    monkeypatch.undo()
    atomic.replace(path, [data])
    assert not part.exists()
