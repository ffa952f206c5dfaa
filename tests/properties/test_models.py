"""Properties of trained models: their files, their copies, their training."""

import copy
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from drawn import CORPUS, cells, loaded, models, saved, seeds, texts, trained
from hypothesis import given
from hypothesis import strategies as st

from pycharrnn import CharRNN, Checkpoint, ModelFileError

rules = st.sampled_from(["sgd", "momentum", "rmsprop", "adagrad", "adam"])
kinds = st.fixed_dictionaries({
    "cell": cells, "hidden_size": st.integers(1, 6), "num_layers": st.integers(1, 2), "optimizer": rules,
    "batch_size": st.integers(1, 3), "seq_length": st.integers(1, 8), "random_state": seeds,
    "schedule": st.sampled_from([None, "cosine", "step"]), "learning_rate": st.just(1e-3),
})  # fmt: skip


def fitted(kind, n=6, **more):
    return CharRNN(**kind | {"n_threads": 1} | more, epochs=None, max_updates=n, verbose=False).fit(CORPUS)


@given(kinds)
def test_a_file_that_is_loaded_is_saved_as_the_same_bytes(kind):
    content = saved(fitted(kind))
    assert saved(loaded(content)) == content


@given(kinds)
def test_training_twice_gives_the_same_bytes(kind):
    assert saved(fitted(kind)) == saved(fitted(kind))


@given(kinds)
def test_fitting_again_forgets_what_was_learned(kind):
    model = fitted(kind)
    once = saved(model)
    assert saved(model.fit(CORPUS)) == once


@given(kinds, st.integers(2, 4))
def test_threads_change_no_bit(kind, n_threads):
    model = fitted(kind, n_threads=n_threads)
    assert saved(model.set_params(n_threads=1)) == saved(fitted(kind))


@given(kinds)
def test_a_pickled_model_is_the_same(kind):
    model = fitted(kind)
    assert saved(pickle.loads(pickle.dumps(model))) == saved(model)


@given(kinds)
def test_a_copied_model_is_the_same(kind):
    model = fitted(kind)
    assert saved(copy.deepcopy(model)) == saved(model)


@given(kinds)
def test_parameters_that_are_set_are_those_that_come_back(kind):
    given_parameters = CharRNN(**kind).get_params()
    assert CharRNN().set_params(**given_parameters).get_params() == given_parameters


@given(kinds)
def test_a_loaded_model_has_the_parameters_and_vocabulary(kind):
    model = fitted(kind)
    again = loaded(saved(model))
    machine = {"n_threads": None, "verbose": None}  # a file has not what depends on the machine
    assert again.get_params() == model.get_params() | machine
    assert np.array_equal(again.vocabulary_.code_points, model.vocabulary_.code_points)


@given(models, seeds, texts)
def test_a_loaded_model_reads_and_writes_the_same(model, seed, text):
    again = loaded(saved(model))
    assert again.sample(30, random_state=seed) == model.sample(30, random_state=seed)
    assert again.log_proba(text) == model.log_proba(text)


@given(st.data())
def test_a_file_that_was_cut_short_never_loads(data):
    content = saved(trained("gru"))
    with pytest.raises(ModelFileError):
        loaded(content[: data.draw(st.integers(0, len(content) - 1))])


@given(st.data(), st.integers(1, 255))
def test_a_file_with_a_changed_byte_never_loads(data, change):
    content = bytearray(saved(trained("lstm")))
    content[data.draw(st.integers(0, len(content) - 1))] ^= change
    with pytest.raises(ModelFileError):
        loaded(bytes(content))


@given(kinds)
def test_the_weights_stay_finite(kind):
    assert all(np.isfinite(array).all() for array in fitted(kind).params_.values())


@given(kinds, st.integers(1, 12))
def test_a_training_makes_as_many_updates_as_it_may(kind, n):
    assert fitted(kind, n).n_updates_ == n


@given(kinds, st.integers(1, 12))
def test_a_callback_sees_each_update_in_order(kind, n):
    seen = []
    model = CharRNN(**kind, epochs=None, max_updates=n, verbose=False, n_threads=1)
    model.fit(CORPUS, callbacks=[lambda run: seen.append(run.n_updates)])
    assert seen == sorted(set(seen))
    assert seen[-1] == n


@given(kinds)
def test_the_columns_of_a_history_have_one_length(kind):
    history = fitted(kind).history_
    assert len(history.updates) == len(history.loss) == len(history.smooth_loss)


@given(models, seeds, texts)
def test_reading_and_writing_change_no_model(model, seed, text):
    before = saved(model)
    model.sample(20, random_state=seed)
    model.log_proba(text)
    model.evaluate(text + "ab")
    assert saved(model) == before


@given(kinds, st.integers(1, 9))
def test_a_training_goes_on_from_any_update(kind, stop):
    with tempfile.TemporaryDirectory() as folder:
        keep = Checkpoint(folder, every=1, keep=20)
        model = CharRNN(**kind, epochs=None, max_updates=10, verbose=False, n_threads=1).fit(CORPUS, callbacks=[keep])
        path = next(path for path in sorted(Path(folder).glob("checkpoint-*")) if f"{stop}." in path.name)
        again = CharRNN.resume(path, CORPUS)
    assert saved(again) == saved(model)
