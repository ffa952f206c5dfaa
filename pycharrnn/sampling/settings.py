"""How texts are drawn."""

from __future__ import annotations

from typing import NamedTuple

from pycharrnn.network.architecture import Architecture
from pycharrnn.network.records import Drawing, Record, record


class Sampling(NamedTuple):
    """The settings by which symbols are drawn: one object from `CharRNN.sample` to the kernel.

    Parameters
    ----------
    length : int or None, default None
        Symbols of a text. None is `DEFAULT_LENGTH` for running text; a document is then written to its end, which must
        come within `LONGEST` symbols.
    temperature : float in [0, inf), default 1.0
        What the logits are divided by; 0 takes the likeliest symbol.

    Examples
    --------
    >>> Sampling(temperature=0.5)
    Sampling(length=None, temperature=0.5)
    """

    length: int | None = None
    temperature: float = 1.0

    def drawing(self, architecture: Architecture, whole: bool) -> Record:
        """Return the record by which the kernel draws; a `whole` document ends with its end symbol."""
        return record(Drawing(float(self.temperature), architecture.label_smoothing, whole))


DEFAULT_LENGTH = 200
LONGEST = 10_000  # some models never come to an end
