"""OpenAI's completions protocol, as bytes on a connection."""

import gc
import json
import socket
import threading
import time
import weakref

import httpx
import numpy as np
import pytest
from serving_client import events

from pycharrnn.serving.completions import understand
from pycharrnn.serving.limits import Limits
from pycharrnn.serving.refusals import Refused
from pycharrnn.serving.server import Connection, Server
from pycharrnn.serving.soloists import Soloist

WAIT = 60


def ask(client, **request):
    return client.post("/v1/completions", json=request)


def until(condition, seconds=1.0):
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds
        time.sleep(0.002)
    return time.monotonic() - begin


def test_the_model_is_listed(client, model):
    [listed] = client.get("/v1/models").json()["data"]
    assert (listed["id"], listed["object"], listed["owned_by"]) == ("small", "model", "pycharrnn")
    assert listed["pycharrnn"] == {"documents": False, "max_tokens": 10_000_000, "characters": len(model.vocabulary_)}
    assert client.get("/v1/models/small").json() == listed
    missing = client.get("/v1/models/gpt/4").json()["error"]
    assert missing["code"] == "model_not_found"
    assert missing["param"] == "model"


@pytest.mark.parametrize(
    ("request_", "settings"),
    [
        ({}, {}),
        ({"prompt": "to be", "max_tokens": 70, "temperature": 0.5, "top_p": 0.9, "seed": 3, "user": "me"}, {}),
        ({"max_tokens": 90, "stop": ["be", "of"], "presence_penalty": 0, "frequency_penalty": 0.0}, {}),
        ({"max_tokens": 90, "stop": "e", "min_length": 30}, {}),
        ({"max_tokens": 0}, {}),
        ({"max_tokens": 50, "top_k": 3, "min_p": 0.1, "repetition_penalty": 1.4, "ban": "e", "best_of": 1}, {}),
        ({"max_tokens": 50, "logit_bias": {"101": -100, "116": 2}}, {"bias": {"e": -100, "t": 2}}),
        ({"max_tokens": 50, "bias": {"e": -3.5}, "stop": []}, {}),
        ({"prompt": [116, 111], "max_tokens": 20, "temperature": None, "logprobs": None}, {"prompt": "to"}),
        ({"prompt": "to\u20ac", "on_unknown": "skip", "max_tokens": 9}, {"prompt": "to"}),
    ],
)
def test_a_completion_is_the_text_of_sample(client, model, request_, settings):
    seed = request_.get("seed", 5)
    answer = ask(client, model="small", **request_ | {"seed": seed})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    ours = {
        "temperature",
        "top_p",
        "stop",
        "min_length",
        "top_k",
        "min_p",
        "repetition_penalty",
        "ban",
        "bias",
        "prompt",
    }
    given = {key: value for key, value in request_.items() if key in ours and value not in (None, [])} | settings
    expected = model.sample(request_.get("max_tokens"), random_state=seed, **given)
    [choice] = found["choices"]
    assert choice["text"] == expected
    assert (choice["index"], choice["logprobs"]) == (0, None)
    whole = len(expected) == request_.get("max_tokens", 200)
    assert choice["finish_reason"] == ("length" if whole else "stop")
    assert found["object"] == "text_completion"
    read = len(given.get("prompt", ""))
    assert found["usage"] == {
        "prompt_tokens": read, "completion_tokens": len(expected), "total_tokens": read + len(expected)
    }  # fmt: skip


def test_several_prompts_and_choices(client, model):
    found = ask(client, prompt=["to", "is"], n=3, max_tokens=30, seed=2, echo=True).json()
    expected = model.sample(30, prompt=["to", "is"], n_samples=3, random_state=2)
    assert [choice["text"] for choice in found["choices"]] == [
        prompt + text for prompt, text in zip(["to"] * 3 + ["is"] * 3, expected, strict=True)
    ]
    assert [choice["index"] for choice in found["choices"]] == list(range(6))
    assert found["usage"]["prompt_tokens"] == 4


@pytest.mark.parametrize(
    ("error", "status", "kind", "message"),
    [
        (ValueError("the server of letters has none"), 400, "invalid_request_error", "the server of letters has none"),
        (MemoryError(), 500, "server_error", "the server failed to write this text"),
    ],
    ids=["request", "server"],
)
def test_a_failure_says_whose_fault_it_is(client, monkeypatch, error, status, kind, message):
    def turn(soloist, most):
        raise error

    monkeypatch.setattr(Soloist, "turn", turn)
    answer = ask(client, logprobs=1)
    assert answer.status_code == status
    assert answer.json()["error"] == {"message": message, "type": kind, "param": None, "code": None}
    with client.stream("POST", "/v1/completions", json={"logprobs": 1, "stream": True}) as parts:
        assert parts.status_code == 200
        assert list(events(parts.iter_text())) == [answer.json()]


