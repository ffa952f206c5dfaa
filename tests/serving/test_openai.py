"""The openai package, unchanged, as a client."""

import pytest

openai = pytest.importorskip("openai")


@pytest.fixture
def outside(server):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=60) as found:
        yield found


def test_it_lists(outside):
    assert [model.id for model in outside.models.list()] == ["small"]
    assert outside.models.retrieve("small").owned_by == "pycharrnn"
    with pytest.raises(openai.NotFoundError, match="there is no model 'gpt'"):
        outside.models.retrieve("gpt")


def test_it_completes(outside, model):
    found = outside.completions.create(
        model="small", prompt="to be", max_tokens=50, seed=2, n=2, logprobs=3, extra_body={"top_k": 4}
    )
    texts = [choice.text for choice in found.choices]
    assert texts == model.sample(50, prompt="to be", random_state=2, n_samples=2, top_k=4)
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (5, 100)
    assert len(found.choices[0].logprobs.token_logprobs) == 50


def test_it_streams(outside, model):
    with outside.completions.create(
        model="small", prompt="to be", max_tokens=900, seed=2, stream=True, stream_options={"include_usage": True}
    ) as stream:
        *parts, last = stream
    text = "".join(part.choices[0].text for part in parts)
    assert text == model.sample(900, prompt="to be", random_state=2)
    assert parts[-1].choices[0].finish_reason == "length"
    assert last.usage.total_tokens == 905


def test_its_errors_say_what_was_wrong(outside):
    with pytest.raises(openai.BadRequestError) as caught:
        outside.completions.create(model="small", prompt="to be", presence_penalty=1.0)
    assert caught.value.param == "presence_penalty"
    with pytest.raises(openai.NotFoundError) as caught:
        outside.completions.create(model="gpt-4", prompt="to be")
    assert caught.value.code == "model_not_found"
