"""What stands in a corpus: the index against a search that tries everything."""

import random

import numpy as np
import pytest

from pycharrnn.sampling.novelty import NoveltyIndex, suffixes

TEXTS = [
    "",
    "a",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "abababababababababababababababababababab",
    "the cat sat on the mat. the cat sat on the hat. that was that.",
    "\U0010ffff\U0010ffff\x00\ud800\udfff e\u0301 \u202e\U0001f600\U0001f600 \ud800\x00",
]


def drawn(seed, alphabet, n):
    return "".join(random.Random(seed).choices(alphabet, k=n))


DRAWN = [drawn(0, "ab", 500), drawn(1, "abcdefgh", 700), drawn(2, "".join(map(chr, range(40, 400))), 300)]


@pytest.mark.parametrize("text", TEXTS + DRAWN)
def test_suffixes_are_sorted(text):
    assert suffixes(text).tolist() == sorted(range(len(text)), key=lambda i: text[i:])


def longest(text, start, corpus):
    """The longest part of the text from the start that stands in one of the documents."""
    length = 0
    while start + length < len(text) and any(text[start : start + length + 1] in document for document in corpus):
        length += 1
    return length


def covered(text, corpus, n):
    """The characters of the text that lie in a part of n characters of the corpus."""
    found = set()
    for start in range(len(text) - n + 1):
        if any(text[start : start + n] in document for document in corpus):
            found.update(range(start, start + n))
    return found


@pytest.mark.parametrize("n", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("seed", range(12))
def test_spans_are_what_a_search_finds(n, seed):
    """Texts that are cut out of the corpus, and put together with new characters between."""
    draw = random.Random(seed)
    alphabet = "ab" if seed % 3 == 0 else "abcdefg"
    corpus = [drawn(seed + 100 * i, alphabet, draw.randrange(1, 90)) for i in range(4)]
    pieces = []
    for _ in range(9):
        document = draw.choice(corpus)
        at = draw.randrange(len(document))
        pieces += [document[at : at + draw.randrange(15)], drawn(draw.random(), alphabet + "!", draw.randrange(4))]
    text = "".join(pieces)
    index = NoveltyIndex(corpus, n)
    found = index.novelty(text)
    inside = set()
    for span in found.spans:
        copied = text[span.start : span.end]
        assert corpus[span.document].find(copied) == span.place
        assert not any(copied in document for document in corpus[: span.document])
        assert span.end - span.start == longest(text, span.start, corpus) >= n
        inside.update(range(span.start, span.end))
    assert inside == covered(text, corpus, n)
    assert found.copied == len(inside) / max(1, len(text))
    assert found[:2] == (n, len(text))
    for one, other in zip(found.spans, found.spans[1:], strict=False):
        assert one.start < other.start
        assert one.end < other.end
        assert one.end - other.start < n


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("whole", [True, False])
def test_what_is_forbidden_would_complete_a_span(n, whole):
    corpus = drawn(n, "abcd", 60) if whole else [drawn(n + i, "abcd", 20) for i in range(4)] + ["x"]
    documents = [corpus] if whole else corpus
    index = NoveltyIndex(corpus, n)
    for seed in range(300):
        context = drawn(seed, "abcde", seed % 12)
        expected = sorted(
            c
            for c in "abcdex"
            if len(context) >= n - 1 and any((context + c)[-n:] in document for document in documents)
        )
        assert index.forbidden(context) == "".join(expected)


def test_a_text_that_avoids_what_is_forbidden_has_no_span():
    corpus, draw = drawn(0, "abcd", 3000), random.Random(1)
    index, text = NoveltyIndex(corpus, n=4), ""
    while len(text) < 2000:
        free = sorted(set("abcde") - set(index.forbidden(text)))
        text += draw.choice(free)
    assert index.novelty(text).spans == ()
    assert NoveltyIndex(corpus, n=3).novelty(text).spans


def test_no_span_reaches_from_one_document_into_the_next():
    index = NoveltyIndex(["abc", "def"], n=4)
    border = "\U0010ffff"  # what the index puts between them
    for text in ("abcdef", f"abc{border}def", f"c{border}def"):
        assert index.spans(text) == ()
    assert NoveltyIndex(["abc", "def"], n=2).forbidden("c") == ""
    assert NoveltyIndex(["abc", "def"], n=2).forbidden(border) == ""
    assert NoveltyIndex(["ab", ""], n=1).forbidden("") == "ab"
    assert [span.document for span in NoveltyIndex(["abc", "", "def"], n=3).spans("def abc")] == [2, 0]


def test_hostile_characters_are_characters():
    corpus = TEXTS[-1]
    index = NoveltyIndex(corpus, n=3)
    (span,) = index.spans("x" + corpus[2:9] + "y")
    assert span == (1, 8, 2, None)


def test_a_copy_of_all_of_a_large_corpus_is_found_at_once():
    corpus = drawn(0, "ab", 50_000) * 4  # with repetitions of 150,000 characters
    (span,) = NoveltyIndex(corpus).spans(corpus)
    assert span[:3] == (0, 200_000, 0)
    assert NoveltyIndex("").spans("a" * 30) == NoveltyIndex("a" * 30).spans("") == ()
    assert np.array_equal(suffixes(""), [])


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"corpus": 5}, TypeError, "^corpus must be a text or a sequence of texts, got int"),
        ({"corpus": ["a", 5]}, TypeError, "^corpus must be a text or a sequence of texts, got list"),
        ({"corpus": "a", "n": 0}, ValueError, "^n must be"),
        ({"corpus": "a", "n": 2.5}, TypeError, "^n must be"),
    ],
)
def test_arguments_are_checked(given, error, message):
    with pytest.raises(error, match=message):
        NoveltyIndex(**given)


def test_an_index_that_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr("pycharrnn.network.memory.free_memory", lambda: 1000)
    with pytest.raises(MemoryError, match=r"^an index of the corpus would take"):
        NoveltyIndex("a" * 5_000_000)
