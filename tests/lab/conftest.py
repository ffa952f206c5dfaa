"""Fixtures for the tests of what is seen."""

import pytest
import quoted


@pytest.fixture(scope="session")
def quoter():
    """An LSTM trained on a text with quotes; tests must not change it."""
    return quoted.trained()
