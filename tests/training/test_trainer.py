"""Updates: the order of windows and streams, threads, label smoothing, dropout."""

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from reference import OrderedRNN
from small import exact, last, learned, nats, small

from pycharrnn import CharRNN, _kernels
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.cells import CELLS
from pycharrnn.network.engine import loss_and_gradients
from pycharrnn.network.precision import PRECISIONS
from pycharrnn.network.state import State
from pycharrnn.text.corpus import Corpus
from pycharrnn.training.descent import Descent
from pycharrnn.training.optimizers import SGD, Adam
from pycharrnn.training.trainer import Trainer


def test_the_very_bits_of_the_ordered_twin(text):
    # over epochs, so that short windows, resets and thousands of roundings are in it
    before = _kernels.simd_selected()
    if "baseline" in _kernels.simd_names():
        _kernels.simd_select("baseline")
        try:
            model = CharRNN(hidden_size=13, seq_length=7, dtype="float64", random_state=2, epochs=2).fit(text)
        finally:
            _kernels.simd_select(before)
        ids = model.vocabulary_.encode(text)
        architecture = learned(model).architecture
        twin = OrderedRNN(architecture.named(architecture.initial(np.random.default_rng(2), 0.01)))
        losses = []
        for _ in range(2):
            twin.h = np.zeros(13)
            for start in range(0, len(ids) - 1, 7):
                x, y = ids[start : start + 7], ids[start + 1 : start + 8]
                losses.append(twin.update(x[: len(y)], y) * 7 / len(y))
        assert len(losses) == model.n_updates_
        for name, found in last(model).items():
            assert_array_equal(found, twin.p[name])
        assert_allclose(model.history_.loss, losses, rtol=1e-13)


def test_a_state_is_not_trained_with_the_moments_of_another_rule(text):
    model = CharRNN(hidden_size=8, epochs=1).fit(text)
    adam = Descent(Adam(), None, None, None)
    with pytest.raises(ValueError, match="moments of adagrad, not of adam"):
        Trainer(learned(model).architecture, learned(model).state, adam, model.vocabulary_.encode(text))


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
    vocabulary, architecture, weights = exact(model, text, T)
    start = {name: np.array(value) for name, value in architecture.named(weights).items()}
    ids = vocabulary.encode(text)
    found = model.fit(text)
    mean = {name: np.zeros_like(value) for name, value in start.items()}
    losses = []
    for j in range(4):
        x, y = (ids[j * 10 + shift :][:T] for shift in (0, 1))
        loss, grads, _ = loss_and_gradients(architecture, weights, x, y)
        losses.append(loss)
        for name in mean:
            mean[name] += grads[name] / 4
    assert_allclose(found.history_.loss, [np.mean(losses)], rtol=1e-12)
    for name, value in last(found).items():
        assert_allclose(value, start[name] - mean[name], rtol=1e-9, atol=1e-12, err_msg=name)


def test_a_trainer_goes_on_where_another_stopped(text):
    # after whole passes, which begin at places drawn at random
    ids = Corpus.learn(text).ids
    architecture = Architecture("gru", int(ids.max()) + 1, 8, 10)
    adam = Descent(Adam(), 0.01, None, None)
    start = State.begin(architecture, architecture.initial(np.random.default_rng(0)), adam, batch_size=3)
    start.draw_seed(architecture, np.random.default_rng(0))
    whole, parted = start.copy(), start.copy()
    n = Trainer(architecture, whole, adam, ids).updates_per_epoch
    losses = np.empty((2, 4 * n))
    Trainer(architecture, whole, adam, ids).advance(losses[0], np.empty(4 * n))
    for loss in np.split(losses[1], 4):
        Trainer(architecture, parted, adam, ids).advance(loss, np.empty(n))
    assert_array_equal(*losses)
    assert_array_equal(whole.weights, parted.weights)
    assert whole.shift == parted.shift > 0


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
@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize(
    ("batch_size", "kind"),
    [
        (1, {"num_layers": 2, "embedding_size": 40, "documents": True}),
        (2, {"num_layers": 2, "zoneout": 0.2, "cell_zoneout": 0.1, "documents": True}),
        (3, {"dropout": 0.3, "embedding_size": 9}),
    ],
)
def test_threads_that_share_the_units_of_a_step_give_the_same_bits(cell, dtype, batch_size, kind):
    """A few streams of many units. The last panel of the RNN is not whole; gated cells need whole panels."""
    if cell != "lstm":
        kind = kind | {"cell_zoneout": 0.0}
    H = 528 if cell == "rnn" else 256
    architecture = Architecture(cell, 9, H, 6, dtype, **kind)
    ids = np.random.default_rng(0).integers(0, 9, 400).astype(np.int32)
    descent, states = Descent(Adam(), 0.01, None, None), []
    for n_threads in (1, 2, 3, 4):
        state = State.begin(architecture, architecture.initial(np.random.default_rng(1)), descent, batch_size)
        trainer = Trainer(architecture, state, descent, ids, n_threads)
        assert trainer.n_threads == min(n_threads, 3 if cell == "gru" and batch_size == 1 else 4)
        trainer.advance(np.empty(4), np.empty(4))
        trainer.close()
        states.append(state)
    assert states[0].n_updates == 4
    for state in states[1:]:
        assert_array_equal(states[0].weights, state.weights)
        assert_array_equal(states[0].carried, state.carried)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_units_are_shared_in_whole_lanes(dtype, simd):
    """A panel may be narrower than the lanes that a cell computes at a time."""
    architecture = Architecture("rnn", 9, 528, 6, dtype)
    ids = np.random.default_rng(0).integers(0, 9, 100).astype(np.int32)
    descent, states = Descent(SGD(), 0.1, None, None), []
    for n_threads in (1, 2):
        state = State.begin(architecture, architecture.initial(np.random.default_rng(1)), descent)
        trainer = Trainer(architecture, state, descent, ids, n_threads)
        trainer.advance(np.empty(4), np.empty(4))
        trainer.close()
        states.append(state)
    assert_array_equal(states[0].weights, states[1].weights)


