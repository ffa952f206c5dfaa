"""Streams that read pieces of texts at once have the bits of one stream; overlapping ones nearly so."""

import _thread
import threading
import time

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal

from pycharrnn.network import overlapping, scoring, streams
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.cells import CELLS
from pycharrnn.network.engine import Engine
from pycharrnn.network.evaluation import separate_losses
from pycharrnn.network.overlapping import overlapping_losses
from pycharrnn.network.pace import Pace
from pycharrnn.network.scoring import streamed_losses
from pycharrnn.network.streams import Pieces, Streams

KINDS = [
    {},
    {"num_layers": 2, "embedding_size": 5},
    {"documents": True},
    {"dtype": "float64", "zoneout": 0.1, "cell_zoneout": 0.2},
    {"dtype": "bfloat16", "num_layers": 2},
]


def made(rng, cell="gru", n_symbols=11, hidden_size=23, factor=1.0, **more):
    architecture = Architecture(cell, n_symbols, hidden_size, 9, **more)
    weights = architecture.initial(rng)
    weights *= factor
    return architecture, weights


def drawn(rng, N, n_symbols=11):
    return rng.integers(0, n_symbols, N).astype(np.int32)


def ragged(rng, N):
    """Pieces of all lengths."""
    cuts = np.unique(np.concatenate([[0, N], rng.integers(0, N, 30)]))
    return Pieces(cuts[:-1], np.diff(cuts))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kind", KINDS)
def test_pieces_have_the_bits_of_one_stream(cell, kind, rng, simd):
    architecture, weights = made(rng, cell, **kind)
    ids = drawn(rng, 1500)
    for pieces in (ragged(rng, 1499), Pieces.cut(0, 1499, 37), Pieces(np.array([700]), np.array([90]))):
        alone = [streamed_losses(architecture, weights, ids[at : at + n + 1]) for at, n in zip(*pieces, strict=True)]
        for n_streams, n_threads in ((1, 1), (5, 2), (7, 1), (64, 3)):
            found = Streams(architecture, weights, n_streams, n_threads).read(ids, pieces).losses
            assert_array_equal(found, np.concatenate(alone))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kind", [*KINDS, {"hidden_size": 23}])
def test_threads_that_share_each_step_give_the_same_bits(cell, kind, rng, monkeypatch):
    """As they do where the weights are many. Of many units each thread has some, of few units some of the streams."""
    monkeypatch.setattr(streams, "LARGE", 0)
    monkeypatch.setattr(streams, "ALONE", 0)
    monkeypatch.setattr(streams, "processors", lambda: 3)
    architecture, weights = made(rng, cell, **{"hidden_size": 528 if cell == "rnn" else 256} | kind)
    ids, pieces = drawn(rng, 400), Pieces(np.array([10, 200, 120]), np.array([20, 50, 40]))
    carried = rng.uniform(-0.5, 0.5, architecture.carried(3)).astype(architecture.precision.activations)
    one = Streams(architecture, weights, 3).read(ids, pieces, carried, marks=[10, 20])
    for n_threads in (2, 3, None):
        found = Streams(architecture, weights, 3, n_threads).read(ids, pieces, carried, marks=[10, 20])
        assert_array_equal(found.losses, one.losses)
        for ours, theirs in zip(found.states, one.states, strict=True):
            assert_array_equal(ours, theirs)
    pieces = ragged(rng, 399)
    one = Streams(architecture, weights, 20).read(ids, pieces)
    assert_array_equal(Streams(architecture, weights, 20, 3).read(ids, pieces).losses, one.losses)


def test_as_many_threads_as_prove_fastest_share_the_steps(rng, monkeypatch):
    for name in ("LARGE", "ALONE", "TOLD"):
        monkeypatch.setattr(streams, name, 0)
    monkeypatch.setattr(streams, "processors", lambda: 3)
    architecture, weights = made(rng, hidden_size=256)
    ids, pieces, sizes, choose = drawn(rng, 200), Pieces.cut(0, 199, 67), [], Pace.choose
    one = Streams(architecture, weights, 3).read(ids, pieces).losses
    monkeypatch.setattr(Pace, "choose", lambda pace, most: sizes.append(choose(pace, most)) or sizes[-1])
    found = Streams(architecture, weights, 3, None).read(ids, pieces, marks=list(range(5, 66, 5))).losses
    assert sizes[:6] == [3, 3, 2, 2, 1, 1]
    assert_array_equal(found, one)


