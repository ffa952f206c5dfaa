"""Streams of symbols: drawn in portions, to the end of a document, by settings."""

import itertools
import pickle

import numpy as np
import pytest
import reference

from pycharrnn.network.architecture import Architecture
from pycharrnn.network.cells import CELLS
from pycharrnn.network.scoring import streamed_losses
from pycharrnn.sampling.limits import DEFAULT_LENGTH, claim_texts
from pycharrnn.sampling.sampler import Sampler
from pycharrnn.sampling.settings import Mixture, Sampling

END = 6
PROMPT = np.array([3, 1, 4, 1, 5], np.int32)


@pytest.fixture(params=CELLS)
def texts(request):
    """An architecture of running text."""
    return Architecture(request.param, 7, 9, 5, "float64", num_layers=2)


@pytest.fixture
def documents(texts):
    return texts.replace(documents=True)


def sampler(architecture, prompt=PROMPT, sampling=None, seed=3, mixture=None, characters=""):
    weights = architecture.initial(np.random.default_rng(1), 0.7)
    rng = np.random.default_rng(seed)
    return Sampler(architecture, weights, prompt, sampling or Sampling(), rng, characters, mixture)


@pytest.mark.parametrize("chunk_size", [1, 4, 10**6])
def test_drawing_in_portions_is_drawing_at_once(texts, monkeypatch, chunk_size):
    whole = sampler(texts).draw(600)
    monkeypatch.setattr(Architecture, "chunk_size", chunk_size)  # 4: as of a large network, prompt included
    parts = sampler(texts)
    assert np.array_equal(whole, np.concatenate([parts.draw(n) for n in (0, 1, 2, 97, 0, 500)]))
    assert len(set(whole)) == 7


@pytest.mark.parametrize("chunk_size", [2, 10**6])
def test_a_document_ends_with_its_end(documents, monkeypatch, chunk_size):
    one, other = sampler(documents), sampler(documents)
    whole = one.draw(1000, whole=True)
    assert np.flatnonzero(whole == END).tolist() == [whole.size - 1]
    assert np.array_equal(np.concatenate([other.draw(1) for _ in whole]), whole)
    assert one.draw(5, whole=True).size == 0  # it has ended
    monkeypatch.setattr(Architecture, "chunk_size", chunk_size)
    again = sampler(documents)
    drawn = [again.text() for _ in range(50)]
    assert np.array_equal(drawn[0], whole[:-1])
    assert not any((text == END).any() for text in drawn)
    assert len({text.tobytes() for text in drawn}) > 40
    single = sampler(documents)
    for text in drawn:  # each goes on with the first number that the one before it did not use
        single.restart()
        assert [int(symbol[0]) for symbol in single.symbols()] == text.tolist()


def test_lengths(texts, documents):
    assert sampler(texts).text().size == DEFAULT_LENGTH
    for length in (0, 1, 30):
        assert sampler(texts, sampling=Sampling(length)).text().size == length
        cut = sampler(documents, sampling=Sampling(length)).text()
        assert np.array_equal(cut, sampler(documents).text()[:length])


def test_symbols_are_those_of_the_text(texts, documents):
    for architecture, length in ((texts, 40), (documents, 40), (documents, None), (documents, 1), (texts, 0)):
        sampling = Sampling(length)
        symbols = list(sampler(architecture, sampling=sampling).symbols())
        assert [int(symbol[0]) for symbol in symbols] == sampler(architecture, sampling=sampling).text().tolist()
    endless = itertools.islice(sampler(texts).symbols(), DEFAULT_LENGTH + 50)
    assert sum(1 for _ in endless) == DEFAULT_LENGTH + 50


def test_a_document_that_does_not_end_is_cut_with_a_warning(documents, monkeypatch):
    monkeypatch.setattr("pycharrnn.sampling.limits.LONGEST", 2)
    endless = next(seed for seed in range(99) if END not in sampler(documents, seed=seed).draw(3))
    with pytest.warns(UserWarning, match="no end after 2 characters"):
        assert sampler(documents, seed=endless).text().size == 2
    assert sampler(documents, sampling=Sampling(2), seed=endless).text().size == 2  # as told: no warning


