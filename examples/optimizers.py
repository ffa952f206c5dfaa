"""SGD, AdaGrad, RMSProp and Adam side by side: the same text and starting weights, each with its usual learning rate.

    python examples/optimizers.py [TEXT] [--max-updates 100000] [--plot optimizers.png]

Prints the smooth loss every 10,000 updates, a column for each rule, then that of the best weights and their update. A
rule is only as good as its learning rate: try --learning-rates 0.01 0.1 0.002 0.002, where SGD takes larger steps.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pycharrnn import CharRNN, datasets
from pycharrnn.lab.plots import plot_losses
from pycharrnn.training.optimizers import OPTIMIZERS
from pycharrnn.training.run import Run

RULES = ("sgd", "adagrad", "rmsprop", "adam")


class Record:
    """A callback: notes the smooth loss after each `every`-th update."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.smooth_loss: dict[int, float] = {}

    def __call__(self, run: Run) -> None:
        self.smooth_loss[run.n_updates] = run.smooth_loss


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", metavar="TEXT", nargs="?", type=Path, help="UTF-8 file; default: Python's own help")
    parser.add_argument("--max-updates", type=int, default=100_000)
    usual = [OPTIMIZERS[rule].rate for rule in RULES]
    parser.add_argument("--learning-rates", type=float, nargs=4, default=usual, metavar="RATE", help="for each rule")
    parser.add_argument("--every", type=int, default=10_000, help="updates between two rows")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves, as .png or .svg")
    args = parser.parse_args(argv)
    text = args.text or datasets.load("topics")

    models, records = [], []
    for rule, rate in zip(RULES, args.learning_rates, strict=True):
        record = Record(args.every)
        model = CharRNN(optimizer=rule, learning_rate=rate, epochs=None, max_updates=args.max_updates, random_state=0)
        models.append(model.fit(text, callbacks=[record]))
        records.append(record)

    print("smooth loss, in nats per 25 characters\n")
    print(f"{'':<14}" + "".join(f"{rule:>10}" for rule in RULES))
    print(f"{'learning rate':<14}" + "".join(f"{rate:>10g}" for rate in args.learning_rates))
    for update in range(args.every, args.max_updates + 1, args.every):
        print(f"{update:<14,}" + "".join(f"{record.smooth_loss[update]:>10.2f}" for record in records))
    print(f"{'best':<14}" + "".join(f"{model.best_.smooth_loss:>10.2f}" for model in models))
    print(f"{'  at update':<14}" + "".join(f"{model.best_.n_updates:>10,}" for model in models))
    print(f"{'seconds':<14}" + "".join(f"{model.history_.seconds[-1]:>10.1f}" for model in models))

    if args.plot:
        plot_losses({rule: model.history_ for rule, model in zip(RULES, models, strict=True)}).savefig(args.plot)


if __name__ == "__main__":
    main()
