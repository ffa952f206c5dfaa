"""A file is replaced whole or not at all."""

import errno
import os
import stat
from collections.abc import Iterable


def replace(path: str, pieces: Iterable[bytes]) -> None:
    """Put a complete, durable file where `path` leads, or leave what is there and raise."""
    target = os.path.realpath(path)  # os.replace would turn a symbolic link into a file
    folder, base = os.path.split(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, "No such directory", folder)
    old = os.stat(target).st_mode if os.path.lexists(target) else None
    if old is not None and not stat.S_ISREG(old):  # os.replace would do away with /dev/null
        code = errno.EISDIR if stat.S_ISDIR(old) else errno.EINVAL
        raise OSError(code, os.strerror(code), path)

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
    if os.name == "posix":  # elsewhere a directory cannot be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # makes the new name as durable as the bytes
        except OSError as error:
            if error.errno != errno.EINVAL:  # how a file system says that it has no such call
                raise
        finally:
            os.close(descriptor)