def test_greedy_takes_the_likeliest_symbol(documents):
    weights = documents.initial(np.random.default_rng(1), 0.7)
    read = np.insert(PROMPT, 0, END)  # a document begins with the end of the one before it
    for symbol in sampler(documents, sampling=Sampling(temperature=0.0)).draw(12):
        losses = [streamed_losses(documents, weights, np.append(read, np.int32(k)))[-1] for k in range(7)]
        assert np.argmin(losses) == symbol
        read = np.append(read, symbol)


def test_temperature_sharpens_and_flattens(texts):
    def spread(temperature):
        return np.bincount(sampler(texts, sampling=Sampling(temperature=temperature)).draw(4000), minlength=7).std()

    assert spread(0.3) > 1.5 * spread(1.0) > 1.5 * 1.2 * spread(20.0)


def test_what_label_smoothing_spread_is_not_drawn(texts):
    weights = texts.initial(np.random.default_rng(1), 0.7)
    least = []
    for architecture in (texts, texts.replace(label_smoothing=0.3)):
        read = np.concatenate([PROMPT, sampler(architecture).draw(2000)])
        least.append(np.exp(-streamed_losses(texts, weights, read)[PROMPT.size - 1 :]).min())
    assert least[0] < 2 * 0.3 / 7 < least[1]


def remembering(context):
    """Probabilities that tell which symbols were read, and in which order."""
    p = 1 + np.arange(7) * 5 % (2 + sum((i + 2) * int(symbol) for i, symbol in enumerate(context)))
    return p / p.sum()


@pytest.mark.parametrize("reach", [0, 1, 3, 50])
@pytest.mark.parametrize("chunk_size", [1, 4, 10**6])
def test_a_mixture_remembers_what_was_read(texts, monkeypatch, reach, chunk_size):
    contexts = []
    mixture = Mixture(0.5, reach, lambda context: contexts.append(context.tolist()) or remembering(context))
    whole = sampler(texts, mixture=mixture).draw(200)
    read = [*PROMPT, *whole.tolist()]
    assert contexts == [read[max(0, end - reach) : end] for end in range(PROMPT.size, PROMPT.size + 200)]
    monkeypatch.setattr(Architecture, "chunk_size", chunk_size)
    parts = sampler(texts, mixture=mixture)
    assert np.array_equal(whole, np.concatenate([parts.draw(n) for n in (0, 1, 2, 97, 0, 100)]))
    parts.restart()
    assert contexts[-1] == read[max(0, len(read) - 1 - reach) : -1]
    parts.draw(1)
    assert contexts[-1] == contexts[0]


@pytest.mark.parametrize("settings", [{}, {"stop": ["gg", "fabcg"], "min_length": 20}, {"repetition_penalty": 1.1}])
@pytest.mark.parametrize("mixed", [False, True])
def test_text_without_end_takes_no_more_room(texts, settings, mixed):
    """A stream remembers what its next symbols depend on, and not all that it has written."""
    mixture = Mixture(0.5, 3, remembering) if mixed else None
    stream = sampler(texts, sampling=Sampling(ban="g", **settings), mixture=mixture, characters="abcdefg")
    sizes = []
    for n in (100, 2000):
        symbols = stream.symbols()
        stream.restart()
        assert sum(1 for _ in itertools.islice(symbols, n)) == n
        sizes.append(len(pickle.dumps(stream.snapshot())))
    assert sizes[1] < sizes[0] + 100


