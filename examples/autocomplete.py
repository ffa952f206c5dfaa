"""Complete words: the likeliest next characters, and the likeliest ends of a word, each with its probability.

    python examples/autocomplete.py [TEXT] [--max-seconds 10] [--beam 12] [--prompts "the "]

Trains on TEXT, by default Python's own help. A session reads each prompt and says which characters may come next; it
stays where it is, so an application feeds it key by key. A beam search finds the likeliest ends of the word.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from pycharrnn import CharRNN, datasets

PROMPTS = ("a func", "an except", "the va", "if the ob", "impo")


def next_characters(model: CharRNN, prompt: str, n: int = 3) -> list[tuple[str, float]]:
    """The n likeliest next characters, with their probabilities."""
    probabilities = model.session(prompt).probabilities()
    return sorted(probabilities.items(), key=lambda one: -one[1])[:n]


def ends_of_the_word(model: CharRNN, prompt: str, beam: int, n: int = 3) -> list[tuple[str, float]]:
    """The n likeliest ends of the word that the prompt begins, with their probabilities."""
    after_words = [character for character in model.vocabulary_ if not character.isalnum()]
    found = []
    for end in model.sample(20, prompt=prompt, temperature=0, beam=beam, n_samples=beam, stop=after_words):
        p = math.exp(model.log_proba(prompt + end) - model.log_proba(prompt))
        next_one = model.session(prompt + end).probabilities()
        found.append((end, p * sum(next_one[character] for character in after_words)))
    return sorted(found, key=lambda one: -one[1])[:n]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", metavar="TEXT", nargs="?", type=Path, help="UTF-8 file; default: Python's own help")
    parser.add_argument("--max-seconds", type=float, default=10.0)
    parser.add_argument("--beam", type=int, default=12, help="texts that the search follows")
    parser.add_argument("--prompts", nargs="+", default=PROMPTS)
    args = parser.parse_args(argv)

    model = CharRNN.preset("quick", max_seconds=args.max_seconds, on_unknown="skip", random_state=0)
    model.fit(args.text or datasets.load("topics"))
    print(f"{model.n_updates_:,} updates in {model.history_.seconds[-1]:.1f} s")
    for prompt in args.prompts:
        print(f"\n{prompt!r} goes on with")
        for character, p in next_characters(model, prompt):
            print(f"{p:7.1%} {character!r}")
        print("and its word may become")
        for end, p in ends_of_the_word(model, prompt, args.beam):
            print(f"{p:7.1%} {prompt.split()[-1]}{end}")


if __name__ == "__main__":
    sys.exit(main())
