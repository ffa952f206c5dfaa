"""What goes beyond the classic model: cells, layers, batches, dropout, schedules, weight decay, validation."""

import itertools

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal

from pycharrnn import CharRNN, SampleText, TrainingDivergedError
from pycharrnn.network.network import Network
from pycharrnn.training.baseline import KneserNey
from pycharrnn.training.optimizers import SGD, Adam, Descent
from pycharrnn.training.schedules import Constant, Cosine, Plateau, Step
from pycharrnn.training.trainer import Trainer

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


def test_a_loaded_model_trains_on_as_its_random_state_says(text, tmp_path):
    small(dropout=0.5, batch_size=3).fit(text).save(tmp_path / "m")
    models = [CharRNN.load(tmp_path / "m").set_params(random_state=seed).partial_fit(text) for seed in (0, 0, 1)]
    weights = [model._state.params.tobytes() for model in models]
    assert weights[0] == weights[1] != weights[2]


def test_one_stream_always_begins_at_the_start_of_the_text(text, tmp_path):
    small().fit(text).save(tmp_path / "m")
    batch = small(batch_size=5, epochs=2, max_updates=None).fit(text)
    for model in (CharRNN.load(tmp_path / "m"), batch.set_params(batch_size=1)):
        model._state.params[:] = model._state.best
        first, _ = model.loss_and_gradients(text[:26])
        before = model.n_updates_
        model.partial_fit(text)
        assert_allclose(model.history_.loss[model.history_.updates == before], [first], rtol=1e-5)


