"""Long steps of NumPy, which no signal interrupts: another thread takes them, and this one waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


def interruptibly(function: Callable[..., Result], *args: Any) -> Result:
    """Call a function so that an interrupt comes at once: it ends the waiting, and the result is dropped.

    Only the main thread hears signals; another one makes the call itself.

    Parameters
    ----------
    function : callable
        What is called. After an interrupt it runs to its end all the same: it must change nothing but its result.
    *args : object
        Its arguments.

    Returns
    -------
    object
        Its result.

    Examples
    --------
    >>> interruptibly(max, 3, 5)
    5
    """
    if threading.current_thread() is not threading.main_thread():
        return function(*args)
    results: list[Result] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def call() -> None:
        try:
            results.append(function(*args))
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=call, name="pycharrnn", daemon=True).start()
    while not done.wait(0.1):  # some systems interrupt no longer waiting
        continue
    if errors:
        raise errors[0]
    return results[0]
