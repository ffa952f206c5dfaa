"""Properties of vocabularies and of documents in files."""

import csv
import io
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from drawn import any_texts, few_documents
from hypothesis import assume, given
from hypothesis import strategies as st

from pycharrnn import NoveltyIndex, UnknownCharacterError, Vocabulary, read_documents

written = st.lists(st.text("aé\"',;\t中 x", min_size=1, max_size=9).filter(str.strip), min_size=2, max_size=5)


def read(name, content, **how):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content.encode())
        return list(read_documents(path, **how))


@given(any_texts)
def test_a_text_comes_back(text):
    vocabulary = Vocabulary.from_text(text)
    assert vocabulary.decode(vocabulary.encode(text)) == text


@given(any_texts)
def test_the_vocabulary_is_the_sorted_set_of_the_characters(text):
    assert Vocabulary.from_text(text).code_points.tolist() == sorted(set(map(ord, text)))


@given(any_texts)
def test_an_id_is_the_rank_of_its_character(text):
    order = sorted(set(text))
    assert Vocabulary.from_text(text).encode(text).tolist() == [order.index(character) for character in text]


@given(any_texts, any_texts)
def test_encoding_two_texts_is_encoding_both_at_once(first, second):
    vocabulary = Vocabulary.from_text(first + second)
    both = np.concatenate([vocabulary.encode(first), vocabulary.encode(second)])
    assert np.array_equal(vocabulary.encode(first + second), both)


@given(any_texts, any_texts)
def test_unknown_characters_raise_unless_all_are_known(known, text):
    vocabulary = Vocabulary.from_text(known)
    if set(text) <= set(known):
        assert vocabulary.decode(vocabulary.encode(text)) == text
    else:
        with pytest.raises(UnknownCharacterError):
            vocabulary.encode(text)


@given(any_texts, any_texts)
def test_skipping_leaves_the_known_characters(known, text):
    vocabulary = Vocabulary.from_text(known)
    expected = "".join(character for character in text if character in known)
    assert vocabulary.decode(vocabulary.encode(text, "skip")) == expected


@given(any_texts, any_texts)
def test_replacing_keeps_the_length_and_writes_the_replacement(known, text):
    vocabulary = Vocabulary.from_text(known + "\ufffd")
    expected = "".join(character if character in known else "\ufffd" for character in text)
    assert vocabulary.decode(vocabulary.encode(text, "replace")) == expected


@given(few_documents)
def test_each_document_ends_with_the_symbol_of_its_own(documents):
    vocabulary = Vocabulary.from_text(documents)
    assert np.count_nonzero(vocabulary.encode(documents) == vocabulary.end) == len(documents) + 1


@given(written)
def test_json_documents_come_back(documents):
    assert read("some.json", json.dumps([{"text": text} for text in documents]), format="json") == documents


@given(written)
def test_jsonl_documents_come_back(documents):
    lines = "".join(json.dumps({"text": text}) + "\n" for text in documents)
    assert read("some.jsonl", lines, format="jsonl") == documents


@given(written)
def test_csv_documents_come_back(documents):
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["text", "n"], *([text, 1] for text in documents)])
    assert read("some.csv", file.getvalue(), format="csv", delimiter=",") == documents


@given(written)
def test_tsv_documents_come_back(documents):
    assume(not any("\t" in text for text in documents))
    lines = "".join(f"1\t{text}\n" for text in documents)
    assert read("some.tsv", "n\ttext\n" + lines, format="tsv") == documents


@given(written)
def test_lines_come_back(documents):
    assert read("some.txt", "\n".join(documents), format="lines") == documents


@given(written)
def test_paragraphs_come_back(documents):
    assert read("some.txt", "\n\n".join(documents), format="paragraphs") == documents


@given(st.text("ab", min_size=4, max_size=40), st.text("abc", max_size=40), st.integers(1, 5))
def test_spans_are_the_maximal_runs_of_the_corpus(corpus, text, n):
    copied = [False] * len(text)
    for start in range(len(text) - n + 1):
        if text[start : start + n] in corpus:
            copied[start : start + n] = [True] * n
    novelty = NoveltyIndex(corpus, n=n).novelty(text)
    covered = [False] * len(text)
    for span in novelty.spans:
        assert text[span.start : span.end] in corpus
        covered[span.start : span.end] = [True] * (span.end - span.start)
    assert covered == copied


@given(st.text("ab", min_size=4, max_size=30), st.text("ab", max_size=10), st.integers(1, 4))
def test_forbidden_are_the_characters_that_complete_a_copy(corpus, context, n):
    tail = context[len(context) - n + 1 :] if len(context) >= n - 1 else None
    expected = {c for c in set(corpus) if tail is not None and tail + c in corpus}
    assert set(NoveltyIndex(corpus, n=n).forbidden(context)) == expected


@given(written)
def test_parts_between_separators_come_back(documents):
    assert read("some.txt", "\n%%\n".join(documents), separator="\n%%\n") == documents
