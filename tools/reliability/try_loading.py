"""Loading: files that were cut short, changed, forged, or made to take memory."""

from __future__ import annotations

import copy
import json
import random
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from forgery import MODELS, ODD, Forgery, change, checkpoint, places, present, trained
from rows import Finding, row, scratch

from pycharrnn import CharRNN
from pycharrnn.errors import ModelFileError
from pycharrnn.files.checkpoint_file import CheckpointFile
from pycharrnn.resuming import opened

SECONDS = 1.0  # of the processor, which a file may take
MEMORY = 8 << 20  # bytes above twice the size of the file, which it may take
# What says in a file how much there is of something.
SIZES = {"n_characters", "hidden_size", "num_layers", "embedding_size", "n_symbols", "batch_size", "n_documents"}
SIZES |= {"losses", "validation", "training", "texts", "characters"}
# What Python itself does at a call, and nothing that reaches outside.
HARMLESS = {"builtins.id", "sys._getframe", "object.__getattr__", "gc.collect"}


class Kind(NamedTuple):
    """A kind of file.

    Attributes
    ----------
    read : callable
        Reads the file of a path.
    write : callable
        Writes what was read to a path.
    use : callable
        Says whether what was read, from the file of a path, is of use.
    rare : int
        How much rarer a file of this kind is tried than a model in the quick programme, for it is longer.
    """

    read: Callable[[Path], Any]
    write: Callable[[Any, Path], object]
    use: Callable[[Any, Path], bool]
    rare: int


class File(NamedTuple):
    """A file that is right: its kind and its bytes."""

    kind: Kind
    data: bytes


def writes(model: CharRNN, path: Path) -> bool:
    """Whether a model writes a text."""
    return isinstance(model.set_params(on_unknown="skip").sample(5, random_state=0), str)


def goes_on(file: CheckpointFile, path: Path) -> bool:
    """Whether a training comes out of a checkpoint, which then refuses another text, or what it learned is refused."""
    try:
        CharRNN.resume(path, "another text")
    except (ValueError, ArithmeticError):
        return True
    return False


MODEL = Kind(CharRNN.load, CharRNN.save, writes, 1)
CHECKPOINT = Kind(lambda path: opened(path).file, CheckpointFile.write, goes_on, 40)


class Watch:
    """Notes what the process does while a file is loaded, but for opening that file."""

    def __init__(self) -> None:
        self.path: str | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if self.path is None or event in HARMLESS:
            return
        if event == "open" and str(args[0]) == self.path:
            return
        self.seen.append(f"{event}{args!a}"[:200])


class Loader:
    """Loads bytes, and finds fault with how it goes: an error of another kind, time, memory, other files."""

    def __init__(self, folder: Path, found: Finding, weigh: int) -> None:
        self.path = folder / "m"
        self.again = folder / "again"
        self.found = found
        self.weigh = weigh  # the memory of each so many-th file is measured, which is slow
        self.accepted = 0
        self.longest = 0.0
        self.watch = Watch()
        for kind, data in files():  # first, for what is imported at the first call
            self._load(kind, data)
            self._load(kind, data.replace(b"rnn", b"rmm"))
            forged = Forgery(data)
            forged.metadata["params"]["cell"] = "rmm"
            self._load(kind, forged.data())
        self.watch.seen.clear()

    def _load(self, kind: Kind, data: bytes) -> Any:
        self.path.write_bytes(data)
        try:
            self.watch.path = str(self.path)
            return kind.read(self.path)
        except ModelFileError:
            return None
        finally:
            self.watch.path = None

    def _peak(self, kind: Kind, data: bytes) -> int:
        """The most bytes that a load takes. It is a load of its own, for one that is traced takes 15 times as long."""
        tracemalloc.start()
        try:
            self._load(kind, data)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def take(self, kind: Kind, data: bytes, accept: str, *case: Any) -> None:
        """Load these bytes. `accept`: "never", or "canonical": only if they are what is written of what was read."""
        peak = 0
        begin = time.process_time()
        try:
            read = self._load(kind, data)
            seconds = time.process_time() - begin
            if self.found.count % self.weigh == 0:
                peak = self._peak(kind, data)
        except BaseException as error:
            self.found.check(False, *case, f"raised {type(error).__name__}: {error}")
            return
        self.longest = max(self.longest, seconds)
        problem = ""
        if seconds > SECONDS:
            problem = f"took {seconds:.2f} s"
        elif peak > 2 * len(data) + MEMORY:
            problem = f"took {peak:,} bytes, of {len(data):,}"
        elif self.watch.seen:
            problem = f"did more than to open it: {self.watch.seen}"
            self.watch.seen.clear()
        elif read is not None:
            problem = self._accepted(kind, read, data, accept)
        self.found.check(not problem, *case, problem)

    def _accepted(self, kind: Kind, read: Any, data: bytes, accept: str) -> str:
        """What is wrong with what was read."""
        self.accepted += 1
        if accept == "never":
            return "was accepted"
        kind.write(read, self.again)
        if self.again.read_bytes() != present(data):
            return "was accepted, and is saved as other bytes"
        if self.accepted % 20 == 0 and not kind.use(read, self.path):
            return "was accepted, and is of no use"
        return ""

    def end(self) -> Finding:
        """Say what was accepted and how long the longest took."""
        self.found.note = f"{self.accepted:,} accepted, the longest took {1000 * self.longest:.0f} ms"
        return self.found


