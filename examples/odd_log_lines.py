"""Find the odd lines of a log: a model learns what lines look like, and those that surprise it most come first.

    python examples/odd_log_lines.py [LOG] [--known LOG] [--epochs 20] [--top 8]

Without files it makes two days of a log of its own: the model learns the first, and the second has six lines that no
rule describes. Of each line that it shows, a mark stands under the character that surprises the model most.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pycharrnn import CharRNN

PATHS = ("/", "/login", "/api/items", "/api/items/{}", "/static/app.js", "/static/style.css", "/cart", "/search?q={}")
ODD = (
    'GET /api/items/7 200 12ms "curl/8.5"; rm -rf /',
    "GET /../../etc/passwd 200 3ms",
    "POST /login 200 999999ms",
    "segfault at 0 ip 00007f1c in libssl.so",
    "GET /searching/tea 200 14ms",
    "DELETE /api/items/12 418 8ms",
)


def lines_of_a_day(seed: int, n: int) -> list[str]:
    """Requests that a small shop might have had."""
    draw = random.Random(seed)
    lines = []
    for _ in range(n):
        path = draw.choice(PATHS).format(draw.choice(["tea", "cup", draw.randrange(1, 99)]))
        method = "POST" if path in ("/login", "/cart") and draw.random() < 0.5 else "GET"
        status = draw.choices((200, 304, 404, 500), (90, 6, 3, 1))[0]
        lines.append(f"{method} {path} {status} {draw.randrange(2, 60)}ms")
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("log", metavar="LOG", nargs="?", type=Path, help="UTF-8 file; default: one that is made here")
    parser.add_argument("--known", metavar="LOG", type=Path, help="what usual lines look like; default: LOG itself")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--top", type=int, default=8)
    args = parser.parse_args(argv)

    if args.log:
        today = [line for line in args.log.read_text(encoding="utf-8").splitlines() if line]
        known = today
        if args.known:
            known = [line for line in args.known.read_text(encoding="utf-8").splitlines() if line]
    else:
        known, today = lines_of_a_day(0, 1_500), [*lines_of_a_day(1, 500), *ODD]
        random.Random(2).shuffle(today)

    # What no line has had before is unusual, too: U+FFFD or ? stands for a character that the model does not know.
    model = CharRNN.preset("quick", epochs=args.epochs, max_seconds=10, random_state=0)
    model.set_params(on_unknown="replace").fit(known)
    print(f"{len(known):,} lines learned in {model.history_.seconds[-1]:.1f} s; the oddest of {len(today):,} lines:")
    oddest = model.rank(today)[::-1][: args.top]
    for line, surprise in zip(oddest, model.surprise([line.text for line in oddest], unit="bits"), strict=True):
        most = int(np.argmax(surprise))
        end = len(line.text) if most >= len(line.text) else most  # a line may also end where it should not
        print(f"{line.nats:6.2f} nats  line {line.place + 1:>5}  {line.text}")
        print(f"{surprise[most]:6.1f} bits  {'':>10}  {'':>{end}}^")
    if args.log is None:
        found = sum(line.text in ODD for line in oddest[: len(ODD)])
        print(f"{found} of the {len(ODD)} lines that no rule describes are the first {len(ODD)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