def test_texts_without_a_seed_differ(client):
    texts = {ask(client, max_tokens=60).json()["choices"][0]["text"] for _ in range(3)}
    assert len(texts) == 3


@pytest.mark.parametrize("more", [{}, {"logprobs": 2}, {"echo": True}, {"echo": True, "logprobs": 0}, {"stop": "th"}])
def test_the_parts_of_a_stream_are_the_whole(client, more):
    request = {"prompt": ["to be", "is"], "n": 2, "max_tokens": 400, "seed": 4, **more}
    whole = ask(client, **request).json()
    with client.stream(
        "POST", "/v1/completions", json=request | {"stream": True, "stream_options": {"include_usage": True}}
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        *parts, last, done = events(answer.iter_text())
    assert done == "[DONE]"
    assert (last["choices"], last["usage"]) == ([], whole["usage"])
    for expected in whole["choices"]:
        own = [part["choices"][0] for part in parts if part["choices"][0]["index"] == expected["index"]]
        assert "".join(part["text"] for part in own) == expected["text"]
        assert [part["finish_reason"] for part in own] == [None] * (len(own) - 1) + [expected["finish_reason"]]
        if "logprobs" in more:
            for name, values in expected["logprobs"].items():
                assert [value for part in own for value in part["logprobs"][name]] == values
    assert len({part["id"] for part in parts}) == 1
    assert {part["usage"] for part in parts} == {None}


def test_logprobs_are_those_of_the_model(client, model):
    found = ask(client, prompt="to ", max_tokens=20, seed=4, logprobs=2, echo=True, temperature=0.3).json()
    [choice] = found["choices"]
    scores = choice["logprobs"]
    text = choice["text"]
    assert "".join(scores["tokens"]) == text == "to " + model.sample(20, prompt="to ", random_state=4, temperature=0.3)
    assert scores["text_offset"] == list(range(23))
    assert (scores["token_logprobs"][0], scores["top_logprobs"][0]) == (None, None)
    session = model.session()
    for i, character in enumerate(text):
        p = session.probabilities()
        if i:
            assert np.isclose(scores["token_logprobs"][i], max(np.log(p[character]), -9999.0))
            assert list(scores["top_logprobs"][i]) == sorted(p, key=lambda one: -p[one])[:2]
        session.feed(character)


@pytest.mark.parametrize(
    ("request_", "status", "param", "words"),
    [
        ({"max_tokens": -1}, 400, "max_tokens", "max_tokens must be at least 0"),
        ({"max_tokens": 10**9}, 400, "max_tokens", "at most 10,000,000"),
        ({"max_tokens": "9"}, 400, "max_tokens", "must be an integer, got '9'"),
        ({"max_tokens": True}, 400, "max_tokens", "must be an integer"),
        ({"temperature": -1}, 400, "temperature", "at least 0"),
        ({"top_p": 2}, 400, "top_p", "at most 1"),
        ({"n": 0}, 400, "n", "at least 1 and at most 6"),
        ({"n": 4, "prompt": ["a", "b"]}, 400, "n", "6 texts, not for 2 prompts x n 4"),
        ({"prompt": "t" * 3001}, 400, "prompt", "3,000 characters, not 3,001"),
        ({"prompt": "t\u20ac"}, 400, "prompt", r"unknown character '\u20ac' (U+20AC) at position 1"),
        ({"prompt": []}, 400, "prompt", "at least one text"),
        ({"prompt": {"a": 1}}, 400, "prompt", "must be a str"),
        ({"prompt": [[1, -1]]}, 400, "prompt", "code points"),
        ({"prompt": [True, False]}, 400, "prompt", "code points, got True"),
        ({"prompt": [[116, True]]}, 400, "prompt", "code points, got [116, True]"),
        ({"stop": ["", "a"]}, 400, "stop", "must not be empty"),
        ({"stop": ["a" * 1001]}, 400, "stop", "1,000 characters"),
        ({"repetition_window": 16_385}, 400, "repetition_window", "at most 16,384"),
        ({"presence_penalty": 0.5}, 400, "presence_penalty", "use repetition_penalty"),
        ({"frequency_penalty": -1}, 400, "frequency_penalty", "must be 0"),
        ({"suffix": "end"}, 400, "suffix", "nothing that comes after"),
        ({"best_of": 3}, 400, "best_of", "use n"),
        ({"best_of": True}, 400, "best_of", "best_of must be 1, got True"),
        ({"presence_penalty": False}, 400, "presence_penalty", "presence_penalty must be 0, got False"),
        ({"logit_bias": {"e": 1}}, 400, "logit_bias", "code points as keys"),
        ({"logit_bias": {"101": "a"}}, 400, "logit_bias", "must have a number"),
        ({"logit_bias": {"8364": 1}}, 400, "logit_bias", "the model knows"),
        ({"logit_bias": {"101": 1}, "bias": {"e": 1}}, 400, "logit_bias", "leave out one"),
        ({"bias": [1]}, 400, "bias", "must be a dict"),
        ({"allow": "\u20ac"}, 400, "allow", "the model knows"),
        ({"logprobs": 21}, 400, "logprobs", "at most 20"),
        ({"seed": -1}, 400, "seed", "at least 0"),
        ({"stream": "yes"}, 400, "stream", "True or False"),
        ({"stream_options": 3}, 400, "stream_options", "an object"),
        ({"on_unknown": "drop"}, 400, "on_unknown", "must be 'raise', 'skip' or 'replace'"),
        ({"model": "gpt"}, 404, "model", "there is no model 'gpt'; this server has 'small'"),
        ({"pattern": "(a+)+"}, 403, "pattern", "--patterns"),
        ({"beam": 3, "temperature": 0}, 400, "beam", "there is no parameter"),
        ({"constraint": "x"}, 400, "constraint", "there is no parameter"),
        ({"novel": "to be"}, 400, "novel", "there is no parameter 'novel'"),
        ({"temperatures": 1}, 400, "temperatures", "did you mean 'temperature'?"),
    ],
    ids=str,
)
def test_what_cannot_be_answered_is_refused(client, request_, status, param, words):
    answer = ask(client, **request_)
    error = answer.json()["error"]
    assert answer.status_code == status
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["param"] == param
    assert words in error["message"]


def test_no_setting_that_a_request_cannot_have_is_proposed(client):
    assert ask(client, novell=1).json()["error"]["message"] == "there is no parameter 'novell'"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "must be JSON"),
        (b"[1]", "an object of JSON, got [1]"),
        (b'{"temperature": NaN}', "NaN is no number of JSON"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"prompt": "\xff"}', "byte 12"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "must be JSON"),
    ],
    ids=["empty", "list", "nan", "deep", "latin", "long"],
)
def test_a_body_that_is_no_request(client, body, words):
    answer = client.post("/v1/completions", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


def test_a_body_of_another_kind_or_size_is_refused(client):
    assert client.post("/v1/completions", data={"prompt": "a"}).status_code == 415
    answer = client.post("/v1/completions", content=b" " * 200_000, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert client.get("/v1/completions").status_code == 405
    assert client.get("/v1/nothing").json()["error"]["message"] == "Not Found: 'GET /v1/nothing'"


def test_a_request_asks_for_no_more_than_can_ever_be_written(model):
    with pytest.raises(Refused, match="n must be at least 1 and at most 2"):
        understand({"n": 3}, model.vocabulary_, "raise", Limits(max_streams=2))


# --- who may ask ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[::2]"])
def test_another_name_of_this_machine_is_refused(client, host):
    answer = client.get("/v1/models", headers={"host": host})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "wrong_host"


@pytest.mark.parametrize("host", ["localhost", "LocalHost:9", "127.0.0.1:1234", "[::1]:80"])
def test_names_of_this_machine_are_answered(client, host):
    assert client.get("/v1/models", headers={"host": host}).status_code == 200


def test_pages_of_other_sites_are_refused_unless_they_are_let_in(client, server):
    for origin in ("http://evil.example", "null", f"http://localhost:{server.port + 1}"):
        answer = client.get("/v1/models", headers={"origin": origin})
        assert answer.json()["error"]["code"] == "wrong_origin"
        assert "access-control-allow-origin" not in answer.headers
        assert client.options("/v1/completions", headers={"origin": origin}).status_code == 403
    assert client.get("/v1/models", headers={"origin": server.url}).status_code == 200
    friend = {"origin": "http://friend.example"}
    answer = client.get("/v1/models", headers=friend)
    assert answer.headers["access-control-allow-origin"] == "http://friend.example"
    assert answer.headers["cache-control"] == "no-store"
    assert "cross-origin-resource-policy" not in answer.headers
    asked = friend | {"access-control-request-headers": "content-type"}
    preflight = client.options("/v1/completions", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-headers"] == "content-type"


def test_the_page_may_run_nothing_but_itself(client):
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    assert "innerHTML" not in answer.text


# --- streams ----------------------------------------------------------------------------------------------------------


def endless(server, **more):
    """A connection on which a text has begun that nobody would wait for."""
    body = json.dumps({"prompt": "to", "max_tokens": 10_000_000, "stream": True, **more}).encode()
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=WAIT)
    head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return connection


@pytest.mark.parametrize("more", [{}, {"stream": False}, {"logprobs": 1}], ids=str)
def test_a_client_that_leaves_frees_its_stream_within_a_second(server, more):
    connections = [endless(server, **more) for _ in range(3)]
    until(lambda: server.service.n_texts == 3, 10)
    for connection in connections:
        connection.close()
    assert until(lambda: server.service.n_texts == 0) < 1


def test_no_more_streams_than_there_is_room_for(server, client, model):
    connections = [endless(server, n=4) for _ in range(2)]
    until(lambda: server.service.n_texts == 8, 10)
    answer = ask(client, max_tokens=5)
    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"
    assert answer.headers["retry-after"] == "1"
    for connection in connections:
        connection.close()
    until(lambda: server.service.n_texts == 0)
    assert ask(client, max_tokens=5, seed=1).json()["choices"][0]["text"] == model.sample(5, random_state=1)


def test_clients_at_once_get_their_own_texts(server, client, model):
    found = {}

    def run(seed):
        found[seed] = ask(client, max_tokens=300, seed=seed, temperature=0.5 + seed / 10).json()["choices"][0]["text"]

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {s: model.sample(300, random_state=s, temperature=0.5 + s / 10) for s in range(8)}


NONSENSE = [None, True, 0, -1, 1.5, 1e308, 10**400, "", "a", "\ud800\0", [], [1], ["a"], [None], [[1]], {}, {"a": 1}]
PARAMETERS = [
    *("prompt", "max_tokens", "n", "seed", "stream", "echo", "logprobs", "logit_bias", "stream_options", "stop"),
    *("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "repetition_window", "allow", "ban", "bias"),
    *("min_length", "pattern", "ngrams", "on_unknown", "suffix", "best_of", "presence_penalty", "user", "model"),
    "novel",
]


@pytest.mark.parametrize("name", PARAMETERS)
def test_no_value_of_a_parameter_is_a_fault_of_the_server(client, name):
    for value in NONSENSE:
        body = json.dumps({"max_tokens": 3, name: value}).encode()
        answer = client.post("/v1/completions", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (200, 400, 403, 404), (value, answer.text)
        if answer.status_code != 200:
            error = answer.json()["error"]
            assert error["param"] in (name, "max_tokens"), (value, error)
            assert name in error["message"] or error["param"] == "prompt" or name == "model", (value, error)


def test_a_connection_that_asks_for_nothing_is_closed(model, monkeypatch):
    monkeypatch.setattr("pycharrnn.serving.server._SILENT", 0.3)
    wish = {"max_tokens": 10_000_000, "stream": True}
    with (
        Server(model, "small", limits=Limits(max_length=10_000_000)).running() as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as silent,
        httpx.stream("POST", f"{server.url}/v1/completions", json=wish, timeout=20) as answer,
    ):
        begin = time.monotonic()
        assert silent.recv(1) == b""
        parts = answer.iter_text()
        while time.monotonic() < begin + 1:  # a stream goes on
            assert next(parts)


def test_nothing_is_kept_of_a_connection_that_has_ended(server, monkeypatch):
    connections = []  # a weak reference to each: the server may let go of one before the client looks
    made = Connection.connection_made

    def connection_made(self, transport):
        connections.append(weakref.ref(self))
        made(self, transport)

    monkeypatch.setattr(Connection, "connection_made", connection_made)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as one:
        one.sendall(b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert one.recv(1 << 16).startswith(b"HTTP/1.1 200")
    assert len(connections) == 1

    def none_is_kept():
        gc.collect()
        return connections[0]() is None

    until(none_is_kept, seconds=5)
