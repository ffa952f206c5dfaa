"""Small models, and what is asked of their weights."""

from pycharrnn import CharRNN
from pycharrnn.network.scoring import streamed_losses
from pycharrnn.trained import exact, learned

__all__ = ["exact", "last", "learned", "nats", "small"]


def small(**changes):
    """A model that learns something in 40 updates, the same each time."""
    params = {"hidden_size": 12, "epochs": None, "max_updates": 40, "random_state": 0, "verbose": False}
    return CharRNN(**(params | changes))


def last(model):
    """The weights after the last update, by name."""
    return learned(model).architecture.named(learned(model).state.weights)


def nats(model, weights, text):
    """The loss of these weights of the model, in nats per character."""
    ids = model.vocabulary_.encode(text)
    return streamed_losses(learned(model).architecture, weights, ids).mean()
