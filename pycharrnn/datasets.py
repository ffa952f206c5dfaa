"""The corpora that come with the package, or that it downloads."""

from pycharrnn.text import datasets
from pycharrnn.text.datasets import *  # noqa: F403

__all__ = datasets.__all__
