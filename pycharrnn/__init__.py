"""Character-level recurrent networks for the CPU: ``CharRNN().fit(text).sample(200)``."""

from pycharrnn.errors import (
    ModelFileError,
    NotFittedError,
    PathLikeTextWarning,
    TrainingDivergedError,
    UnknownCharacterError,
)
from pycharrnn.model import CharRNN
from pycharrnn.text import datasets
from pycharrnn.text.documents import read_documents
from pycharrnn.text.vocabulary import Vocabulary
from pycharrnn.training.callbacks import SampleText
from pycharrnn.versions import __version__ as __version__
from pycharrnn.versions import show_versions

__all__ = [
    "CharRNN",
    "ModelFileError",
    "NotFittedError",
    "PathLikeTextWarning",
    "SampleText",
    "TrainingDivergedError",
    "UnknownCharacterError",
    "Vocabulary",
    "datasets",
    "read_documents",
    "show_versions",
]
