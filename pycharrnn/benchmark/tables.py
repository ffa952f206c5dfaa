"""Speed side by side with a NumPy loop, PyTorch and JAX: what ``pycharrnn bench`` runs.

`run` measures the classic job, `run_full` training steps of larger models. Every competitor runs in a process of its
own, on the same cores, in turns; the best of its turns counts.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pycharrnn import CharRNN, Vocabulary, __version__, _kernels, datasets
from pycharrnn.network.cells import CELLS
from pycharrnn.network.engine import Network
from pycharrnn.network.initial import normal
from pycharrnn.training.optimizers import Adam, Descent
from pycharrnn.training.trainer import Trainer

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int32]

# The classic job: m, seq_length, AdaGrad's learning rate, the clip of the gradient, sigma of the initial weights.
H, T, RATE, CLIP, SCALE = 100, 25, 0.1, 5.0, 0.01


class NumpyCharRNN:
    """The classic model as one writes it in NumPy: a plain loop over the characters of a window.

    It makes the updates of a `CharRNN` with the same arguments, but for rounding. `params` has U, W, V, b and c by
    name, `smooth_loss` is that after the last update, in nats per `seq_length` characters.
    """

    def __init__(
        self, n_symbols: int, hidden_size: int = H, seq_length: int = T, dtype: str = "float64", random_state: int = 0
    ) -> None:
        rng, m, K, self.seq_length = np.random.default_rng(random_state), hidden_size, n_symbols, seq_length
        shapes = {"U": (m, K), "W": (m, m), "V": (K, m)}
        self.params = {name: normal(rng, SCALE, shape).astype(dtype) for name, shape in shapes.items()}
        self.params |= {"b": np.zeros(m, dtype), "c": np.zeros(K, dtype)}
        self.memory = {name: np.zeros_like(p) for name, p in self.params.items()}  # AdaGrad's sums of squares
        self.position, self.h, self.smooth_loss = 0, np.zeros(m, dtype), float("nan")

    def forward(self, x: Ids, y: Ids, h0: Array) -> tuple[float, Array, Array]:
        """Summed loss of a window in nats, the states h (n + 1, m), h[0] = h0, and the probabilities p (n, K)."""
        U, W, V, b, c = (self.params[name] for name in "UWVbc")
        h, p, loss = np.empty((len(x) + 1, len(b)), b.dtype), np.empty((len(x), len(c)), b.dtype), 0.0
        h[0] = h0
        for t in range(len(x)):
            h[t + 1] = np.tanh(W @ h[t] + U[:, x[t]] + b)
            p[t] = _softmax(V @ h[t + 1] + c)
            loss -= float(np.log(p[t, y[t]]))
        return loss, h, p

    def backward(self, x: Ids, y: Ids, h: Array, p: Array) -> dict[str, Array]:
        """The gradients of the summed loss by name."""
        W, V, dh_next = self.params["W"], self.params["V"], np.zeros_like(h[0])
        grads = {name: np.zeros_like(value) for name, value in self.params.items()}
        for t in reversed(range(len(x))):
            do = p[t].copy()
            do[y[t]] -= 1
            grads["V"] += np.outer(do, h[t + 1])
            grads["c"] += do
            da = (1 - h[t + 1] ** 2) * (V.T @ do + dh_next)
            grads["W"] += np.outer(da, h[t])
            grads["U"][:, x[t]] += da
            grads["b"] += da
            dh_next = W.T @ da
        return grads

    def train(self, ids: Ids, n_updates: int) -> npt.NDArray[np.float64]:
        """Make updates, going on where the last call ended; the loss of each, in nats per `seq_length` characters."""
        losses = np.empty(n_updates)
        for i in range(n_updates):
            n = min(self.seq_length, len(ids) - 1 - self.position)  # the last window is as long as what is left
            x, y = ids[self.position :][:n], ids[self.position + 1 :][:n]
            loss, h, p = self.forward(x, y, self.h if self.position else np.zeros_like(self.h))
            for name, g in self.backward(x, y, h, p).items():
                np.clip(g, -CLIP, CLIP, out=g)
                self.memory[name] += g * g
                self.params[name] -= RATE * g / np.sqrt(self.memory[name] + 1e-8)
            share = n / self.seq_length  # a short window counts as much as it has characters
            losses[i] = loss / share
            old = losses[i] if np.isnan(self.smooth_loss) else self.smooth_loss
            self.smooth_loss = float((1 - 0.001 * share) * old + 0.001 * share * losses[i])
            self.h, self.position = h[-1], (self.position + n) % (len(ids) - 1)
        return losses

    def sample(self, n: int, rng: np.random.Generator) -> Ids:
        """Draw n symbols, the first from the zero state."""
        U, W, V, b, c = (self.params[name] for name in "UWVbc")
        h, out = np.zeros_like(b), np.empty(n, np.int32)
        for i in range(n):
            out[i] = rng.choice(len(c), p=_softmax(V @ h + c))
            h = np.tanh(W @ h + U[:, out[i]] + b)
        return out


def _softmax(logits: Array) -> Array:
    e = np.exp(logits - logits.max())
    return np.asarray(e / e.sum())


# --- the competitors: each gives train(n), sample(n) and its version -----------------------------------------------
Calls = tuple[Callable[[int], object], Callable[[int], object], str]


def _pycharrnn(text: str, ids: Ids, K: int, threads: int) -> Calls:
    model = CharRNN(epochs=None, verbose=True, random_state=0)  # the bar goes to the stderr of the worker
    return (lambda n: model.set_params(max_updates=n).fit(text)), model.sample, f"pycharrnn {__version__}"


def _numpy(text: str, ids: Ids, K: int, threads: int) -> Calls:
    model, rng = NumpyCharRNN(K), np.random.default_rng(0)
    return (lambda n: model.train(ids, n)), (lambda n: model.sample(n, rng)), f"NumPy {np.__version__}"


def _torch(text: str, ids: Any, K: int, threads: int) -> Calls:
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(threads)
    ids, one_hot, rnn, head = torch.tensor(ids).long(), torch.eye(K), torch.nn.RNN(K, H), torch.nn.Linear(H, K)
    params = [*rnn.parameters(), *head.parameters()]
    for p in params:
        torch.nn.init.normal_(p, 0.0, SCALE if p.ndim == 2 else 0.0)
    optimizer = torch.optim.Adagrad(params, lr=RATE, eps=1e-8)

    def train(n: int) -> None:
        position, h, smooth = 0, torch.zeros(1, H), 0.0
        for _ in range(n):
            if position + T >= len(ids):
                position, h = 0, torch.zeros(1, H)
            out, h = rnn(one_hot[ids[position : position + T]], h.detach())
            loss = torch.nn.functional.cross_entropy(head(out), ids[position + 1 : position + T + 1], reduction="sum")
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_value_(params, CLIP)
            optimizer.step()
            smooth = 0.999 * smooth + 0.001 * loss.item()
            position += T

    def sample(n: int) -> None:
        h = torch.zeros(1, H)
        with torch.inference_mode():
            for _ in range(n):
                x = torch.multinomial(torch.softmax(head(h[0]), 0), 1).item()
                _, h = rnn(one_hot[x : x + 1], h)

    return train, sample, f"PyTorch {torch.__version__}"


def _jax(text: str, ids: Ids, K: int, threads: int) -> Calls:
    jax: Any = importlib.import_module("jax")
    jnp, scan, tree, rng, zero = jax.numpy, jax.lax.scan, jax.tree, np.random.default_rng(0), jax.numpy.zeros(H)
    shapes = {"U": (K, H), "W": (H, H), "V": (H, K)}  # for row vectors: h @ W
    params = {name: jnp.array(rng.normal(0, SCALE, shape), jnp.float32) for name, shape in shapes.items()}
    params |= {"b": zero, "c": jnp.zeros(K)}
    nothing = tree.map(jnp.zeros_like, params)

    def loss_of(p: Any, h: Any, x: Any, y: Any) -> Any:
        last, hs = scan(lambda h, a: 2 * (jnp.tanh(h @ p["W"] + a),), h, p["U"][x] + p["b"])
        logs = jax.nn.log_softmax(hs @ p["V"] + p["c"])
        return -jnp.take_along_axis(logs, y[:, None], 1).sum(), last

    def update(carry: Any, window: Any) -> Any:
        (p, memory, h), (x, y, begins) = carry, window
        (loss, h), g = jax.value_and_grad(loss_of, has_aux=True)(p, jnp.where(begins, 0.0, h), x, y)
        g = tree.map(lambda g: jnp.clip(g, -CLIP, CLIP), g)
        memory = tree.map(lambda v, g: v + g * g, memory, g)
        p = tree.map(lambda p, g, v: p - RATE * g / jnp.sqrt(v + 1e-8), p, g, memory)
        return (p, memory, h), loss

    def draw(h: Any, key: Any) -> Any:
        x = jax.random.categorical(key, h @ params["V"] + params["c"])
        return jnp.tanh(h @ params["W"] + params["U"][x] + params["b"]), x

    updates, draws = jax.jit(lambda *args: scan(update, *args)), jax.jit(lambda keys: scan(draw, zero, keys))

    def train(n: int) -> None:
        at = np.arange(n) % ((len(ids) - 1) // T) * T
        x = at[:, None] + np.arange(T)
        jax.block_until_ready(updates((params, nothing, zero), (ids[x], ids[x + 1], at == 0)))

    def sample(n: int) -> None:
        jax.block_until_ready(draws(jax.random.split(jax.random.key(0), n)))

    return train, sample, f"JAX {jax.__version__}"


WORKERS = {"pycharrnn": _pycharrnn, "numpy": _numpy, "torch": _torch, "jax": _jax}


def _seconds(call: Callable[[int], object], n: int) -> float:
    """Seconds that each of n takes."""
    begin = time.perf_counter()
    call(n)
    return (time.perf_counter() - begin) / n


def fma_peaks(dtype: str = "float32", best_of: int = 10, threads: int = 1) -> dict[str, float]:
    """Multiply-adds and nothing else, in operations per second: for each instruction set that the processor has."""
    n = 1_000_000 if threads == 1 else 10_000_000  # longer than threads take to start
    x, peaks, selected = [np.full(64, 0.5, dtype) for _ in range(threads)], {}, _kernels.simd_selected()
    with ThreadPoolExecutor(threads) as pool:

        def spin(_: int) -> float:
            others = [pool.submit(_kernels.multiply_adds, own, n) for own in x[1:]]
            flops: float = threads * _kernels.multiply_adds(x[0], n)
            wait(others)
            return flops

        for simd in filter(_kernels.simd_supported, _kernels.simd_names()):
            _kernels.simd_select(simd)
            peaks[simd] = spin(1) / min(_seconds(spin, 1) for _ in range(best_of))
    _kernels.simd_select(selected)
    return peaks


def _turn(cores: list[int], name: str, updates: int, characters: int) -> dict[str, Any]:
    """Warm up and measure on these cores; the text comes in on stdin."""
    text = sys.stdin.buffer.read().decode("utf-8", "surrogatepass")
    vocabulary = Vocabulary.from_text(text)
    train, sample, version = WORKERS[name](text, vocabulary.encode(text), len(vocabulary), len(cores))
    warm = 1 if name == "jax" else 20  # JAX compiles anew for each length
    train(-(-updates // warm)), sample(-(-characters // warm))
    peaks = fma_peaks() if name == "pycharrnn" else {}
    return peaks | {"version": version, "update": _seconds(train, updates), "character": _seconds(sample, characters)}


class Row(NamedTuple):
    """A competitor; how many updates it makes and characters it draws for each update of pycharrnn."""

    label: str
    worker: str
    updates: float
    characters: float
    threads: int = 1
    simd: str = ""


def measure(row: Row, text: str, updates: int, turn: int = 0) -> dict[str, Any]:
    """Let a worker take one turn. RuntimeError, with what it wrote to stderr, if it fails."""
    n, drawn = (max(20, int(updates * share)) for share in (row.updates, row.characters))
    data, simd = text.encode("utf-8", "surrogatepass"), row.simd or _kernels.simd_selected()
    found = _ask(row.label, "turn", (row.worker, n, drawn), row.threads, turn, simd, data)
    return {"n": n, "drawn": drawn} | found


def _ask(
    label: str, kind: str, arguments: Sequence[object], threads: int, turn: int, simd: str, data: bytes = b""
) -> dict[str, Any]:
    """What a worker of `_KINDS` answers to these arguments, in a process of its own."""
    cores = _cores() or [*range(threads)]
    cores = [cores[(turn + i) % len(cores)] for i in range(threads)]  # turns go round the cores, too
    env = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    env |= {"XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={threads > 1}".lower(), "JAX_PLATFORMS": "cpu"}
    env |= {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}  # so that it finds what we found
    command = [sys.executable, "-P", "-m", "pycharrnn.benchmark.tables", kind, *map(json.dumps, (cores, *arguments))]
    ended = subprocess.run(command, input=data, env=env | {"PYCHARRNN_SIMD": simd}, capture_output=True)
    if ended.returncode or not ended.stdout.startswith(b"{"):
        said = (ended.stderr + ended.stdout).decode(errors="replace")[-4000:]
        raise RuntimeError(f"the worker of {label!r} failed with exit status {ended.returncode}:\n{said}")
    return dict(json.loads(ended.stdout))


def _cores() -> list[int]:
    """The processors that this process may use, or none where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _installed(worker: str) -> bool:
    return worker in ("pycharrnn", "numpy") or importlib.util.find_spec(worker.partition(".")[0]) is not None


