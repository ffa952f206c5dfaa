"""Back-propagation against central differences, PyTorch and the NumPy twin, in double precision."""

import json
import math
from xml.etree import ElementTree

import numpy as np
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
    table = noisy.check_gradients(text, seq_lengths=(3,), batches=1)
    *measures, head, u, w, b, v, c, whole = str(table).splitlines()
    assert "|ga - gn| / max(eps, |ga| + |gn|), at most 1e-06 in the last column" in " ".join(measures)
    assert head == "seq_length  batch  tensor  entries  max error  sum error  norm error  <= 1e-06"
    assert {len(line) for line in (u, w, b, v, c, whole)} == {len(head)}
    assert [line.split()[2] for line in (u, w, b, v, c)] == ["U", "W", "b", "V", "c"]
    assert w.split()[3] == "49"
    assert whole.split()[:3] == ["all", str(sum(row.n_entries for row in table)), f"{table.max_error:.1e}"]
    assert max(map(len, str(table).splitlines())) < 80


def test_the_share_of_entries_within_the_tolerance(noisy, text):
    vocabulary, network, params = noisy._exact(text, 3)
    ids = vocabulary.encode(text[:4])
    options = {"seq_length": np.int64(3), "batches": 1, "h": 1e-4, "eps": 1e-3}
    [first, *_] = gradcheck.check(network, params, ids, **options)
    assert (first.share, first.tolerance, first.n_entries) == (1.0, 1e-6, 7 * len(vocabulary))
    [largest, *_] = gradcheck.check(network, params, ids, **options, tolerance=first.max_error)
    assert largest.share == 1.0
    [less, *_] = gradcheck.check(network, params, ids, **options, tolerance=first.max_error * (1 - 1e-9))
    assert less.share == pytest.approx(1 - 1 / first.n_entries)
    [none, *_] = gradcheck.check(network, params, ids, **options, tolerance=0)
    assert none.share < 0.9  # the entries of characters that were not read are exactly zero


def rows_of(*shares, n_entries=1_000_000, name="W", error=1e-9):
    return [gradcheck.GradientError(5, 1, name, error, 1e-7, 2e-9, share, n_entries, 1e-6) for share in shares]


def test_a_hundred_percent_are_all():
    table = gradcheck.GradientTable(rows_of(1.0, 0.999999, 0.57, 0.0))
    shares = [line.split("  ")[-1].strip() for line in str(table).splitlines()[4:]]
    assert shares == ["100 %", "99.99 %", "57.00 %", "0.00 %", "64.24 %"]
    assert table.share == (1_000_000 + 999_999 + 570_000) / 4_000_000


def test_a_gradient_that_is_no_number_is_not_overlooked():
    table = gradcheck.GradientTable([*rows_of(1.0), *rows_of(0.5, error=math.nan), *rows_of(1.0)])
    assert math.isnan(table.max_error)
    assert str(table).splitlines()[-1].split()[2] == "nan"
    empty = gradcheck.GradientTable()
    assert all(map(math.isnan, (empty.max_error, empty.norm_error, empty.share)))
    assert repr(empty) == "GradientTable(nothing checked)"
    assert "nothing checked" in empty._repr_html_()


def test_the_table_as_html_and_as_dictionaries():
    table = gradcheck.GradientTable(rows_of(1.0) + rows_of(0.5, name="<script>&"))
    root = ElementTree.fromstring(table._repr_html_())
    assert root.tag == "table"
    head = [cell.text for cell in root.findall("thead/tr/th[@scope='col']")]
    assert head == ["seq_length", "batch", "tensor", "entries", "max error", "sum error", "norm error", "<= 1e-06"]
    assert [cell.text for cell in root.findall(".//th[@scope='row']")] == ["W", "<script>&", "all"]
    assert [len(row) for row in root.iter("tr")] == [8] * 4
    assert root.findtext("tfoot/tr/td[7]") == "75.00 %"
    assert "|ga - gn| / max(eps, |ga| + |gn|)" in "".join(root.find("caption").itertext())
    first, second = json.loads(json.dumps(table.as_dicts()))
    assert first == table[0]._asdict()
    assert (second["name"], second["share"], second["tolerance"]) == ("<script>&", 0.5, 1e-6)


