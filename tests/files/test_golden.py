"""Files of each version of the format stay readable, and say the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from forgery import Forgery

from pycharrnn import CharRNN
from pycharrnn.files.checkpoint_file import CheckpointFile
from pycharrnn.resuming import differing, specs

DATA = Path(__file__).parents[1] / "data"
NAMES = ["anna", "bob", "carl", "dora", "emil", "fritz"] * 4
MODELS = {
    "rnn-1": (408, 15.30560142936361, "he the hate the cat sathe matm"),
    "gru-documents-ngrams-1": (42, 21.51030006881918, "era"),
    "lstm-bfloat16-1": (204, 20.066345618639303, "ht taetch rhat.e c at.ettnh. t"),
}


@pytest.mark.parametrize("name", list(MODELS))
def test_a_model_file_is_read_as_ever(name: str, tmp_path: Path) -> None:
    path = DATA / f"{name}.safetensors"
    model = CharRNN.load(path)
    n_updates, smooth_loss, written = MODELS[name]
    assert (model.n_updates_, model.smooth_loss_) == (n_updates, smooth_loss)
    assert model.sample(30 if model.vocabulary_.end is None else None, random_state=1) == written
    model.save(tmp_path / "again", dtype="bfloat16" if "bfloat16" in name else None)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", list(MODELS))
def test_a_number_of_threads_in_an_early_file_is_left(name: str, tmp_path: Path) -> None:
    path, early = DATA / f"{name}.safetensors", tmp_path / "early"
    forged = Forgery(path.read_bytes())
    forged.metadata["params"]["n_threads"] = 3
    early.write_bytes(forged.data())
    model = CharRNN.load(early)
    assert model.n_threads is None
    model.save(tmp_path / "again", dtype="bfloat16" if "bfloat16" in name else None)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_checkpoint_is_read_as_ever(tmp_path: Path) -> None:
    path = DATA / "checkpoint-1.safetensors"
    CheckpointFile.read(path, specs).write(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    model = CharRNN.resume(path, NAMES)
    assert model.n_updates_ == 63
    assert model.smooth_loss_ == pytest.approx(21.94455774298667, rel=1e-5)
    written = [text.n_updates for text in model.history_.texts]
    assert written == sorted(written)
    assert len(written) >= 4  # those of before


def test_a_checkpoint_of_an_early_training_with_threads_goes_on(tmp_path: Path) -> None:
    path, early = DATA / "checkpoint-1.safetensors", tmp_path / "early"
    forged = Forgery(path.read_bytes())
    forged.metadata["params"]["n_threads"] = 2
    early.write_bytes(forged.data())
    assert differing(CharRNN.resume(early, NAMES, n_threads=1), CheckpointFile.read(path, specs)) == []
    for name, start in [("first", path), ("second", early)]:
        CharRNN.resume(start, NAMES).save(tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_every_file_is_read_by_a_test() -> None:
    assert {path.stem for path in DATA.glob("*.safetensors")} == {*MODELS, "checkpoint-1"}
