"""What the properties share: strategies for texts and settings, and small models that are trained once."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

from pycharrnn import CharRNN

LETTERS = "abcdef \n"
CORPUS = "a bad cab\nfed a bee\n\ndad faced a decade\n" * 6
DOCUMENTS = [line for line in CORPUS.split("\n") if line]

any_texts = st.text(st.characters(codec=None, exclude_categories=()), min_size=1, max_size=40)
texts = st.text(LETTERS, min_size=1, max_size=40)
prompts = st.text(LETTERS, max_size=12)
few_documents = st.lists(st.text("abcdef ", min_size=1, max_size=12), min_size=1, max_size=5)
seeds = st.integers(0, 2**32 - 1)
lengths = st.integers(0, 30)
temperatures = st.floats(0.2, 3.0)
cells = st.sampled_from(["rnn", "lstm", "gru"])


@cache
def trained(cell: str, documents: bool = False) -> CharRNN:
    """A small trained model; properties must not change it."""
    model = CharRNN(
        cell=cell, hidden_size=8, seq_length=10, epochs=None, max_updates=40, random_state=1, verbose=False, n_threads=1
    )
    return model.fit(DOCUMENTS if documents else CORPUS)


models = cells.map(trained)
document_models = cells.map(lambda cell: trained(cell, True))


def saved(model: CharRNN) -> bytes:
    """The bytes of a model's file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        model.save(path)
        return path.read_bytes()


def loaded(content: bytes) -> CharRNN:
    """The model of a file with these bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        path.write_bytes(content)
        return CharRNN.load(path)
