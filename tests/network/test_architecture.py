"""Architectures: shapes, named parameters and initial weights."""

import dataclasses
import itertools
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from pycharrnn.network.architecture import Architecture
from pycharrnn.network.cells import CELLS
from pycharrnn.network.precision import PRECISIONS


@pytest.fixture(params=CELLS)
def whole(request):
    """Two layers over embeddings of documents, of each cell."""
    return Architecture(request.param, 11, 7, 5, "float64", documents=True, num_layers=2, embedding_size=3)


def test_shapes_are_those_of_the_equations():
    plain = Architecture("gru", n_symbols=11, hidden_size=7, seq_length=5)
    first = {"U": (21, 11), "W": (21, 7), "b": (21,), "n": (7,)}
    last = {"V": (11, 7), "c": (11,)}
    assert plain.shapes == first | last
    second = {"U2": (21, 7), "W2": (21, 7), "b2": (21,), "n2": (7,)}
    assert plain.replace(num_layers=2).shapes == first | second | last
    assert plain.replace(embedding_size=3).shapes == {"E": (11, 3)} | first | {"U": (21, 3)} | last
    assert plain.n_parameters == 21 * 11 + 21 * 7 + 21 + 7 + 11 * 7 + 11


def test_named_parameters_are_views_of_the_flat_vector(whole, rng):
    given = {name: rng.normal(size=shape) for name, shape in whole.shapes.items()}
    flat = whole.flatten(given)
    assert flat.dtype == whole.precision.weights
    for name, view in whole.named(flat).items():
        assert_array_equal(view, given[name])
        view[...] = 0
    assert not flat.any()


def test_rows_of_symbols(whole):
    for architecture in (whole, whole.replace(embedding_size=None)):
        flat = np.arange(architecture.layout.size, dtype=float)
        for name, array in architecture.named(flat).items():
            rows = architecture.rows(name, array)
            assert (rows is None) == (11 not in architecture.shapes[name])
            if rows is not None:
                assert len(rows) == 11
                assert np.shares_memory(rows, flat)


def test_architectures_are_values(whole):
    other = Architecture(**dataclasses.asdict(whole))
    assert other == whole
    assert hash(other) == hash(whole)
    assert other.layout.size > 0  # known from here on, and no field
    assert pickle.loads(pickle.dumps(other)) == other == whole
    assert whole.replace(hidden_size=8).layout.size > other.layout.size
    with pytest.raises(dataclasses.FrozenInstanceError):
        whole.hidden_size = 8


def test_what_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=f"no cell 'elman', only {', '.join(CELLS)}"):
        Architecture("elman", 11, 7, 5)
    for name in ("float16", "bfloat", 8):
        with pytest.raises(ValueError, match=f"no precision {name!r}, only {', '.join(PRECISIONS)}"):
            Architecture("rnn", 11, 7, 5, name)


@pytest.mark.parametrize("name", PRECISIONS)
def test_precisions_name_every_type(name):
    precision = Architecture("rnn", 11, 7, 5, name).precision
    assert precision.name == precision.products == name
    stored = np.dtype("float32" if name == "bfloat16" else name)  # the rest of a mixed one
    assert (precision.weights, precision.activations, precision.moments) == (stored,) * 3


@pytest.mark.parametrize(
    ("ids", "error"),
    [
        (np.array([0, 11], np.int32), ValueError),
        (np.array([-1, 0], np.int32), ValueError),
        (np.array([0, 1]), TypeError),
        (np.zeros((1, 1, 1), np.int32), TypeError),
        (np.zeros(4, np.int32)[::2], TypeError),
    ],
)
def test_symbols_that_kernels_cannot_read_are_refused(whole, ids, error):
    with pytest.raises(error, match="ids must"):
        whole.check(ids)
    whole.check(np.array([0, 10], np.int32))


@pytest.mark.parametrize("how", [None, "normal", "uniform", "orthogonal"])
@pytest.mark.parametrize("cell", CELLS)
def test_initializers(cell, how):
    architecture = Architecture(cell, 30, 64, 3, "float64", num_layers=2)
    rng = np.random.default_rng(0)
    for scale in (None, 0.3):
        named = architecture.named(architecture.initial(rng, scale, how))
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
    blocks = np.split(architecture.named(architecture.initial(rng, None, "orthogonal"))["W"], architecture.row.gates)
    assert all(np.abs(a - b).max() > 0.1 for a, b in itertools.pairwise(blocks))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_embeddings_begin_as_pytorchs(cell):
    architecture = Architecture(cell, 30, 64, 3, "float64", embedding_size=50)
    named = architecture.named(architecture.initial(np.random.default_rng(0)))
    assert_allclose([named["E"].std(), named["U"].std()], [1, (3 * 64) ** -0.5], rtol=0.05)


def test_forget_gates_start_open():
    architecture = Architecture("lstm", 9, 5, 3, "float32", num_layers=2)
    named = architecture.named(architecture.initial(np.random.default_rng(0)))
    for name in ("b", "b2"):
        assert named[name].tolist() == [0] * 5 + [1] * 5 + [0] * 10
    assert np.abs(named["W"]).max() <= 5**-0.5
    assert np.abs(named["W2"]).max() > 0.4