@cache
def files() -> list[File]:
    """Small files of each kind of model, and a checkpoint."""
    made = []
    with scratch() as folder:
        for index in range(len(MODELS)):
            trained(index).save(folder / "m")
            made.append(File(MODEL, (folder / "m").read_bytes()))
        checkpoint().write(folder / "m")
        made.append(File(CHECKPOINT, (folder / "m").read_bytes()))
    return made


@row("R1", "Load files cut short at every length")
def truncations(full: bool) -> Finding:
    found = Finding("cuts", 4000)
    large = CharRNN(hidden_size=1000, max_updates=1, seq_length=2, random_state=0).fit("abcdef" * 4)
    with scratch() as folder:
        loader = Loader(folder, found, 100)
        for which, (kind, data) in enumerate(files()):
            for length in range(0, len(data), 1 if full else kind.rare):
                loader.take(kind, data[:length], "never", "file", which, "cut to", length)
        large.save(folder / "large")
        data, rng = (folder / "large").read_bytes(), random.Random(1)
        for _ in range(200 if full else 20):
            length = rng.randrange(len(data))
            loader.take(MODEL, data[:length], "never", "large file cut to", length)
        return loader.end()


def edits(data: bytes, rng: random.Random, masks: Iterable[int], n: int, rare: int) -> Iterator[tuple[str, bytes]]:
    """Each `rare`-th byte changed in some ways; then pieces that change places, are lost, come twice, or are noise."""
    for at, byte in list(enumerate(data))[::rare]:
        for value in sorted({byte ^ mask for mask in masks} | {0x00, 0x7F, 0xFF} - {byte}):
            if value != byte:
                yield f"byte {at} is {value}", data[:at] + bytes([value]) + data[at + 1 :]
    for step in range(n // rare):
        i, j, k = sorted(rng.sample(range(len(data) + 1), 3))
        a, b, c, d = data[:i], data[i:j], data[j:k], data[k:]
        for kind, changed in enumerate((a + c + b + d, a + c + d, a + b + b + c + d, a + rng.randbytes(8) + b + c + d)):
            if changed != data:
                yield f"step {step} kind {kind}", changed
    for extra in (b"\0", b" ", b"\n", b"\0" * 4096, b"PK\5\6" + b"\0" * 18):
        yield f"{extra[:4]!a} at the end", data + extra
        yield f"{extra[:4]!a} at the beginning", extra + data


@row("R2", "Load files with changed bytes and moved pieces")
def changes(full: bool) -> Finding:
    found = Finding("edits", 30_000)
    masks = [1 << bit for bit in range(8)] if full else [1]
    with scratch() as folder:
        loader = Loader(folder, found, 500)
        for which, (kind, data) in enumerate(files()):
            rare = 1 if full else kind.rare
            for told, edited in edits(data, random.Random(2), masks, 2000 if full else 400, rare):
                loader.take(kind, edited, "never", "file", which, told)
        return loader.end()


@row("R3", "Load forgeries: any contents, the checksum made right", seconds=1200)
def forgeries(full: bool) -> Finding:
    found = Finding("files", 100_000 if full else 4000)
    originals = files()
    with scratch() as folder:
        loader = Loader(folder, found, 50)
        for seed in range(found.least):
            rng = random.Random(seed)
            kind, data = rng.choice(originals)
            forged = Forgery(data)
            for _ in range(rng.choice([1, 1, 2, 3])):
                change(forged, rng)
            loader.take(kind, forged.data(), "canonical", "random.Random(seed) with the seed", seed)
        return loader.end()


def changed(data: bytes, place: tuple[Any, ...], value: Any) -> bytes:
    """The file with another value at a place of its metadata, and a right checksum."""
    forged = Forgery(data)
    inside: Any = forged.metadata
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = copy.deepcopy(value)
    return forged.data()


def spellings(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The same values written in other ways, with a right checksum."""
    length = int.from_bytes(data[:8], "little")
    text, body = data[8 : 8 + length], data[8 + length :]
    swaps = [(b'{"', b'{ "'), (b'":', b'": '), (b",", b" ,"), (b"pycharrnn", b"\\u0070ycharrnn"), (b"F32", b"f32")]
    swaps += [(b"[0,", b"[-0,"), (b"[0,", b"[0.0,"), (b"[0,", b"[false,"), (b"[0,", b"[0e0,"), (b"F32", b"F64")]
    swaps += [(b'"dtype"', b'"x":1,"dtype"'), (b'"dtype"', b'"dtype":"F32","dtype"'), (b"sha256", b"sha512")]
    swaps += [(b"null", b"NaN"), (b"null", b"Infinity"), (b"null", b"1e999"), (b"null", b"9" * 9999), (b"0.1", b"1e-1")]
    swaps += [(b"null", b"[" * depth + b"]" * depth) for depth in (10, 1000, 4999, 99_999)]
    for old, new in swaps:
        for where in range(min(3, text.count(old))):
            parts = text.split(old)
            spelled = old.join(parts[: where + 1]) + new + old.join(parts[where + 1 :])
            yield f"{old!a} is {new[:20]!a} at place {where}", len(spelled).to_bytes(8, "little") + spelled + body


def bombs() -> Iterator[tuple[str, File]]:
    """Short files that speak of long ones, and headers that are slow to read."""
    sizes = [0, 1, -1, 2**16, 2**16 + 1, 2**31 - 1, 2**31, 2**32, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 10**30]
    for which, (kind, data) in enumerate(files()):
        for place in places(Forgery(data).metadata):
            for size in sizes if place[-1] in SIZES else ():
                yield f"file {which}: {place} is {size}", File(kind, changed(data, place, size))
        for length in sizes[:-1]:
            yield f"file {which}: a header of {length}", File(kind, (length % 2**64).to_bytes(8, "little") + data[8:])
    for filling in ("[],", "{},", "[", '{"a":', "0,", '"",', "-1e-9,", '"\\u0000",', "[[", '{"":{"":'):
        for size in (64 << 10, 1 << 20):
            text = ('{"__metadata__":[' + filling * (size // len(filling)))[:size].encode()
            for kind in (MODEL, CHECKPOINT):
                yield f"{size} bytes of {filling}", File(kind, len(text).to_bytes(8, "little") + text + b"0" * 64)


@row("R4", "Load headers written by hand, and files that would take memory")
def by_hand(full: bool) -> Finding:
    found = Finding("files", 300)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with scratch() as folder:
        loader = Loader(folder, found, 1)
        for which, (kind, data) in enumerate(files()):
            for told, spelled in spellings(data):
                loader.take(kind, spelled, "never", "file", which, told)
            for place in places(Forgery(data).metadata) if full else ():
                for value in ODD:
                    forged = changed(data, place, value)
                    loader.take(kind, forged, "canonical", "file", which, place, "is", json.dumps(value))
        for told, (kind, data) in bombs():
            loader.take(kind, data, "canonical", told)
        loader.end()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    found.note += f"; the process grew by {grown} MiB"
    if grown > 96:  # some 64, of which a third comes of tracing
        found.fault(f"the process grew by {grown} MiB")
    return found
