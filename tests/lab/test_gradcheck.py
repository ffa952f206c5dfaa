"""The gradient check: its table, the entries that it draws, and that it sees a wrong gradient."""

import json
import math
import re
import sys
import time
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.testing import assert_allclose

from pycharrnn import CharRNN, Vocabulary
from pycharrnn.lab import gradcheck
from pycharrnn.lab.entries import affordable, draw
from pycharrnn.lab.gradient_table import GradientError, GradientTable
from pycharrnn.network.architecture import Architecture
from pycharrnn.network.engine import loss_and_gradients, loss_function


def beginning(text, seq_length, hidden_size=7, init_scale=0.6, random_state=3):
    """The vocabulary, the architecture in double precision and the initial weights of such a model."""
    vocabulary = Vocabulary.from_text(text)
    architecture = Architecture("rnn", len(vocabulary), hidden_size, seq_length, "float64")
    return vocabulary, architecture, architecture.initial(np.random.default_rng(random_state), init_scale)


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
    right = gradcheck.loss_and_gradients

    def wrong(*arguments):
        loss, grads, hidden = right(*arguments)
        grads["W"][2, 3] *= 1 + 1e-4
        return loss, grads, hidden

    monkeypatch.setattr(gradcheck, "loss_and_gradients", wrong)
    table = noisy.check_gradients(text, seq_lengths=(5,), batches=1)
    assert table.max_error > 1e-6
    assert {row.name for row in table if row.max_error > 1e-6} == {"W"}


def test_the_table_prints_itself(noisy, text):
    table = noisy.check_gradients(text, seq_lengths=(3,), batches=1)
    *measures, head, u, w, b, v, c, whole = str(table).splitlines()
    assert "max, sum, <= 1e-06: of the errors |ga - gn| / max(eps, |ga| + |gn|)" in measures
    assert "checked" not in " ".join(measures)  # all are
    assert head == "seq_length  batch  tensor  entries      max      sum     norm  <= 1e-06"
    assert {len(line) for line in (u, w, b, v, c, whole)} == {len(head)}
    assert [line.split()[2] for line in (u, w, b, v, c)] == ["U", "W", "b", "V", "c"]
    assert w.split()[3] == "49"
    assert whole.split()[:3] == ["all", str(sum(row.n_entries for row in table)), f"{table.max_error:.1e}"]
    assert max(map(len, str(table).splitlines())) < 80


def test_the_share_of_entries_within_the_tolerance(noisy, text):
    vocabulary, architecture, weights = beginning(text, 3)
    ids = vocabulary.encode(text[:4])

    def first_row(**tolerance):
        how = gradcheck.Check(seq_lengths=[np.int64(3)], batches=1, **tolerance)
        return gradcheck.check(architecture, weights, ids, how)[0]

    first = first_row()
    assert (first.share, first.tolerance, first.n_entries) == (1.0, 1e-6, 7 * len(vocabulary))
    largest = first_row(tolerance=first.max_error)
    assert largest.share == 1.0
    less = first_row(tolerance=first.max_error * (1 - 1e-9))
    assert less.share == pytest.approx(1 - 1 / first.n_entries)
    none = first_row(tolerance=0)
    assert none.share < 0.9  # the entries of characters that were not read are exactly zero


@pytest.fixture
def many():
    """A text of 1,937 distinct characters, of which a window reads few, and a small network."""
    rng = np.random.default_rng(0)
    ids = np.minimum(rng.zipf(1.3, 3000), 1937) - 1
    characters = [chr(0x4E00 + i) for i in (*ids, *rng.permutation(1937))]
    return CharRNN(hidden_size=20, random_state=0), "".join(characters)


def test_of_many_entries_some_of_every_kind_are_checked(many):
    model, text = many
    table = model.check_gradients(text, [25], batches=2, max_entries=90)
    assert [(row.name, row.n_checked, row.n_entries) for row in table if row.batch == 2] == [
        ("U", 90, 20 * 1937), ("W", 90, 400), ("b", 20, 20), ("V", 90, 1937 * 20), ("c", 90, 1937)
    ]  # fmt: skip
    assert table.norm_error < 1e-7
    assert (table.n_checked, table.n_entries, table.cut) == (
        2 * 380,
        2 * sum(row.n_entries for row in table[:5]),
        False,
    )
    *_, entries, head, u, w, b, v, c, _, _, _, _, _, whole = str(table).splitlines()
    assert entries == f"entries: 760 of {table.n_entries:,} checked: large, small and zero gradients"
    assert len({*map(len, (head, u, w, b, v, c, whole))}) == 1
    assert "  90 of 38,740  " in u
    assert "  20  " in b
    assert whole.split()[:2] == ["all", "760"]
    vocabulary, architecture, weights = beginning(text, 25, hidden_size=20, init_scale=None, random_state=0)
    ids = vocabulary.encode(text[:26])
    _, gradients, _ = loss_and_gradients(architecture, weights, ids[:25], ids[1:])
    entries = draw(gradients["U"], 90, np.random.default_rng(0))
    assert len(set(entries)) == 90
    _, columns = np.unravel_index(entries, (20, 1937))
    assert 55 <= np.isin(columns, ids[:25]).sum() <= 65  # of the characters that were read, at most 25 of 1,937
    rows, _ = np.unravel_index(draw(gradients["V"], 90, np.random.default_rng(0)), (1937, 20))
    assert 30 <= np.isin(rows, ids[1:]).sum() <= 50  # of those that were to be predicted


