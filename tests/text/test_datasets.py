"""The corpora by name."""

from __future__ import annotations

import bz2
import hashlib
import http.server
import os
import re
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from pycharrnn.text import datasets

BOOK = (
    b"\xef\xbb\xbfThe licence.\r\n\r\n*** START OF THIS PROJECT GUTENBERG EBOOK EMMA ***\r\n\r\n"
    b"Caf\xc3\xa9 \xe2\x80\x9cEmma\xe2\x80\x9d\r\n\r\nEnd of the Project Gutenberg EBook of Emma\r\nmore licence\r\n"
)
CUT = datasets.NAMES["mysterious_island"].keywords["cut"]
EMMA = "EMMA ***\n\nCaf\u00e9 \u201cEmma\u201d\n\n"


def test_topics_is_a_real_corpus_of_english() -> None:
    text = datasets.topics()
    assert len(text) > 100_000
    assert 60 < len(set(text)) < 200
    assert sum(c.isascii() for c in text) > 0.99 * len(text)
    assert sum(text.count(word) for word in (" the ", " is ", " of ")) > 5_000
    assert not set(text) & {"\r", "\t", "\x00"}


def test_topics_come_sorted_with_one_blank_line_between(monkeypatch: pytest.MonkeyPatch) -> None:
    from pydoc_data import topics as module

    monkeypatch.setattr(
        module, "topics", {"b": "\nsecond\n\nhalf\n\n", "a": "first\n", "c": "  third\n  |a |b |\n  +--+--+"}
    )
    assert datasets.topics() == "first\n\nsecond\n\nhalf\n\n  third\n"


def test_topics_is_the_same_every_time() -> None:
    assert datasets.topics() == datasets.topics() == datasets.load("topics")


def test_a_python_without_pydoc_data_gets_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(ImportError, match=r"lacks the module pydoc_data, .* or train on a text of your own"):
        datasets.load("topics")


def test_tinyshakespeare_is_in_the_package_and_needs_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in ("pooch", "requests", "pydoc_data.topics"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setenv("PYCHARRNN_CACHE", str(tmp_path))
    text = datasets.load("tinyshakespeare")
    assert text == datasets.tinyshakespeare()
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"  # of karpathy/char-rnn's file
    )
    assert (len(text), len(set(text))) == (1_115_394, 65)
    assert not files(tmp_path)


def test_tinyshakespeare_can_be_read_out_of_a_zip_file(tmp_path: Path) -> None:
    """As some applications ship their packages: resources, no paths."""
    source = Path(datasets.__file__).parents[1]
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.writestr("pycharrnn/__init__.py", "")
        for name in (
            "arguments.py",
            "errors.py",
            "messages.py",
            "text/__init__.py",
            "text/datasets.py",
            "text/tinyshakespeare.txt.bz2",
        ):
            archive.write(source / name, f"pycharrnn/{name}")
    code = "from pycharrnn.text import datasets; print(datasets.__file__, len(datasets.load('tinyshakespeare')))"
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "app.zip"), "PYTHONSAFEPATH": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert (done.stdout.split()[1:], done.stderr) == (["1115394"], "")
    assert "app.zip" in done.stdout


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, r"cannot be read from '.*tinyshakespeare\.txt\.bz2': .*No such file.*; install pycharrnn again"),
        (b"", r"^'.*tinyshakespeare\.txt\.bz2' has been changed: it is not the corpus 'tinyshakespeare'; install pych"),
        (b"First Citizen:\n", r"cannot be read from '.*': Invalid data stream; install pycharrnn again, or train"),
        (bz2.compress(b"First Citizen:\n"), r"has been changed: it is not the corpus 'tinyshakespeare'; install"),
        (bz2.compress(b"First Citizen:\n")[:-5], r"cannot be read from '.*': Compressed data ended before"),
    ],
)
def test_a_damaged_installation_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: bytes | None, message: str
) -> None:
    import importlib.resources

    if data is not None:
        (tmp_path / "tinyshakespeare.txt.bz2").write_bytes(data)
    monkeypatch.setattr(importlib.resources, "files", lambda package: tmp_path)
    with pytest.raises(OSError, match=message) as caught:
        datasets.load("tinyshakespeare")
    assert caught.value.errno is None  # the command line would show the text of the number, not ours


def test_what_is_downloaded_is_pinned_to_a_commit_and_to_a_hash() -> None:
    assert datasets.names() == ("topics", "tinyshakespeare", "mysterious_island")
    for name in datasets.names()[2:]:
        source = datasets.NAMES[name]
        assert source.args == (name,)
        assert re.match(r"https://raw\.githubusercontent\.com/[\w-]+/[\w-]+/[0-9a-f]{40}/", source.keywords["url"])
        assert re.fullmatch("[0-9a-f]{64}", source.keywords["sha256"])


