"""Drawing symbols from a network: prompt, temperature, one stream of uniform numbers."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pycharrnn import _kernels

Ids = npt.NDArray[np.int32]


class Network(Protocol):
    """What sampling needs of a network."""

    K: int

    @property
    def patience(self) -> int: ...

    def plan(self, T: int) -> tuple[dict[str, int], npt.NDArray[Any]]: ...


class Sampler:
    """One stream of symbols: its state, and nothing that it shares with another stream.

    Parameters
    ----------
    network : Network
    params : ndarray
        Flat weights; they must not change while the stream lives.
    prompt : ndarray of int32, (M,)
        Symbols read before the first is drawn. With none the first is drawn from the zero state.
    rng : numpy.random.Generator
    temperature : float
        Divides the logits; 0 always takes the likeliest symbol.
    """

    def __init__(
        self,
        network: Network,
        params: npt.NDArray[Any],
        prompt: Ids,
        rng: np.random.Generator,
        temperature: float,
    ) -> None:
        self._plan, self._work = network.plan(1)
        self._params, self._rng, self._temperature = params, rng, temperature
        self._weights = np.zeros(self._plan["Kp"])
        self._unread, self._pack, self._patience = prompt, True, network.patience

    def draw(self, length: int) -> Ids:
        """The next `length` symbols. Drawing n and then m gives the same as drawing n + m."""
        out = np.empty(length, np.int32)
        done = 0
        while done < length or len(self._unread) > 1:  # back in Python now and then, for signals
            prompt, self._unread = self._unread[: self._patience], self._unread[self._patience :]
            n = 0 if len(self._unread) else min(length - done, self._patience)
            part = out[done : done + n]
            _kernels.sample(
                prompt, self._params, self._work, self._plan, self._pack, self._rng.random(n), self._temperature,
                self._weights, part,
            )  # fmt: skip
            self._pack = False
            if n:
                self._unread = part[-1:].copy()
            done += n
        return out
