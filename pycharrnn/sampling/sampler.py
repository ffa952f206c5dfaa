"""Drawing symbols from a network: prompt, temperature, one stream of uniform numbers."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pycharrnn import _kernels
from pycharrnn.arrays import Ids
from pycharrnn.network.memory import claim


def claim_texts(n_samples: int, length: int | None) -> None:
    """See that there is memory for so many texts of this length, and for the symbols of one."""
    each = 1 if length is None else length
    claim(
        n_samples * (64 + 4 * each) + 20 * each,
        f"n_samples {n_samples:,} x length {'None' if length is None else f'{length:,}'}",
        "lower length or n_samples, or take the characters one after the other from stream()",
    )


class Network(Protocol):
    """What sampling needs of a network."""

    end: int
    label_smoothing: float

    @property
    def patience(self) -> int: ...

    def workspace(self, T: int) -> Any: ...


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

    Notes
    -----
    A network that was trained with label smoothing e has learned q = (1 - e) p + e / K. Symbols are drawn from p, and
    none whose share in q is not more than twice e / K (Hewitt, Manning, Liang 2022): drawn from q, those that the text
    never has at this place would come now and then.
    """

    def __init__(
        self,
        network: Network,
        params: npt.NDArray[Any],
        prompt: Ids,
        rng: np.random.Generator,
        temperature: float,
    ) -> None:
        self._space = network.workspace(1)
        self._params, self._rng, self._temperature = params, rng, temperature
        self._weights = np.zeros(self._space.plan["Kp"])
        self._prompt, self._pack, self._patience, self._end = prompt, True, network.patience, network.end
        self._uniform, self._smoothing = np.empty(0), network.label_smoothing
        self.restart()

    def restart(self) -> None:
        """Forget all but the prompt, and the numbers that were drawn: what comes is another text."""
        self._unread, self._ended = self._prompt, False
        self._space.put(None)

    def draw(self, length: int, whole: bool = False) -> Ids:
        """The next `length` symbols. Drawing n and then m gives the same as drawing n + m.

        A `whole` document ends with its end symbol, and nothing comes after it.
        """
        out = np.empty(length, np.int32)
        done = 0
        most = min(self._patience, 512) if whole else self._patience  # numbers to draw beforehand, for nothing perhaps
        while (done < length or len(self._unread) > 1) and not (whole and self._ended):
            prompt, self._unread = self._unread[: self._patience], self._unread[self._patience :]
            n = 0 if len(self._unread) else min(length - done, most)  # back in Python now and then, for signals
            part, uniform = out[done : done + n], self._uniforms(n)
            n = _kernels.sample(
                prompt, self._params, self._space.memory, self._space.plan, self._space.layers, self._pack, uniform,
                self._temperature, self._weights, whole, part, self._smoothing,
            )  # fmt: skip
            self._pack, self._uniform = False, np.concatenate([uniform[n:], self._uniform])
            if n:
                self._unread, self._ended = part[n - 1 : n].copy(), part[n - 1] == self._end
            done += n
        return out[:done]

    def _uniforms(self, n: int) -> npt.NDArray[np.float64]:
        """The next n numbers of the stream, those first that were drawn and not used."""
        left, self._uniform = self._uniform[:n], self._uniform[n:]
        return np.concatenate([left, self._rng.random(n - left.size)])
