"""Files to read."""

import gzip
import os
from pathlib import Path

import pytest


@pytest.fixture
def write(tmp_path: Path):
    def write(name: str, data: bytes | str) -> Path:
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write


@pytest.fixture
def tunes(tmp_path: Path) -> Path:
    """A folder with everything that a folder may have in it."""
    folder = tmp_path / "tunes"
    for name, data in {
        "b.txt": b"two\r\n\n", "a": b"\xef\xbb\xbfone\n", "B.abc.gz": gzip.compress(b"zero"), ".hidden": b"\xff",
        "reels/2.abc": b"reel 2", "reels/10.abc": b"reel 10", "reels/old/1.abc": b"old reel", ".git/config": b"[core]",
        "reels-2/1.abc": b"reel 3", "jigs/.DS_Store": b"\xff", "jigs/1.abc": b"jig",
    }.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "empty").mkdir()
    (folder / "reels" / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "broken").symlink_to(folder / "nowhere")
    (folder / "link.abc").symlink_to(folder / "jigs" / "1.abc")
    os.mkfifo(folder / "pipe")
    return folder
