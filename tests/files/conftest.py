"""A saved file and its bytes."""

from pathlib import Path

import pytest
from container_examples import METADATA, example

from pycharrnn.files import container as storage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A saved example, alone in its folder."""
    storage.save(tmp_path / "m.safetensors", example(), METADATA)
    return tmp_path / "m.safetensors"


@pytest.fixture
def data(path: Path) -> bytes:
    return path.read_bytes()
