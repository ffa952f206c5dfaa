"""Character-level recurrent networks for the CPU: ``CharRNN().fit(text).sample(200)``."""

from pycharrnn.beginning import check_core, end_at_once

end_at_once()  # first, for the other imports take a while
check_core()

from importlib import import_module  # noqa: E402
from typing import TYPE_CHECKING  # noqa: E402

from pycharrnn.errors import (  # noqa: E402
    ModelFileError,
    NotFittedError,
    PathLikeTextWarning,
    TrainingDivergedError,
    UnknownCharacterError,
)
from pycharrnn.model import CharRNN  # noqa: E402
from pycharrnn.text.vocabulary import Vocabulary  # noqa: E402
from pycharrnn.training.callbacks import SampleText  # noqa: E402
from pycharrnn.versions import __version__ as __version__  # noqa: E402
from pycharrnn.versions import show_versions  # noqa: E402

if TYPE_CHECKING:
    from pycharrnn import datasets, optim
    from pycharrnn.sampling.novelty import NoveltyIndex
    from pycharrnn.sampling.settings import Sampling
    from pycharrnn.text.documents import read_documents
    from pycharrnn.training.checkpoints import Checkpoint

__all__ = [
    "CharRNN",
    "Checkpoint",
    "ModelFileError",
    "NotFittedError",
    "NoveltyIndex",
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
    if name == "Checkpoint":
        return import_module("pycharrnn.training.checkpoints").Checkpoint
    if name == "Sampling":
        return import_module("pycharrnn.sampling.settings").Sampling
    if name == "read_documents":
        return import_module("pycharrnn.text.documents").read_documents
    if name == "NoveltyIndex":
        return import_module("pycharrnn.sampling.novelty").NoveltyIndex
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(globals().keys() | set(__all__))
