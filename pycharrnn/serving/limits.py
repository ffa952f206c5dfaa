"""What a server takes on at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pycharrnn.arguments import Flag, Integer
from pycharrnn.tables import Checked


@dataclass(frozen=True)
class Limits(Checked):
    """What a server takes on at most. What asks for more is refused, and told so.

    Parameters
    ----------
    max_streams : int in [1, 4096], default 256
        Texts that are written at once, for all clients together.
    max_texts : int in [1, 1024], default 64
        Texts of one request: its prompts times `n`.
    max_length : int in [1, 10000000], default 20000
        Characters of a text.
    max_prompt : int in [1, 10000000], default 20000
        Characters of the prompts of a request, all together.
    patterns : bool, default False
        Whether a request may have a `pattern`. A regular expression can be one that takes for ever.

    Examples
    --------
    >>> Limits(max_streams=8).max_texts
    64
    """

    max_streams: Annotated[int, Integer(1, 4096)] = 256
    max_texts: Annotated[int, Integer(1, 1024)] = 64
    max_length: Annotated[int, Integer(1, 10_000_000)] = 20_000
    max_prompt: Annotated[int, Integer(1, 10_000_000)] = 20_000
    patterns: Annotated[bool, Flag()] = False

    @property
    def max_body(self) -> int:
        """Bytes of a request: each character of its prompts may be an escape of twelve, and it says more."""
        return 12 * self.max_prompt + 65_536
