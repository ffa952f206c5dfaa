"""What happens before all other imports."""

import signal
import sys

import pytest

from pycharrnn.beginning import end_at_once


@pytest.mark.parametrize(
    ("argv", "original", "is_command"),
    [
        (["-m"], ["python", "-m", "pycharrnn", "train"], True),
        (["/usr/bin/pycharrnn", "train"], ["python", "/usr/bin/pycharrnn", "train"], True),
        (["other.py", "-m", "pycharrnn"], ["python", "other.py", "-m", "pycharrnn"], False),
        (["-m"], ["python", "-m", "other"], False),
        ([], ["python"], False),
    ],
)
def test_only_the_command_changes_what_an_interrupt_does(monkeypatch, argv, original, is_command):
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", original)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert end_at_once() == is_command
        assert signal.getsignal(signal.SIGINT) is (signal.SIG_DFL if is_command else signal.default_int_handler)
    finally:
        signal.signal(signal.SIGINT, before)
