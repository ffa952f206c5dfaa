"""Settings: what each may be, which do not go together, and what a model makes of them."""

import itertools
import re

import pytest

from pycharrnn import CharRNN, SampleText, Sampling
from pycharrnn.sampling.kinds import Bias, Strings, unescape
from pycharrnn.sampling.settings import Settings
from pycharrnn.sampling.stops import Stops
from pycharrnn.tables import table

NAMES = ["anna", "hanna", "bob", "hannah", "ann", "barbara", "nan"] * 8


@pytest.fixture(scope="module")
def names():
    """A model of documents."""
    return CharRNN(hidden_size=16, epochs=30, random_state=0, verbose=False).fit(NAMES)


def test_type_checkers_know_all_settings():
    assert set(Settings.__annotations__) == set(table(Sampling)) - {"length"}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"top_k": 0}, "top_k must be at least 1 and at most"),
        ({"top_k": 2.5}, "top_k must be an integer, got 2.5"),
        ({"top_p": 0}, "top_p must be finite and above 0, got 0"),
        ({"top_p": 1.01}, "top_p must be at most 1, got 1.01"),
        ({"min_p": -0.1}, "min_p must be finite and at least 0"),
        ({"min_p": 2}, "min_p must be at most 1, got 2"),
        ({"repetition_penalty": 0}, "repetition_penalty must be finite and above 0"),
        ({"repetition_window": 0}, "repetition_window must be at least 1"),
        ({"allow": ""}, "allow must have at least one character"),
        ({"ban": ["a"]}, "ban must be a str of characters, got ['a']"),
        ({"allow": "a#"}, "allow must have characters that the model knows, got '#' (U+0023); leave it out"),
        ({"bias": {"#": 1}}, "bias must have characters that the model knows"),
        ({"bias": {"ab": 1}}, "bias must have single characters as keys, got 'ab'"),
        ({"bias": {"a": float("-inf")}}, "bias must have a finite number for 'a', got -inf; to keep a character out"),
        ({"bias": {"a": "1"}}, "bias must have a number for 'a', got '1'"),
        ({"bias": "a"}, "bias must be a dict of characters and numbers"),
        ({"allow": "a", "ban": "a"}, "ban must leave a character that may come"),
        ({"stop": ""}, "stop must not be empty, got ''"),
        ({"stop": []}, "stop must not be empty"),
        ({"stop": ["a", ""]}, "stop must not be empty"),
        ({"stop": 3}, "stop must be a str or a list of str, got 3"),
        ({"min_length": 5, "length": 4}, "min_length must be at most length, 4, got 5"),
        ({"beam": 0}, "beam must be at least 1"),
        ({"beam": 2}, "beam draws nothing, so it goes with temperature=0 alone, got beam=2 with temperature=1"),
        ({"beam": 2, "temperature": 0, "top_k": 3}, "top_k does nothing in a beam search, got beam=2; leave it out"),
        ({"pattern": ""}, "pattern must not be empty"),
        ({"constraint": "abc"}, "constraint must be callable, got 'abc'"),
        ({"temperatures": 1}, "() got an unexpected keyword argument 'temperatures' (did you mean 'temperature'?)"),
    ],
)
def test_what_cannot_be_is_an_error(model, settings, problem):
    with pytest.raises((TypeError, ValueError), match=re.escape(problem)):
        model.sample(**settings)
    with pytest.raises((TypeError, ValueError), match=re.escape(problem)):
        model.stream(**settings)


def test_a_training_takes_the_same_settings(text):
    with pytest.raises(ValueError, match="top_p must be at most 1"):
        SampleText(top_p=2)
    with pytest.raises(ValueError, match="beam is for whole texts"):
        SampleText(beam=2, temperature=0)
    watch = SampleText(20, 30, ban="e", stop=["."], file=None)
    model = CharRNN(hidden_size=8, max_updates=40, epochs=None, random_state=0).fit(text, callbacks=[watch])
    written = "".join(one.text for one in model.history_.texts)
    assert written
    assert not set(written) & set("e.")


def test_banned_characters_never_come(model):
    text = model.sample(30_000, random_state=0, temperature=3, ban="eo ", bias={"t": 2.0})
    assert not set(text) & set("eo ")
    assert text.count("t") > 2 * model.sample(30_000, random_state=0, temperature=3).count("t")
    assert set(model.sample(3_000, random_state=0, temperature=3, allow="to b")) == set("to b")


@pytest.mark.slow
def test_banned_characters_do_not_come_in_a_million(model):
    assert not set(model.sample(10**6, random_state=0, ban="eo ", temperature=1.5)) & set("eo ")


