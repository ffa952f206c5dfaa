"""The source code without its C core, as a fresh clone has it: the import says what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pycharrnn


@pytest.mark.parametrize("command", [["-c", "import pycharrnn"], ["-m", "pycharrnn", "--help"]])
def test_a_clone_that_is_not_built_says_so(command: list[str], tmp_path: Path) -> None:
    package = Path(pycharrnn.__file__).parent
    shutil.copytree(package, tmp_path / "pycharrnn", ignore=shutil.ignore_patterns("_kernels*", "__pycache__"))
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-P", *command], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        "ImportError: this folder has the source code of pycharrnn, whose C core is not built here: "
    )
    assert "pip install ." in last
    assert last.endswith(f"The folder: {tmp_path / 'pycharrnn'}")
    assert "circular" not in done.stderr
