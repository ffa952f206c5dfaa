"""A file is replaced whole or not at all; and whether one can be written is known before."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterable

from pycharrnn.errors import ParameterTypeError, ParameterValueError
from pycharrnn.messages import shown

__all__ = ["check_writable", "file_name", "remove_parts", "replace"]

_CUT = 40  # characters of a name that a temporary one repeats: a name may have 255 bytes

_PART = 1 << 20  # bytes that are written at once: between two parts an interrupt comes through


def file_name(path: str | os.PathLike[str]) -> str:
    """Return the name of a file as a str.

    Raises
    ------
    ParameterTypeError
        If the path is none.
    ParameterValueError
        If no file can have that name.

    Examples
    --------
    >>> file_name(b"model")
    'model'
    """
    try:
        name = os.fsdecode(path)
    except TypeError:
        raise ParameterTypeError("path", f"must be a str or path-like, got {shown(path)}") from None
    try:
        possible = b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise ParameterValueError("path", f"must be a name that a file can have, got {shown(name)}")
    return name


def check_writable(path: str | os.PathLike[str]) -> None:
    """Find out whether a file can be written, before the work that it is for.

    Parameters
    ----------
    path : str or path-like
        Where the file will be.

    Raises
    ------
    OSError
        If it cannot; the error's `strerror` is what to say of the path: "is a directory or a device; ...".
    """
    import tempfile  # only now: it is slow to import

    target = os.path.realpath(path)
    _refuse_what_is_no_file(target, os.fspath(path))
    try:
        tempfile.TemporaryFile(dir=os.path.dirname(target)).close()
    except OSError as error:
        raise OSError(error.errno, f"cannot be written: {error.strerror}", os.fspath(path)) from None


def replace(path: str, pieces: Iterable[bytes]) -> None:
    """Put a complete, durable file where a path leads, or leave what is there and raise.

    Parameters
    ----------
    path : str
        An existing file keeps its permissions, and its owner where the system allows it; a symbolic link stays one.
        Other hard links to the file keep the old one.
    pieces : iterable of bytes
        What the file holds.

    Raises
    ------
    OSError
        If the file cannot be written durably; the path holds the old or the new one, never a part. The error names the
        path.

    Notes
    -----
    The new file is written beside the old one, under a name of its own, and then takes its place. A process that is
    killed meanwhile leaves that part behind: the next call for the path removes it. A part that a process still writes
    stays, for it is locked.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     replace(f"{folder}/text", [b"one, ", b"two"])
    ...     pathlib.Path(folder, "text").read_bytes()
    b'one, two'
    """
    target = os.path.realpath(path)  # os.replace would turn a symbolic link into a file
    folder, base = os.path.split(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, "No such directory", folder)
    old = _refuse_what_is_no_file(target, path, "the path ")
    written = False
    while not written:
        temporary = os.path.join(
            folder, f".{base[:_CUT]}.{os.urandom(8).hex()}.tmp"
        )  # random: no one else's file is met
        try:
            remove_parts(folder, re.escape(base[:_CUT]))
            with contextlib.ExitStack() as held:
                if written := _write(temporary, pieces, old, held):
                    os.replace(temporary, target)
                    _sync(folder)
        except BaseException as error:
            with contextlib.suppress(OSError):  # never written, or the disk fails here, too: the next save removes it
                os.unlink(temporary)
            if isinstance(error, OSError) and error.errno and error.filename in (None, temporary):
                raise OSError(error.errno, os.strerror(error.errno), path) from error
            raise


def _write(temporary: str, pieces: Iterable[bytes], old: os.stat_result | None, held: contextlib.ExitStack) -> bool:
    """Write a new file, durably, with the owner and the permissions of the old one, if there is one.

    It stays locked until the end of `held`. Return False, with nothing written, if another process has removed it
    before it was locked.
    """
    mode = 0o666 if old is None else stat.S_IMODE(old.st_mode)  # and the kernel applies the umask
    with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        if _locked(file.fileno()) is False or not os.path.lexists(temporary):
            return False
        if os.name == "posix":  # elsewhere an open file cannot take another name
            held.callback(os.close, os.dup(file.fileno()))
        if old is not None:
            _own(temporary, old)
            os.chmod(temporary, mode)
        for piece in pieces:
            for start in range(0, len(piece), _PART):
                file.write(memoryview(piece)[start : start + _PART])
        file.flush()
        os.fsync(file.fileno())
    return True


def _own(temporary: str, old: os.stat_result) -> None:
    """Give a file the owner and the group of another, if that is allowed: others may only give their own groups."""
    if not hasattr(os, "chown"):
        return
    new = os.stat(temporary)
    for owner, group in ((old.st_uid, -1), (-1, old.st_gid)):
        if owner in (-1, new.st_uid) and group in (-1, new.st_gid):
            continue
        with contextlib.suppress(PermissionError):
            os.chown(temporary, owner, group)


def remove_parts(folder: str, names: str) -> None:
    """Remove what processes have left that were killed while they wrote certain files.

    Parameters
    ----------
    folder : str
        Where the files are.
    names : str
        A regular expression of their names, or of the first 40 characters of long ones.
    """
    name = re.compile(rf"\.{names}\.[0-9a-f]{{16}}\.tmp")
    for entry in os.scandir(folder):
        if not name.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
            continue
        with contextlib.suppress(OSError):  # gone, or somebody else's
            descriptor = os.open(entry.path, os.O_RDWR)
            try:
                if _locked(descriptor):
                    os.unlink(entry.path)
            finally:
                os.close(descriptor)


def _locked(descriptor: int) -> bool | None:
    """Show that a file is being written, for as long as it is open. False: another process does; None: nobody knows."""
    try:
        import fcntl
    except ImportError:  # elsewhere no open file can be removed
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: no part is removed
        return None
    return True


def _refuse_what_is_no_file(target: str, path: str, subject: str = "") -> os.stat_result | None:
    """Return what is known of the file, None if there is none. Refuse all else: os.replace would replace a device."""
    old = os.stat(target) if os.path.lexists(target) else None
    if old is not None and not stat.S_ISREG(old.st_mode):
        code = errno.EISDIR if stat.S_ISDIR(old.st_mode) else errno.EINVAL
        raise OSError(code, f"{subject}is a directory or a device; give the name of a file", path)
    return old


def _sync(folder: str) -> None:
    """Make a new name as durable as the bytes of its file."""
    if os.name != "posix":  # elsewhere a directory cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # how a file system says that it has no such call
            raise
    finally:
        os.close(descriptor)
