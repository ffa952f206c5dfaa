"""Writing text: prompts, temperatures, streams, seeds and threads."""

import copy
import itertools
import pickle
import threading
import tracemalloc

import numpy as np
import pytest

from pycharrnn import CharRNN, NotFittedError, UnknownCharacterError
from pycharrnn.network.scoring import streamed_losses
from pycharrnn.trained import learned


def test_length(model):
    for length in (0, 1, 2, 100, 1000):
        assert len(model.sample(length)) == length
    assert model.sample(np.int64(3), random_state=0) == model.sample(3, random_state=0)


def test_the_same_seed_gives_the_same_text(model):
    texts = [model.sample(300, random_state=seed) for seed in (0, 0, 1, 2)]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3
    assert model.sample(50, random_state=np.random.default_rng(4)) == model.sample(50, random_state=4)


def test_a_program_repeats_itself_but_its_texts_differ(text):
    runs = []
    for _ in range(2):
        model = CharRNN(hidden_size=8, max_updates=50, random_state=7).fit(text)
        runs.append([model.sample(50) for _ in range(3)])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 3
    free = CharRNN(hidden_size=8, max_updates=50).fit(text)
    assert free.sample(200) != free.sample(200)


def test_stream_gives_the_characters_of_sample(model):
    assert "".join(model.stream(80, prompt="to ", random_state=5)) == model.sample(80, prompt="to ", random_state=5)
    endless = model.stream(random_state=5, temperature=0.5)
    assert "".join(itertools.islice(endless, 500)) == model.sample(500, random_state=5, temperature=0.5)
    assert list(model.stream(0)) == []


def test_greedy_takes_the_likeliest_character(model):
    text = model.sample(60, prompt="t", temperature=0)
    assert text == model.sample(60, prompt="t", temperature=0, random_state=99)
    ids = model.vocabulary_.encode("t" + text)
    _, architecture, state, *_ = learned(model)
    nats = streamed_losses(architecture, state.best, ids)
    for position in (1, 20, 59):  # no other character in its place would surprise less
        for other in range(len(model.vocabulary_)):
            changed = ids[: position + 1].copy()
            changed[position] = other
            assert streamed_losses(architecture, state.best, changed)[-1] >= nats[position - 1] - 1e-6


def test_temperature_orders_surprise(model):
    surprise = [
        -model.score("t" + model.sample(2000, prompt="t", temperature=temperature, random_state=0))
        for temperature in (0.0, 0.5, 1.0, 2.0, 1e308)
    ]
    assert surprise == sorted(surprise)


def test_a_prompt_is_read(model):
    assert model.sample(40, prompt="whether to suffer", temperature=0) != model.sample(40, temperature=0)
    assert len(model.sample(10, prompt="to be " * 3000)) == 10


def test_a_prompt_with_an_unknown_character(model):
    with pytest.raises(UnknownCharacterError, match=r"U\+0023\) at position 3") as caught:
        model.sample(10, prompt="to #")
    assert caught.value.character == "#"
    with pytest.raises(TypeError, match="bytes"):
        model.sample(10, prompt=b"to")


@pytest.mark.parametrize("length", [-1, 1.5, "10", True, 2**60])
def test_a_bad_length(model, length):
    with pytest.raises((TypeError, ValueError), match=r"length must be .*got"):
        model.sample(length)
    with pytest.raises((TypeError, ValueError), match="length must be"):
        model.stream(length)
    with pytest.raises((TypeError, ValueError), match="n_samples must be"):
        model.sample(n_samples=length)


@pytest.mark.parametrize("temperature", [-1, -1e-300, float("nan"), float("inf"), "warm", None, True, 10**400])
def test_a_bad_temperature(model, temperature):
    with pytest.raises((TypeError, ValueError), match=r"temperature must be .*got"):
        model.sample(10, temperature=temperature)


@pytest.mark.parametrize(("length", "n", "prompt"), [(1, 1500, 0), (500, 400, 0), (1, 1000, 3000)])
@pytest.mark.parametrize("documents", [False, True])
def test_the_memory_that_is_claimed_is_what_texts_take(model, monkeypatch, length, n, prompt, documents):
    if documents:
        model = CharRNN(hidden_size=8, max_updates=5, epochs=None, random_state=0, verbose=False).fit(["to be "] * 90)
    claimed = []
    monkeypatch.setattr("pycharrnn.sampling.limits.claim", lambda n_bytes, *words: claimed.append(n_bytes))
    model.sample(2, n_samples=9, random_state=0)  # whatever is loaded and kept
    tracemalloc.start()
    try:
        model.sample(length, n_samples=n, prompt=("to be " * prompt)[:prompt], random_state=0)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken < claimed[1] + 2**21  # and what a batch takes for itself
    assert documents or claimed[1] < 2 * taken


def test_before_training():
    for attempt in (
        CharRNN().sample,
        CharRNN().stream,
        lambda: CharRNN().score("abc"),
        lambda: CharRNN().save("nowhere"),
        lambda: CharRNN().params_,
        lambda: CharRNN().best_,
    ):
        with pytest.raises(NotFittedError, match="call fit"):
            attempt()


def test_threads_draw_what_one_draws(model):
    seeds = range(40)
    expected = [model.sample(3000, random_state=seed) for seed in seeds]
    found = [""] * len(seeds)

    def work(part):
        for seed in part:
            found[seed] = model.sample(3000, random_state=seed)

    threads = [threading.Thread(target=work, args=(seeds[i::4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_write_the_same(model, duplicate):
    other = duplicate(model)
    assert other.sample(200, random_state=3) == model.sample(200, random_state=3)
    assert other.n_updates_ == model.n_updates_


def test_texts_do_not_show_smoothed_labels():
    """A quarter of each target is spread over five letters: as learned, every fifth letter would be out of turn."""
    text = "abcde" * 100
    model = CharRNN(hidden_size=16, epochs=40, label_smoothing=0.25, random_state=0).fit(text)
    for temperature in (1.0, 1.5):
        assert model.sample(300, prompt="abcde", temperature=temperature, random_state=0) == text[:300]
