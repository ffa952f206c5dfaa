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


def tensors(named, layer):
    """Those of one layer: U, W, b and, if it has one, n."""
    suffix = str(layer + 1) if layer else ""
    return {name: named[name + suffix] for name in "UWbn" if name + suffix in named}


def step(cell, p, x, state):
    """One step of one layer that reads x (B, inputs): the next state (h or h and c, B, H), and the gates.

    A GRU's candidate resets the product with the state, as cuDNN and PyTorch do.
    """
    u, r = x @ p["U"].T, state[0] @ p["W"].T + p["b"]
    if cell == "rnn":
        return np.tanh(u + r)[None], ()
    if cell == "lstm":
        i, f, g, o = np.split(u + r, 4, axis=1)
        i = sigmoid(i)
        f = sigmoid(f)
        g = np.tanh(g)
        o = sigmoid(o)
        c = f * state[1] + i * g
        return np.stack([o * np.tanh(c), c]), (i, f, g, o)
    (u_s, u_z, u_g), (r_s, r_z, q) = np.split(u, 3, axis=1), np.split(r, 3, axis=1)
    s, z = sigmoid(u_s + r_s), sigmoid(u_z + r_z)
    g = np.tanh(u_g + p["n"] + s * q)
    return ((1 - z) * g + z * state[0])[None], (s, z, g, q)


def step_backward(cell, gates, before, after, d):
    """Of d = dloss/d after: dloss/du, dloss/dr, and the part of dloss/d before that does not pass through W."""
    if cell == "rnn":
        da = (1 - after[0] ** 2) * d[0]
        return da, da, np.zeros_like(d)
    if cell == "lstm":
        (i, f, g, o), t = gates, np.tanh(after[1])
        dc = d[1] + d[0] * o * (1 - t**2)
        di = dc * g
        df = dc * before[1]
        dg = dc * i
        do = d[0] * t
        da = np.hstack([di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)])
        return da, da, np.stack([np.zeros_like(dc), dc * f])
    s, z, g, q = gates
    dg, dz = d[0] * (1 - z) * (1 - g**2), d[0] * (before[0] - g) * z * (1 - z)
    ds = dg * q * s * (1 - s)
    return np.hstack([ds, dz, dg]), np.hstack([ds, dz, dg * s]), d * z


def forward(params, x, state, end=-1, cell="rnn", stay=0.0):
    """What goes in and comes out of each step: for each t and layer (inputs, state before, state after, gates, made).

    x is (T, B), state (L, h or h and c, B, H). A state is zero before the end symbol is read. `made` is what the cell
    makes of the state; of the state before, the share `stay` remains in the state after. The share is a number or an
    array (T, L, h or h and c, B, H), of zeros and ones where zoneout is drawn at random.
    """
    steps = []
    stay = np.broadcast_to(stay, (len(x), *state.shape))
    for t, symbols in enumerate(x):
        inputs, layers = params.get("E", np.eye(len(params["c"])))[symbols], []
        for layer, before in enumerate(state):
            before = before * (symbols != end)[:, None]
            made, gates = step(cell, tensors(params, layer), inputs, before)
            after = made + stay[t, layer] * (before - made)
            layers.append((inputs, before, after, gates, made))
            inputs = after[0]
        steps.append(layers)
        state = [after for _, _, after, _, _ in layers]
    return steps


def predict(params, x, state, end=-1, cell="rnn", stay=0.0):
    """The probability of each symbol after each x[t] (T, B, K), the last state, the top layer's h, and all steps."""
    steps = forward(params, x, state, end, cell, stay)
    h = np.stack([layers[-1][2][0] for layers in steps])
    last = np.stack([after for _, _, after, _, _ in steps[-1]])
    return softmax(h @ params["V"].T + params["c"]), last, h, steps


