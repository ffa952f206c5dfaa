"""The gradients of a model, trained or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import numpy.typing as npt

from pycharrnn.arguments import Integer, Maybe, Real, Several, Text
from pycharrnn.errors import ParameterTypeError, ParameterValueError
from pycharrnn.messages import shown
from pycharrnn.network.engine import loss_and_gradients
from pycharrnn.tables import check, table
from pycharrnn.text.corpus import Texts, check_length, reading_rule
from pycharrnn.trained import Trained, exact

if TYPE_CHECKING:
    from pycharrnn.lab.gradient_table import GradientTable

# What a gradient check may be asked for: here, and in a report.
LENGTHS = Several(Integer(1, 65_536))
BATCHES = Integer(1, 2**20)
ENTRIES = Maybe(Integer(1, 2**62), "auto")
LIMIT = Maybe(Real())


class Differentiable(Trained):
    """A model whose gradients can be computed, and compared with differences of its loss."""

    def loss_and_gradients(
        self, text: str, targets: str | None = None
    ) -> tuple[float, dict[str, npt.NDArray[np.float64]]]:
        """Return the loss of one window and its gradients by back-propagation through time, in double precision.

        Parameters
        ----------
        text : str
            The characters read, from the zero state.
        targets : str or None, default None
            The characters to predict, as many. None takes the text itself, shifted by one: all but the last of its
            characters are read, all but the first are predicted.

        Returns
        -------
        loss : float
            Summed over the window, in nats.
        gradients : dict of str to ndarray of float64
            By name: dloss/dU (m, K), dloss/dW (m, m), dloss/db (m,), dloss/dV (K, m), dloss/dc (K,), not clipped.

        Raises
        ------
        ValueError
            If the text has fewer than two characters, if there are not as many targets, or if the model is not trained
            and a parameter is out of range.
        UnknownCharacterError
            If the model is trained and the text has a character that it does not know.

        Notes
        -----
        Before `fit` these are the gradients at the initial weights, for the characters of the text. Nothing is dropped
        or smoothed.

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> loss, gradients = CharRNN(hidden_size=4, random_state=0).loss_and_gradients("abab")
        >>> round(loss, 2), gradients["W"].shape
        (2.08, (4, 4))
        """
        for name, value in (("text", text), ("targets", text if targets is None else targets)):
            Text().check(name, value)
        if targets is None:
            check_length(text)
            text, targets = text[:-1], text[1:]
        if not text or len(targets) != len(text):
            problem = f"must have a character for each of the text's {len(text)}, at least one, got {len(targets)}"
            raise ParameterValueError("targets", problem)
        vocabulary, built, weights = exact(self, text + targets, max(1, len(text)))
        rule = reading_rule(self.on_unknown, self.min_count, vocabulary)
        x, y = (vocabulary.encode(part, rule) for part in (text, targets))
        loss, gradients, _ = loss_and_gradients(built, weights, x, y, seed=None)
        return loss, {name: np.ascontiguousarray(gradient) for name, gradient in gradients.items()}

    def check_gradients(
        self,
        text: Texts,
        seq_lengths: Annotated[Sequence[int], LENGTHS] = (5, 10, 15, 25),
        *,
        batches: Annotated[int, BATCHES] = 2,
        h: Annotated[float, Real()] = 1e-4,
        eps: Annotated[float, Real()] = 1e-3,
        tolerance: Annotated[float, Real()] = 1e-6,
        max_entries: Annotated[int | Literal["auto"] | None, ENTRIES] = "auto",
        max_seconds: Annotated[float | None, LIMIT] = 60.0,
        log: Callable[[str], object] | None = None,
    ) -> GradientTable:
        """Compare back-propagation with central differences, for every tensor, in double precision.

        Parameters
        ----------
        text : str, path-like or sequence of str
            At least ``batches * max(seq_lengths) + 1`` characters, the ends of documents included.
        seq_lengths : sequence of int, default (5, 10, 15, 25)
            Lengths of the windows.
        batches : int, default 2
            Windows from the start of the text, each from the state that the one before it left.
        h : float, default 1e-4
            Step of the differences ``(loss(x + h) - loss(x - h)) / 2h``.
        eps : float, default 1e-3
            Errors are |ga - gn| / max(eps, |ga| + |gn|): smaller gradients only measure rounding.
        tolerance : float, default 1e-6
            Error up to which an entry counts as right, for the share of right entries.
        max_entries : int, "auto" or None, default "auto"
            Check at most so many entries of each tensor and window. They are drawn at random, the same ones every time:
            a third each among the largest, the smaller and the zero gradients. None checks all. "auto" checks as many
            as take some 15 seconds: all, for the classic network with 80 characters.
        max_seconds : float or None, default 60.0
            End the check after so many seconds. Each window has an equal share of the time, and checks at least one
            entry of each tensor. The table says if the check was cut off. None is no limit.
        log : callable or None, default None
            Called with a line at the start and, where no progress bar is shown, every 30 seconds.

        Returns
        -------
        GradientTable
            One row for each window and tensor, with the number of entries and how many were checked. It prints itself
            as a table.

        Raises
        ------
        ValueError, TypeError
            If a parameter is out of range, or the text is too short for the windows.
        UnknownCharacterError
            If the model is trained and the text has a character that it does not know.

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> table = CharRNN(hidden_size=8, random_state=0).check_gradients("to be or not to be", [5], max_entries=20)
        >>> table.norm_error < 1e-7, table.n_checked, table.n_entries
        (True, 150, 382)
        """
        from pycharrnn.lab.gradcheck import Check  # only now: few programs check gradients
        from pycharrnn.lab.model_check import check_model

        settings = Check(seq_lengths, batches, h, eps, tolerance, max_entries, max_seconds)
        if log is not None and not callable(log):
            raise ParameterTypeError("log", f"must be callable or None, got {shown(log)}")
        checked = check(table(Differentiable.check_gradients), **settings._asdict())
        return check_model(self, text, Check(**checked), log)
