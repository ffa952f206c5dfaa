"""Train on a text, watch it learn, write more of it, keep the model.

    python examples/quickstart.py [TEXT] [--output quickstart.safetensors]

TEXT is a UTF-8 file; without it the English that comes with every Python is read. Takes some five seconds.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pycharrnn import CharRNN, SampleText, datasets


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", metavar="TEXT", nargs="?", type=Path, help="UTF-8 file; default: Python's own help")
    parser.add_argument("--output", type=Path, metavar="FILE", default="quickstart.safetensors")
    args = parser.parse_args(argv)

    model = CharRNN(epochs=4, random_state=0)
    model.fit(args.text or datasets.load("topics"), callbacks=[SampleText(every=20_000, length=120)])
    print(f"{model.history_}; the best model is that of update {model.best_.n_updates}\n")
    for temperature in (0.3, 0.7, 1.0):
        print(f"--- temperature {temperature}\n{model.sample(160, temperature=temperature)}\n")
    model.save(args.output)
    print(f"Written: {args.output}; read it with CharRNN.load")


if __name__ == "__main__":
    main()
