"""How far back should the gradient flow? Windows of 5 to 50 characters, compared after the same number of characters.

    python examples/sequence_lengths.py [TEXT] [--characters 1500000] [--seeds 3] [--plot sequence_lengths.png]

Prints the smooth loss per character at ten points of the training, a column for each length, each the mean of
three models that differ in their starting weights. Below stand the lowest and the highest of the three at the end:
where those of two lengths overlap, neither is shown to be better. The smooth loss is itself a mean over some 1,000
windows.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from pycharrnn import CharRNN, datasets
from pycharrnn.lab.plots import plot_losses
from pycharrnn.training.history import History
from pycharrnn.training.run import Run


class Record:
    """A callback: notes the smooth loss after each `every`-th update."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.smooth_loss: list[float] = []

    def __call__(self, run: Run) -> None:
        if run.n_updates:  # it is called once before the first update, when there is no loss yet
            self.smooth_loss.append(run.smooth_loss)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", metavar="TEXT", nargs="?", type=Path, help="UTF-8 file; default: Python's own help")
    parser.add_argument("--characters", type=int, default=1_500_000, help="to train each model on")
    parser.add_argument("--seq-lengths", type=int, nargs="+", default=[5, 10, 15, 25, 50], metavar="N")
    parser.add_argument("--seeds", type=int, default=3, help="models for each length")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves of the first seed, as .png or .svg")
    args = parser.parse_args(argv)
    text = args.text or datasets.load("topics")

    histories: dict[str, History] = {}
    losses = []  # a table (point, seed) for each length
    for length in args.seq_lengths:
        every = args.characters // 10 // length
        if not every:
            parser.error(f"--characters must be at least ten windows of {length}")
        records = [Record(every) for _ in range(args.seeds)]
        for seed, record in enumerate(records):
            model = CharRNN(seq_length=length, epochs=None, max_updates=10 * every, random_state=seed)
            model.fit(text, callbacks=[record])
            histories.setdefault(f"seq_length {length}", model.history_)
        losses.append(np.array([record.smooth_loss for record in records]).T / length)

    def show(label: str, values: Iterable[float], form: str = ".3f") -> None:
        print(f"{label:<12}" + "".join(f"{value:>10{form}}" for value in values))

    print(f"smooth loss, in nats per character, mean of {args.seeds} seeds\n")
    show("seq_length", args.seq_lengths, "")
    for i in range(10):
        show(f"{(i + 1) * args.characters // 10:,}", [table[i].mean() for table in losses])
    show("lowest", [table[-1].min() for table in losses])
    show("highest", [table[-1].max() for table in losses])
    show("updates", [history.n_updates for history in histories.values()], ",")
    show("s, seed 0", [history.seconds[-1] for history in histories.values()], ".1f")

    if args.plot:
        plot_losses(histories, per_character=True).savefig(args.plot)


if __name__ == "__main__":
    main()