def run(updates: int = 20_000, repeats: int = 5, text: str | None = None, file: IO[str] | None = None) -> None:
    """Measure every competitor and print a table to `file` (None: stdout); the text is "topics" unless given.

    pycharrnn makes `updates` in a turn, the others fewer, in about the same time. The best of `repeats` turns counts.
    """
    text = datasets.load("topics") if text is None else text
    if updates < 1 or repeats < 1:
        raise ValueError(f"updates and repeats must be at least 1, got {updates!a} and {repeats!a}")
    if len(text) <= T:
        raise ValueError(f"the text must have more than {T} characters, it has {len(text)}")
    selected, able = _kernels.simd_selected(), [name for name in _kernels.simd_names() if _kernels.simd_supported(name)]
    forced = [name for name in able if name == "x86-64-v3" and name != selected]
    rows = [Row(f"pycharrnn float32, {name}", "pycharrnn", 1, 40, simd=name) for name in (selected, *forced)]
    rows.append(Row("NumPy float64", "numpy", 1 / 20, 2))
    rows += [Row(f"PyTorch float32, threads: {n}", "torch", 1 / 25, 1 / 2, threads=n) for n in (1, 2)]
    rows.append(Row("JAX float32, jitted", "jax", 1 / 2, 8))
    there = [row for row in rows if _installed(row.worker)]
    turns = [(row.label, measure(row, text, updates, turn)) for turn in range(repeats) for row in there]
    best: dict[str, dict[str, Any]] = {}
    for label, turn in turns:
        old = best.setdefault(label, turn)
        old |= {key: (min if key in ("update", "character") else max)(old[key], turn[key]) for key in old}
    ours, K = best[rows[0].label], len(set(text))
    form = "{:<34}{:>9}{:>11}{:>14}{:>8}{:>12}{:>14}{:>8}"
    lines = [
        f"{H} units, windows of {T}, batch 1, AdaGrad {RATE}, clip {CLIP:g}; {len(text):,} characters, {K} distinct",
        f"best of {repeats} turns; ratio: time over that of the first row\n",
        form.format("", "updates", "us/update", "characters/s", "ratio", "sampled", "characters/s", "ratio"),
    ]
    for row in rows:
        if not (found := best.get(row.label, {})):
            lines.append(f"{row.label:<34}not installed")
            continue
        u, c = found["update"], found["character"]
        trained = f"{found['n']:,}", f"{u * 1e6:,.1f}", f"{T / u:,.0f}", f"{u / ours['update']:.2f}"
        sampled = f"{found['drawn']:,}", f"{1 / c:,.0f}", f"{c / ours['character']:.2f}"
        lines.append(form.format(row.label, *trained, *sampled))
    # Six matrix products of an update: W h and V h forward; W^T da, V^T do, dW = da h^T and dV = do h^T backward. Each
    # is T * m * m or T * m * K multiply-adds, and a multiply-add is two operations. Nothing else is counted.
    speed = (flops := 3 * 2 * T * (H * H + H * K)) / ours["update"]
    lines.append(f"\nmatrix products of an update: {flops / 1e6:.2f} MFLOP, {speed / 1e9:.1f} GFLOP/s")
    for name in (selected, *(name for name in able if ours[name] > 1.05 * ours[selected])):  # hide no higher peak
        peak = f"{ours[name] / 1e9:.1f} GFLOP/s, of which an update makes {speed / ours[name]:.0%}"
        lines.append(f"FMA peak of one core in float32, {name}: {peak}")
    versions = ", ".join(dict.fromkeys(found["version"] for found in best.values()))
    print(*lines, f"{versions}, Python {platform.python_version()}, {platform.machine()}", sep="\n", file=file)


