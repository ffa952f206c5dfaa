"""Memory that parameters multiply: bounded where it can be, and said before it is taken where not."""

import tracemalloc
import warnings

import numpy as np
import pytest

from pycharrnn import CharRNN, cli
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.cells import CELLS
from pycharrnn.network.memory import claim, finite
from pycharrnn.network.scoring import cold_losses, parallel_losses, streamed_losses


def made(cell="rnn", n_symbols=11, hidden_size=7, **more):
    more = {"seq_length": 9, "dtype": "float32"} | more
    architecture = Architecture(cell, n_symbols, hidden_size, **more)
    return architecture, architecture.initial(np.random.default_rng(0))


def losses(architecture, weights, ids):
    """Of every way to evaluate."""
    return [
        streamed_losses(architecture, weights, ids),
        *(cold_losses(architecture, weights, ids, window) for window in (1, 7, 40, 5000)),
        *(
            parallel_losses(architecture, weights, ids, streams, 32, threads)
            for streams, threads in ((2, 1), (5, 2), (64, 1))
        ),
    ]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_do_not_depend_on_how_much_is_computed_at_a_time(cell, documents, dtype, rng, simd, monkeypatch):
    architecture, weights = made(cell, dtype=dtype, documents=documents, num_layers=2, embedding_size=5)
    ids = rng.integers(0, 11, 3000).astype(np.int32)
    expected = losses(architecture, weights, ids)
    for room in (1, 20_000, 300_000):
        monkeypatch.setattr("pycharrnn.network.workspace.ROOM", room)
        for ours, theirs in zip(losses(architecture, weights, ids), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def peak(run):
    tracemalloc.start()
    run()
    size = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return size


@pytest.mark.parametrize("n_symbols", [3000, 30_000])
def test_evaluating_takes_little_memory_whatever_the_window(n_symbols, rng):
    """64 windows of 65,536 symbols out of so many: the probabilities alone would take 50 and 500 GB."""
    architecture, weights = made(n_symbols=n_symbols, seq_length=65_536)
    ids = rng.integers(0, n_symbols, 700).astype(np.int32)
    for window in (10, 64, 300, 65_536):
        assert peak(lambda window=window: cold_losses(architecture, weights, ids, window)) < 150e6
    assert peak(lambda: streamed_losses(architecture, weights, ids)) < 150e6
    assert peak(lambda: parallel_losses(architecture, weights, ids, 10, 32)) < 150e6


def test_a_claim_is_refused_warned_of_or_granted(monkeypatch):
    monkeypatch.setattr("pycharrnn.network.memory.free_memory", lambda: 4 * 2**30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        claim(2 * 2**30, "this", "do that")
    with pytest.warns(
        UserWarning, match=r"^this would take 2\.5 GiB of memory, most of the 4\.0 GiB .* free: do that$"
    ):
        claim(5 * 2**29, "this", "do that")
    with pytest.raises(MemoryError, match=r"^this would take 5\.0 GiB of memory, and 4\.0 GiB are free: do that$"):
        claim(5 * 2**30, "this", "do that")


TEXT = "abcdefghij" * 1000


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"batch_size": 5000, "seq_length": 65_536}, "batch_size 5,000 x seq_length 65,536 characters, of 10 symbols"),
        ({"hidden_size": 65_536, "cell": "lstm"}, "hidden_size 65,536, num_layers 1 and 10 symbols"),
        ({"embedding_size": 65_536, "hidden_size": 30_000, "num_layers": 64}, "hidden_size 30,000, num_layers 64"),
        ({"batch_size": 900, "seq_length": 4000, "num_layers": 32, "cell": "gru"}, "batch_size 900 x seq_length 4,000"),
    ],
)
def test_a_training_that_does_not_fit_is_refused_before_it_begins(parameters, message, monkeypatch):
    monkeypatch.setattr("pycharrnn.network.memory.free_memory", lambda: 8 * 2**30)
    model = CharRNN(**parameters)

    def fit():
        with pytest.raises(MemoryError, match=message):
            model.fit(TEXT)

    assert peak(fit) < 1e8


def test_texts_that_do_not_fit_are_refused_before_they_are_begun(model):
    for given, message in (
        ({"length": 2**48}, "n_samples 1 x length 281,474,976,710,656 would take"),
        ({"n_samples": 2**48}, "n_samples 281,474,976,710,656 x length None would take"),
        ({"length": 2**30, "n_samples": 2**30}, "lower length or n_samples"),
    ):
        with pytest.raises(MemoryError, match=message):
            model.sample(**given)


def test_the_command_line_says_what_does_not_fit(tmp_path, capfd):
    text, output = tmp_path / "text.txt", tmp_path / "out"
    text.write_text(TEXT)
    command = ["train", str(text), "-o", str(output), "--batch-size", "9000", "--seq-length", "65536", "--hidden-size"]
    assert cli.main([*command, "65536"]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert "error: training with --hidden-size 65,536, --num-layers 1 and 10 symbols would take" in err
    assert "Traceback" not in err
    assert not output.exists()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, (1 << 18) - 1, 1 << 18, -1])
def test_one_number_that_is_not_finite_is_found(bad, at):
    """Wherever it stands: the array is looked at block by block."""
    array = np.full((3, 150_000), 1e38, np.float32)
    assert finite(array)
    array.reshape(-1)[at] = bad
    assert not finite(array)


def test_a_look_at_an_array_takes_no_memory_of_its_size():
    array = np.zeros(1 << 23, np.float32)
    assert peak(lambda: finite(array)) < 1 << 20
