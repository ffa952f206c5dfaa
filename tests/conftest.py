"""Fixtures for all tests, which test the installed package."""

import itertools
import os
import signal
import sys
from pathlib import Path

root = Path(__file__).resolve().parents[1]
if not list(
    root.glob("pycharrnn/_kernels*.so")
):  # a checkout that is not compiled must not shadow the installed package
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != root]
    os.environ["PYTHONSAFEPATH"] = "1"  # and for the processes that tests start

import numpy as np  # noqa: E402
import pytest  # noqa: E402

from pycharrnn import CharRNN, _kernels  # noqa: E402

TEXT = "".join(f"{a} {b}, said the {c}.\n" for a, b, c in itertools.product(
    ("to be", "or not", "that is", "whether"), ("nobler", "in the mind", "to suffer"), ("slings", "arrows", "sea")
))  # fmt: skip


def pytest_configure() -> None:
    """Take signals that whoever started the tests ignores, as shells do for what runs in the background."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)


@pytest.fixture
def text():
    """Some hundred characters of something like English."""
    return TEXT


@pytest.fixture(scope="session")
def model():
    """A small trained model; tests must not change it."""
    return CharRNN(hidden_size=24, max_updates=300, epochs=None, random_state=1, verbose=False).fit(TEXT)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


SETS = [name for name in _kernels.simd_names() if _kernels.simd_supported(name)]


@pytest.fixture(params=SETS)
def simd(request):
    """Each instruction set of this processor in turn."""
    before = _kernels.simd_selected()
    _kernels.simd_select(request.param)
    yield request.param
    _kernels.simd_select(before)
