"""Many texts at once: each is the text that its stream draws alone, to the bit."""

import threading

import numpy as np
import pytest

from pycharrnn import CharRNN, Sampling
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.cells import CELLS
from pycharrnn.network.drawing import Drawer
from pycharrnn.network.records import Drawing, Manner
from pycharrnn.sampling.batch import Batch
from pycharrnn.sampling.rules import Rules
from pycharrnn.sampling.sampler import Sampler
from pycharrnn.sampling.seeds import generators, seed_sequence

LETTERS = "abcdefghijk"
PROMPTS = [np.array(ids, np.int32) for ids in ([3, 1, 4, 1, 5], [], [2], [9, 2, 6, 5, 3, 5, 8, 9, 7, 9], [3, 2])]
SETTINGS = [
    {},
    {"length": 9},
    {"length": 0},
    {"temperature": 0.0, "length": 30},
    {"top_k": 4, "top_p": 0.9, "min_p": 0.05, "ban": "c"},
    {"repetition_penalty": 3.0, "repetition_window": 5},
    {"stop": ["ab", "gh", "k"]},
    {"min_length": 30},
]


def alone(architecture, weights, settings, prompts, rngs):
    return [
        Sampler(architecture, weights, prompt, Sampling(**settings), rng, LETTERS).text()
        for prompt, rng in zip(prompts, rngs, strict=True)
    ]


def together(architecture, weights, settings, prompts, rngs, n_threads=1):
    return Batch(architecture, weights, Rules(Sampling(**settings), architecture, LETTERS)).texts(
        prompts, rngs, n_threads
    )


def same(found, expected):
    return all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize(
    ("layers", "D", "zoneout", "dtype"),
    [(1, None, 0.0, "float32"), (2, 7, 0.0, "float64"), (3, None, 0.2, "float32"), (2, None, 0.0, "bfloat16")],
)
def test_a_batch_draws_what_each_stream_draws(cell, documents, layers, D, zoneout, dtype, simd):
    more = {"zoneout": zoneout, "cell_zoneout": zoneout / 2}
    built = Architecture(cell, 11 + documents, 19, 5, dtype, documents, layers, 0.0, D, **more)
    weights = built.initial(np.random.default_rng(1), 0.7)
    for settings in SETTINGS[:1] + SETTINGS[4:]:
        expected = alone(built, weights, settings, PROMPTS, generators(7, 5))
        assert same(together(built, weights, settings, PROMPTS, generators(7, 5)), expected)
    assert len({ids.tobytes() for ids in expected}) == 5


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize("chunk_size", [1, 40, 10**6])
def test_any_batch_threads_and_chunks(settings, documents, chunk_size, monkeypatch):
    built = Architecture("gru", 11 + documents, 16, 5, "float32", documents, label_smoothing=0.1)
    weights = built.initial(np.random.default_rng(1), 0.7)
    prompts = [PROMPTS[i % 5] for i in range(23)]
    expected = alone(built, weights, settings, prompts, generators(7, 23))
    monkeypatch.setattr(Architecture, "chunk_size", chunk_size)
    for streams, n_threads in ((64, 1), (64, 3), (7, 2), (1, 1)):
        monkeypatch.setattr("pycharrnn.sampling.batch._STREAMS", streams)
        assert same(together(built, weights, settings, prompts, generators(7, 23), n_threads), expected)


def test_streams_go_on_where_they_were():
    built = Architecture("lstm", 11, 16, 5, "float32", num_layers=2)
    weights = built.initial(np.random.default_rng(1), 0.7)
    numbers = [np.random.default_rng(i).random(60) for i in range(5)]
    drawn = {}
    for cuts in ((60,), (1, 2, 30, 27)):
        engine = Drawer(built, 5)
        engine.pack(weights)
        engine.start()
        manner = Manner.of(Drawing(repetition_penalty=2.0, repetition_window=7), 11, None, 5)
        queue, parts, at = PROMPTS, [[] for _ in range(5)], 0
        for n in cuts:  # the streams draw different numbers of symbols in a call
            uniform = [own[at : at + n] if b != 2 or at else own[:0] for b, own in enumerate(numbers)]
            found = engine.draw_many(queue, manner, uniform)
            queue = [ids[-1:] for ids in found]
            for part, ids in zip(parts, found, strict=True):
                part.extend(ids.tolist())
            at += n
        drawn[cuts] = parts
    assert [len(part) for part in drawn[1, 2, 30, 27]] == [60, 60, 59, 60, 60]
    for b in (0, 1, 3, 4):
        assert drawn[60,][b] == drawn[1, 2, 30, 27][b]


