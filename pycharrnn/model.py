"""CharRNN: the face. A method checks its arguments and calls the floors below."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from types import FunctionType
from typing import Annotated, Any, Self

from pycharrnn.arguments import Integer, Maybe
from pycharrnn.derived import check_network, settled
from pycharrnn.learner import Learner, resume_training
from pycharrnn.parameters import check_parameters
from pycharrnn.tables import Docstring, check, table
from pycharrnn.tasks import Task
from pycharrnn.text.corpus import Corpus, Texts
from pycharrnn.training.budget import Budget
from pycharrnn.training.callbacks import Callback, check_callbacks
from pycharrnn.turns import being_trained


class CharRNN(Learner):
    __doc__: Any = Docstring("""
    A character-level recurrent network: learns to write from a text.

    The model, for m = `hidden_size` and K distinct characters [1]_ [2]_::

        a_t = W h_{t-1} + U x_t + b     U (m, K)   W (m, m)   b (m)
        h_t = tanh(a_t)                 V (K, m)   c (K)
        p_t = softmax(V h_t + c)        loss = -sum_t log p_t[y_t] over the seq_length steps

    The equations of LSTM and GRU are those of PyTorch, with its order of gates. Gradients come from back-propagation
    through the `seq_length` characters of a window. The state is carried from one window to the next and reset when
    the text starts anew. In a batch each stream also starts from zero every 64 windows, and each pass over the text
    after the first begins at a place that `random_state` draws: no two passes have the same windows.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    vocabulary_ : Vocabulary
        The characters that the model knows.
    params_ : dict of str to ndarray
        Copies of the weights U, W, b, V, c that `sample` uses, the best ones: see `best_`. The arrays of a second layer
        are U2, W2, b2, and so on; E has the embeddings. U is PyTorch's ``weight_ih``, W its ``weight_hh``, with gates
        in its order; b is the sum of both biases. In a GRU that holds for the gates; of the candidate b is ``bias_hh``
        and n, one more array, ``bias_ih``.
    history_ : History
        Losses, texts and times of the training.
    smooth_loss_ : float
        The smooth loss after the last update, in nats per `seq_length` characters.
    chosen_ : dict of str to object
        The parameters that the training used. With `auto` the text, the time and the machine chose some of them.
        ``CharRNN(**model.chosen_)`` trains for as many updates, without a clock.
    ngram_share_ : float or None
        The share of the n-grams in the mixture with the network; None without `ngram_order`.
    best_ : Best
        The weights that are kept have the lowest loss on the validation text or, without one, on a fixed part of the
        training text. This record has the number of their updates and their losses.
    n_updates_ : int
        Updates made.

    References
    ----------
    .. [1] J. L. Elman (1990). Finding structure in time. Cognitive Science 14(2), 179-211.
    .. [2] A. Karpathy (2015). The unreasonable effectiveness of recurrent neural networks.
       https://karpathy.github.io/2015/05/21/rnn-effectiveness/
    .. [3] S. F. Chen and J. Goodman (1999). An empirical study of smoothing techniques for language modeling. Computer
       Speech & Language 13(4), 359-394.
    .. [4] J. Hewitt, C. D. Manning and P. Liang (2022). Truncation sampling as language model desmoothing. Findings of
       EMNLP 2022.
    .. [5] I. Loshchilov and F. Hutter (2019). Decoupled weight decay regularization. ICLR 2019.
    .. [6] R. Pascanu, T. Mikolov and Y. Bengio (2013). On the difficulty of training recurrent neural networks. ICML
       2013.
    .. [7] C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens and Z. Wojna (2016). Rethinking the inception architecture for
       computer vision. CVPR 2016.
    .. [8] W. Zaremba, I. Sutskever and O. Vinyals (2014). Recurrent neural network regularization. arXiv:1409.2329.
    .. [9] D. Krueger et al. (2017). Zoneout: regularizing RNNs by randomly preserving hidden activations. ICLR 2017.
    .. [10] B. T. Polyak and A. B. Juditsky (1992). Acceleration of stochastic approximation by averaging. SIAM Journal
       on Control and Optimization 30(4), 838-855.

    Examples
    --------
    >>> from pycharrnn import CharRNN
    >>> model = CharRNN(hidden_size=32, epochs=60, random_state=0).fit("hello world, hello moon. " * 10)
    >>> model.sample(12, prompt="hello ", temperature=0)
    'world, hello'
    """)

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
        validation : str, path-like, sequence of str or None, default None
            A text, or documents, to find the best model with, instead of a `validation_fraction` of X.
        callbacks : sequence of callable, default ()
            Each is called with the `Run` about every 20 ms, or, if it has an attribute `every`, after each `every`-th
            update. True from one ends the training. A method `on_start` of one is called before the first update.

        Returns
        -------
        CharRNN
            The model itself.

        Raises
        ------
        ValueError
            If a parameter is out of range, or the text has fewer than two characters.
        TypeError
            If X is none of these, for example a table: pass the column with the documents.
        TrainingDivergedError
            If the loss stops being finite and cutting the learning rate does not help (`history_.divergences` lists the
            times that it did), or if in the end it is far above that of guessing. The model keeps the best weights.
        KeyboardInterrupt
            On Ctrl-C. The model is left as it was after the last finished update, or before the call if there was none.
        RuntimeError
            If the model is being trained already, in another thread or by a callback.

        Notes
        -----
        The weights with the lowest loss on the validation text are kept; that loss is computed after each epoch.
        Without a validation text the training text decides: about 16,000 of its characters, always the same ones, are
        read at the start, after each half a million characters of training, and at the end. A text that one stream
        reads in half a second is read whole. `best_` describes the weights that are kept.

        `max_seconds` counts from the call on. It includes the time of these readings, of callbacks and of counting
        n-grams: of the last 400,000 characters for each second.

        Examples
        --------
        >>> model = CharRNN(hidden_size=16, max_updates=20, random_state=0).fit(["anna", "bob", "carl"])
        >>> model.n_updates_, len(model.vocabulary_)
        (4, 7)
        """
        begin = time.perf_counter()
        check_callbacks(callbacks)
        with being_trained(self):
            corpus = Corpus.learn(X, check_parameters(self).min_count)
            unseen = None if validation is None else self._read(validation, corpus.vocabulary, "validation")
            self._begin(corpus, unseen, {}, callbacks, begin)
        return self

    def partial_fit(
        self,
        X: Texts,
        y: None = None,
        *,
        epochs: Annotated[int | None, Maybe(Integer(1, 2**62))] = 1,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Train on: more passes over a text, from the last weights and optimiser moments.

        The best weights on this text are kept; the weights at the start compete, too. The smooth loss begins anew with
        this text. `max_updates` and `max_seconds` limit each call, the parameter `epochs` of the constructor does not.
        If the model has not been trained yet, the call begins a new one.

        Parameters
        ----------
        X : str, path-like or sequence of str
            As for `fit`, and of the same kind: running text or documents.
        y : None
            Ignored; there for scikit-learn.
        epochs : int or None, default 1
            Passes over the text. None, which needs another limit, makes any number of them.
        callbacks : sequence of callable, default ()
            As for `fit`.

        Returns
        -------
        CharRNN
            The model itself.

        Raises
        ------
        UnknownCharacterError
            If X has a character that the model does not know, `on_unknown` is "replace", and the model knows none of
            U+FFFD, the question mark and the space.
        ValueError
            If X is running text and the model is of documents, or the other way round; if there is no limit; if a
            parameter of the network, such as `hidden_size`, `dtype` or `dropout`, is not as it was in `fit`.
        RuntimeError, TypeError, TrainingDivergedError, KeyboardInterrupt
            As of `fit`.

        Notes
        -----
        A model from a file has no moments, and neither has a new optimiser after `set_params(optimizer=...)`. Up to
        1,000 windows of the text are then read first, at a learning rate of zero. The weights stay, and the moments
        become the mean squares of the gradients on this text, but no smaller than they were: the file has the mean of
        each array. So training goes on with steps of the same size, not with the large ones of a new model.

        Characters that the model does not know are added to its vocabulary, with a UserWarning that names them, unless
        `on_unknown` says to skip or replace them or they occur fewer than `min_count` times. The other characters keep
        their weights, and the moments of the new ones are measured in the same way.

        The n-grams of X are added to those of the texts before it, of which the last ten million characters count.
        Their share stays: a text that chose it anew would have to be held out. `ngram_order` changes with `fit` alone.

        Examples
        --------
        >>> model = CharRNN(hidden_size=16, random_state=0).fit("hello world, hello moon. " * 10)
        >>> model.n_updates_, model.partial_fit("hello moon. " * 20, epochs=2).n_updates_
        (40, 60)
        """
        begin = time.perf_counter()
        check_callbacks(callbacks)
        passes = check(table(CharRNN.partial_fit), epochs=epochs)
        with being_trained(self):
            params = check_parameters(self)
            if self.__sklearn_is_fitted__():
                params = settled(params, self._learned.chosen)
                check_network(params, self._learned.architecture)
                self._go_on(X, Task(params, Budget.of(vars(params) | passes), callbacks, begin))
            else:
                self._begin(Corpus.learn(X, params.min_count), None, passes, callbacks, begin)
        return self

    @classmethod
    def resume(
        cls,
        path: str | os.PathLike[str],
        X: Texts,
        *,
        validation: Texts | None = None,
        callbacks: Sequence[Callback] = (),
        n_threads: Annotated[int | None, Maybe(Integer(1, 1024))] = None,
    ) -> Self:
        """Go on with a training from a checkpoint, to the bit as if it had never stopped.

        Parameters
        ----------
        path : str or path-like
            A checkpoint that `Checkpoint` wrote, or its folder: then the newest one that can be read.
        X : str, path-like or sequence of str
            The text that the training reads, as it was given to `fit` or `partial_fit`.
        validation : str, path-like, sequence of str or None, default None
            As it was given to `fit`.
        callbacks : sequence of callable, default ()
            As for `fit`. A `Checkpoint` of the same folder goes on writing there.
        n_threads : int or None, default None
            As the parameter of the constructor; any number gives the same bits.

        Returns
        -------
        CharRNN
            The trained model, with the parameters of the checkpoint.

        Raises
        ------
        ValueError
            If X or `validation` is not the text of the training.
        ModelFileError
            If there is no checkpoint, or none can be read.
        OSError
            If the file cannot be opened.
        KeyboardInterrupt
            On Ctrl-C. There is no model then: what has been learned is in the last checkpoint.
        RuntimeError, TypeError, TrainingDivergedError
            As of `fit`.

        Warns
        -----
        UserWarning
            If the newest checkpoint of the folder is damaged, and the one before it is taken.

        Notes
        -----
        Weights, losses and texts of the history are those of a training without a stop, for any number of threads. Only
        what a clock decides cannot be the same: with `max_seconds` the time goes on from where it stopped, and the time
        between the processes does not count. A training that has ended makes no more updates.

        Examples
        --------
        >>> import tempfile
        >>> from pycharrnn import Checkpoint, CharRNN
        >>> text = "to be or not to be " * 200
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     keep = Checkpoint(folder, every=50)
        ...     whole = CharRNN(hidden_size=8, max_updates=100, random_state=0).fit(text, callbacks=[keep])
        ...     again = CharRNN.resume(f"{folder}/checkpoint-50.safetensors", text)
        >>> bool((whole.history_.loss == again.history_.loss).all())
        True
        """
        from pycharrnn.derived import restored
        from pycharrnn.resuming import opened  # only now: few trainings are resumed

        check_callbacks(callbacks)
        check(table(CharRNN.resume), n_threads=n_threads)
        found = opened(path)
        model = cls(**restored(found.file.metadata["params"]) | {"n_threads": n_threads})
        resume_training(model, found, X, validation, callbacks)
        return model


for _kind in CharRNN.__mro__[1:-1]:  # errors of Python and `help` name the class that users know
    for _name, _member in vars(_kind).items():
        _function = getattr(_member, "__func__", _member)
        if isinstance(_function, FunctionType):
            _function.__qualname__ = f"CharRNN.{_name}"
            _function.__module__ = CharRNN.__module__  # where pickle looks for that name
