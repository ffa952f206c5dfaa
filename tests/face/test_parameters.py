"""The parameters of a model: bad ones are named, presets and files keep them."""

import pytest
from small import small

from pycharrnn import CharRNN, SampleText
from pycharrnn.training.optimizers import Adam
from pycharrnn.training.schedules import Step


@pytest.mark.parametrize(
    ("name", "value"),
    [("label_smoothing", 1.0), ("embedding_size", 0), ("initializer", "xavier"), ("dropout", 1), ("dropout", -0.1),
     ("schedule", "linear"), ("weight_decay", -1), ("patience", 0), ("n_threads", 0),
     ("validation_fraction", 1.0), ("batch_size", 0), ("num_layers", 0), ("num_layers", 1.5), ("dropout", "0.5")],
)  # fmt: skip
def test_bad_parameters_are_named(text, name, value):
    with pytest.raises((TypeError, ValueError), match=f"^{name} must be"):
        small(**{name: value}).fit(text)


@pytest.mark.parametrize("name", ["classic", "minute", "quality"])
def test_presets(text, name):
    model = CharRNN.preset(name, hidden_size=8, max_updates=3, random_state=0, verbose=False).fit(text * 5)
    assert model.n_updates_ == 3
    assert bool(model.history_.validation) == (name != "classic")
    assert CharRNN.preset("classic").get_params() == CharRNN().get_params()
    with pytest.raises(ValueError, match=r"^name must be"):
        CharRNN.preset("best")


def test_files_keep_schedules_and_validation(text, tmp_path):
    model = small(schedule=Step(at=(0.2, 0.4), factor=0.5), optimizer=Adam(beta1=0.8), learning_rate=0.01)
    model.fit(text, validation=text[:200], callbacks=[SampleText(20, 5, file=None)])
    model.save(tmp_path / "m")
    loaded = CharRNN.load(tmp_path / "m")
    assert (loaded.schedule, loaded.optimizer, loaded.best_) == (model.schedule, model.optimizer, model.best_)
    assert loaded.best_.validation_loss is not None
