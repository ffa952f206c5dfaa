"""Measure a server under load: many clients at once, each of which wants one text after the other.

Each text must be complete and equal to the one that `CharRNN.sample` writes with its seed. Printed are the time to the
first character, the characters per second, and the memory of the server, at the beginning and at the end.

    python benchmarks/serving.py                        # 200 clients for 60 s, an LSTM of 128 units
    python benchmarks/serving.py --clients 16 --seconds 5 --model book.safetensors
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pycharrnn import CharRNN, datasets

LENGTHS = (100, 300, 1000)
PROMPTS = ("", "KING", "First Citizen:\nBefore we proceed any further, hear me speak.\n")


class Written(NamedTuple):
    """A text that a client got: its seed, what it is, and the seconds to the first character."""

    seed: int
    text: str
    end: str
    first: float


def request(seed: int) -> dict[str, object]:
    """What the client asks for with this seed."""
    return {
        "prompt": PROMPTS[seed % len(PROMPTS)],
        "max_tokens": LENGTHS[seed // 3 % len(LENGTHS)],
        "temperature": (0.5, 1.0)[seed % 2],
        "seed": seed,
        "stream": True,
    }


async def written(port: int, seed: int) -> Written:
    """Ask for a text, and read it to its end."""
    begin = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps(request(seed)).encode()
    head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    text, end, first = "", "", 0.0
    status = await reader.readline()
    if b" 200 " not in status:
        raise RuntimeError(f"the server answered {status.decode().strip()}")
    while line := await reader.readline():
        if not line.startswith(b"data: {"):
            end += "." * line.startswith(b"data: [DONE]")
            continue
        [choice] = json.loads(line[6:])["choices"]
        if choice["text"] and not text:
            first = time.perf_counter() - begin
        text += choice["text"]
        end += choice["finish_reason"] or ""
    writer.close()
    return Written(seed, text, end, first)


async def load(port: int, clients: int, seconds: float) -> list[Written]:
    """Let so many clients ask for texts, for so long; each finishes its last one."""
    found: list[Written] = []
    until = time.perf_counter() + seconds

    async def client(rank: int) -> None:
        seed = rank
        while time.perf_counter() < until:
            found.append(await written(port, seed))
            seed += clients

    await asyncio.gather(*map(client, range(clients)))
    return found


def memory(pid: int) -> float:
    """MiB that a process has in memory; nan where no /proc says so."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return float("nan")
    return pages * 4096 / 2**20


def wrong(model: CharRNN, found: list[Written]) -> list[int]:
    """The seeds of the texts that are not complete, or not those of `sample`."""
    faults = []
    for seed, text, end, _ in found:
        asked = request(seed)
        expected = model.sample(
            asked["max_tokens"], prompt=asked["prompt"], temperature=asked["temperature"], random_state=seed
        )
        if text != expected or end != "length.":
            faults.append(seed)
    return faults


def measure(path: Path, clients: int, seconds: float) -> list[Written]:
    """Start a server of a model file, load it, and print what comes of it."""
    command = [sys.executable, "-m", "pycharrnn", "serve", str(path), "--port", "0", "--max-streams", str(clients)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        port = int(server.stderr.readline().partition("127.0.0.1:")[2].partition("/")[0])
        warm = asyncio.run(load(port, clients, seconds / 10))
        before = memory(server.pid)
        begin = time.perf_counter()
        found = asyncio.run(load(port, clients, seconds))
        took = time.perf_counter() - begin
        after = memory(server.pid)
    finally:
        server.terminate()
        server.communicate()
    characters = sum(len(one.text) for one in found)
    first = np.array([one.first for one in found]) * 1e3
    print(f"{clients} clients for {took:.0f} s: {len(found):,} texts, {characters / took:,.0f} characters/s")
    print(f"to the first character: median {np.median(first):.0f} ms, p95 {np.percentile(first, 95):.0f} ms", end="")
    print(f", at most {first.max():.0f} ms")
    print(f"memory: {before:.1f} MiB after {len(warm):,} texts, {after:.1f} MiB at the end")
    return found


def main() -> None:
    """Run it as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.model
        if path is None:
            path = Path(folder, "model.safetensors")
            text = datasets.load("tinyshakespeare")
            CharRNN.preset("quick", hidden_size=128, max_seconds=15, random_state=0).fit(text).save(path)
        found = measure(path, options.clients, options.seconds)
        faults = wrong(CharRNN.load(path), found)
    print(f"complete and equal to the text of sample: {len(found) - len(faults):,} of {len(found):,}")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
