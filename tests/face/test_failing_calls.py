"""A call that fails leaves the model as it was, byte for byte."""

import pickle

import numpy as np
import pytest

from pycharrnn import CharRNN, SampleText, optim
from pycharrnn.errors import UnknownCharacterError
from pycharrnn.messages import shown
from pycharrnn.training.schedules import Plateau, Step

TEXT = "hello world, hello moon. " * 10


@pytest.fixture
def model():
    return CharRNN(hidden_size=8, max_updates=7, random_state=0).fit(TEXT)


@pytest.mark.parametrize("train", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("callbacks", "error"),
    [
        (5, TypeError),
        (None, TypeError),
        ("no", TypeError),
        ([5], TypeError),
        (print, TypeError),
        ([SampleText(10**6, 5, prompt="Z", file=None)], UnknownCharacterError),
        ([SampleText(1, 5, prompt="Z", file=None)], UnknownCharacterError),
    ],
)
def test_bad_callbacks_harm_no_model(model, train, callbacks, error):
    before = pickle.dumps(model)
    with pytest.raises(error):
        getattr(model, train)(TEXT, callbacks=callbacks)
    assert pickle.dumps(model) == before


@pytest.mark.parametrize("train", ["fit", "partial_fit"])
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_what_fails_before_the_first_update_harms_no_model(model, train, error):
    def fail(run):
        raise error

    fail.every = 7  # also the updates that the model has made
    before = pickle.dumps(model)
    with pytest.raises(error):
        getattr(model, train)(TEXT, callbacks=[fail])
    assert pickle.dumps(model) == before


@pytest.mark.parametrize("wrong", [5, "XYZ", ["a", "b"], b"hello"])
def test_a_bad_validation_text_harms_no_model(model, wrong):
    before = pickle.dumps(model)
    with pytest.raises((ValueError, TypeError)):
        model.fit(TEXT, validation=wrong)
    assert pickle.dumps(model) == before


LARGE = ["x" * 100_000, b"y" * 100_000, list(range(50_000)), 10**5000, np.zeros(50_000), {i: i for i in range(50_000)}]


class Sullen:
    """Nothing can be said about it."""

    def __repr__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize("value", [*LARGE, Sullen()], ids=lambda value: type(value).__name__)
def test_errors_are_short_and_name_the_parameter(model, value):
    def every(run):
        """Is called with each value."""

    every.every = value
    calls = {
        "beta1": lambda: optim.Adam(beta1=value),
        "warmup": lambda: Step(warmup=value),
        "patience": lambda: Plateau(patience=value),
        "every": lambda: SampleText(every=value),
        "file": lambda: SampleText(file=value),
        "length": lambda: SampleText(length=value),
        "temperature": lambda: model.sample(3, temperature=value),
        "n_samples": lambda: model.sample(3, n_samples=value),
        "random_state": lambda: model.sample(3, random_state=value),
        "window": lambda: model.evaluate(TEXT, window=value),
        "rate": lambda: model.adapt(TEXT, rate=value),
        "log": lambda: model.check_gradients(TEXT, [2], log=value),
        "h": lambda: model.check_gradients(TEXT, [2], h=value),
        "max_entries": lambda: model.check_gradients(TEXT, [2], max_entries=value),
        "callbacks": lambda: model.fit(TEXT, callbacks=5 if isinstance(value, (str, bytes, list)) else value),
        "callbacks[0].every": lambda: model.fit(TEXT, callbacks=[every]),
        "name": lambda: CharRNN.preset(value),
        "epochs": lambda: model.partial_fit(TEXT, epochs=value),
        "hidden_size": lambda: CharRNN(hidden_size=value).fit(TEXT),
        "optimizer": lambda: CharRNN(optimizer=value).fit(TEXT),
        "n_threads": lambda: CharRNN(n_threads=value).fit(TEXT),
        "on_unknown": lambda: CharRNN(on_unknown=value).fit(TEXT),
        "auto": lambda: CharRNN(auto=value).fit(TEXT),
        "path": lambda: CharRNN.load(value if not isinstance(value, (str, bytes)) else 5),
    }
    before = pickle.dumps(model)
    for name, call in calls.items():
        with pytest.raises((ValueError, TypeError)) as caught:
            call()
        assert name in str(caught.value)
        assert len(str(caught.value)) < 500
    assert pickle.dumps(model) == before


def test_many_shares_are_not_shown():
    with pytest.raises(ValueError, match=r"^at must be shares of the budget, from 0 to 1, got a list of 50,000$"):
        Step(at=list(range(50_000)))


def test_short_values_are_shown_as_they_are():
    for value in ("a", b"b", 3, -0.5, [1, 2], None, "\x1b[31m", {"a": 1}):
        assert shown(value) == ascii(value)
    assert shown(10**5000) == "a int that is too long to show"
    assert shown(Sullen()) == "a Sullen that cannot be shown"


@pytest.mark.parametrize(
    "params",
    [
        {"optimizer": optim.Adam(beta1=np.float32(0.9), beta2=np.float64(0.99), eps=np.longdouble(1e-8))},
        {"optimizer": optim.RMSProp(decay=np.float16(0.5))},
        {"optimizer": optim.Momentum(momentum=np.int64(0))},
        {"schedule": Step(at=np.array([0.25, 0.5]), factor=np.float32(0.5))},
        {"schedule": Step(at=[np.float32(0.25)], factor=1)},
        {"schedule": Plateau(factor=np.float32(0.5), patience=np.int8(3))},
        {"clip_value": np.longdouble(5), "learning_rate": np.float32(0.01), "clip_norm": np.float16(3)},
        {"hidden_size": np.int16(8), "num_layers": np.uint8(2), "dropout": np.float32(0.25)},
        {"epochs": None, "max_seconds": np.float32(0.2), "validation_fraction": np.float32(0.25)},
        {"random_state": np.int64(3), "patience": np.int8(2), "n_threads": np.uint8(1)},
        {"init_scale": -0.0, "weight_decay": -0.0, "dropout": np.float32(-0.0), "label_smoothing": -0.0},
        {"init_scale": np.float16(-0.0), "ema_decay": 5e-324, "zoneout": 5e-324},
    ],
)
def test_what_trains_can_be_saved(tmp_path, params):
    model = CharRNN(**{"hidden_size": 8, "max_updates": 5} | params).fit(TEXT)
    model.save(tmp_path / "one")
    again = CharRNN.load(tmp_path / "one")
    again.save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert again.sample(20, random_state=0) == model.sample(20, random_state=0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: optim.Adam(beta1=np.nan),
        lambda: optim.Adam(eps=np.inf),
        lambda: optim.AdaGrad(eps=np.longdouble("1e400")),
        lambda: optim.RMSProp(decay=True),
        lambda: Plateau(factor=np.inf),
        lambda: Step(at=np.array([np.nan])),
        lambda: Step(at=np.array([[0.5]])),
        lambda: Step(at=(0.5, 1.5)),
        lambda: Step(factor=-1),
    ],
)
def test_objects_refuse_what_could_not_be_saved(make):
    with pytest.raises((ValueError, TypeError), match=r"^(beta1|eps|decay|factor|at)\b.* (must|has) "):
        make()


def test_the_name_of_a_setting_is_not_shown_whole(model):
    with pytest.raises(TypeError, match=r"^CharRNN\.sample\(\) got an unexpected keyword argument 'yyy") as caught:
        model.sample(3, **{"y" * 100_000: 1})
    assert len(str(caught.value)) < 500
