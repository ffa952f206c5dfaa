"""The model file: what is written comes back, and what says nonsense is refused."""

import numpy as np
import pytest

from pycharrnn.errors import ModelFileError
from pycharrnn.files import container
from pycharrnn.files.model_file import ModelFile

RULES = ("sgd", "adam")
BEST = {"n_updates": 7, "smooth_loss": 2.5, "validation_loss": None, "training_loss": 1.5}
SQUARES = {"rule": "adam", "means": {"W": 0.5}}


def weights(parameters, n_symbols, documents):
    """What a model of these parameters would hold: one row for each symbol."""
    if parameters["size"] < 1:
        raise ValueError("size must be at least 1")
    return {"W": ((n_symbols, parameters["size"]), "float64")}


def make(**changes):
    codes = np.array([97, 98], np.uint32)
    whole = {"parameters": {"size": 3}, "code_points": codes, "documents": False, "best": BEST, "squares": SQUARES}
    n = 2 + (changes.get("documents") is True)
    return ModelFile(**(whole | {"weights": {"W": np.arange(3.0 * n).reshape(n, 3)}} | changes))


@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize("squares", [None, SQUARES])
def test_what_is_written_comes_back(tmp_path, documents, squares):
    file = make(documents=documents, squares=squares)
    file.write(tmp_path / "a")
    again = ModelFile.read(tmp_path / "a", weights, RULES)
    for name in ("parameters", "documents", "best", "squares"):
        assert getattr(again, name) == getattr(file, name)
    np.testing.assert_array_equal(again.code_points, file.code_points)
    np.testing.assert_array_equal(again.weights["W"], file.weights["W"])
    again.write(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parameters": {"size": 0}}, "size must be at least 1"),
        ({"parameters": {}}, "size"),
        ({"documents": 1}, "documents must be true or false, got 1"),
        ({"documents": None}, "documents must be true or false"),
        ({"best": {}}, "best has the keys"),
        ({"best": BEST | {"test_loss": 1.0}}, "best has the keys .*test_loss"),
        ({"best": BEST | {"n_updates": -1}}, "best n_updates must be at least 0"),
        ({"best": BEST | {"n_updates": 1.0}}, "best n_updates must be an integer"),
        ({"best": BEST | {"training_loss": -1.0}}, "best training_loss must be finite and at least 0"),
        ({"best": BEST | {"smooth_loss": "2"}}, "best smooth_loss must be a number"),
        ({"parameters": []}, r"params must be an object, got \[\]"),
        ({"best": []}, r"best must be an object, got \[\]"),
        ({"squares": [1]}, r"squares must be an object, got \[1\]"),
        ({"squares": SQUARES | {"means": None}}, "the means of squares must be an object, got None"),
        ({"squares": SQUARES | {"rule": "lion"}}, "the rule of squares must be one of 'sgd', 'adam', got 'lion'"),
        ({"squares": SQUARES | {"means": {}}}, "there are squares of .*, and arrays"),
        ({"squares": SQUARES | {"means": {"W": -1}}}, "the squares of W must be finite and at least 0"),
        ({"squares": {"rule": "adam"}}, "squares has the keys"),
    ],
)
def test_what_says_nonsense_is_refused(tmp_path, changes, message):
    make(**changes).write(tmp_path / "a")
    with pytest.raises(ModelFileError, match=message):
        ModelFile.read(tmp_path / "a", weights, RULES)


@pytest.mark.parametrize("n_characters", [-1, 0, 10**12, "2", None])
def test_the_number_of_characters_is_bounded(tmp_path, n_characters):
    metadata = {"params": {"size": 3}, "n_characters": n_characters, "documents": False, "best": BEST}
    container.save(tmp_path / "a", {"W": np.zeros((2, 3)), "vocabulary": np.array([97, 98], np.uint32)}, metadata)
    with pytest.raises(ModelFileError, match="n_characters must be"):
        ModelFile.read(tmp_path / "a", weights, RULES)


def test_a_file_without_the_training_loss_is_read(tmp_path):
    best = {name: value for name, value in BEST.items() if name != "training_loss"}
    make(best=best).write(tmp_path / "a")
    assert ModelFile.read(tmp_path / "a", weights, RULES).best == best
