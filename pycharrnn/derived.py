"""What follows from parameters: an optimiser, an architecture, and what a file has of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pycharrnn.errors import ParameterValueError
from pycharrnn.messages import shown
from pycharrnn.network.architecture import Architecture
from pycharrnn.parameters import Parameters, check_parameters
from pycharrnn.tables import table
from pycharrnn.training.descent import Descent
from pycharrnn.training.optimizers import Optimizer

# Parameters that the first files do not have.
LATER = frozenset({"output_dropout", "zoneout", "cell_zoneout", "ema_decay", "auto", "ngram_order"})
# Parameters that change no bit of a model, and are null in a file: how a process works, and what it shows.
PROCESS = frozenset({"n_threads", "verbose"})


def descent(params: Parameters) -> Descent:
    """Return the update rule with the learning rate, clipping and weight decay of these parameters.

    Examples
    --------
    >>> descent(Parameters(optimizer="adam", clip_norm=64.0)).rule.name
    'adam'
    """
    rule = Optimizer.of(params.optimizer)
    numbers = (params.learning_rate, params.clip_value, params.clip_norm, params.weight_decay, params.ema_decay)
    return Descent(rule, *numbers)


def architecture(params: Parameters, n_symbols: int, documents: bool, **instead: Any) -> Architecture:
    """Return the architecture that these parameters, or others `instead`, give for so many symbols.

    Examples
    --------
    >>> architecture(Parameters(), n_symbols=80, documents=False, hidden_size=7).shapes["U"]
    (7, 80)
    """
    fields = {name: getattr(params, name) for name in Architecture.__dataclass_fields__ if hasattr(params, name)}
    return Architecture(**(fields | {"n_symbols": n_symbols, "documents": documents} | instead))


def check_network(params: Parameters, trained: Architecture) -> None:
    """Refuse parameters of another network than the one that training is to go on with.

    Raises
    ------
    ParameterValueError
        If one differs; the error names it.

    Examples
    --------
    >>> lab = architecture(Parameters(), n_symbols=80, documents=False)
    >>> check_network(Parameters(epochs=3), lab)
    >>> check_network(Parameters(dtype="float64"), lab)
    Traceback (most recent call last):
    ...
    pycharrnn.errors.ParameterValueError: dtype must stay 'float32' while the same network trains on, got 'float64'; ...
    """
    for name, value in vars(trained).items():
        given = getattr(params, name, value)
        if given != value:
            problem = f"must stay {shown(value)} while the same network trains on, got {shown(given)}"
            advice = f"call set_params({name}={shown(value)}), or fit, which trains a new network"
            raise ParameterValueError(name, f"{problem}; {advice}")


def settled(params: Parameters, chosen: Mapping[str, Any]) -> Parameters:
    """Return the parameters with what was chosen for the text in place of the open ones.

    Open are those that `auto` names; if it names none, those that have their defaults.

    Examples
    --------
    >>> chosen = {"hidden_size": 256, "num_layers": 2}
    >>> found = settled(Parameters(auto=True, hidden_size=20), chosen)
    >>> found.auto, found.hidden_size, found.num_layers
    (False, 20, 2)
    >>> settled(Parameters(auto=["hidden_size"]), chosen).num_layers
    1
    """
    given = {name: getattr(params, name) for name in table(Parameters)}
    named = None if isinstance(params.auto, bool) else set(params.auto)
    usual = {name for name, row in table(Parameters).items() if given[name] == row.default}
    free = {name: value for name, value in chosen.items() if name in (usual if named is None else named)}
    return Parameters(**(given | free | {"auto": False}))


def plain(params: Parameters) -> dict[str, Any]:
    """Return the parameters as a file has them: numbers, strings, None and dicts of these.

    A file lacks the later parameters that have their defaults: older versions read it, and write the same bytes.
    Parameters of the process are None: the same model has the same file, whatever has trained it.
    """
    rows = table(Parameters)
    found = {name: rows[name].kind.plain(value) for name, value in params.get_params().items() if name in rows}
    found |= dict.fromkeys(PROCESS & found.keys())
    return {name: value for name, value in found.items() if name not in LATER or value != rows[name].default}


def restored(stored: dict[str, Any]) -> dict[str, Any]:
    """Return the checked parameters of a file.

    Early files have a number of threads. It is checked and left: this process may have other processors.

    Raises
    ------
    ValueError, TypeError
        If one is not known or not what it must be.
    """
    rows = table(Parameters)
    if unknown := set(stored) - set(rows):
        raise ValueError(f"this version does not know the parameters {sorted(unknown)}")
    if missing := set(rows) - LATER - set(stored):
        raise ValueError(f"the parameters {sorted(missing)} are missing")
    found = {name: rows[name].kind.restore(value) for name, value in stored.items()}
    params = check_parameters(Parameters(**found))
    written = plain(params) | {"n_threads": params.n_threads}
    for name, value in stored.items():  # 1, 1.0 and True are equal, but written in other ways
        if name not in written or json.dumps(written[name], sort_keys=True) != json.dumps(value, sort_keys=True):
            raise ValueError(f"the parameter {name} is not as it is written: {shown(value)}")
    return found | dict.fromkeys(PROCESS)


def held_out(params: Mapping[str, Any]) -> float:
    """Return the share of the text that is not trained on, if no other text validates. N-grams need one.

    Examples
    --------
    >>> [held_out({"validation_fraction": 0.0, "ngram_order": order}) for order in (None, 7)]
    [0.0, 0.1]
    """
    share: float = params["validation_fraction"]
    return share or (0.0 if params["ngram_order"] is None else 0.1)
