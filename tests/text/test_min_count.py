"""Rare characters, read as one."""

import warnings

import numpy as np
import pytest

from pycharrnn import CharRNN, UnknownCharacterError, cli
from pycharrnn.text.vocabulary import Vocabulary

TEXT = "the cat sat on the mat. " * 30 + "老漢騎驢" + "驢驢"  # three characters once, one three times
SMALL = {"hidden_size": 8, "max_updates": 20, "random_state": 0}
FOLDED = r"3 of 15 characters occur fewer than 2 times and are read as U\+FFFD$"


def folded(min_count=2, text=TEXT, **parameters):
    with pytest.warns(UserWarning, match="are read as"):
        return CharRNN(**SMALL | parameters, min_count=min_count).fit(text)


def test_a_vocabulary_without_rare_characters():
    assert list(Vocabulary.from_text("abbccc", 1)) == ["a", "b", "c"]
    for min_count, kept, rare in ((2, "bc", 1), (3, "c", 2)):
        with pytest.warns(UserWarning, match=rf"^{rare} of 3 characters occur fewer than {min_count} times"):
            assert list(Vocabulary.from_text("abbccc", min_count)) == [*kept, "\ufffd"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(Vocabulary.from_text("aabb", 2)) == ["a", "b"]
        assert list(Vocabulary.from_text("abz", 9, Vocabulary.from_text("zab"))) == ["a", "b", "z"]
    with pytest.warns(UserWarning, match="1 of 2"):
        assert Vocabulary.from_text(["aa", "b"], 2).n_symbols == 3
    with pytest.raises(ValueError, match=r"min_count must be at most 3, as often as the commonest .*, got 4$"):
        Vocabulary.from_text("abbccc", 4)


def test_u_fffd_that_is_rare_itself_stays():
    with pytest.warns(UserWarning, match="2 of 4 characters"):
        assert list(Vocabulary.from_text("aabb\ufffdc", 2)) == ["a", "b", "\ufffd"]
    with pytest.warns(UserWarning, match="1 of 3 characters"):
        assert list(Vocabulary.from_text("aabb\ufffd", 2)) == ["a", "b", "\ufffd"]


def test_rare_characters_are_trained_on_as_u_fffd():
    with pytest.warns(UserWarning, match=rf"^{FOLDED}"):
        model = CharRNN(**SMALL, min_count=2).fit(TEXT)
    read = "".join(character if TEXT.count(character) > 1 else "\ufffd" for character in TEXT)
    other = CharRNN(**SMALL).fit(read)
    assert model.vocabulary_ == other.vocabulary_
    for name, array in model.params_.items():
        np.testing.assert_array_equal(array, other.params_[name])


@pytest.mark.parametrize("on_unknown", ["raise", "replace"])
def test_other_texts_are_read_so_too(on_unknown):
    model = folded().set_params(on_unknown=on_unknown)
    assert model.evaluate("the 老 cat") == model.evaluate("the \ufffd cat")
    assert model.evaluate(TEXT).n_characters == len(TEXT) - 1
    assert model.sample(5, prompt="老", random_state=0) == model.sample(5, prompt="\ufffd", random_state=0)
    assert model.set_params(on_unknown="skip").evaluate("the 老 cat") == model.evaluate("the  cat")


def test_validation_texts_are_read_as_the_training_text_is():
    with pytest.warns(UserWarning, match="are read as"):
        model = CharRNN(**SMALL, min_count=2).fit(TEXT, validation="the 老 cat sat on the 馬")
    assert model.best_.validation_loss is not None
    assert folded(validation_fraction=0.2, text=TEXT[::-1]).best_.validation_loss is not None
    with pytest.raises(UnknownCharacterError):  # nothing was folded: nothing stands for it
        CharRNN(**SMALL, min_count=2).fit("ab ? " * 20, validation="a z")


def test_documents():
    names = ["anna", "bob", "hannah"] * 9 + ["zoë"]
    model = folded(text=names)
    assert list(model.vocabulary_) == ["a", "b", "h", "n", "o", "\ufffd"]
    assert model.vocabulary_.n_symbols == 7
    assert len(model.sample(n_samples=4, length=5, random_state=0)) == 4
    assert model.set_params(on_unknown="replace").evaluate(["zoë"]) == model.evaluate(["\ufffdo\ufffd"])


def test_training_on_adds_what_is_not_rare():
    model = folded()
    with (
        pytest.warns(UserWarning, match=r"^2 of \d+ characters occur fewer than 2 times"),  # not the full stop
        pytest.warns(UserWarning, match=r"grown by 3, to 16 characters: 'd', 'x', '\\u6f22'$"),
    ):
        model.partial_fit("the xxxx and the 馬 and 漢漢. z")
    assert "漢" in model.vocabulary_
    assert "x" in model.vocabulary_
    assert not {"馬", "z"} & set(model.vocabulary_)
    assert model.set_params(on_unknown="replace").partial_fit("the 馬").vocabulary_ is not None


def test_characters_that_a_model_knows_are_never_rare():
    model = CharRNN(**SMALL, min_count=2).fit("aabbccdd" * 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.partial_fit("abcd")
    assert list(model.vocabulary_) == ["a", "b", "c", "d"]


def test_files_keep_it(tmp_path):
    model = folded()
    model.save(tmp_path / "model")
    again = CharRNN.load(tmp_path / "model")
    assert again.min_count == 2
    assert again.vocabulary_ == model.vocabulary_
    assert again.sample(50, random_state=1) == model.sample(50, random_state=1)


@pytest.mark.parametrize("value", [0, -1, 1.5, "2", None, True, 2**40])
def test_what_it_may_be(value):
    with pytest.raises((TypeError, ValueError), match="min_count"):
        CharRNN(min_count=value).fit(TEXT)


@pytest.mark.filterwarnings("default")
def test_the_command_line_says_how_many(tmp_path, capfd):
    (tmp_path / "text").write_text(TEXT, encoding="utf-8")
    command = ["train", str(tmp_path / "text"), "--min-count", "2", "--max-updates", "5", "-o", str(tmp_path / "model")]
    assert cli.main(command) == 0
    assert "3 of 15 characters occur fewer than 2 times and are read as U+FFFD\n" in capfd.readouterr().err
    assert cli.main(["eval", str(tmp_path / "model"), str(tmp_path / "text"), "--on-unknown", "replace"]) == 0
    assert cli.main([*command[:3], "10000"]) == 2
    assert "--min-count must be at most" in capfd.readouterr().err
