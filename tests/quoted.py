"""A text with quotes, and a model that has to remember whether it is inside of them."""

import random

from pycharrnn import CharRNN

WORDS = [
    "the",
    "old",
    "man",
    "saw",
    "a",
    "red",
    "boat",
    "and",
    "went",
    "home",
    "with",
    "his",
    "dog",
    "we",
    "sing",
    "all",
]
WORDS += ["sing", "all", "day", "long", "in", "rain"]


def quoted(n, seed):
    """Sentences of the same words outside quotes and inside; only inside do they end with an exclamation mark."""
    rng = random.Random(seed)

    def sentences(mark):
        some = [" ".join(rng.choices(WORDS, k=rng.randint(2, 4))) + mark for _ in range(rng.randint(1, 4))]
        return " ".join(some)

    text = ""
    while len(text) < n:
        text += f'{sentences(".")} "{sentences("!")}" '
    return text[:n]


def trained():
    """An LSTM that has read such a text for a few seconds."""
    params = {"seq_length": 60, "batch_size": 16, "optimizer": "adam", "learning_rate": 0.01, "epochs": None}
    model = CharRNN(cell="lstm", hidden_size=32, max_updates=4000, random_state=0, verbose=False, **params)
    return model.fit(quoted(60_000, seed=0))
