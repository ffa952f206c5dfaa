"""Texts that are written together, join and leave: each is the one that `sample` writes alone, to the bit."""

import queue
import threading
import time

import numpy as np
import pytest

from pycharrnn import CharRNN, Sampling
from pycharrnn.network.architecture import Architecture
from pycharrnn.sampling.rules import Rules
from pycharrnn.sampling.sampler import Sampler
from pycharrnn.serving.desk import CLOSED, Closed, Desk, Full, Wish
from pycharrnn.serving.pool import Pool
from pycharrnn.serving.soloists import Soloists
from pycharrnn.serving.texts import Part, Text

SENTENCES = ["to be or not", "that is the question", "whether it is nobler", "in the mind to suffer", "the slings"] * 8
SETTINGS = [
    {"length": 40},
    {"length": 1},
    {"length": 0},
    {"length": 300, "temperature": 0.5},
    {"length": 70, "temperature": 0},
    {"length": 50, "top_k": 3, "top_p": 0.9, "min_p": 0.02, "ban": "e"},
    {"length": 90, "repetition_penalty": 3.0, "repetition_window": 9},
    {"length": 60, "repetition_penalty": 1.5, "repetition_window": 300},
    {"length": 200, "bias": {"t": 2.5}, "allow": "to be"},
    {"length": 200, "stop": ["be", "th"]},
    {"length": 30, "min_length": 25},
    {"length": 80, "stop": "e", "min_length": 20},
    {"length": 20, "pattern": "[a-z]+( [a-z]+)*"},
    {},
]
VARIED = [
    {"length": 150, "min_length": 60},
    {"length": 150, "temperature": 0.3, "repetition_penalty": 2.0, "min_length": 9},
]
PROMPTS = ["", "t", "to be", "in the mind " * 30]


def trained(documents=False, **more):
    text = SENTENCES if documents else ". ".join(SENTENCES)
    kwargs = {"hidden_size": 12, "max_updates": 60, "epochs": None, "random_state": 3, "verbose": False} | more
    return CharRNN(**kwargs).fit(text)


@pytest.fixture(scope="module", params=["text", "documents", "ngrams"])
def kind(request):
    """A model of running text, of documents, or with n-grams, by which each symbol is a call of its own."""
    more = {"ngram_order": 3, "validation_fraction": 0.2} if request.param == "ngrams" else {}
    return trained(request.param == "documents", **more)


class Client:
    """What leaves texts at a desk and takes all of them."""

    def __init__(self, model, **more):
        self.news = queue.Queue()
        self.model = model
        self.desk = Desk(model, self.news.put, **more)

    def submit(self, prompts, seed, eager=False, **settings):
        ids = [self.model.vocabulary_.encode(prompt) for prompt in prompts]
        return self.desk.submit(Wish(ids, Sampling(**settings), seed, eager=eager))

    def ends(self, texts):
        waiting = {id(text) for text in texts if not text.end}
        while waiting:
            waiting -= {id(text) for text in self.news.get(timeout=60) if text.end}
        return [text.fetch() for text in texts]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_each_text_is_the_one_that_sample_writes(kind, n_threads):
    client = Client(kind, n_threads=n_threads)
    jobs = [(prompt, settings) for settings in SETTINGS for prompt in PROMPTS]
    begun = []
    for i, (prompt, settings) in enumerate(jobs):
        begun.append(client.submit([prompt], i, eager=i % 2, **settings))
        time.sleep(0.002 * (i % 3))  # so that some join when others have begun
    for i, ((prompt, settings), texts) in enumerate(zip(jobs, begun, strict=True)):
        [part] = client.ends(texts)
        assert part.text == kind.sample(prompt=prompt, random_state=i, **settings), (prompt, settings)
        assert part.end in ("length", "stop")
    assert client.desk.n_texts == 0
    client.desk.close()


