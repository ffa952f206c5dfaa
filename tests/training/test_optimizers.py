"""Optimisers: their numbers, and weight decay."""

from dataclasses import fields
from typing import get_args

import numpy as np
import pytest
from numpy.testing import assert_allclose

from pycharrnn import CharRNN
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.state import State
from pycharrnn.training.descent import Descent
from pycharrnn.training.optimizers import (
    OPTIMIZERS,
    SGD,
    AdaGrad,
    Adam,
    Momentum,
    Optimizer,
    OptimizerName,
    RMSProp,
)
from pycharrnn.training.schedules import SCHEDULES, Constant, Cosine, Plateau, Schedule, ScheduleName, Step
from pycharrnn.training.trainer import Trainer


@pytest.mark.parametrize(("names", "kinds"), [(OptimizerName, OPTIMIZERS), (ScheduleName, SCHEDULES)])
def test_the_names_of_a_type_are_those_of_its_table(names, kinds):
    assert sorted(get_args(names)) == sorted(kinds)
    assert all(kind.name == name for name, kind in kinds.items())


def test_a_name_stands_for_the_default_numbers():
    adam = Adam(beta2=0.99)
    assert Optimizer.of(adam) is adam
    assert Optimizer.of("adam") == Adam() != adam
    assert Schedule.of("cosine") == Cosine()
    assert Schedule.of(None) == Constant()
    assert adam.numbers() == {"beta1": 0.9, "beta2": 0.99, "eps": 1e-8}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Adam(beta1=1), "beta1 must be below 1, got 1"),
        (lambda: Adam(beta2=-0.1), "beta2 must be finite and at least 0, got -0.1"),
        (lambda: Adam(eps=0), "eps must be finite and above 0, got 0"),
        (lambda: Adam(beta1="0.9"), "beta1 must be a number, got '0.9'"),
        (lambda: AdaGrad(eps=float("nan")), "eps must be finite and above 0, got nan"),
        (lambda: Momentum(1.5), "momentum must be below 1, got 1.5"),
        (lambda: RMSProp(decay=None), "decay must be a number, got None"),
        (lambda: Cosine(final=-1), "final must be finite and at least 0, got -1"),
        (lambda: Step(factor=0), "factor must be finite and above 0, got 0"),
        (lambda: Step(at=50), "at must be a sequence, such as a list, got 50"),
        (lambda: Step(at=(50, 75)), "at must be shares of the budget, from 0 to 1, got"),
        (lambda: Step(at=(0.5, "x")), "at must be a number, got 'x'"),
        (lambda: Plateau(patience=0), "patience must be at least 1 and at most"),
        (lambda: Plateau(patience=1.5), "patience must be an integer, got 1.5"),
    ],
)
def test_a_number_out_of_its_range_is_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        make()


def test_numbers_of_numpy_are_stored_as_numbers(text, tmp_path):
    schedule = Step(at=np.array([0.25, 0.5]), factor=np.float32(0.5))
    model = CharRNN(optimizer=Adam(beta1=np.float64(0.5)), schedule=schedule, max_updates=3).fit(text)
    model.save(tmp_path / "m")
    loaded = CharRNN.load(tmp_path / "m")
    assert (loaded.optimizer, loaded.schedule) == (Adam(beta1=0.5), Step(at=(0.25, 0.5), factor=0.5))


def test_moments_start_where_the_rule_says():
    architecture = Architecture("rnn", 3, 4, 5, "float32")
    weights = architecture.initial(np.random.default_rng(0), 1)
    state = State.begin(architecture, weights, Descent(AdaGrad(), 0.1, None, None))
    assert (state.v == np.float32(1e-30)).all()
    assert state.m.size == 0


def test_weight_decay_is_decoupled():
    ids = np.random.default_rng(0).integers(0, 9, 60).astype(np.int32)
    architecture = Architecture("rnn", 9, 6, 5, "float64")
    found = []
    for decay in (0.0, 0.3):
        descent = Descent(SGD(), 0.1, None, None, decay)
        state = State.begin(architecture, architecture.initial(np.random.default_rng(1), 0.5), descent)
        Trainer(architecture, state, descent, ids).advance(np.empty(1), np.empty(1))
        found.append(state.weights)
    start = architecture.initial(np.random.default_rng(1), 0.5)
    assert_allclose(found[1], found[0] - 0.1 * 0.3 * start, rtol=1e-12, atol=1e-15)


def test_a_class_is_told_to_be_called():
    with pytest.raises(TypeError, match=r"optimizer must be a name or an object, got the class Adam; pass Adam\(\)"):
        CharRNN(optimizer=Adam).fit("abcabc")


@pytest.mark.parametrize("kind", [*OPTIMIZERS.values(), *SCHEDULES.values()])
def test_every_number_has_a_kind_by_which_it_is_checked(kind):
    assert list(kind.rows()) == [field.name for field in fields(kind)]