def test_numbers_of_a_check_are_plain_for_json(noisy, text):
    table = noisy.check_gradients(text, seq_lengths=np.array([3]), batches=1)
    assert json.loads(json.dumps(table.as_dicts())) == table.as_dicts()


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


def filled(cell, K, H, T, B, *, documents=False, layers=1, scale=0.5, **more):
    """A network with weights far from zero, so that no derivative is hidden by another; symbols, and a state."""
    rng, network = np.random.default_rng(6), Network(cell, K, H, T, "float64", documents, layers, **more)
    params = network.flatten({name: rng.normal(0, scale, shape) for name, shape in network.shapes.items()})
    x, y = rng.integers(0, K, (2, T, B)).astype(np.int32)
    return network, params, x, y, rng.uniform(-0.9, 0.9, network.carried(B))


@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", Network.cells)
@pytest.mark.parametrize(("dropout", "label_smoothing"), [(0.0, 0.0), (0.3, 0.0), (0.2, 0.1)])
@pytest.mark.parametrize("embedding_size", [None, 4])
def test_every_tensor_of_every_cell(cell, layers, documents, dropout, label_smoothing, embedding_size):
    more = {"dropout": dropout, "label_smoothing": label_smoothing, "embedding_size": embedding_size}
    network, params, x, y, carried = filled(cell, 5, 3, 4, 3, documents=documents, layers=layers, **more)
    if documents:
        x[:] = [[1, 4, 0], [4, 2, 3], [0, 4, 1], [2, 4, 3]]  # one stream begins anew at 1, one at 0, 2 and 3, one never
        y[:3] = x[1:]
    _, gradients, _ = network.loss_and_gradients(params, x, y, carried)
    loss = network.loss_function(params, x, y, carried)
    assert gradients.keys() == network.shapes.keys()
    for name, array in network.named(params).items():
        numerical = gradcheck.numerical_gradient(loss, array, 1e-5)
        norms = np.linalg.norm(gradients[name]) + np.linalg.norm(numerical)
        assert norms > 1e-3, name
        assert np.linalg.norm(gradients[name] - numerical) <= 1e-7 * norms, name


@pytest.mark.parametrize(("layers", "smoothing"), [(1, 0.0), (2, 0.0), (2, 0.1)])
@pytest.mark.parametrize("cell", Network.cells)
def test_equal_to_autograd(cell, layers, smoothing):
    torch = pytest.importorskip("torch")
    network, params, x, y, carried = filled(cell, 13, 20, 25, 3, layers=layers, scale=0.3, label_smoothing=smoothing)
    p = {name: torch.tensor(value, requires_grad=True) for name, value in network.named(params).items()}
    weights = {}
    for layer in range(layers):
        end = str(layer + 1) if layer else ""
        weights |= {f"weight_ih_l{layer}": p["U" + end], f"weight_hh_l{layer}": p["W" + end]}
        before = torch.zeros(len(p["b" + end]), dtype=torch.float64)  # of the gates with one bias
        if cell == "gru":
            before = torch.cat([before[: 2 * network.H], p["n" + end]])
        weights |= {f"bias_ih_l{layer}": before, f"bias_hh_l{layer}": p["b" + end]}
    states = tuple(torch.tensor(carried).unbind(dim=1))
    one_hot = torch.nn.functional.one_hot(torch.tensor(x, dtype=torch.long), network.K).to(torch.float64)
    rnn = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell]
    rnn = rnn(network.K, network.H, layers, dtype=torch.float64)
    h, last = torch.func.functional_call(rnn, weights, (one_hot, states if cell == "lstm" else states[0]))
    logits, targets = (h @ p["V"].T + p["c"]).reshape(-1, network.K), torch.tensor(y, dtype=torch.long).reshape(-1)
    expected = torch.nn.functional.cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing)
    expected.backward()
    loss, grads, after = network.loss_and_gradients(params, x, y, carried)
    assert_allclose(loss, expected.item(), rtol=1e-10)
    for name, grad in grads.items():
        assert_allclose(grad, p[name].grad.numpy(), rtol=1e-10, atol=1e-12, err_msg=name)
    last = torch.stack(last if cell == "lstm" else (last,), dim=1)
    assert_allclose(after, last.detach().numpy(), rtol=1e-10, atol=1e-12)