# --- training steps of larger models -------------------------------------------------------------------------------
SYMBOLS = 65


class Job(NamedTuple):
    """A model and its windows: what one update of it is."""

    cell: str
    num_layers: int
    hidden_size: int
    batch_size: int
    seq_length: int

    @property
    def flops(self) -> int:
        """Operations of pycharrnn's matrix products in an update; nothing else is counted.

        Each matrix is in three products, forward and for two gradients, of two operations a multiply-add. The input
        matrix of the first layer is in none, as it is read row by row.
        """
        recurrent, inputs = self.num_layers, self.num_layers - 1
        gates = CELLS[self.cell].gates * self.hidden_size**2 * (recurrent + inputs)
        return 3 * 2 * self.seq_length * self.batch_size * (gates + SYMBOLS * self.hidden_size)

    def __str__(self) -> str:
        return f"{self.cell} {self.num_layers} x {self.hidden_size}, B {self.batch_size}, T {self.seq_length}"


JOBS = (
    *(Job(cell, L, m, 50, 50) for cell in ("lstm", "gru", "rnn") for L, m in ((1, 256), (2, 512))),
    Job("lstm", 1, 128, 32, 64),
    Job("lstm", 2, 128, 50, 50),
)

Step = tuple[Callable[[int], float], str]  # n updates and the last one's loss in nats per character; the version


