"""Checkpoints: a training writes how it stands from time to time, so that a later process can go on with it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Annotated, Any

from pycharrnn.arguments import Integer, Kind
from pycharrnn.errors import ParameterValueError
from pycharrnn.files.atomic import file_name, remove_parts
from pycharrnn.messages import shown
from pycharrnn.tables import check, table

if TYPE_CHECKING:
    from pycharrnn.training.run import Run

__all__ = ["Checkpoint", "checkpoints_in"]

BEST = "best.safetensors"
_CHECKPOINT = r"checkpoint-(\d{1,15})\.safetensors"
_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(s|min|h)")
_COUNT = Integer(1, 2**62)


def checkpoints_in(folder: str | os.PathLike[str]) -> list[str]:
    """List the checkpoints of a folder.

    Parameters
    ----------
    folder : str or path-like
        The folder; one that does not exist has none.

    Returns
    -------
    list of str
        Their paths, the newest first.

    Raises
    ------
    OSError
        If it is no folder, or cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoints_in(folder)
    []
    """
    name = file_name(folder)
    try:
        files = os.listdir(name)
    except FileNotFoundError:
        return []
    found = [(int(match[1]), file) for file in files if (match := re.fullmatch(_CHECKPOINT, file))]
    return [os.path.join(name, file) for _, file in sorted(found, reverse=True)]


class Every(Kind):
    """How often something happens: a number of updates, or a time as a text.

    Examples
    --------
    >>> Every().read("1000"), Every().read("5min"), seconds_of("5min")
    (1000, '5min', 300.0)
    """

    noun = "a number of updates or a time such as '60s', '5min' or '1.5h'"
    range = "above 0"
    type = "int or str"

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, str):
            _COUNT.check(name, value)
        elif not seconds_of(value):
            raise ParameterValueError(name, f"must be {self.noun}, got {shown(value)}")

    def read(self, text: str) -> int | str:
        return int(text) if text.strip().isdecimal() else text


def seconds_of(every: str) -> float:
    """Return the seconds of a time such as "60s", "5min" or "1.5h"; 0 if it is none.

    Examples
    --------
    >>> seconds_of("1.5h"), seconds_of("soon")
    (5400.0, 0.0)
    """
    match = _DURATION.fullmatch(every.strip())
    return float(match[1]) * _UNITS[match[2]] if match else 0.0


class Checkpoint:
    """A callback that writes checkpoints into a folder: files from which `CharRNN.resume` goes on to the bit.

    It writes one from time to time, one at the end of the training, and one when Ctrl-C or an error ends it early. The
    best weights so far are in the folder, too, as the model file ``best.safetensors``.

    Parameters
    ----------
    folder : str or path-like
        Where to write. It is made if it does not exist.
    every : int or str, default "60s"
        Updates between two checkpoints, or the time: "90s", "5min", "1.5h".
    keep : int, default 2
        How many checkpoints to keep, at least 1: the newest ones. With two, the one before is there if the newest is
        damaged.

    Attributes
    ----------
    every : int or None
        Updates between two checkpoints; None if a time is.

    Raises
    ------
    TypeError
        If `folder` is no path, `every` neither an integer nor a str, or `keep` no integer.
    ValueError
        If a number is out of range, or `every` is no time. When the training begins: if the folder has checkpoints and
        the training does not go on from them, or if another training writes there.
    OSError
        When the training begins or a checkpoint is due: if the folder cannot be made or a file cannot be written. The
        error names it, and ends the training; the model has what it has learned.

    Notes
    -----
    A file has the weights, the best weights, the optimiser's moments, the average of the weights, the state that is
    carried from one window to the next, the history and all counts: for Adam some four times what a model file takes.
    With `ngram_order` it HOLDS THE TEXT whose n-grams are counted. What callbacks of your own remember is not in it.

    Examples
    --------
    >>> import tempfile
    >>> from pycharrnn import CharRNN
    >>> text = "to be or not to be " * 200
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = CharRNN(hidden_size=8, max_updates=100, random_state=0)
    ...     model = model.fit(text, callbacks=[Checkpoint(folder, every=40)])
    ...     [os.path.basename(path) for path in checkpoints_in(folder)]
    ...     again = CharRNN.resume(folder, text)
    ['checkpoint-100.safetensors', 'checkpoint-80.safetensors']
    >>> again.n_updates_
    100
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        every: Annotated[int | str, Every()] = "60s",
        keep: Annotated[int, _COUNT] = 2,
    ) -> None:
        self.folder = file_name(folder)
        numbers = check(table(Checkpoint), every=every, keep=keep)
        self.every: int | None = None if isinstance(every, str) else numbers["every"]
        self.keep: int = numbers["keep"]
        self._seconds = seconds_of(every) if isinstance(every, str) else 0.0
        self._written = 0.0  # seconds of the run at the last checkpoint
        self._best = -1  # updates of the best weights that are written
        self._held: int | None = None  # the folder, while a training writes there

    def on_start(self, run: Run) -> None:
        """Make the folder, and refuse one with checkpoints of another training.

        Parameters
        ----------
        run : Run
            The training that begins.
        """
        os.makedirs(self.folder, exist_ok=True)
        path = "" if run.standing is None else run.standing.path
        if checkpoints_in(self.folder) and not (path and os.path.samefile(os.path.dirname(path) or ".", self.folder)):
            advice = "go on from them with CharRNN.resume, or train --resume; or take another folder, or remove them"
            raise ParameterValueError("folder", f"{shown(self.folder)} has checkpoints of another training: {advice}")
        self._hold()
        self._written = run.elapsed()
        self._best = -1

    def __call__(self, run: Run) -> None:
        """Write a checkpoint if it is time."""
        if self.every is not None or run.elapsed() - self._written >= self._seconds:
            self._write(run)

    def on_end(self, run: Run) -> None:
        """Write the last checkpoint, also if an interrupt or an error has ended the training, and let the folder go.

        Parameters
        ----------
        run : Run
            The training that has ended.
        """
        try:
            self._write(run)
        finally:
            self._release()

    def _hold(self) -> None:
        """Keep other trainings out of the folder, where the system can."""
        self._release()
        try:
            import fcntl
        except ImportError:
            return
        self._held = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:  # another training, or a file system without locks
            descriptor, self._held = self._held, None
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                reason = f"{shown(self.folder)}: another training writes there now"
                raise ParameterValueError("folder", reason) from None

    def _release(self) -> None:
        """Let the folder go; an interrupt may cut this short, and another call completes it."""
        if self._held is not None:
            import fcntl

            # Unlocked first: unlocking can be repeated. Closing cannot, for the number may be another file's by then.
            fcntl.flock(self._held, fcntl.LOCK_UN)
            descriptor, self._held = self._held, None
            os.close(descriptor)

    def _write(self, run: Run) -> None:
        if run.standing is None:
            return
        name = f"checkpoint-{run.n_updates}.safetensors"
        run.checkpoint(os.path.join(self.folder, name))
        self._written = run.elapsed()
        if run.standing.kept.n_updates != self._best:
            run.save(os.path.join(self.folder, BEST), best=True)
            self._best = run.standing.kept.n_updates
        remove_parts(self.folder, _CHECKPOINT)
        files = checkpoints_in(self.folder)
        kept = files[files.index(os.path.join(self.folder, name)) :][: self.keep]
        for path in set(files) - set(kept):  # old ones, and those of updates not made yet, or damaged
            os.remove(path)
