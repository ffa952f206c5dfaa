"""Budgets: what ends a training."""

import pytest

from pycharrnn import CharRNN
from pycharrnn.training.budget import Budget


def test_a_budget_comes_from_a_models_parameters():
    model = CharRNN(epochs=4, max_seconds=25.0)
    assert Budget.of(model.get_params()) == Budget(epochs=4, max_seconds=25.0)
    assert Budget.of(model.get_params() | {"epochs": None}) == Budget(max_seconds=25.0)


@pytest.mark.parametrize(("limits", "words", "updates"), [
    ({"epochs": 4}, "4 epochs", 400),
    ({"epochs": 4, "max_updates": 1000}, "1,000 updates or 4 epochs", 400),
    ({"epochs": 40, "max_updates": 1000}, "1,000 updates or 40 epochs", 1000),
    ({"max_seconds": 2.5}, "2.5 s", None),
    ({"epochs": 1, "max_updates": 2, "max_seconds": 3.0}, "3 s or 2 updates or 1 epochs", 2),
])  # fmt: skip
def test_the_nearest_limit_counts(limits, words, updates):
    assert str(Budget(**limits)) == words
    assert Budget(**limits).updates(100) == updates


def test_a_training_has_to_end():
    with pytest.raises(ValueError, match="training would never end"):
        Budget()
