"""The choice of a network for a text, a time and the speed of a machine."""

import inspect
import time

import pytest

from pycharrnn import CharRNN, choosing
from pycharrnn.choosing import choose_for
from pycharrnn.cli import main
from pycharrnn.parameters import Parameters
from pycharrnn.presets import CHOSEN
from pycharrnn.recipes import LONG, QUICK, SHORT, Subject, choose
from pycharrnn.text.corpus import Corpus

TEXT = "to be or not to be, that is the question: whether it is nobler in the mind. " * 400


@pytest.fixture
def machine(monkeypatch):
    """A machine that does so many products a second, whatever the network; it notes what is measured."""

    class Machine:
        products = 1e9

        def __init__(self):
            self.measured = []

        def speed(self, architecture, rule, ids, batch_size, n_threads, max_seconds):
            self.measured.append((architecture.hidden_size, max_seconds))
            gathered = architecture.shapes["U"][0] * architecture.n_symbols
            return self.products / (architecture.n_parameters - gathered)

    machine = Machine()
    monkeypatch.setattr(choosing, "characters_per_second", machine.speed)
    return machine


def chosen(seconds, text=TEXT, **params):
    return choose_for(CharRNN(auto=True, max_seconds=seconds, **params), Corpus.learn(text), time.perf_counter())


def size(found):
    return found["num_layers"] * found["hidden_size"] ** 2


def test_more_time_or_a_faster_machine_gives_a_larger_network(machine):
    long = TEXT * 30
    sizes = [size(chosen(seconds, long)) for seconds in (30, 300, 3_000, 30_000)]
    assert sizes == sorted(set(sizes))
    machine.products *= 100
    assert size(chosen(30, long)) == sizes[2]


def test_a_text_that_is_read_more_often_is_regularised_more(machine):
    rates = [chosen(300, TEXT * n)["dropout"] for n in (100, 10, 1)]
    assert rates == sorted(set(rates))
    assert chosen(300)["ema_decay"] > 0.9
    assert chosen(300, TEXT * 100)["ema_decay"] == 0.0


def test_measuring_takes_a_small_share_of_the_time(machine, monkeypatch):
    chosen(100)
    assert machine.measured
    assert all(most <= 0.02 * 100 / 3 for _, most in machine.measured)
    machine.measured.clear()
    monkeypatch.setattr(machine, "speed", lambda *given, speed=machine.speed: time.sleep(0.3) or speed(*given))
    monkeypatch.setattr(choosing, "characters_per_second", machine.speed)
    chosen(1)  # the first measurement has taken all the time that there is
    assert len(machine.measured) == 1


@pytest.mark.parametrize("recipes", [QUICK, SHORT, LONG])
def test_each_recipe_needs_more_than_the_one_before(recipes):
    for n_characters in (10**4, 10**6, 10**8):
        needs = [recipe.needs(n_characters) for recipe in recipes]
        assert needs == sorted(needs)
    for recipe in recipes:
        CharRNN(**recipe.parameters)  # parameters that exist


def test_networks_that_are_far_too_large_are_not_measured(machine):
    found = chosen(30, TEXT * 30)
    assert max(hidden_size for hidden_size, _ in machine.measured) <= 2 * found["hidden_size"]


def test_it_chooses_what_it_says(machine):
    for text in (TEXT, TEXT * 100):
        assert chosen(10, text).keys() == CHOSEN


def test_what_is_given_stays(machine):
    model = CharRNN.preset("auto", max_seconds=0.3, cell="gru", hidden_size=7, dropout=0.25, random_state=0).fit(TEXT)
    assert (model.chosen_["cell"], model.chosen_["hidden_size"], model.chosen_["dropout"]) == ("gru", 7, 0.25)
    assert model.params_["W"].shape == (21, 7)
    assert model.chosen_["batch_size"] == 16


