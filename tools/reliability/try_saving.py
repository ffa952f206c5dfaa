"""Saving: killed, and failed, at each call to the system: the old file or the new one, whole."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

from forgery import checkpoint
from rows import Finding, row, scratch
from shim import KILL, SHORT, Case, Ended, in_child, under_shim

from pycharrnn import CharRNN

ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EXDEV)
MUST_TELL = {"open", "write", "fsync", "rename", "renameat"}  # if one of these fails, the file is not safe


class Saver(NamedTuple):
    """Something that writes a file, in an old and a new state.

    Attributes
    ----------
    name : str
        What it is.
    old, new : callable
        Each writes its file to a path.
    """

    name: str
    old: Callable[[Path], object]
    new: Callable[[Path], object]


def savers() -> list[Saver]:
    """Whatever writes files whole or not at all; a new kind of file is one more entry."""
    made = [Saver("checkpoint", checkpoint(0).write, checkpoint(1).write)]
    for name, size in (("small model", 3), ("model", 90), ("large model", 700)):
        old, new = (CharRNN(hidden_size=size, max_updates=1, random_state=seed).fit("abcab" * 9) for seed in (0, 1))
        made.append(Saver(name, old.save, new.save))
    return made


def told(error: object) -> list[object]:
    """What matters of an outcome: None, or the kind of an error, its errno and its file."""
    if not isinstance(error, BaseException):
        return ["", 0, ""]
    kind = "OSError" if isinstance(error, OSError) else type(error).__name__
    return [kind, getattr(error, "errno", 0), str(getattr(error, "filename", ""))]


class Place:
    """A folder with a file, or with none, in which a save is tried."""

    def __init__(self, folder: Path, saver: Saver, fresh: bool) -> None:
        self.path = folder / "m"
        self.fresh = fresh
        self.saver = saver
        saver.old(self.path)
        self.old = self.path.read_bytes()
        saver.new(self.path)
        self.new = self.path.read_bytes()

    def tried(self, case: Case) -> tuple[Ended, str]:
        """Try the save, and say what is wrong with what it leaves; then save once more."""
        self.path.unlink(missing_ok=True)
        if not self.fresh:
            self.path.write_bytes(self.old)
        ended = in_child(case, lambda: self.saver.new(self.path), told)
        found = self.path.read_bytes() if self.path.exists() else None
        problem = ""
        if found != self.new and found != (None if self.fresh else self.old):
            problem = "the file is neither the old nor the new one"
        elif ended.code == 0:
            problem = self._answered(case, ended, found)
        elif ended.code != -signal.SIGKILL:
            problem = f"ended with {ended.code}"
        left = [name for name in os.listdir(self.path.parent) if name != self.path.name]
        if len(left) > 1 or (left and case.how != KILL and not case.lasting):
            problem = problem or f"left {left}"
        self.saver.new(self.path)
        if os.listdir(self.path.parent) != [self.path.name] or self.path.read_bytes() != self.new:
            problem = problem or f"the next save leaves {os.listdir(self.path.parent)}"
        return ended, problem

    def _answered(self, case: Case, ended: Ended, found: bytes | None) -> str:
        kind, number, name = ended.said
        if not kind:
            if found != self.new:
                return "no error, and not the new file"
            must = ended.struck in MUST_TELL and case.how not in (errno.EINTR, SHORT)
            return f"{ended.struck} failed, and nothing was raised" if must else ""
        if kind != "OSError" or not number:
            return f"raised {kind}"
        if name not in (str(self.path), str(self.path.parent)):
            return f"the error {number} names {name}"
        return ""


def cases(how: int, lasting: bool) -> Iterator[Case]:
    """The first call, the second one, ..."""
    return (Case(n, how, lasting) for n in count(1))


def tried_everywhere(found: Finding, place: Place, how: int, lasting: bool) -> None:
    """Let each call of a save in turn fail."""
    for case in cases(how, lasting):
        ended, problem = place.tried(case)
        if ended.code == 0 and not ended.struck:
            return
        what = "kill" if how == KILL else "short write" if how == SHORT else errno.errorcode[how]
        name = f"{place.saver.name}, {'a new file' if place.fresh else 'an old file'}, {what}"
        found.check(not problem, name, "at call", case.n, ended.struck, "and later" * lasting, ":", problem)


def kills(full: bool) -> Finding:
    """SIGKILL before each call."""
    found = Finding("kills", 120)
    with scratch() as folder:
        for saver in savers()[: 4 if full else 3]:
            for fresh in (False, True):
                tried_everywhere(found, Place(folder, saver, fresh), KILL, False)
    return found


def faults(full: bool) -> Finding:
    """Each error at each call, once and from there on."""
    found = Finding("faults", 1000 if full else 400)
    with scratch() as folder:
        for saver in savers()[: 4 if full else 2]:
            for fresh in (False, True):
                place = Place(folder, saver, fresh)
                for how in (*(ERRORS if full else ERRORS[:3]), errno.EINTR, SHORT):
                    tried_everywhere(found, place, how, False)
                    if how not in (errno.EINTR, SHORT):  # Python tries again, for ever
                        tried_everywhere(found, place, how, True)
    return found


@row("R7", "Kill a save before each call to the system")
def killed(full: bool) -> Finding:
    return under_shim("try_saving", "kills", full)


@row("R9", "Let each call to the system fail in a save")
def failed(full: bool) -> Finding:
    return under_shim("try_saving", "faults", full)
