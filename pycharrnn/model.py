"""CharRNN: the face. It checks arguments and joins text, network, optimiser, training and files."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar, overload

import numpy as np
import numpy.typing as npt

from pycharrnn.arguments import (
    Integer,
    Maybe,
    RandomState,
    Real,
    Seed,
    Several,
    Text,
    choice,
    generator,
    integer,
    real,
    string,
)
from pycharrnn.arrays import Ids
from pycharrnn.errors import NotFittedError
from pycharrnn.files import container as storage
from pycharrnn.lab import gradcheck
from pycharrnn.lab.gradient_table import GradientTable
from pycharrnn.network.growth import grown
from pycharrnn.network.network import Network
from pycharrnn.network.state import Best, Squares, State
from pycharrnn.parameters import Parameters, architecture, changed, check_parameters, descent, plain, restored
from pycharrnn.sampling.sampler import Sampler, claim_texts
from pycharrnn.sampling.settings import Sampling
from pycharrnn.tables import Docstring
from pycharrnn.text.reading import read_corpus
from pycharrnn.text.vocabulary import Vocabulary
from pycharrnn.training.budget import Budget
from pycharrnn.training.callbacks import Callback
from pycharrnn.training.fitting import fit, shuffled, split
from pycharrnn.training.history import History
from pycharrnn.training.optimizers import OPTIMIZERS
from pycharrnn.training.run import Run
from pycharrnn.training.schedules import SCHEDULES, Schedule
from pycharrnn.training.trainer import Trainer

Texts = str | os.PathLike[str] | Sequence[str] | Sequence[os.PathLike[str]]
LENGTH = Maybe(Integer(0, 2**48))
_Corpus = TypeVar("_Corpus", str, list[str], str | list[str], Ids)


class _Learned(NamedTuple):
    """What a training leaves behind. The model swaps all of it at once: no reader sees parts of two trainings."""

    vocabulary: Vocabulary
    network: Network
    state: State
    history: History


_TAKING = threading.Lock()  # held while a training takes a model for itself


class Evaluation(NamedTuple):
    """How well a model predicts a text, per character."""

    nats: float
    bits: float
    perplexity: float
    n_characters: int


class CharRNN(Parameters):
    __doc__: Any = Docstring("""
    A character-level recurrent network: learns to write from a text.

    The model (Elman 1990; Karpathy 2015), for m = `hidden_size` and K distinct characters::

        a_t = W h_{t-1} + U x_t + b     U (m, K)   W (m, m)   b (m)
        h_t = tanh(a_t)                 V (K, m)   c (K)
        p_t = softmax(V h_t + c)        loss = -sum_t log p_t[y_t] over the seq_length steps

    The equations of LSTM and GRU are those of PyTorch, whose order of gates they keep. Gradients come from
    back-propagation through the `seq_length` characters of a window; the state is carried from one window to the next
    and reset when the text starts anew. In a batch each stream also starts afresh every 64 windows, and each pass over
    the text after the first begins at another place of it, which `random_state` draws: no two passes have the same
    windows.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    vocabulary_ : Vocabulary
        The characters that the model knows.
    params_ : dict of str to ndarray
        The weights U, W, b, V, c that `sample` uses, the best ones: see `best_`. The arrays of a
        second layer are U2, W2, b2, and so on. U is PyTorch's ``weight_ih``, W its ``weight_hh``, with gates in its
        order; b is the sum of both biases. In a GRU that holds for the gates; of the candidate b is ``bias_hh`` and n,
        an array more, ``bias_ih``.
    history_ : History
        Losses, texts and times of the training.
    smooth_loss_ : float
        The smooth loss after the last update, in nats per `seq_length` characters.
    best_ : Best
        Of the weights that are kept, those of the lowest loss on the validation text or, without one, on a fixed part
        of the training text: the updates that they have made and their losses.
    n_updates_ : int
        Updates made.

    Examples
    --------
    >>> from pycharrnn import CharRNN
    >>> model = CharRNN(hidden_size=32, epochs=60, random_state=0).fit("hello world, hello moon. " * 10)
    >>> model.sample(12, prompt="hello ", temperature=0)
    'world, hello'
    """)

    def _repr_html_(self) -> str:
        """The same for a notebook, and what came of the training."""
        from pycharrnn.lab import notebook  # only now: few programs are notebooks

        rows = changed(self)
        if not self.__sklearn_is_fitted__():
            return notebook.table("CharRNN", rows | {"trained": "not yet"})
        best, vocabulary = self.best_, self.vocabulary_
        losses = {"validation": best.validation_loss, "training": best.training_loss}
        known = {kind: nats for kind, nats in losses.items() if nats is not None}
        kind, nats = next(iter(known.items()), ("smooth", best.smooth_loss / self.seq_length))
        lowest = f"{nats:.3f} nats per character, after update {best.n_updates:,}" if np.isfinite(nats) else "none yet"
        rows["trained"] = f"{self.n_updates_:,} updates, on {'documents' if vocabulary.end is not None else 'a text'}"
        rows[f"best {kind} loss"] = lowest
        rows["characters"] = f"{len(vocabulary):,} distinct"
        return notebook.table("CharRNN", rows)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            input_tags=InputTags(string=True, one_d_array=True, two_d_array=False),
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_learned")

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_trainer"}  # a copy is not in training

    # --- training -----------------------------------------------------------------------------------------------

    def fit(
        self, X: Texts, y: None = None, *, validation: Texts | None = None, callbacks: Sequence[Callback] = ()
    ) -> Self:
        """Train a new model.

        Parameters
        ----------
        X : str, path-like or sequence of str
            The text itself, the path of a UTF-8 file (packed with gzip, bzip2, xz or zip, or not), or documents: names,
            tweets, poems, or a list of the paths of their files. Each document starts from a zero state and ends with a
            symbol of its own, so that `sample` writes whole documents. They are shuffled once, by `random_state`. See
            `read_documents` for JSON, CSV and folders. A str is a text even if it looks like a path; a
            PathLikeTextWarning says so.
        y : None
            Ignored; there for scikit-learn.
        validation : str, path-like, sequence of str or None
            A text, or documents, to find the best model with, instead of a `validation_fraction` of X.
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
            If X is not one of these, such as a table, of which one column can be documents.
        TrainingDivergedError
            If the loss stops being finite and cutting the learning rate does not help (`history_.divergences` tells of
            the times that it did), or if in the end it is far above that of guessing. The model keeps the best weights.
        KeyboardInterrupt
            On Ctrl-C. The model is left as it was after the last finished update.
        RuntimeError
            If the model is being trained already, in another thread or by a callback.

        Notes
        -----
        The weights that are kept are those of the lowest loss on the validation text, which is computed after each
        epoch. Without one they are those of the lowest loss on the training text, of which the same 16,000 characters
        or so are read at the start, after each half a million characters of training, and at the end; or all of it,
        where one stream reads it in half a second. `best_` tells of them.

        `max_seconds` counts from the call on and includes that, and whatever callbacks do.
        """
        begin = time.perf_counter()
        with self._training():
            check_parameters(self)
            text = _trainable(read_corpus(X))
            other = None if validation is None else read_corpus(validation, "validation")
            self._fit(text, other, Budget(self.epochs, self.max_updates, self.max_seconds), callbacks, begin)
        return self

    def _fit(
        self,
        text: str | list[str],
        validation: str | list[str] | None,
        budget: Budget,
        callbacks: Sequence[Callback],
        begin: float,
    ) -> None:
        vocabulary = Vocabulary.from_text(text, self.min_count)
        network = self._network(vocabulary)
        rng = generator(self.random_state)
        params = network.initial(rng, self.init_scale, self.initializer)
        state = network.state(params, descent(self), self.batch_size)
        network.seed(state, rng)
        ids = shuffled(vocabulary.encode(text, "replace"), vocabulary.end, rng)
        unseen = None
        if validation is not None:
            unseen = self._encode(validation, vocabulary)
        elif self.validation_fraction:
            ids, unseen = split(ids, vocabulary.end, self.validation_fraction)
        trainer = Trainer(network.whole, state, descent(self), ids, self.n_threads)
        learned = _Learned(vocabulary, network, state, History(seq_length=self.seq_length))
        self._train(trainer, learned, budget, callbacks, begin, unseen)

    def partial_fit(
        self, X: Texts, y: None = None, *, epochs: int | None = 1, callbacks: Sequence[Callback] = ()
    ) -> Self:
        """Train on: more passes over a text, from the last weights and optimiser moments.

        The weights that are kept are the best ones on this text, those of the start among them; the smooth loss is that
        of this text, too. `max_updates` and `max_seconds` limit each call, the parameter `epochs` of the constructor
        does not. Without a `fit` before it begins a new model. Other arguments and errors are those of `fit`.

        A model from a file has no moments, and neither has another optimiser after `set_params(optimizer=...)`. Then up
        to 1,000 windows of the text are read first at a learning rate of zero. The weights stay, and the mean squares
        become those of the gradients here, but no smaller than they were: the file has the mean of each array. So
        training goes on with steps of the size that it had, not with the large ones of a new model.

        Characters that the model does not know are added to its vocabulary, with a UserWarning that names them, unless
        `on_unknown` says to skip or replace them or they occur fewer than `min_count` times. The others keep their
        weights, and the squares of the new ones come from such a reading, too.

        Parameters
        ----------
        X : str, path-like or sequence of str
            As for `fit`, and of the same kind: running text or documents.
        y : None
            Ignored; there for scikit-learn.
        epochs : int or None, default 1
            Passes over the text. None, which needs another limit, makes any number of them.
        callbacks : sequence of callable
            As for `fit`.

        Returns
        -------
        self

        Raises
        ------
        UnknownCharacterError
            If X has a character that the model does not know, `on_unknown` is "replace", and the model knows none of
            U+FFFD, the question mark and the space.
        ValueError
            If X is running text and the model is of documents, or the other way round; if there is no limit.
        RuntimeError, TypeError, TrainingDivergedError, KeyboardInterrupt
            As of `fit`.

        Examples
        --------
        >>> model = CharRNN(hidden_size=16, random_state=0).fit("hello world, hello moon. " * 10)
        >>> model.n_updates_, model.partial_fit("hello moon. " * 20, epochs=2).n_updates_
        (40, 60)
        """
        begin = time.perf_counter()
        if epochs is not None:
            integer("epochs", epochs, 1, 2**62)
        with self._training():
            check_parameters(self)
            text, budget = read_corpus(X), Budget(epochs, self.max_updates, self.max_seconds)
            if hasattr(self, "_learned"):
                self._fit_on(text, budget, callbacks, begin)
            else:
                self._fit(_trainable(text), None, budget, callbacks, begin)
        return self

    def _fit_on(self, corpus: str | list[str], budget: Budget, callbacks: Sequence[Callback], begin: float) -> None:
        rng = generator(self.random_state)
        vocabulary, network, state, history = self._learned
        known = vocabulary
        if self.on_unknown == "raise" and isinstance(corpus, list) == (vocabulary.end is not None):
            vocabulary = Vocabulary.from_text(_trainable(corpus), self.min_count, vocabulary)
        ids = self._encode(corpus, vocabulary, "replace" if self.on_unknown == "raise" else self.on_unknown)
        new = vocabulary.encode("".join(character for character in vocabulary if character not in known))
        if len(new):
            named = ", ".join(map(ascii, vocabulary.decode(new[:10]))) + ", ..." * (len(new) > 10)
            warnings.warn(
                f"the vocabulary has grown by {len(new)}, to {len(vocabulary)} characters: {named}", stacklevel=3
            )
            small, network = network, Network(**(network.architecture | {"n_symbols": vocabulary.n_symbols}))
            old_ids = vocabulary.encode("".join(known))
            old_ids = old_ids if vocabulary.end is None else np.append(old_ids, vocabulary.end)
            weights = network.initial(rng, self.init_scale, self.initializer)
            fresh = State.begin(network.whole, weights, descent(self), state.batch_size)
            state = grown(small.whole, state, network.whole, old_ids, fresh)
        foreign, squares = state.rule != descent(self).name, self._learned.state.squares
        state = network.resume(state, descent(self), self.batch_size)
        network.seed(state, rng)
        trainer = Trainer(network.whole, state, descent(self), shuffled(ids, vocabulary.end, rng), self.n_threads)
        if foreign or len(new):
            trainer.measure(new, foreign, squares)
        learned = _Learned(vocabulary, network, state, history.copy())  # readers keep what they have
        self._train(trainer, learned, budget, callbacks, begin)

    @contextmanager
    def _training(self) -> Iterator[None]:
        """The model is this thread's to train: one training at a time."""
        with _TAKING:
            if getattr(self, "_trainer", (0, 0))[0] == os.getpid():  # not in the process that this one was forked from
                raise RuntimeError(
                    "this CharRNN is being trained already, and one training at a time is all that a model can have: "
                    "wait for it, or train a copy (copy.deepcopy)"
                )
            self._trainer = os.getpid(), threading.get_ident()
        try:
            yield
        finally:
            del self._trainer

    def _train(
        self,
        trainer: Trainer,
        learned: _Learned,
        budget: Budget,
        callbacks: Sequence[Callback],
        begin: float,
        unseen: Ids | None = None,
    ) -> None:
        vocabulary, network, state, history = learned

        def sample(length: int, prompt: str = "", temperature: float = 1.0) -> str:
            string("prompt", prompt)
            rng = np.random.default_rng(state.n_updates)  # of its own: watching does not change the training
            ids = vocabulary.encode(prompt, self._unknown(vocabulary))
            sampling = Sampling(length, temperature)
            return vocabulary.decode(Sampler(network.whole, state.weights, ids, sampling, rng).draw(length))

        def save(path: str | os.PathLike[str]) -> None:
            self._write(path, learned, state.weights, Best(state.n_updates, state.smooth_loss))

        run = Run(history, sample, save, budget, state.n_updates, budget.updates(trainer.updates_per_epoch), begin)
        schedule = self.schedule if isinstance(self.schedule, Schedule) else SCHEDULES[self.schedule or "constant"]()
        try:
            fit(trainer, run, schedule, unseen, callbacks, self.patience, _shown(self.verbose))
        finally:  # after an interrupt or a divergence too: whole updates only
            self._learned = learned

    def _network(self, vocabulary: Vocabulary, **instead: Any) -> Network:
        """The network for these symbols, of the model's parameters or of others `instead`."""
        return self._network_of(vocabulary.n_symbols, vocabulary.end is not None, **instead)

    def _network_of(self, n_symbols: int, documents: bool, **instead: Any) -> Network:
        return Network(**vars(architecture(self, n_symbols, documents, **instead)))

    def _unknown(self, vocabulary: Vocabulary) -> Literal["raise", "skip", "replace"]:
        """What to do with unknown characters: a model that reads rare ones as U+FFFD reads these so, too."""
        folds = self.on_unknown == "raise" and self.min_count > 1 and "\ufffd" in vocabulary
        return "replace" if folds else self.on_unknown

    def _encode(
        self,
        text: str | list[str],
        vocabulary: Vocabulary | None = None,
        on_unknown: Literal["raise", "skip", "replace"] | None = None,
    ) -> Ids:
        """The ids of a corpus for the trained model, or for the vocabulary of one that will be."""
        vocabulary = vocabulary or self.vocabulary_
        documents, wanted = isinstance(text, list), vocabulary.end is not None
        if documents != wanted:
            kinds = ("running text: pass one text, not a sequence", "documents: pass a sequence of them, not one text")
            raise ValueError(f"the model was trained on {kinds[wanted]}")
        ids = vocabulary.encode(text, on_unknown or self._unknown(vocabulary))
        if not documents and len(ids) < 2 <= len(text):
            raise ValueError(
                f"the text has {len(text):,} characters, of which the model knows {len(ids)}: at least 2 are needed, "
                "one to read and one to predict from it"
            )
        return ids if documents else _trainable(ids)

    # --- what was learned ---------------------------------------------------------------------------------------

    def _fitted(self) -> _Learned:
        if getattr(self, "_trainer", None) == (os.getpid(), threading.get_ident()):
            raise NotFittedError(
                "this CharRNN is being trained, and not yet what it will be: a callback asks its run instead "
                "(run.sample, run.save, run.history)"
            )
        if not hasattr(self, "_learned"):
            raise NotFittedError("this CharRNN has not been trained yet: call fit(text), or load a model file")
        return self._learned

    @property
    def vocabulary_(self) -> Vocabulary:
        return self._fitted().vocabulary

    @property
    def history_(self) -> History:
        return self._fitted().history

    @property
    def _net(self) -> Network:
        return self._fitted().network

    @property
    def _state(self) -> State:
        return self._fitted().state

    @property
    def params_(self) -> dict[str, npt.NDArray[Any]]:
        learned = self._fitted()
        return _arrays(learned.network, learned.state.best)

    @property
    def n_updates_(self) -> int:
        return self._fitted().state.n_updates

    @property
    def smooth_loss_(self) -> float:
        return self._fitted().state.smooth_loss

    @property
    def best_(self) -> Best:
        return self._fitted().state.kept

    # --- sampling -----------------------------------------------------------------------------------------------

    @overload
    def sample(
        self, length: int | None = ..., *, prompt: str = ..., temperature: float = ..., n_samples: None = ...,
        random_state: RandomState = ...,
    ) -> str: ...  # fmt: skip
    @overload
    def sample(
        self, length: int | None = ..., *, prompt: str = ..., temperature: float = ..., n_samples: int,
        random_state: RandomState = ...,
    ) -> list[str]: ...  # fmt: skip
    def sample(
        self,
        length: Annotated[int | None, LENGTH] = None,
        *,
        prompt: Annotated[str, Text()] = "",
        temperature: Annotated[float, Real(zero=True)] = 1.0,
        n_samples: Annotated[int | None, LENGTH] = None,
        random_state: Annotated[RandomState, Seed()] = None,
    ) -> str | list[str]:
        """Write text.

        Parameters
        ----------
        length : int or None, default None
            Characters to write. None is 200 for a model of running text. A model of documents writes one to its end
            (which must come within 10,000 characters); with a `length` it may be cut off there.
        prompt : str, default ""
            Text to go on from, for a model of documents the beginning of the document; it is not part of the result.
        temperature : float in [0, 1e308], default 1.0
            Below 1 the text is more predictable, above 1 more varied. 0 is greedy: always the likeliest character.
        n_samples : int or None, default None
            How many texts to write, each anew from the prompt. None writes one and returns it without a list.
        random_state : int, numpy.random.Generator, numpy.random.SeedSequence or None, default None
            A number gives the same text every time. None goes on from the model's own `random_state`. If that is a
            number, which a file keeps, the texts of one program differ from each other, but every process writes the
            same ones; ``numpy.random.default_rng()`` gives others in each.

        Returns
        -------
        str or list of str
            The text, or a list of `n_samples` texts.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            If the model has not been trained, or an argument is not as it must be.
        MemoryError
            If the texts would take more memory than there is.
        UnknownCharacterError
            If the prompt has a character that the model does not know.

        Notes
        -----
        Any number of threads may sample from one model; the interpreter lock is released meanwhile.
        """
        if length is not None:
            integer("length", length, 0, 2**48)
        if n_samples is not None:
            integer("n_samples", n_samples, 0, 2**48)
        many = 1 if n_samples is None else n_samples
        claim_texts(many, length)
        vocabulary, sampler = self._sampler(prompt, Sampling(length, temperature), random_state)
        texts = [vocabulary.decode(sampler.text()) for _ in range(many)]
        return texts[0] if n_samples is None else texts

    def stream(
        self,
        length: Annotated[int | None, LENGTH] = None,
        *,
        prompt: Annotated[str, Text()] = "",
        temperature: Annotated[float, Real(zero=True)] = 1.0,
        random_state: Annotated[RandomState, Seed()] = None,
    ) -> Iterator[str]:
        """Write text character by character: the same characters as `sample` gives, each as soon as it is drawn.

        Parameters are those of `sample`. With a `length` of None running text goes on for ever, a document to its end.
        """
        if length is not None:
            integer("length", length, 0, 2**48)
        vocabulary, sampler = self._sampler(prompt, Sampling(length, temperature), random_state)
        return map(vocabulary.decode, sampler.symbols())

    def _sampler(self, prompt: str, sampling: Sampling, random_state: RandomState) -> tuple[Vocabulary, Sampler]:
        vocabulary, network, state, _ = self._fitted()
        string("prompt", prompt)
        real("temperature", sampling.temperature, zero=True)
        if random_state is None and isinstance(self.random_state, (int, np.integer)):
            self._n_samples = getattr(self, "_n_samples", 0) + 1
            random_state = np.random.SeedSequence([int(self.random_state), self._n_samples])
        elif random_state is None:
            random_state = self.random_state
        rng = generator(random_state)
        ids = vocabulary.encode(prompt, self._unknown(vocabulary))
        return vocabulary, Sampler(network.whole, state.best, ids, sampling, rng)

    # --- evaluation ---------------------------------------------------------------------------------------------

    def score(self, X: Texts, y: None = None) -> float:
        """Mean log-likelihood of the text, in nats per character: higher is better. Arguments as for `fit`."""
        return -self.evaluate(X).nats

    def evaluate(self, X: Texts, window: Annotated[int | None, Maybe(Integer(1, 65_536))] = None) -> Evaluation:
        """Nats, bits and perplexity per character of a text: each after the first is predicted from all before it.

        Of documents every character is predicted, and the end of each.

        Parameters
        ----------
        X : str, path-like or sequence of str
            As for `fit`.
        window : int or None, default None
            Start from a zero state every so many characters, as models of a fixed context are measured (nanoGPT takes
            256). None carries the state through the whole text.

        Returns
        -------
        Evaluation
            ``(nats, bits, perplexity, n_characters)``, the first three per character.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            If the model has not been trained, or an argument is not as it must be.
        UnknownCharacterError
            If the text has a character that the model does not know.
        """
        vocabulary, network, state, _ = self._fitted()
        if window is not None:
            integer("window", window, 1, 65_536)
        ids = self._encode(read_corpus(X), vocabulary)
        losses = network.losses(state.best, ids) if window is None else network.cold_losses(state.best, ids, window)
        nats = float(losses.mean())
        perplexity = math.exp(nats) if nats < 700 else math.inf
        return Evaluation(nats, nats / math.log(2), perplexity, len(ids) - 1)

    # --- gradients ----------------------------------------------------------------------------------------------

    def _exact(self, text: str | list[str], seq_length: int) -> tuple[Vocabulary, Network, npt.NDArray[Any]]:
        """The model in double precision: as trained, or as `fit(text)` would begin."""
        exact = {"seq_length": seq_length, "dtype": "float64", "dropout": 0.0, "label_smoothing": 0.0}
        if hasattr(self, "_learned"):
            vocabulary, net, state, _ = self._fitted()
            network = Network(**(net.architecture | exact))
            return vocabulary, network, network.flatten(net.named(state.best))
        check_parameters(self)
        vocabulary = Vocabulary.from_text(text)
        network = self._network(vocabulary, **exact)
        return vocabulary, network, network.initial(generator(self.random_state), self.init_scale, self.initializer)

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
            text, targets = _trainable(text)[:-1], text[1:]
        vocabulary, network, params = self._exact(text + targets, max(1, len(text)))
        x, y = (vocabulary.encode(part, self._unknown(vocabulary)) for part in (text, targets))
        loss, gradients, _ = network.loss_and_gradients(params, x, y)
        return loss, {name: np.ascontiguousarray(gradient) for name, gradient in gradients.items()}

    def check_gradients(
        self,
        text: Texts,
        seq_lengths: Annotated[Sequence[int], Several(Integer(1, 65_536))] = (5, 10, 15, 25),
        *,
        batches: Annotated[int, Integer(1, 2**20)] = 2,
        h: Annotated[float, Real()] = 1e-4,
        eps: Annotated[float, Real()] = 1e-3,
        tolerance: Annotated[float, Real()] = 1e-6,
        max_entries: Annotated[int | Literal["auto"] | None, Maybe(Integer(1, 2**62), "auto")] = "auto",
        max_seconds: Annotated[float | None, Maybe(Real())] = 60.0,
        log: Callable[[str], object] | None = None,
    ) -> GradientTable:
        """Compare back-propagation with central differences, for every tensor, in double precision.

        Parameters
        ----------
        text : str, path-like or sequence of str
            At least ``batches * max(seq_lengths) + 1`` characters, the ends of documents among them.
        seq_lengths : sequence of int
            Lengths of the windows.
        batches : int
            Windows from the start of the text, each from the state that the one before it left.
        h : float
            Step of the differences ``(loss(x + h) - loss(x - h)) / 2h``.
        eps : float
            Errors are |ga - gn| / max(eps, |ga| + |gn|): smaller gradients only measure rounding.
        tolerance : float
            Error up to which an entry counts as right, for the share of right entries.
        max_entries : int, "auto" or None, default "auto"
            Check at most so many entries of each tensor and window: the same ones every time, drawn at random, a third
            each among the largest, the smaller and the zero gradients. None checks all, and so does "auto" where that
            takes some 15 seconds, as for the classic network with 80 characters; else as many as take about as long.
        max_seconds : float or None, default 60.0
            End the check early after so long: each window has an equal share of the time, in which it checks as many
            entries as it can, at least one of each tensor. The table says so. None for no limit.
        log : callable or None, default None
            Called with a line at the start and, where no progress bar is shown, every 30 seconds.

        Returns
        -------
        GradientTable
            One row for each window and tensor, with how many entries were checked of how many; prints itself.

        Raises
        ------
        ValueError, TypeError
            If a parameter is out of range, or the text is too short for the windows.
        UnknownCharacterError
            If the model is trained and the text has a character that it does not know.

        Examples
        --------
        >>> table = CharRNN(hidden_size=8, random_state=0).check_gradients("to be or not to be", [5], max_entries=20)
        >>> table.norm_error < 1e-7, table.n_checked, table.n_entries
        (True, 150, 382)
        """
        corpus = read_corpus(text, "text")
        integer("batches", batches, 1, 2**20)
        for name, value in (("h", h), ("eps", eps), ("tolerance", tolerance)):
            real(name, value)
        if isinstance(max_entries, str) and max_entries != "auto":
            raise ValueError(f"max_entries must be an integer, 'auto' or None, got {max_entries!a}")
        if max_entries is not None and max_entries != "auto":
            integer("max_entries", max_entries, 1, 2**62)
        if max_seconds is not None:
            real("max_seconds", max_seconds)
        for T in seq_lengths:
            integer("seq_lengths", T, 1, 65_536)
        if not len(seq_lengths):
            return GradientTable()
        vocabulary, network, params = self._exact(corpus, max(seq_lengths))
        ids = vocabulary.encode(corpus, self._unknown(vocabulary))[: batches * max(seq_lengths) + 1]
        if len(ids) <= batches * max(seq_lengths):
            raise ValueError(f"text must have more than {batches} * {max(seq_lengths)} characters, it has {len(ids)}")
        how = gradcheck.Check(seq_lengths, batches, h, eps, tolerance, max_entries, max_seconds)
        shown = _shown(self.verbose) and (log is None or _shown(None))  # in a pipe lines are better than a bar
        return gradcheck.check(network.whole, params, ids, how, shown=shown, log=log)

    # --- files --------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to one safetensors file: weights, vocabulary and parameters, nothing of the text.

        Of the optimiser's moments the file has only how large the squares of gradients are in each array.

        The same model gives the same bytes. An existing file is replaced only once the new one is complete. In a
        callback `run.save` writes the model that is being trained.

        Parameters
        ----------
        path : str or path-like
            The file to write.

        Raises
        ------
        NotFittedError
            If the model has not been trained.
        OSError
            If the file cannot be written; an old one is then left as it was.
        """
        learned = self._fitted()
        self._write(path, learned, learned.state.best, learned.state.kept)

    def _write(self, path: str | os.PathLike[str], learned: _Learned, weights: npt.NDArray[Any], kept: Best) -> None:
        check_parameters(self)  # no file that load would refuse
        vocabulary, network = learned.vocabulary, learned.network
        params = plain(self)  # as trained, whatever set_params has said since:
        params |= {name: value for name, value in network.architecture.items() if name in params}
        params["verbose"] = None  # says how it was watched, not what it is
        best: dict[str, Any] = kept._asdict()
        if not math.isfinite(kept.smooth_loss):
            best["smooth_loss"] = None  # stopped before the first update
        documents = vocabulary.end is not None
        metadata = {"params": params, "n_characters": len(vocabulary), "documents": documents, "best": best}
        squares = network.squares(learned.state)
        if squares is not None:
            metadata["squares"] = squares._asdict()
        tensors = _arrays(network, weights) | {"vocabulary": vocabulary.code_points}
        storage.save(path, tensors, metadata)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model file.

        Parameters
        ----------
        path : str or path-like
            A file that `save` wrote.

        Returns
        -------
        CharRNN
            The trained model, with the best weights for the last ones and no optimiser moments.

        Raises
        ------
        ModelFileError
            If the file is not a model, was cut short or changed, or comes from a newer version.
        OSError
            If it cannot be read.
        """
        tensors, metadata = storage.load(path, cls._layout)
        model = cls(**restored(metadata["params"]))
        vocabulary = Vocabulary(tensors.pop("vocabulary"), metadata["documents"])
        network = model._network(vocabulary)
        state = network.state(network.flatten(tensors), descent(model))
        state.rule = ""  # the moments are not in the file
        state.reach(**metadata["best"])
        if "squares" in metadata:
            state.squares = Squares(**metadata["squares"])
        model._learned = _Learned(vocabulary, network, state, History(seq_length=model.seq_length))
        return model

    @classmethod
    def _layout(cls, metadata: dict[str, Any]) -> dict[str, tuple[tuple[int, ...], str]]:
        """The tensors that a file with this metadata holds, from a few bounded integers."""
        model = cls(**restored(metadata["params"]))
        n_characters, documents, best = (metadata[name] for name in ("n_characters", "documents", "best"))
        integer("n_characters", n_characters, 1, 0x110000)
        if not isinstance(documents, bool):
            raise ValueError(f"documents must be true or false, got {documents!a}")
        integer("best n_updates", best["n_updates"], 0, 2**62)
        if set(best) - set(Best._fields):
            raise ValueError(f"best has the keys {sorted(best)}")
        for name in ("smooth_loss", "validation_loss", *{"training_loss"} & set(best)):
            if best[name] is not None:
                real(f"best {name}", best[name], zero=True)
        shapes = model._network_of(n_characters + documents, documents).shapes
        if "squares" in metadata:
            squares = Squares(**metadata["squares"])
            choice("the rule of squares", squares.rule, OPTIMIZERS)
            if squares.means.keys() != shapes.keys():
                raise ValueError(f"there are squares of {sorted(squares.means)}, and arrays {sorted(shapes)}")
            for name, mean in squares.means.items():
                real(f"the squares of {name}", mean, zero=True)
        stored = {name: (shape, model.dtype) for name, shape in shapes.items()}
        return stored | {"vocabulary": ((n_characters,), "uint32")}


def _trainable(text: _Corpus) -> _Corpus:
    if not isinstance(text, list) and len(text) < 2:
        raise ValueError(
            f"the text has {len(text)} character{'s' * (len(text) != 1)}: at least 2 are needed, one to read and one "
            "to predict from it"
        )
    return text


def _arrays(network: Network, weights: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    """Copies of the weights by name."""
    return {name: np.ascontiguousarray(view) for name, view in network.named(weights).items()}


def _shown(verbose: bool | None) -> bool:
    if verbose is not None:
        return verbose
    return sys.stderr is not None and (sys.stderr.isatty() or "ipykernel" in sys.modules)
