"""Back-propagation against central differences, PyTorch and the NumPy twin, in double precision."""

import pytest
from numpy.testing import assert_allclose

from pycharrnn import CharRNN, gradcheck
from pycharrnn.network import Network


@pytest.fixture
def noisy(text):
    """A model whose weights are far from zero, so that no derivative is hidden by another."""
    return CharRNN(hidden_size=7, init_scale=0.6, random_state=3)


def test_every_entry_of_every_tensor(noisy, text):
    table = noisy.check_gradients(text, seq_lengths=(3, 5, 10), batches=2, h=1e-5)
    assert {row.name for row in table} == {"U", "W", "b", "V", "c"}
    assert len(table) == 3 * 2 * 5
    assert table.max_error < 1e-6
    assert table.norm_error < 1e-7


def test_a_trained_model_is_checked_at_its_own_weights(model, text):
    table = model.check_gradients(text, seq_lengths=(4,), batches=1)
    assert table.norm_error < 1e-7
    loss, _ = model.loss_and_gradients(text[:5])
    untrained, _ = CharRNN(hidden_size=24, random_state=1).loss_and_gradients(text[:5])
    assert loss < untrained


def test_a_wrong_gradient_is_seen(noisy, text, monkeypatch):
    right = Network.loss_and_gradients

    def wrong(self, *arguments):
        loss, grads, hidden = right(self, *arguments)
        grads["W"][2, 3] *= 1 + 1e-4
        return loss, grads, hidden

    monkeypatch.setattr(Network, "loss_and_gradients", wrong)
    table = noisy.check_gradients(text, seq_lengths=(5,), batches=1)
    assert table.max_error > 1e-6
    assert {row.name for row in table if row.max_error > 1e-6} == {"W"}


def test_the_table_prints_itself(noisy, text):
    lines = str(noisy.check_gradients(text, seq_lengths=(3,), batches=1)).splitlines()
    assert lines[0] == "seq_length  batch  tensor  max error  sum of errors  norm-wise error"
    assert len({len(line) for line in lines}) == 1
    assert [line.split()[2] for line in lines[1:]] == ["U", "W", "b", "V", "c"]


def test_the_second_window_starts_from_the_state_of_the_first(noisy, text):
    vocabulary, network, params = noisy._exact(text, 5)
    ids = vocabulary.encode(text[:11])
    _, _, hidden = network.loss_and_gradients(params, ids[:5], ids[1:6])
    first, second, both = (
        network.loss_function(params, *window)()
        for window in ((ids[:5], ids[1:6]), (ids[5:10], ids[6:11], hidden), (ids[:10], ids[1:11]))
    )
    assert_allclose([*first, *second], both, rtol=1e-12)


def test_numerical_gradient_puts_everything_back(rng):
    x = rng.normal(size=(3, 4))
    before = x.copy()
    assert_allclose(gradcheck.numerical_gradient(lambda: float((x**3).sum()), x, 1e-5), 3 * before**2, atol=1e-8)
    assert (x == before).all()


def test_equal_to_autograd(text):
    torch = pytest.importorskip("torch")
    model = CharRNN(hidden_size=20, init_scale=0.3, random_state=5)
    window = text[:26]
    vocabulary, network, params = model._exact(window, 25)
    p = {name: torch.tensor(value, requires_grad=True) for name, value in network.named(params).items()}
    ids = torch.tensor(vocabulary.encode(window), dtype=torch.long)
    rnn = torch.nn.RNN(len(vocabulary), 20, dtype=torch.float64)
    weights = {"weight_ih_l0": p["U"], "weight_hh_l0": p["W"], "bias_ih_l0": p["b"]}
    weights["bias_hh_l0"] = torch.zeros(20, dtype=torch.float64)
    one_hot = torch.nn.functional.one_hot(ids[:-1], len(vocabulary)).to(torch.float64)
    states, _ = torch.func.functional_call(rnn, weights, (one_hot,))
    expected = torch.nn.functional.cross_entropy(states @ p["V"].T + p["c"], ids[1:], reduction="sum")
    expected.backward()
    loss, grads = model.loss_and_gradients(window)
    assert_allclose(loss, expected.item(), rtol=1e-12)
    for name, grad in grads.items():
        assert_allclose(grad, p[name].grad.numpy(), rtol=1e-10, atol=1e-12, err_msg=name)
