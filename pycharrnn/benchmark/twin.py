"""The slow twin: the classic model as one writes it in NumPy."""

from __future__ import annotations

import numpy as np

from pycharrnn.arrays import Array, Floats, Ids
from pycharrnn.benchmark.jobs import CLASSIC
from pycharrnn.network.initial import normal

_EPS = 1e-8  # of AdaGrad, under the root


class NumpyCharRNN:
    """The classic model as one writes it in NumPy: a plain loop over the characters of a window.

    It makes the updates of a `CharRNN` with the same parameters; only rounding differs.

    Parameters
    ----------
    n_symbols : int
        The distinct characters, K.
    hidden_size : int, default 100
        The units of the hidden state, m.
    seq_length : int, default 25
        Characters of a window.
    dtype : {"float64", "float32"}, default "float64"
        The precision of the computation.
    random_state : int, default 0
        The seed of the initial weights.

    Attributes
    ----------
    params : dict of str to ndarray
        The weights U (m, K), W (m, m), b (m,), V (K, m) and c (K,).
    smooth_loss : float
        The smooth loss after the last update, in nats per `seq_length` characters; NaN before the first.

    Notes
    -----
    For the characters x_t and y_t = x_{t+1} of a window::

        h_t = tanh(W h_{t-1} + U x_t + b)      p_t = softmax(V h_t + c)      loss = - sum_t log p_t[y_t]

    Gradients come from back-propagation through the window. They are clipped to [-5, 5] and step by AdaGrad (Duchi et
    al. 2011): s <- s + g^2, w <- w - 0.1 g / sqrt(s + 1e-8).

    References
    ----------
    Andrej Karpathy, "Minimal character-level language model with a vanilla recurrent neural network", 2015:
    min-char-rnn.py, https://gist.github.com/karpathy/d4dee566867f8291f086.

    John Duchi, Elad Hazan and Yoram Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization", Journal of Machine Learning Research 12, 2011.

    Examples
    --------
    >>> import numpy as np
    >>> ids = np.array([0, 1, 2, 1] * 50, np.int32)
    >>> twin = NumpyCharRNN(3, hidden_size=8, seq_length=10)
    >>> losses = twin.train(ids, 300)
    >>> bool(losses[-1] < 0.5 * losses[0])
    True
    """

    def __init__(
        self,
        n_symbols: int,
        hidden_size: int = CLASSIC.hidden_size,
        seq_length: int = CLASSIC.seq_length,
        dtype: str = "float64",
        random_state: int = 0,
    ) -> None:
        m, K = hidden_size, n_symbols
        rng = np.random.default_rng(random_state)
        shapes = {"U": (m, K), "W": (m, m), "V": (K, m)}
        self.params = {name: normal(rng, CLASSIC.init_scale, shape).astype(dtype) for name, shape in shapes.items()}
        self.params |= {"b": np.zeros(m, dtype), "c": np.zeros(K, dtype)}
        self.squares = {name: np.zeros_like(p) for name, p in self.params.items()}
        self.seq_length = seq_length
        self.smooth_loss = float("nan")
        self.position = 0
        self.h = np.zeros(m, dtype)

    def forward(self, x: Ids, y: Ids, h0: Array) -> tuple[float, Array, Array]:
        """Predict the symbols of a window.

        Parameters
        ----------
        x, y : ndarray of int32, shape (n,)
            The symbols read and those to predict.
        h0 : ndarray, shape (m,)
            The state before the window.

        Returns
        -------
        loss : float
            Summed over the window, in nats.
        h : ndarray, shape (n + 1, m)
            The states; h[0] is h0.
        p : ndarray, shape (n, K)
            The probabilities.
        """
        U, W, V, b, c = (self.params[name] for name in "UWVbc")
        n = len(x)
        h = np.empty((n + 1, len(b)), b.dtype)
        p = np.empty((n, len(c)), b.dtype)
        loss = 0.0
        h[0] = h0
        for t in range(n):
            h[t + 1] = np.tanh(W @ h[t] + U[:, x[t]] + b)
            p[t] = _softmax(V @ h[t + 1] + c)
            loss -= float(np.log(p[t, y[t]]))
        return loss, h, p

    def backward(self, x: Ids, y: Ids, h: Array, p: Array) -> dict[str, Array]:
        """Compute the gradients of the summed loss by back-propagation through the window.

        Parameters
        ----------
        x, y : ndarray of int32, shape (n,)
            The symbols of the window, as for `forward`.
        h, p : ndarray
            The states and the probabilities that `forward` returned.

        Returns
        -------
        dict of str to ndarray
            The gradients, by the names and with the shapes of `params`.
        """
        W, V = self.params["W"], self.params["V"]
        grads = {name: np.zeros_like(value) for name, value in self.params.items()}
        dh_next = np.zeros_like(h[0])
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

    def train(self, ids: Ids, n_updates: int) -> Floats:
        """Make updates, from where the last call ended.

        Parameters
        ----------
        ids : ndarray of int32
            The text; the same one at each call.
        n_updates : int
            How many. After the last window of the text comes the first, from a zero state.

        Returns
        -------
        ndarray, shape (n_updates,)
            The loss of each, in nats per `seq_length` characters.
        """
        losses = np.empty(n_updates)
        for i in range(n_updates):
            n = min(self.seq_length, len(ids) - 1 - self.position)  # the last window has what is left
            x = ids[self.position :][:n]
            y = ids[self.position + 1 :][:n]
            loss, h, p = self.forward(x, y, self.h if self.position else np.zeros_like(self.h))
            for name, g in self.backward(x, y, h, p).items():
                np.clip(g, -CLASSIC.clip_value, CLASSIC.clip_value, out=g)
                self.squares[name] += g * g
                self.params[name] -= CLASSIC.learning_rate * g / np.sqrt(self.squares[name] + _EPS)
            share = n / self.seq_length  # a short window counts as much as it has characters
            losses[i] = loss / share
            old = losses[i] if np.isnan(self.smooth_loss) else self.smooth_loss
            self.smooth_loss = float((1 - 0.001 * share) * old + 0.001 * share * losses[i])
            self.h = h[-1]
            self.position = (self.position + n) % (len(ids) - 1)
        return losses

    def sample(self, n: int, rng: np.random.Generator) -> Ids:
        """Draw symbols, the first from the zero state.

        Parameters
        ----------
        n : int
            How many.
        rng : numpy.random.Generator
            What draws them.

        Returns
        -------
        ndarray of int32, shape (n,)
            The symbols.
        """
        U, W, V, b, c = (self.params[name] for name in "UWVbc")
        h = np.zeros_like(b)
        out = np.empty(n, np.int32)
        for i in range(n):
            out[i] = rng.choice(len(c), p=_softmax(V @ h + c))
            h = np.tanh(W @ h + U[:, out[i]] + b)
        return out


def _softmax(logits: Array) -> Array:
    e = np.exp(logits - logits.max())
    return np.asarray(e / e.sum())
