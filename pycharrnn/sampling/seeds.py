"""A seed for each of several texts, derived from one."""

from __future__ import annotations

from typing import Any

import numpy as np

from pycharrnn.arguments import RandomState, generator


def generators(random_state: RandomState, n: int) -> list[np.random.Generator]:
    """Return a generator for each of n texts: that of the state itself, and then others by their index.

    Parameters
    ----------
    random_state : int, numpy.random.Generator, numpy.random.SeedSequence or None
        Where they come from. The first n are the same for any number. A generator gives others at the next call.
    n : int
        How many.

    Examples
    --------
    >>> few, many = generators(7, 2), generators(7, 5)
    >>> [a.random() == b.random() for a, b in zip(few, many)], many[3].random() == many[4].random()
    ([True, True], False)
    """
    first = generator(random_state)
    if n < 2:
        return [first][:n]
    source: Any = random_state if isinstance(random_state, np.random.SeedSequence) else seed_sequence(first)
    if isinstance(random_state, np.random.Generator):
        return [first, *map(np.random.default_rng, source.spawn(n - 1))]
    keys = (  # of the children, without counting them in the state of the caller
        np.random.SeedSequence(source.entropy, spawn_key=(*source.spawn_key, i), pool_size=source.pool_size)
        for i in range(n - 1)
    )
    return [first, *map(np.random.default_rng, keys)]


def seed_sequence(rng: np.random.Generator) -> Any:
    """Return the SeedSequence of a generator, or one of numbers that it draws if it has none."""
    bits: Any = rng.bit_generator
    own = getattr(bits, "seed_seq", None) or getattr(bits, "_seed_seq", None)  # NumPy 1.25 gave it its name
    return own if hasattr(own, "spawn") else np.random.SeedSequence(rng.integers(2**63, size=4).tolist())
