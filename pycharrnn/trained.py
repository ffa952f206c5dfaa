"""A model and what it has learned: attributes, files, and what notebooks and scikit-learn ask for."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from pycharrnn.arguments import Choice, Maybe, generator
from pycharrnn.arrays import Array
from pycharrnn.derived import architecture, descent, plain, restored, settled
from pycharrnn.errors import NotFittedError
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.state import Best, Squares, State
from pycharrnn.parameters import Parameters, check_parameters
from pycharrnn.tables import check, table
from pycharrnn.text.vocabulary import Vocabulary
from pycharrnn.training.history import History
from pycharrnn.training.optimizers import OPTIMIZERS
from pycharrnn.turns import is_training_here

if TYPE_CHECKING:
    from pycharrnn.files.container import Specs
    from pycharrnn.files.model_file import ModelFile
    from pycharrnn.training.ngrams import NGrams

__all__ = ["Exact", "Learned", "Trained", "exact", "learned"]

_PICKLED = 1  # the version of a pickled model: another one may have other attributes, or arrays in other places


class Learned(NamedTuple):
    """What a training leaves behind. A model swaps all of it at once: no reader sees parts of two trainings.

    Attributes
    ----------
    vocabulary : Vocabulary
        The characters.
    architecture : Architecture
        What reads and writes them.
    state : State
        The weights, and what training on begins from.
    history : History
        What is remembered of the training.
    chosen : dict of str to object
        The parameters that `fit` chose for the text; empty if it chose none.
    ngrams : NGrams or None
        The n-grams that the network is mixed with.
    """

    vocabulary: Vocabulary
    architecture: Architecture
    state: State
    history: History
    chosen: dict[str, Any]
    ngrams: NGrams | None


class Exact(NamedTuple):
    """A model in double precision: for gradients.

    Attributes
    ----------
    vocabulary : Vocabulary
        The characters.
    architecture : Architecture
        What reads them.
    weights : ndarray of float64, (P,)
        Flat weights.
    """

    vocabulary: Vocabulary
    architecture: Architecture
    weights: Array


class Trained(Parameters):
    """The parameters of a model, and what it has learned with them."""

    _learned: Learned  # absent before the first training

    @property
    def vocabulary_(self) -> Vocabulary:
        return learned(self).vocabulary

    @property
    def history_(self) -> History:
        return learned(self).history

    @property
    def params_(self) -> dict[str, npt.NDArray[Any]]:
        _, architecture, state, *_ = learned(self)
        return _arrays(architecture, state.best)

    @property
    def n_updates_(self) -> int:
        return learned(self).state.n_updates

    @property
    def smooth_loss_(self) -> float:
        return learned(self).state.smooth_loss

    @property
    def chosen_(self) -> dict[str, Any]:
        found = learned(self)
        repeated = {"epochs": None, "max_seconds": None, "max_updates": found.state.n_updates}
        return vars(settled(self, found.chosen)) | repeated

    @property
    def ngram_share_(self) -> float | None:
        ngrams = learned(self).ngrams
        return None if ngrams is None else ngrams.share

    @property
    def best_(self) -> Best:
        return learned(self).state.kept

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        dtype: Annotated[Literal["bfloat16"] | None, Maybe(Choice("bfloat16"))] = None,
    ) -> None:
        """Write the model to one safetensors file: weights, vocabulary and parameters.

        Without `ngram_order` the file has nothing of the training text. With it the file HOLDS THE TEXT whose n-grams
        are counted, and whoever has the file can read it. A loaded model counts them anew when it first needs them.

        The same model gives the same bytes. An existing file is replaced only once the new one is complete; it keeps
        its permissions, and its owner where the system allows it, and other hard links keep the old file. In a callback
        `run.save` writes the model that is being trained.

        Parameters
        ----------
        path : str or path-like
            The file to write.
        dtype : {"bfloat16"} or None, default None
            "bfloat16" rounds the weights of the file to 8 significant bits: half the size for float32. The model that
            is read from it has these rounded weights, as float32. They predict nearly as well, but training on begins
            from them, and steps smaller than the rounding are lost. The losses of `best_` are those before. None keeps
            every bit.

        Raises
        ------
        NotFittedError
            If the model has not been trained.
        ValueError, TypeError
            If a parameter has been set to a value that it cannot have: `load` would refuse such a file. If a weight is
            too large for the type of the file.
        OSError
            If the file cannot be written; an old one is then left as it was. The error names the file.

        Notes
        -----
        The file does not have the optimiser's moments. It has the mean of the squared gradients in each array:
        `partial_fit` of a loaded model begins with these.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> from pycharrnn import CharRNN
        >>> model = CharRNN(hidden_size=8, random_state=0).fit("hello world")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "hello.safetensors")
        ...     model.save(path)
        ...     CharRNN.load(path).hidden_size
        8
        """
        found = learned(self)  # once: a training in another thread may replace it
        narrow = check(table(Trained.save), dtype=dtype)["dtype"] is not None
        self._file(found, found.state.best, found.state.kept)._replace(narrow=narrow).write(path)

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
            The trained model. Its last weights are the best ones, and there are no optimiser moments.

        Raises
        ------
        ModelFileError
            If the file is not a model, was cut short or changed, or comes from a newer version.
        OSError
            If it cannot be read.

        Examples
        --------
        See `save`.
        """
        from pycharrnn.files.model_file import ModelFile  # only now: a model may never meet a file

        file = ModelFile.read(path, cls._specs, OPTIMIZERS)
        model = cls(**restored(file.parameters))
        vocabulary = Vocabulary(file.code_points, file.documents)
        built = architecture(model, vocabulary.n_symbols, file.documents)
        state = State.without_moments(built, built.flatten(file.weights), descent(model).averages)
        state.reach(**file.best)
        if file.squares is not None:
            state.squares = Squares(**file.squares)
        ngrams = None
        if file.ngrams is not None:
            from pycharrnn.training.ngrams import NGrams

            share, ids = file.ngrams
            ngrams = NGrams(ids, vocabulary.n_symbols, vocabulary.end, file.parameters["ngram_order"], float(share))
        model._learned = Learned(vocabulary, built, state, History(seq_length=model.seq_length), {}, ngrams)
        return model

    @classmethod
    def _specs(cls, parameters: dict[str, Any], n_symbols: int, documents: bool) -> Specs:
        """The weight arrays of a model with these parameters, which come from a file and may be wrong."""
        built = architecture(cls(**restored(parameters)), n_symbols, documents)
        return {name: (shape, built.precision.weights.name) for name, shape in built.shapes.items()}

    def _file(self, learned: Learned, weights: Array, kept: Best) -> ModelFile:
        """The model, with these weights, as a file has it."""
        from pycharrnn.files.model_file import Counted, ModelFile
        from pycharrnn.network.growth import squares

        params = check_parameters(self)  # no file that load would refuse
        vocabulary, built, state, _, chosen, ngrams = learned
        if chosen:
            params = settled(params, chosen)
            params.epochs = params.max_seconds = None
            params.max_updates = state.n_updates  # what repeats it without a clock
        parameters = plain(params)  # as trained, whatever set_params has said since:
        parameters |= {name: value for name, value in vars(built).items() if name in parameters}
        parameters.pop("ngram_order", None)
        counted = None
        if ngrams is not None:
            parameters["ngram_order"] = ngrams.order
            counted = Counted(ngrams.share, ngrams.ids)
        best: dict[str, Any] = kept._asdict()
        if not math.isfinite(kept.smooth_loss):
            best["smooth_loss"] = None  # stopped before the first update
        found = squares(built, state)
        means = None if found is None else found._asdict()
        arrays = _arrays(built, weights)
        documents = vocabulary.end is not None
        return ModelFile(parameters, vocabulary.code_points, documents, best, means, arrays, counted)

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes and the version of them, for pickles and copies."""
        return {"pickled": _PICKLED} | vars(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the attributes of a pickle, if it is of this version and its arrays are as long as its network needs.

        Raises
        ------
        ValueError
            If it is not.
        """
        version = state.get("pickled")
        if version != _PICKLED:
            raise ValueError(
                f"this {type(self).__name__} was pickled by another version of pycharrnn ({version!a}, not {_PICKLED}):"
                " train it anew, or write it to a file with save() there and read it with load() here"
            )
        found = state.get("_learned")
        if found is not None:
            found.state.check(found.architecture)
        vars(self).update({name: value for name, value in state.items() if name != "pickled"})

    def _repr_html_(self) -> str:
        """Return the parameters and what came of the training, for a notebook."""
        from pycharrnn.lab.notebook import model_table  # only now: few programs are notebooks

        return model_table(self)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            input_tags=InputTags(string=True, one_d_array=True, two_d_array=False),
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_learned")


