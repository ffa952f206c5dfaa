"""JAX as a competitor: the whole update is one jitted function."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from pycharrnn.arrays import Ids
from pycharrnn.benchmark.jobs import CLASSIC, SYMBOLS, Job, Prepared, streams
from pycharrnn.network.cells import CELLS
from pycharrnn.training.optimizers import Adam


def classic(text: str, ids: Ids, n_symbols: int, threads: int) -> Prepared:
    """Prepare the classic job: a scan over windows, each of which scans over its characters."""
    jax: Any = importlib.import_module("jax")
    jnp, tree = jax.numpy, jax.tree
    scan = jax.lax.scan
    rng = np.random.default_rng(0)
    m, T = CLASSIC.hidden_size, CLASSIC.seq_length
    K = n_symbols
    zero = jnp.zeros(m)
    shapes = {"U": (K, m), "W": (m, m), "V": (m, K)}  # for row vectors: h @ W
    params = {name: jnp.array(rng.normal(0, CLASSIC.init_scale, shape), jnp.float32) for name, shape in shapes.items()}
    params |= {"b": zero, "c": jnp.zeros(K)}
    squares = tree.map(jnp.zeros_like, params)

    def loss_of(p: Any, h: Any, x: Any, y: Any) -> Any:
        last, hs = scan(lambda h, a: 2 * (jnp.tanh(h @ p["W"] + a),), h, p["U"][x] + p["b"])
        logs = jax.nn.log_softmax(hs @ p["V"] + p["c"])
        return -jnp.take_along_axis(logs, y[:, None], 1).sum(), last

    def update(carry: Any, window: Any) -> Any:
        p, squares, h = carry
        x, y, begins = window
        (loss, h), g = jax.value_and_grad(loss_of, has_aux=True)(p, jnp.where(begins, 0.0, h), x, y)
        g = tree.map(lambda g: jnp.clip(g, -CLASSIC.clip_value, CLASSIC.clip_value), g)
        squares = tree.map(lambda s, g: s + g * g, squares, g)
        p = tree.map(lambda p, g, s: p - CLASSIC.learning_rate * g / jnp.sqrt(s + 1e-8), p, g, squares)
        return (p, squares, h), loss

    def draw(h: Any, key: Any) -> Any:
        x = jax.random.categorical(key, h @ params["V"] + params["c"])
        return jnp.tanh(h @ params["W"] + params["U"][x] + params["b"]), x

    updates = jax.jit(lambda carry, windows: scan(update, carry, windows))
    draws = jax.jit(lambda keys: scan(draw, zero, keys))

    def train(n: int) -> None:
        at = np.arange(n) % ((len(ids) - 1) // T) * T
        x = at[:, None] + np.arange(T)
        jax.block_until_ready(updates((params, squares, zero), (ids[x], ids[x + 1], at == 0)))

    def sample(n: int) -> None:
        jax.block_until_ready(draws(jax.random.split(jax.random.key(0), n)))

    return Prepared(f"JAX {jax.__version__}", train, sample)


def steps(job: Job, ids: Ids, threads: int) -> Prepared:
    """Prepare a larger job: the equations of PyTorch's cells, Adam."""
    jax: Any = importlib.import_module("jax")
    columns = streams(ids, job.batch_size)
    T = job.seq_length
    updated = jax.jit(_adam(jax, _loss(jax, _step(jax, job))), donate_argnums=0)
    run = _start(jax, job)
    made = 0

    def train(n: int) -> float:
        nonlocal run, made
        last = 0.0
        for _ in range(n):
            at = made % ((len(columns) - 1) // T) * T
            run, loss = updated(run, made + 1.0, columns[at : at + T], columns[at + 1 : at + T + 1])
            last = float(loss)
            made += 1
        jax.block_until_ready(run)
        return last

    return Prepared(f"JAX {jax.__version__}", train)


def _start(jax: Any, job: Job) -> tuple[Any, Any, Any, Any]:
    """Return the parameters, their two moments and the states of the layers."""
    jnp, zeros_like = jax.numpy, jax.numpy.zeros_like
    rng = np.random.default_rng(0)
    m, cell = job.hidden_size, CELLS[job.cell]
    N = cell.gates * m

    def matrix(*shape: int) -> Any:
        return jnp.array(rng.uniform(-(m**-0.5), m**-0.5, shape), jnp.float32)

    inputs = (SYMBOLS, *[m] * (job.num_layers - 1))
    layers = [{"U": matrix(n, N), "W": matrix(m, N), "b": jnp.zeros(N)} for n in inputs]
    if cell.shared < cell.gates:
        layers = [layer | {"n": jnp.zeros(m)} for layer in layers]
    params = layers, matrix(m, SYMBOLS), jnp.zeros(SYMBOLS)
    states = [tuple(jnp.zeros((job.batch_size, m)) for _ in cell.states) for _ in layers]
    return params, jax.tree.map(zeros_like, params), jax.tree.map(zeros_like, params), states


def _step(jax: Any, job: Job) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """Return one step of a layer, from its input's share of the pre-activations, (B, N)."""
    jnp, sigmoid = jax.numpy, jax.nn.sigmoid
    m = job.hidden_size

    def rnn(p: Any, state: Any, a: Any) -> Any:
        h = jnp.tanh(a + state[0] @ p["W"])
        return (h,), h

    def lstm(p: Any, state: Any, a: Any) -> Any:
        i, f, g, o = jnp.split(a + state[0] @ p["W"], 4, 1)
        c = sigmoid(f) * state[1] + sigmoid(i) * jnp.tanh(g)
        h = sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    def gru(p: Any, state: Any, a: Any) -> Any:
        r = state[0] @ p["W"]
        reset, update = jnp.split(sigmoid((a + r)[:, : 2 * m]), 2, 1)
        new = jnp.tanh(a[:, 2 * m :] + reset * (r[:, 2 * m :] + p["n"]))
        h = new + update * (state[0] - new)
        return (h,), h

    return {"rnn": rnn, "lstm": lstm, "gru": gru}[job.cell]


def _loss(jax: Any, step: Callable[[Any, Any, Any], tuple[Any, Any]]) -> Callable[..., Any]:
    """Return the mean loss of a window, and the states after it."""

    def loss_of(params: Any, states: Any, x: Any, y: Any) -> Any:
        layers, V, c = params
        below, last = None, []
        for p, state in zip(layers, states, strict=True):
            a = (p["U"][x] if below is None else below @ p["U"]) + p["b"]
            state, below = jax.lax.scan(lambda state, a, p=p: step(p, state, a), state, a)
            last.append(state)
        logs = jax.nn.log_softmax(below @ V + c)
        return -jax.numpy.take_along_axis(logs, y[..., None], -1).mean(), last

    return loss_of


def _adam(jax: Any, loss_of: Callable[..., Any]) -> Callable[..., Any]:
    """Return a whole update: gradients, clipped by their norm, and a step of Adam."""
    jnp, tree = jax.numpy, jax.tree

    def update(run: Any, t: Any, x: Any, y: Any) -> Any:
        params, means, squares, states = run
        (loss, states), g = jax.value_and_grad(loss_of, has_aux=True)(params, states, x, y)
        norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in tree.leaves(g)))
        g = tree.map(lambda g: g * jnp.minimum(1.0, CLASSIC.clip_value / norm), g)
        means = tree.map(lambda old, g: 0.9 * old + 0.1 * g, means, g)
        squares = tree.map(lambda old, g: 0.999 * old + 0.001 * g * g, squares, g)
        rate = Adam.rate * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        params = tree.map(lambda p, a, b: p - rate * a / (jnp.sqrt(b) + 1e-8), params, means, squares)
        return (params, means, squares, states), loss

    return update