@pytest.mark.parametrize(
    "given",
    [
        {"cell": "rnn"},
        {"num_layers": 1},
        {"cell": "lstm", "hidden_size": 100},
        {"optimizer": "adagrad", "learning_rate": None, "hidden_size": 9},
        {"seq_length": 25, "batch_size": 1, "epochs": 4, "clip_value": 5.0},
    ],
)
def test_defaults_that_are_given_stay(machine, tmp_path, given):
    model = CharRNN.preset("auto", max_seconds=0.3, random_state=0, **given)
    assert set(model.auto) == CHOSEN - given.keys()
    model.fit(TEXT)
    kept = {name: value for name, value in given.items() if name != "epochs"}  # it becomes a number of updates
    assert {name: model.chosen_[name] for name in kept} == kept
    assert model.chosen_["clip_norm"] == 64.0
    assert CharRNN(**model.chosen_).fit(TEXT).chosen_ == model.chosen_
    model.save(tmp_path / "m")
    assert CharRNN.load(tmp_path / "m").get_params() == model.chosen_ | {"verbose": None}
    model.partial_fit(TEXT)


def test_defaults_on_the_command_line_stay(machine, tmp_path, capsys):
    (tmp_path / "t").write_text(TEXT)
    path = str(tmp_path / "m")
    given = ["train", str(tmp_path / "t"), "-o", path, "--sample", "0", "--minutes", "0.01", "--cell", "rnn"]
    assert main([*given, "--num-layers", "1"]) == 0
    loaded = CharRNN.load(path)
    assert (loaded.cell, loaded.num_layers, loaded.optimizer) == ("rnn", 1, "adam")


def numbers(given, seconds=60.0, n=10**6, products=2.5e10):
    """The choice for a text of so many characters on a machine of so many products a second."""
    params = Parameters(max_seconds=seconds, auto=sorted(CHOSEN - given.keys()), **given)

    def speed(tried, most):
        layers = {"rnn": 1, "gru": 3, "lstm": 4}[tried.cell] * (2 * tried.num_layers - 1)
        return products / (layers * tried.hidden_size**2 + 65 * tried.hidden_size)

    return choose(params, Subject(n, 65, False), seconds, speed)


def test_what_is_given_constrains_the_rest():
    rates = {128: 0.009, 100: 0.01, 64: 0.012, 400: 0.005}
    for hidden_size, rate in rates.items():  # the rate of the recipe of that size, not of the one that time allows
        assert numbers({"cell": "gru", "num_layers": 2, "hidden_size": hidden_size}, 2.0)["learning_rate"] == rate
    sizes = [
        [numbers({"cell": cell}, seconds)["hidden_size"] for seconds in range(2, 60, 2)] for cell in ("gru", "lstm")
    ]
    assert sum(sizes[0]) > sum(sizes[1])  # an LSTM of the same size takes longer
    assert numbers({"hidden_size": 64})["dropout"] > numbers({"hidden_size": 384})["dropout"]  # it reads more
    often = numbers({"seq_length": 128}, 3600.0)
    assert 1 - often["ema_decay"] > 1.5 * (1 - numbers({}, 3600.0)["ema_decay"])  # half as many updates are averaged


@pytest.mark.parametrize(
    ("auto", "error", "message"),
    [
        ("cell", ValueError, "auto must be True, False or a list of names of parameters, got 'cell'"),
        (1.5, TypeError, "auto must be True, False or a list"),
        (["cel"], ValueError, r"auto must be one of .*did you mean 'cell'"),
        (["max_seconds"], ValueError, "auto must be one of"),
        ([3], ValueError, "auto must be one of"),
    ],
)
def test_what_auto_cannot_be(auto, error, message):
    with pytest.raises(error, match=message):
        CharRNN(auto=auto, max_seconds=0.1).fit(TEXT)


def test_fit_changes_no_parameter(machine):
    model = CharRNN.preset("auto", max_seconds=0.3, random_state=0)
    before = model.get_params()
    assert model.fit(TEXT).get_params() == before
    assert set(model.chosen_) == set(before)
    assert not model.chosen_["auto"]


def test_what_was_chosen_repeats_the_training_without_a_clock(machine):
    model = CharRNN.preset("auto", max_seconds=0.5, schedule="constant", random_state=0).fit(TEXT)
    assert model.chosen_["max_seconds"] is None
    assert model.chosen_["auto"] is False
    again = CharRNN(**model.chosen_).fit(TEXT)
    assert again.n_updates_ == model.n_updates_
    assert again.chosen_ == model.chosen_
    assert again.history_.loss.tobytes() == model.history_.loss.tobytes()


