"""Properties of sampled texts and of sessions."""

import re
from itertools import islice

import numpy as np
import pytest
from drawn import LETTERS, document_models, lengths, models, prompts, seeds, temperatures, texts
from hypothesis import given
from hypothesis import strategies as st

some = st.sets(st.sampled_from(LETTERS), min_size=1, max_size=4).map(lambda found: "".join(sorted(found)))
neutral_settings = st.sampled_from(
    [
        {"top_p": 1.0},
        {"min_p": 0.0},
        {"repetition_penalty": 1.0},
        {"bias": {"a": 0.0}},
        {"top_k": 1000},
        {"allow": LETTERS},
    ]
)


@given(models, prompts, seeds, lengths)
def test_a_seed_gives_one_text(model, prompt, seed, n):
    drawn = model.sample(n, prompt=prompt, random_state=seed)
    assert drawn == model.sample(n, prompt=prompt, random_state=seed)
    assert len(drawn) == n


@given(models, prompts, seeds, lengths)
def test_a_stream_is_a_sample(model, prompt, seed, n):
    stream = model.stream(prompt=prompt, random_state=seed)
    assert "".join(islice(stream, n)) == model.sample(n, prompt=prompt, random_state=seed)


@given(models, prompts, seeds, lengths, lengths)
def test_writing_in_two_parts_is_writing_once(model, prompt, seed, n, m):
    first, second = (model.session(prompt, random_state=seed) for _ in range(2))
    assert first.write(n) + first.write(m) == second.write(n + m)


@given(models, prompts, seeds, lengths, lengths)
def test_a_shorter_text_begins_the_longer_one(model, prompt, seed, n, m):
    long = model.sample(n + m, prompt=prompt, random_state=seed)
    assert model.sample(n, prompt=prompt, random_state=seed) == long[:n]


@given(models, seeds, lengths)
def test_a_session_writes_what_sample_writes(model, seed, n):
    assert model.session(random_state=seed).write(n) == model.sample(n, random_state=seed)


@given(models, texts, texts)
def test_feeding_in_two_parts_is_feeding_once(model, first, second):
    parts = model.session(random_state=0).feed(first).feed(second)
    assert parts.probabilities() == model.session(random_state=0).feed(first + second).probabilities()


@given(models, seeds, lengths, lengths)
def test_restoring_a_snapshot_writes_the_same_again(model, seed, n, m):
    session = model.session(random_state=seed)
    session.write(n)
    moment = session.snapshot()
    first = session.write(m)
    assert session.restore(moment).write(m) == first


@given(models, texts, texts)
def test_undo_takes_back_what_was_fed(model, first, second):
    session = model.session(random_state=0).feed(first)
    before = session.text, session.probabilities()
    session.feed(second).undo()
    assert (session.text, session.probabilities()) == before


@given(models, seeds, texts)
def test_a_branch_leaves_its_session_alone(model, seed, text):
    session = model.session(random_state=seed)
    before = session.text, session.probabilities()
    session.branch().feed(text)
    assert (session.text, session.probabilities()) == before


@given(models, prompts)
def test_probabilities_sum_to_one(model, prompt):
    assert sum(model.session(prompt).probabilities().values()) == pytest.approx(1, abs=1e-6)


@given(models, texts)
def test_probabilities_are_those_of_surprise(model, text):
    session = model.session()
    session.feed(text[0])
    nats = model.surprise(text, exact=True)
    for character, expected in zip(text[1:], nats[-len(text) + 1 :] if len(text) > 1 else [], strict=True):
        assert -np.log(session.probabilities()[character]) == pytest.approx(expected, abs=1e-4)
        session.feed(character)


@given(models, st.lists(prompts, min_size=1, max_size=5), seeds)
def test_texts_after_several_prompts_are_as_many(model, several, seed):
    drawn = model.sample(9, prompt=several, random_state=seed)
    assert [len(text) for text in drawn] == [9] * len(several)


@given(models, prompts, seeds, st.integers(1, 5), st.integers(1, 5))
def test_more_texts_begin_with_the_fewer(model, prompt, seed, k, more):
    many = model.sample(12, prompt=prompt, n_samples=k + more, random_state=seed)
    assert model.sample(12, prompt=prompt, n_samples=k, random_state=seed) == many[:k]


@given(models, st.permutations(["a", "bad", "", "fe d"]))
def test_greedy_texts_follow_their_prompts_in_any_order(model, several):
    assert model.sample(12, prompt=several, temperature=0) == [
        model.sample(12, prompt=prompt, temperature=0) for prompt in several
    ]


@given(models, seeds, lengths, some)
def test_banned_characters_never_come(model, seed, n, ban):
    assert not set(model.sample(n, ban=ban, random_state=seed)) & set(ban)


@given(models, seeds, lengths, some)
def test_only_allowed_characters_come(model, seed, n, allow):
    assert set(model.sample(n, allow=allow, random_state=seed)) <= set(allow)


@given(models, seeds, st.text(LETTERS, min_size=1, max_size=2))
def test_a_stop_cuts_the_text_that_comes_without_it(model, seed, stop):
    whole = model.sample(40, random_state=seed)
    assert model.sample(40, stop=stop, random_state=seed) == whole.split(stop)[0]


@given(document_models, seeds, st.integers(0, 20), st.integers(0, 20))
def test_documents_keep_to_their_bounds(model, seed, least, more):
    drawn = model.sample(least + more, min_length=least, random_state=seed)
    assert least <= len(drawn) <= least + more


@given(models, prompts, seeds, temperatures)
def test_the_best_of_one_is_greedy(model, prompt, seed, temperature):
    greedy = model.sample(20, prompt=prompt, temperature=0, random_state=seed)
    assert model.sample(20, prompt=prompt, top_k=1, temperature=temperature, random_state=seed) == greedy


@given(models, prompts)
def test_greedy_takes_the_likeliest_character(model, prompt):
    found = model.session(prompt).probabilities()
    assert found[model.sample(1, prompt=prompt, temperature=0)] == max(found.values())


@given(models, prompts, seeds, neutral_settings)
def test_neutral_settings_change_nothing(model, prompt, seed, neutral):
    plain = model.sample(25, prompt=prompt, random_state=seed)
    assert model.sample(25, prompt=prompt, random_state=seed, **neutral) == plain


@given(models, seeds, st.sampled_from(["[abc]{3}", "a{1,4}b", "(bad|fed) c", "d[ef]{0,5}a"]))
def test_a_text_keeps_to_its_pattern(model, seed, pattern):
    drawn = model.sample(60, pattern=pattern, random_state=seed)
    assert re.fullmatch(pattern, drawn)
