"""An interrupt at any line of Python leaves the state of whole updates, finite numbers, and a history that fits."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from interrupting import Interrupt, interrupted

from pycharrnn import CharRNN
from pycharrnn.errors import TrainingDivergedError

WATCHED = ("training/trainer", "training/loop", "training/rollback", "training/history", "training/windows")
WATCHED += ("network/state", "network/engine")
TEXT = "hello world, hello moon. " * 4


def model(**params: Any) -> CharRNN:
    return CharRNN(hidden_size=6, cell="lstm", optimizer="adam", seq_length=5, batch_size=2, random_state=0, **params)


def state_of(found: CharRNN) -> Any:
    return found.__getstate__()["_learned"].state


def count(found: CharRNN) -> int:
    interrupt = Interrupt(WATCHED)
    interrupted(interrupt, found, TEXT)
    return interrupt.lines


@pytest.fixture(scope="module")
def whole() -> dict[int, CharRNN]:
    """Trainings of so many updates that nobody interrupted."""
    return {n: model(epochs=None, max_updates=n).fit(TEXT) for n in range(1, 25)}


@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt_at_any_line_leaves_whole_updates(whole: dict[int, CharRNN], times: int) -> None:
    lines = count(model(epochs=None, max_updates=24))
    seen = set()
    for at in range(1, lines, 7):
        found = model(epochs=None, max_updates=24)
        if not interrupted(Interrupt(WATCHED, at, times), found, TEXT) or not hasattr(found, "vocabulary_"):
            continue
        n = found.n_updates_
        seen.add(n)
        if n == 0:
            continue
        state, right = state_of(found), state_of(whole[n])
        for name in ("weights", "m", "v", "carried", "run"):
            assert np.array_equal(getattr(state, name), getattr(right, name)), (at, n, name)
        assert (state.smooth, state.shift) == (right.smooth, right.shift), (at, n)
        assert found.history_.loss.tolist() == whole[n].history_.loss.tolist(), (at, n)
        assert found.history_.smooth_loss.tolist() == whole[n].history_.smooth_loss.tolist(), (at, n)
        assert found.history_.epochs.tolist() == whole[n].history_.epochs.tolist(), (at, n)
        assert found.best_.n_updates <= n
    assert len(seen) > 5


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_an_interrupt_at_any_line_of_a_diverging_run_keeps_no_nan() -> None:
    params = {"clip_value": None, "learning_rate": 1e37, "init_scale": 0.3, "epochs": None, "max_updates": 24}
    diverges = CharRNN(hidden_size=6, seq_length=5, optimizer="adam", random_state=0, **params)
    cut = 0
    for at in range(1, 2500, 13):
        found = CharRNN(**diverges.get_params())
        with contextlib.suppress(TrainingDivergedError):
            interrupted(Interrupt(WATCHED, at), found, TEXT)
        if hasattr(found, "vocabulary_"):
            state = state_of(found)
            assert np.isfinite(state.best).all(), at
            assert np.isfinite(state.weights).all(), at
            if state.rule:
                assert state.is_finite(), at
            cut += bool(found.history_.divergences)
    assert cut > 10