def test_the_file_has_what_was_chosen(machine, tmp_path):
    model = CharRNN.preset("auto", max_seconds=0.3, random_state=0).fit(TEXT)
    model.save(tmp_path / "m")
    loaded = CharRNN.load(tmp_path / "m")
    assert loaded.get_params() == model.chosen_ | {"verbose": None}
    assert loaded.evaluate(TEXT) == model.evaluate(TEXT)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()


def test_training_on_keeps_the_choice(machine):
    model = CharRNN.preset("auto", max_seconds=0.3, random_state=0).fit(TEXT)
    shapes, n = {name: array.shape for name, array in model.params_.items()}, model.n_updates_
    model.partial_fit(TEXT)
    assert {name: array.shape for name, array in model.params_.items()} == shapes
    assert model.n_updates_ > n
    assert model.chosen_["batch_size"] > 1


def test_a_callback_sees_the_parameters_in_use(machine):
    seen = []
    CharRNN.preset("auto", max_seconds=0.3, random_state=0).fit(
        TEXT, callbacks=[lambda run: seen.append(run.parameters)]
    )
    assert seen[0]["batch_size"] == 16
    assert not seen[0]["auto"]


def test_without_a_time_limit_there_is_nothing_to_choose_for():
    with pytest.raises(ValueError, match="max_seconds must be given with auto"):
        CharRNN(auto=True).fit(TEXT)


@pytest.mark.parametrize("text", ["ab", "to be or not to be", ["anna", "bob"], ["anna", "bob", "carl"] * 50])
def test_any_text(text):
    model = CharRNN.preset("auto", max_seconds=0.2, random_state=0).fit(text)
    assert model.n_updates_ > 0
    assert model.sample(5) is not None


def test_the_real_clock():
    found = chosen(1.0)
    assert found["hidden_size"] >= 64


def test_minutes(machine, tmp_path, capsys):
    (tmp_path / "t").write_text(TEXT)
    path = str(tmp_path / "m")
    assert main(["train", str(tmp_path / "t"), "--minutes", "0.01", "-o", path, "--sample", "0"]) == 0
    assert "training a GRU of" in capsys.readouterr().err
    assert CharRNN.load(path).batch_size == 16
    (tmp_path / "other").write_text(TEXT[::-1])  # which there is something to learn from
    assert main(["train", "--model", path, str(tmp_path / "other"), "--minutes", "0.01", "--sample", "0"]) == 0
    assert main(["train", str(tmp_path / "t"), "--minutes", "1", "--max-seconds", "9"]) == 2
    assert "--minutes and --max-seconds are both time limits" in capsys.readouterr().err
    for bad in ("0", "nan", "-1", "soon"):
        assert main(["train", str(tmp_path / "t"), "--minutes", bad]) == 2
        assert "--minutes" in capsys.readouterr().err


def test_auto_is_a_parameter_like_any_other():
    assert "auto" in inspect.signature(CharRNN).parameters
    with pytest.raises(ValueError, match="auto must be True, False or a list of names of parameters, got 'yes'"):
        CharRNN(auto="yes").fit(TEXT)


def test_n_grams_take_part_where_a_text_chooses_their_share(machine):
    assert chosen(20.0)["ngram_order"] == 7
    assert chosen(20.0, TEXT * 4)["ngram_order"] == 9
    assert chosen(20.0, "too short " * 9)["ngram_order"] is None
    nothing_held_out = choose_for(
        CharRNN.preset("auto", max_seconds=20.0, validation_fraction=0.0), Corpus.learn(TEXT), time.perf_counter()
    )
    assert nothing_held_out["ngram_order"] is None
    alone = CharRNN.preset("auto", max_seconds=0.4, ngram_order=None, random_state=0, verbose=False).fit(TEXT)
    assert (alone.ngram_share_, alone.chosen_["ngram_order"]) == (None, None)
    mixed = CharRNN.preset("auto", max_seconds=0.4, random_state=0, verbose=False).fit(TEXT)
    assert mixed.chosen_["ngram_order"] == 7
    assert 0 <= mixed.ngram_share_ <= 1
