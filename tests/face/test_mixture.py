"""A network mixed with the n-grams of its training text: losses, texts, files, and training on."""

import pickle
import threading
from functools import partial

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose
from small import learned, small

from pycharrnn import CharRNN, _kernels
from pycharrnn.network.records import Drawing, Manner
from pycharrnn.network.scoring import streamed_losses
from pycharrnn.text.corpus import Corpus
from pycharrnn.training.baseline import KneserNey

NAMES = [f"{a}{b}{c}" for a in ("an", "bo", "car", "de") for b in "aeiou" for c in ("na", "t", "")]


def mixture(text, **changes):
    """A small model with trigrams; it learns more than the n-grams know."""
    params = {"cell": "gru", "optimizer": "adam", "learning_rate": 0.01, "ngram_order": 3, "max_updates": 120}
    return small(**(params | changes)).fit(text)


def parts(model, ids):
    """The probabilities of a text's symbols: by the n-grams of the file's text and by the network."""
    _, built, state, *_, ngrams = learned(model)
    counted = KneserNey(ngrams.order).fit(ngrams.ids, ngrams.n_symbols, ngrams.end)
    return np.exp(-counted.nats(ids)), np.exp(-streamed_losses(built, state.best, ids))


def force(model, share):
    learned(model).ngrams.share = share
    return model


@pytest.mark.parametrize("documents", [False, True])
def test_the_mixture_is_evaluated(text, documents):
    model = mixture(NAMES if documents else text)
    other = ["anat", "bobo", "e"] if documents else text[40:90] + text[300:500]
    ids = model.vocabulary_.encode(other)
    for share in (model.ngram_share_, 0.0, 0.6, 1.0):
        p, q = parts(force(model, share), ids)
        expected = -np.log(share * p + (1 - share) * q).mean()
        assert_allclose(model.evaluate(other).nats, expected, rtol=0, atol=1e-12)
        assert model.score(other) == -model.evaluate(other).nats
        assert model.evaluate(other).n_characters == ids.size - 1


def test_a_share_of_zero_leaves_the_network(text):
    model, plain = mixture(text), mixture(text, ngram_order=None, validation_fraction=0.1)
    mixed = model.sample(300, random_state=0), model.evaluate(text)
    force(model, 0.0)
    for window in (None, 20):
        assert model.evaluate(text, window) == plain.evaluate(text, window)
    assert model.sample(300, random_state=0) == plain.sample(300, random_state=0)
    assert (model.sample(300, random_state=0), model.evaluate(text)) != mixed


@pytest.mark.parametrize("window", [1, 7, 30])
def test_no_part_of_the_mixture_looks_beyond_a_window(text, window):
    model = mixture(text)
    some = text[50:250]
    pieces = [some[at : at + window + 1] for at in range(0, 199, window)]
    expected = sum((found := model.evaluate(piece)).nats * found.n_characters for piece in pieces) / 199
    assert_allclose(model.evaluate(some, window=window).nats, expected, rtol=1e-6)


@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize("limit", [{}, {"max_seconds": 60.0}])
def test_the_validation_text_chooses_the_share(text, documents, limit):
    unseen = ["anat", "bobot", "bone"] * 3 if documents else text[100:400].replace("said", "to be")
    model = small(cell="gru", ngram_order=3, **limit).fit(NAMES if documents else text, validation=unseen)
    ids = model.vocabulary_.encode(unseen)
    p, q = parts(model, ids)
    grid = np.linspace(0, 1, 2001)
    best = grid[np.argmax([np.log(share * p + (1 - share) * q).sum() for share in grid])]
    assert 0 < best < 1
    assert model.ngram_share_ == pytest.approx(best, abs=1e-3)
    assert model.evaluate(unseen).nats < min(-np.log(p).mean(), -np.log(q).mean())
    assert model.best_.validation_loss == pytest.approx(-np.log(q).mean(), abs=1e-3)  # of the network alone


def test_without_a_validation_text_a_tenth_is_held_out(text):
    model, same = mixture(text), mixture(text, ngram_order=None, validation_fraction=0.1)
    assert model.best_ == same.best_
    assert [look.nats for look in model.history_.validation] == [look.nats for look in same.history_.validation]
    assert model.history_.baseline == same.history_.baseline
    assert learned(model).ngrams.ids.tolist() == Corpus.learn(text).split(0.1)[0].ids.tolist()
    assert (same.ngram_share_, learned(same).ngrams) == (None, None)


def test_the_order_must_be_a_small_number(text):
    for order in (0, 17, 2.5, "7", True):
        with pytest.raises((TypeError, ValueError), match=r"^ngram_order must be"):
            small(ngram_order=order).fit(text)


def test_an_early_end_leaves_a_model(text):
    def interrupt(run):
        raise KeyboardInterrupt

    model = small(ngram_order=3)
    with pytest.raises(KeyboardInterrupt):
        model.fit(text, callbacks=[interrupt])
    assert 0 <= model.ngram_share_ <= 1
    assert len(model.sample(20)) == 20


# --- writing ----------------------------------------------------------------------------------------------------


