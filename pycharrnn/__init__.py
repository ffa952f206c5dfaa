"""Character-level recurrent networks for the CPU: ``CharRNN().fit(text).sample(200)``."""

from importlib import import_module
from typing import TYPE_CHECKING

from pycharrnn.errors import (
    ModelFileError,
    NotFittedError,
    PathLikeTextWarning,
    TrainingDivergedError,
    UnknownCharacterError,
)
from pycharrnn.model import CharRNN
from pycharrnn.text.vocabulary import Vocabulary
from pycharrnn.training.callbacks import SampleText
from pycharrnn.versions import __version__ as __version__
from pycharrnn.versions import show_versions

if TYPE_CHECKING:
    from pycharrnn import datasets, optim
    from pycharrnn.sampling.settings import Sampling
    from pycharrnn.text.documents import read_documents

__all__ = [
    "CharRNN",
    "ModelFileError",
    "NotFittedError",
    "PathLikeTextWarning",
    "SampleText",
    "Sampling",
    "TrainingDivergedError",
    "UnknownCharacterError",
    "Vocabulary",
    "datasets",
    "optim",
    "read_documents",
    "show_versions",
]


def __getattr__(name: str) -> object:
    """Import what few programs use when it is first used (PEP 562)."""
    if name in ("datasets", "optim"):
        return import_module(f"pycharrnn.{name}")
    if name == "Sampling":
        return import_module("pycharrnn.sampling.settings").Sampling
    if name == "read_documents":
        return import_module("pycharrnn.text.documents").read_documents
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(globals().keys() | set(__all__))
