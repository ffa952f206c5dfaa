"""Values that are not quite what a parameter is: NumPy's numbers, classes, callbacks of all kinds."""

import inspect
import pickle
import subprocess
import sys

import numpy as np
import pytest

import pycharrnn
from pycharrnn import CharRNN, optim

TEXT = "hello world. " * 40


@pytest.mark.parametrize(
    "params",
    [
        {"hidden_size": np.int64(8)},
        {"hidden_size": np.int8(100), "seq_length": np.uint8(200)},
        {"num_layers": np.int16(2), "embedding_size": np.int32(5), "dropout": np.float32(0.1)},
        {"label_smoothing": np.float16(0.1), "batch_size": np.uint16(3), "init_scale": np.float32(0.05)},
        {"learning_rate": np.longdouble("0.1"), "clip_norm": np.float64(2.0), "patience": np.int8(3)},
        {"optimizer": optim.Adam(beta1=np.longdouble("0.5")), "random_state": np.int64(5), "n_threads": np.int8(2)},
    ],
    ids=lambda params: ",".join(params),
)
def test_numbers_of_numpy_are_numbers(tmp_path, params):
    model = CharRNN(**{"hidden_size": 8, "max_updates": 3} | params).fit(TEXT)
    model.save(tmp_path / "m")
    loaded = CharRNN.load(tmp_path / "m")
    expected = {name: float(x) if isinstance(x, np.longdouble) else x for name, x in model.get_params().items()}
    assert loaded.get_params() == expected | {"n_threads": None}
    assert loaded.sample(20, random_state=np.int8(1)) == model.sample(np.int16(20), random_state=1)
    assert model.evaluate(TEXT, window=np.int8(100)) == model.evaluate(TEXT, window=100)


def test_small_integers_of_numpy_do_not_overflow():
    wanted = CharRNN(hidden_size=8, epochs=2, random_state=0).fit(TEXT).n_updates_
    assert CharRNN(hidden_size=np.int8(8), epochs=np.int8(2), random_state=0).fit(TEXT).n_updates_ == wanted


class Counting:
    def __init__(self, every, answer=None):
        if every is not None:
            self.every = every
        self.answer = answer
        self.calls = 0

    def __call__(self, run):
        self.calls += 1
        return self.answer


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (print, "callbacks must be a sequence of callables"),
        (None, "callbacks must be a sequence of callables"),
        ([print, 5], r"callbacks\[1\] must be callable, got 5"),
        ([Counting(1.5)], r"callbacks\[0\].every must be an integer, got 1.5"),
        ([Counting("x")], r"callbacks\[0\].every must be an integer, got 'x'"),
        ([Counting(0)], r"callbacks\[0\].every must be at least 1"),
        ([print, Counting(-1)], r"callbacks\[1\].every must be at least 1"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_callbacks_that_cannot_be_called_are_named(callbacks, message, method):
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        getattr(CharRNN(max_updates=9), method)(TEXT, callbacks=callbacks)


@pytest.mark.parametrize("answer", [True, np.True_])
def test_true_from_a_callback_ends_the_training(answer):
    assert CharRNN(max_updates=50).fit(TEXT, callbacks=[Counting(np.int64(4), answer)]).n_updates_ == 0


@pytest.mark.parametrize("answer", [1, "True", np.False_, None])
def test_nothing_else_does(answer):
    callback = Counting(4, answer)
    assert CharRNN(max_updates=9).fit(TEXT, callbacks=[callback]).n_updates_ == 9
    assert callback.calls == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1,), "length must be at least 0"),
        ((None,), "length must be an integer, got None"),
        ((3, 5), "prompt must be one str, not int"),
        ((3, "h", -1), "temperature must be finite and at least 0, got -1"),
        ((3, "h", "x"), "temperature must be a number, got 'x'"),
    ],
)
def test_a_text_of_a_run_is_checked(arguments, message):
    def ask(run):
        with pytest.raises((TypeError, ValueError), match=f"^{message}"):
            run.sample(*arguments)
        asked.append(run.sample(2))

    asked = []
    CharRNN(max_updates=2).fit(TEXT, callbacks=[ask])
    assert asked


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: CharRNN(hiden_size=8), r"^CharRNN.__init__\(\) got an unexpected keyword argument 'hiden_size'"),
        (lambda: CharRNN().sample(5, rng=1), r"^CharRNN.sample\(\) got an unexpected keyword argument 'rng'"),
        (lambda: CharRNN.preset("quick", foo="x"), "^CharRNN has no parameter 'foo'"),
        (lambda: optim.SGD(1), r"^SGD.__init__\(\) takes 1 positional argument"),
        (lambda: optim.Constant(foo=1), r"^Constant.__init__\(\) got an unexpected keyword argument 'foo'"),
    ],
)
def test_errors_of_python_name_the_class_that_users_know(call, named):
    with pytest.raises(TypeError, match=named):
        call()


def test_the_signature_has_types_and_defaults_alone():
    shown = str(inspect.signature(CharRNN))
    assert shown.startswith("(cell: Literal['rnn', 'lstm', ")
    assert " = 'rnn', hidden_size: int = 100, num_layers: int = 1, " in shown
    assert "Annotated" not in shown
    assert "ForwardRef" not in shown

    class Small(CharRNN):
        def __init__(self, cell="gru"):
            super().__init__(cell, hidden_size=8, max_updates=2)

    assert str(inspect.signature(Small)) == "(cell='gru')"
    assert Small().get_params() == {"cell": "gru"}
    assert Small().fit(TEXT).n_updates_ == 2


