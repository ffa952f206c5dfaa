"""Schedules of the learning rate."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from small import exact, last, small

from pycharrnn.network.engine import loss_and_gradients
from pycharrnn.training.schedules import Constant, Cosine, Plateau, Step

PROGRESS = np.array([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])


def test_schedules_at_known_points():
    assert_allclose(Constant().factors(PROGRESS, []), 1)
    assert_allclose(Constant(warmup=0.5).factors(PROGRESS, []), [0, 0.2, 0.5, 1, 1, 1])
    assert_allclose(Cosine(warmup=0, final=0.1).factors(PROGRESS, [])[[0, 3, 5]], [1, 0.55, 0.1])
    assert_allclose(Cosine(warmup=0.1, final=0).factors(PROGRESS, [])[[0, 1, 5]], [0, 1, 0], atol=1e-15)
    assert_allclose(Step(at=(0.25, 0.75), factor=0.1).factors(PROGRESS, []), [1, 1, 0.1, 0.1, 0.01, 0.01])
    assert_allclose(Plateau(factor=0.5, patience=2).factors(PROGRESS, [3, 2, 2.5, 2.1, 2.2, 2.3, 1]), 0.25)
    assert_allclose(Plateau().factors(PROGRESS, [3, 2, 1]), 1)


@pytest.mark.parametrize("schedule", [Constant, Cosine, Step, Plateau])
@pytest.mark.parametrize("warmup", [-0.1, 1.0, float("nan")])
def test_a_warm_up_is_a_share(schedule, warmup):
    with pytest.raises(ValueError, match=r"warmup must be (finite and at least 0|below 1), got"):
        schedule(warmup=warmup)


@pytest.mark.parametrize("schedule", ["cosine", "step", Cosine(warmup=0.3, final=0.1)])
def test_a_schedule_follows_the_updates(text, schedule):
    # plain gradient descent, step by step with the rates that the schedule says
    options = {"optimizer": "sgd", "dtype": "float64", "clip_value": None, "init_scale": 0.1, "max_updates": 12}
    model = small(**options, learning_rate=0.05, schedule=schedule).fit(text)
    schedule = {"cosine": Cosine(), "step": Step()}.get(schedule, schedule)
    twin = small(**options)
    vocabulary, architecture, weights = exact(twin, text, 25)
    ids = vocabulary.encode(text)
    carried = None
    start = 0
    for factor in schedule.factors(np.arange(12) / 12, []):
        window = ids[start : start + 26]
        _, grads, carried = loss_and_gradients(architecture, weights, window[:-1], window[1:], carried)
        for name, value in architecture.named(weights).items():
            value -= 0.05 * factor * grads[name]
        start = start + 25 if start + 25 < len(ids) - 1 else 0
    for name, value in architecture.named(weights).items():
        assert_allclose(last(model)[name], value, rtol=1e-9, atol=1e-13)


def test_a_schedule_follows_the_clock(text):
    seen = []

    class Watched(Cosine):
        def factors(self, progress, validation):
            seen.extend(progress)
            return super().factors(progress, validation)

    small(max_updates=None, max_seconds=0.3, schedule=Watched()).fit(text)
    assert seen == sorted(seen)
    assert seen[0] < 0.1
    assert 0.8 < seen[-1] <= 1