@pytest.mark.parametrize("cell", CELLS)
def test_a_stream_that_starts_afresh_does_not_see_what_is_carried(cell):
    ids = np.random.default_rng(0).integers(0, 9, 4 * 500 + 1).astype(np.int32)
    architecture = Architecture(cell, 9, 5, 5, "float64", num_layers=2)
    descent = Descent(SGD(), 0.01, None, None)
    found = []
    for stream in (None, 3, 2):  # before window 16, stream 3 of 4 starts from a zero state
        state = State.begin(architecture, architecture.initial(np.random.default_rng(1), 0.5), descent, 4)
        trainer = Trainer(architecture, state, descent, ids)
        trainer.advance(np.empty(16), np.empty(16))
        if stream is not None:
            state.carried[:, :, stream] = 0.7
        trainer.advance(np.empty(1), np.empty(1))
        found.append(state.weights)
    assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_label_smoothing_leaves_a_share_of_doubt():
    text, known = "abcdefghij" * 20, {}
    for share in (0.0, 0.2):
        model = small(label_smoothing=share, optimizer="adam", learning_rate=0.01, max_updates=3000).fit(text)
        known[share] = model.evaluate(text).nats
        entropy = -(1 - share * 0.9) * np.log(1 - share * 0.9) - 0.9 * share * np.log(0.1 * share or 1)
        assert_allclose(model.history_.loss[-100:].mean() / model.seq_length, entropy, atol=0.02)
    assert known[0.0] < 0.02
    assert_allclose(known[0.2], -np.log(1 - 0.2 * 0.9), atol=0.02)  # what is memorised is expected with 0.82


@pytest.mark.parametrize("cell", CELLS)
def test_an_update_with_label_smoothing_is_its_twins(text, cell):
    T, text = 10, text[:31]
    options = {"seq_length": T, "optimizer": "sgd", "learning_rate": 1.0, "clip_value": None, "dtype": "float64"}
    model = small(**options, cell=cell, label_smoothing=0.3, max_updates=1, batch_size=3, init_scale=0.3)
    vocabulary, architecture, weights = exact(model, text, T)
    start = {name: np.array(value) for name, value in architecture.named(weights).items()}
    x, y = (vocabulary.encode(text)[shift:][:30].reshape(3, T).T for shift in (0, 1))
    zeros = np.zeros(architecture.carried(3))
    loss, grads, _ = reference.loss_and_gradients(start, x, y, zeros, cell=cell, smoothing=0.3)
    assert_allclose(model.fit(text).history_.loss, [loss / 3], rtol=1e-12)
    for name, value in last(model).items():
        assert_allclose(value, start[name] - grads[name] / 3, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.5, "batch_size": 3}, {"optimizer": "adam"}])
def test_the_average_follows_the_weights(text, cell, options):
    decay = 0.6
    options = {"dtype": "float64", "cell": cell, "max_updates": 30} | options
    plain = small(**options).fit(text)
    # the weights after 1, 2, ... updates, of trainings that end there
    seen = [last(small(**(options | {"max_updates": n + 1})).fit(text)) for n in range(30)]
    model = small(**options, ema_decay=decay).fit(text)
    _, architecture, weights = exact(small(**options), text, model.seq_length)
    average = {name: np.array(value) for name, value in architecture.named(weights).items()}
    for n, after in enumerate(seen):
        by = min(decay, (1 + n) / (10 + n))
        average = {name: by * value + (1 - by) * after[name] for name, value in average.items()}
    found = learned(model)
    for name, value in found.architecture.named(found.state.average).items():
        assert_allclose(value, average[name], rtol=1e-9, atol=1e-12, err_msg=name)
    for name, value in last(model).items():  # the training itself does not see it
        assert_array_equal(value, last(plain)[name])
    assert_array_equal(found.state.judged, found.state.average)


