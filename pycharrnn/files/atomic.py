"""A file is replaced whole or not at all; and whether one can be written is known before."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable

from pycharrnn.errors import ParameterTypeError, ParameterValueError
from pycharrnn.messages import shown

__all__ = ["check_writable", "file_name", "replace"]


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
        An existing file keeps its permissions; a symbolic link stays one.
    pieces : iterable of bytes
        What the file holds.

    Raises
    ------
    OSError
        If the file cannot be written durably; the path holds the old or the new one, never a part.

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

    # Cut, because a name may have 255 bytes; random, so that no one else's file is met.
    temporary = os.path.join(folder, f".{base[:40]}.{os.urandom(8).hex()}.tmp")
    mode = 0o666 if old is None else stat.S_IMODE(old)  # and the kernel applies the umask
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            if old is not None:
                os.chmod(temporary, mode)
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise
    _sync(folder)


def _refuse_what_is_no_file(target: str, path: str, subject: str = "") -> int | None:
    """Return the mode of the file, or None if there is none. Refuse all else: os.replace would replace /dev/null."""
    mode = os.stat(target).st_mode if os.path.lexists(target) else None
    if mode is not None and not stat.S_ISREG(mode):
        code = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(code, f"{subject}is a directory or a device; give the name of a file", path)
    return mode


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