def test_the_same_entries_are_checked_every_time(many):
    model, text = many
    first, again = (model.check_gradients(text, [5], max_entries=50) for _ in range(2))
    assert first == again
    assert first != model.check_gradients(text, [5], max_entries=51)


@pytest.mark.parametrize("wrong", ["read", "not read", "predicted"])
def test_a_wrong_row_of_thousands_is_seen(many, monkeypatch, wrong):
    model, text = many
    right = gradcheck.loss_and_gradients

    def faulty(architecture, weights, x, y, *more):
        loss, grads, hidden = right(architecture, weights, x, y, *more)
        if wrong == "predicted":
            grads["V"][y] *= 1.001
        else:  # the gradients of 25 characters are lost, or the others' are not zero
            grads["U"][:, x if wrong == "read" else np.setdiff1d(np.arange(architecture.n_symbols), x)] = (
                0 if wrong == "read" else 1e-3
            )
        return loss, grads, hidden

    monkeypatch.setattr(gradcheck, "loss_and_gradients", faulty)
    table = model.check_gradients(text, [25], batches=1, max_entries=60)
    assert {row.name for row in table if row.norm_error > 1e-6} == {"V" if wrong == "predicted" else "U"}


@pytest.mark.parametrize(
    "gradient", [np.zeros((40, 5)), np.full(200, np.nan), np.r_[1e200, np.zeros(199)], np.ones(200)]
)
def test_entries_are_drawn_of_any_gradient(gradient):
    entries = draw(gradient, 50, np.random.default_rng(0))
    assert len(set(entries)) == 50
    assert set(entries) <= set(range(200))
    assert sorted(draw(gradient, None, np.random.default_rng(0))) == list(range(200))
    assert sorted(draw(gradient, 200, np.random.default_rng(0))) == list(range(200))
    for most in (None, 50, 1):
        entries = draw(gradient, most, np.random.default_rng(0))
        assert len(entries) == (most or 200)
        assert entries[0] == 0 or gradient.flat[0] != 1e200


@pytest.mark.parametrize("seed", range(20))
def test_a_single_entry_is_no_false_alarm(many, seed):
    """Of a gradient of 1e-12 the differences know nothing: alone it would be a norm error of 1."""
    model, text = many
    table = model.set_params(random_state=seed).check_gradients(text[seed:], [5], batches=1, max_entries=1)
    assert table.n_checked == 5
    assert table.norm_error < 1e-7


def test_entries_of_millions_are_drawn_at_once():
    gradient = np.random.default_rng(1).random((3000, 1000)) * 1e-9
    gradient[:, 7] = np.linspace(1, 2, 3000)
    moments = [time.thread_time()]
    np.argsort(gradient, axis=None, kind="stable")
    moments.append(time.thread_time())
    entries = draw(gradient.T, 90, np.random.default_rng(0))  # counted as gradient.T.ravel() is
    moments.append(time.thread_time())
    sorting, drawing = np.diff(moments)
    assert drawing < sorting
    assert len(set(entries)) == 90
    assert 44 <= (gradient.T.ravel()[entries] >= 1).sum() <= 50  # nearly all of them are large
    assert gradient.T.ravel()[entries[0]] > 1.9


def test_all_entries_of_the_classic_network_but_some_of_larger_ones():
    def most(K, cell="rnn", hidden_size=100):
        return affordable(Architecture(cell, K, hidden_size, 25, "float64"), (5, 10, 15, 25), 2)

    assert most(80) is None
    assert most(1937) == 500
    assert most(80, cell="lstm") == 2000
    assert most(3, hidden_size=5000) == 20


def test_a_check_ends_in_time_and_says_so(many):
    model, text = many
    begin = time.perf_counter()
    table = model.check_gradients(text, [5, 25], batches=2, max_entries=None, max_seconds=0.5)
    assert time.perf_counter() - begin < 10  # all of them would take minutes
    assert table.cut
    assert [(row.seq_length, row.batch, row.name) for row in table] == [
        (T, batch, name) for T in (5, 25) for batch in (1, 2) for name in "UWbVc"
    ]
    assert all(1 <= row.n_checked <= row.n_entries for row in table)
    per_window = np.reshape([row.n_checked for row in table if row.name in "UV"], (4, 2))
    assert (abs(per_window[:, 0] - per_window[:, 1]) <= 1).all()  # the tensors take turns
    assert per_window.max() < 20 * 1937
    assert "cut off: the limit of time" in str(table)
    assert "cut off: the limit of time" in table._repr_html_()
    assert table.norm_error < 1e-6
    whole = model.check_gradients(text, [5], batches=1, max_entries=3, max_seconds=None)
    assert not whole.cut
    begin = time.perf_counter()
    table = model.check_gradients(text[:60] * 2000, [1], batches=100_000, max_entries=1, max_seconds=0.3)
    assert time.perf_counter() - begin < 10
    assert 5 <= len(table) < 500_000  # windows that were not begun are left out
    assert table.cut


