"""Interrupts at any line of some modules."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pycharrnn
from pycharrnn import CharRNN

__all__ = ["Interrupt", "interrupted"]

HOME = str(Path(pycharrnn.__file__).parent)


class Interrupt:
    """Counts the lines of some modules, and raises KeyboardInterrupt at one of them; then perhaps at the next ones."""

    def __init__(self, modules: tuple[str, ...], at: int = 2**62, times: int = 1) -> None:
        self.modules = modules
        self.at = at
        self.times = times
        self.lines = 0

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(HOME) or not name.removesuffix(".py").endswith(self.modules):
            return None
        return self.line

    def line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self.lines += 1
            if self.at <= self.lines < self.at + self.times:
                raise KeyboardInterrupt
        return self.line


def interrupted(interrupt: Interrupt, model: CharRNN, text: Any, **fit: Any) -> bool:
    """Whether an interrupt has ended a training."""
    before = sys.gettrace()
    sys.settrace(interrupt)
    try:
        model.fit(text, **fit)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False
