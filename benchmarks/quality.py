"""The loss of an unseen text against the time of training, on nanoGPT's split of tinyshakespeare.

    python benchmarks/quality.py [5 68 210] [--text FILE] [--sample 500] [--output MODEL]

`CharRNN.preset("auto")` trains on the first nine tenths, 1,003,854 characters, for so many seconds. The last tenth is
cut in halves. The first one is the validation text: it says which weights are kept. The second one chooses nothing.
Losses are in nats per character: with the state carried through each half and through both, and of both in cold windows
of 256 and 64 characters, each from a zero state. "Adapted" learns from what it has scored (dynamic evaluation), so it
is another measure. Times are those of the whole call of `fit`.
"""

import argparse
import time
from pathlib import Path

from pycharrnn import CharRNN, datasets

RATE = 1e-3  # of the dynamic evaluation
COLUMNS = ("limit", "seconds", "network", "epochs", "chose", "nothing", "both", "cold 256", "cold 64", "adapted")


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
    training, chose, nothing = text[:cut], text[cut:half], text[half:]
    print("".join(f"{name:>12}" for name in COLUMNS), flush=True)
    for seconds in arguments.seconds:
        begin = time.perf_counter()
        model = CharRNN.preset("auto", max_seconds=seconds, on_unknown="skip", random_state=0, verbose=False)
        model.fit(training, validation=chose)
        spent = time.perf_counter() - begin
        used = model.chosen_
        epochs = model.n_updates_ * used["batch_size"] * used["seq_length"] / len(training)
        row = [f"{seconds:g} s", f"{spent:.1f}", f"{used['cell']} {used['num_layers']}x{used['hidden_size']}"]
        losses = [model.evaluate(part).nats for part in (chose, nothing, text[cut:])]
        losses += [model.evaluate(text[cut:], window).nats for window in (256, 64)]
        losses.append(model.evaluate(text[cut:], adapt=RATE).nats)
        print("".join(f"{cell:>12}" for cell in [*row, f"{epochs:.1f}", *(f"{x:.4f}" for x in losses)]), flush=True)
        if arguments.output:
            model.save(arguments.output)
    history = model.history_
    if history.baseline is not None:
        print(f"\nKneser-Ney, {history.baseline_order}-grams, of the half that chose: {history.baseline:.4f}")
    if arguments.sample:
        print(model.sample(arguments.sample, random_state=0))


if __name__ == "__main__":
    main()
