"""Write ``docs/parameters.md`` from the table of the constructor's parameters: ``python tools/parameters.py``."""

from pathlib import Path

from pycharrnn.parameters import Parameters
from pycharrnn.presets import PRESETS
from pycharrnn.tables import table

PAGE = Path(__file__).resolve().parents[1] / "docs" / "parameters.md"

HEAD = """# Parameters

The parameters of `CharRNN`, as `help(CharRNN)` lists them. `pycharrnn train` takes the same ones, with dashes for
underscores. This page is written by `python tools/parameters.py` from the table in `pycharrnn/parameters.py`.

| parameter | values | default | meaning |
|---|---|---|---|
"""
PRESET = """
## Presets

`CharRNN.preset(name, **parameters)` starts from one of these; what is not listed keeps its default.

| preset | parameters | meaning |
|---|---|---|
"""


def cell(text: str) -> str:
    """Return a text as a cell of a table in Markdown."""
    return text.replace("|", "\\|").replace("\n", " ")


def page() -> str:
    """Return the page as Markdown."""
    rows = [
        f"| `{name}` | `{cell(row.kind.type)}` | `{row.default!r}` | {cell(row.meaning)} |"
        for name, row in table(Parameters).items()
    ]
    presets = [
        f"| `{name}` | {', '.join(f'`{key}={value!r}`' for key, value in preset.parameters.items())} "
        f"| {cell(preset.meaning)} |"
        for name, preset in PRESETS.items()
    ]
    return HEAD + "\n".join(rows) + "\n" + PRESET + "\n".join(presets) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
