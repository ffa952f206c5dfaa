"""The state of a run: its beginning, its best weights, copies of it, and training on from it."""

import copy
import pickle
from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pycharrnn.network.architecture import Architecture
from pycharrnn.network.cells import CELLS
from pycharrnn.network.growth import grown, mean, resumed, squares
from pycharrnn.network.memory import ALIGNMENT
from pycharrnn.network.state import Best, Squares, State

VECTORS = ("weights", "best", "m", "v", "average", "carried")


class Rule(NamedTuple):
    """What a state needs to know of an optimiser."""

    name: str
    moments: tuple[str, ...]
    start: float = 0.0
    averages: bool = False


ADAM = Rule("adam", ("m", "v"), averages=True)
ADAGRAD = Rule("adagrad", ("v",), 0.1)
SGD = Rule("sgd", ())


@pytest.fixture(params=CELLS)
def whole(request):
    return Architecture(request.param, 5, 4, 6, "float32", num_layers=2)


def filled(architecture, rule, B=1):
    """A state that has learned: all of its numbers differ from those of a new one, and from each other."""
    rng = np.random.default_rng(3)
    state = State.begin(architecture, architecture.initial(rng, 1.0), rule, B)
    for name in VECTORS:
        array = getattr(state, name)
        array[...] = rng.uniform(1, 2, array.shape)
    state.reach(70, 12.5, validation_loss=1.5, training_loss=None)
    state.shift = 17
    return state


def test_a_run_begins(whole):
    for rule in (ADAM, ADAGRAD, SGD):
        weights = whole.initial(np.random.default_rng(0))
        state = State.begin(whole, weights, rule, 3)
        assert state.weights is weights
        assert_array_equal(state.best, weights)
        assert not np.shares_memory(state.best, weights)
        assert [state.m.size, state.v.size] == [weights.size * (name in rule.moments) for name in "mv"]
        assert (state.v == rule.start).all()
        assert not state.m.any()
        assert_array_equal(state.average, weights if rule.averages else [])
        assert_array_equal(state.judged, weights)
        assert state.carried.shape == whole.carried(3)
        assert (state.batch_size, state.n_updates, state.smooth_loss) == (3, 0, np.inf)
        assert (state.rule, state.kept, state.squares) == (rule.name, Best(0, np.inf), None)


@pytest.mark.parametrize("rule", [ADAM, ADAGRAD])
def test_the_best_weights_are_kept(whole, rule):
    state = filled(whole, rule)
    judged = state.average if rule is ADAM else state.weights
    state.keep(training=1.25, validation=np.nan)
    assert state.kept == Best(70, 12.5, None, 1.25)
    assert_array_equal(state.best, judged)
    state.weights[:] = np.nan
    state.average[:] = np.nan
    state.recover()
    assert_array_equal(state.weights, state.best)
    assert_array_equal(state.judged, state.best)
    assert state.rule == ""


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda state: pickle.loads(pickle.dumps(state)), State.copy])
def test_copies_share_nothing(whole, copied):
    state = filled(whole, ADAM, 2)
    twin = copied(state)
    assert (twin.n_updates, twin.smooth_loss, twin.rule, twin.kept) == (70, 12.5, "adam", Best(70, 12.5, 1.5))
    assert twin.shift == 17
    for name in VECTORS:
        assert_array_equal(getattr(twin, name), getattr(state, name))
        assert not np.shares_memory(getattr(twin, name), getattr(state, name))
        getattr(twin, name)[...] = 0
    twin.reach(3, None)
    twin.shift = 5
    assert (state.n_updates, state.smooth_loss, state.shift) == (70, 12.5, 17)
    state.assign(twin)
    assert not any(getattr(state, name).any() for name in VECTORS)
    assert (state.n_updates, state.smooth_loss, state.kept, state.shift) == (3, np.inf, Best(3, np.inf), 5)


def test_copies_for_training_lie_on_cache_lines(whole):
    twin = filled(whole, ADAM).copy()
    assert all(getattr(twin, name).ctypes.data % ALIGNMENT == 0 for name in VECTORS[:5])


@pytest.mark.parametrize(("rule", "B"), [(ADAM, 2), (ADAM, 3), (ADAGRAD, 2), (SGD, 3)])
def test_training_on_keeps_what_still_holds(whole, rule, B):
    state = filled(whole, ADAM, 2)
    new = resumed(whole, state, rule, B)
    assert_array_equal(new.weights, state.weights if rule.averages else state.average)
    assert_array_equal(new.average, state.average if rule.averages else [])
    assert_array_equal(new.best, state.average)
    assert (new.n_updates, new.smooth_loss, new.kept) == (70, np.inf, Best(70, np.inf))
    assert (new.rule, new.batch_size, new.shift) == (rule.name, B, 17)
    if rule is ADAM:
        assert_array_equal(new.m, state.m)
        assert_array_equal(new.v, state.v)
    else:
        assert (new.v == rule.start).all()
        assert not new.m.any()
    assert_array_equal(new.carried, state.carried if B == 2 else 0)
    assert not np.shares_memory(new.weights, state.weights)


@pytest.mark.parametrize("embedding_size", [None, 3])
@pytest.mark.parametrize("rule", [ADAM, ADAGRAD])
def test_a_vocabulary_grows(whole, rule, embedding_size):
    small = whole.replace(embedding_size=embedding_size)
    large = small.replace(n_symbols=8)
    state, old = filled(small, ADAM, 2), np.array([0, 2, 3, 5, 7], np.int32)
    initial = large.initial(np.random.default_rng(4), 1.0)
    found = grown(small, state, large, old, State.begin(large, initial.copy(), rule, 2))
    assert (found.n_updates, found.smooth_loss, found.rule, found.kept) == (70, 12.5, "adam", state.kept)
    assert found.shift == 17
    assert_array_equal(found.carried, state.carried)
    for vector in ("weights", "best", "m", "v", "average") if rule is ADAM else ("weights", "best"):
        before, after = small.named(getattr(state, vector)), large.named(getattr(found, vector))
        fresh = large.named(initial)
        for name, array in after.items():
            rows = large.rows(name, array)
            if rows is None:
                assert_array_equal(array, before[name])
                continue
            assert_array_equal(rows[old], small.rows(name, before[name]))
            if vector in "mv":
                assert not rows[[1, 4, 6]].any()
            elif name == "c":
                assert (rows[[1, 4, 6]] == before["c"].min()).all()
            else:
                assert_array_equal(rows[[1, 4, 6]], large.rows(name, fresh[name])[[1, 4, 6]])
    if rule is ADAGRAD:  # the moments of another rule are worth nothing
        assert (found.v == 0.1).all()


def test_squares_are_known_of_a_state_and_of_a_file(whole):
    state = filled(whole, ADAM)
    found = squares(whole, state)
    assert found.rule == "adam"
    for name, view in whole.named(state.v).items():
        assert found.means[name] == pytest.approx(view.astype(float).mean(), rel=1e-12)
    assert squares(whole, filled(whole, SGD)) is None
    state.rule, state.squares = "", Squares("adagrad", {"W": 0.5})
    assert squares(whole, state) == Squares("adagrad", {"W": 0.5})


def test_means_are_sums_one_by_one():
    array = np.array([[1e8, 1.0], [-1e8, 1.0]], np.float32)
    assert mean(array) == 0.5