def test_pieces_equal_the_twin(rng):
    """A step that begins a piece starts from zeros, whatever the stream has read before."""
    architecture, weights = made(rng, "lstm", num_layers=2, dtype="float64")
    ids, pieces = drawn(rng, 60), Pieces(np.array([3, 0, 30]), np.array([20, 7, 11]))
    named = architecture.named(weights)
    twin = []
    for at, n in zip(*pieces, strict=True):
        zeros = np.zeros(architecture.carried())
        p, *_ = reference.predict(named, ids[at : at + n, None], zeros, -1, "lstm")
        twin.append(-np.log(p[np.arange(n), 0, ids[at + 1 : at + n + 1]]))
    found = Streams(architecture, weights, n_streams=2).read(ids, pieces).losses
    assert_allclose(found, np.concatenate(twin), rtol=1e-11)


def test_states_at_marks_are_those_of_one_stream(rng):
    architecture, weights = made(rng, "lstm", num_layers=2)
    ids, six = drawn(rng, 400), Streams(architecture, weights, 6, 2)
    pieces = Pieces(np.arange(5) * 70, np.array([60, 70, 65, 70, 61]))
    carried = rng.uniform(-0.5, 0.5, architecture.carried(5)).astype(np.float32)
    for before in (None, carried):
        losses, states = six.read(ids, pieces, before, marks=[7, 30, 60])
        for i, (at, n) in enumerate(zip(*pieces, strict=True)):
            own = None if before is None else before[:, :, i : i + 1]
            first = pieces.lengths[:i].sum()
            alone = streamed_losses(architecture, weights, ids[at : at + n + 1], own)
            assert_array_equal(losses[first : first + n], alone)
            for mark, state in zip((7, 30, 60), states, strict=True):
                engine = Engine(architecture, mark)
                engine.start(own)
                engine.losses(weights, ids[at : at + mark], ids[at + 1 : at + mark + 1])
                assert_array_equal(state[:, :, i], engine.after()[:, :, 0])


def test_windows_of_streams_are_checked(rng):
    architecture, weights = made(rng)
    engine = Engine(architecture, 4, 3)
    engine.pack(weights)
    x, fresh, losses = np.zeros((4, 3), np.int32), np.zeros((4, 3), np.uint8), np.empty((4, 3))
    engine.read_streams(x, x, fresh, losses, 0, 3)
    for lo, hi in ((-1, 3), (0, 4), (2, 2)):
        with pytest.raises(ValueError, match=r"^streams must be some of the 3"):
            engine.read_streams(x, x, fresh, losses, lo, hi)
    with pytest.raises(ValueError, match=r"^windows of up to 4 x 3 symbols"):
        engine.read_streams(x[:, :2], x, fresh, losses, 0, 2)
    with pytest.raises(ValueError, match=r"^windows of up to 4 x 3 symbols"):
        engine.read_streams(*(np.zeros((5, 3), a.dtype) for a in (x, x, fresh, losses)), 0, 3)


# --- one long text ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("dtype", "atol"), [("float32", 1e-5), ("float64", 1e-8), ("bfloat16", 0.1)])
def test_overlapping_streams_find_what_one_finds(cell, dtype, atol, rng):
    architecture, weights = made(rng, cell, dtype=dtype, num_layers=2)
    ids = drawn(rng, 9000)
    one = streamed_losses(architecture, weights, ids)
    found = overlapping_losses(architecture, weights, ids)
    assert_allclose(found, one, atol=atol)
    assert abs(found.mean() - one.mean()) < (1e-5 if dtype == "bfloat16" else 1e-6)
    for n_threads in (2, 3, 20, None):
        assert_array_equal(overlapping_losses(architecture, weights, ids, n_threads), found)
    assert_array_equal(
        overlapping_losses(architecture, weights, ids[:4096]), streamed_losses(architecture, weights, ids[:4096])
    )


@pytest.mark.parametrize(("rare", "H"), [(1, 16), (8, 16), (1, 1)])
def test_a_long_memory_is_followed_to_its_end(rare, H, rng, monkeypatch):
    """Units that stay on one of two sides for thousands of symbols: no warm-up would do."""
    monkeypatch.setattr(overlapping, "RARE", rare)
    architecture, weights = made(rng, "rnn", hidden_size=H, dtype="float64")
    named = architecture.named(weights)
    named["W"][:] = 1.5 * np.eye(H)
    named["U"][:, 0] = rng.choice([-2.0, 2.0], H)  # only the symbol 0 can move a unit to the other side
    named["U"][:, 1:] = rng.uniform(-0.1, 0.1, (H, 10))
    named["V"][:] = rng.normal(size=(11, H))
    ids = rng.integers(1, 11, 12_000).astype(np.int32)
    ids[[3, 5000, 5001]] = 0
    one = streamed_losses(architecture, weights, ids)
    cold = scoring.parallel_losses(architecture, weights, ids, streams=11)
    assert np.abs(cold - one).mean() > 0.1  # 256 symbols of warm-up are not enough
    found = overlapping_losses(architecture, weights, ids)
    assert np.abs(found - one).max() < 1e-8
    assert abs(found.mean() - one.mean()) < 1e-6


