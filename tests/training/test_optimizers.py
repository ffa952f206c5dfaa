"""Optimisers: their numbers, and weight decay."""

from typing import get_args

import numpy as np
import pytest
from numpy.testing import assert_allclose

from pycharrnn.network.architecture import Architecture
from pycharrnn.network.state import State
from pycharrnn.training.optimizers import OPTIMIZERS, SGD, AdaGrad, Adam, Descent, Optimizer, OptimizerName
from pycharrnn.training.schedules import SCHEDULES, Constant, Cosine, Schedule, ScheduleName
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
