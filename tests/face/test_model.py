"""The face: arguments, texts, evaluation, files, and what scikit-learn expects of an estimator."""

import inspect
import math
import os
import pathlib
import re
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference import loss_and_gradients, rnn_forward, softmax

from pycharrnn import CharRNN, Checkpoint, ModelFileError, UnknownCharacterError, read_documents
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.cells import CELLS
from pycharrnn.presets import PRESETS
from pycharrnn.resuming import opened
from pycharrnn.trained import exact, learned
from pycharrnn.training.optimizers import OPTIMIZERS, AdaGrad, Adam, Momentum
from pycharrnn.training.schedules import SCHEDULES

# --- texts ------------------------------------------------------------------------------------------------------


def test_a_path_is_read_and_a_string_is_the_text(tmp_path, text):
    path = tmp_path / "text.txt"
    path.write_bytes(text.encode())
    settings = {"hidden_size": 8, "max_updates": 30, "random_state": 0}
    model, same = (CharRNN(**settings).fit(X) for X in (path, text))
    assert_array_equal(learned(model).state.weights, learned(same).state.weights)
    assert model.score(path) == model.score(text)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", ValueError, "the text has 0 characters: at least 2 are needed"),
        ("a", ValueError, "the text has 1 character: at least 2 are needed"),
        (b"abc", TypeError, "bytes"),
        (None, TypeError, "None"),
        (5, TypeError, "int"),
        (["abc", 7], TypeError, r"X\[1\] must be a str \(a document\), not int"),
        (["abc", ""], ValueError, r"X\[1\] is empty"),
        ([], ValueError, "X has no document"),
        ({"abc": 1}, TypeError, "dict"),
        ({"abc"}, TypeError, "set"),
        (pathlib.Path("no such file.txt"), FileNotFoundError, "no such file"),
        (pathlib.Path("."), IsADirectoryError, "directory"),
    ],
)
def test_texts_that_cannot_be(model, text, error, message):
    for attempt in (CharRNN().fit, CharRNN().partial_fit, model.score, model.evaluate):
        with pytest.raises(error, match=message):
            attempt(text)


def test_a_text_of_which_nothing_is_known(text):
    model = CharRNN(hidden_size=8, max_updates=2, on_unknown="skip").fit(text)
    for attempt in (model.partial_fit, model.score, lambda text: model.fit("abc", validation=text)):
        with pytest.raises(ValueError, match="the text has 3 characters, of which the model knows 0: at least 2 are"):
            attempt("\u4e00\u4e8c\u4e09")


def test_invalid_utf8(tmp_path):
    path = tmp_path / "latin1.txt"
    path.write_bytes("ein schöner Tag".encode("latin-1"))
    with pytest.raises(ValueError, match=r"byte 0xF6 at offset 7 of .*latin1\.txt"):
        CharRNN().fit(path)


def test_a_failed_fit_leaves_the_model_as_it_was(text):
    model = CharRNN(hidden_size=8, max_updates=20, random_state=0).fit(text)
    before = model.sample(50, random_state=1)
    with pytest.raises(ValueError, match="at least 2"):
        model.fit("")
    with pytest.raises(UnknownCharacterError):
        model.score("#####")
    assert model.sample(50, random_state=1) == before
    assert model.n_updates_ == 20


# --- parameters -------------------------------------------------------------------------------------------------

