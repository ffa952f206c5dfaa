"""What happens before all other imports, which take a while: Ctrl-C gets its usual meaning for a command."""

import os
import sys


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
