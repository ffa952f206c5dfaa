"""What is evaluated is the whole model, on a text as a whole or in cold windows."""

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from small import learned, small


def test_dropout_is_not_for_evaluation_and_sampling(text):
    model = small(dropout=0.5, label_smoothing=0.5, num_layers=2).fit(text)
    assert model.evaluate(text) == model.evaluate(text)
    weights = {name: value.copy() for name, value in model.params_.items()}
    same = small(num_layers=2, max_updates=1).fit(text)
    learned(same).state.best[:] = learned(same).architecture.flatten(weights)
    assert same.evaluate(text) == model.evaluate(text)


def test_gradients_are_those_of_the_whole_model(text):
    # of one that is not trained yet, too
    dropped, whole = small(dropout=0.5, label_smoothing=0.5, init_scale=0.3), small(init_scale=0.3)
    (loss, grads), (expected, exact) = (model.loss_and_gradients(text[:40]) for model in (dropped, whole))
    assert loss == expected
    for name, gradient in exact.items():
        assert_array_equal(grads[name], gradient)


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


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-5), ("float64", 1e-10)])
def test_a_long_text_takes_what_the_twin_finds(text, cell, dtype, rtol):
    """It is read in several places at once; the twin reads from its start to its end, in float64."""
    model = small(cell=cell, dtype=dtype, num_layers=2, max_updates=400).fit(text)
    architecture, state = learned(model).architecture, learned(model).state
    ids = model.vocabulary_.encode((text * 9)[:6000])
    named = {name: value.astype(np.float64) for name, value in architecture.named(state.best).items()}
    zeros = np.zeros(architecture.carried())
    p, *_ = reference.predict(named, ids[:-1, None], zeros, -1, cell)
    expected = -np.log(p[np.arange(len(ids) - 1), 0, ids[1:]]).mean()
    assert_allclose(model.evaluate(model.vocabulary_.decode(ids)).nats, expected, rtol=rtol)
    assert_allclose(model.evaluate(model.vocabulary_.decode(ids), exact=True).nats, expected, rtol=rtol)
    assert_allclose(model.score(model.vocabulary_.decode(ids)), -expected, rtol=rtol)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])  # those that PyTorch has
def test_equal_to_the_cross_entropy_of_pytorch(cell, dtype, tolerance, layers, text):
    torch = pytest.importorskip("torch")
    params = {"optimizer": "adam", "batch_size": 4, "dtype": dtype, "num_layers": layers, "hidden_size": 32}
    model = small(cell=cell, max_updates=200, **params).fit(text * 4)
    p = {name: torch.tensor(value) for name, value in model.params_.items()}
    n_symbols, H = p["V"].shape
    theirs = {}
    for layer in range(layers):
        end = str(layer + 1) if layer else ""
        before = torch.zeros_like(p["b" + end])  # of the gates with one bias
        if cell == "gru":
            before[2 * H :] = p["n" + end]
        theirs |= {f"weight_ih_l{layer}": p["U" + end], f"weight_hh_l{layer}": p["W" + end]}
        theirs |= {f"bias_ih_l{layer}": before, f"bias_hh_l{layer}": p["b" + end]}
    rnn = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell]
    network = rnn(n_symbols, H, layers, dtype=getattr(torch, dtype))
    network.load_state_dict(theirs)
    read = text * 20
    ids = torch.tensor(model.vocabulary_.encode(read), dtype=torch.long)
    with torch.no_grad():
        h, _ = network(torch.nn.functional.one_hot(ids[:-1], n_symbols).to(getattr(torch, dtype)))
        logits = (h @ p["V"].T + p["c"]).double()
        expected = torch.nn.functional.cross_entropy(logits, ids[1:]).item()
    for exact in (False, True):
        assert_allclose(model.evaluate(read, exact=exact).nats, expected, rtol=tolerance)
