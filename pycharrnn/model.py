"""CharRNN: the face. It checks arguments and joins text, network, optimiser, training and files."""

from __future__ import annotations

import inspect
import math
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from pycharrnn import gradcheck, storage
from pycharrnn.arguments import choice, generator, integer, real
from pycharrnn.callbacks import Progress
from pycharrnn.network import Network, State
from pycharrnn.optim import OPTIMIZERS, Optimizer, Update
from pycharrnn.sampling import Ids, Sampler
from pycharrnn.text import Vocabulary, read_text
from pycharrnn.training import Budget, Callback, History, Run, train

if TYPE_CHECKING:  # NumPy imports its random module at the first use of it
    _Seed = int | np.random.Generator | np.random.SeedSequence | None
Text = str | os.PathLike[str]


class NotFittedError(ValueError, AttributeError):
    """The model has not been trained yet."""


class Best(NamedTuple):
    """The model that is kept: its weights are those of the lowest smooth loss."""

    n_updates: int
    smooth_loss: float


class Evaluation(NamedTuple):
    """How well a model predicts a text, per character."""

    nats: float
    bits: float
    perplexity: float
    n_characters: int


class CharRNN:
    """A character-level recurrent network: learns to write from a text.

    The model (Elman 1990; Karpathy 2015), for m = `hidden_size` and K distinct characters::

        a_t = W h_{t-1} + U x_t + b     U (m, K)   W (m, m)   b (m)
        h_t = tanh(a_t)                 V (K, m)   c (K)
        p_t = softmax(V h_t + c)        loss = -sum_t log p_t[y_t] over the seq_length steps

    Gradients come from back-propagation through the `seq_length` characters of a window; the state is carried from
    one window to the next and reset when the text starts anew.

    Parameters
    ----------
    cell : {"rnn"}, default "rnn"
        The recurrent cell.
    hidden_size : int, default 100
        Units of the hidden state.
    seq_length : int, default 25
        Characters through which the gradient flows back.
    optimizer : {"adagrad", "sgd", "momentum", "rmsprop", "adam"} or an `optim` object, default "adagrad"
        The update rule.
    learning_rate : float, default 0.1
        Its step. 0.1 suits AdaGrad; try 0.01 for SGD and Momentum, 0.002 for RMSProp and Adam.
    clip_value : float or None, default 5.0
        Every entry of the gradient is clipped to [-clip_value, clip_value].
    clip_norm : float or None, default None
        The whole gradient is scaled down to this Euclidean norm, before `clip_value`.
    init_scale : float, default 0.01
        Standard deviation of the initial weights. Biases start at zero.
    epochs : int or None, default 4
        Passes over the text.
    max_updates : int or None, default None
        Updates, one for each window. Training ends with whichever of the three limits comes first.
    max_seconds : float or None, default None
        Seconds of training.
    dtype : {"float32", "float64"}, default "float32"
        Precision of the computation.
    random_state : int, numpy.random.Generator, numpy.random.SeedSequence or None, default None
        Where randomness comes from. With a number, everything repeats to the bit.
    verbose : bool or None, default None
        Whether to show progress. None shows it on a terminal and in a notebook, after half a second.

    Attributes
    ----------
    vocabulary_ : Vocabulary
        The characters that the model knows.
    params_ : dict of str to ndarray
        The weights U, W, b, V, c that `sample` uses: those of the lowest smooth loss.
    history_ : History
        Losses, texts and times of the training.
    smooth_loss_ : float
        The smooth loss after the last update, in nats per `seq_length` characters.
    best_ : Best
        ``(n_updates, smooth_loss)`` of the weights that are kept.
    n_updates_ : int
        Updates made.

    Examples
    --------
    >>> from pycharrnn import CharRNN
    >>> model = CharRNN(hidden_size=32, epochs=60, random_state=0).fit("hello world, hello moon. " * 10)
    >>> model.sample(12, prompt="hello ", temperature=0)
    'world, hello'
    """

    def __init__(
        self,
        cell: str = "rnn",
        hidden_size: int = 100,
        seq_length: int = 25,
        optimizer: str | Optimizer = "adagrad",
        learning_rate: float = 0.1,
        clip_value: float | None = 5.0,
        clip_norm: float | None = None,
        init_scale: float = 0.01,
        epochs: int | None = 4,
        max_updates: int | None = None,
        max_seconds: float | None = None,
        dtype: str = "float32",
        random_state: _Seed = None,
        verbose: bool | None = None,
    ) -> None:
        self.cell = cell
        self.hidden_size = hidden_size
        self.seq_length = seq_length
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.clip_value = clip_value
        self.clip_norm = clip_norm
        self.init_scale = init_scale
        self.epochs = epochs
        self.max_updates = max_updates
        self.max_seconds = max_seconds
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    # --- parameters ---------------------------------------------------------------------------------------------

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        return {p.name: p.default for p in parameters}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's parameters by name; `deep` is there for scikit-learn."""
        return {name: getattr(self, name) for name in self._defaults()}

    def set_params(self, **params: Any) -> Self:
        """Change constructor parameters; they count from the next `fit` on."""
        for name in params:
            if name not in self._defaults():
                raise ValueError(f"CharRNN has no parameter {name!r}; it has {', '.join(self._defaults())}")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        own = self.get_params().items()
        changed = [
            f"{name}={value!r}" for name, value in own if value is not (d := self._defaults()[name]) and value != d
        ]
        return f"CharRNN({', '.join(changed)})"

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            input_tags=InputTags(string=True, one_d_array=True, two_d_array=False),
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_state")

    def _validate(self) -> None:
        choice("cell", self.cell, Network.cells)
        choice("dtype", self.dtype, ("float32", "float64"))
        if not isinstance(self.optimizer, Optimizer):
            choice("optimizer", self.optimizer, OPTIMIZERS)
        for name in ("hidden_size", "seq_length"):
            integer(name, getattr(self, name), 1, 65_536)
        for name in ("epochs", "max_updates"):
            if getattr(self, name) is not None:
                integer(name, getattr(self, name), 1, 2**62)
        real("learning_rate", self.learning_rate)
        real("init_scale", self.init_scale, zero=True)
        for name in ("clip_value", "clip_norm", "max_seconds"):
            if getattr(self, name) is not None:
                real(name, getattr(self, name))
        if self.epochs is None and self.max_updates is None and self.max_seconds is None:
            raise ValueError("training would never end: give at least one of epochs, max_updates and max_seconds")
        if self.verbose is not None and not isinstance(self.verbose, bool):
            raise ValueError(f"verbose must be True, False or None, got {self.verbose!r}")
        generator(self.random_state)

    # --- training -----------------------------------------------------------------------------------------------

    def fit(self, X: Text, y: None = None, *, callbacks: Sequence[Callback] = ()) -> Self:
        """Train a new model.

        Parameters
        ----------
        X : str or path-like
            The text itself, or the path of a UTF-8 file.
        y : None
            Ignored; there for scikit-learn.
        callbacks : sequence of callable
            Each is called with the `training.Run`; see `callbacks`. True from one ends the training.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of range, or the text has fewer than two characters.
        TypeError
            If X is neither a string nor a path.
        TrainingDivergedError
            If the loss stops being finite. The model keeps the last weights for which it was.
        KeyboardInterrupt
            On Ctrl-C. The model is left as it was after the last finished update.
        """
        self._validate()
        text = _trainable(read_text(X))
        vocabulary = Vocabulary.from_text(text)
        network = self._network(len(vocabulary))
        rng = generator(self.random_state)
        state = network.state(network.initial(rng, self.init_scale), self._update())
        budget = Budget(self.epochs, self.max_updates, self.max_seconds)
        self._train(vocabulary.encode(text), vocabulary, network, state, History(), budget, callbacks)
        return self

    def partial_fit(self, X: Text, y: None = None, *, callbacks: Sequence[Callback] = ()) -> Self:
        """Train on: one pass over a text, from the last weights, optimiser moments and smooth loss.

        After `set_params(optimizer=...)` the new rule begins with moments of its own.

        `max_updates` and `max_seconds` limit each call. The best model is sought anew. Without a `fit` before it
        begins a new model. Arguments and errors are those of `fit`, and UnknownCharacterError if the text has a
        character that the model does not know.
        """
        budget = Budget(1, self.max_updates, self.max_seconds)
        if not hasattr(self, "_state"):
            epochs, self.epochs = self.epochs, 1
            try:
                return self.fit(X, callbacks=callbacks)
            finally:
                self.epochs = epochs
        self._validate()
        text = _trainable(read_text(X))
        state = self._net.resume(self._state, self._update())
        ids = self.vocabulary_.encode(text)
        self._train(ids, self.vocabulary_, self._net, state, self.history_, budget, callbacks)
        return self

    def _train(
        self,
        ids: Ids,
        vocabulary: Vocabulary,
        network: Network,
        state: State,
        history: History,
        budget: Budget,
        callbacks: Sequence[Callback],
    ) -> None:
        trainer = network.trainer(state, self._update(), ids)

        def sample(length: int, prompt: str = "", temperature: float = 1.0) -> str:
            rng = np.random.default_rng(state.n_updates)  # of its own: watching does not change the training
            sampler = Sampler(network, state.params, vocabulary.encode(prompt), rng, temperature)
            return vocabulary.decode(sampler.draw(length))

        run = Run(history, sample, first=state.n_updates, total=budget.updates(trainer.updates_per_epoch))
        progress = Progress(disable=not _shown(self.verbose))
        try:
            train(trainer, budget, [*callbacks, progress], run, len(ids) - 1)
        finally:  # after an interrupt or a divergence too: whole updates only
            progress.close()
            self.vocabulary_, self._net, self._state, self.history_ = vocabulary, network, state, history

    def _network(self, n_symbols: int, seq_length: int | None = None, dtype: str | None = None) -> Network:
        return Network(self.cell, n_symbols, self.hidden_size, seq_length or self.seq_length, dtype or self.dtype)

    def _update(self) -> Update:
        rule = self.optimizer if isinstance(self.optimizer, Optimizer) else OPTIMIZERS[self.optimizer]()
        return Update(rule, self.learning_rate, self.clip_value, self.clip_norm)

    # --- what was learned ---------------------------------------------------------------------------------------

    def _fitted(self) -> State:
        if not hasattr(self, "_state"):
            raise NotFittedError("this CharRNN has not been trained yet: call fit(text), or load a model file")
        return self._state

    @property
    def params_(self) -> dict[str, npt.NDArray[Any]]:
        state = self._fitted()
        return {name: np.ascontiguousarray(view) for name, view in self._net.named(state.best).items()}

    @property
    def n_updates_(self) -> int:
        return self._fitted().n_updates

    @property
    def smooth_loss_(self) -> float:
        return float(self._fitted().scalars[0])

    @property
    def best_(self) -> Best:
        state = self._fitted()
        return Best(int(state.counts[2]), float(state.scalars[1]))

    # --- sampling -----------------------------------------------------------------------------------------------

    def sample(
        self, length: int = 200, *, prompt: str = "", temperature: float = 1.0, random_state: _Seed = None
    ) -> str:
        """Write text.

        Parameters
        ----------
        length : int, default 200
            Characters to write.
        prompt : str, default ""
            Text to go on from; it is not part of the result.
        temperature : float in [0, 1e308], default 1.0
            Below 1 the text is more predictable, above 1 more varied. 0 is greedy: always the likeliest character.
        random_state : int, numpy.random.Generator, numpy.random.SeedSequence or None, default None
            A number gives the same text every time. None goes on from the model's own `random_state`: the texts of a
            program differ from each other, and are the same in its next run.

        Returns
        -------
        str
            `length` characters.

        Raises
        ------
        NotFittedError, ValueError, TypeError
        UnknownCharacterError
            If the prompt has a character that the model does not know.

        Notes
        -----
        Any number of threads may sample from one model; the interpreter lock is released meanwhile.
        """
        integer("length", length, 0, 2**48)
        sampler = self._sampler(prompt, temperature, random_state)
        return self.vocabulary_.decode(sampler.draw(length))

    def stream(
        self,
        length: int | None = None,
        *,
        prompt: str = "",
        temperature: float = 1.0,
        random_state: _Seed = None,
    ) -> Iterator[str]:
        """Write text character by character: the same characters as `sample` gives, each as soon as it is drawn.

        Parameters are those of `sample`; a `length` of None goes on for ever.
        """
        if length is not None:
            integer("length", length, 0, 2**48)
        sampler = self._sampler(prompt, temperature, random_state)
        vocabulary = self.vocabulary_

        def characters() -> Iterator[str]:
            n = 0
            while length is None or n < length:
                yield vocabulary.decode(sampler.draw(1))
                n += 1

        return characters()

    def _sampler(self, prompt: str, temperature: float, random_state: _Seed) -> Sampler:
        state = self._fitted()
        real("temperature", temperature, zero=True)
        if random_state is None and isinstance(self.random_state, (int, np.integer)):
            self._n_samples = getattr(self, "_n_samples", 0) + 1
            random_state = np.random.SeedSequence([int(self.random_state), self._n_samples])
        elif random_state is None:
            random_state = self.random_state
        rng = generator(random_state)
        return Sampler(self._net, state.best, self.vocabulary_.encode(prompt), rng, float(temperature))

    # --- evaluation ---------------------------------------------------------------------------------------------

    def score(self, X: Text, y: None = None) -> float:
        """Mean log-likelihood of the text, in nats per character: higher is better. Arguments as for `fit`."""
        return -self.evaluate(X).nats

    def evaluate(self, X: Text) -> Evaluation:
        """Nats, bits and perplexity per character of a text: each after the first is predicted from all before it.

        Raises
        ------
        NotFittedError, ValueError, TypeError
        UnknownCharacterError
            If the text has a character that the model does not know.
        """
        state = self._fitted()
        text = _trainable(read_text(X))
        ids = self.vocabulary_.encode(text)
        nats = float(self._net.losses(state.best, ids).mean())
        perplexity = math.exp(nats) if nats < 700 else math.inf
        return Evaluation(nats, nats / math.log(2), perplexity, len(ids) - 1)

    # --- gradients ----------------------------------------------------------------------------------------------

    def _exact(self, text: str, seq_length: int) -> tuple[Vocabulary, Network, npt.NDArray[Any]]:
        """The model in double precision: as trained, or as `fit(text)` would begin."""
        if hasattr(self, "_state"):
            vocabulary, net = self.vocabulary_, self._net
            network = Network(self.cell, len(vocabulary), net.H, seq_length, "float64")
            return vocabulary, network, network.flatten(net.named(self._state.best))
        self._validate()
        vocabulary = Vocabulary.from_text(text)
        network = self._network(len(vocabulary), seq_length, "float64")
        return vocabulary, network, network.initial(generator(self.random_state), self.init_scale)

    def loss_and_gradients(
        self, text: str, targets: str | None = None
    ) -> tuple[float, dict[str, npt.NDArray[np.float64]]]:
        """Loss of one window and its gradients by back-propagation through time, in double precision.

        Parameters
        ----------
        text : str
            The characters read, from the zero state.
        targets : str or None
            The characters to predict, as many. None takes the text itself, shifted by one: all but the last of its
            characters are read, all but the first are predicted.

        Returns
        -------
        loss : float
            Summed over the window, in nats.
        gradients : dict of str to ndarray of float64
            dloss/dU (m, K), dloss/dW (m, m), dloss/db (m,), dloss/dV (K, m), dloss/dc (K,), not clipped.

        Notes
        -----
        Before `fit` these are the gradients at the initial weights, for the characters of the text.

        Examples
        --------
        >>> loss, gradients = CharRNN(hidden_size=4, random_state=0).loss_and_gradients("abab")
        >>> round(loss, 2), gradients["W"].shape
        (2.08, (4, 4))
        """
        if targets is None:
            text, targets = _trainable(read_text(text, "text"))[:-1], text[1:]
        vocabulary, network, params = self._exact(text + targets, max(1, len(text)))
        loss, gradients, _ = network.loss_and_gradients(params, vocabulary.encode(text), vocabulary.encode(targets))
        return loss, {name: np.ascontiguousarray(gradient) for name, gradient in gradients.items()}

    def check_gradients(
        self,
        text: Text,
        seq_lengths: Sequence[int] = (5, 10, 15, 25),
        *,
        batches: int = 2,
        h: float = 1e-4,
        eps: float = 1e-3,
    ) -> gradcheck.GradientTable:
        """Compare back-propagation with central differences, for every entry of every tensor, in double precision.

        Parameters
        ----------
        text : str or path-like
            At least ``batches * max(seq_lengths) + 1`` characters.
        seq_lengths : sequence of int
            Lengths of the windows.
        batches : int
            Windows from the start of the text, each from the state that the one before it left.
        h : float
            Step of the differences ``(loss(x + h) - loss(x - h)) / 2h``.
        eps : float
            Errors are |ga - gn| / max(eps, |ga| + |gn|): smaller gradients only measure rounding.

        Returns
        -------
        GradientTable
            One row for each window and tensor; prints itself.
        """
        text = read_text(text, "text")
        integer("batches", batches, 1, 2**20)
        real("h", h)
        real("eps", eps)
        for T in seq_lengths:
            integer("seq_lengths", T, 1, 65_536)
            if len(text) <= batches * T:
                raise ValueError(f"text must have more than {batches} * {T} characters, it has {len(text)}")
        rows: list[gradcheck.GradientError] = []
        for T in seq_lengths:
            vocabulary, network, params = self._exact(text, T)
            ids = vocabulary.encode(text[: batches * T + 1])
            rows += gradcheck.check(network, params, ids, seq_length=T, batches=batches, h=h, eps=eps)
        return gradcheck.GradientTable(rows)

    # --- files --------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to one safetensors file: weights, vocabulary and parameters, nothing of the text.

        The same model gives the same bytes. An existing file is replaced only once the new one is complete.

        Raises
        ------
        NotFittedError
        OSError
            If the file cannot be written; an old one is then left as it was.
        """
        self._fitted()
        self._validate()  # no file that load would refuse
        params = self.get_params() | self._net.architecture  # as trained, whatever set_params has said since
        if isinstance(self.optimizer, Optimizer):
            params["optimizer"] = {"name": self.optimizer.name} | self.optimizer.numbers()
        if not isinstance(self.random_state, (int, np.integer)):
            params["random_state"] = None  # a generator is a state of its own, not a parameter
        params["verbose"] = None  # says how it was watched, not what it is
        plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in params.items()}
        best: dict[str, Any] = self.best_._asdict()
        if not math.isfinite(self.best_.smooth_loss):
            best["smooth_loss"] = None  # stopped before the first update
        metadata = {"params": plain, "n_symbols": len(self.vocabulary_), "best": best}
        tensors = self.params_ | {"vocabulary": self.vocabulary_.code_points}
        storage.save(path, tensors, metadata)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model file.

        Raises
        ------
        ModelFileError
            If the file is not a model, was cut short or changed, or comes from a newer version.
        OSError
            If it cannot be read.
        """
        tensors, metadata = storage.load(path, cls._layout)
        model = cls._from_metadata(metadata)
        model.vocabulary_ = Vocabulary(tensors.pop("vocabulary"))
        model._net = model._network(len(model.vocabulary_))
        model._state = model._net.state(model._net.flatten(tensors), model._update())
        best = metadata["best"]
        model._state.counts[1:] = best["n_updates"]
        if best["smooth_loss"] is not None:
            model._state.scalars[:2] = best["smooth_loss"]
        model.history_ = History()
        return model

    @classmethod
    def _from_metadata(cls, metadata: dict[str, Any]) -> Self:
        params = dict(metadata["params"])
        if isinstance(params["optimizer"], dict):
            numbers = dict(params["optimizer"])
            params["optimizer"] = OPTIMIZERS[numbers.pop("name")](**numbers)
        if set(params) != set(cls._defaults()):
            raise ValueError(
                f"parameters differ from those of this version: {sorted(set(params) ^ set(cls._defaults()))}"
            )
        model = cls(**params)
        model._validate()
        return model

    @classmethod
    def _layout(cls, metadata: dict[str, Any]) -> dict[str, tuple[tuple[int, ...], str]]:
        """The tensors that a file with this metadata holds, from a few bounded integers."""
        model = cls._from_metadata(metadata)
        n_symbols, best = metadata["n_symbols"], metadata["best"]
        integer("n_symbols", n_symbols, 1, 0x110000)
        integer("best n_updates", best["n_updates"], 0, 2**62)
        if best["smooth_loss"] is not None:
            real("best smooth_loss", best["smooth_loss"], zero=True)
        network = model._network(n_symbols)
        stored = {name: (shape, model.dtype) for name, shape in network.shapes.items()}
        return stored | {"vocabulary": ((n_symbols,), "uint32")}


def _trainable(text: str) -> str:
    if len(text) < 2:
        raise ValueError(
            f"the text has {len(text)} character{'s' * (len(text) != 1)}: at least 2 are needed, one to read and one "
            "to predict from it"
        )
    return text


def _shown(verbose: bool | None) -> bool:
    if verbose is not None:
        return verbose
    return sys.stderr is not None and (sys.stderr.isatty() or "ipykernel" in sys.modules)
