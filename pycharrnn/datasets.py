"""The corpora that come with the package, or that it downloads."""

from pycharrnn.text.datasets import load, names, tinyshakespeare, topics

__all__ = ["load", "names", "tinyshakespeare", "topics"]
