"""Training on: states for another optimiser, another batch or a larger vocabulary, from one that has learned."""

from __future__ import annotations

import numpy as np

from pycharrnn.arrays import Array, Ids
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.state import Rule, Squares, State


def mean(array: Array) -> float:
    """Return the mean, summed one by one: the same bits on every machine.

    Examples
    --------
    >>> mean(np.array([1.0, 2.0, 6.0]))
    3.0
    """
    return float(np.cumsum(array, dtype=np.float64)[-1]) / array.size


def squares(architecture: Architecture, state: State) -> Squares | None:
    """Return what is known of the squared gradients that led to a state; None if nothing is.

    Examples
    --------
    >>> from pycharrnn.training.optimizers import Adam
    >>> small = Architecture("rnn", n_symbols=2, hidden_size=4, seq_length=5)
    >>> weights = small.initial(np.random.default_rng(0))
    >>> squares(small, State.begin(small, weights, Adam())).means["W"]
    0.0
    """
    if not state.rule or not state.v.size:
        return state.squares
    return Squares(state.rule, {name: mean(view) for name, view in architecture.named(state.v).items()})


def resumed(architecture: Architecture, state: State, rule: Rule, batch_size: int = 1) -> State:
    """Return a copy of `state` that begins a text and trains on with `rule`.

    Parameters
    ----------
    architecture : Architecture
        That of `state`.
    state : State
        What has been learned.
    rule : Rule
        The optimiser. The moments stay if they are its own; else new ones begin. If it averages no weights, an average
        that the state has becomes the weights.
    batch_size : int, default 1
        Streams to read at once. The carried state stays if they are as many as before.

    Returns
    -------
    State
        In memory of its own, with the weights and the number of updates of `state`, and a new smooth loss.

    Examples
    --------
    >>> from pycharrnn.training.optimizers import SGD, Adam
    >>> small = Architecture("rnn", n_symbols=2, hidden_size=4, seq_length=5)
    >>> old = State.begin(small, small.initial(np.random.default_rng(0)), SGD())
    >>> new = resumed(small, old, Adam())
    >>> old.m.size, new.m.size == new.weights.size, bool((new.weights == old.weights).all())
    (0, True, True)
    """
    new = state.copy()
    if rule.name != state.rule or new.batch_size != batch_size or rule.averages != bool(new.average.size):
        fresh = State.begin(architecture, new.weights if rule.averages else new.judged, rule, batch_size)
        if rule.averages:
            fresh.average[:] = new.judged
        if new.batch_size == batch_size:
            fresh.carried[:] = new.carried
        if rule.name == state.rule:
            fresh.m[:] = new.m
            fresh.v[:] = new.v
            fresh.run[:] = new.run
        for name in ("n_updates", "seed"):
            fresh.run[name] = new.run[name]
        fresh.shift = new.shift
        new = fresh
    new.restart()
    return new


def grown(architecture: Architecture, state: State, larger: Architecture, old: Ids, fresh: State) -> State:
    """Write a state into a `fresh` one of an architecture with more symbols, and return it.

    Parameters
    ----------
    architecture : Architecture
        That of `state`.
    state : State
        What has been learned.
    larger : Architecture
        The same but for `n_symbols`.
    old : ndarray of int32, (K,)
        The ids that the symbols of `state` have among those of `larger`.
    fresh : State
        A new run of `larger`. The weights of the new symbols stay as they are in it. A new symbol begins as unlikely as
        the least likely old one, and with no moments.

    Returns
    -------
    State
        The `fresh` one.

    Examples
    --------
    Symbols 0 and 1 become 0 and 2; 1 is new.

    >>> from pycharrnn.training.optimizers import SGD
    >>> rng = np.random.default_rng(0)
    >>> small = Architecture("rnn", n_symbols=2, hidden_size=4, seq_length=5)
    >>> large = small.replace(n_symbols=3)
    >>> state = State.begin(small, small.initial(rng), SGD())
    >>> small.named(state.weights)["c"][:] = [0.5, -0.5]
    >>> new = grown(small, state, large, np.array([0, 2]), State.begin(large, large.initial(rng), SGD()))
    >>> large.named(new.weights)["c"].tolist()
    [0.5, -0.5, -0.5]
    """
    new = np.setdiff1d(np.arange(larger.n_symbols), old)
    vectors = {"weights", "best", *(("m", "v") if fresh.rule == state.rule else ())}
    vectors |= {"average"} if fresh.average.size == fresh.weights.size else set()
    for name in (name for name in vectors if getattr(state, name).size):
        wide = larger.named(getattr(fresh, name))
        for key, array in architecture.named(getattr(state, name)).items():
            rows, own = larger.rows(key, wide[key]), architecture.rows(key, array)
            if rows is None or own is None:
                wide[key][...] = array
                continue
            rows[old] = own
            if key == "c" and name in ("weights", "best", "average"):
                rows[new] = array.min()
    fresh.carried[:] = state.carried
    fresh.run[:] = state.run
    fresh.smooth = state.smooth
    fresh.shift = state.shift
    fresh.rule = state.rule
    fresh.kept = state.kept
    return fresh
