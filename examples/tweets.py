"""Learn from the posts of an account, each a document of its own, and write new ones, each to its end.

    python examples/tweets.py [POSTS.json] [--field text] [--max-seconds 20]

POSTS.json is a list of objects, [{"text": "...", "created_at": "...", "is_retweet": false}, ...]; without it 2,000
posts are made up. Prints what was read, the smooth loss every 10,000 updates, and ten new posts.
"""

import argparse
import html
import json
import random
import re
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from pycharrnn import CharRNN, read_documents
from pycharrnn.training.run import Run

TEMPLATES = (
    "{hello} {place}! {emoji} #{tag}",
    "Just had {food} & {food} in {place}. {verdict}",
    "{verdict} I <3 {food} {emoji} #{tag}",
    "Who else thinks that {food} > {food}? {emoji}",
)
WORDS = {
    "hello": ("Good morning", "Hello", "Greetings from", "Good night"),
    "place": ("Lisbon", "Malmö", "Zürich", "Kyoto", "Gdańsk", "Nairobi", "Quito"),
    "food": ("coffee", "noodles", "pancakes", "green tea", "soup", "fresh bread", "crème brûlée"),
    "verdict": ("Can't complain.", "Never again.", "10/10.", "Best day ever!", "Could be worse."),
    "tag": ("travel", "foodie", "mondays", "nofilter", "weekend", "slowlife"),
    "emoji": tuple("😀🌧🌅☕🍜🚲🎉🐈🌱"),
}


def make_up_posts(path: Path) -> None:
    """Write 2,000 posts as services export them: HTML entities for &, <, > and quotes, and some without text."""
    rng, posts = random.Random(0), []
    for i in range(2_000):
        text = re.sub(r"{(\w+)}", lambda match: rng.choice(WORDS[match[1]]), rng.choice(TEMPLATES))
        time = str(datetime(2024, 1, 1) + i * timedelta(hours=4))
        posts.append({"text": html.escape(text) if i % 100 else None, "created_at": time, "is_retweet": False})
    path.write_text(json.dumps(posts), encoding="utf-8")


class Watch:
    """A callback: prints the smooth loss after each `every`-th update."""

    def __init__(self, every: int) -> None:
        self.every = every

    def __call__(self, run: Run) -> None:
        if run.n_updates:  # it is called once before the first update, when there is no loss yet
            print(f"{run.n_updates:>9,}{run.smooth_loss:>14.2f}{run.seconds:>10.1f}")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("posts", metavar="POSTS.json", nargs="?", type=Path)
    parser.add_argument("--field", default="text", help="the key of the text in each object")
    parser.add_argument("--max-seconds", type=float, default=20)
    parser.add_argument("--every", type=int, default=10_000, help="updates between two rows")
    args = parser.parse_args(argv)

    with tempfile.TemporaryDirectory() as folder:
        path = args.posts or Path(folder, "posts.json")
        if not args.posts:
            make_up_posts(path)
        posts = read_documents(path, field=args.field, unescape=True, on_bad="skip")
    print(f"{len(posts):,} posts, {sum(map(len, posts)):,} characters; {len(posts.skipped)} skipped", end="")
    print(f", the first: {posts.skipped[0]}" if posts.skipped else "")

    print(f"\n{'update':>9}{'smooth loss':>14}{'seconds':>10}")
    model = CharRNN(epochs=None, max_seconds=args.max_seconds, random_state=0)
    model.fit(posts, callbacks=[Watch(args.every)])
    print(f"best: smooth loss {model.best_.smooth_loss:.2f} after update {model.best_.n_updates:,}\n")

    known = set(posts)
    new = [post for post in model.sample(n_samples=100, random_state=0) if post not in known]
    print(f"{len(new)} of 100 posts are not in the file; the first ten:")
    for post in new[:10]:
        print(f"* {post}")


if __name__ == "__main__":
    main()