def test_an_optimizer_may_have_a_constructor_of_its_own(tmp_path):
    class Calm(optim.Adam):
        def __init__(self):
            super().__init__(beta1=0.5)

    model = CharRNN(hidden_size=8, optimizer=Calm(), max_updates=3).fit(TEXT)
    model.save(tmp_path / "m")
    assert CharRNN.load(tmp_path / "m").optimizer == optim.Adam(beta1=0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: optim.Step(at=np.array(0.5)), "at must be a sequence"),
        (lambda: optim.Step(at=""), "at must be a sequence, such as a list, got ''"),
        (lambda: optim.Adam(eps=10**5000), "eps must be finite and above 0, got a int that is too long to show"),
        (lambda: optim.Adam(beta1=np.timedelta64(0)), "beta1 must be a number"),
        (lambda: CharRNN().check_gradients(TEXT, np.array(5)), "seq_lengths must be a sequence"),
        (lambda: CharRNN().check_gradients(TEXT, log=5), "log must be callable or None, got 5"),
        (lambda: CharRNN().loss_and_gradients(5), "text must be one str, not int"),
        (lambda: CharRNN().loss_and_gradients("hello", 5), "targets must be one str, not int"),
        (lambda: CharRNN().loss_and_gradients("", ""), "targets must have a character for each of the text's 0"),
    ],
)
def test_odd_values_are_named(call, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        call()


def test_what_cannot_be_compared_can_be_shown():
    assert repr(CharRNN(hidden_size=np.array([1, 2]))) == "CharRNN(hidden_size=array([1, 2]))"


@pytest.mark.parametrize(
    "code",
    [
        "import pycharrnn; pycharrnn.optim.Adam",
        "import pycharrnn; pycharrnn.datasets.names",
        "import pycharrnn.datasets; pycharrnn.datasets.tinyshakespeare",
        "from pycharrnn.datasets import load",
        "from pycharrnn import *; datasets.load, optim.SGD, read_documents, CharRNN",
    ],
)
def test_public_names_are_there_in_a_new_process(code):
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {"datasets", "optim", "read_documents"} <= set(dir(pycharrnn))


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'pycharrnn' has no attribute 'charrnn'"):
        pycharrnn.charrnn  # noqa: B018


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError, match="the path is a directory or a device; give the name of a file"):
        CharRNN(max_updates=1).fit(TEXT).save(tmp_path)


@pytest.mark.parametrize("name", ["fit", "sample", "score", "save", "check_gradients", "set_params"])
def test_a_method_can_be_pickled(name):
    assert pickle.loads(pickle.dumps(getattr(CharRNN, name))) is getattr(CharRNN, name)


@pytest.mark.parametrize("rate", [1, np.int8(1), 2**40])
def test_rates_may_be_integers(rate):
    """These are too high, which is what is said of them."""
    model = CharRNN(hidden_size=8, max_updates=5, random_state=0).fit(TEXT)
    with pytest.raises(ValueError, match=r"^adapt must be lower for this text"):
        model.evaluate(TEXT, adapt=rate)
    with pytest.raises(ValueError, match=r"^rate must be lower for this text"):
        model.adapt(TEXT, rate)


def test_settings_are_numbers_of_python():
    model = CharRNN(hidden_size=8, max_updates=5, random_state=0).fit(TEXT)
    assert model.sample(np.int8(30), random_state=1) == model.sample(30, random_state=1)
    assert type(pycharrnn.Sampling(length=np.int8(3)).length) is int
    assert type(optim.Adam(beta1=np.float32(0.5)).beta1) is float


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pycharrnn.Vocabulary([97], documents=2**31), "documents must be"),
        (lambda: pycharrnn.Vocabulary([97], documents="no"), "documents must be"),
        (lambda: pycharrnn.Vocabulary.from_text("ab", min_count="2"), "min_count must be"),
        (lambda: pycharrnn.Vocabulary.from_text("ab", known="ab"), "known must be a Vocabulary or None, got 'ab'"),
        (lambda: pycharrnn.Vocabulary.from_text(["ab", 5]), "text must be a list of str, not of int"),
        (lambda: pycharrnn.Vocabulary([97]).encode("a", np.array(["raise", "x"])), "on_unknown must be"),
        (lambda: pycharrnn.datasets.load(np.array([1.0, 2.0])), "unknown corpus"),
        (lambda: pycharrnn.read_documents("a\0b.txt"), "path must be a name that a file can have"),
        (lambda: pycharrnn.read_documents("\ud800"), "path must be a name that a file can have"),
        (lambda: pycharrnn.NoveltyIndex("to be or not", 3).spans(5), "text must be "),
        (lambda: pycharrnn.NoveltyIndex("to be or not", 3).novelty(b"to"), "text must be "),
    ],
)
def test_nonsense_is_told_by_name(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_a_long_name_is_not_repeated():
    with pytest.raises(ValueError, match="unknown corpus") as caught:
        pycharrnn.datasets.load("x" * 50_000)
    assert len(str(caught.value)) < 400