def _pycharrnn_step(job: Job, ids: Ids, threads: int) -> Step:
    rule, architecture = Descent(Adam(), None, None, CLIP), (job.hidden_size, job.seq_length, "float32")
    network = Network(job.cell, SYMBOLS, *architecture, num_layers=job.num_layers)
    state = network.state(network.initial(np.random.default_rng(0), None), rule, job.batch_size)
    trainer = Trainer(network, state, rule, ids, threads)

    def train(n: int) -> float:
        losses = np.empty(n)
        trainer.advance(losses, np.empty(n))
        return float(losses[-1] / job.seq_length)

    return train, f"pycharrnn {__version__}"


def _streams(ids: Ids, B: int) -> Ids:
    """The text in B columns; the last symbol of each is the first of the next, where pycharrnn cuts it, too."""
    n = (len(ids) - 1) // B
    found: Ids = ids[np.arange(n + 1)[:, None] + n * np.arange(B)]
    return found


def _torch_step(job: Job, ids: Ids, threads: int, compiled: bool = False) -> Step:
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(threads)
    nn, m, T, B = torch.nn, job.hidden_size, job.seq_length, job.batch_size
    torch.manual_seed(0)
    streams = torch.tensor(_streams(ids, B)).long()
    embedding, head = nn.Embedding(SYMBOLS, m), nn.Linear(m, SYMBOLS)
    layers = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[job.cell](m, m, job.num_layers)
    params = [p for module in (embedding, layers, head) for p in module.parameters()]
    zeros = torch.zeros(job.num_layers, B, m)
    optimizer, nothing = torch.optim.Adam(params, lr=Adam.rate), (zeros, zeros) if job.cell == "lstm" else zeros
    state, position = nothing, 0

    def predict(x: Any, y: Any, state: Any) -> tuple[Any, Any]:
        out, state = layers(embedding(x), state)
        return nn.functional.cross_entropy(head(out).view(-1, SYMBOLS), y.reshape(-1)), state

    forward = torch.compile(predict) if compiled else predict

    def train(n: int) -> float:
        nonlocal state, position
        found = 0.0
        for _ in range(n):
            if position + T >= len(streams):
                state, position = nothing, 0
            x, y = streams[position : position + T], streams[position + 1 : position + T + 1]
            loss, state = forward(x, y, state)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(params, CLIP)
            optimizer.step()
            state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
            found = loss.item()
            position += T
        return found

    return train, f"{'torch.compile' if compiled else 'PyTorch'} {torch.__version__}"