def test_documents_are_read_at_once_with_the_bits_of_one_stream(rng, monkeypatch):
    architecture, weights = made(rng, "lstm", documents=True)
    ids = drawn(rng, 3000, 10)
    ids[np.concatenate([[0, 2999], rng.integers(1, 2999, 40)])] = 10
    one = streamed_losses(architecture, weights, ids)
    at_once = []
    read = Streams.read
    monkeypatch.setattr(Streams, "read", lambda self, *args: at_once.append(self.n_streams) or read(self, *args))
    for text in (ids, ids[5:-3]):  # which may begin or end within a document
        assert_array_equal(
            overlapping_losses(architecture, weights, text, 2)[-100:],
            streamed_losses(architecture, weights, text)[-100:],
        )
        assert_array_equal(
            overlapping_losses(architecture, weights, text), streamed_losses(architecture, weights, text)
        )
    assert min(at_once) > 4
    assert one.size == 2999


def test_a_document_that_is_most_of_the_text(rng):
    architecture, weights = made(rng, "lstm", documents=True, dtype="float64")
    ids = drawn(rng, 9000, 10)
    ids[[0, 20, 45, 8999]] = 10
    assert_allclose(
        overlapping_losses(architecture, weights, ids), streamed_losses(architecture, weights, ids), atol=1e-8
    )


# --- many texts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("documents", [False, True])
def test_each_text_is_read_on_its_own(documents, rng):
    architecture, weights = made(rng, documents=documents)
    texts = [drawn(rng, n) for n in (30, 1, 2, 0, 700, 5, 64)]
    for n_threads in (1, 2):
        for ours, text in zip(separate_losses(architecture, weights, texts, n_threads=n_threads), texts, strict=True):
            assert_array_equal(ours, streamed_losses(architecture, weights, text) if len(text) else np.empty(0))
    assert separate_losses(architecture, weights, []) == []


def test_a_long_text_among_short_ones_is_read_in_many_places(rng, monkeypatch):
    architecture, weights = made(rng, dtype="float64")
    texts = [drawn(rng, n) for n in (30, 9000, 500)]
    alone = [streamed_losses(architecture, weights, text) for text in texts]
    for ours, theirs in zip(separate_losses(architecture, weights, texts), alone, strict=True):
        assert_allclose(ours, theirs, atol=1e-8)
    for ours, theirs in zip(separate_losses(architecture, weights, texts, exact=True), alone, strict=True):
        assert_array_equal(ours, theirs)


