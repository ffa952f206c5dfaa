"""Character-level recurrent networks for the CPU: ``CharRNN().fit(text).sample(200)``."""

from pycharrnn import datasets
from pycharrnn.callbacks import SampleText
from pycharrnn.documents import read_documents
from pycharrnn.model import CharRNN, NotFittedError
from pycharrnn.reading import PathLikeTextWarning
from pycharrnn.storage import ModelFileError
from pycharrnn.text import UnknownCharacterError, Vocabulary
from pycharrnn.training import TrainingDivergedError

__version__ = "0.1.0"

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
]