def test_the_average_is_what_is_judged_kept_and_sampled(text, tmp_path):
    class AtTheEnd:
        every = 60

        def __call__(self, run):
            if run.n_updates:
                self.written = run.sample(50)
                run.save(tmp_path / "m")

    at_the_end = AtTheEnd()
    model = small(ema_decay=0.9, max_updates=60).fit(text, callbacks=[at_the_end])
    found = learned(model)
    saved = CharRNN.load(tmp_path / "m")
    for name, value in found.architecture.named(found.state.average).items():
        assert_array_equal(value, saved.params_[name])
    assert (found.state.average != found.state.weights).any()
    rng = np.random.default_rng(60)
    assert at_the_end.written == saved.set_params(random_state=rng).sample(50)
    assert model.best_.training_loss == pytest.approx(nats(model, found.state.average, text), rel=1e-5)


def test_training_on_goes_on_with_the_average(text, tmp_path):
    options = {"optimizer": "adam", "max_updates": 20, "ema_decay": 0.9}
    model = small(**options).fit(text)
    before = learned(model).state.copy()
    model.partial_fit(text)
    assert learned(model).state.n_updates == 40
    model.set_params(ema_decay=0.0).partial_fit(text)
    assert not learned(model).state.average.size
    # from a file the average begins as what the file has
    small(**options).fit(text).save(tmp_path / "m")
    loaded = CharRNN.load(tmp_path / "m")
    assert loaded.ema_decay == 0.9
    assert_array_equal(learned(loaded).state.average, learned(loaded).state.best)
    loaded.partial_fit(text)
    assert (learned(loaded).state.average != learned(loaded).state.weights).any()
    assert before.average.size


def test_measuring_leaves_the_average_as_it_is(text):
    found = learned(small(optimizer="adam", max_updates=20, ema_decay=0.9).fit(text))
    before = found.state.copy()
    assert (before.average != before.weights).any()
    descent = Descent(Adam(), None, None, None, ema_decay=0.9)
    Trainer(found.architecture, found.state, descent, CharRNN().fit(text).vocabulary_.encode(text)).measure(
        np.arange(1), foreign=True
    )
    assert (found.state.v != before.v).any()
    assert_array_equal(found.state.average, before.average)


def test_an_average_of_another_length_is_refused():
    architecture = Architecture("rnn", 3, 4, 5)
    descent = Descent(SGD(), 0.1, None, None, ema_decay=0.5)
    weights = architecture.initial(np.random.default_rng(0))
    for average in (weights[:0], weights[:16]):
        state = State.begin(architecture, weights, descent)
        state.average = average
        trainer = Trainer(architecture, state, descent, np.arange(3, dtype=np.int32).repeat(9))
        with pytest.raises(ValueError, match="an average must have"):
            trainer.advance(np.empty(1), np.empty(1))


def test_new_characters_have_weights_in_the_average_too(text):
    model = small(optimizer="adam", max_updates=20, ema_decay=0.9).fit(text)
    with pytest.warns(UserWarning, match="vocabulary has grown by 1"):
        model.partial_fit(text + "%" * 20)
    found = learned(model)
    assert found.state.average.size == found.architecture.layout.size
    assert np.isfinite(model.evaluate("%%%").nats)


@pytest.mark.parametrize("cell", CELLS)
def test_zoneout_makes_states_that_stay(text, cell):
    options = {"cell": cell, "zoneout": 0.2, "cell_zoneout": 0.3, "num_layers": 2, "batch_size": 3}
    one, other = (small(**options, random_state=seed).fit(text) for seed in (0, 1))
    assert one.params_["W"].tobytes() == small(**options, random_state=0, n_threads=3).fit(text).params_["W"].tobytes()
    assert one.params_["W"].tobytes() != other.params_["W"].tobytes()
    assert one.check_gradients(text, seq_lengths=[5], batches=1).norm_error < 1e-7


def test_a_file_lacks_later_parameters_that_have_their_defaults(text, tmp_path):
    model = small().fit(text)
    model.save(tmp_path / "plain")
    plain = (tmp_path / "plain").read_bytes()
    for name in (b"zoneout", b"ema_decay", b"output_dropout"):
        assert name not in plain
    small(ema_decay=0.5, zoneout=0.1).fit(text).save(tmp_path / "more")
    again = CharRNN.load(tmp_path / "more")
    assert (again.ema_decay, again.zoneout, again.cell_zoneout, again.output_dropout) == (0.5, 0.1, 0.0, None)


def test_dropout_depends_on_the_seed(text):
    weights = [small(dropout=0.5, random_state=seed, init_scale=0.1).fit(text).params_["W"] for seed in (0, 0, 1)]
    assert_array_equal(weights[0], weights[1])
    assert (weights[0] != weights[2]).any()
