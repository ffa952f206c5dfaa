"""Back-propagation against central differences and PyTorch, in double precision."""

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose

from pycharrnn.lab.gradcheck import numerical_gradient
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.cells import CELLS
from pycharrnn.network.engine import loss_and_gradients, loss_function


def filled(cell, K, H, T, B, *, documents=False, layers=1, scale=0.5, **more):
    """An architecture with weights far from zero, so that no derivative is hidden by another; symbols, and a state."""
    rng = np.random.default_rng(6)
    architecture = Architecture(cell, K, H, T, "float64", documents, layers, **more)
    weights = architecture.flatten({name: rng.normal(0, scale, shape) for name, shape in architecture.shapes.items()})
    x, y = rng.integers(0, K, (2, T, B)).astype(np.int32)
    return architecture, weights, x, y, rng.uniform(-0.9, 0.9, architecture.carried(B))


@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("dropout", "label_smoothing"), [(0.0, 0.0), (0.3, 0.0), (0.2, 0.1)])
@pytest.mark.parametrize("embedding_size", [None, 4])
def test_every_tensor_of_every_cell(cell, layers, documents, dropout, label_smoothing, embedding_size):
    more = {"dropout": dropout, "label_smoothing": label_smoothing, "embedding_size": embedding_size}
    architecture, weights, x, y, carried = filled(cell, 5, 3, 4, 3, documents=documents, layers=layers, **more)
    if documents:
        x[:] = [[1, 4, 0], [4, 2, 3], [0, 4, 1], [2, 4, 3]]  # one stream begins anew at 1, one at 0, 2 and 3, one never
        y[:3] = x[1:]
    _, gradients, _ = loss_and_gradients(architecture, weights, x, y, carried)
    loss = loss_function(architecture, weights, x, y, carried)
    assert gradients.keys() == architecture.shapes.keys()
    for name, array in architecture.named(weights).items():
        numerical = numerical_gradient(loss, array, 1e-5)
        norms = np.linalg.norm(gradients[name]) + np.linalg.norm(numerical)
        assert norms > 1e-3, name
        assert np.linalg.norm(gradients[name] - numerical) <= 1e-7 * norms, name


@pytest.mark.parametrize("seed", [0, 7, None])  # None: the mean instead of masks
@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("zoneout", "cell_zoneout"), [(0.4, 0.0), (0.0, 0.3), (0.4, 0.3)])
def test_states_that_stay(cell, layers, documents, zoneout, cell_zoneout, seed):
    more = {"zoneout": zoneout, "cell_zoneout": cell_zoneout}
    architecture, weights, x, y, carried = filled(cell, 5, 3, 4, 3, documents=documents, layers=layers, **more)
    if documents:
        x[:] = [[1, 4, 0], [4, 2, 3], [0, 4, 1], [2, 4, 3]]
        y[:3] = x[1:]
    found, gradients, after = loss_and_gradients(architecture, weights, x, y, carried, seed)
    stay = np.array([zoneout, cell_zoneout])[: carried.shape[1], None, None]
    if seed is not None:
        stay = reference.zoneout(seed, 0, (len(x), *carried.shape), (zoneout, cell_zoneout))
    named = {name: np.array(view) for name, view in architecture.named(weights).items()}
    twin = reference.loss_and_gradients(named, x, y, carried, architecture.end, cell, stay=stay)
    assert_allclose(found, twin[0], rtol=1e-12)
    assert_allclose(after, twin[2], rtol=1e-12, atol=1e-15)
    loss = loss_function(architecture, weights, x, y, carried, seed)
    for name, array in architecture.named(weights).items():
        assert_allclose(gradients[name], twin[1][name], rtol=1e-10, atol=1e-13, err_msg=name)
        numerical = numerical_gradient(loss, array, 1e-5)
        norms = np.linalg.norm(gradients[name]) + np.linalg.norm(numerical)
        assert np.linalg.norm(gradients[name] - numerical) <= 1e-7 * norms, name


@pytest.mark.parametrize("output_dropout", [0.0, 0.5])
@pytest.mark.parametrize("layers", [1, 3])
def test_dropout_before_the_head_is_its_own(layers, output_dropout):
    more = {"layers": layers, "dropout": 0.3, "output_dropout": output_dropout, "embedding_size": 4}
    architecture, weights, x, y, carried = filled("gru", 5, 3, 4, 3, **more)
    _, gradients, _ = loss_and_gradients(architecture, weights, x, y, carried)
    loss = loss_function(architecture, weights, x, y, carried)
    for name, array in architecture.named(weights).items():
        numerical = numerical_gradient(loss, array, 1e-5)
        norms = np.linalg.norm(gradients[name]) + np.linalg.norm(numerical)
        assert np.linalg.norm(gradients[name] - numerical) <= 1e-7 * norms, name


@pytest.mark.parametrize(("layers", "smoothing"), [(1, 0.0), (2, 0.0), (2, 0.1)])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])  # those that PyTorch has
def test_equal_to_autograd(cell, layers, smoothing):
    torch = pytest.importorskip("torch")
    architecture, weights, x, y, carried = filled(
        cell, 13, 20, 25, 3, layers=layers, scale=0.3, label_smoothing=smoothing
    )
    p = {name: torch.tensor(value, requires_grad=True) for name, value in architecture.named(weights).items()}
    theirs = {}
    for layer in range(layers):
        end = str(layer + 1) if layer else ""
        theirs |= {f"weight_ih_l{layer}": p["U" + end], f"weight_hh_l{layer}": p["W" + end]}
        before = torch.zeros(len(p["b" + end]), dtype=torch.float64)  # of the gates with one bias
        if cell == "gru":
            before = torch.cat([before[: 2 * architecture.hidden_size], p["n" + end]])
        theirs |= {f"bias_ih_l{layer}": before, f"bias_hh_l{layer}": p["b" + end]}
    states = tuple(torch.tensor(carried).unbind(dim=1))
    one_hot = torch.nn.functional.one_hot(torch.tensor(x, dtype=torch.long), architecture.n_symbols).to(torch.float64)
    rnn = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell]
    rnn = rnn(architecture.n_symbols, architecture.hidden_size, layers, dtype=torch.float64)
    h, last = torch.func.functional_call(rnn, theirs, (one_hot, states if cell == "lstm" else states[0]))
    logits, targets = (
        (h @ p["V"].T + p["c"]).reshape(-1, architecture.n_symbols),
        torch.tensor(y, dtype=torch.long).reshape(-1),
    )
    expected = torch.nn.functional.cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing)
    expected.backward()
    loss, grads, after = loss_and_gradients(architecture, weights, x, y, carried)
    assert_allclose(loss, expected.item(), rtol=1e-10)
    for name, grad in grads.items():
        assert_allclose(grad, p[name].grad.numpy(), rtol=1e-10, atol=1e-12, err_msg=name)
    last = torch.stack(last if cell == "lstm" else (last,), dim=1)
    assert_allclose(after, last.detach().numpy(), rtol=1e-10, atol=1e-12)
