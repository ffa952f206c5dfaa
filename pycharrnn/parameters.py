"""The parameters of a model: ONE table, from which checks, repr, docstring, command line, files and presets come.

A new parameter is a field of `Parameters`: name, type, kind, meaning and default, and nothing else anywhere.
"""

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np

from pycharrnn.arguments import Choice, Flag, Integer, Maybe, OneOf, Real, Seed, close
from pycharrnn.messages import shown
from pycharrnn.network.cells import CELLS
from pycharrnn.network.precision import PRECISIONS
from pycharrnn.presets import PRESETS, Open, opened
from pycharrnn.tables import PlainSignature, check, table
from pycharrnn.training.optimizers import OPTIMIZERS, Optimizer, OptimizerName
from pycharrnn.training.schedules import SCHEDULES, Schedule, ScheduleName

Unknown = Literal["raise", "skip", "replace"]
_SIZE = Integer(1, 65_536)
_SHARE = Real(zero=True, below=1)
_COUNT = Maybe(Integer(1, 2**62))
_RATE = Maybe(Real())
_RATES = ", ".join(f"{rule.__name__} {rule.rate:g}" for rule in OPTIMIZERS.values())


@dataclass(eq=False, repr=False)
class Parameters:
    """The constructor's parameters: it only stores them, `check_parameters` checks them, and training reads them."""

    cell: Annotated[
        Literal["rnn", "lstm", "gru"],
        Choice(*CELLS),
        "The recurrent cell. LSTM and GRU remember longer, and cost four and three times as much.",
    ] = "rnn"
    hidden_size: Annotated[int, _SIZE, "Units of the hidden state of a layer."] = 100
    num_layers: Annotated[int, Integer(1, 64), "Layers. Each above the first reads the states of the one below."] = 1
    dropout: Annotated[
        float,
        _SHARE,
        "The share of each layer's outputs, and of the embeddings, that training drops at random (Zaremba et al. "
        "2014).",
    ] = 0.0
    output_dropout: Annotated[
        float | None,
        Maybe(_SHARE),
        "The share of the last layer's outputs that training drops, where it shall be another than `dropout`.",
    ] = None
    zoneout: Annotated[
        float,
        _SHARE,
        "The probability with which a unit keeps its hidden state for a step while training (Krueger et al. 2017). "
        "Everywhere else each state is the mean of the old and the new one, with this share of the old one.",
    ] = 0.0
    cell_zoneout: Annotated[
        float, _SHARE, "The same for the cell state of an LSTM. Other cells have none, and ignore it."
    ] = 0.0
    embedding_size: Annotated[
        int | None,
        Maybe(_SIZE),
        "The length of the vector that is learned for each character and that the first layer reads. None reads "
        "characters one-hot, which costs least.",
    ] = None
    label_smoothing: Annotated[
        float,
        _SHARE,
        "The share of each target that is spread evenly over all characters (Szegedy et al. 2016). A model that reads "
        "a text many times then memorises less and predicts unseen text better. Training losses are those of the "
        "smoothed targets, never below their entropy; `evaluate` and validation smooth nothing. `sample` undoes the "
        "smoothing, and never draws a character that gets less than twice its share of it (Hewitt et al. 2022).",
    ] = 0.0
    seq_length: Annotated[int, _SIZE, "Characters of a window: the gradient flows back through so many."] = 25
    batch_size: Annotated[
        int,
        _SIZE,
        "Streams that are read at once. The text is cut into so many parts of equal length, and each update takes a "
        "window of every part. Losses and gradients are the mean over the streams.",
    ] = 1
    optimizer: Annotated[OptimizerName | Optimizer, OneOf(OPTIMIZERS, "an `optim` object"), "The update rule."] = (
        "adagrad"
    )
    learning_rate: Annotated[
        float | None,
        _RATE,
        f"The step size. None takes what suits the rule: {_RATES}.",
    ] = None
    schedule: Annotated[
        ScheduleName | Schedule | None,
        Maybe(OneOf(SCHEDULES, "an `optim` object")),
        "How the learning rate changes over the budget, be it one of epochs, updates or seconds. None is constant.",
    ] = None
    clip_value: Annotated[
        float | None, _RATE, "Every entry of the gradient is clipped to [-clip_value, clip_value]. None clips none."
    ] = 5.0
    clip_norm: Annotated[
        float | None,
        _RATE,
        "The whole gradient is scaled down to this Euclidean norm (Pascanu et al. 2013), before `clip_value`. None "
        "scales nothing.",
    ] = None
    weight_decay: Annotated[
        float,
        Real(zero=True),
        "Decoupled weight decay (Loshchilov and Hutter 2019): before each step all weights shrink by the learning rate "
        "times this.",
    ] = 0.0
    ema_decay: Annotated[
        float,
        _SHARE,
        "The decay of an exponential moving average of the weights (Polyak and Juditsky 1992), which is then what is "
        "judged, kept, saved and used: after each update average = ema_decay average + (1 - ema_decay) weights. It "
        "lets a constant learning rate end as low as a falling one. The n-th update has a decay of at most "
        "(1 + n) / (10 + n). 0 averages nothing.",
    ] = 0.0
    initializer: Annotated[
        Literal["normal", "uniform", "orthogonal"] | None,
        Maybe(Choice("normal", "uniform", "orthogonal")),
        "How the weights begin: ~ N(0, init_scale^2); uniform in [-init_scale, init_scale]; or uniform with orthogonal "
        "recurrent weights. None is normal for an RNN, else uniform. Biases begin at zero, those of an LSTM's forget "
        "gate at one.",
    ] = None
    init_scale: Annotated[
        float | None,
        Maybe(Real(zero=True)),
        "The scale of the initial weights. None is 0.01 for normal ones, else 1 / sqrt(hidden_size). The input "
        "weights of gated cells are then larger, and these learn much faster: U, or the embeddings, ~ N(0, 1), and U2, "
        "U3, ... ~ N(0, 4 / hidden_size).",
    ] = None
    auto: Annotated[
        bool | Sequence[str],
        Open(),
        "Whether `fit` chooses the network, its regularisation, the batch and the learning rate: for the text, for "
        "`max_seconds` and for the speed of this machine, which it measures. Parameters that are not the defaults stay "
        "as they are; with a list of names all but these stay. `chosen_` tells what was chosen.",
    ] = False
    epochs: Annotated[int | None, _COUNT, "Passes over the text. None is no limit."] = 4
    max_updates: Annotated[
        int | None, _COUNT, "Updates, one per window. Training ends with whichever of the three limits comes first."
    ] = None
    max_seconds: Annotated[
        float | None,
        _RATE,
        "Seconds from the call on, reading, validation and callbacks included.",
    ] = None
    validation_fraction: Annotated[
        float,
        _SHARE,
        "The share of the documents, or of the text in pieces that lie evenly apart, that is not trained on. Its loss "
        "is computed after each epoch, and the weights with the lowest one are kept.",
    ] = 0.0
    ngram_order: Annotated[
        int | None,
        Maybe(Integer(1, 16)),
        "The n of a Kneser-Ney model of character n-grams (Chen and Goodman 1999), with which the network is mixed: "
        "p = share p_ngram + (1 - share) p_network. `fit` counts the n-grams of the training text, and chooses the "
        "share under which the validation text is likeliest. Without one, validation_fraction is a tenth. "
        "`evaluate` and `sample` use the mixture; the validation losses, which choose the weights, are those of the "
        "network. None mixes nothing; 7 is a good order.",
    ] = None
    patience: Annotated[
        int | None,
        Maybe(Integer(1, 2**31)),
        "Training ends after so many epochs without a new lowest validation loss. Without a validation text it ends "
        "after so many looks at the training text without a new lowest loss. None never ends it.",
    ] = None
    dtype: Annotated[
        Literal["float32", "float64", "bfloat16"],
        Choice(*PRECISIONS),
        "Precision of the computation. bfloat16 rounds the operands of matrix products; all else is then float32.",
    ] = "float32"
    min_count: Annotated[
        int,
        Integer(1, 2**31),
        "How often a character must occur in the training text to be a symbol of its own. All rarer ones are read as "
        "U+FFFD, which the model may then write, too: fewer symbols take less memory and time. In other texts they and "
        'all unknown characters are also read so, unless `on_unknown` is "skip".',
    ] = 1
    on_unknown: Annotated[
        Unknown,
        Choice("raise", "skip", "replace"),
        "What to do with a character that the trained model does not know, wherever a text is read: raise an "
        'UnknownCharacterError, leave it out, or put in its place the first of U+FFFD, "?" and the space that the '
        "model knows. `partial_fit` adds such characters to the vocabulary instead of raising.",
    ] = "raise"
    n_threads: Annotated[
        int | None,
        Maybe(Integer(1, 1024)),
        "Threads for training, and for reading long texts, at most as many as have enough to do; any number gives the "
        "same bits. None takes the processors that this process may use, if there is enough work for them; trainings "
        "that run at the same time share them. It is not saved.",
    ] = None
    random_state: Annotated[
        "int | np.random.Generator | np.random.SeedSequence | None",
        Seed(),
        "Where randomness comes from. With a number, everything repeats to the bit in every process, sampled texts "
        "included.",
    ] = None
    verbose: Annotated[
        bool | None,
        Maybe(Flag()),
        "Whether to show progress, from half a second on. None shows it on a terminal and in a notebook. True shows it "
        "elsewhere, too, as a log: a line every 30 seconds.",
    ] = None

    __signature__: ClassVar[Any]

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        """Names and defaults, of a subclass with a constructor of its own, too."""
        return {name: p.default for name, p in inspect.signature(cls).parameters.items()}

    @classmethod
    def _refuse_others(cls, names: Iterable[str], error: type[Exception]) -> None:
        known = cls._defaults()
        for name in names:
            if name not in known:
                question = close(name, known)
                raise error(f"{cls.__name__} has no parameter {shown(name)}{question}; it has {', '.join(known)}")

    @classmethod
    def preset(cls, name: Literal["auto", "classic", "quick", "minute", "quality"], **overrides: Any) -> Self:
        """Return a model with parameters that go well together.

        Parameters
        ----------
        name : {"auto", "classic", "quick", "minute", "quality"}
            "auto" chooses the network when it sees the text: for the text, the time and this machine; it takes 60
            seconds. Overrides stay, and the rest is chosen to go with them. "classic" is ``CharRNN()``. "quick" trains
            a GRU for 25 seconds, or for 20 epochs if the text is small: what the command ``pycharrnn train`` does by
            default. "minute" trains two GRU layers for 60 seconds, "quality" two larger LSTM layers, with much dropout
            and label smoothing, for 15 minutes. Another `max_seconds` stretches or shortens the schedule of each.
        **overrides
            Parameters in place of the preset's.

        Returns
        -------
        CharRNN
            A model that has not been trained.

        Raises
        ------
        ValueError
            If there is no preset of that name.
        TypeError
            If an override is no parameter.

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> CharRNN.preset("minute", max_seconds=10, random_state=0).hidden_size
        192
        """
        Choice(*PRESETS).check("name", name)
        cls._refuse_others(overrides, TypeError)
        found = PRESETS[name].parameters | overrides
        if name == "auto" and found["auto"] is True:
            found["auto"] = opened(overrides, cls._defaults())
        return cls(**found)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters by name.

        Parameters
        ----------
        deep : bool, default True
            Ignored; there for scikit-learn.

        Returns
        -------
        dict of str to object
            In the order of the constructor.

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> CharRNN(hidden_size=7).get_params()["hidden_size"]
        7
        """
        return {name: getattr(self, name) for name in self._defaults()}

    def set_params(self, **params: Any) -> Self:
        """Change parameters: `on_unknown` and `n_threads` at once, all others from the next training on.

        Parameters
        ----------
        **params
            New values by name. As in the constructor, nothing is checked before the next training.

        Returns
        -------
        CharRNN
            The model itself.

        Raises
        ------
        ValueError
            If there is no parameter of that name; nothing is then changed.

        Examples
        --------
        >>> from pycharrnn import CharRNN
        >>> CharRNN().set_params(epochs=2)
        CharRNN(epochs=2)
        """
        self._refuse_others(params, ValueError)
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in changed(self).items())})"


Parameters.__signature__ = PlainSignature()  # not in the class: `dataclass` would ask for it


def check_parameters(params: Parameters) -> Parameters:
    """Check every parameter by its row of the table.

    Returns
    -------
    Parameters
        The same ones, with numbers as Python's own: training uses these.

    Raises
    ------
    ParameterValueError, ParameterTypeError
        If one is out of its range or of a wrong type; the error names it.
    """
    return Parameters(**check(table(Parameters), **{name: getattr(params, name) for name in table(Parameters)}))


def changed(params: Parameters) -> dict[str, str]:
    """Return the parameters that are not the defaults, each as it is written in code.

    Examples
    --------
    >>> from pycharrnn import CharRNN
    >>> changed(CharRNN(cell="gru", epochs=4))
    {'cell': "'gru'"}
    """
    defaults = params._defaults()
    own = {name: repr(value) for name, value in params.get_params().items() if value is not defaults[name]}
    return {name: shown for name, shown in own.items() if shown != repr(defaults[name])}