def test_several_texts_of_a_request_have_the_seeds_of_sample(kind):
    client = Client(kind)
    texts = client.submit(["to", "to", "in", "in"], 5, length=33)
    found = [part.text for part in client.ends(texts)]
    assert found == kind.sample(33, prompt=["to", "in"], n_samples=2, random_state=5)
    client.desk.close()


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("documents", [False, True])
def test_texts_that_join_and_leave_change_no_other(cell, dtype, documents):
    rng = np.random.default_rng(0)
    built = Architecture(cell, 11 + documents, 19, 5, dtype, documents, 2, 0.0)
    weights = built.initial(rng, 0.7)
    rules = [Rules(Sampling(**s), built, "abcdefghijk") for s in VARIED]
    prompts = [rng.integers(0, 11, n).astype(np.int32) for n in (0, 1, 7, 90)]

    def make(i):
        return Text(built, rules[i % 2], prompts[i % 4], np.random.default_rng(i), 150)

    expected = []
    for i in range(12):
        sampler = Sampler(built, weights, prompts[i % 4], rules[i % 2].sampling, np.random.default_rng(i))
        expected.append(rules[0].decode(sampler.text()))
    pool = Pool(built, weights, 5)
    texts = [make(i) for i in range(12)]
    left = make(1)
    waiting = [*texts[:3], left, *texts[3:]]
    turns = 0
    while waiting or pool.n_texts:
        while waiting and pool.n_texts < 5:
            pool.join(waiting.pop(0))
        turns += 1
        left.left = turns > 2
        pool.turn()
    assert [text.fetch().text for text in texts] == expected
    assert len(set(expected)) == 12


def test_a_text_that_nobody_wants_makes_room_at_once(kind):
    client = Client(kind, n_threads=1, most=2)
    texts = client.submit(["t", "t"], 1, length=10**7, min_length=10**7)
    with pytest.raises(Full):
        client.submit(["t"], 1, length=1)
    for text in texts:
        text.left = True
    begin = time.monotonic()
    while client.desk.n_texts:
        assert time.monotonic() < begin + 1
        time.sleep(0.001)
    [part] = client.ends(client.submit(["t"], 1, length=4))
    assert part.text == kind.sample(4, prompt="t", random_state=1)
    client.desk.close()


def writing():
    """The threads that write, for other tests, too."""
    return {thread for thread in threading.enumerate() if thread.name == "pycharrnn-serve"}


def test_a_desk_has_as_many_threads_as_it_is_told(kind):
    before = writing()
    client = Client(kind, n_threads=3, most=7)
    assert len(writing() - before) == 3
    shared = {"length": 10**6, "min_length": 10**6}  # no text, and no document, ends before
    alone = shared | {"pattern": "[a-z .]*"}
    texts = [client.submit(["t"], i, **(alone if i % 2 else shared))[0] for i in range(7)]
    assert client.desk.n_texts == 7
    with pytest.raises(Full):
        client.submit(["t"], 1, length=1)
    client.desk.close()
    assert [part.end for part in client.ends(texts)] == [CLOSED] * 7
    assert writing() == before


def test_a_desk_that_closes_tells_its_texts(kind):
    before = writing()
    client = Client(kind, n_threads=1)
    texts = client.submit(["t"], 1, length=10**7, min_length=10**7)
    client.desk.close()
    assert [part.end for part in client.ends(texts)] == [CLOSED]
    with pytest.raises(Closed):
        client.submit(["t"], 1)
    assert writing() == before


@pytest.mark.parametrize("end", ["length", "stop", CLOSED])
def test_a_text_has_ended_only_when_its_last_part_can_be_taken(monkeypatch, end):
    lab = Architecture("rnn", n_symbols=3, hidden_size=4, seq_length=5)
    ids = np.array([0, 1], np.int32)
    text = Text(lab, Rules(Sampling(), lab, "abc"), ids, np.random.default_rng(0), most=2 if end == "length" else 9)
    seen = []

    def part(*args):
        seen.append(text.end)  # what a client would see meanwhile
        return Part(*args)

    with monkeypatch.context() as patch:
        patch.setattr("pycharrnn.serving.texts.Part", part)
        text.fail(end) if end == CLOSED else text.take(ids, closed=end == "stop")
    assert seen == [""]
    assert text.end == end
    assert text.fetch() == ("" if end == CLOSED else "ab", [], end)


def test_scores_are_those_of_a_session(kind):
    client = Client(kind)
    encode = kind.vocabulary_.encode
    wish = Wish([encode("to b")], Sampling(length=30, temperature=0.5, stop="q"), 3, n_likely=2, echo=True)
    [part] = client.ends(client.desk.submit(wish))
    text = kind.sample(30, prompt="to b", temperature=0.5, stop="q", random_state=3)
    assert part.text == "to b" + text == "".join(score.token for score in part.scores)
    session = kind.session()
    for i, score in enumerate(part.scores):
        p = session.probabilities()
        if i or kind.vocabulary_.end is not None:
            assert np.isclose(score.logprob, max(np.log(p[score.token]) if p[score.token] else -9999.0, -9999.0))
            assert len(score.likely) == 2
            assert np.isclose(max(score.likely.values()), np.log(max(p.values())))
        else:
            assert (score.logprob, score.likely) == (None, {})
        session.feed(score.token)
    client.desk.close()


