"""The notebook in examples/ runs from its top to its end, and shows what is stored in it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# Not imported here: where there is ipykernel, the library takes the process for a notebook.
for package in ("nbclient", "nbformat", "ipykernel", "matplotlib"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"there is no {package}", allow_module_level=True)

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "notebook.ipynb"
# In a process of its own: what it imports has warnings of its own.
RUN = """
import sys, nbformat, nbclient
notebook = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(notebook, timeout=200, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[2])
"""


def shown(cell: dict[str, Any]) -> list[Any]:
    """What a cell prints and shows; of pictures only that there are some."""
    found: list[Any] = ["".join(out["text"]) for out in cell["outputs"] if out["output_type"] == "stream"]
    for out in cell["outputs"]:
        found += ["".join(out["data"].get("text/html", "picture"))] if "data" in out else []
    return ["".join(part for part in found if isinstance(part, str))]


def test_the_notebook_shows_what_is_stored_in_it(tmp_path: Path) -> None:
    path = tmp_path / "run.ipynb"
    command = [sys.executable, "-c", RUN, str(NOTEBOOK), str(path)]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    stored = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    run = json.loads(path.read_text(encoding="utf-8"))["cells"]
    codes = [cell for cell in stored if cell["cell_type"] == "code"]
    assert len(codes) > 7
    for before, after in zip(codes, [cell for cell in run if cell["cell_type"] == "code"], strict=True):
        assert before["source"] == after["source"]
        assert shown(before) == shown(after)
    assert sum(shown(cell) != [""] for cell in codes) > 6


def test_the_notebook_is_small_and_has_no_trace_of_where_it_ran() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 150_000
    assert not [word for word in ("/home/", "/tmp/", "/root", "Traceback", "site-packages") if word in text]
    assert json.loads(text)["metadata"].keys() == {"kernelspec", "language_info"}