def replay(model, prompt, length, temperature, seed, share):
    """The same text from the twin's network, n-grams and draws, symbol by symbol."""
    vocabulary, built, *_, ngrams = learned(model)
    counted = KneserNey(ngrams.order).fit(ngrams.ids, ngrams.n_symbols, ngrams.end)
    params = {name: value.astype(np.float64) for name, value in model.params_.items()}
    K, end, smoothing = built.n_symbols, built.end, built.label_smoothing
    carried = np.zeros((1, 1, 1, built.hidden_size))
    read = [end, *prompt] if built.documents else [*prompt]
    uniform, written = np.random.default_rng(seed).random(length), []
    for u in uniform:
        ids = np.array([*read, *written])
        if ids.size:
            q = reference.predict(params, ids[:, None], carried, end, "gru")[0][-1, 0]
        else:
            q = reference.softmax(params["c"])
        if smoothing:
            q = np.where(q > 2 * smoothing / K, q - smoothing / K, 0)
            q = q / q.sum()
        h = ids[np.flatnonzero(ids == end)[-1] :] if built.documents else ids
        p = np.array([np.exp(-counted.nats(np.append(h, k))[-1]) for k in range(K)]) if h.size else counted.following(h)
        m = share * p + (1 - share) * q
        m = np.eye(K)[m.argmax()] if temperature == 0 else m ** (1 / temperature)
        written.append(int(np.searchsorted(np.cumsum(m) / m.sum(), u, side="right")))
    return vocabulary.decode(written)


@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize(("temperature", "smoothing"), [(1.0, 0.0), (1.0, 0.2), (0.6, 0.0), (1.7, 0.2), (0, 0.2)])
def test_texts_are_those_of_the_twin(text, documents, temperature, smoothing):
    model = mixture(NAMES if documents else text, dtype="float64", label_smoothing=smoothing)
    how = {"temperature": temperature, "random_state": 3}
    for prompt in ("", "an", "t"):
        if set(prompt) <= set(model.vocabulary_):
            ids = model.vocabulary_.encode(prompt)
            written = model.sample(60, prompt=prompt, **how)
            expected = replay(force(model, 0.5), ids, 60, temperature, 3, 0.5)
            found = model.sample(60, prompt=prompt, **how)
            assert found == (expected.partition("\n")[0] if documents else expected)
            assert "".join(model.stream(60, prompt=prompt, **how)) == found
            assert len(written) <= 60


def test_symbols_come_as_often_as_the_mixture_says(text):
    model = force(mixture(text), 0.4)
    _, q = parts(model, model.vocabulary_.encode("to"))
    K = len(model.vocabulary_)
    ids = [np.append(model.vocabulary_.encode("to"), np.int32(k)) for k in range(K)]
    p, q = np.array([[each[-1] for each in parts(model, one)] for one in ids]).T
    m = 0.4 * p + 0.6 * q
    n = 4000
    drawn = model.sample(1, prompt="to", n_samples=n, random_state=5)
    counts = np.bincount(model.vocabulary_.encode("".join(drawn)), minlength=K)
    often = m * n > 5
    chi2 = ((counts - m * n)[often] ** 2 / (m * n)[often]).sum()
    assert m.sum() == pytest.approx(1, abs=1e-6)
    assert chi2 < often.sum() + 4 * np.sqrt(2 * often.sum())
    for other in (p, q):  # which tells them apart
        assert ((counts - other * n)[often] ** 2 / (other * n)[often]).sum() > 2 * chi2


def test_documents_end(text):
    model = mixture(NAMES, max_updates=300)
    names = model.sample(n_samples=30, random_state=1)
    assert len(set(names)) > 5
    assert all("\n" not in name for name in names)
    assert names[0] == "".join(model.stream(random_state=1))
    assert model.sample(n_samples=3, random_state=1) == names[:3]
    cut = model.sample(3, n_samples=30, random_state=1)
    assert all(len(name) <= 3 for name in cut)


