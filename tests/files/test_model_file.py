"""The model file: what is written comes back, and what says nonsense is refused."""

import tracemalloc

import numpy as np
import pytest
from container_examples import forge

from pycharrnn.errors import ModelFileError
from pycharrnn.files import container
from pycharrnn.files.model_file import Counted, ModelFile

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


def mixed(ids, *, order=3, share=0.25, **changes):
    """A file with n-grams."""
    return make(parameters={"size": 3, "ngram_order": order}, ngrams=Counted(share, ids), **changes)


@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize("many", [False, True])
def test_the_text_of_n_grams_comes_back(tmp_path, documents, many):
    changes = {"documents": documents}
    ids = np.array([0, 1, 1, 0, 1 + documents], np.uint8)
    if many:  # with the end of a document there are 257
        n = 256 + (not documents)
        changes |= {"code_points": np.arange(n, dtype=np.uint32), "weights": {"W": np.zeros((n + documents, 3))}}
        ids = np.array([0, 256, 3], np.int32)
    mixed(ids, **changes).write(tmp_path / "a")
    again = ModelFile.read(tmp_path / "a", weights, RULES)
    assert again.ngrams.share == 0.25
    assert again.ngrams.ids.dtype == ids.dtype
    np.testing.assert_array_equal(again.ngrams.ids, ids)
    assert set(again.weights) == {"W"}
    again.write(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    make().write(tmp_path / "c")
    assert b"ngrams" not in (tmp_path / "c").read_bytes()


FEW = np.array([0, 1, 0], np.uint8)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (mixed(FEW, order=None), "there must be n-grams if there is an ngram_order, and only then"),
        (make(parameters={"size": 3, "ngram_order": 2}), "there must be n-grams"),
        (mixed(FEW, share=1.5), r"the share of ngrams must be at most 1, got 1\.5"),
        (mixed(FEW, share=-0.5), "the share of ngrams must be finite and at least 0"),
        (mixed(FEW, share=None), "the share of ngrams must be a number"),
        (mixed(FEW.astype(np.int32)), "tensor 'text': the header has .*I32.*calls for .*U8"),
        (mixed(FEW[None]), r"tensor 'text': the header has .*\[1, 3\].*calls for .*\[3\]"),
        (mixed(FEW[:0]), "n_symbols of ngrams must be at least 1 .* got 0"),
        (mixed(FEW + np.uint8(1)), "its text has symbols from 1 to 2, of 0 to 1"),
        (make(code_points=np.array([98, 97], np.uint32)), "its vocabulary has no increasing code points"),
        (make(code_points=np.array([97, 97], np.uint32)), "its vocabulary has no increasing code points"),
        (make(code_points=np.array([97, 0x110000], np.uint32)), "its vocabulary has no increasing code points"),
    ],
)
def test_n_grams_and_characters_that_make_no_sense_are_refused(tmp_path, file, message):
    file.write(tmp_path / "a")
    with pytest.raises(ModelFileError, match=rf"'.*a' is not an intact pycharrnn model: .*{message}"):
        ModelFile.read(tmp_path / "a", weights, RULES)


def test_a_text_of_negative_symbols_is_refused(tmp_path):
    codes = np.arange(300, dtype=np.uint32)
    mixed(np.array([5, -1], np.int32), code_points=codes, weights={"W": np.zeros((300, 3))}).write(tmp_path / "a")
    with pytest.raises(ModelFileError, match="its text has symbols from -1 to 5, of 0 to 299"):
        ModelFile.read(tmp_path / "a", weights, RULES)


@pytest.mark.parametrize("forged", [rb"{}", rb"[]", rb"null", rb"{\"share\":0.25}", rb"1"])
def test_forged_n_grams_are_refused(tmp_path, forged):
    mixed(FEW).write(tmp_path / "a")
    data = forge((tmp_path / "a").read_bytes(), rb"{\"n_symbols\":3,\"share\":0.25}", forged)
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(ModelFileError, match="ngrams"):
        ModelFile.read(tmp_path / "a", weights, RULES)


@pytest.mark.parametrize("n", [2, 4, 10**12, 2**41])
def test_a_text_of_another_length_costs_nothing(tmp_path, n):
    mixed(FEW).write(tmp_path / "a")
    data = forge((tmp_path / "a").read_bytes(), rb"\"n_symbols\":3", rb"\"n_symbols\":%d" % n)
    entry = rb'"text":{"dtype":"U8","shape":[3],"data_offsets":[56,59]}'
    forged = entry.replace(b"[3]", b"[%d]" % n).replace(b"59", b"%d" % (56 + n))
    (tmp_path / "a").write_bytes(forge(data, entry, forged))  # a header that agrees; only the length of the file tells
    tracemalloc.start()
    with pytest.raises(ModelFileError, match="n_symbols of ngrams" if n > 2**40 else "bytes, its header calls for"):
        ModelFile.read(tmp_path / "a", weights, RULES)
    assert tracemalloc.get_traced_memory()[1] < 200_000
    tracemalloc.stop()
