"""What a history has entries of, besides the losses of the updates."""

from __future__ import annotations

from typing import NamedTuple


class Sample(NamedTuple):
    """A text written in training.

    Parameters
    ----------
    n_updates : int
        Updates made before it.
    smooth_loss : float
        The smooth loss then, in nats per `seq_length` characters.
    text : str
        The text.

    Examples
    --------
    >>> Sample(n_updates=10_000, smooth_loss=51.25, text="to be or").text
    'to be or'
    """

    n_updates: int
    smooth_loss: float
    text: str


class Divergence(NamedTuple):
    """A loss that was not finite: training went on from earlier weights at a lower learning rate.

    Parameters
    ----------
    n_updates : int
        Updates that those weights had made.
    factor : float
        What multiplies the learning rate from there on.

    Examples
    --------
    >>> Divergence(n_updates=120, factor=0.3).factor
    0.3
    """

    n_updates: int
    factor: float


class Look(NamedTuple):
    """The loss of a text in training: of the validation text, or of a fixed part of the training text.

    Parameters
    ----------
    n_updates : int
        Updates that the weights had made.
    seconds : float
        Time since the call of `fit` or `partial_fit` began, in seconds.
    nats : float
        The loss, in nats per character.

    Examples
    --------
    >>> looks = [Look(40, 0.1, 2.5), Look(80, 0.2, 2.25), Look(120, 0.3, 2.375)]
    >>> min(looks, key=lambda look: look.nats).n_updates
    80
    """

    n_updates: int
    seconds: float
    nats: float
