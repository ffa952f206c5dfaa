"""The NumPy twin of every kernel: slow, obvious, and what the kernels are held against.

Two kinds of twin. The plain ones say what a kernel computes; they agree with it to rounding. The ordered ones also say
in which order: one accumulator for each output element, summands in order, sums of a row over sixteen lanes, and the
same polynomials. In float64 they give the very bits of the `baseline` instruction set, which has no fused multiply-add.
"""

import math

import numpy as np

LANES = 16


# --- plain ------------------------------------------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def rnn_forward(params, x, h0, end=-1):
    """h (T + 1, B, H) for x (T, B): h[t+1] = tanh(W h[t] + U x[t] + b), with h[t] = 0 where x[t] is the end symbol."""
    h = np.empty((len(x) + 1, *h0.shape), h0.dtype)
    h[0] = h0
    for t in range(len(x)):
        met = h[t] * (x[t] != end)[:, None]
        h[t + 1] = np.tanh(met @ params["W"].T + params["U"].T[x[t]] + params["b"])
    return h


def loss_and_gradients(params, x, y, h0, end=-1):
    """Summed loss, gradients by name and the last state, for x and y (T, B) and h0 (B, H)."""
    h = rnn_forward(params, x, h0, end)
    p = softmax(h[1:] @ params["V"].T + params["c"])
    t, b = np.indices(y.shape)
    loss = -np.log(p[t, b, y]).sum()
    dlogits = p.copy()
    dlogits[t, b, y] -= 1
    grads = {name: np.zeros_like(value) for name, value in params.items()}
    grads["V"] = np.einsum("tbk,tbh->kh", dlogits, h[1:])
    grads["c"] = dlogits.sum(axis=(0, 1))
    da_next = np.zeros_like(h0)
    for t in reversed(range(len(x))):
        dh = dlogits[t] @ params["V"] + da_next @ params["W"]
        da = (1 - h[t + 1] ** 2) * dh
        goes_on = (x[t] != end)[:, None]
        grads["W"] += da.T @ (h[t] * goes_on)
        grads["b"] += da.sum(axis=0)
        np.add.at(grads["U"].T, x[t], da)
        da_next = da * goes_on
    return loss, grads, h[-1]


def optimizer_step(rule, p, g, m, v, n, *, rate, clip, momentum, decay, eps, beta1, beta2):
    """p, m and v after the n-th step (n = 1, 2, ...) of a rule."""
    g = np.clip(g, -clip, clip)
    if rule == "sgd":
        return p - rate * g, m, v
    if rule == "momentum":
        m = momentum * m + g
        return p - rate * m, m, v
    if rule == "adagrad":
        v = v + g**2
        return p - rate * g / np.sqrt(v + eps), m, v
    if rule == "rmsprop":
        v = decay * v + (1 - decay) * g**2
        return p - rate * g / np.sqrt(v + eps), m, v
    if rule == "adam":
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**n), v / (1 - beta2**n)
        return p - rate * m_hat / (np.sqrt(v_hat) + eps), m, v
    raise ValueError(rule)


def draw(logits, temperature, u):
    """The index whose share of softmax(logits / temperature) covers u."""
    if temperature == 0:
        return int(np.argmax(logits))
    p = softmax(np.asarray(logits, np.float64) / temperature)
    return int(min(np.searchsorted(np.cumsum(p), u, side="right"), len(p) - 1))


# --- ordered ----------------------------------------------------------------------------------------------------


def ordered_matmul(init, A, B):
    """init + A @ B, summed in the order of the inner dimension."""
    out = np.array(np.broadcast_to(init, (A.shape[0], B.shape[1])))
    for k in range(A.shape[1]):
        out += A[:, k, None] * B[k]
    return out


def _exp_parts(x):
    z = x * 1.4426950408889634 + 6755399441055744.0
    n = z - 6755399441055744.0
    f = x - n * float.fromhex("0x1.62e42fee00000p-1")
    f = f - n * float.fromhex("0x1.a39ef35793c76p-33")
    q = np.full_like(f, 1 / math.factorial(13))
    for i in range(12, 1, -1):
        q = q * f + 1 / math.factorial(i)
    return np.ldexp(1.0, n.astype(int)), f * f * q + f


def ordered_exp(x):
    scale, e = _exp_parts(np.maximum(x, -708.0))
    return np.where(x < -708.0, 0.0, scale * e + scale)


def ordered_tanh(x):
    scale, e = _exp_parts(np.clip(2 * x, -40.0, 40.0))
    e = scale * e + (scale - 1)
    return e / (e + 2)


def ordered_sum(rows):
    """The sum of each row: over lanes first, then the lanes in a tree."""
    padded = np.zeros((len(rows), -(-rows.shape[1] // LANES) * LANES))
    padded[:, : rows.shape[1]] = rows
    lane = padded[:, :LANES].copy()
    for k in range(LANES, padded.shape[1], LANES):
        lane += padded[:, k : k + LANES]
    while lane.shape[1] > 1:
        half = lane.shape[1] // 2
        lane = lane[:, :half] + lane[:, half:]
    return lane[:, 0]


class OrderedRNN:
    """The classic model (batch 1, AdaGrad, clipped), update for update, in the kernels' order of operations."""

    def __init__(self, params, rate=0.1, clip=5.0, eps=1e-8):
        self.p = {name: np.array(value, np.float64) for name, value in params.items()}
        self.v = {name: np.full_like(value, 1e-30) for name, value in self.p.items()}
        self.rate, self.clip, self.eps = rate, clip, eps
        self.h = np.zeros(len(self.p["b"]))

    def update(self, x, y):
        """One update; its loss, summed over the window."""
        p, T = self.p, len(x)
        h = np.empty((T + 1, len(self.h)))
        h[0] = self.h
        for t in range(T):
            h[t + 1] = ordered_tanh(ordered_matmul(p["b"], h[t : t + 1], p["W"].T)[0] + p["U"].T[x[t]])
        logits = ordered_matmul(p["c"], h[1:], p["V"].T)
        shifted = logits - logits.max(axis=1, keepdims=True)
        e = ordered_exp(shifted)
        sums = ordered_sum(e)
        loss = np.log(sums) - shifted[np.arange(T), y]
        d = e * (1 / sums)[:, None]
        d[np.arange(T), y] -= 1
        da = ordered_matmul(np.zeros(1), d, p["V"])
        for t in reversed(range(T)):
            if t < T - 1:
                da[t] = ordered_matmul(da[t], da[t + 1 : t + 2], p["W"])[0]
            da[t] *= 1 - h[t + 1] * h[t + 1]
        zero, rows = np.zeros(1), np.ones((1, T))
        grads = {
            "V": ordered_matmul(zero, d.T, h[1:]),
            "c": ordered_matmul(zero, rows, d)[0],
            "W": ordered_matmul(zero, da.T, h[:-1]),
            "b": ordered_matmul(zero, rows, da)[0],
            "U": np.zeros_like(p["U"]),
        }
        for t in range(T):
            grads["U"][:, x[t]] += da[t]
        for name, g in grads.items():
            g = np.clip(g, -self.clip, self.clip)
            self.v[name] = g * g + self.v[name]
            p[name] -= self.rate * g * (1 / np.sqrt(self.v[name] + self.eps))
        self.h = h[-1]
        return float(np.cumsum(loss)[-1])