@pytest.mark.parametrize("batch_size", [2, 7])
def test_a_batch_reads_parts_of_the_text_at_once(text, batch_size):
    model = small(batch_size=batch_size, epochs=3, max_updates=None, seq_length=10)
    runs = []
    model.fit(text, callbacks=[runs.append])
    part = (len(text) - 1) // batch_size
    assert model.n_updates_ == 3 * -(-part // 10)
    assert runs[-1].characters == 3 * part * batch_size
    assert runs[-1].epoch == 3


def test_a_batch_is_the_mean_of_its_streams(text):
    # one update of plain gradient descent: the streams' own gradients, averaged
    T, text = 10, text[:41]
    options = {"seq_length": T, "optimizer": "sgd", "learning_rate": 1.0, "clip_value": None, "dtype": "float64"}
    model = small(**options, max_updates=1, batch_size=4, init_scale=0.3)
    vocabulary, net, flat = model._exact(text, T)
    start = {name: np.array(value) for name, value in net.named(flat).items()}
    ids = vocabulary.encode(text)
    found = model.fit(text)
    mean = {name: np.zeros_like(value) for name, value in start.items()}
    losses = []
    for j in range(4):
        loss, grads, _ = net.loss_and_gradients(flat, ids[j * 10 : j * 10 + T], ids[j * 10 + 1 : j * 10 + T + 1])
        losses.append(loss)
        for name in mean:
            mean[name] += grads[name] / 4
    assert_allclose(found.history_.loss, [np.mean(losses)], rtol=1e-12)
    for name, value in found._net.named(found._state.params).items():
        assert_allclose(value, start[name] - mean[name], rtol=1e-9, atol=1e-12, err_msg=name)


def test_a_text_too_short_for_its_streams(text):
    with pytest.raises(ValueError, match="too short for 50 streams: it has 39 predictions"):
        small(batch_size=50).fit(text[:40])


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_any_number_of_threads_gives_the_same_model(text, threads):
    options = {"cell": "gru", "num_layers": 2, "batch_size": 5, "dropout": 0.2, "optimizer": "adam", "clip_norm": 1.0}
    options |= {"embedding_size": 20, "label_smoothing": 0.1}
    one, many = (small(**options, n_threads=n).fit(text) for n in (1, threads))
    for name, value in one.params_.items():
        assert_array_equal(value, many.params_[name])
    assert_array_equal(one.history_.loss, many.history_.loss)


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


@pytest.mark.parametrize("cell", CELLS)
def test_each_stream_of_a_batch_starts_afresh_now_and_then(text, cell):
    # every 64 windows, one stream after the other; a single stream never does
    ids = np.random.default_rng(0).integers(0, 9, 4 * 500 + 1).astype(np.int32)
    for B, expected in ((1, []), (4, [[16, 3], [32, 2], [48, 1], [64, 0], [80, 3]])):
        net, update = Network(cell, 9, 5, 5, "float64", num_layers=2), Descent(SGD(), 0.01, None, None)
        state = net.state(net.initial(np.random.default_rng(1), 0.5), update, B)
        trainer, found = Trainer(net, state, update, ids), []
        for n in range(1, 91):
            trainer.advance(np.empty(1), np.empty(1))
            found += [[n, j] for j in range(B) if not state.carried[:, :, j].any()]
        assert found == expected


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


def test_label_smoothing_leaves_a_share_of_doubt():
    text, known = "abcdefghij" * 20, {}
    for share in (0.0, 0.2):
        model = small(label_smoothing=share, optimizer="adam", learning_rate=0.01, max_updates=3000).fit(text)
        known[share] = model.evaluate(text).nats
        entropy = -(1 - share * 0.9) * np.log(1 - share * 0.9) - 0.9 * share * np.log(0.1 * share or 1)
        assert_allclose(model.history_.loss[-100:].mean() / model.seq_length, entropy, atol=0.02)
    assert known[0.0] < 0.02
    assert_allclose(known[0.2], -np.log(1 - 0.2 * 0.9), atol=0.02)  # what is known by heart is expected with 0.82


@pytest.mark.parametrize("cell", CELLS)
def test_an_update_with_label_smoothing_is_its_twins(text, cell):
    T, text = 10, text[:31]
    options = {"seq_length": T, "optimizer": "sgd", "learning_rate": 1.0, "clip_value": None, "dtype": "float64"}
    model = small(**options, cell=cell, label_smoothing=0.3, max_updates=1, batch_size=3, init_scale=0.3)
    vocabulary, net, flat = model._exact(text, T)
    start = {name: np.array(value) for name, value in net.named(flat).items()}
    x, y = (vocabulary.encode(text)[shift:][:30].reshape(3, T).T for shift in (0, 1))
    zeros = np.zeros(net.carried(3))
    loss, grads, _ = reference.loss_and_gradients(start, x, y, zeros, cell=cell, smoothing=0.3)
    assert_allclose(model.fit(text).history_.loss, [loss / 3], rtol=1e-12)
    for name, value in model._net.named(model._state.params).items():
        assert_allclose(value, start[name] - grads[name] / 3, rtol=1e-9, atol=1e-12, err_msg=name)


def test_dropout_hangs_on_the_seed(text):
    weights = [small(dropout=0.5, random_state=seed, init_scale=0.1).fit(text).params_["W"] for seed in (0, 0, 1)]
    assert_array_equal(weights[0], weights[1])
    assert (weights[0] != weights[2]).any()


# --- learning rates ---------------------------------------------------------------------------------------------

PROGRESS = np.array([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])


def test_schedules_at_known_points():
    assert_allclose(Constant().factors(PROGRESS, []), 1)
    assert_allclose(Constant(warmup=0.5).factors(PROGRESS, []), [0, 0.2, 0.5, 1, 1, 1])
    assert_allclose(Cosine(warmup=0, final=0.1).factors(PROGRESS, [])[[0, 3, 5]], [1, 0.55, 0.1])
    assert_allclose(Cosine(warmup=0.1, final=0).factors(PROGRESS, [])[[0, 1, 5]], [0, 1, 0], atol=1e-15)
    assert_allclose(Step(at=(0.25, 0.75), factor=0.1).factors(PROGRESS, []), [1, 1, 0.1, 0.1, 0.01, 0.01])
    assert_allclose(Plateau(factor=0.5, patience=2).factors(PROGRESS, [3, 2, 2.5, 2.1, 2.2, 2.3, 1]), 0.25)
    assert_allclose(Plateau().factors(PROGRESS, [3, 2, 1]), 1)


@pytest.mark.parametrize("schedule", [Constant, Cosine, Step, Plateau])
@pytest.mark.parametrize("warmup", [-0.1, 1.0, float("nan")])
def test_a_warm_up_is_a_share(schedule, warmup):
    with pytest.raises(ValueError, match="warmup must be a share of the budget"):
        schedule(warmup=warmup)


@pytest.mark.parametrize("schedule", ["cosine", "step", Cosine(warmup=0.3, final=0.1)])
def test_a_schedule_follows_the_updates(text, schedule):
    # plain gradient descent, step by step with the rates that the schedule says
    options = {"optimizer": "sgd", "dtype": "float64", "clip_value": None, "init_scale": 0.1, "max_updates": 12}
    model = small(**options, learning_rate=0.05, schedule=schedule).fit(text)
    schedule = {"cosine": Cosine(), "step": Step()}.get(schedule, schedule)
    twin = small(**options)
    vocabulary, net, flat = twin._exact(text, 25)
    ids, carried, start = vocabulary.encode(text), None, 0
    for factor in schedule.factors(np.arange(12) / 12, []):
        window = ids[start : start + 26]
        _, grads, carried = net.loss_and_gradients(flat, window[:-1], window[1:], carried)
        for name, value in net.named(flat).items():
            value -= 0.05 * factor * grads[name]
        start = start + 25 if start + 25 < len(ids) - 1 else 0
    for name, value in net.named(flat).items():
        assert_allclose(model._net.named(model._state.params)[name], value, rtol=1e-9, atol=1e-13)


def test_a_schedule_follows_the_clock(text):
    seen = []

    class Watched(Cosine):
        def factors(self, progress, validation):
            seen.extend(progress)
            return super().factors(progress, validation)

    small(max_updates=None, max_seconds=0.3, schedule=Watched()).fit(text)
    assert seen == sorted(seen)
    assert seen[0] < 0.1
    assert 0.8 < seen[-1] <= 1


def test_weight_decay_is_decoupled(text):
    ids = np.random.default_rng(0).integers(0, 9, 60).astype(np.int32)
    net = Network("rnn", 9, 6, 5, "float64")
    found = []
    for decay in (0.0, 0.3):
        update = Descent(SGD(), 0.1, None, None, decay)
        state = net.state(net.initial(np.random.default_rng(1), 0.5), update)
        Trainer(net, state, update, ids).advance(np.empty(1), np.empty(1))
        found.append(state.params)
    start = net.initial(np.random.default_rng(1), 0.5)
    assert_allclose(found[1], found[0] - 0.1 * 0.3 * start, rtol=1e-12, atol=1e-15)


# --- validation -------------------------------------------------------------------------------------------------


def test_the_best_model_is_that_of_the_lowest_validation_loss(text):
    model = small(optimizer="adam", learning_rate=0.03, max_updates=None, epochs=25, hidden_size=48)
    other = text[::-1][:300]
    model.fit(text[:400], validation=other)
    looks = model.history_.validation
    assert [look.n_updates for look in looks] == [16 * i for i in range(1, 26)]
    assert looks[-1].nats > min(look.nats for look in looks)  # it has unlearned the other text
    lowest = min(looks, key=lambda look: look.nats)
    assert model.best_.n_updates == lowest.n_updates
    assert model.best_.validation_loss == lowest.nats
    assert_allclose(model.evaluate(other).nats, lowest.nats, rtol=1e-6)


def test_patience_ends_the_training(text):
    model = small(optimizer="adam", learning_rate=0.03, max_updates=None, epochs=100, patience=3, hidden_size=48)
    model.fit(text[:400], validation=text[400:700])
    looks = [look.nats for look in model.history_.validation]
    assert len(looks) < 60
    assert int(np.argmin(looks)) == len(looks) - 4


def test_a_fraction_of_the_text_is_not_trained_on(text):
    twice = text * 2  # so that the first three quarters have every character
    cut = round(len(twice) * 0.75)
    split = small(validation_fraction=0.25).fit(twice)
    given = small().fit(twice[:cut], validation=twice[cut:])
    assert_array_equal(split.history_.loss, given.history_.loss)
    assert [look.nats for look in split.history_.validation] == [look.nats for look in given.history_.validation]


def test_a_fraction_of_the_documents_is_not_trained_on():
    names = [f"{a}{b}" for a in "abcdefgh" for b in "xyz"]
    model = small(validation_fraction=0.25, epochs=2, max_updates=None, seq_length=3)
    runs = []
    model.fit(names, callbacks=[runs.append])
    assert runs[-1].characters == 2 * 18 * 3  # eighteen of twenty-four, with their ends
    with pytest.raises(ValueError, match=r"validation_fraction 0.9 leaves too little"):
        small(validation_fraction=0.9).fit("ab")


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


def test_counting_is_the_baseline_of_a_validation(text):
    assert small().fit(text).history_.baseline is None
    history = small(validation_fraction=0.2).fit(text).history_
    ids = small().fit(text).vocabulary_.encode(text)
    cut = round(len(ids) * 0.8)
    counted = KneserNey(history.baseline_order).fit(ids[:cut], ids.max() + 1)
    assert history.baseline == counted.nats(ids[cut:]).mean()
    names = ["anna", "bob", "carla", "dan", "eve"] * 8
    assert small(validation_fraction=0.2).fit(names).history_.baseline < 1.0


def test_validation_does_not_change_the_training(text):
    plain, watched = small().fit(text), small().fit(text, validation=text[:200])
    assert_array_equal(plain.history_.loss, watched.history_.loss)


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


def test_after_a_divergence_training_goes_on_more_slowly(text):
    model = small(init_scale=1e38, random_state=1)
    with pytest.raises(TrainingDivergedError) as caught:
        model.fit(text)  # however often the rate is cut
    cuts = model.history_.divergences
    assert [cut.factor for cut in cuts] == pytest.approx([0.3, 0.09, 0.027, 0.0081, 0.00243])
    assert {cut.n_updates for cut in cuts} == {caught.value.n_updates} == {model.n_updates_}

    fast = small(optimizer="sgd", learning_rate=1e36, clip_value=5.0, init_scale=0.1, max_updates=60)
    with pytest.raises(TrainingDivergedError, match="far worse than guessing"):
        fast.fit(text)  # overflows now and then, until the rate has been cut a few times
    assert 1 <= len(fast.history_.divergences) <= 5
    assert fast.n_updates_ == 60
    assert np.isfinite(fast._state.params).all()
    assert len(fast.history_) == 60


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