# --- signals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_threads", "large"), [(1, 2**20), (2, 2**20), (2, 0)])  # which share streams, or steps
def test_an_interrupt_ends_reading_soon(n_threads, large, rng, monkeypatch):
    """It comes while some minutes of work are left, in this thread or while it waits for another one."""
    monkeypatch.setattr(streams, "LARGE", large)
    monkeypatch.setattr(streams, "TILE", 1000)
    architecture, weights = made(rng, "lstm", hidden_size=256, num_layers=2)
    ids = drawn(rng, 2_000_000)
    interrupted = []

    def interrupt():
        interrupted.append(time.perf_counter())
        _thread.interrupt_main()

    timer = threading.Timer(0.5, interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        overlapping_losses(architecture, weights, ids, n_threads)
    assert time.perf_counter() - interrupted[0] < 5  # some 20 ms on a machine that has nothing else to do
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPool")]


@pytest.mark.parametrize("large", [2**20, 0])
def test_an_error_in_another_thread_is_raised(large, rng, monkeypatch):
    monkeypatch.setattr(streams, "LARGE", large)
    monkeypatch.setattr(streams, "TILE", 1000)
    architecture, weights = made(rng)
    read = Engine.read_streams

    def fails(self, *args):
        if threading.current_thread() is not threading.main_thread():
            raise OSError("broken")
        read(self, *args)

    monkeypatch.setattr(Engine, "read_streams", fails)
    with pytest.raises(OSError, match="broken"):
        overlapping_losses(architecture, weights, drawn(rng, 9000), n_threads=2)


@pytest.mark.parametrize(
    ("dtype", "kick", "growth"),
    [
        ("float32", 1e-7, 1.05),
        ("float64", 1e-11, 1.05),
        ("bfloat16", 1e-4, 1.05),
        ("float32", 2e-7, 1.01),
        ("float64", 2e-11, 1.01),
    ],
)
def test_a_small_difference_that_grows_is_followed(dtype, kick, growth, rng):
    """Near zero the units of this network grow: one symbol, far away, decides what the state becomes."""
    architecture = Architecture("rnn", 6, 32, 9, dtype)
    named = {name: np.zeros(shape, architecture.precision.weights) for name, shape in architecture.shapes.items()}
    named["W"][:] = growth * np.eye(32)
    named["U"][:, 5] = kick
    if growth < 1.05:  # beside units of a usual size its difference is small
        named["W"][16:], named["U"][16:, :5] = 0, rng.normal(size=(16, 5))
    named["V"][:] = rng.normal(size=named["V"].shape)
    weights, ids = architecture.flatten(named), drawn(rng, 12_001, 5)
    ids[12_000 // overlapping.n_parts(12_000) - 3] = 5
    exact = streamed_losses(architecture, weights, ids)
    assert abs(exact.mean() - streamed_losses(architecture, weights, np.where(ids == 5, 0, ids)).mean()) > 0.1
    assert_allclose(overlapping_losses(architecture, weights, ids), exact, atol=1e-2 if dtype == "bfloat16" else 1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_memory_that_shows_late_is_followed(dtype, rng):
    """A cell keeps what a rare symbol has put there, and shows it to the losses only when another symbol comes."""
    H, K, kick = 32, 7, {"float32": 5e-4, "float64": 5e-8}[dtype]
    architecture = Architecture("lstm", K, H, 9, dtype)
    named = {name: np.zeros(shape, architecture.precision.weights) for name, shape in architecture.shapes.items()}
    inputs, forgets, cells, outputs = named["U"].reshape(4, H, K)  # views: the gates are one below the other
    cells[1:], named["V"][:, 1:] = rng.normal(size=(H - 1, K)), rng.normal(size=(K, H - 1))
    inputs[0], forgets[0], outputs[0] = -60, 60, -60
    inputs[0, 5], cells[0, 5], outputs[0, 6] = 60, kick, 60
    named["V"][3, 0] = 3 / kick
    weights, ids = architecture.flatten(named), drawn(rng, 12_001, 5)
    end = 12_000 // overlapping.n_parts(12_000)
    ids[[end - 30, end - 3]] = 5
    ids[end + 1000 : end + 1100] = 6
    exact = streamed_losses(architecture, weights, ids)
    assert abs(exact.mean() - streamed_losses(architecture, weights, np.where(ids == 5, 0, ids)).mean()) > 1e-3
    assert_allclose(overlapping_losses(architecture, weights, ids), exact, atol=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_head_that_makes_much_of_small_differences_is_heard(dtype, rng):
    architecture = Architecture("rnn", 5, 32, 9, dtype)
    named = {name: np.zeros(shape, architecture.precision.weights) for name, shape in architecture.shapes.items()}
    named["W"][:] = 0.985 * np.eye(32)  # a difference halves in 46 symbols
    named["U"][:] = 3e-3 * rng.normal(size=named["U"].shape)
    named["V"][:] = 100 * rng.normal(size=named["V"].shape)
    weights, ids = architecture.flatten(named), drawn(rng, 12_001, 5)
    found, exact = overlapping_losses(architecture, weights, ids), streamed_losses(architecture, weights, ids)
    assert_allclose(found, exact, atol=1e-3 if dtype == "float32" else 1e-6)


def test_small_states_are_compared_by_their_size(rng):
    architecture = Architecture("rnn", 5, 32, 9, "bfloat16")
    named = {name: np.zeros(shape, np.float32) for name, shape in architecture.shapes.items()}
    named["W"][:] = np.eye(32)  # remembers everything
    named["U"][:] = 1e-5 * rng.normal(size=named["U"].shape)
    named["V"][:] = 30 * rng.normal(size=named["V"].shape)
    weights, ids = architecture.flatten(named), drawn(rng, 12_001, 5)
    found, exact = overlapping_losses(architecture, weights, ids), streamed_losses(architecture, weights, ids)
    assert abs(found.mean() - exact.mean()) < 1e-4
