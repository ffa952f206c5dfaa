"""Invent names: learn from a list of them, each a document of its own, and write new ones, none cut off.

    python examples/names.py [NAMES.txt] [--epochs 20] [--span 5] [--stop _] [--pattern '[a-f].{3,5}']

NAMES.txt has one name a line; without it the names inside this Python are learned, and identifiers are invented. Prints
how well the model predicts a tenth of the names that it has not seen, how many of 1,000 names it only repeats, and 20
that are new. Then the same with settings: names without --span characters in a row that a learned name has, names up to
the first --stop, and names that match --pattern (which needs the package regex).
"""

import argparse
import builtins
import importlib
import keyword
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pycharrnn import CharRNN, NoveltyIndex, read_documents

LONGEST = 200
MODULES = [
    "argparse", "ast", "asyncio", "calendar", "collections", "csv", "datetime", "decimal", "difflib", "enum",
    "fractions", "functools", "gzip", "html", "inspect", "io", "itertools", "json", "logging", "math", "os",
    "pathlib", "pickle", "random", "re", "shutil", "socket", "statistics", "string", "subprocess", "sys", "tarfile",
    "tempfile", "textwrap", "threading", "tokenize", "typing", "unittest", "uuid", "zipfile",
]  # fmt: skip


def python_names() -> list[str]:
    """Keywords, builtins, the standard library's modules, and what is inside some of them."""
    modules = [importlib.import_module(name) for name in MODULES]
    classes = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    found = {*keyword.kwlist, *dir(builtins), *sys.stdlib_module_names}
    found.update(name for owner in modules + classes for name in dir(owner))
    return sorted(name for name in found if name.isidentifier() and not name.startswith("_"))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", metavar="NAMES.txt", nargs="?", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--span", type=int, default=5, help="characters that may not be copied in a row")
    parser.add_argument("--stop", default="_", help="what ends a name early")
    parser.add_argument("--pattern", help="regular expression that whole names match")
    args = parser.parse_args(argv)

    names = read_documents(args.names, "lines", on_bad="skip") if args.names else python_names()
    names = list(dict.fromkeys(names))  # each once: none may be learned and held out as well
    random.Random(0).shuffle(names)
    tenth = len(names) // 10
    held_out, training = names[:tenth], names[tenth:]
    known = set(names)

    # A character that only held-out names have is left out of them.
    model = CharRNN(epochs=args.epochs, on_unknown="skip", random_state=0).fit(training)
    print(f"{len(training):,} names to learn from, {model.n_updates_:,} updates in {model.history_.seconds[-1]:.1f} s")
    for kind, part in (("learned", training), ("held-out", held_out)):
        print(f"{model.evaluate(part).nats:.3f} nats per character on the {len(part):,} {kind} names")

    # A name that has not come to its end by then is left out; without a length it would be waited for much longer.
    invented = [name for name in model.sample(LONGEST, n_samples=1_000, random_state=0) if len(name) < LONGEST]
    repeated, guessed = (sum(name in part for name in invented) for part in (set(training), set(held_out)))
    print(
        f"of {len(invented):,} names written {repeated} are among the learned ones, {guessed} among the held-out ones"
    )
    new = list(dict.fromkeys(name for name in invented if name not in known))
    print("20 new ones: " + ", ".join(new[:20]))

    def show(what: str, **settings: Any) -> None:
        found = dict.fromkeys(model.sample(LONGEST, n_samples=200, random_state=0, **settings))
        print(f"{what}: " + ", ".join(name for name in list(found)[:10] if name))

    show(f"no {args.span} characters in a row of a learned one", novel=NoveltyIndex(training, args.span), min_length=4)
    show(f"up to {args.stop}", stop=args.stop, min_length=3, top_p=0.95)
    if args.pattern:
        show(f"matching {args.pattern}", pattern=args.pattern)


if __name__ == "__main__":
    main()
