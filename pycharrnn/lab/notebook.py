"""What a notebook shows of an object: a small table, perhaps above a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pycharrnn.parameters import changed
from pycharrnn.trained import Trained

__all__ = ["model_table", "table"]


def table(title: str, rows: Mapping[str, str], picture: str = "") -> str:
    """An HTML table of names and values, all of them escaped, and a picture that is HTML itself.

    Examples
    --------
    >>> table("Song", {"text": "<la>"})
    '<div><table><caption>Song</caption><tr><th scope="row">text</th><td>&lt;la&gt;</td></tr></table></div>'
    """
    import html  # only now: importing the names of all entities takes its time

    def shown(text: str) -> str:
        return html.escape(text.encode("utf-8", "backslashreplace").decode())  # half of a surrogate pair is no text

    cells = (f'<tr><th scope="row">{shown(name)}</th><td>{shown(value)}</td></tr>' for name, value in rows.items())
    return f"<div><table><caption>{shown(title)}</caption>{''.join(cells)}</table>{picture}</div>"


def model_table(model: Trained) -> str:
    """An HTML table of a model: the parameters that are not the defaults, and what came of the training."""
    rows = changed(model)
    if not model.__sklearn_is_fitted__():
        return table("CharRNN", rows | {"trained": "not yet"})
    best, vocabulary = model.best_, model.vocabulary_
    losses = {"validation": best.validation_loss, "training": best.training_loss}
    known = {kind: nats for kind, nats in losses.items() if nats is not None}
    kind, nats = next(iter(known.items()), ("smooth", best.smooth_loss / model.seq_length))
    lowest = f"{nats:.3f} nats per character, after update {best.n_updates:,}" if math.isfinite(nats) else "none yet"
    rows["trained"] = f"{model.n_updates_:,} updates, on {'documents' if vocabulary.end is not None else 'a text'}"
    rows[f"best {kind} loss"] = lowest
    rows["characters"] = f"{len(vocabulary):,} distinct"
    return table("CharRNN", rows)