@pytest.mark.parametrize("name", ["", "Topics", "shakespeare", "\u00c6", None, 5, ["topics"]])
def test_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match=r"^unknown corpus .*; the known ones are: topics") as caught:
        datasets.load(name)
    assert ascii(name) in str(caught.value)
    assert ("did you mean" in str(caught.value)) == (name in ("Topics", "shakespeare"))


def test_another_corpus_slots_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(datasets.NAMES, "tiny", lambda: "abc")
    assert datasets.names()[-1] == "tiny"
    assert datasets.load("tiny") == "abc"


class Server(http.server.ThreadingHTTPServer):
    """Answers every request on a free port of this machine with `body`, and counts."""

    daemon_threads = True
    body = b"to be or not to be\n"
    status = 200
    missing = 0
    requests = 0

    class Handler(http.server.BaseHTTPRequestHandler):
        server: Server

        def do_GET(self) -> None:
            server = self.server
            server.requests += 1
            self.send_response(server.status)
            self.send_header("Content-Length", str(len(server.body) + server.missing))
            self.end_headers()
            self.wfile.write(server.body)

        def log_message(self, *args: object) -> None:
            """Say nothing on stderr, which a test looks at."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self.Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.txt"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    pytest.importorskip("pooch")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("PYCHARRNN_CACHE", str(tmp_path / "new" / "cache"))
    return tmp_path / "new" / "cache"


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, server: Server, cache: Path) -> Callable[..., None]:
    """Make the server that of a corpus, whose file shall have the bytes `pinned` (else: those served)."""

    def serve(body: bytes = server.body, pinned: bytes | None = None, cut: Callable[[str], str] = str) -> None:
        server.body = body
        sha256 = hashlib.sha256(body if pinned is None else pinned).hexdigest()
        source = partial(datasets.NAMES["mysterious_island"], url=server.url, sha256=sha256, cut=cut)
        monkeypatch.setitem(datasets.NAMES, "mysterious_island", source)

    return serve


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_corpus_is_downloaded_once_and_without_a_word(
    monkeypatch: pytest.MonkeyPatch,
    server: Server,
    cache: Path,
    serve: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    import pooch

    [handler] = pooch.get_logger().handlers
    monkeypatch.setattr(handler, "stream", sys.stderr)  # it keeps the one there was when pooch was imported
    serve()
    assert [datasets.load("mysterious_island") for _ in range(3)] == ["to be or not to be\n"] * 3
    assert server.requests == 1
    assert files(cache) == ["mysterious_island.txt"]
    assert (cache / "mysterious_island.txt").read_bytes() == server.body
    assert capsys.readouterr() == ("", "")


def test_the_log_of_pooch_is_as_it_was(serve: Callable[..., None]) -> None:
    import pooch

    serve()
    before = list(pooch.get_logger().filters)
    datasets.load("mysterious_island")
    serve(b"wrong", b"right")
    with pytest.raises(ConnectionError):
        datasets.load("mysterious_island")
    assert pooch.get_logger().filters == before


def test_a_file_put_into_the_cache_by_hand_needs_no_network(
    server: Server, cache: Path, serve: Callable[..., None]
) -> None:
    serve(pinned=b"to be")
    cache.mkdir(parents=True)
    (cache / "mysterious_island.txt").write_bytes(b"to be")
    assert datasets.load("mysterious_island") == "to be"
    assert server.requests == 0


def test_a_damaged_file_in_the_cache_is_downloaded_again(cache: Path, serve: Callable[..., None]) -> None:
    serve()
    cache.mkdir(parents=True)
    (cache / "mysterious_island.txt").write_bytes(b"to be")
    assert datasets.load("mysterious_island") == "to be or not to be\n"
    assert files(cache) == ["mysterious_island.txt"]


@pytest.mark.parametrize("home", ["", "~/here"], ids=["unset", "tilde"])
def test_the_cache_is_in_the_home_folder_unless_said_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, serve: Callable[..., None], home: str
) -> None:
    import pooch

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("PYCHARRNN_CACHE", home)
    folder = tmp_path / "here" if home else pooch.os_cache("pycharrnn")
    assert folder.is_relative_to(tmp_path)
    serve()
    datasets.load("mysterious_island")
    assert files(folder) == ["mysterious_island.txt"]


def test_another_file_than_the_pinned_one_is_refused_and_not_kept(cache: Path, serve: Callable[..., None]) -> None:
    serve(b"<html>Please sign in</html>", pinned=b"to be")
    with pytest.raises(
        ConnectionError, match=r"^what came from http:.* is not the corpus 'mysterious_island', "
    ) as caught:
        datasets.load("mysterious_island")
    assert hashlib.sha256(b"to be").hexdigest() in str(caught.value)
    assert files(cache) == []


def fails_saying(reason: str, url: str, cache: Path) -> None:
    """Check that the corpus cannot be had, for that reason, and that nothing of it is left in the cache."""
    with pytest.raises(ConnectionError) as caught:
        datasets.load("mysterious_island")
    message = str(caught.value)
    assert re.search(f"^the corpus 'mysterious_island' cannot be downloaded: {reason}", message)
    assert f", save {url} as {str(cache / 'mysterious_island.txt')!a}, or train on a text of your own" in message
    assert caught.value.__suppress_context__
    assert caught.value.errno is None  # the command line would show the text of the number, not ours
    assert files(cache) == []


@pytest.mark.parametrize("status", [404, 500])
def test_a_server_that_says_no(server: Server, cache: Path, serve: Callable[..., None], status: int) -> None:
    serve()
    server.status = status
    fails_saying(rf"HTTPError\('{status} ", server.url, cache)


def test_a_server_that_hangs_up_in_the_middle(server: Server, cache: Path, serve: Callable[..., None]) -> None:
    serve(b"to be", pinned=b"to be or not to be")
    server.missing = 13
    fails_saying(r"IncompleteRead\(5 bytes read, 13 more expected\)", server.url, cache)


def test_a_server_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, server: Server, cache: Path, serve: Callable[..., None]
) -> None:
    import requests

    get, patience = requests.get, []

    def impatient(url: str, timeout: float, **options: object) -> object:
        patience.append(timeout)
        return get(url, timeout=0.1, **options)

    monkeypatch.setattr(requests, "get", impatient)
    serve(b"to be")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection, and that is all
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        monkeypatch.setitem(datasets.NAMES, "mysterious_island", partial(datasets.NAMES["mysterious_island"], url=url))
        fails_saying(r"TimeoutError\('timed out'\)", url, cache)
    assert patience == [30]


def test_no_network_at_all_even_while_another_error_is_handled(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    monkeypatch.setitem(datasets.NAMES, "mysterious_island", partial(datasets.NAMES["mysterious_island"], url=url))
    fails_saying(r"ConnectionRefusedError\(", url, cache)
    try:
        Path(cache, "novel.txt").read_text()
    except FileNotFoundError:  # a likely place for a call of load
        fails_saying(r"ConnectionRefusedError\(", url, cache)


@pytest.mark.parametrize("place", ["file", "file/cache"])
def test_a_cache_that_cannot_be_written_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: Server, serve: Callable[..., None], place: str
) -> None:
    serve()
    (tmp_path / "file").touch()
    monkeypatch.setenv("PYCHARRNN_CACHE", str(tmp_path / place))
    with pytest.raises(
        OSError, match=r"^the corpus 'mysterious_island' cannot be kept as '.*PYCHARRNN_CACHE"
    ) as caught:
        datasets.load("mysterious_island")
    assert not isinstance(caught.value, ConnectionError)
    assert ascii(str(tmp_path / place / "mysterious_island.txt")) in str(caught.value)
    assert server.requests == 0


@pytest.mark.parametrize("missing", ["pooch", "requests"])
def test_without_pooch_the_advice_is_to_install_it(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    message = """the corpus 'mysterious_island' is downloaded with pooch: pip install "pycharrnn[datasets]\""""
    with pytest.raises(ImportError, match=f"^{re.escape(message)}$"):
        datasets.load("mysterious_island")
    assert datasets.load("topics")


def test_a_book_loses_its_licence_and_its_carriage_returns(cache: Path, serve: Callable[..., None]) -> None:
    serve(BOOK, cut=CUT)
    assert [datasets.load("mysterious_island") for _ in range(2)] == [EMMA] * 2
    assert (cache / "mysterious_island.txt").read_bytes() == BOOK  # as it came: the hash is that of the whole file


@pytest.mark.parametrize("marker", [b"*** START", b"End of"])
def test_a_book_without_its_marks_is_refused(serve: Callable[..., None], marker: bytes) -> None:
    serve(BOOK.replace(marker, b""), cut=CUT)
    with pytest.raises(ValueError, match=r"has the line '\*\*\* START OF .* and below it 'End of .*', but this one"):
        datasets.load("mysterious_island")


def test_only_the_text_between_the_marks_in_their_order_is_a_book(serve: Callable[..., None]) -> None:
    start, end = BOOK.index(b"*** START"), BOOK.index(b"End of")
    serve(BOOK[end:] + BOOK[start:end], cut=CUT)
    with pytest.raises(ValueError, match="and below it"):
        datasets.load("mysterious_island")
