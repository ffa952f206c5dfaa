"""Train on a novel for four epochs, with a text every 10,000 updates, and write 1,000 characters with the best model.

    python examples/train_novel.py [TEXT] [--max-updates N] [--plot losses.png]

Prints the texts as they come, then a table of the loss of a window beside the smooth loss, then the update at which a
fixed part of the text was predicted best and a text of the model of that update.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pycharrnn import CharRNN, SampleText, datasets
from pycharrnn.training.run import Run


class Record:
    """A callback: notes the losses after each `every`-th update."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.rows: list[tuple[int, float, float, float]] = []

    def __call__(self, run: Run) -> None:
        if run.n_updates:  # it is called once before the first update, when there is no loss yet
            self.rows.append((run.n_updates, run.loss, run.smooth_loss, run.seconds))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", metavar="TEXT", nargs="?", type=Path, help="UTF-8 file; default: Python's own help")
    parser.add_argument("--max-updates", type=int, help="stop before the four epochs are over")
    parser.add_argument("--every", type=int, default=10_000, help="updates between two texts, and between two rows")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the losses, as .png or .svg")
    args = parser.parse_args(argv)

    record = Record(args.every)
    model = CharRNN(epochs=4, max_updates=args.max_updates, random_state=0)
    model.fit(args.text or datasets.load("topics"), callbacks=[SampleText(args.every, length=200), record])

    history, best = model.history_, model.best_
    print(f"{'update':>9}{'loss':>10}{'smooth loss':>14}{'seconds':>10}")
    for update, loss, smooth_loss, seconds in [(0, history.loss[0], history.smooth_loss[0], 0.0), *record.rows]:
        print(f"{update:>9,}{loss:>10.2f}{smooth_loss:>14.2f}{seconds:>10.2f}")
    print(f"\n{history.n_updates:,} updates, {len(history.epochs)} epochs, {history.seconds[-1]:.1f} s")
    print(f"--- best model: update {best.n_updates:,}, smooth loss {best.smooth_loss:.2f}")
    print(model.sample(1_000, random_state=0))  # with the best weights, not the last ones

    if args.plot:
        history.plot().savefig(args.plot)


if __name__ == "__main__":
    main()
