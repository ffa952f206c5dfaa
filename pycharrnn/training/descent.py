"""How a run steps: an optimiser, and what it shares with all others."""

from __future__ import annotations

import math
from typing import NamedTuple

from pycharrnn.network.records import Numbers
from pycharrnn.training.optimizers import Optimizer


class Descent(NamedTuple):
    """How a run steps: its optimiser with the learning rate, the clipping and the weight decay.

    Parameters
    ----------
    rule : Optimizer
        The update rule.
    rate : float or None
        The learning rate, above 0. None takes the rule's own.
    clip_value : float or None
        Every entry of the gradient is clipped to [-clip_value, clip_value]. None does not clip.
    clip_norm : float or None
        The whole gradient is scaled down to this Euclidean norm (Pascanu et al. 2013), before `clip_value`. None does
        not scale.
    weight_decay : float, default 0.0
        Before each step all parameters are multiplied by 1 - rate * weight_decay (Loshchilov and Hutter 2019).
    ema_decay : float, default 0.0
        What the moving average of the parameters keeps of itself in each update (Polyak and Juditsky 1992). 0 is no
        average.

    References
    ----------
    R. Pascanu, T. Mikolov and Y. Bengio (2013). On the difficulty of training recurrent neural networks. International
    Conference on Machine Learning, 1310-1318. arXiv:1211.5063.
    I. Loshchilov and F. Hutter (2019). Decoupled weight decay regularization. International Conference on Learning
    Representations. arXiv:1711.05101.
    B. T. Polyak and A. B. Juditsky (1992). Acceleration of stochastic approximation by averaging. SIAM Journal on
    Control and Optimization 30(4), 838-855.

    Examples
    --------
    >>> from pycharrnn.training.optimizers import Adam
    >>> Descent(Adam(), None, clip_value=5.0, clip_norm=None).numbers().rate
    0.002
    """

    rule: Optimizer
    rate: float | None
    clip_value: float | None
    clip_norm: float | None
    weight_decay: float = 0.0
    ema_decay: float = 0.0

    @property
    def name(self) -> str:
        return self.rule.name

    @property
    def moments(self) -> tuple[str, ...]:
        return self.rule.moments

    @property
    def start(self) -> float:
        return self.rule.start

    @property
    def sums(self) -> bool:
        return self.rule.sums

    @property
    def averages(self) -> bool:
        return self.ema_decay > 0

    def numbers(self) -> Numbers:
        """All its numbers, as the kernels take them."""
        return Numbers(
            rate=self.rule.rate if self.rate is None else self.rate,
            clip_value=math.inf if self.clip_value is None else self.clip_value,
            clip_norm=self.clip_norm or 0.0,
            weight_decay=self.weight_decay,
            ema_decay=self.ema_decay,
            sparse=self.rule.sparse and not self.weight_decay,  # which changes all
            **self.rule.numbers(),
        )
