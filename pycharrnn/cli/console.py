"""What goes to the terminal: texts on stdout; a log, warnings and the last message on stderr."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import textwrap
from collections.abc import Sequence
from functools import partial
from typing import Any, TextIO

from pycharrnn.cli.failures import described
from pycharrnn.output import Raw, escaped, write
from pycharrnn.training.progress import clear_lines


def set_up_stdout() -> None:
    """Make stdout take any text: a terminal gets its own encoding, with escapes; a file or a pipe gets UTF-8."""
    if not isinstance(sys.stdout, io.TextIOWrapper):
        return
    if sys.stdout.isatty():  # which reads what it is sent as its locale says
        sys.stdout.reconfigure(errors="backslashreplace")
    else:
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogatepass")


def stdout(raw: bool) -> Any:
    """Return where texts are written: a terminal gets them with escapes, or as they are."""
    return Raw(sys.stdout) if raw and sys.stdout is not None else sys.stdout


def print_texts(texts: Sequence[str], file: Any, documents: bool = False) -> None:
    """Print texts, one a line; with a blank line between documents if one of them has line ends itself."""
    blank = documents and any("\n" in text or "\r" in text for text in texts)
    if texts:
        write(("\n\n" if blank else "\n").join(texts) + "\n", file)


def log(line: str) -> None:
    """Print a line on stderr, above the progress line of a training."""
    clear_lines()
    with contextlib.suppress(OSError):  # nobody reads stderr any more: no reason to lose what is being done
        write(_folded(escaped(line)) + "\n", sys.stderr)


def warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning on stderr: what `warnings.showwarning` does for a command."""
    log(f"pycharrnn: warning: {described(message)}")


def close(message: str) -> None:
    """Print the last message, if there is one, on stderr, and flush stdout; no error of either is raised."""
    if message and not message.startswith("usage: "):
        message = _folded(escaped(f"pycharrnn: error: {message}")) + "\n"
    for stream, last in ((sys.stdout, ""), (sys.stderr, message)):
        try:
            write(last, stream)
        except OSError:  # Python would try once more when it exits, and complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _folded(text: str) -> str:
    """Fold lines to the width of the terminal between words; a stream that is no terminal gets the text as it is."""
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (AttributeError, OSError, ValueError):  # no stderr, no terminal, or a closed one
        return text
    fold = partial(textwrap.fill, width=max(columns - 1, 20), break_long_words=False, break_on_hyphens=False)
    return "\n".join(
        line if line.startswith("  ") else fold(line, replace_whitespace=False) for line in text.split("\n")
    )
