"""What happens before all other imports, which take a while: Ctrl-C ends a command at once, and the core is there."""

import os
import sys
from importlib import import_module


def end_at_once() -> bool:
    """Let Ctrl-C end a command without a traceback while its modules are imported.

    Returns
    -------
    bool
        Whether this process is the command. In another program nothing changes.

    Examples
    --------
    >>> end_at_once()
    False
    """
    options = sys.orig_argv
    module = options[options.index("-m") + 1 :][:1] if sys.argv[:1] == ["-m"] and "-m" in options else []
    program = os.path.basename(sys.argv[0]) if sys.argv else ""
    if module != ["pycharrnn"] and program.removesuffix(".exe") != "pycharrnn":
        return False
    import signal  # only now: no other program waits for it

    try:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    except ValueError:  # not in the main thread
        return False
    return True


def check_core() -> None:
    """Say what to do where the C core is missing: in a folder of the source code, which is not built.

    Raises
    ------
    ImportError
        If it is missing.
    """
    try:
        import_module("pycharrnn._kernels")
    except ModuleNotFoundError as error:
        if error.name != "pycharrnn._kernels":
            raise
        problem = "this folder has the source code of pycharrnn, whose C core is not built here"
        advice = "install it (pip install .) and start Python in another folder"
        raise ImportError(f"{problem}: {advice}. The folder: {os.path.dirname(__file__)}") from error
