"""The corpora by name."""

from __future__ import annotations

import doctest
import sys

import pytest

from pycharrnn import datasets


def test_topics_is_a_real_corpus_of_english() -> None:
    text = datasets.topics()
    assert len(text) > 100_000
    assert 60 < len(set(text)) < 200
    assert sum(c.isascii() for c in text) > 0.99 * len(text)
    assert sum(text.count(word) for word in (" the ", " is ", " of ")) > 5_000
    assert not set(text) & {"\r", "\t", "\x00"}


def test_topics_come_sorted_with_one_blank_line_between(monkeypatch: pytest.MonkeyPatch) -> None:
    from pydoc_data import topics as module

    monkeypatch.setattr(
        module, "topics", {"b": "\nsecond\n\nhalf\n\n", "a": "first\n", "c": "  third\n  |a |b |\n  +--+--+"}
    )
    assert datasets.topics() == "first\n\nsecond\n\nhalf\n\n  third\n"


def test_topics_is_the_same_every_time() -> None:
    assert datasets.topics() == datasets.topics() == datasets.load("topics")


def test_a_python_without_pydoc_data_gets_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(ImportError, match=r"lacks the module pydoc_data, .* or train on a text of your own"):
        datasets.load("topics")


def test_every_name_loads() -> None:
    assert "topics" in datasets.names()
    for name in datasets.names():
        assert len(datasets.load(name)) > 0


@pytest.mark.parametrize("name", ["", "Topics", "shakespeare", "\u00c6", None, 5, ["topics"]])
def test_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match=r"^unknown corpus .*; the known ones are: topics") as caught:
        datasets.load(name)
    assert ascii(name) in str(caught.value)


def test_another_corpus_slots_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(datasets.NAMES, "tiny", lambda: "abc")
    assert datasets.names() == ("topics", "tiny")
    assert datasets.load("tiny") == "abc"


def test_the_examples_run() -> None:
    result = doctest.testmod(datasets)
    assert (result.failed, result.attempted) == (0, 3)