BAD = {
    "cell": ["lstn", None, 3],
    "hidden_size": [0, -1, 1.5, "100", None, True, 2**40, float("nan")],
    "seq_length": [0, -25, 2.0, None],
    "optimizer": ["adagard", None, 3, AdaGrad],
    "learning_rate": [0, -0.1, float("nan"), float("inf"), "0.1", True, 10**400],
    "clip_value": [0, -5, float("nan"), "5", True],
    "clip_norm": [0, -1, float("inf"), [5]],
    "init_scale": [-1, float("nan"), "0.1"],
    "epochs": [0, -1, 1.5, "4", True],
    "max_updates": [0, 2.5, 2**70],
    "max_seconds": [0, -1, float("nan"), "60"],
    "dtype": ["float16", np.float32, None],
    "on_unknown": ["ignore", None, True],
    "random_state": [-1, 1.5, "0", 2**200],
    "verbose": [1, "yes"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_bad_parameters_are_named(name, value):
    model = CharRNN(**{name: value})  # the constructor only stores
    with pytest.raises((TypeError, ValueError), match=rf"^{name} must be .*got"):
        model.fit("abcabc")
    assert not model.__sklearn_is_fitted__()


def test_training_without_an_end():
    with pytest.raises(ValueError, match="at least one of epochs, max_updates and max_seconds"):
        CharRNN(epochs=None).fit("abcabc")


@pytest.mark.parametrize("text", ["ab cd " * 40, ["ab", "cd"] * 60])
def test_partial_fit_ends_without_epochs(tmp_path, text):
    """It makes one pass, whatever `epochs` says of `fit`; and such a model can be saved, loaded and trained on."""
    path, settings = tmp_path / "model", {"hidden_size": 4, "random_state": 0}
    model = CharRNN(epochs=None, **settings).partial_fit(text)
    assert model.epochs is None
    assert model.n_updates_ == CharRNN(epochs=1, **settings).fit(text).n_updates_ > 1
    once = model.n_updates_
    assert model.partial_fit(text).n_updates_ == 2 * once
    assert model.partial_fit(text, epochs=3).n_updates_ == 5 * once
    model.save(path)
    assert CharRNN.load(path).partial_fit(text).sample(5) is not None
    assert model.set_params(max_updates=2).partial_fit(text, epochs=None).n_updates_ == 5 * once + 2
    for attempt in (model.set_params(max_updates=None).fit, partial(model.partial_fit, epochs=None)):
        with pytest.raises(ValueError, match="never end: give at least one of epochs, max_updates and max_seconds"):
            attempt(text)
    assert model.n_updates_ == 5 * once + 2


def test_defaults():
    params = CharRNN().get_params()
    expected = {"cell": "rnn", "hidden_size": 100, "num_layers": 1, "dropout": 0.0, "seq_length": 25, "batch_size": 1}
    expected |= {"embedding_size": None, "label_smoothing": 0.0, "initializer": None}
    expected |= {"output_dropout": None, "zoneout": 0.0, "cell_zoneout": 0.0, "ema_decay": 0.0, "auto": False}
    expected |= {"optimizer": "adagrad", "learning_rate": None, "schedule": None, "clip_value": 5.0, "clip_norm": None}
    expected |= {"weight_decay": 0.0, "init_scale": None, "epochs": 4, "max_updates": None, "max_seconds": None}
    expected |= {"validation_fraction": 0.0, "ngram_order": None, "patience": None, "dtype": "float32", "min_count": 1}
    expected |= {"on_unknown": "raise", "n_threads": None, "random_state": None, "verbose": None}
    assert params == expected


def test_get_and_set_params():
    model = CharRNN(hidden_size=7)
    assert model.set_params(seq_length=9, epochs=2) is model
    assert (model.get_params()["hidden_size"], model.seq_length, model.epochs) == (7, 9, 2)
    with pytest.raises(
        ValueError, match=r"no parameter 'hiden_size' \(did you mean 'hidden_size'\?\); it has cell, hidden"
    ):
        model.set_params(seq_length=1, hiden_size=3)
    assert model.seq_length == 9
    assert repr(model) == "CharRNN(hidden_size=7, seq_length=9, epochs=2)"


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("hiddensize", "hidden_size"),
        ("Hidden_Size", "hidden_size"),
        ("learning-rate", "learning_rate"),
        ("epoch", "epochs"),
    ],
)
def test_a_misspelt_parameter_is_guessed(wrong, meant):
    for error, attempt in ((ValueError, CharRNN().set_params), (TypeError, partial(CharRNN.preset, "minute"))):
        with pytest.raises(
            error, match=rf"^CharRNN has no parameter '{wrong}' \(did you mean '{meant}'\?\); it has cell, "
        ):
            attempt(**{wrong: 1})