@pytest.mark.parametrize("documents", [False, True])
def test_streams_have_manners_of_their_own_and_begin_anew(documents, simd):
    built = Architecture("lstm", 11 + documents, 16, 5, "float32", documents, num_layers=2)
    weights = built.initial(np.random.default_rng(1), 0.7)
    settings = [
        {"temperature": 0.4, "repetition_penalty": 3.0, "repetition_window": 3},
        {"bias": {"c": 4.0}, "ban": "k"},
        {"repetition_penalty": 1.5, "repetition_window": 50, "top_k": 4},
        {"temperature": 0.0},
        {"min_p": 0.2},
    ]
    rules = [Rules(Sampling(length=40, **one), built, LETTERS) for one in settings]

    def manner(b):
        return rules[b].of_document(rules[b].manner()) if documents else rules[b].manner()

    engine = Drawer(built, 5)
    engine.pack(weights)
    engine.start()
    prompts = [np.insert(ids, 0, built.end) if documents else ids for ids in PROMPTS]
    manners = [manner(b) for b in range(5)]
    first = engine.draw_many(prompts, manners, [np.random.default_rng(b).random(40) for b in range(5)])
    assert max(map(len, first)) == 40
    nothing, none = np.empty(0, np.int32), np.empty(0)
    for b in (1, 3):  # the others rest
        engine.begin(b)
        manners[b] = manner(b)
    queue, numbers = [nothing] * 5, [none] * 5
    for b in (1, 3):
        queue[b], numbers[b] = prompts[b], np.random.default_rng(b).random(40)
    again = engine.draw_many(queue, manners, numbers)
    for b, ids in enumerate(first):
        sampler = Sampler(built, weights, PROMPTS[b], rules[b].sampling, np.random.default_rng(b), LETTERS)
        expected = sampler.draw(40, whole=documents)
        assert np.array_equal(ids, expected)
        assert np.array_equal(again[b], expected if b in (1, 3) else nothing)


def test_what_does_not_fit_is_refused():
    built = Architecture("rnn", 3, 4, 5)
    engine = Drawer(built, 2)
    engine.pack(built.initial(np.random.default_rng(0)))
    ids, numbers = np.zeros(1, np.int32), np.zeros(1)
    manner = Manner.of(Drawing(), 3, None, 2)
    with pytest.raises(ValueError, match="2 streams have 1 queues and 2 series"):
        engine.draw_many([ids], manner, [numbers] * 2)
    for wrong in (Manner.of(Drawing(), 3, np.zeros(4), 2), Manner.of(Drawing(repetition_penalty=2.0), 3, None, 1)):
        with pytest.raises(ValueError, match="the manner of 2 streams of 3 symbols has arrays of the shapes"):
            engine.draw_many([ids] * 2, wrong, [numbers] * 2)
    alone = Manner.of(Drawing(), 3)
    with pytest.raises(ValueError, match="2 streams have 1 manners"):
        engine.draw_many([ids] * 2, [alone], [numbers] * 2)
    with pytest.raises(ValueError, match="the manner of 1 streams of 3 symbols has arrays of the shapes"):
        engine.draw_many([ids] * 2, [alone, Manner.of(Drawing(), 3, np.zeros(4))], [numbers] * 2)
    with pytest.raises(ValueError, match=r"ids must lie in 0 \.\. 2"):
        together(built, built.initial(np.random.default_rng(0)), {}, [np.array([3], np.int32)], generators(0, 1))


def test_texts_have_seeds_of_their_own(model):
    for state in (3, np.random.SeedSequence(3), np.random.SeedSequence([1, 2], spawn_key=(4,))):
        many = model.sample(40, n_samples=20, random_state=state)
        assert len(set(many)) == 20
        assert model.sample(40, n_samples=20, random_state=state) == many
        assert model.sample(40, n_samples=3, random_state=state) == many[:3]
        assert model.sample(40, random_state=state) == many[0]
    rng = np.random.default_rng(3)
    assert model.sample(40, n_samples=20, random_state=rng) == model.sample(40, n_samples=20, random_state=3)
    assert not set(model.sample(40, n_samples=20, random_state=rng)) & set(many)
    other = np.random.Generator(np.random.MT19937())
    assert seed_sequence(other).spawn(1)
    with pytest.raises(ValueError, match="random_state"):
        model.sample(n_samples=2, random_state=-1)


def test_a_list_of_prompts(model):
    prompts = ["to ", "", "whether to suffer", "that is " * 300]
    texts = model.sample(30, prompt=prompts, random_state=2)
    assert len(texts) == 4
    for text, prompt, rng in zip(texts, prompts, generators(2, 4), strict=True):
        assert text == model.sample(30, prompt=prompt, random_state=rng)
    twice = model.sample(30, prompt=prompts, n_samples=2, random_state=2)
    assert len(twice) == 8
    assert twice[0] == texts[0]
    assert model.sample(30, prompt=[]) == model.sample(30, prompt=prompts, n_samples=0) == []
    assert model.sample(30, prompt=("to ",), random_state=2) == texts[:1]
    for wrong in (b"to", 3, ["to", 3], None, {"to": 1}):
        with pytest.raises(TypeError, match="prompt must be one str or a list of str"):
            model.sample(prompt=wrong)
    with pytest.raises(TypeError, match="prompt must be one str"):
        model.stream(prompt=["to"])


def test_threads_may_draw_batches_of_one_model(model):
    expected, found = model.sample(300, n_samples=16, random_state=0), {}
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: model.sample(300, n_samples=16, random_state=0)}))
        for i in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[i] for i in range(4)] == [expected] * 4


def test_an_error_in_a_thread_ends_the_others(monkeypatch):
    built = Architecture("rnn", 11, 8, 5, "float32")
    calls = []

    def fails(self, *_):
        calls.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(Drawer, "draw_many", fails)
    weights = built.initial(np.random.default_rng(0))
    with pytest.raises(KeyboardInterrupt):
        together(built, weights, {}, PROMPTS * 8, generators(0, 40), 2)
    assert 1 <= len(calls) <= 2


def test_documents_without_an_end_are_cut_with_a_warning(monkeypatch):
    monkeypatch.setattr("pycharrnn.sampling.limits.LONGEST", 2)
    model = CharRNN(hidden_size=8, epochs=5, random_state=0).fit(["anna", "hanna", "barbara"] * 5)
    with pytest.warns(UserWarning, match="no end after 2 characters"):
        assert max(map(len, model.sample(n_samples=9, random_state=0))) == 2
