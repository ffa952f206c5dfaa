"""One training at a time: a model is trained by one thread, and all others are told so."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

__all__ = ["LOCK", "being_trained", "is_training_here", "next_text"]

LOCK = threading.Lock()
_TRAINED: WeakKeyDictionary[object, tuple[int, int]] = WeakKeyDictionary()  # model -> the process and thread that train


def _after_fork() -> None:
    """In the child, the thread that held the lock may not exist."""
    global LOCK
    LOCK = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def being_trained(model: object) -> Iterator[None]:
    """Reserve the model for this thread to train. Its copies, and those in a forked process, stay free.

    Raises
    ------
    RuntimeError
        If a thread of this process trains it already, even if it is this one.

    Examples
    --------
    >>> from pycharrnn import CharRNN
    >>> model = CharRNN()
    >>> with being_trained(model):
    ...     is_training_here(model)
    True
    """
    with LOCK:
        if _TRAINED.get(model, (0, 0))[0] == os.getpid():
            raise RuntimeError(
                f"this {type(model).__name__} is being trained already, and a model has one training at a time: wait "
                "for it, or train a copy (copy.deepcopy)"
            )
        _TRAINED[model] = os.getpid(), threading.get_ident()
    try:
        yield
    finally:
        with LOCK:
            del _TRAINED[model]


def next_text(model: object) -> int:
    """Count the texts that a model has drawn, in whichever threads.

    Examples
    --------
    >>> from pycharrnn import CharRNN
    >>> model = CharRNN()
    >>> next_text(model), next_text(model)
    (1, 2)
    """
    with LOCK:
        n: int = vars(model).get("_n_samples", 0) + 1
        vars(model)["_n_samples"] = n
    return n


def is_training_here(model: object) -> bool:
    """Whether the calling thread, in a callback, trains the model: it must not see it half trained."""
    return _TRAINED.get(model) == (os.getpid(), threading.get_ident())