@pytest.mark.parametrize(
    ("params", "meant"),
    [
        ({"cell": "LSTM"}, "lstm"),
        ({"cell": "Gru"}, "gru"),
        ({"optimizer": "adma"}, "adam"),
        ({"optimizer": "RMSprop"}, "rmsprop"),
        ({"schedule": "cosin"}, "cosine"),
        ({"initializer": "orthogonale"}, "orthogonal"),
        ({"dtype": "float_32"}, "float32"),
        ({"on_unknown": "Replace"}, "replace"),
    ],
)
def test_a_misspelt_choice_is_guessed(params, meant):
    with pytest.raises(ValueError, match=rf"got '\w+' \(did you mean '{meant}'\?\)$"):
        CharRNN(**params).fit("abab")
    with pytest.raises(ValueError, match=r"^name must be one of .*got 'Minute' \(did you mean 'minute'\?\)$"):
        CharRNN.preset("Minute")
    with pytest.raises(ValueError, match=r"got 'transformer'$"):
        CharRNN(cell="transformer").fit("abab")


def test_the_types_of_names_are_the_names():
    """What a type checker accepts is what the model accepts, in the signature and in the docstring."""
    hints = {name: str(p.annotation) for name, p in inspect.signature(CharRNN).parameters.items()}
    hints["name"] = str(inspect.signature(CharRNN.preset).parameters["name"].annotation)
    hints["format"], hints["on_bad"] = (
        str(inspect.signature(read_documents).parameters[name].annotation) for name in ("format", "on_bad")
    )
    for name, known, doc in [
        ("cell", CELLS, CharRNN),
        ("optimizer", OPTIMIZERS, CharRNN),
        ("schedule", SCHEDULES, CharRNN),
        ("initializer", None, CharRNN),
        ("dtype", None, CharRNN),
        ("on_unknown", None, CharRNN),
        ("name", PRESETS, CharRNN.preset),
        ("format", None, read_documents),
        ("on_bad", None, read_documents),
    ]:
        literal = re.findall(r"\w+", re.search(r"Literal\[(.*?)\]", hints[name])[1])
        shown = re.search(rf"^ *{name} : {{(.*?)}}", doc.__doc__, re.MULTILINE)[1]
        assert sorted(re.findall(r"\w+", shown)) == sorted(literal)
        if known is not None:
            assert set(literal) == set(known)
            continue
        attempt = partial(read_documents, "x") if doc is read_documents else lambda **o: CharRNN(**o).fit("ab")
        with pytest.raises(ValueError, match=f"{name} must be") as caught:
            attempt(**{name: "?"})
        assert sorted(re.findall(r"'(\w+)'", str(caught.value))) == sorted(literal)


RIGHT_AND_WRONG = """
from pycharrnn import CharRNN, SampleText, read_documents
import sys
CharRNN(cell="lstm", optimizer="adam", schedule="cosine", initializer="normal", dtype="float64", on_unknown="skip")
CharRNN.preset("minute")
read_documents("a", "jsonl", on_bad="skip")
SampleText(file=sys.stderr), SampleText(file=None), SampleText(file="stdout")
CharRNN(cell="LSTM")
CharRNN(optimizer="adma")
CharRNN(schedule="cosin")
CharRNN(initializer="uniforme")
CharRNN(dtype="float16")
CharRNN(on_unknown="ignore")
CharRNN.preset("minutes")
read_documents("a", "json5")
read_documents("a", on_bad="drop")
SampleText(file="texts.txt")
SampleText(file=open("x", "wb"))
CharRNN().stream(prompt=["a", "b"])
CharRNN().sample(prompt=3)
CharRNN().sample(top_p="0.9")
SampleText(ban=3)
"""


