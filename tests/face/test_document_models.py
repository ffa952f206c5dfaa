"""Models of documents: each begins from a zero state, ends with a symbol of its own, and is written whole."""

import pickle

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose

from pycharrnn import CharRNN, UnknownCharacterError, Vocabulary
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.scoring import streamed_losses
from pycharrnn.sampling.sampler import Sampler
from pycharrnn.sampling.settings import Sampling
from pycharrnn.trained import exact, learned
from pycharrnn.training.history import History

NAMES = ["anna", "bob", "carla", "dan", "eve", "frida\nmaria", "gus"] * 6


@pytest.fixture(scope="module")
def names():
    """A trained model of documents; tests must not change it."""
    return CharRNN(hidden_size=24, epochs=60, random_state=0, verbose=False).fit(NAMES)


def test_the_vocabulary_has_a_symbol_more(names):
    vocabulary = names.vocabulary_
    assert vocabulary.n_symbols == len(vocabulary) + 1 == vocabulary.end + 1
    assert names.params_["U"].shape == (24, vocabulary.n_symbols)
    assert vocabulary != Vocabulary(vocabulary.code_points)
    assert "end of document" in repr(vocabulary)
    assert pickle.loads(pickle.dumps(vocabulary)) == vocabulary


def test_ids_of_documents():
    vocabulary = Vocabulary.from_text(["ab", "c"])
    assert vocabulary.encode(["cab", "b"]).tolist() == [3, 2, 0, 1, 3, 1, 3]
    assert vocabulary.encode("cab").tolist() == [2, 0, 1]
    assert vocabulary.decode([3, 2, 0, 1, 3, 1, 3]) == "\ncab\nb\n"
    with pytest.raises(ValueError, match="no symbol to end documents"):
        Vocabulary.from_text("abc").encode(["cab"])
    with pytest.raises(ValueError, match="ids go from 0 to 3"):
        vocabulary.decode([4])


def test_documents_are_written_whole(names):
    found = names.sample(n_samples=200, random_state=1)
    assert isinstance(found, list)
    assert len(found) == 200
    assert sum(name in NAMES for name in found) > 150  # it has memorised them, ends included
    assert {"anna", "frida\nmaria"} <= set(found)


def test_a_length_cuts_documents(names):
    assert names.sample(2, random_state=0) == names.sample(random_state=0)[:2]
    assert max(map(len, names.sample(3, n_samples=50, random_state=0))) == 3


def test_n_samples(names, model):
    assert names.sample(n_samples=0) == []
    assert names.sample(n_samples=1, random_state=4) == [names.sample(random_state=4)]
    texts = model.sample(30, n_samples=3, random_state=5, prompt="to ")
    assert [len(text) for text in texts] == [30, 30, 30]
    assert texts[0] == model.sample(30, random_state=5, prompt="to ")
    assert len(set(texts)) == 3
    assert len(model.sample()) == 200
    assert len(set(model.sample(20, n_samples=3, prompt="to ", temperature=0))) == 1  # each from the prompt alone


def test_a_prompt_begins_the_document(names):
    for rest in names.sample(prompt="an", n_samples=20, temperature=0.2, random_state=0):
        assert rest == "na"


def test_a_stream_ends_with_the_document(names):
    for seed in range(5):
        assert "".join(names.stream(random_state=seed)) == names.sample(random_state=seed)
    assert "".join(names.stream(2, random_state=0)) == names.sample(2, random_state=0)


def test_large_networks_give_the_same_documents(names, monkeypatch):
    expected = names.sample(n_samples=30, random_state=3)
    monkeypatch.setattr(Architecture, "chunk_size", 2)  # symbols between two looks at signals
    assert names.sample(n_samples=30, random_state=3) == expected


def test_an_endless_document_is_cut_with_a_warning(names, monkeypatch):
    monkeypatch.setattr("pycharrnn.sampling.limits.LONGEST", 2)
    with pytest.warns(UserWarning, match="no end after 2 characters"):
        assert len(names.sample(random_state=0)) == 2


