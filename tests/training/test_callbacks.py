"""Texts written in training."""

import pytest

from pycharrnn import CharRNN, SampleText


def test_sample_text_prints(text, capsys):
    CharRNN(hidden_size=8, max_updates=20, random_state=0).fit(text, callbacks=[SampleText(10, 15)])
    out = capsys.readouterr().out
    assert out.startswith("--- update 0\n")
    assert "--- update 10, smooth loss " in out
    assert "--- update 20, smooth loss " in out


@pytest.mark.parametrize("every", [0, -1, 1.5, True, "10"])
def test_sample_text_refuses_a_bad_period(every):
    with pytest.raises((ValueError, TypeError), match=r"^every must be (an integer|at least 1)"):
        SampleText(every)