def test_documents_of_a_mixture_end_with_their_end(documents):
    mixture = Mixture(0.5, 4, remembering)
    one, other = (sampler(documents, mixture=mixture) for _ in range(2))
    drawn = [one.text() for _ in range(30)]
    assert not any((text == END).any() for text in drawn)
    for text in drawn:
        other.restart()
        assert [int(symbol[0]) for symbol in other.symbols()] == text.tolist()


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_what_the_kernel_predicts_is_what_it_draws_from(texts, smoothing):
    smoothed = texts.replace(label_smoothing=smoothing)
    seen = []
    mixture = Mixture(0.0, 9, lambda context: seen.append(context) or np.zeros(7))
    mixed = sampler(smoothed, mixture=mixture).draw(500)
    assert np.array_equal(mixed, sampler(smoothed).draw(500))
    assert np.array_equal(
        sampler(smoothed, sampling=Sampling(None, 0.5), mixture=mixture).draw(500),
        sampler(smoothed, sampling=Sampling(None, 0.5)).draw(500),
    )


@pytest.mark.parametrize("window", [1, 3, 50])
@pytest.mark.parametrize("chunk_size", [1, 4, 10**6])
def test_a_penalty_counts_what_was_read(documents, monkeypatch, window, chunk_size):
    monkeypatch.setattr(Architecture, "chunk_size", chunk_size)
    sampling = Sampling(repetition_penalty=1.7, repetition_window=window)
    one, other = sampler(documents, sampling=sampling), sampler(documents, sampling=sampling)
    read = np.append(PROMPT, one.draw(150))
    assert (read == END).any()  # which is no character
    assert np.array_equal(read[PROMPT.size :], np.concatenate([other.draw(n) for n in (0, 1, 2, 97, 50)]))
    for n in (1, 2, 30):
        one.draw(0)
        seen = read[:-1]
        expected = np.bincount(seen[seen != END][-window:], minlength=7)
        assert one.snapshot().counts.tolist() == [expected.tolist()]
        read = np.append(read, one.draw(n))


@pytest.mark.parametrize("settings", [{}, {"repetition_penalty": 2.5, "repetition_window": 4}, {"top_p": 0.6}])
def test_a_mixture_is_drawn_by_its_logits(texts, settings):
    """A network with no share in the mixture: the logit of a probability p is log(K p)."""
    p = np.array([0.3, 0.25, 0.2, 0.1, 0.1, 0.04, 0.01])
    mixture = Mixture(1.0, 0, lambda context: p)
    drawn, rng, seen = (
        sampler(texts, sampling=Sampling(**settings), mixture=mixture).draw(400),
        np.random.default_rng(3),
        [],
    )
    for symbol in drawn:
        counts = np.bincount([*PROMPT, *seen][-4:], minlength=7)
        penalty = (
            {"penalty": settings["repetition_penalty"], "counts": counts} if "repetition_penalty" in settings else {}
        )
        shares = reference.shares(np.log(7 * p), top_p=settings.get("top_p", 1.0), **penalty)
        assert symbol == reference.covering(shares, rng.random())
        seen.append(symbol)


def test_a_prompt_of_unknown_symbols_is_refused(texts):
    for prompt in (np.array([7], np.int32), np.array([-1], np.int32)):
        with pytest.raises(ValueError, match=r"ids must lie in 0 \.\. 6"):
            sampler(texts, prompt)


def test_a_restart_forgets_all_but_the_prompt(texts):
    stream = sampler(texts)
    first = stream.draw(40)
    stream.restart()
    again, rng = stream.draw(40), np.random.default_rng(3)
    rng.random(40)
    weights = texts.initial(np.random.default_rng(1), 0.7)
    assert np.array_equal(again, Sampler(texts, weights, PROMPT, Sampling(), rng).draw(40))
    assert not np.array_equal(first, again)


def test_there_must_be_memory_for_the_texts(monkeypatch):
    monkeypatch.setattr("pycharrnn.network.memory.free_memory", lambda: 2**30)
    claim_texts(1000, 1000)
    with pytest.raises(MemoryError, match="n_samples 1,000,000 x length 1,000,000"):
        claim_texts(10**6, 10**6)
    with pytest.raises(MemoryError, match="n_samples 1 x"):  # its symbols take more than the text
        claim_texts(1, 10**8)
    with pytest.raises(MemoryError, match="n_samples 1,000,000,000 x length None"):
        claim_texts(10**9, None)
