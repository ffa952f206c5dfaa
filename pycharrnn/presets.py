"""Presets: parameters that go well together, by name; and what `auto` may choose."""

from typing import Any, NamedTuple

from pycharrnn.arguments import Choice, Flag, Several
from pycharrnn.errors import ParameterTypeError, ParameterValueError
from pycharrnn.messages import shown


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


class Open(Flag):
    """True, False, or the names of parameters: what `auto` may choose.

    Examples
    --------
    >>> Open().native(("cell", "dropout"))
    ['cell', 'dropout']
    """

    noun = "True, False or a list of names of parameters"
    type = "bool or sequence of str"
    names = Several(Choice(*sorted(CHOSEN)))

    def check(self, name: str, value: Any) -> None:
        """Raise an error that names the parameter unless `value` is one of these."""
        if isinstance(value, bool):
            return
        if isinstance(value, (list, tuple)):
            self.names.check(name, value)
            return
        error = ParameterValueError if isinstance(value, str) else ParameterTypeError
        raise error(name, f"must be {self.noun}, got {shown(value)}")

    def native(self, value: Any) -> Any:
        """Return a bool or a list of str."""
        return list(value) if isinstance(value, (list, tuple)) else value


def opened(overrides: dict[str, Any], defaults: dict[str, Any]) -> bool | list[str]:
    """Return the `auto` that keeps all `overrides`: True if they are no defaults, else the names of the others.

    Examples
    --------
    >>> opened({"hidden_size": 7}, {"hidden_size": 100}), "cell" in opened({"cell": "rnn"}, {"cell": "rnn"})
    (True, False)
    """
    if all(overrides[name] != defaults[name] for name in CHOSEN & overrides.keys()):
        return True
    return sorted(CHOSEN - overrides.keys())


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
