"""The loss of an unseen text against the time of training, on nanoGPT's split of tinyshakespeare.

    python benchmarks/quality.py [5 68 210] [--text FILE] [--sample 500] [--output MODEL]

`CharRNN.preset("auto")` trains on the first nine tenths, 1,003,854 characters, for so many seconds; pieces of them
choose the weights that are kept, and the share of the n-grams. The last tenth chooses nothing. Losses are in nats per
character of it: with the state carried through each half and through both, and in cold windows of 256 and 64
characters, each from a zero state. Then come the network without n-grams, in the same way through both halves and in
windows of 256, and the network that learns from what it has scored (dynamic evaluation), which is another measure.
Times are those of the whole call of `fit`.
"""

import argparse
import time
from pathlib import Path

from pycharrnn import CharRNN, datasets

RATE = 1e-3  # of the dynamic evaluation
COLUMNS = (
    *("limit", "seconds", "network", "epochs", "half", "half", "both", "cold 256", "cold 64"),
    *("network", "cold 256", "adapted"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seconds", type=float, nargs="*", default=[5.0, 68.0, 210.0], help="times (default: 5 68 210)")
    parser.add_argument("--text", type=Path, metavar="FILE", help="a text instead of tinyshakespeare")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="print N characters of the last model")
    parser.add_argument("--output", metavar="MODEL", help="write the last model to this file")
    arguments = parser.parse_args()
    text = arguments.text.read_text("utf-8") if arguments.text else datasets.load("tinyshakespeare")
    cut = len(text) * 9 // 10
    half = (cut + len(text)) // 2
    training, unseen = text[:cut], text[cut:]
    print("".join(f"{name:>10}" for name in COLUMNS), flush=True)
    for seconds in arguments.seconds:
        begin = time.perf_counter()
        model = CharRNN.preset("auto", max_seconds=seconds, on_unknown="skip", random_state=0, verbose=False)
        model.fit(training)
        spent = time.perf_counter() - begin
        used = model.chosen_
        epochs = model.n_updates_ * used["batch_size"] * used["seq_length"] / len(training)
        row = [f"{seconds:g} s", f"{spent:.1f}", f"{used['cell']} {used['num_layers']}x{used['hidden_size']}"]
        losses = [model.evaluate(part).nats for part in (text[cut:half], text[half:], unseen)]
        losses += [model.evaluate(unseen, window).nats for window in (256, 64)]
        losses += [model.evaluate(unseen, window, ngrams=False).nats for window in (None, 256)]
        losses.append(model.evaluate(unseen, adapt=RATE).nats)
        print("".join(f"{cell:>10}" for cell in [*row, f"{epochs:.1f}", *(f"{x:.4f}" for x in losses)]), flush=True)
        if arguments.output:
            model.save(arguments.output)
    if arguments.sample:
        print(model.sample(arguments.sample, random_state=0))


if __name__ == "__main__":
    main()