def test_a_program_repeats_itself_and_threads_draw_the_same(text):
    runs = []
    for _ in range(2):
        model = mixture(text, random_state=7, max_updates=20)
        runs.append([model.sample(50) for _ in range(3)])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 3
    expected = [model.sample(200, random_state=seed) for seed in range(8)]
    found = [""] * 8
    model = pickle.loads(pickle.dumps(model))  # of whose threads the first one counts

    def work(seed):
        found[seed] = model.sample(200, random_state=seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


def drawn(p, manner, u):
    out = np.empty(1, np.int32)
    _kernels.draw(p, manner, np.array([u]), np.empty(3 * _kernels.LANES), out, True)
    return out[0]


@pytest.mark.parametrize("temperature", [5e-324, 1e-300, 0.5, 1, 1e308])
def test_draws_are_those_of_the_kernel(rng, temperature):
    manner = Manner.of(Drawing(temperature), 9)
    for _ in range(200):
        p, u = rng.dirichlet(np.full(9, 0.3)), rng.random()
        logits = np.log(np.maximum(p, 1e-300))
        with np.errstate(over="ignore"):
            assert drawn(p, manner, u) == reference.draw(logits - logits.max(), temperature, u)
    for p, u, expected in (([0, 1, 0], np.nextafter(1, 0), 1), ([0, 1, 0], 0.0, 1), ([1 / 3] * 3, 1 - 2**-53, 2)):
        assert drawn(np.array(p, float), manner, u) == expected or temperature < 1


# --- files and training on --------------------------------------------------------------------------------------


@pytest.mark.parametrize("documents", [False, True])
def test_a_file_holds_the_mixture(text, tmp_path, documents):
    model = mixture(NAMES if documents else text)
    model.save(tmp_path / "a")
    again = CharRNN.load(tmp_path / "a")
    assert (again.ngram_order, again.ngram_share_) == (3, model.ngram_share_)
    other = ["nabo", "eat"] if documents else text[:300]
    assert again.evaluate(other) == model.evaluate(other)
    assert again.sample(80, random_state=1) == model.sample(80, random_state=1)
    again.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert learned(model).ngrams.ids.tobytes() in (tmp_path / "a").read_bytes()  # as `save` says


def test_a_file_says_what_was_trained(text, tmp_path):
    model = mixture(text).set_params(ngram_order=None)
    model.save(tmp_path / "a")
    assert CharRNN.load(tmp_path / "a").ngram_order == 3
    plain = small().fit(text)
    plain.save(tmp_path / "b")
    assert plain.set_params(ngram_order=5).ngram_share_ is None
    plain.save(tmp_path / "c")
    assert (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()
    assert b"ngram" not in (tmp_path / "b").read_bytes()


def test_a_callback_saves_the_mixture(text, tmp_path):
    class Save:
        every = 100

        def __call__(self, run):
            run.save(tmp_path / "a")

    model = small(ngram_order=3, max_updates=100).fit(text, callbacks=[Save()])
    found = CharRNN.load(tmp_path / "a")
    assert found.ngram_share_ == model.ngram_share_
    assert found.sample(30, random_state=0)


def test_training_on_adds_the_n_grams_of_the_new_text(text):
    model = mixture(text)
    share, known, ids = model.ngram_share_, model.vocabulary_, learned(model).ngrams.ids
    new = "#Ä" + text[:60] + "Ä#Ä#Ä#"
    with pytest.warns(UserWarning, match="has grown by 2"):
        model.partial_fit(new)
    old = model.vocabulary_.encode(known.decode(ids))
    whole = np.concatenate([old, model.vocabulary_.encode(new)])
    assert learned(model).ngrams.ids.tolist() == whole.tolist()
    assert model.ngram_share_ == share
    other = text[30:200] + "Ä#Ä"
    p, q = parts(force(model, 0.5), model.vocabulary_.encode(other))
    counted = KneserNey(3).fit(whole, model.vocabulary_.n_symbols)
    assert_allclose(p, np.exp(-counted.nats(model.vocabulary_.encode(other))), rtol=0, atol=1e-12)
    assert_allclose(model.evaluate(other).nats, -np.log((p + q) / 2).mean(), rtol=0, atol=1e-12)
    assert model.sample(20, prompt="Ä#", random_state=0)


def test_training_on_documents_adds_them(tmp_path):
    model = mixture(NAMES, on_unknown="skip")
    model.save(tmp_path / "a")
    for each in (model, CharRNN.load(tmp_path / "a")):
        before = learned(each).ngrams.ids
        each.partial_fit(["zanna", "nobe"])
        added = each.vocabulary_.decode(learned(each).ngrams.ids[before.size :])
        assert sorted(added.split("\n")) == ["", "anna", "nobe"]
    assert small().fit(NAMES).set_params(ngram_order=3).partial_fit(NAMES).ngram_share_ is None


def test_gradients_are_those_of_the_network(text):
    model, plain = mixture(text), mixture(text, ngram_order=None, validation_fraction=0.1)
    assert model.loss_and_gradients(text[:30])[0] == plain.loss_and_gradients(text[:30])[0]
    assert model.check_gradients(text, [5], max_entries=10).norm_error < 1e-6


def test_the_network_alone_reads_and_writes(text):
    model, plain = mixture(text), mixture(text, ngram_order=None, validation_fraction=0.1)
    assert model.sample(90, random_state=1) != plain.sample(90, random_state=1)
    assert model.sample(90, ngrams=False, random_state=1) == plain.sample(90, random_state=1)
    assert model.sample(9, n_samples=3, ngrams=False, random_state=1) == plain.sample(9, n_samples=3, random_state=1)
    assert "".join(model.stream(90, ngrams=False, random_state=1)) == plain.sample(90, random_state=1)
    assert model.session(ngrams=False, random_state=1).write(90) == plain.sample(90, random_state=1)
    assert model.evaluate(text, ngrams=False) == plain.evaluate(text) != model.evaluate(text)
    for attempt in (model.sample, model.stream, model.session, partial(model.evaluate, text)):
        with pytest.raises(ValueError, match="ngrams must be True or False, got 1"):
            attempt(ngrams=1)
