"""How many threads make an update: as many as prove fastest."""

import gc

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pycharrnn.network.architecture import Architecture
from pycharrnn.network.pace import Pace
from pycharrnn.network.state import State
from pycharrnn.training.descent import Descent
from pycharrnn.training.optimizers import Adam
from pycharrnn.training.trainer import Trainer


def run(pace, seconds, calls, most):
    """Numbers of threads of so many calls on a machine where an update takes these seconds."""
    found = []
    for _ in range(calls):
        n = pace.choose(most)
        pace.note(n, seconds(n))
        found.append(n)
    return found


@pytest.mark.parametrize(("most", "tried"), [(1, [1]), (2, [2, 1]), (6, [6, 4, 2, 1]), (16, [16, 8, 4, 2, 1])])
def test_every_number_is_tried_twice_and_the_most_first(most, tried):
    found = run(Pace(), lambda n: 1.0, 2 * len(tried), most)
    assert found == [n for n in tried for _ in range(2)]


@pytest.mark.parametrize("fastest", [1, 2, 4, 8])
def test_the_fastest_is_used_and_others_are_looked_at_rarely(fastest):
    found = run(Pace(), lambda n: 1.0 + abs(n - fastest), 5000, 8)[8:]
    assert 0.98 < np.mean(np.array(found) == fastest) < 1
    assert sum(n != fastest for n in found[2500:]) < sum(n != fastest for n in found[:2500])


def test_it_changes_when_the_machine_does():
    pace = Pace()
    assert run(pace, lambda n: 1 / n, 200, 2)[-1] == 2
    found = run(pace, lambda n: n * 1.0, 10, 2)  # now another program has the second processor
    assert found[-1] == 1
    found = run(pace, lambda n: 1 / n, 3000, 2)
    assert found[-1] == 2


def test_no_more_than_asked_for():
    pace = Pace()
    run(pace, lambda n: 1 / n, 50, 8)
    assert max(run(pace, lambda n: 1 / n, 50, 3)) == 3


def test_the_bits_do_not_depend_on_it(monkeypatch):
    gc.collect()  # trainers that other tests have left take their share of the processors
    monkeypatch.setattr("pycharrnn.training.trainer.processors", lambda: 4)
    architecture = Architecture("gru", 9, 96, 16, num_layers=2)
    descent = Descent(Adam(), None, None, None)
    ids = np.random.default_rng(0).integers(0, 9, 3000).astype(np.int32)
    states, seen, choose = [], [], Pace.choose
    monkeypatch.setattr(Pace, "choose", lambda pace, most: seen.append(choose(pace, most)) or seen[-1])
    for n_threads in (None, 1):
        state = State.begin(architecture, architecture.initial(np.random.default_rng(1)), descent, 16)
        trainer = Trainer(architecture, state, descent, ids, n_threads)
        for _ in range(12):
            trainer.advance(np.empty(2), np.empty(2))
        trainer.close()
        states.append(state)
    assert set(seen) == {1, 2, 4}
    assert_array_equal(states[0].weights, states[1].weights)
