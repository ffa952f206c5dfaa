"""Numbers at their limits: any temperature, rates that diverge, subnormal numbers."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
from rows import Finding, row, scratch

from pycharrnn import CharRNN, TrainingDivergedError, optim
from pycharrnn.trained import learned

TEMPERATURES = (0.0, 5e-324, 1e-45, 1e-38, 1e-6, 0.1, 1.0, 10.0, 1e6, 1e38, 1e308)
LARGE = 3e38  # near the largest float32
LOGITS = {
    "zeros": [0.0, 0.0, 0.0, 0.0],
    "one": [1e4, 0.0, 0.0, 0.0],
    "negative": [-1e4, -1e4, -1e4, 0.0],
    "largest": [LARGE, -LARGE, 0.0, 1.0],
    "ties": [5.0, 5.0, -5.0, 5.0],
    "all largest": [LARGE, LARGE, LARGE, LARGE],
    "subnormal": [1e-42, -1e-42, 0.0, 1e-40],
    "usual": [0.3, -1.2, 2.0, 0.7],
}
SETTINGS: list[dict[str, Any]] = [
    {},
    {"top_k": 1},
    {"top_p": 1e-300},
    {"min_p": 1.0},
    {"repetition_penalty": 1e300},
    {"repetition_penalty": 1e-300},
    {"bias": {"a": 1e300, "b": -1e300}},
    {"ban": "abc"},
]


class Edge(np.random.Generator):
    """A generator that draws one number only, such as the largest below 1."""

    number = 0.0

    def random(self, size: Any = None, *args: Any, **options: Any) -> Any:
        return self.number if size is None else np.full(size, self.number)


def edge(number: float) -> Edge:
    made = Edge(np.random.PCG64(0))
    made.number = number
    return made


def telling(logits: list[float]) -> CharRNN:
    """A model of four characters whose logits are always these."""
    model = CharRNN(hidden_size=2, max_updates=1, random_state=0).fit("abcd" * 5)
    architecture, state = learned(model).architecture, learned(model).state
    named = architecture.named(state.best)
    for array in named.values():
        array[...] = 0
    named["c"][...] = np.array(logits, np.float32)
    return model


def likeliest(logits: list[float]) -> set[str]:
    top = max(np.array(logits, np.float32))
    return {name for name, value in zip("abcd", np.array(logits, np.float32), strict=True) if value == top}


def draws(full: bool) -> Iterator[tuple[Any, ...]]:
    numbers = (0.0, 0.5, 1 - 2.0**-24, 1 - 2.0**-53)
    return itertools.product(LOGITS, TEMPERATURES, SETTINGS, numbers)


def chi_square_is_usual(counts: Any, shares: Any) -> bool:
    """Whether p is above 0.001, by the approximation of Wilson and Hilferty (1931)."""
    wanted = shares * counts.sum()
    k = len(counts) - 1
    statistic = ((counts - wanted) ** 2 / wanted).sum()
    z = ((statistic / k) ** (1 / 3) - (1 - 2 / (9 * k))) / math.sqrt(2 / (9 * k))
    return bool(z < 3.09)


def diverging(found: Finding) -> None:
    """Rates that nobody should take: an error, and finite weights that can be saved."""
    texts = ["abcd" * 40, "a" * 100, "\0" * 50, ["ab", "c"]]
    rules: list[Any] = ["sgd", "adagrad", "adam", "rmsprop", "momentum"]
    for rate, text, rule, clip in itertools.product((1e-30, 1e2, 1e6, 1e30, 1e300), texts, rules, (None, 5.0)):
        case = f"learning_rate={rate} optimizer={rule} clip_value={clip} of {text[:2]!a}"
        options: dict[str, Any] = {"max_updates": 30, "epochs": None, "random_state": 0}
        model = CharRNN(hidden_size=4, optimizer=rule, learning_rate=rate, clip_value=clip, **options)
        try:
            model.fit(text)
        except TrainingDivergedError as error:
            found.check(error.n_updates <= 30, case)
        state = learned(model).state
        arrays = (state.weights, state.best, state.m, state.v)
        found.check(all(np.isfinite(array).all() for array in arrays), case, "keeps what is not finite")
        with scratch() as folder:
            model.save(folder / "m")
            found.check(len(CharRNN.load(folder / "m").sample(3, random_state=0)) >= 0, case)


@row("R19", "Draw at every temperature, and train at rates that diverge")
def torture(full: bool) -> Finding:
    found = Finding("cases", 3000)
    models = {name: telling(logits) for name, logits in LOGITS.items()}
    for name, temperature, settings, number in draws(full):
        case = f"{name} temperature={temperature} {settings} u={number}"
        text = models[name].sample(8, temperature=temperature, random_state=edge(number), **settings)
        right = len(text) == 8 and set(text) <= set("abcd")
        if not settings and temperature <= 1e-45 and name != "subnormal":
            right = right and set(text) <= likeliest(LOGITS[name])
        if "ban" in settings:
            right = right and set(text) == {"d"}
        found.check(right, case, ascii(text))
    usual = np.array(LOGITS["usual"])
    shares = np.exp(usual) / np.exp(usual).sum()
    for seed in range(20):
        text = models["usual"].sample(1_000_000 if full else 50_000, random_state=seed)
        counts = np.array([text.count(name) for name in "abcd"])
        found.check(chi_square_is_usual(counts, shares), "seed", seed, counts)
    diverging(found)
    return found


def subnormal(array: Any) -> int:
    """How many of the numbers are subnormal."""
    tiny = np.finfo(array.dtype).tiny
    return int(((array != 0) & (np.abs(array) < tiny)).sum())


@row("R20", "Train until gradients and moments vanish: no subnormal numbers")
def vanishing(full: bool) -> Finding:
    found = Finding("numbers", 1000)
    states = 0
    rules = [optim.SGD(), optim.Momentum(), optim.AdaGrad(), optim.RMSProp(), optim.Adam()]
    for rule, cell, dtype in itertools.product(rules, ("rnn", "lstm", "gru"), ("float32", "float64")):
        options: dict[str, Any] = {"max_updates": 10_000 if full else 1000, "epochs": None, "random_state": 0}
        model = CharRNN(
            cell, hidden_size=8, optimizer=rule, dtype=dtype, init_scale=1e-30, weight_decay=0.5, learning_rate=0.5,
            clip_value=None, **options,
        )  # fmt: skip
        try:
            model.fit("ab" * 200)
        except TrainingDivergedError:
            continue
        state = learned(model).state
        for name in ("m", "v"):
            array = getattr(state, name)
            found.count += array.size
            if subnormal(array):
                found.fault(f"{rule} {cell} {dtype}: {subnormal(array)} of {name}")
        states += subnormal(state.carried)
    found.note = f"{states} subnormal numbers in states, which come of weights as small"
    return found


@row("R21", "Every code point, and texts of odd ones: there and back")
def unicode(full: bool) -> Finding:
    found = Finding("texts", 500)
    odd = "\0\t\n\r\x0b\x0c\x1b\x1c\x85\xa0\xad\u0301\u200b\u200d\u202e\u2028\u2029\ufeff\ufffd\ufffe"
    odd += "\ud800\udfff\U0010ffff\U0001f468\U0001f9d1\U000e0041\ue000a\xe9e\u0301"
    blocks = ["".join(map(chr, range(start, start + 4096))) for start in range(0, 0x110000, 4096)]
    rng = random.Random(0)
    texts = ["".join(rng.choices(odd, k=rng.randrange(2, 40))) for _ in range(5000 if full else 300)]
    everything = "".join(blocks)
    from pycharrnn import Vocabulary

    for text in [*blocks, *texts, "x" * 10**6 + odd, everything]:
        vocabulary = Vocabulary.from_text(text)
        found.check(vocabulary.decode(vocabulary.encode(text)) == text, ascii(text[:20]))
    with scratch() as folder:
        for text in [odd, *texts[:50], blocks[13], blocks[272 - 1]]:
            model = CharRNN(hidden_size=1, max_updates=1, seq_length=2).fit(text)
            model.save(folder / "m")
            again = CharRNN.load(folder / "m")
            found.check(again.vocabulary_ == model.vocabulary_ and again.score(text) <= 0, ascii(text[:20]))
        for text in [odd, *texts[:50]]:
            plain = text.replace("\ud800", "").replace("\udfff", "").removeprefix("\ufeff") + "ab"
            for mark in (b"", b"\xef\xbb\xbf"):
                path = folder / "text.txt"
                path.write_bytes(mark + plain.encode())
                model = CharRNN(hidden_size=1, max_updates=1, seq_length=2).fit(path)
                found.check(set(model.vocabulary_) == set(plain), "a file with", ascii(plain[:20]))
    return found
