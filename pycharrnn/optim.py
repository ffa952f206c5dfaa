"""The optimisers and schedules that `CharRNN` takes."""

from pycharrnn.training.optimizers import SGD, AdaGrad, Adam, Momentum, RMSProp
from pycharrnn.training.schedules import Constant, Cosine, Plateau, Step

__all__ = ["SGD", "AdaGrad", "Adam", "Constant", "Cosine", "Momentum", "Plateau", "RMSProp", "Step"]
