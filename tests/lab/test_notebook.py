"""What a notebook shows of a model and of its history: small, escaped, and nothing that takes long or changes them."""

import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from pycharrnn import CharRNN
from pycharrnn.lab import notebook
from pycharrnn.training.history import History
from pycharrnn.training.optimizers import Adam


def shown(found):
    """The caption of a table and its rows."""
    root = ElementTree.fromstring(found._repr_html_())
    [caption] = [caption.text for caption in root.iter("caption")]
    return caption, {row.findtext("th"): row.findtext("td") for row in root.iter("tr")}


def test_a_model_shows_its_parameters_and_what_came_of_the_training(text):
    model = CharRNN(hidden_size=6, optimizer=Adam(), max_updates=30, random_state=3)
    parameters = {"hidden_size": "6", "optimizer": repr(Adam()), "max_updates": "30", "random_state": "3"}
    assert shown(model) == ("CharRNN", parameters | {"trained": "not yet"})
    before = model.fit(text).get_params(), repr(model)
    found = shown(model)[1]
    assert found.items() >= parameters.items()
    assert found["trained"] == "30 updates, on a text"
    assert found["characters"] == f"{len(model.vocabulary_)} distinct"
    assert found["best training loss"].startswith(f"{model.best_.training_loss:.3f} nats per character, after update ")
    assert (model.get_params(), repr(model)) == before
    assert shown(CharRNN()) == ("CharRNN", {"trained": "not yet"})


def test_a_validated_model_of_documents(text):
    documents = [text[i : i + 20] for i in range(0, 400, 20)]
    model = CharRNN(hidden_size=6, max_updates=30, validation_fraction=0.2, random_state=3).fit(documents)
    found = shown(model)[1]
    assert found["trained"] == "30 updates, on documents"
    assert found["best validation loss"].startswith(f"{model.best_.validation_loss:.3f} nats per character")
    assert shown(model.history_)[1]["lowest validation loss"] == found["best validation loss"]


@pytest.mark.parametrize("value", ["<script>alert(1)</script>", "a & 'b' \"c\"", "\x1b\u202e", "\ud800"])
def test_every_value_is_escaped(value):
    html = CharRNN(cell=value)._repr_html_()
    assert "<script" not in html
    assert not set(html) & {"\x1b", "\u202e", "\ud800"}
    assert shown(CharRNN(cell=value))[1]["cell"] == repr(value)
    assert "<script" not in notebook.table(value, {value: value}, "")
    notebook.table(value, {value: value}).encode()


def test_a_loaded_model_and_one_that_was_stopped_at_once(tmp_path, model):
    model.save(tmp_path / "model")
    loaded = CharRNN.load(tmp_path / "model")
    rows = shown(model)[1]
    del rows["verbose"]  # says how it was watched
    assert shown(loaded)[1] == rows | {"trained": f"{loaded.n_updates_:,} updates, on a text"}
    assert shown(loaded.history_) == ("History", {"updates": "none yet"})
    assert repr(loaded.history_) == "History(nothing yet)"


def test_a_history_shows_its_curve(monkeypatch):
    history = History(seq_length=25)
    history.extend(0, np.linspace(100, 50, 1200), np.linspace(100, 50, 1200), 0, 3)
    caption, rows = shown(history)
    assert (caption, rows) == (
        "History",
        {"updates": "1,200 in 3.0 s", "smooth loss": "4.000 → 2.000 nats per character"},
    )
    assert history._repr_html_().count("<svg ") == 1
    assert repr(history) == "History(1200 updates in 3.0 s, smooth loss 100.00 -> 50.00)"
    history.seq_length = 0
    assert shown(history)[1]["smooth loss"] == "100.000 → 50.000 nats per window"
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "<svg" not in history._repr_html_()
    assert shown(history)[1]["updates"] == "1,200 in 3.0 s"