def _jax_step(job: Job, ids: Ids, threads: int) -> Step:
    jax: Any = importlib.import_module("jax")
    jnp, tree, sigmoid, rng = jax.numpy, jax.tree, jax.nn.sigmoid, np.random.default_rng(0)
    m, L, T, B, cell = job.hidden_size, job.num_layers, job.seq_length, job.batch_size, CELLS[job.cell]
    streams, N = _streams(ids, B), cell.gates * m

    def matrix(*shape: int) -> Any:
        return jnp.array(rng.uniform(-(m**-0.5), m**-0.5, shape), jnp.float32)

    def step(p: Any, state: Any, a: Any) -> Any:
        """One step of a layer from its input's share of the pre-activations, (B, N)."""
        r = state[0] @ p["W"]
        if job.cell == "rnn":
            state = (jnp.tanh(a + r),)
        elif job.cell == "lstm":
            i, f, g, o = jnp.split(a + r, 4, 1)
            c = sigmoid(f) * state[1] + sigmoid(i) * jnp.tanh(g)
            state = sigmoid(o) * jnp.tanh(c), c
        else:
            reset, update = jnp.split(sigmoid((a + r)[:, : 2 * m]), 2, 1)
            new = jnp.tanh(a[:, 2 * m :] + reset * (r[:, 2 * m :] + p["n"]))
            state = (new + update * (state[0] - new),)
        return state, state[0]

    def loss_of(params: Any, states: Any, x: Any, y: Any) -> Any:
        layers, V, c = params
        below, last = None, []
        for p, state in zip(layers, states, strict=True):
            a = (p["U"][x] if below is None else below @ p["U"]) + p["b"]
            state, below = jax.lax.scan(lambda state, a, p=p: step(p, state, a), state, a)
            last.append(state)
        logs = jax.nn.log_softmax(below @ V + c)
        return -jnp.take_along_axis(logs, y[..., None], -1).mean(), last

    def update(run: Any, t: Any, x: Any, y: Any) -> Any:
        params, means, squares, states = run
        (loss, states), g = jax.value_and_grad(loss_of, has_aux=True)(params, states, x, y)
        norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in tree.leaves(g)))
        g = tree.map(lambda g: g * jnp.minimum(1.0, CLIP / norm), g)
        means = tree.map(lambda old, g: 0.9 * old + 0.1 * g, means, g)
        squares = tree.map(lambda old, g: 0.999 * old + 0.001 * g * g, squares, g)
        rate = Adam.rate * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        params = tree.map(lambda p, a, b: p - rate * a / (jnp.sqrt(b) + 1e-8), params, means, squares)
        return (params, means, squares, states), loss

    own = [{"U": matrix(n, N), "W": matrix(m, N), "b": jnp.zeros(N)} for n in (SYMBOLS, *[m] * (L - 1))]
    layers = [p | ({"n": jnp.zeros(m)} if cell.candidate_bias else {}) for p in own]
    params = layers, matrix(m, SYMBOLS), jnp.zeros(SYMBOLS)
    states = [tuple(jnp.zeros((B, m)) for _ in cell.states) for _ in range(L)]
    run = params, tree.map(jnp.zeros_like, params), tree.map(jnp.zeros_like, params), states
    updated, made = jax.jit(update, donate_argnums=0), 0

    def train(n: int) -> float:
        nonlocal run, made
        found = 0.0
        for _ in range(n):
            at = made % ((len(streams) - 1) // T) * T
            run, loss = updated(run, made + 1.0, streams[at : at + T], streams[at + 1 : at + T + 1])
            found = float(loss)
            made += 1
        jax.block_until_ready(run)
        return found

    return train, f"JAX {jax.__version__}"


STEPS: dict[str, Callable[[Job, Ids, int], Step]] = {
    "pycharrnn": _pycharrnn_step,
    "torch": _torch_step,
    "torch.compile": partial(_torch_step, compiled=True),
    "jax": _jax_step,
}


def _steps(cores: list[int], name: str, jobs: list[list[Any]], seconds: float) -> dict[str, Any]:
    """Seconds of an update of each job, and of pycharrnn the FMA peaks; a job is measured for `seconds` or longer."""
    updates, version = [], ""
    for job in (Job(*job) for job in jobs):
        train, version = prepare(name, job, len(cores))
        train(1)  # JAX and torch.compile compile, PyTorch allocates
        one = _seconds(train, 1)
        updates.append(_seconds(train, int(seconds / one)) if one * 2 <= seconds else one)
    peaks = fma_peaks(threads=len(cores)) if name == "pycharrnn" else {}
    return {"version": version, "update": updates, "peak": max(peaks.values(), default=0.0)}


def prepare(worker: str, job: Job, threads: int = 1) -> Step:
    """A function that makes n updates of a job on random symbols and returns the last loss; and its maker's version.

    Examples
    --------
    >>> train, version = prepare("pycharrnn", Job("gru", num_layers=2, hidden_size=8, batch_size=3, seq_length=5))
    >>> f"{train(1):.1f} nats per character"
    '4.0 nats per character'
    """
    ids = np.random.default_rng(0).integers(0, SYMBOLS, job.batch_size * 20 * job.seq_length + 1, np.int32)
    return STEPS[worker](job, ids, threads)


def steps(
    jobs: Sequence[Job], workers: Sequence[str], threads: int = 1, repeats: int = 3, seconds: float = 0.3
) -> dict[str, dict[str, Any]]:
    """Of each worker: seconds of an update of each job, `version`, and of pycharrnn the FMA peak of these threads.

    The workers take turns, each in a new process with all the jobs; the best of `repeats` turns counts.
    """
    best: dict[str, dict[str, Any]] = {}
    for turn in range(repeats):
        for name in workers:
            found = _ask(name, "steps", (name, jobs, seconds), threads, turn, _kernels.simd_selected())
            old = best.setdefault(name, found)
            old["update"] = [*map(min, old["update"], found["update"])]
            old["peak"] = max(old["peak"], found["peak"])
    return best


def run_full(repeats: int = 3, seconds: float = 0.3, jobs: Sequence[Job] = JOBS, file: IO[str] | None = None) -> None:
    """Measure whole training steps (forward, backward, clip by norm, Adam) and print a table to `file` (None: stdout).

    With one thread, and with two where there are two processors. A turn measures each job for `seconds` or longer;
    the best of `repeats` turns counts.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    labels = {"torch": "PyTorch", "torch.compile": "compiled", "jax": "JAX"}
    workers = ["pycharrnn", *filter(_installed, labels)]
    form = "{:<26}{:>8}{:>11}{:>10}{:>9}{:>14}" + "{:>13}{:>8}" * (len(workers) - 1)
    others = [word for name in workers[1:] for word in (f"{labels[name]} ms", "ratio")]
    print(
        f"Training steps in float32: forward, backward, clip by norm, Adam; {SYMBOLS} symbols, B streams, windows of T",
        f"best of {repeats} turns; ratio: time over that of pycharrnn with as many threads\n",
        form.format("", "threads", "ms/update", "GFLOP/s", "of peak", "characters/s", *others),
        sep="\n",
        file=file,
        flush=True,
    )
    peaks, best = [], {}
    for threads in range(1, 1 + min(2, len(_cores()) or os.cpu_count() or 1)):
        best = steps(jobs, workers, threads, repeats, seconds)
        peak = best["pycharrnn"]["peak"]
        peaks.append(f"{threads}: {peak / 1e9:.1f}")
        for job, ours, *theirs in zip(jobs, *(best[name]["update"] for name in workers), strict=True):
            speed, characters = job.flops / ours, job.batch_size * job.seq_length / ours
            cells = f"{ours * 1e3:,.2f}", f"{speed / 1e9:,.1f}", f"{speed / peak:.0%}", f"{characters:,.0f}"
            ratios = [word for other in theirs for word in (f"{other * 1e3:,.2f}", f"{other / ours:.2f}")]
            print(form.format(str(job), threads, *cells, *ratios), file=file, flush=True)
    versions = ", ".join(best[name]["version"] for name in workers)
    print(
        *("", *(f"{labels[name]}: not installed" for name in ("torch", "jax") if name not in workers)),
        "GFLOP/s: the matrix products of pycharrnn alone",
        f"FMA peak in float32 by threads, GFLOP/s: {', '.join(peaks)}",
        f"{versions}, Python {platform.python_version()}, {platform.machine()}, {_kernels.simd_selected()}",
        sep="\n",
        file=file,
    )


_KINDS: dict[str, Callable[..., dict[str, Any]]] = {"turn": _turn, "steps": _steps}


def _answer(kind: str, cores: list[int], *arguments: Any) -> None:
    """Be a worker on these cores: print what was measured."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    print(json.dumps(_KINDS[kind](cores, *arguments)))


if __name__ == "__main__":
    _answer(sys.argv[1], *map(json.loads, sys.argv[2:]))