def learned(model: Trained) -> Learned:
    """Return what a model has learned, whole and of one training.

    Raises
    ------
    NotFittedError
        If it has not been trained, or if a callback asks during its training.
    """
    if is_training_here(model):
        raise NotFittedError(
            "this CharRNN is being trained, and has no result yet: a callback asks its run instead "
            "(run.sample, run.save, run.history)"
        )
    if not model.__sklearn_is_fitted__():
        raise NotFittedError("this CharRNN has not been trained yet: call fit(text), or load a model file")
    return model._learned


def exact(model: Trained, text: str | list[str], seq_length: int) -> Exact:
    """Return a model for gradients: as it was trained, or as `fit` of this text would begin."""
    instead = {"seq_length": seq_length, "dtype": "float64"}
    if model.__sklearn_is_fitted__():
        vocabulary, own, state, *_ = learned(model)
        built = own.replace(**instead)
        return Exact(vocabulary, built, built.flatten(own.named(state.best)))
    params = check_parameters(model)
    vocabulary = Vocabulary.from_text(text)
    built = architecture(params, vocabulary.n_symbols, vocabulary.end is not None, **instead)
    weights = built.initial(generator(params.random_state), params.init_scale, params.initializer)
    return Exact(vocabulary, built, weights)


def _arrays(architecture: Architecture, weights: Array) -> dict[str, npt.NDArray[Any]]:
    """Copies of the weights by name."""
    return {name: np.ascontiguousarray(view) for name, view in architecture.named(weights).items()}
