"""Which network is best for how much arithmetic: the measurements behind `pycharrnn/recipes.py`.

    python benchmarks/recipes.py [2 6 12] [--text FILE] [--first N] [--only gru-2x128 ...]

Each recipe trains on the first nine tenths of a text with the same number of operations, given in 10^12. An update does
six for each character and each weight that is multiplied: a multiplication and an addition, forwards, and for the
derivatives of both factors. So the time of each is about the same on every machine, and no clock decides. The last
tenth is cut in halves. The first one chooses the weights that are kept, the second one chooses nothing. Losses are in
nats per character, with the state carried through each half.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from pycharrnn import CharRNN, datasets
from pycharrnn.recipes import LONG, QUICK, SHORT, quick, thorough

OPERATIONS = 6  # for each character and weight
BATCH, LENGTH = 16, 64


class Row(NamedTuple):
    """What a training of one network found."""

    characters: float
    chose: float
    nothing: float
    kept_at: float


def network(name: str) -> dict[str, Any]:
    """The parameters of a name such as gru-2x128, with the learning rate of the recipe that is nearest in size."""
    cell, sizes = name.split("-")
    layers, units = map(int, sizes.split("x"))
    nearest = min(QUICK, key=lambda recipe: abs(recipe.parameters["hidden_size"] - units))
    return nearest.parameters | {"cell": cell, "num_layers": layers, "hidden_size": units}


def measure(text: str, operations: float, parameters: dict[str, Any], often: bool) -> Row:
    """Train with so many operations."""
    cut = len(text) * 9 // 10
    training, chose = text[:cut], text[cut : (cut + len(text)) // 2]
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[parameters["cell"]]
    units, layers = parameters["hidden_size"], parameters["num_layers"]
    products = gates * units**2 * (2 * layers - 1) + units * len(set(training))
    characters = operations / OPERATIONS / products
    how = thorough(cut, characters, BATCH * LENGTH) if often else quick(characters / cut)
    clips = {"clip_value": None, "clip_norm": float(LENGTH)}
    usual = {"optimizer": "adam", "seq_length": LENGTH, "batch_size": BATCH, "epochs": None} | clips
    n_updates = max(1, int(characters / (BATCH * LENGTH)))
    model = CharRNN(**(usual | parameters | how), max_updates=n_updates, on_unknown="skip", random_state=0)
    model.fit(training, validation=chose)
    found = (model.evaluate(part).nats for part in (chose, text[(cut + len(text)) // 2 :]))
    return Row(characters, *found, model.best_.n_updates / n_updates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("operations", type=float, nargs="*", default=[2.0, 6.0], help="in 10^12 (default: 2 6)")
    parser.add_argument("--text", type=Path, metavar="FILE", help="a text instead of tinyshakespeare")
    parser.add_argument("--first", type=int, metavar="N", help="its first N characters")
    parser.add_argument("--only", nargs="*", metavar="NETWORK", help="networks such as gru-2x128")
    parser.add_argument("--often", action="store_true", help="train like networks that read a text often")
    arguments = parser.parse_args()
    text = arguments.text.read_text("utf-8") if arguments.text else datasets.load("tinyshakespeare")
    text = text[: arguments.first]
    recipes = [recipe.parameters for recipe in ((*SHORT, *LONG) if arguments.often else QUICK)]
    chosen = [network(name) for name in arguments.only] if arguments.only else recipes
    print(f"{'10^12':>6} {'network':<12} {'characters':>12} {'chose':>8} {'nothing':>8} {'kept at':>8}")
    for operations in arguments.operations:
        for parameters in chosen:
            name = f"{parameters['cell']}-{parameters['num_layers']}x{parameters['hidden_size']}"
            row = measure(text, operations * 1e12, parameters, arguments.often)
            print(
                f"{operations:6g} {name:<12} {row.characters:12,.0f} {row.chose:8.4f} {row.nothing:8.4f} "
                f"{row.kept_at:8.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
