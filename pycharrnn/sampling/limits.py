"""How long texts may become."""

from __future__ import annotations

from pycharrnn.errors import warn
from pycharrnn.messages import Message, Setting, advice
from pycharrnn.network.memory import claim

DEFAULT_LENGTH = 200
_TEXT = 2048  # bytes of a text beside its characters: a generator with its seeds, arrays, and objects
LONGEST = 10_000  # some models never come to an end


def claim_texts(n_samples: int, length: int | None) -> None:
    """Check that there is memory for so many texts of this length, and for the symbols of one.

    Parameters
    ----------
    n_samples : int
        How many texts.
    length : int or None
        Characters of each; None if nobody knows.

    Raises
    ------
    MemoryError
        If there is not.
    """
    each = 1 if length is None else length
    claim(  # the symbols come in parts, and are then joined
        n_samples * (_TEXT + 10 * each) + 20 * each,
        Message(
            Setting("n_samples"),
            f" {n_samples:,} x ",
            Setting("length"),
            f" {'None' if length is None else f'{length:,}'}",
        ),
        advice("lower {length} or {n_samples}, or take the characters one after the other from stream()"),
    )


def claim_beam(width: int, length: int, state: int) -> None:
    """Check that there is memory for a beam of this width.

    Parameters
    ----------
    width : int
        How many texts are followed.
    length : int
        Symbols of each.
    state : int
        Bytes of where the stream of one stands.

    Raises
    ------
    MemoryError
        If there is not.
    """
    claim(  # each text before and after a step, its generator, and the symbols that may follow it
        2 * width * (state + 4096 + 8 * length) + 64 * width**2,
        Message(Setting("beam"), f" {width:,} x ", Setting("length"), f" {length:,}"),
        advice("lower {beam} or {length}"),
    )


def longest(documents: bool) -> int:
    """Symbols of a text for which no length was given: of a document, or of running text.

    Examples
    --------
    >>> longest(documents=False)
    200
    """
    return LONGEST if documents else DEFAULT_LENGTH


def warn_of_no_end() -> None:
    """Warn that a document was cut off that had no end."""
    advice = f"raise the temperature, train longer, or use length={LONGEST} to cut without this warning"
    warn(f"a document had no end after {LONGEST:,} characters and is cut off there: {advice}")