def test_a_type_checker_knows_the_names(tmp_path):
    api = pytest.importorskip("mypy.api")
    (tmp_path / "code.py").write_text(RIGHT_AND_WRONG)
    options = ["--no-incremental", "--cache-dir", os.devnull, "--follow-imports=silent", "--no-error-summary"]
    shown, _, _ = api.run([*options, "--config-file", "", str(tmp_path / "code.py")])
    lines = {int(number) for number in re.findall(r"^.*code\.py:(\d+): error: (?:Argument|No overload)", shown, re.M)}
    assert lines == {n for n, line in enumerate(RIGHT_AND_WRONG.split("\n"), 1) if n > 7 and line}, shown


def test_changing_a_parameter_does_not_change_a_trained_model(text):
    model = CharRNN(hidden_size=8, max_updates=20, random_state=0).fit(text)
    before = model.sample(50, random_state=1)
    model.set_params(hidden_size=50, seq_length=3, dtype="float64")
    assert model.sample(50, random_state=1) == before


def test_shapes_and_precision(text):
    for dtype, stored in (("float32", "float32"), ("float64", "float64"), ("bfloat16", "float32")):
        model = CharRNN(hidden_size=8, max_updates=5, dtype=dtype).fit(text)
        K = len(set(text))
        shapes = {name: value.shape for name, value in model.params_.items()}
        assert shapes == {"U": (8, K), "W": (8, 8), "b": (8,), "V": (K, 8), "c": (K,)}
        assert all(value.dtype == stored for value in model.params_.values())
        model.params_["W"][:] = np.nan  # a copy
        assert np.isfinite(model.params_["W"]).all()


def test_initial_weights_are_those_a_student_would_draw():
    rng = np.random.default_rng(5)
    model = CharRNN(hidden_size=4, random_state=5, dtype="float64", learning_rate=1e-12, max_updates=1).fit("abc")
    for name in ("U", "W", "V"):
        assert_allclose(model.params_[name], rng.normal(0, 0.01, model.params_[name].shape), atol=1e-11)


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, Momentum(0.5), Adam(beta2=0.99)])
@pytest.mark.parametrize("clip_norm", [None, 5.0])
def test_every_optimizer_learns(text, optimizer, clip_norm):
    name = optimizer if isinstance(optimizer, str) else optimizer.name
    rate = {"sgd": 0.02, "momentum": 0.005, "rmsprop": 0.005, "adagrad": 0.1, "adam": 0.01}.get(name)
    model = CharRNN(
        hidden_size=32, optimizer=optimizer, learning_rate=rate, clip_norm=clip_norm, epochs=40, random_state=0
    ).fit(text)
    assert model.history_.loss[-30:].mean() < 0.6 * model.history_.loss[0]


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        (["to", "be"], "list; for several, make a call for each"),
        (("to",), "tuple; for several, make a call for each"),
        (["to", 5], "list; for several, make a call for each"),
        (b"to", "bytes"),
        (None, "NoneType"),
        (pathlib.Path("to"), "PosixPath"),
        (5, "int"),
        (np.array(["to"]), "ndarray"),
    ],
)
def test_a_prompt_is_one_text(model, prompt, shown):
    def in_training(prompt):
        CharRNN(hidden_size=4, max_updates=1).fit("to be", callbacks=[lambda run: run.sample(5, prompt=prompt)])

    for attempt in (model.stream, model.session, in_training):
        with pytest.raises(TypeError, match=rf"^prompt must be one str, not {shown}$"):
            attempt(prompt=prompt)
    if not isinstance(prompt, (list, tuple)) or 5 in prompt:
        for attempt in (model.sample, partial(model.sample, n_samples=2)):
            with pytest.raises(
                TypeError, match=rf"^prompt must be one str or a list of str, not {shown.split(';')[0]}$"
            ):
                attempt(prompt=prompt)
    assert model.sample(20, prompt=np.str_("to be"), random_state=1) == model.sample(20, prompt="to be", random_state=1)