def test_the_filters_act_on_texts(model):
    greedy = model.sample(60, temperature=0)
    for settings in ({"top_k": 1}, {"top_p": 1e-9}, {"min_p": 1.0}):
        assert model.sample(60, random_state=1, **settings) == greedy
    assert model.sample(300, random_state=1, top_k=10**6, top_p=1.0, min_p=0.0) == model.sample(300, random_state=1)
    plain = model.sample(2000, random_state=1, temperature=1)
    penalised = model.sample(2000, random_state=1, temperature=1, repetition_penalty=4.0, repetition_window=4)

    def repeats(text):
        return sum(a in text[i : i + 4] for i, a in enumerate(text[4:])) / len(text)

    assert repeats(penalised) < 0.5 * repeats(plain)
    assert model.sample(100, random_state=1, repetition_window=1) == model.sample(100, random_state=1)


def stopped(text, strings):
    """The text before the string that is complete first, by the definition."""
    for end in range(len(text) + 1):
        starts = [end - len(s) for s in strings if text[:end].endswith(s)]
        if starts:
            return text[: min(starts)]
    return text


def test_stops_are_found_wherever_they_lie(rng):
    for _ in range(3000):
        text = "".join(rng.choice(list("ab"), rng.integers(0, 14)))
        strings = ["".join(rng.choice(list("ab"), rng.integers(1, 5))) for _ in range(rng.integers(1, 4))]
        stops, out, held, at = Stops(strings), "", "", 0
        while at < len(text) and not stops.reached:
            more = text[at : at + rng.integers(1, 6)]
            at += len(more)
            ready = stops.ready(more)
            out, held = out + (held + more)[:ready], (held + more)[ready:]
        assert (out if stops.reached else out + held) == stopped(text, strings)


@pytest.mark.parametrize("strings", ["t", "to", ["the", "nob"], ["x never x"], [", said", "said the s", "d"]])
def test_a_text_ends_before_a_stop(model, strings):
    listed = [strings] if isinstance(strings, str) else strings
    for seed in range(12):
        free = model.sample(300, random_state=seed)
        expected = stopped(free, listed)
        assert model.sample(300, random_state=seed, stop=strings) == expected
        assert "".join(model.stream(300, random_state=seed, stop=strings)) == expected
    many = model.sample(300, random_state=7, n_samples=9, stop=strings)
    assert many == [stopped(one, listed) for one in model.sample(300, random_state=7, n_samples=9)]


def test_a_text_may_have_a_least_length(model, names):
    for n, seed in itertools.product((0, 1, 7, 70), range(4)):
        assert len(names.sample(random_state=seed, min_length=n)) >= n
        for text in (model.sample(90, random_state=seed, min_length=n, stop=["t", "e ", "said"]),):
            assert len(text) >= n
            assert not any(s in text for s in ("t", "e ", "said"))
    assert names.sample(random_state=3, min_length=0) == names.sample(random_state=3)
    assert names.sample(n_samples=9, random_state=3, min_length=9)[0] == names.sample(random_state=3, min_length=9)
    assert len(names.sample(7, random_state=0, min_length=7)) == 7
    with pytest.raises(ValueError, match="min_length cannot be reached: after '' every character that may come"):
        model.sample(random_state=0, allow="to", stop=["t", "o"], min_length=3)


@pytest.mark.parametrize("n", range(1, 30, 4))
@pytest.mark.parametrize("length", [1, 3, 6])
def test_a_stop_may_come_after_the_least_length_and_not_before(model, n, length):
    free = model.sample(40, temperature=0)  # so what is barred changes no other character
    stop = free[n : n + length]
    at = free.index(stop)
    assert model.sample(40, temperature=0, stop=stop, min_length=at) == free[:at]
    later = model.sample(40, temperature=0, stop=stop, min_length=at + 1)
    assert len(later) > at
    assert later[:at] == free[:at]


def test_an_end_that_may_not_come_yet_is_no_way_out(names):
    for settings in ({"allow": "ab", "stop": ["a", "b"]}, {"constraint": lambda text: ["a", ""], "stop": "a"}):
        for attempt in (names.sample, lambda **how: next(names.stream(**how))):
            with pytest.raises(ValueError, match="min_length cannot be reached: after '' every character"):
                attempt(random_state=0, min_length=2, **settings)
    # after two characters, which a third would take away again, the document may end
    assert names.sample(random_state=0, constraint=lambda text: ["a", ""], stop="aaa", min_length=2) == "aa"