def test_a_document_knows_nothing_of_the_one_before(names):
    ids = names.vocabulary_.encode(["bob", "anna"])
    _, architecture, state, *_ = learned(names)
    nats = streamed_losses(architecture, state.best, ids)
    alone = streamed_losses(architecture, state.best, names.vocabulary_.encode(["anna"]))
    assert_allclose(nats[4:], alone, rtol=1e-6)
    assert names.evaluate(["bob", "anna"]).n_characters == 9  # each character and each end


def test_losses_equal_the_twin(names):
    params = {name: value.astype(np.float64) for name, value in names.params_.items()}
    ids = names.vocabulary_.encode(NAMES[:4])[:, None]
    end = names.vocabulary_.end
    loss, *_ = reference.loss_and_gradients(params, ids[:-1], ids[1:], np.zeros((1, 24)), end)
    found = names.evaluate(NAMES[:4])
    assert_allclose(found.nats * found.n_characters, loss, rtol=1e-5)


@pytest.mark.parametrize("seq_length", [3, 5, 12])
def test_gradients_across_the_ends_of_documents(seq_length):
    model = CharRNN(hidden_size=7, init_scale=0.6, random_state=3)
    table = model.check_gradients(NAMES, seq_lengths=(seq_length,), batches=3, h=1e-5)
    assert table.max_error < 1e-6
    assert table.norm_error < 1e-7


def test_training_equals_the_twin(monkeypatch):
    # ten updates of plain gradient descent, windows across the ends of documents
    documents = ["ab", "bca", "c"]
    T = 4
    rate = 0.1
    model = CharRNN(hidden_size=5, seq_length=T, optimizer="sgd", learning_rate=rate, dtype="float64", random_state=2)
    model.set_params(init_scale=0.5, epochs=None, max_updates=10, clip_value=None)
    monkeypatch.setattr("pycharrnn.text.corpus.Corpus.shuffled", lambda corpus, rng: corpus)
    ids = Vocabulary.from_text(documents).encode(documents)[:, None]
    _, net, flat = exact(model, documents, T)
    params = {name: np.array(value) for name, value in net.named(flat).items()}
    model.fit(documents)
    h = np.zeros((1, 5))
    start = 0
    losses = []
    for _ in range(10):
        window = ids[start : start + T + 1]
        loss, grads, h = reference.loss_and_gradients(params, window[:-1], window[1:], h, net.end)
        losses.append(loss * T / (len(window) - 1))
        params = {name: value - rate * grads[name] for name, value in params.items()}
        start = (start + T) if start + T < len(ids) - 1 else 0
    assert_allclose(model.history_.loss, losses, rtol=1e-10)


def test_the_order_of_documents_is_shuffled_by_the_seed(text):
    def weights(documents, seed):
        return CharRNN(hidden_size=4, max_updates=30, random_state=seed).fit(documents).params_["W"]

    documents = [f"{i} {text[i : i + 20]}" for i in range(40)]
    assert (weights(documents, 0) == weights(tuple(documents), 0)).all()
    assert (weights(documents, 0) == weights(np.array(documents), 0)).all()
    assert (weights(documents, 0) != weights(documents[::-1], 0)).any()


def test_texts_while_training_run_through_documents(names):
    run = []
    CharRNN(hidden_size=24, epochs=60, random_state=0).fit(NAMES, callbacks=[lambda r: run.append(r.sample(300))])
    assert len(run[-1]) == 300
    assert len([name for name in run[-1].split("\n") if name in NAMES]) > 20


def test_running_text_and_documents_are_not_mixed(names, model):
    for attempt in (names.evaluate, names.score, names.partial_fit):
        with pytest.raises(ValueError, match="trained on documents: pass a sequence of them"):
            attempt("anna")
    for attempt in (model.evaluate, model.score, model.partial_fit):
        with pytest.raises(ValueError, match="trained on running text: pass one text"):
            attempt(["to be"])


