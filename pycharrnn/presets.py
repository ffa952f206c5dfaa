"""Presets: parameters that go well together, by name."""

from typing import Any, NamedTuple


class Preset(NamedTuple):
    """Parameters that go well together.

    Attributes
    ----------
    meaning : str
        What they are good for.
    parameters : dict of str to object
        Those that are not the constructor's defaults.

    Examples
    --------
    >>> PRESETS["minute"].parameters["cell"]
    'gru'
    """

    meaning: str
    parameters: dict[str, Any]


_MINUTE: dict[str, Any] = {
    "cell": "gru",
    "hidden_size": 192,
    "num_layers": 2,
    "dropout": 0.1,
    "seq_length": 64,
    "batch_size": 16,
    "optimizer": "adam",
    "learning_rate": 0.005,
    "schedule": "cosine",
    "clip_value": None,
    "clip_norm": 64.0,
    "epochs": None,
    "max_seconds": 60.0,
    "validation_fraction": 0.1,
}
_QUICK = {"num_layers": 1, "learning_rate": 0.007, "epochs": 20, "max_seconds": 25.0}
_QUALITY = {
    "cell": "lstm",
    "hidden_size": 512,
    "dropout": 0.45,
    "label_smoothing": 0.04,
    "weight_decay": 0.05,
    "batch_size": 32,
    "learning_rate": 0.004,
    "max_seconds": 900.0,
}

# What `auto` chooses in place of the defaults.
CHOSEN = frozenset(
    {
        *("cell", "hidden_size", "num_layers", "seq_length", "batch_size", "epochs", "validation_fraction"),
        *("dropout", "output_dropout", "zoneout", "cell_zoneout", "label_smoothing", "weight_decay"),
        *("optimizer", "learning_rate", "schedule", "clip_value", "clip_norm", "ema_decay", "ngram_order"),
    }
)
PRESETS = {
    "auto": Preset(
        "The network that fits the text, the time and this machine; 60 seconds.",
        {"auto": True, "max_seconds": 60.0},
    ),
    "classic": Preset("The network of the lab, with the defaults of the constructor.", {}),
    "minute": Preset("Two layers of a GRU, trained for 60 seconds.", _MINUTE),
    "quick": Preset("A GRU, trained for 25 seconds, or for 20 epochs of a small text.", _MINUTE | _QUICK),
    "quality": Preset("Two large LSTM layers with strong regularisation, trained for 15 minutes.", _MINUTE | _QUALITY),
}
