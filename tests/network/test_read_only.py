"""Models whose arrays are read-only: mapped from a file by joblib, or lent by another process through pickle."""

import copy
import pickle

import numpy as np
import pytest

from pycharrnn import CharRNN
from pycharrnn.network.cells import CELLS

TEXT = "the rain in Spain stays mainly in the plain. " * 8
SMALL = {"hidden_size": 9, "seq_length": 7, "epochs": 1, "random_state": 0}
MODELS = [
    {"cell": cell, "dtype": dtype, **more}
    for cell in CELLS
    for dtype, more in (
        ("float32", {}),
        ("float32", {"num_layers": 2, "embedding_size": 5, "batch_size": 3, "optimizer": "adam"}),
        ("float64", {"num_layers": 2, "dropout": 0.2, "label_smoothing": 0.1}),
    )
]


def lent(model, shift=0):
    """The model again, all of its arrays read-only and `shift` bytes behind the start of a cache line."""
    lenders = []
    pickled = pickle.dumps(model, 5, buffer_callback=lenders.append)
    buffers = []
    for lender in lenders:
        data = np.frombuffer(lender.raw(), np.uint8)
        room = np.zeros(data.size + 128, np.uint8)
        start = -room.ctypes.data % 64 + shift
        room[start : start + data.size] = data
        room.flags.writeable = False
        buffers.append(room[start : start + data.size])
    assert len(buffers) > 5
    return pickle.loads(pickled, buffers=buffers)


USES = {
    "sample": lambda model: model.sample(40, prompt="the ", random_state=1),
    "stream": lambda model: list(model.stream(20, random_state=1)),
    "score": lambda model: model.score(TEXT),
    "evaluate": lambda model: model.evaluate(TEXT),
    "evaluate a window": lambda model: model.evaluate(TEXT, window=11),
    "params_": lambda model: {name: array.tobytes() for name, array in model.params_.items()},
    "attributes": lambda model: (model.best_, model.n_updates_, model.smooth_loss_, repr(model), repr(model.history_)),
    "check_gradients": lambda model: model.check_gradients(TEXT, [3], batches=2),
    "loss_and_gradients": lambda model: model.loss_and_gradients(TEXT[:20])[0],
    "partial_fit": lambda model: model.partial_fit(TEXT).sample(40, random_state=1),
    "partial_fit that grows": lambda model: model.set_params(on_unknown="skip").partial_fit(TEXT + "!").score(TEXT),
    "fit": lambda model: model.fit(TEXT).score(TEXT),
    "copy": lambda model: copy.deepcopy(model).partial_fit(TEXT).score(TEXT),
    "pickle": lambda model: pickle.loads(pickle.dumps(model)).partial_fit(TEXT).score(TEXT),
}


@pytest.mark.parametrize("parameters", MODELS, ids=lambda parameters: "-".join(map(str, parameters.values())))
@pytest.mark.parametrize("shift", [0, 4, 1])
def test_every_method_works_on_read_only_arrays_and_gives_the_same(parameters, shift, tmp_path):
    model = CharRNN(**SMALL, **parameters).fit(TEXT)
    for name, use in USES.items():
        reader = lent(model, shift)
        assert use(reader) == use(copy.deepcopy(model)), name
    lent(model, shift).save(tmp_path / "lent")
    model.save(tmp_path / "own")
    assert (tmp_path / "lent").read_bytes() == (tmp_path / "own").read_bytes()


def test_documents_on_read_only_arrays():
    names = ["anna", "bob", "carl", "dora"] * 5
    model = CharRNN(**SMALL, validation_fraction=0.2).fit(names)
    reader = lent(model)
    assert reader.sample(n_samples=3, random_state=1) == model.sample(n_samples=3, random_state=1)
    assert reader.score(names) == model.score(names)


@pytest.mark.parametrize("mode", ["r", "c"])
def test_a_model_that_joblib_maps_from_a_file(mode, tmp_path):
    joblib = pytest.importorskip("joblib")
    model = CharRNN("lstm", 64, epochs=1, random_state=0).fit(TEXT)
    joblib.dump(model, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode=mode)
    for name, use in USES.items():
        if name not in ("check_gradients", "fit"):  # slow at this size
            mapped = joblib.load(tmp_path / "model.joblib", mmap_mode=mode)
            assert use(mapped) == use(copy.deepcopy(model)), name


def test_joblib_lends_a_large_model_to_its_workers():
    joblib = pytest.importorskip("joblib")
    model = CharRNN("gru", 300, epochs=1, max_updates=2, random_state=0).fit(TEXT)
    assert max(array.nbytes for array in model.params_.values()) > 1 << 20  # what it maps instead of copying
    calls = (joblib.delayed(method)(argument) for method, argument in (
        (model.sample, 10), (model.evaluate, TEXT), (model.score, TEXT), (model.loss_and_gradients, TEXT[:9]),
    ))  # fmt: skip
    text, evaluation, score, (loss, _) = joblib.Parallel(2)(calls)
    assert (len(text), evaluation, score) == (10, model.evaluate(TEXT), model.score(TEXT))
    assert loss == model.loss_and_gradients(TEXT[:9])[0]