def test_training_goes_on_with_documents():
    model = CharRNN(hidden_size=8, epochs=1, random_state=0).fit(NAMES)
    before = model.n_updates_
    assert model.partial_fit(["bob", "anna"]).n_updates_ == before + 1
    with pytest.raises(UnknownCharacterError, match="position 1 of document 2"):
        model.score(["bob", "anna", "aX"])


def test_files(names, tmp_path):
    path = tmp_path / "names.safetensors"
    names.save(path)
    loaded = CharRNN.load(path)
    assert loaded.vocabulary_ == names.vocabulary_
    assert loaded.sample(n_samples=5, random_state=0) == names.sample(n_samples=5, random_state=0)
    assert loaded.evaluate(NAMES) == names.evaluate(NAMES)


# --- characters that the model does not know --------------------------------------------------------------------


def changed(trained, on_unknown):
    return pickle.loads(pickle.dumps(trained)).set_params(on_unknown=on_unknown)


def test_unknown_characters_are_skipped(names, model):
    for trained, clean, dirty in (
        (names, ["bob", "anna"], ["bXoÄb", "ann\N{GRINNING FACE}a"]),
        (model, "to be", "tÄo #be"),
    ):
        with pytest.raises(UnknownCharacterError):
            trained.evaluate(dirty)
        assert changed(trained, "skip").evaluate(dirty) == trained.evaluate(clean)
    skips = changed(model, "skip")
    assert skips.sample(20, prompt="#to #", random_state=0) == model.sample(20, prompt="to ", random_state=0)
    assert list(skips.stream(5, prompt="#", random_state=0)) == list(model.stream(5, random_state=0))
    loss, _ = skips.loss_and_gradients("to# be", "o be#,")
    assert loss == model.loss_and_gradients("to be", "o be,")[0]
    assert skips.check_gradients("to #be or", (3,), batches=1) == model.check_gradients("to be or", (3,), batches=1)
    n_updates = skips.n_updates_
    assert skips.partial_fit("to #be#").n_updates_ == n_updates + 1


def test_unknown_characters_are_replaced(model):
    assert changed(model, "replace").evaluate("to#be") == model.evaluate("to be")  # it knows a space, but no "?"
    asks = CharRNN(hidden_size=4, max_updates=5, on_unknown="replace", random_state=0).fit("is it? it is! " * 5)
    assert asks.evaluate("isXit") == asks.evaluate("is?it")
    knows_none = CharRNN(hidden_size=4, max_updates=5, on_unknown="replace", random_state=0).fit("abcabc" * 5)
    with pytest.raises(UnknownCharacterError, match="position 2"):
        knows_none.evaluate("abX")


def test_nothing_left_after_skipping(model):
    with pytest.raises(ValueError, match="at least 2"):
        changed(model, "skip").evaluate("###")


def test_a_wrong_on_unknown_is_named(model):
    with pytest.raises(ValueError, match="on_unknown must be 'raise', 'skip' or 'replace', got 'drop'"):
        changed(model, "drop").evaluate("to be")


def test_a_sampler_draws_documents_in_any_portions(names):
    def sampler():
        prompt = np.empty(0, np.int32)
        return Sampler(
            learned(names).architecture, learned(names).state.best, prompt, Sampling(), np.random.default_rng(3)
        )

    one, other = sampler(), sampler()
    whole = np.concatenate([one.draw(1000, whole=True)])
    assert whole[-1] == names.vocabulary_.end
    assert (np.concatenate([other.draw(1) for _ in whole]) == whole).all()
    assert one.draw(5, whole=True).size == 0  # it has ended
    one.restart()
    assert one.draw(100, whole=True).size > 0


def test_history_knows_its_window(names):
    assert isinstance(names.history_, History)
    assert names.history_.seq_length == 25