def test_a_text_that_fails_harms_no_other(kind, monkeypatch, caplog):
    client = Client(kind, n_threads=1)
    broken, good = {"length": 5, "pattern": "zzz"}, {"length": 50}
    [a], [b] = client.submit(["t"], 1, **broken), client.submit(["t"], 1, **good)
    [failed], [fine] = client.ends([a]), client.ends([b])
    assert "lets no character come" in failed.end.why
    assert failed.end.status == 400
    assert fine.text == kind.sample(50, prompt="t", random_state=1)
    monkeypatch.setattr(Text, "take", lambda *args, **more: 1 / 0)
    [part] = client.ends(client.submit(["t"], 1, length=5))
    assert part.end == ("the server failed to write this text", 500)
    assert "ZeroDivisionError" in caplog.text
    monkeypatch.undo()
    [part] = client.ends(client.submit(["t"], 1, length=5))
    assert part.text == kind.sample(5, prompt="t", random_state=1)
    client.desk.close()


@pytest.mark.parametrize(("more", "writers"), [({}, Pool), ({"pattern": "[a-z .]*"}, Soloists)])
def test_a_text_for_which_there_is_no_room_in_memory_is_told(more, writers, monkeypatch):
    def failing(*args):
        raise MemoryError

    model = trained()
    client = Client(model, n_threads=1)
    with monkeypatch.context() as patched:
        patched.setattr(writers, "join", failing)
        [text] = client.submit(["t"], 1, length=5, **more)
        [told] = client.news.get(timeout=10)
        assert told is text
        assert text.fetch().end == ("the server failed to write this text", 500)
    [part] = client.ends(client.submit(["t"], 1, length=5, **more))
    assert part.text == model.sample(5, prompt="t", random_state=1, **more)
    client.desk.close()


@pytest.mark.parametrize("more", [{}, {"pattern": "[a-z .]*"}], ids=["together", "alone"])
def test_a_text_that_ends_in_a_turn_in_which_another_fails_is_told(kind, more, monkeypatch):
    client = Client(kind, n_threads=1)
    take, both = Text.take, threading.Event()

    def failing(text, *args, **others):
        assert both.wait(10)
        if text.most == 10**6 and first.end:  # in the very turn in which the first text ends
            raise MemoryError
        return take(text, *args, **others)

    monkeypatch.setattr(Text, "take", failing)
    settings = {"min_length": 300} | more
    [first] = client.submit(["t"], 1, length=300, **settings)
    [second] = client.submit(["t"], 2, length=10**6, **settings)
    both.set()
    told = []
    while not any(text is second for text in told):
        told += client.news.get(timeout=10)
    assert any(text is first for text in told)
    assert second.fetch().end == ("the server failed to write this text", 500)
    part = first.fetch()
    assert (part.text, part.end) == (kind.sample(300, prompt="t", random_state=1, **settings), "length")
    client.desk.close()


EXTREMES = {
    "temperature": [0, 5e-324, 1e-300, 0.5, 1e308],
    "bias": [{"e": 1e308}, {"e": -1e308, "t": 50}, {"o": 1e-320}],
    "repetition_penalty": [5e-324, 0.1, 3, 1e308],
    "repetition_window": [1, 1000],
    "top_p": [5e-324, 0.5],
    "min_p": [0.3, 1],
    "top_k": [1, 2**31 - 1],
    "ban": ["e", "to be"],
    "stop": [["t"], ["be", "o"]],
    "min_length": [0, 3],
}


def test_extreme_settings_side_by_side(kind):
    rng = np.random.default_rng(0)
    client = Client(kind, n_threads=2)
    jobs = []
    for seed in range(150):
        names = rng.choice(list(EXTREMES), 3, replace=False).tolist()
        settings = {name: EXTREMES[name][rng.integers(len(EXTREMES[name]))] for name in names}
        jobs.append((seed, settings, client.submit(["th"], seed, length=25, **settings)))
    for seed, settings, texts in jobs:
        [part] = client.ends(texts)
        assert part.text == kind.sample(25, prompt="th", random_state=seed, **settings), settings
        assert part.end in ("length", "stop")
    client.desk.close()
