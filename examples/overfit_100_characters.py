"""Memorise 100 characters: if a network cannot, its training is broken.

    python examples/overfit_100_characters.py [TEXT] [--epochs 5000] [--plot overfit.png]

Prints the loss before and after 5,000 epochs, the 100 characters, and what the model writes from the first of them when
it always takes the likeliest character. Exit code 1 says that the smooth loss is not below 0.05, or the texts differ.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pycharrnn import CharRNN, datasets


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", metavar="TEXT", nargs="?", type=Path, help="UTF-8 file; default: Python's own help")
    parser.add_argument("--epochs", type=int, default=5_000)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the losses, as .png or .svg")
    args = parser.parse_args(argv)
    text = args.text.read_text(encoding="utf-8") if args.text else datasets.load("topics")
    text = text[:100]

    model = CharRNN(epochs=args.epochs, random_state=0).fit(text)
    history = model.history_
    print(f"{len(text)} characters, {len(model.vocabulary_)} distinct; {model.n_updates_:,} updates")
    print(f"smooth loss {history.smooth_loss[0]:.2f} -> {model.smooth_loss_:.4f} in {history.seconds[-1]:.1f} s")

    written = text[0] + model.sample(len(text) - 1, prompt=text[0], temperature=0)
    print(f"\n--- the text\n{text}\n--- written\n{written}\n---")
    learned = model.smooth_loss_ < 0.05 and written == text
    print("memorised" if learned else "NOT memorised")

    if args.plot:
        figure = history.plot()
        figure.axes[0].set(yscale="log", ylim=(history.loss.min() / 2, history.loss.max() * 2))
        figure.savefig(args.plot)
    return 0 if learned else 1


if __name__ == "__main__":
    sys.exit(main())
