"""The loss of an unseen text against the time of training, on nanoGPT's split of tinyshakespeare.

    python benchmarks/quality.py [5 75 210 900 1800] [--text FILE] [--sample 500] [--output MODEL]

The first 1,003,854 characters are trained on, the other 111,540 are the validation text, which also says which
weights are kept. Losses are in nats per character: over the whole validation text with the state carried through it,
and in cold windows of 256 and 64 characters, each from a zero state. Times are those of the training, its validations
included.
"""

import argparse
from pathlib import Path
from typing import Any

from pycharrnn import CharRNN, datasets

TRAINING = 1_003_854  # characters: nine tenths, as nanoGPT cuts it
RECIPES: dict[int, tuple[str, dict[str, Any]]] = {
    5: ("minute", {"hidden_size": 128, "num_layers": 1, "dropout": 0.0, "batch_size": 8, "learning_rate": 0.006}),
    75: ("minute", {}),
    210: ("quality", {"cell": "gru", "hidden_size": 256, "dropout": 0.25, "label_smoothing": 0.0}),
    900: ("quality", {"hidden_size": 768, "dropout": 0.5, "learning_rate": 0.003}),
    1800: ("quality", {"hidden_size": 1024, "dropout": 0.55, "learning_rate": 0.002}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "seconds", type=int, nargs="*", default=[*RECIPES][:-1], help="times (default: all but the longest)"
    )
    parser.add_argument("--text", type=Path, metavar="FILE", help="a text instead of tinyshakespeare")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="print N characters of the last model")
    parser.add_argument("--output", metavar="MODEL", help="write the last model to this file")
    arguments = parser.parse_args()
    if unknown := [seconds for seconds in arguments.seconds if seconds not in RECIPES]:
        parser.error(f"there is no recipe for {unknown[0]} seconds; there are some for {', '.join(map(str, RECIPES))}")
    text = arguments.text.read_text("utf-8") if arguments.text else datasets.load("tinyshakespeare")
    training, unseen = text[:TRAINING], text[TRAINING:]
    head = ("limit", "seconds", "characters/s", "epochs", "stateful", "cold 256", "cold 64", "kept at")
    print("".join(f"{name:>14}" for name in head), flush=True)
    for seconds in arguments.seconds:
        preset, changes = RECIPES[seconds]
        model = CharRNN.preset(preset, **changes, max_seconds=seconds, random_state=0, verbose=False)
        history = model.fit(training, validation=unseen).history_
        spent, read = history.validation[-1].seconds, model.n_updates_ * model.batch_size * model.seq_length
        kept = next(look.seconds for look in history.validation if look.n_updates == model.best_.n_updates)
        losses = [model.evaluate(unseen, window).nats for window in (None, 256, 64)]
        row = [f"{seconds} s", f"{spent:.1f}", f"{read / spent:,.0f}", f"{read / len(training):.1f}"]
        print("".join(f"{cell:>14}" for cell in [*row, *(f"{x:.4f}" for x in losses), f"{kept:.0f} s"]), flush=True)
        print(f"  {model!r}", flush=True)
        if arguments.output:
            model.save(arguments.output)
    print(f"\nKneser-Ney, {history.baseline_order}-grams: {history.baseline:.4f}")
    if arguments.sample:
        print(model.sample(arguments.sample, random_state=0))


if __name__ == "__main__":
    main()
