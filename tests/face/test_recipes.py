"""What goes beyond the classic model: cells, layers, batches, dropout, schedules, weight decay, validation."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from pycharrnn import CharRNN, SampleText
from pycharrnn.network.network import Network
from pycharrnn.training.optimizers import Adam
from pycharrnn.training.schedules import Step

CELLS = ["rnn", "lstm", "gru"]


def small(**changes):
    params = {"hidden_size": 12, "epochs": None, "max_updates": 40, "random_state": 0, "verbose": False}
    return CharRNN(**(params | changes))


# --- cells, layers, batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("num_layers", [1, 3])
def test_every_cell_learns_writes_and_is_kept(text, tmp_path, cell, num_layers):
    model = small(cell=cell, num_layers=num_layers, optimizer="adam", learning_rate=0.01, max_updates=300).fit(text)
    assert model.history_.loss[-20:].mean() < 0.95 * model.history_.loss[0]
    assert model.evaluate(text).nats < np.log(len(model.vocabulary_)) - 0.3
    model.save(tmp_path / "m")
    loaded = CharRNN.load(tmp_path / "m")
    assert loaded.sample(50, random_state=1) == model.sample(50, random_state=1)
    assert loaded.evaluate(text) == model.evaluate(text)
    assert {name.rstrip("23") for name in model.params_} == set("UWbVc") | ({"n"} if cell == "gru" else set())
    assert model.check_gradients(text, (5,), batches=2).norm_error < 1e-7


@pytest.mark.parametrize("cell", CELLS)
def test_documents_with_every_cell(cell):
    names = ["anna", "bob", "carla", "dan", "eve"] * 8
    model = small(cell=cell, optimizer="adam", learning_rate=0.01, batch_size=3, max_updates=400, hidden_size=24).fit(
        names
    )
    assert sum(name in names for name in model.sample(n_samples=50, random_state=0)) > 40


def test_a_hundred_characters_by_heart_with_an_lstm(text):
    # what tells its lines from each other lies further back than 25 characters
    model = small(cell="lstm", hidden_size=64, seq_length=50, optimizer="adam", max_updates=4000).fit(text[:100])
    assert model.sample(99, prompt=text[0], temperature=0) == text[1:100]


@pytest.mark.parametrize("cell", CELLS)
def test_characters_can_be_embedded(text, tmp_path, cell):
    model = small(cell=cell, embedding_size=6, num_layers=2, optimizer="adam", learning_rate=0.01, max_updates=300)
    model.fit(text)
    K = len(model.vocabulary_)
    assert model.evaluate(text).nats < np.log(K) - 0.3
    gates = {"rnn": 1, "lstm": 4, "gru": 3}[cell]
    assert (model.params_["E"].shape, model.params_["U"].shape) == ((K, 6), (12 * gates, 6))
    model.save(tmp_path / "m")
    loaded = CharRNN.load(tmp_path / "m")
    assert loaded.get_params() == model.get_params() | {"verbose": None}
    assert loaded.sample(50, random_state=1) == model.sample(50, random_state=1)
    assert model.check_gradients(text, (5,), batches=2).norm_error < 1e-7
    before = model._net.named(model._state.params)["E"].copy()
    with pytest.warns(UserWarning, match="has grown by 1"):
        model.set_params(max_updates=1, learning_rate=1e-12).partial_fit("#" + text[:60])
    old = [i for i, character in enumerate(model.vocabulary_) if character != "#"]
    assert_allclose(model._net.named(model._state.params)["E"][old], before, atol=1e-9)


@pytest.mark.parametrize("how", [None, "normal", "uniform", "orthogonal"])
@pytest.mark.parametrize("cell", CELLS)
def test_initializers(cell, how):
    net, rng = Network(cell, 30, 64, 3, "float64", num_layers=2), np.random.default_rng(0)
    for scale in (None, 0.3):
        named = net.named(net.initial(rng, scale, how))
        normal = how == "normal" or (how is None and (cell == "rnn" or scale is not None))
        spread = scale if scale is not None else 0.01 if normal else 1 / 8
        for name in ("U", "U2", "W", "W2", "V"):
            found = named[name]
            if how == "orthogonal" and name[0] == "W":
                for block in np.split(found, len(found) // 64):
                    assert_allclose(block @ block.T, np.eye(64), atol=1e-12)
            elif name[0] == "U" and scale is None and cell != "rnn":
                assert_allclose(found.std(), 1 if name == "U" else 2 / 8, rtol=0.05)
            else:
                assert_allclose(found.std(), spread * (1 if normal else 3**-0.5), rtol=0.05)
                assert normal == (np.abs(found).max() > spread)
    blocks = np.split(net.named(net.initial(rng, None, "orthogonal"))["W"], net.cell.gates)
    assert all(np.abs(a - b).max() > 0.1 for a, b in itertools.pairwise(blocks))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_embeddings_begin_as_pytorchs(cell):
    net = Network(cell, 30, 64, 3, "float64", embedding_size=50)
    named = net.named(net.initial(np.random.default_rng(0)))
    assert_allclose([named["E"].std(), named["U"].std()], [1, (3 * 64) ** -0.5], rtol=0.05)


def test_forget_gates_start_open():
    net = Network("lstm", 9, 5, 3, "float32", num_layers=2)
    named = net.named(net.initial(np.random.default_rng(0)))
    for name in ("b", "b2"):
        assert named[name].tolist() == [0] * 5 + [1] * 5 + [0] * 10
    assert np.abs(named["W"]).max() <= 5**-0.5
    assert np.abs(named["W2"]).max() > 0.4


# --- dropout ----------------------------------------------------------------------------------------------------


def test_dropout_takes_its_share_anew_each_update(text):
    net = Network("rnn", 9, 400, 5, "float64", dropout=0.3)
    params = net.initial(np.random.default_rng(0), None)
    x = np.arange(5, dtype=np.int32)
    plain = Network("rnn", 9, 400, 5, "float64").loss_and_gradients(params, x, x)
    found = [net.loss_and_gradients(params, x, x, seed=seed) for seed in range(300)]
    assert len({loss for loss, *_ in found}) == 300
    # units that were dropped in all five steps have no gradient in V's columns; in the mean the gradient is kept
    dropped = np.mean([(np.abs(grads["V"]).max(axis=0) == 0).mean() for _, grads, _ in found])
    assert_allclose(dropped, 0.3**5, rtol=0.2)
    assert_allclose(np.mean([grads["c"] for _, grads, _ in found], axis=0), plain[1]["c"], atol=0.02)
    for _, _, carried in found[:3]:  # the state itself is whole
        assert_array_equal(carried, plain[2])


def test_dropout_takes_its_share_of_embeddings():
    x = np.arange(5, dtype=np.int32)
    net = Network("rnn", 9, 40, 5, "float64", False, 1, 0.3, 50)
    params = net.initial(np.random.default_rng(0), 0.3)
    plain = Network("rnn", 9, 40, 5, "float64", False, 1, 0.0, 50).loss_and_gradients(params, x, x)[1]["E"]
    found = [net.loss_and_gradients(params, x, x, seed=seed)[1]["E"][:5] == 0 for seed in range(100)]
    assert_allclose(np.mean(found), 0.3, atol=0.02)
    assert np.abs(plain[:5]).min() > 0
    assert len({zero.tobytes() for zero in found}) == 100


def test_dropout_is_not_for_evaluation_and_sampling(text):
    model = small(dropout=0.5, label_smoothing=0.5, num_layers=2).fit(text)
    assert model.evaluate(text) == model.evaluate(text)
    weights = {name: value.copy() for name, value in model.params_.items()}
    same = small(num_layers=2, max_updates=1).fit(text)
    same._state.best[:] = same._net.flatten(weights)
    assert same.evaluate(text) == model.evaluate(text)


def test_gradients_are_those_of_the_whole_model(text):
    # of one that is not trained yet, too
    dropped, whole = small(dropout=0.5, label_smoothing=0.5, init_scale=0.3), small(init_scale=0.3)
    (loss, grads), (expected, exact) = (model.loss_and_gradients(text[:40]) for model in (dropped, whole))
    assert loss == expected
    for name, gradient in exact.items():
        assert_array_equal(grads[name], gradient)


# --- validation -------------------------------------------------------------------------------------------------


def test_validation_losses_are_nearly_those_of_one_reader(text):
    net = Network("gru", 20, 16, 10, "float64", num_layers=2)
    params = net.initial(np.random.default_rng(0), None)
    ids = np.random.default_rng(1).integers(0, 20, 3000).astype(np.int32)
    assert_allclose(net.validation_losses(params, ids, streams=4), net.losses(params, ids), atol=1e-9)
    one, *more = (net.validation_losses(params, ids, warm_up=100, n_threads=n) for n in (1, 2, 3, 40))
    assert all((one == other).all() for other in more)
    assert_allclose(net.validation_losses(params, ids[:600]), net.losses(params, ids[:600]), atol=1e-9)


@pytest.mark.parametrize("window", [1, 7, 30])
def test_cold_windows_start_from_zero(text, window):
    model = small(cell="gru", batch_size=2).fit(text)
    some = text[:200]
    pieces = [some[at : at + window + 1] for at in range(0, 199, window)]
    losses = [model.evaluate(piece) for piece in pieces]
    expected = sum(found.nats * found.n_characters for found in losses) / 199
    assert_allclose(model.evaluate(some, window=window).nats, expected, rtol=1e-6)
    assert model.evaluate(some, window).nats != model.evaluate(some).nats
    assert_allclose(model.evaluate(some, 1000).nats, model.evaluate(some).nats, rtol=1e-6)
    with pytest.raises(ValueError, match=r"^window must be"):
        model.evaluate(some, window=0)


def test_files_keep_schedules_and_validation(text, tmp_path):
    model = small(schedule=Step(at=(0.2, 0.4), factor=0.5), optimizer=Adam(beta1=0.8), learning_rate=0.01)
    model.fit(text, validation=text[:200], callbacks=[SampleText(20, 5, file=None)])
    model.save(tmp_path / "m")
    loaded = CharRNN.load(tmp_path / "m")
    assert (loaded.schedule, loaded.optimizer, loaded.best_) == (model.schedule, model.optimizer, model.best_)
    assert loaded.best_.validation_loss is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [("label_smoothing", 1.0), ("embedding_size", 0), ("initializer", "xavier"), ("dropout", 1), ("dropout", -0.1),
     ("schedule", "linear"), ("weight_decay", -1), ("patience", 0), ("n_threads", 0),
     ("validation_fraction", 1.0), ("batch_size", 0), ("num_layers", 0), ("num_layers", 1.5), ("dropout", "0.5")],
)  # fmt: skip
def test_bad_parameters_are_named(text, name, value):
    with pytest.raises((TypeError, ValueError), match=f"^{name} must be"):
        small(**{name: value}).fit(text)


@pytest.mark.parametrize("name", ["classic", "minute", "quality"])
def test_presets(text, name):
    model = CharRNN.preset(name, hidden_size=8, max_updates=3, random_state=0, verbose=False).fit(text * 5)
    assert model.n_updates_ == 3
    assert bool(model.history_.validation) == (name != "classic")
    assert CharRNN.preset("classic").get_params() == CharRNN().get_params()
    with pytest.raises(ValueError, match=r"^name must be"):
        CharRNN.preset("best")


# --- what can happen on the way ---------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adagrad", "adam", "sgd"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_vocabulary_grows(text, cell, optimizer):
    model = small(cell=cell, optimizer=optimizer, max_updates=60).fit(text)
    known, nats = model.vocabulary_, model.evaluate(text).nats
    before = {name: np.array(value) for name, value in model._net.named(model._state.params).items()}
    grown = model.set_params(max_updates=1, learning_rate=1e-12)
    with pytest.warns(UserWarning, match=r"has grown by 2, to \d+ characters: '#', '\\xc4'") as caught:
        grown.partial_fit("#Ä" + text[:60])
    assert caught[0].filename == __file__
    assert list(grown.vocabulary_) == sorted([*known, "#", "Ä"])
    old = grown.vocabulary_.encode("".join(known))
    last = grown._net.named(grown._state.params)
    for name, array in before.items():
        found = last[name][:, old] if name == "U" else last[name][old] if name in ("V", "c") else last[name]
        if optimizer == "sgd":
            assert_allclose(found, array, atol=1e-6)
    assert abs(grown.evaluate(text).nats - nats) < 0.2
    assert grown.sample(20, prompt="#Ä", random_state=0)
    assert grown.n_updates_ == 61


def test_the_vocabulary_of_documents_grows():
    model = small(max_updates=60).fit(["anna", "bob"] * 20)
    end = model.vocabulary_.end
    with pytest.warns(UserWarning, match="has grown by 2, to 6 characters: 'e', 'z'"):
        model.partial_fit(["zoe", "anna"] * 20)
    assert model.vocabulary_.end == end + 2
    assert len(model.sample(n_samples=3, random_state=0)) == 3


def test_the_vocabulary_does_not_grow_when_told_so(text):
    model = small(on_unknown="skip").fit(text)
    known = model.vocabulary_
    assert model.partial_fit("#Ä" + text[:60]).vocabulary_ == known
