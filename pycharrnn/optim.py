"""The optimisers and schedules that `CharRNN` takes."""

from pycharrnn.training import optimizers, schedules
from pycharrnn.training.optimizers import *  # noqa: F403
from pycharrnn.training.schedules import *  # noqa: F403

__all__ = []
__all__ += optimizers.__all__
__all__ += schedules.__all__
