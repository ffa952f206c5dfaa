"""PyTorch as a competitor."""

from __future__ import annotations

import importlib
from typing import Any

from pycharrnn.arrays import Ids
from pycharrnn.benchmark.jobs import CLASSIC, SYMBOLS, Job, Prepared, streams
from pycharrnn.training.optimizers import Adam


def _torch(threads: int) -> Any:
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(threads)
    return torch


def classic(text: str, ids: Any, n_symbols: int, threads: int) -> Prepared:
    """Prepare the classic job: one-hot characters, nn.RNN, AdaGrad."""
    torch = _torch(threads)
    m, T = CLASSIC.hidden_size, CLASSIC.seq_length
    symbols = torch.tensor(ids).long()
    one_hot = torch.eye(n_symbols)
    rnn = torch.nn.RNN(n_symbols, m)
    head = torch.nn.Linear(m, n_symbols)
    params = [*rnn.parameters(), *head.parameters()]
    for p in params:
        torch.nn.init.normal_(p, 0.0, CLASSIC.init_scale if p.ndim == 2 else 0.0)
    optimizer = torch.optim.Adagrad(params, lr=CLASSIC.learning_rate, eps=1e-8)

    def train(n: int) -> None:
        position, h = 0, torch.zeros(1, m)
        smooth = 0.0
        for _ in range(n):
            if position + T >= len(symbols):
                position, h = 0, torch.zeros(1, m)
            out, h = rnn(one_hot[symbols[position : position + T]], h.detach())
            y = symbols[position + 1 : position + T + 1]
            loss = torch.nn.functional.cross_entropy(head(out), y, reduction="sum")
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_value_(params, CLASSIC.clip_value)
            optimizer.step()
            smooth = 0.999 * smooth + 0.001 * loss.item()
            position += T

    def sample(n: int) -> None:
        h = torch.zeros(1, m)
        with torch.inference_mode():
            for _ in range(n):
                x = torch.multinomial(torch.softmax(head(h[0]), 0), 1).item()
                _, h = rnn(one_hot[x : x + 1], h)

    return Prepared(f"PyTorch {torch.__version__}", train, sample)


def steps(job: Job, ids: Ids, threads: int, compiled: bool = False, autocast: bool = False) -> Prepared:
    """Prepare a larger job: embeddings, nn.RNN, nn.LSTM or nn.GRU, Adam.

    `compiled` is by torch.compile; `autocast` makes the forward pass in bfloat16 where PyTorch holds that to be safe.
    """
    torch = _torch(threads)
    torch.manual_seed(0)
    nn = torch.nn
    m = job.hidden_size
    T, B = job.seq_length, job.batch_size
    columns = torch.tensor(streams(ids, B)).long()
    embedding = nn.Embedding(SYMBOLS, m)
    head = nn.Linear(m, SYMBOLS)
    layers = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[job.cell](m, m, job.num_layers)
    params = [p for module in (embedding, layers, head) for p in module.parameters()]
    optimizer = torch.optim.Adam(params, lr=Adam.rate)
    zeros = torch.zeros(job.num_layers, B, m)
    fresh = (zeros, zeros) if job.cell == "lstm" else zeros
    state, position = fresh, 0

    def predict(x: Any, y: Any, state: Any) -> tuple[Any, Any]:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            out, state = layers(embedding(x), state)
            return nn.functional.cross_entropy(head(out).view(-1, SYMBOLS), y.reshape(-1)), state

    forward = torch.compile(predict) if compiled else predict

    def train(n: int) -> float:
        nonlocal state, position
        last = 0.0
        for _ in range(n):
            if position + T >= len(columns):
                state, position = fresh, 0
            loss, state = forward(columns[position : position + T], columns[position + 1 : position + T + 1], state)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(params, CLASSIC.clip_value)
            optimizer.step()
            state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
            last = loss.item()
            position += T
        return last

    return Prepared(f"{'torch.compile' if compiled else 'PyTorch'} {torch.__version__}", train)