def test_a_constraint_says_what_may_come(model, names):
    seen = []

    def alternate(text):
        seen.append(text)
        return "tb" if len(text) % 2 else "oe"

    text = model.sample(40, prompt="to ", random_state=0, constraint=alternate)
    assert len(text) == 40
    assert set(text[::2]) <= set("oe")
    assert set(text[1::2]) <= set("tb")
    assert seen == [text[:i] for i in range(40)]
    assert "".join(model.stream(40, prompt="to ", random_state=0, constraint=alternate)) == text
    assert model.sample(50, random_state=0, constraint=lambda text: None) == model.sample(50, random_state=0)
    assert model.sample(9, constraint=lambda text: "" if len(text) == 5 else None, random_state=0) == model.sample(
        5, random_state=0
    )
    for seed in range(10):
        name = names.sample(random_state=seed, constraint=lambda text: ["a", "n", ""][: 2 + (len(text) >= 3)])
        assert len(name) >= 3
        assert set(name) <= set("an")
    with pytest.raises(ValueError, match="constraint lets no character come that the model may write, after 'oo'"):
        model.sample(9, constraint=lambda text: "#" if len(text) == 2 else "o")
    with pytest.raises(TypeError, match="constraint must return characters or None, got 3"):
        model.sample(9, constraint=lambda text: 3)


def test_a_pattern_holds(model, names):
    pytest.importorskip("regex")
    for pattern in (r"[an]{2,}b?", r"(anna|bob)(h|ra)?", r"(?:b[ao]){3}"):
        for text in names.sample(n_samples=20, random_state=1, pattern=pattern, temperature=1.5):
            assert re.fullmatch(pattern, text)
        assert "".join(names.stream(random_state=1, pattern=pattern)) == names.sample(random_state=1, pattern=pattern)
    assert re.fullmatch(r"(to )+", model.sample(30, pattern=r"(to ){10}", random_state=0))
    assert model.sample(200, pattern="to be", random_state=0) == "to be"
    assert names.sample(pattern="a{4}", ban="b", random_state=0) == "aaaa"
    with pytest.raises(ValueError, match="pattern lets no character come that the model may write, after 'a'"):
        names.sample(pattern="a#", random_state=0)
    with pytest.raises(ValueError, match=r"pattern must be a regular expression, got '\('"):
        names.sample(pattern="(")


@pytest.mark.slow
def test_a_pattern_holds_for_a_thousand_documents(names):
    pytest.importorskip("regex")
    pattern = r"[bh]?(an+a?){1,3}h?|b[or]+b"
    texts = names.sample(n_samples=1000, random_state=2, pattern=pattern, temperature=1.2)
    assert all(re.fullmatch(pattern, text) for text in texts)
    assert len(set(texts)) > 20


@pytest.mark.parametrize(
    "settings",
    [{"top_k": 3}, {"top_p": 0.7, "min_p": 0.1}, {"repetition_penalty": 2.0}, {"ban": "e", "temperature": 0}],
)
def test_a_mixture_takes_the_same_settings(text, settings):
    model = CharRNN(hidden_size=8, max_updates=60, epochs=None, ngram_order=3, random_state=0).fit(text)
    assert model.ngram_share_
    session = model.session("to be", random_state=4, **settings)
    written = []
    for _ in range(30):
        p = session.probabilities()
        assert sum(p.values()) == pytest.approx(1)
        assert p.get("e") == 0 or "ban" not in settings
        if "top_k" in settings:  # others are as likely as the third
            assert sorted(p.values())[-4] in (0, sorted(p.values())[-3])
        written.append(session.step())
        assert p[written[-1]] > 0
    assert "".join(written) == model.sample(30, prompt="to be", random_state=4, **settings)
    assert model.sample(n_samples=3, length=30, prompt="to be", random_state=4, **settings)[0] == "".join(written)


def test_the_command_line_reads_them():
    assert Bias().read(r"e=-1.5,\n=2,,=1,==3") == {"e": -1.5, "\n": 2.0, ",": 1.0, "=": 3.0}
    assert Strings().read(r"\n\n") == "\n\n"
    assert unescape(r"\ud83d\ude00") == "\U0001f600"
    for wrong in ("e", "e=", "e=1,", "ab=1", "e=x"):
        with pytest.raises(ValueError, match=r"\S"):
            Bias().read(wrong)


def test_a_ban_of_what_the_model_does_not_know_changes_nothing(model):
    assert model.sample(50, ban="#e", random_state=0) == model.sample(50, ban="e", random_state=0)
    assert model.sample(50, ban="#", random_state=0) == model.sample(50, random_state=0)
