"""pycharrnn serve, as a process: where it listens, what it prints, how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest
from serving_client import events

ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
posix = pytest.mark.skipif(os.name != "posix", reason="elsewhere a signal ends the process, and files have other names")
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    found = tmp_path_factory.mktemp("models") / "small.safetensors"
    model.save(found)
    return found


class Process:
    """The command, started on a free port."""

    def __init__(self, path, *options):
        command = [sys.executable, "-P", "-m", "pycharrnn", "serve", str(path), "--port", "0", *options]
        pipe = subprocess.PIPE  # without a buffer: what one holds after a line is lost for `communicate`
        self.process = subprocess.Popen(command, bufsize=0, env=ENVIRONMENT, stdout=pipe, stderr=pipe)
        self.first = self.process.stderr.readline().decode()
        found = re.search(r"http://\S+?/", self.first)
        self.url = found[0].rstrip("/") if found else ""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.communicate()

    def end(self, number=signal.SIGINT):
        """Send a signal, and return the exit code and what was printed."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out.decode(), err.decode()


def run(*options, **environment):
    command = [sys.executable, "-P", "-m", "pycharrnn", "serve", *map(str, options)]
    found = subprocess.run(command, env=ENVIRONMENT | environment, capture_output=True, timeout=60)
    return found.returncode, found.stdout.decode(), found.stderr.decode()


@posix
@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_it_and_open_streams_are_told(path, number, code):
    with Process(path, "--max-length", "10000000") as server:
        assert "'small'" in server.first
        told = []

        def read():
            wish = {"max_tokens": 10_000_000, "stream": True}
            with httpx.stream("POST", f"{server.url}/v1/completions", json=wish, timeout=20) as answer:
                for part in answer.iter_text():
                    begun.set()
                    told.append(part)

        begun = threading.Event()
        thread = threading.Thread(target=read)
        thread.start()
        assert begun.wait(20)
        found, out, err = server.end(getattr(signal, number))
        thread.join(20)
    last = events(told)[-1]
    assert last["error"]["message"] == "the server is shutting down"
    assert (found, out) == (code, "")
    assert "Traceback" not in err


def test_the_model_answers_by_another_name_and_within_other_limits(path):
    options = ("--name", "poet", "--max-length", "20", "--max-prompt", "4", "--patterns", "--n-threads", "1")
    with Process(path, *options) as server, httpx.Client(base_url=server.url, timeout=20) as client:
        assert client.get("/v1/models/poet").json()["pycharrnn"]["max_tokens"] == 20
        answer = client.post("/v1/completions", json={"model": "poet"}).json()["choices"][0]
        assert (len(answer["text"]), answer["finish_reason"]) == (20, "length")
        assert client.post("/v1/completions", json={"max_tokens": 21}).status_code == 400
        assert client.post("/v1/completions", json={"prompt": "to be"}).status_code == 400
        pytest.importorskip("regex")
        answer = client.post("/v1/completions", json={"pattern": "[a-z]{4}"}).json()["choices"][0]
        assert re.fullmatch("[a-z]{4}", answer["text"])
        assert answer["finish_reason"] == "stop"
        answer = client.post("/v1/completions", json={"pattern": "("})
        assert answer.json()["error"]["param"] == "pattern"


@posix
def test_it_is_for_this_machine_alone_unless_a_host_is_named(path):
    with Process(path) as server:
        assert "127.0.0.1" in server.url
        code, _, err = server.end()
        assert (code, "other machines" in err) == (130, False)
    with Process(path, "--host", "0.0.0.0") as server:
        assert httpx.get(f"{server.url}/v1/models", headers={"host": "any.example"}).status_code == 200
        code, _, err = server.end()
        assert code == 130
        assert "other machines can reach this server" in err


def test_what_is_wrong_is_said_before_it_serves(path, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = run(path, "--port", port)
        assert (code, "Traceback" in err) == (1, False)
        assert f"127.0.0.1:{port}" in err
    for options, code, words in (
        ((tmp_path / "none.safetensors",), 1, "No such file"),
        ((path, "--host", "nowhere.invalid"), 2, "--host must be an address of this machine"),
        ((path, "--host", "203.0.113.7"), 2, "--host must be an address of this machine"),
        ((path, "--port", "65536"), 2, "--port"),
        ((path, "--max-streams", "0"), 2, "--max-streams must be at least 1"),
        ((path, "--allow-origin", "evil"), 2, "--allow-origin"),
    ):
        found, out, err = run(*options)
        assert (found, out) == (code, ""), err
        assert words in " ".join(err.split()), err
        assert "Traceback" not in err


def test_a_missing_extra_is_named(path, tmp_path):
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError('no uvicorn')")
    code, _, err = run(path, PYTHONPATH=os.pathsep.join([str(tmp_path), ENVIRONMENT["PYTHONPATH"]]))
    assert (code, "Traceback" in err) == (1, False)
    assert 'pip install "pycharrnn[serve]"' in err


@posix
def test_nothing_of_a_request_or_a_name_acts_on_a_terminal(hostile, tmp_path):
    path = tmp_path / "\x1b[31m\u202e\udcff.safetensors"
    hostile.save(path)
    with Process(path) as server, httpx.Client(base_url=server.url, timeout=20) as client:
        [model] = client.get("/v1/models").json()["data"]
        assert model["id"] == "\x1b[31m\u202e\ufffd"
        for prompt in ("\x1b]0;title\x07", "\x9b2J", "\u202e"):
            client.post("/v1/completions", json={"prompt": prompt, "model": prompt})
            client.post("/v1/completions", json={"prompt": prompt, prompt: prompt})
            client.get(f"/v1/{prompt.encode().hex()}", headers={"x": "y"})
        with socket.create_connection(("127.0.0.1", httpx.URL(server.url).port)) as raw:
            raw.sendall(b"\x1b[31m \xff\x00\r\n\r\n")
            raw.recv(1000)
        _, out, err = server.end()
    assert ACTING.search(server.first.replace("\n", "") + out + err.replace("\n", "")) is None


def test_what_a_hostile_model_writes_is_json_for_every_reader(hostile):
    from pycharrnn.serving.server import Server

    with Server(hostile, "hostile").running() as server, httpx.Client(base_url=server.url, timeout=20) as client:
        for seed in range(30):
            wish = {"seed": seed, "temperature": 0.8, "logprobs": 3, "echo": True, "prompt": "\ud800"}
            body = json.dumps(wish).encode()
            answer = client.post("/v1/completions", content=body, headers={"content-type": "application/json"})
            text = hostile.sample(prompt="\ud800", random_state=seed, temperature=0.8)
            expected = re.sub("[\ud800-\udfff]", "\ufffd", "\ud800" + text)
            assert answer.content.isascii()
            choice = answer.json()["choices"][0]
            assert choice["text"] == expected == "".join(choice["logprobs"]["tokens"])
            answer.json()["choices"][0]["text"].encode("utf-8")  # which no surrogate could be
            wish = {"seed": seed, "temperature": 0.8, "stream": True}
            with client.stream("POST", "/v1/completions", json=wish) as parts:
                *found, done = events(parts.iter_text())
            text = hostile.sample(random_state=seed, temperature=0.8)
            assert "".join(part["choices"][0]["text"] for part in found) == re.sub("[\ud800-\udfff]", "\ufffd", text)
            assert done == "[DONE]"