def loss_and_gradients(params, x, y, state, end=-1, cell="rnn", smoothing=0, stay=0.0):
    """Summed loss, gradients by name and the last state, for x and y (T, B).

    The state is (L, h or h and c, B, H), or in one layer of an RNN (B, H), and comes back shaped alike.
    """
    p, last, h, steps = predict(params, x, state if state.ndim == 4 else state[None, None], end, cell, stay)
    stay = np.broadcast_to(stay, (len(x), *last.shape))
    targets = (1 - smoothing) * np.eye(p.shape[-1])[y] + smoothing / p.shape[-1]
    loss = -(targets * np.log(p)).sum()
    dlogits = p - targets
    grads = {name: np.zeros(value.shape) for name, value in params.items()}
    grads["V"] += np.einsum("tbk,tbh->kh", dlogits, h)
    grads["c"] += dlogits.sum(axis=(0, 1))
    d = np.zeros_like(last)  # dloss / d state, by way of the steps that follow
    for t in reversed(range(len(x))):
        from_above = dlogits[t] @ params["V"]
        for layer in reversed(range(len(d))):
            inputs, before, _, gates, made = steps[t][layer]
            weights, into = tensors(params, layer), tensors(grads, layer)
            d[layer, 0] += from_above
            stayed = stay[t, layer] * d[layer]
            du, dr, d[layer] = step_backward(cell, gates, before, made, d[layer] - stayed)
            d[layer] += stayed
            into["U"] += du.T @ inputs
            into["W"] += dr.T @ before[0]
            into["b"] += dr.sum(axis=0)
            if "n" in into:
                into["n"] += du[:, -len(into["n"]) :].sum(axis=0)  # of the gates that keep the two shares apart
            d[layer, 0] += dr @ weights["W"]
            d[layer] *= (x[t] != end)[:, None]
            from_above = du @ weights["U"]
        if "E" in grads:
            np.add.at(grads["E"], x[t], from_above)
    return loss, grads, last.reshape(state.shape)


def rnn_forward(params, x, h0, end=-1):
    """h (T + 1, B, H) of one layer of an RNN, from h0 (B, H)."""
    return np.stack([h0, *(layers[0][2][0] for layers in forward(params, x, h0[None, None], end))])