# --- evaluation -------------------------------------------------------------------------------------------------


def test_evaluate(model, text):
    p = {name: value.astype(np.float64) for name, value in model.params_.items()}
    ids = model.vocabulary_.encode(text)
    h = rnn_forward(p, ids[:-1, None], np.zeros((1, 24)))[1:, 0]
    nats = -np.log(softmax(h @ p["V"].T + p["c"])[np.arange(len(ids) - 1), ids[1:]]).mean()
    found = model.evaluate(text)
    assert_allclose(found, (nats, nats / math.log(2), math.exp(nats), len(text) - 1), rtol=1e-4)
    assert model.score(text) == -found.nats


def test_evaluation_in_slices_is_evaluation_at_once(model, text, monkeypatch):
    expected = model.evaluate(text * 5)
    monkeypatch.setattr(Architecture, "chunk_size", 13)
    assert model.evaluate(text * 5) == expected


def test_loss_and_gradients(text):
    model = CharRNN(hidden_size=9, init_scale=0.5, random_state=4)
    loss, grads = model.loss_and_gradients(text[:12])
    vocabulary, network, params = exact(model, text[:12], 11)
    ids = vocabulary.encode(text[:12])[:, None]
    expected, expected_grads, _ = loss_and_gradients(network.named(params), ids[:-1], ids[1:], np.zeros((1, 9)))
    assert_allclose(loss, expected, rtol=1e-12)
    for name, grad in grads.items():
        assert_allclose(grad, expected_grads[name], rtol=1e-9, atol=1e-13)
    same, _ = model.loss_and_gradients(text[:11], text[1:12])
    assert_allclose(same, loss)
    with pytest.raises(ValueError, match="targets must have a character for each of the text's 3"):
        model.loss_and_gradients("abc", "ab")


# --- files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adagrad", Adam(beta1=0.8)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_save_and_load(tmp_path, text, optimizer, dtype):
    path, again = tmp_path / "model.safetensors", tmp_path / "again.safetensors"
    settings = {"hidden_size": 9, "optimizer": optimizer, "dtype": dtype, "random_state": 3, "max_updates": 40}
    model = CharRNN(**settings).fit(text + "\ud800🙂")
    model.save(path)
    other = CharRNN.load(path)
    assert other.get_params() == model.get_params()
    assert other.vocabulary_ == model.vocabulary_
    assert other.best_ == model.best_
    assert other.sample(500, random_state=1) == model.sample(500, random_state=1)
    for name, value in model.params_.items():
        assert_array_equal(other.params_[name], value)
    other.save(again)
    assert again.read_bytes() == path.read_bytes()
    other.partial_fit(text)


