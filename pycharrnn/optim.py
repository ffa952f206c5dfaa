"""The optimisers and schedules that `CharRNN` takes: their modules say which names are public."""

from pycharrnn.training.optimizers import *  # noqa: F403
from pycharrnn.training.schedules import *  # noqa: F403
