"""Whole updates in NumPy, in single precision and with bfloat16 products, to the very bits of the kernels.

Each operation stands in the kernels' order and is rounded as they round it. A product that they fuse with a sum is
fused here, too, if the instruction set has fused multiply-add. Only the losses are plain: no weight depends on them.
"""

import numpy as np
from reference import LANES, bfloat16_matmul, fused, key

ONE = np.float32(1)
TINY = np.float32(1e-30)


def tiny_as_zero(x):
    return np.where(np.abs(x) < TINY, np.float32(0), x)


class Ordered:
    """A network with its state and its optimiser, update for update.

    Parameters
    ----------
    architecture : Architecture
        float32 or bfloat16.
    named : dict of str to ndarray
        Weights by name.
    rule : str
        The optimiser.
    numbers : Numbers
        Its numbers, the learning rate among them.
    start : float
        Where its moment v begins.
    B : int
        Streams.
    fma : bool
        Whether the instruction set has fused multiply-add.
    seed : int
        Of the dropout.
    """

    def __init__(self, architecture, named, rule, numbers, start, B, fma, seed=0):
        self.architecture = architecture
        self.cell = architecture.cell
        self.p = {name: np.array(value, np.float32) for name, value in named.items()}
        self.m = {name: np.zeros_like(value) for name, value in self.p.items()}
        self.v = {name: np.full_like(value, start) for name, value in self.p.items()}
        self.rule = rule
        self.numbers = numbers
        self.fma = fma
        self.seed = seed
        self.n_updates = 0
        self.powers = [1.0, 1.0]
        self.state = np.zeros(architecture.carried(B), np.float32)

    # --- arithmetic -------------------------------------------------------------------------------------------------

    def add(self, a, b, c):
        """a b + c"""
        a, b, c = np.float32(a), np.float32(b), np.float32(c)
        return fused(a, b, c) if self.fma else a * b + c

    def matmul(self, start, A, B):
        """start + A @ B"""
        if self.architecture.dtype == "bfloat16":
            return bfloat16_matmul(start, A, B, self.fma)
        out = np.array(np.broadcast_to(start, (len(A), B.shape[1])), np.float32)
        for k in range(A.shape[1]):
            out = self.add(A[:, k, None], B[k], out)
        return out

    def exp_parts(self, x):
        z = self.add(x, 1.4426950408889634, 12582912.0)
        n = z - np.float32(12582912.0)
        f = self.add(-n, float.fromhex("0x1.62ep-1"), x)
        f = self.add(-n, float.fromhex("0x1.0bfbe8p-15"), f)
        q = ONE / np.float32(5040)
        for divisor in (720, 120, 24, 6, 2):
            q = self.add(q, f, 1 / divisor)
        return np.ldexp(ONE, n.astype(int)).astype(np.float32), self.add(f * f, q, f)

    def exp(self, x):
        scale, e = self.exp_parts(np.maximum(x, np.float32(-69)))
        return np.where(x < -69, np.float32(0), self.add(scale, e, scale))

    def tanh(self, x):
        scale, e = self.exp_parts(np.clip(2 * x, np.float32(-20), np.float32(20)))
        e = self.add(scale, e, scale - ONE)
        return e / (e + 2)

    def sigmoid(self, x):
        e = self.exp(np.where(x < 0, x, -x))
        d = ONE / (ONE + e)
        return np.where(x < 0, e * d, d)

    def rsqrt(self, x):
        """1 / sqrt(x), by a seed and a cubic."""
        y = (0x5F374000 - (x.view(np.int32) >> 1)).view(np.float32)
        e = self.add(-(x * y), y, 1)
        p = np.float32(0.31422713)
        for coefficient in (0.3762715, 0.4999977, 0.99999926):
            p = self.add(p, e, coefficient)
        return y * p

    # --- cells ------------------------------------------------------------------------------------------------------

    def step(self, u, r, n, state):
        """The next state, and what backward needs. n is the second bias, if there is one."""
        if self.cell == "rnn":
            return [self.tanh(r + u)], ()
        if self.cell == "lstm":
            i, f, g, o = np.split(r + u, 4, axis=1)
            i, f, g, o = self.sigmoid(i), self.sigmoid(f), self.tanh(g), self.sigmoid(o)
            now = self.add(f, state[1], np.clip(i * g, -ONE, ONE))
            return [o * self.tanh(now), tiny_as_zero(now)], (i, f, g, o)
        (ur, uz, un), (rr, rz, q) = np.split(u, 3, axis=1), np.split(r, 3, axis=1)
        reset, z = self.sigmoid(rr + ur), self.sigmoid(rz + uz)
        new = self.tanh(self.add(reset, q, un + n))
        return [tiny_as_zero(self.add(z, state[0] - new, new))], (reset, z, new, q)

    def step_backward(self, gates, before, after, dh, ds, dh0):
        """Derivatives of the state's share, of the input's share; ds and dh0 of the step before."""
        if self.cell == "rnn":
            da = dh * self.add(-after[0], after[0], 1)
            return da, da, ds, dh0
        if self.cell == "lstm":
            i, f, g, o = gates
            t = self.tanh(after[1])
            d = self.add(dh * o, self.add(-t, t, 1), ds)
            flat = self.add(-g, g, 1)
            da = d * g * i * (ONE - i), d * before[1] * f * (ONE - f), d * i * flat, dh * t * o * (ONE - o)
            return np.hstack(da), np.hstack(da), tiny_as_zero(d * f), dh0
        reset, z, n, q = gates
        dn = dh * (ONE - z) * self.add(-n, n, 1)
        both = dn * q * reset * (ONE - reset), dh * (before[0] - n) * z * (ONE - z)
        return np.hstack([*both, dn * reset]), np.hstack([*both, dn]), ds, self.add(dh, z, dh0)

    # --- a window ---------------------------------------------------------------------------------------------------

    def drop(self, which, x):
        """(T, B, n) without what the dropout of this update takes."""
        rate, (T, B, n) = self.architecture.dropout, x.shape
        if not rate:
            return x
        width = -(-n // LANES) * LANES
        secret = key(self.seed, self.n_updates * (self.architecture.num_layers + 1) + which)
        at = (np.arange(T * B)[:, None] * width + np.arange(n)).astype(np.uint64)
        z = at * 0x9E3779B1 % 2**32 ^ np.uint64(secret)
        z = (z ^ z >> np.uint64(16)) * np.uint64(0x85EBCA6B) % np.uint64(2**32)
        z = (z ^ z >> np.uint64(13)) * np.uint64(0xC2B2AE35) % np.uint64(2**32)
        z ^= z >> np.uint64(16)
        kept = x * np.float32(1 / (1 - rate))
        return np.where((z >= int(rate * 2**32)).reshape(x.shape), kept, np.float32(0))

    def weights(self, layer):
        end = str(layer + 1) if layer else ""
        return {name: self.p.get(name + end) for name in "UWbn"}

    def forward(self, x):
        """Inputs, states (T + 1, ...), gates of each layer, and what the head reads."""
        (T, B), layers = x.shape, []
        inputs = self.drop(self.architecture.num_layers, self.p["E"][x]) if "E" in self.p else None
        for layer in range(self.architecture.num_layers):
            w = self.weights(layer)
            if inputs is None:
                u = w["U"].T[x]
            else:
                u = self.matmul(np.float32(0), inputs.reshape(T * B, -1), w["U"].T).reshape(T, B, -1)
            states, gates = [self.state[layer]], []
            for t in range(T):
                before = states[t].copy()
                r = self.matmul(w["b"], before[0], w["W"].T)
                starts = x[t] == self.architecture.end
                r[starts] = w["b"]
                before[:, starts] = 0
                after, cached = self.step(u[t], r, w["n"], before)
                states.append(np.stack(after))
                gates.append((before, after, cached))
            layers.append((inputs, states, gates))
            inputs = self.drop(layer, np.stack([after[0] for after in states[1:]]))
        return layers, inputs

    def head(self, top, y):
        """Losses, and the derivatives of the mean loss of the streams by the logits."""
        (T, B), K, smoothing = y.shape, self.architecture.n_symbols, self.architecture.label_smoothing
        logits = self.matmul(self.p["c"], top.reshape(T * B, -1), self.p["V"].T)
        shifted = logits - logits.max(axis=1, keepdims=True)
        e = np.zeros((T * B, -(-K // LANES) * LANES), np.float32)
        e[:, :K] = self.exp(shifted)
        lane = e[:, :LANES]
        for k in range(LANES, e.shape[1], LANES):
            lane = lane + e[:, k : k + LANES]
        while lane.shape[1] > 1:
            half = lane.shape[1] // 2
            lane = lane[:, :half] + lane[:, half:]
        targets = shifted[np.arange(T * B), y.ravel()].astype(np.float64)
        if smoothing:
            targets += smoothing * (shifted.astype(np.float64).mean(axis=1) - targets)
        losses = np.log(lane[:, 0].astype(np.float64)) - targets
        d = e[:, :K] * (ONE / lane)
        d[np.arange(T * B), y.ravel()] -= np.float32(1 - smoothing)
        if smoothing:
            d -= np.float32(smoothing / K)
        return losses, d * np.float32(1 / B) if B > 1 else d

    def gradients(self, x, y):
        """The loss, the gradients by name, and the last state."""
        (T, B), L = x.shape, self.architecture.num_layers
        layers, top = self.forward(x)
        losses, dlogits = self.head(top, y)
        zero, rows = np.float32(0), {}
        rows["V"] = self.matmul(zero, dlogits.T, top.reshape(T * B, -1))
        rows["c"] = self.sums(dlogits)
        d = self.matmul(zero, dlogits, self.p["V"]).reshape(T, B, -1)
        for layer in reversed(range(L)):
            inputs, _, gates = layers[layer]
            w, d, end = self.weights(layer), self.drop(layer, d), str(layer + 1) if layer else ""
            dr, du, ds = [None] * T, [None] * T, np.zeros(d.shape[1:], np.float32)
            for t in reversed(range(T)):
                starts = (x[t] == self.architecture.end)[:, None]
                earlier = d[t - 1] if t else np.zeros_like(ds)
                dr[t], du[t], ds, dh0 = self.step_backward(gates[t][2], *gates[t][:2], d[t], ds, earlier)
                ds = np.where(starts, zero, ds)
                if t:
                    d[t - 1] = np.where(starts, d[t - 1], self.matmul(dh0, dr[t], w["W"]))
            dr, du = np.concatenate(dr), np.concatenate(du)
            rows["W" + end] = self.matmul(zero, dr.T, np.concatenate([before[0] for before, *_ in gates]))
            rows["b" + end] = self.sums(dr)
            if w["n"] is not None:
                rows["n" + end] = self.sums(du[:, -len(w["n"]) :])
            if inputs is None:
                rows["U"] = self.scattered(x, du).T
                continue
            rows["U" + end] = self.matmul(zero, du.T, inputs.reshape(T * B, -1))
            shared = {"rnn": 1, "lstm": 4, "gru": 2}[self.cell] * self.architecture.hidden_size
            dx = self.matmul(zero, du[:, :shared], w["U"][:shared])
            if shared < du.shape[1]:
                dx = self.matmul(dx, du[:, shared:], w["U"][shared:])
            d = dx.reshape(T, B, -1)
        if "E" in self.p:
            rows["E"] = self.scattered(x, self.drop(L, d).reshape(T * B, -1))
        return losses.sum(), rows, np.stack([states[-1] for _, states, _ in layers])

    def sums(self, d):
        """The sum of all rows, one after the other."""
        out = np.zeros(d.shape[1], np.float32)
        for row in d:
            out = out + row
        return out

    def scattered(self, x, d):
        """Rows that are added to those of their symbols."""
        out = np.zeros((self.architecture.n_symbols, d.shape[1]), np.float32)
        for symbol, row in zip(x.ravel(), d, strict=True):
            out[symbol] += row
        return out

    # --- an update --------------------------------------------------------------------------------------------------

    def update(self, x, y, fresh):
        """One update on x and y (T, B); streams that are `fresh` (B) begin from zeros. Returns the summed loss."""
        self.state[:, :, fresh.astype(bool)] = 0
        loss, grads, self.state = self.gradients(x, y)
        numbers = self.numbers
        self.n_updates += 1
        self.powers = [self.powers[0] * numbers.beta1, self.powers[1] * numbers.beta2]
        if numbers.clip_norm > 0:
            flat = self.architecture.flatten(grads).astype(np.float64).reshape(-1, LANES)
            norm = np.sqrt(np.cumsum(np.cumsum(flat * flat, axis=0)[-1])[-1])
            if norm > numbers.clip_norm:
                grads = {name: g * np.float32(numbers.clip_norm / norm) for name, g in grads.items()}
        for name, g in grads.items():
            p = self.p[name]
            if numbers.weight_decay > 0:
                p *= np.float32(1 - numbers.rate * numbers.weight_decay)
            clip = np.float32(numbers.clip_value)
            moments = self.m[name], self.v[name]
            self.p[name], self.m[name], self.v[name] = self.apply(p, np.clip(g, -clip, clip), *moments)
        return loss

    def apply(self, p, g, m, v):
        """A step of the optimiser."""
        numbers = self.numbers
        rate, eps = np.float32(numbers.rate), np.float32(numbers.eps)
        if self.rule == "sgd":
            return self.add(-rate, g, p), m, v
        if self.rule == "momentum":
            m = tiny_as_zero(self.add(numbers.momentum, m, g))
            return self.add(-rate, m, p), m, v
        if self.rule == "adagrad":
            v = self.add(g, g, v)
            return self.add(-(rate * g), self.rsqrt(v + eps), p), m, v
        if self.rule == "rmsprop":
            v = tiny_as_zero(self.add(1 - numbers.decay, self.add(g, g, -v), v))
            return self.add(-(rate * g), self.rsqrt(v + eps), p), m, v
        m = tiny_as_zero(self.add(1 - numbers.beta1, g - m, m))
        v = tiny_as_zero(self.add(1 - numbers.beta2, self.add(g, g, -v), v))
        c1 = np.float32(numbers.rate * (1 / (1 - self.powers[0])))
        c2 = np.float32(1 / (1 - self.powers[1]))
        return p - c1 * m / (np.sqrt(v * c2) + eps), m, v