def key(seed, counter):
    """32 bits for each counter: the upper half of splitmix64 (Steele, Lea, Flood 2014)."""
    z = (seed + (counter + 1) * 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return (z ^ z >> 31) >> 32


def masked(n, rate, key):
    """Which of n elements a mask of this key takes out: the finaliser of MurmurHash3 (Appleby 2011) decides."""
    z = np.arange(n, dtype=np.uint32) * np.uint32(0x9E3779B1) ^ np.uint32(key)
    z = (z ^ z >> 16) * np.uint32(0x85EBCA6B)
    z = (z ^ z >> 13) * np.uint32(0xC2B2AE35)
    return (z ^ z >> 16) < np.uint32(int(rate * 2**32))


def zoneout(seed, update, shape, rates):
    """Which states stay: ones and zeros of the shape (T, L, h or h and c, B, H). Rows of masks have whole vectors."""
    T, L, states, B, H = shape
    padded = -(-H // LANES) * LANES
    stay = np.zeros(shape)
    for layer in range(L):
        for s in range(states):
            by = key(~seed % 2**64, update * 2 * L + 2 * layer + s)
            stay[:, layer, s] = masked(T * B * padded, rates[s], by).reshape(T, B, padded)[..., :H]
    return stay


def train(params, ids, *, cell, end, T, B, layers, rate, n_updates):
    """Plain gradient descent on B equal streams: params, state and the losses in nats per T characters of a stream.

    Each pass after the first reads the streams from another place on, as if the text's ends were joined.
    """
    params = {name: np.array(value, np.float64) for name, value in params.items()}
    N = len(ids) - 1
    shift = 0
    position = 0
    losses = []
    S = N // B
    for i in range(n_updates):
        if position == 0:
            if i and B > 1:
                shift = key(0, i)
            places = (shift + np.arange(S)[:, None] + S * np.arange(B)) % N
            state = np.zeros((layers, 1 + (cell == "lstm"), B, params["V"].shape[1]))
        window = places[position : position + T]
        n = len(window)
        loss, grads, state = loss_and_gradients(params, ids[window], ids[window + 1], state, end, cell)
        losses.append(loss / n * T / B)
        params = {name: value - rate * grads[name] / B for name, value in params.items()}
        position = (position + n) % S
    return params, state, np.array(losses)


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


def moving_average(x, weights, mean):
    """The mean after each x, which moves to x by the share of its weight; below 0 there is none yet."""
    out = []
    for new, weight in zip(x.tolist(), weights.tolist(), strict=True):
        mean = mean + weight * (new - mean) if mean >= 0 else new
        out.append(mean)
    return np.array(out)


def draw(logits, temperature, u, smoothing=0.0):
    """The index whose share of softmax(logits / temperature), without what smoothing gave to all alike, covers u."""
    return covering(shares(logits, temperature, smoothing), u)


def covering(p, u):
    """The index whose share covers u."""
    return int(min(np.searchsorted(np.cumsum(p), u, side="right"), len(p) - 1))


def shares(
    logits, temperature=1.0, smoothing=0.0, penalty=1.0, counts=None, bias=None, top_k=None, top_p=1.0, min_p=0.0
):
    """The distribution from which a symbol is drawn: each setting after the one before it."""
    z = raw = np.asarray(logits, np.float64)
    if smoothing and (temperature or counts is not None or bias is not None):
        q, each = softmax(z), smoothing / len(z)
        with np.errstate(divide="ignore"):
            z = np.log(np.where(q > (2 * each if each < q.max() / 2 else each), np.maximum(q - each, 0), 0))
        z += raw.max() - z.max()  # the likeliest symbol keeps its logit, on which a penalty depends
    if counts is not None:
        z = np.where(counts > 0, np.where(z > 0, z / penalty, z * penalty), z)
    z = z if bias is None else z + bias
    if np.isneginf(z).all():  # all that may come was dropped as noise
        return shares(raw, temperature, 0.0, penalty, counts, bias, top_k, top_p, min_p)
    if temperature == 0:
        return np.eye(len(z))[np.argmax(z)]
    p = softmax((z - z.max()) / temperature)
    order = np.argsort(-p, kind="stable")
    if top_k is not None:
        p = np.where(p >= p[order[min(top_k, len(p)) - 1]], p, 0)
        p /= p.sum()
    if top_p < 1:
        before = np.cumsum(p[order]) - p[order]
        p[order[1:][before[1:] >= top_p]] = 0
        p /= p.sum()
    p[p < min_p * p.max()] = 0
    return p / p.sum()


def unsmoothed(q, smoothing, part):
    """Shares q (..., K) without a part of what smoothing gave to all alike; of each a tenth stays at least."""
    p = np.maximum(q - part * smoothing / q.shape[-1], q / 10)
    return p / p.sum(axis=-1, keepdims=True)


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
        self.rate = rate
        self.clip = clip
        self.eps = eps
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


# --- ordered, in single precision and with bfloat16 operands ------------------------------------------------------

TINY = 2.0**-126  # the smallest normal number of both


def bfloat16(x):
    """Float32 numbers rounded to eight bits: to the nearest, ties to the even one, subnormal ones to zero."""
    with np.errstate(all="ignore"):
        x = np.asarray(x, np.float32).astype(np.float64)
        mantissa, exponent = np.frexp(x)
        nearest = np.ldexp(np.rint(mantissa * 256), exponent - 8)
        return np.where(np.abs(x) < TINY, np.copysign(0, x), nearest).astype(np.float32)


def fused(a, b, c, flush=False):
    """float32(a b + c), rounded once; `flush`: what is then below the normal numbers becomes zero.

    A product of two float32 numbers is exact in float64. Its sum with a third is not: what float64 leaves over says in
    which direction the exact sum lies, and an even last bit moves one step there. Such a sum, rounded to odd with at
    least two bits more than float32 has, rounds to the same float32 number as the exact one (Boldo and Melquiond 2008,
    IEEE Transactions on Computers 57).
    """
    with np.errstate(all="ignore"):
        product = np.asarray(a, np.float64) * np.asarray(b, np.float64)
        c = np.asarray(c, np.float64)
        total = product + c
        part = total - product
        rest = (product - (total - part)) + (c - part)  # the error of the sum (Knuth)
        even = total.view(np.int64) & 1 == 0
        odd = np.nextafter(total, np.copysign(np.inf, rest))
        total = np.where((rest != 0) & np.isfinite(rest) & even, odd, total)
        single = total.astype(np.float32)
        # Rounded to 24 bits whatever the exponent, which is how a processor finds out that a result is too small.
        below = np.abs(total) < TINY - 2.0**-151
        return np.where(flush & below, np.copysign(np.float32(0), single), single)


def flushed(x):
    """Float32 numbers, those below the normal ones as zero."""
    return np.where(np.abs(x) < TINY, np.copysign(np.float32(0), x), x)


def bfloat16_matmul(start, A, B, fma=True):
    """start + A @ B, the operands rounded to bfloat16, the sums float32 in the order of TDPBF16PS.

    Without `fma` a product is rounded, or flushed, before it is added.
    """
    M, K, N = *A.shape, B.shape[1]
    a, b = np.zeros((M, -(-K // 32) * 32), np.float32), np.zeros((-(-K // 32) * 32, N), np.float32)
    a[:, :K] = bfloat16(A)
    b[:K] = bfloat16(B)
    c = flushed(np.array(np.broadcast_to(start, (M, N)), np.float32))
    with np.errstate(all="ignore"):
        for k in range(0, K, 32):
            chains = [np.zeros((M, N), np.float32), np.zeros((M, N), np.float32)]
            for q in range(32):
                x, y, add = a[:, k + q, None], b[k + q], chains[q % 2]
                chains[q % 2] = fused(x, y, add, True) if fma else flushed(flushed(x * y) + add)
            c = flushed(c + flushed(chains[0] + chains[1]))
    return c
