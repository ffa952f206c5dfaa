"""Check back-propagation against central differences, entry by entry, for windows of 5, 10, 15 and 25 characters.

    python examples/gradient_check.py [TEXT] [--hidden-size 100] [--seq-lengths 5 10 15 25]

Prints, for the first and the second window of each length and for every tensor, the largest and the sum of the relative
errors and the share of entries that are right; then a line that sums it up. Ends with exit code 1 if any entry is off.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pycharrnn import CharRNN, datasets


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", metavar="TEXT", nargs="?", type=Path, help="UTF-8 file; default: Python's own help")
    parser.add_argument("--hidden-size", type=int, default=100)
    parser.add_argument("--seq-lengths", type=int, nargs="+", default=[5, 10, 15, 25], metavar="N")
    parser.add_argument("--tolerance", type=float, default=1e-6, help="largest error that counts as right")
    args = parser.parse_args(argv)

    model = CharRNN(hidden_size=args.hidden_size, random_state=0)  # not trained: its initial weights are checked
    begin = time.perf_counter()
    table = model.check_gradients(
        args.text or datasets.load("topics"), args.seq_lengths, batches=2, h=1e-4, tolerance=args.tolerance
    )
    print(table)

    n_right = round(table.share * table.n_checked)
    print(
        f"\n{n_right:,} of {table.n_checked:,} checked entries within {args.tolerance:g}, "
        f"largest error {table.max_error:.1e}, {time.perf_counter() - begin:.1f} s"
    )
    return 0 if n_right == table.n_checked else 1


if __name__ == "__main__":
    sys.exit(main())
