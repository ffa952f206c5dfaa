"""Properties of losses, probabilities and rankings."""

import numpy as np
import pytest
from drawn import document_models, few_documents, models, texts
from hypothesis import given
from hypothesis import strategies as st


@given(models, texts)
def test_bits_are_nats_over_the_logarithm_of_two(model, text):
    assert np.allclose(model.surprise(text, "bits") * np.log(2), model.surprise(text), rtol=1e-6)


@given(models, texts)
def test_log_proba_is_the_negative_sum_of_surprise(model, text):
    total = -np.nansum(model.surprise(text, exact=True))
    assert model.log_proba(text, exact=True) == pytest.approx(total, rel=1e-5, abs=1e-6)


@given(models, texts.filter(lambda text: len(text) > 1))
def test_evaluate_is_the_mean_of_surprise(model, text):
    mean = np.nanmean(model.surprise(text, exact=True))
    assert model.evaluate(text, exact=True).nats == pytest.approx(mean, rel=1e-5)


@given(models, texts.filter(lambda text: len(text) > 1))
def test_score_is_the_negative_loss(model, text):
    assert model.score(text) == -model.evaluate(text).nats


@given(models, texts.filter(lambda text: len(text) > 1))
def test_perplexity_and_bits_are_those_of_the_nats(model, text):
    found = model.evaluate(text)
    assert found.bits == pytest.approx(found.nats / np.log(2))
    assert found.perplexity == pytest.approx(np.exp(found.nats))


@given(document_models, few_documents, st.randoms(use_true_random=False))
def test_the_order_of_documents_changes_no_loss(model, documents, random):
    mixed = random.sample(documents, len(documents))
    assert model.evaluate(mixed).nats == pytest.approx(model.evaluate(documents).nats, rel=1e-5)


@given(document_models, few_documents)
def test_each_document_is_read_on_its_own(model, documents):
    alone = [model.log_proba(text, exact=True) for text in documents]
    assert np.allclose(model.log_proba(documents, exact=True), alone, rtol=1e-5)


@given(document_models, few_documents)
def test_a_ranking_is_a_sorted_permutation(model, documents):
    ranked = model.rank(documents)
    losses = [entry.nats for entry in ranked]
    assert sorted(entry.text for entry in ranked) == sorted(documents)
    assert losses == sorted(losses)


@given(models, texts, texts)
def test_what_comes_later_changes_no_surprise_before(model, text, more):
    longer = model.surprise(text + more, exact=True)[: len(text) - 1]  # the first character has none
    assert np.allclose(longer, model.surprise(text, exact=True), rtol=1e-5, equal_nan=True)


@given(models, texts.filter(lambda text: len(text) > 1))
def test_a_window_longer_than_the_text_changes_nothing(model, text):
    assert model.evaluate(text, window=1000).nats == pytest.approx(model.evaluate(text).nats, rel=1e-5)