def test_progress_of_a_check_is_said_where_there_is_no_bar(many, monkeypatch, capsys):
    model, text = many
    lines = []
    monkeypatch.setattr(gradcheck.Countdown, "every", 0.05)
    model.check_gradients(text, [5], max_entries=None, max_seconds=0.5, log=lines.append)
    begin, *later = lines
    assert begin == "checking gradients: 159,674 entries, at most 0.5 s"
    assert 2 <= len(later) <= 10
    pattern = r"checking gradients: ([\d,]+) of ([\d,]+) entries in \d+ s"
    numbers = [re.fullmatch(pattern, line).groups() for line in later]
    done, total = ([int(n.replace(",", "")) for n in column] for column in zip(*numbers, strict=True))
    assert done == sorted(done)
    assert set(total) == {2 * (2 * 20 * 1937 + 400 + 20 + 1937)}
    assert capsys.readouterr() == ("", "")
    model.set_params(verbose=True).check_gradients(text, [5], max_entries=None, max_seconds=1.0)
    assert " % |" in capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    model.set_params(verbose=None).check_gradients(text, [5], max_entries=None, max_seconds=1.0, log=lines.append)
    assert " % |" in capsys.readouterr().err
    assert len(lines) == len(later) + 2  # the bar takes the place of the others


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_entries": 0}, ValueError, "max_entries must be at least 1"),
        ({"max_entries": True}, TypeError, "max_entries must be an integer"),
        ({"max_entries": 2.5}, TypeError, "max_entries must be an integer"),
        ({"max_entries": "all"}, ValueError, "max_entries must be an integer, 'auto' or None, got 'all'"),
        ({"max_seconds": 0}, ValueError, "max_seconds must be finite and above 0"),
        ({"max_seconds": math.inf}, ValueError, "max_seconds must be finite"),
        ({"seq_lengths": [5, 3000]}, ValueError, "text must have more than 2 \\* 3000 characters"),
    ],
)
def test_what_a_check_cannot_do_is_said(many, options, error, message):
    model, text = many
    with pytest.raises(error, match=message):
        model.check_gradients(text, **options)


def test_no_windows_are_an_empty_table(many):
    assert many[0].check_gradients(many[1], ()) == ()


def rows_of(*shares, n_entries=1_000_000, name="W", error=1e-9):
    n = n_entries
    return [GradientError(5, 1, name, error, 1e-7, 2e-9, share, n, n, 1e-6) for share in shares]


def test_a_hundred_percent_are_all():
    table = GradientTable(rows_of(1.0, 0.999999, 0.57, 0.0))
    shares = [line.split("  ")[-1].strip() for line in str(table).splitlines()[4:]]
    assert shares == ["100 %", "99.99 %", "57.00 %", "0.00 %", "64.24 %"]
    assert table.share == (1_000_000 + 999_999 + 570_000) / 4_000_000


def test_a_gradient_that_is_no_number_is_not_overlooked():
    table = GradientTable([*rows_of(1.0), *rows_of(0.5, error=math.nan), *rows_of(1.0)])
    assert math.isnan(table.max_error)
    assert str(table).splitlines()[-1].split()[2] == "nan"
    empty = GradientTable()
    assert all(map(math.isnan, (empty.max_error, empty.norm_error, empty.share)))
    assert repr(empty) == "GradientTable(nothing checked)"
    assert "nothing checked" in empty._repr_html_()


def test_the_table_as_html_and_as_dictionaries():
    table = GradientTable(rows_of(1.0) + rows_of(0.5, name="<script>&"))
    root = ElementTree.fromstring(table._repr_html_())
    assert root.tag == "table"
    head = [cell.text for cell in root.findall("thead/tr/th[@scope='col']")]
    assert head == ["seq_length", "batch", "tensor", "entries", "max", "sum", "norm", "<= 1e-06"]
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


def test_the_second_window_starts_from_the_state_of_the_first(text):
    vocabulary, architecture, weights = beginning(text, 5)
    ids = vocabulary.encode(text[:11])
    _, _, hidden = loss_and_gradients(architecture, weights, ids[:5], ids[1:6])
    first, second, both = (
        loss_function(architecture, weights, *window)()
        for window in ((ids[:5], ids[1:6]), (ids[5:10], ids[6:11], hidden), (ids[:10], ids[1:11]))
    )
    assert_allclose([*first, *second], both, rtol=1e-12)


def test_numerical_gradient_puts_everything_back(rng):
    x = rng.normal(size=(3, 4))
    before = x.copy()
    assert_allclose(gradcheck.numerical_gradient(lambda: float((x**3).sum()), x, 1e-5), 3 * before**2, atol=1e-8)
    assert (x == before).all()