def test_a_file_has_the_model_as_it_was_trained(tmp_path, text):
    path = tmp_path / "model.safetensors"
    model = CharRNN(hidden_size=8, max_updates=20, random_state=0).fit(text)
    model.set_params(hidden_size=50, seq_length=3, dtype="float64").save(path)
    other = CharRNN.load(path)
    assert (other.hidden_size, other.seq_length, other.dtype) == (8, 25, "float32")
    assert other.sample(50, random_state=1) == model.sample(50, random_state=1)
    with pytest.raises(ValueError, match="epochs must be"):
        model.set_params(epochs=-1).save(tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("process", [{"n_threads": 1}, {"n_threads": 3}, {"verbose": False}])
def test_the_same_model_has_the_same_file(tmp_path, text, process):
    for name, params in [("here", {}), ("there", process)]:
        keep = Checkpoint(tmp_path / f"{name}s", every=10)
        model = CharRNN("gru", hidden_size=5, batch_size=4, max_updates=20, random_state=0, **params)
        model.fit(text, callbacks=[keep]).save(tmp_path / name)
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()
    checkpoints = [opened(tmp_path / f"{name}s").file for name in ("here", "there")]
    assert checkpoints[0].metadata["params"] == checkpoints[1].metadata["params"]


def test_a_new_process_writes_the_same_text(tmp_path, model):
    path = tmp_path / "model.safetensors"
    model.save(path)
    code = f"from pycharrnn import CharRNN; print(ascii(CharRNN.load({str(path)!r}).sample(500, random_state=11)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.strip() == ascii(model.sample(500, random_state=11)), done.stderr


def test_a_damaged_file_is_refused(tmp_path, model):
    path = tmp_path / "model.safetensors"
    model.save(path)
    whole = path.read_bytes()
    for length in (*range(0, len(whole), 199), len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError, match=r"model\.safetensors"):
            CharRNN.load(path)
    for position in range(0, len(whole), 97):
        changed = bytearray(whole)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises(ModelFileError, match=r"model\.safetensors"):
            CharRNN.load(path)
    with pytest.raises(FileNotFoundError):
        CharRNN.load(tmp_path / "missing")


@pytest.mark.parametrize(
    "change",
    [
        {"n_characters": 10**12},
        {"n_characters": -1},
        {"n_characters": "3"},
        {"documents": True},
        {"documents": 1},
        {"documents": None},
        {"params": {}},
        {"params": {"hidden_size": 10**9}},
        {"params": {"optimizer": {"name": "os.system"}}},
        {"params": {"optimizer": {"name": "adam", "lr": 3}}},
        {"params": {"dtype": "object"}},
        {"best": {"n_updates": -1, "smooth_loss": 1.0}},
        {"best": {}},
        {"best": None},
    ],
)
def test_metadata_that_cannot_be(tmp_path, model, monkeypatch, change):
    # a file that is whole and says nonsense
    from pycharrnn.files import container as storage

    save = storage.save

    def lie(path, tensors, metadata, **types):
        if change.get("params"):
            metadata = metadata | {"params": metadata["params"] | change["params"]}
        else:
            metadata = metadata | change
        save(path, tensors, metadata, **types)

    monkeypatch.setattr(storage, "save", lie)
    path = tmp_path / "model.safetensors"
    model.save(path)
    with pytest.raises(ModelFileError, match=r"model\.safetensors"):
        CharRNN.load(path)


def test_nothing_of_the_text_is_in_the_file(tmp_path, text):
    path = tmp_path / "model.safetensors"
    CharRNN(hidden_size=4, max_updates=5).fit(text).save(path)
    content = path.read_bytes()
    assert b"nobler" not in content
    assert os.fsencode(tmp_path.name) not in content


# --- the estimator ----------------------------------------------------------------------------------------------


def test_scikit_learn_clones_and_searches(tmp_path, text):
    base = pytest.importorskip("sklearn.base")
    model = CharRNN(hidden_size=6, max_updates=10, random_state=0)
    twin = base.clone(model)
    assert twin is not model
    assert twin.get_params() == model.get_params()
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(model.fit(text))


def test_importing_brings_in_nothing_heavy(tmp_path):
    heavy = ("tqdm", "safetensors", "matplotlib", "sklearn", "torch", "argparse", "asyncio", "multiprocessing")
    code = (
        "import numpy, sys; before = set(sys.modules); import pycharrnn; "
        f"print([m for m in {heavy} if m in sys.modules and m not in before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("verbose", "shown"), [(None, False), (True, True), (False, False)])
def test_progress_is_silent_in_a_pipe(tmp_path, verbose, shown):
    code = (
        f"from pycharrnn import CharRNN; CharRNN(epochs=None, max_seconds=0.9, verbose={verbose}).fit('abcdefgh' * 500)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == ""
    assert ("nats/char | " in done.stderr and "chars/s" in done.stderr) == shown
    assert shown or done.stderr == ""
