"""Bytes that a fuzzer invents: atheris follows what the code does with them, and finds others that lead elsewhere."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import random
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rows import Finding, row, scratch

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"  # what earlier runs found worth keeping, an input a line, in hexadecimal digits
MOST = 1_000_000  # inputs for each target


def load_model(folder: Path) -> Callable[[bytes], None]:
    """Bytes as a model file."""
    from pycharrnn import CharRNN

    return read_as(CharRNN.load, folder / "m")


def open_checkpoint(folder: Path) -> Callable[[bytes], None]:
    """Bytes as a checkpoint file."""
    from pycharrnn.resuming import opened

    return read_as(opened, folder / "m")


def read_as(read: Callable[[Path], object], path: Path) -> Callable[[bytes], None]:
    """Bytes as a file, and with the checksum made right, if they have the parts of one."""
    from forgery import Forgery

    from pycharrnn import ModelFileError

    def target(data: bytes) -> None:
        for make in (lambda: data, lambda: Forgery(data).data()):
            try:
                made = make()
            except Exception:  # it has no parts
                return
            path.write_bytes(made)
            with contextlib.suppress(ModelFileError):
                read(path)

    return target


def header(folder: Path) -> Callable[[bytes], None]:
    """Bytes as the JSON of a header, without the disk."""
    from pycharrnn import ModelFileError
    from pycharrnn.files.header import Claims

    def target(data: bytes) -> None:
        with contextlib.suppress(ModelFileError, ValueError, RecursionError):
            Claims.parse(data, "model")

    return target


def vocabulary(folder: Path) -> Callable[[bytes], None]:
    """Bytes as code points, as a text, and as ids: there and back, or an error."""
    import numpy as np

    from pycharrnn import Vocabulary

    made = Vocabulary.from_text("hello world\0\ud800\U0010ffff\ufffd" + "".join(map(chr, range(32, 300))))
    rules = ("raise", "skip", "replace")

    def target(data: bytes) -> None:
        codes = np.frombuffer(data[: len(data) // 4 * 4], "<u4")
        with contextlib.suppress(ValueError):
            text = data.decode("utf-8", "surrogatepass")
            ids = made.encode(text, rules[len(data) % 3])
            assert len(data) % 3 or made.decode(ids) == text
        with contextlib.suppress(ValueError):
            made.decode(codes)
        with contextlib.suppress(ValueError):
            Vocabulary(codes % 5000)

    return target


def documents(folder: Path) -> Callable[[bytes], None]:
    """Bytes as files of documents, in each format."""
    import io

    from pycharrnn import read_documents

    formats = ("json", "jsonl", "csv", "tsv", "lines", "paragraphs")

    def target(data: bytes) -> None:
        if not data:
            return
        with contextlib.suppress(ValueError):
            read_documents(io.BytesIO(data[1:]), formats[data[0] % len(formats)])

    return target


TARGETS = {
    "load": load_model,
    "checkpoint": open_checkpoint,
    "header": header,
    "vocabulary": vocabulary,
    "documents": documents,
}


def seeds(name: str, folder: Path) -> None:
    """Inputs to begin with: small files, and the corpus."""
    from forgery import checkpoint, trained

    if name == "checkpoint":
        checkpoint().write(folder / "checkpoint")
    if name in ("load", "header"):
        for index in range(3):
            trained(index).save(folder / f"model{index}")
            data = (folder / f"model{index}").read_bytes()
            length = struct.unpack("<Q", data[:8])[0]
            if name == "header":
                (folder / f"model{index}").write_bytes(data[8 : 8 + length])
    for number, text in enumerate(('[{"text":"a"}]', '{"text":"a"}\n{"text":"b"}', "text,b\na,c\n", "a\n\nb\n")):
        (folder / f"text{number}").write_bytes(bytes([number]) + text.encode())
    corpus = CORPUS / f"{name}.txt"
    for number, line in enumerate(corpus.read_text().split() if corpus.exists() else ()):
        (folder / f"kept{number}").write_bytes(bytes.fromhex(line))


def fuzz(name: str, n: int) -> None:
    """Run a target under atheris; in a process of its own, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["pycharrnn", "json"]):
        import pycharrnn
        import pycharrnn.files.model_file
        import pycharrnn.resuming
        import pycharrnn.text.documents  # noqa: F401
    with scratch() as folder:
        kept = folder / "kept"
        kept.mkdir()
        seeds(name, kept)
        target = TARGETS[name](folder)
        options = [f"-runs={n}", "-timeout=5", "-rss_limit_mb=1024", "-max_len=8192", "-seed=1"]
        atheris.Setup([sys.argv[0], *options, "-print_final_stats=1", f"-artifact_prefix={folder}/", str(kept)], target)
        atheris.Fuzz()


def without(name: str, n: int) -> int:
    """Where atheris is not installed: change the seeds at random. Inputs tried."""
    rng = random.Random(0)
    with scratch() as folder:
        kept = folder / "kept"
        kept.mkdir()
        seeds(name, kept)
        found = [path.read_bytes() for path in sorted(kept.iterdir()) if path.stat().st_size]
        target = TARGETS[name](folder)
        for step in range(n):
            data = bytearray(rng.choice(found))
            for _ in range(rng.choice((1, 1, 2, 4, 8))):
                at = rng.randrange(len(data))
                data[at : at + rng.choice((0, 1, 1, 1, 4))] = rng.randbytes(rng.choice((0, 1, 1, 4)))
                data = data or bytearray(b"x")
            try:
                target(bytes(data))
            except BaseException as error:
                raise AssertionError(f"step {step} of {name}: {bytes(data)[:200]!a}") from error
    return n


def followed(name: str) -> tuple[int, str]:
    """Run a target under atheris in a process of its own: the process's code, and what it wrote."""
    script = f"import try_fuzzing; try_fuzzing.fuzz({name!r}, {MOST})"
    where = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=where, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@row("R6", "Bytes that a fuzzer invents: files, headers, vocabularies, documents", seconds=3600)
def fuzzing(full: bool) -> Finding:
    found = Finding("inputs", len(TARGETS) * MOST if full else 2000)
    if importlib.util.find_spec("atheris") is None or not full:
        found.note = "at random; with the package atheris, --full follows the code"
        found.least = 40_000 if full else 2000
        for name in TARGETS:
            found.count += without(name, 20_000 if full else 500)
        return found
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        ended = dict(zip(TARGETS, pool.map(followed, TARGETS), strict=True))
    for name, (code, told) in ended.items():
        made = re.search(r"stat::number_of_executed_units: (\d+)", told)
        found.count += int(made[1]) if made else 0
        found.note += f"{name} {int(made[1]):,}; " if made else ""
        if code:
            found.fault(name, "ended with", code, json.dumps(told[-900:]))
    return found
