"""The explorer: one page, which fetches nothing, to look at what each unit of a model does in a text."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Annotated, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pycharrnn.arguments import Integer, Text
from pycharrnn.arrays import Array, Floats
from pycharrnn.errors import ParameterValueError
from pycharrnn.files.atomic import check_writable, replace
from pycharrnn.lab.passages import Passage, Recording, Source, passages, snapshot, units_of
from pycharrnn.lab.properties import Property
from pycharrnn.lab.tracking import Tracking, shared, track
from pycharrnn.lab.visible import END, LINE_END, TAB, stand_in
from pycharrnn.tables import check, table
from pycharrnn.trained import Trained, learned

__all__ = ["Explorer", "write"]

_PREDICTED = 36  # bytes of a symbol and of what was predicted there, beside the units
_LARGEST = 65_535  # of 16 bits


class Explorer(NamedTuple):
    """What `write` did.

    Attributes
    ----------
    path : str
        Where the page is.
    n_bytes : int
        Its size.
    shown, given : int
        How many characters of the texts it shows, and how many there are.
    tracking : Tracking
        What the units track.
    """

    path: str
    n_bytes: int
    shown: int
    given: int
    tracking: Tracking


def write(
    path: str | os.PathLike[str],
    model: Trained,
    X: Source,
    *,
    title: Annotated[str, Text()] = "",
    properties: Mapping[str, Property] | None = None,
    most: Annotated[int, Integer(100, 2**31)] = 50_000,
    megabytes: Annotated[int, Integer(1, 500)] = 8,
) -> Explorer:
    """Write a page on which one looks at the units of a model: what each tracks, and its value at each character.

    The page is one file that fetches nothing. It ranks the units by what they track, colours a text by the unit, or by
    the surprise, that the reader picks, and shows at each character what the model thought likely there.

    Parameters
    ----------
    path : str or path-like
        The HTML file.
    model : CharRNN
        A trained model.
    X : str, sequence of str, or mapping of str to these
        Texts, by the names that the page gives them. A model of documents reads a sequence of them as one text.
    title : str, default ""
        What the page is called; by default by the model.
    properties : mapping of str to callable, or None, default None
        What units may track, as for `track`: functions that take a text and return a number for each character.
    most : int, default 50_000
        Characters by which it is measured what the units track.
    megabytes : int, default 8
        The size of what is shown. Texts are cut, all alike, to as many characters as fit; the page says so.

    Returns
    -------
    Explorer
        Where the page is, and what it says.

    Raises
    ------
    NotFittedError, TypeError, ValueError, UnknownCharacterError
        As of `track`; ValueError, too, if the model has so many units that no text fits.
    OSError
        If there can be no file at `path`. An old file stays as it was.

    Notes
    -----
    The values of a unit are shown in 255 steps, from minus to plus the largest that it has in the texts shown. With
    n-grams the page shows what the network predicts alone: only it has units.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from pycharrnn import CharRNN
    >>> model = CharRNN(hidden_size=8, random_state=0).fit("one word\\nand another\\n" * 40)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = write(pathlib.Path(folder, "explorer.html"), model, "another word\\nand one\\n" * 20)
    >>> found.shown, found.given, found.n_bytes < 200_000
    (420, 420, True)
    """
    check(table(write), title=title, most=most, megabytes=megabytes)
    check_writable(path)
    model = snapshot(model)
    read = passages(model, X)
    n_units = len(units_of(model))
    affordable = megabytes * 2**20 * 3 // 4 // (n_units + _PREDICTED)  # base64 makes four bytes of three
    if affordable < 2 * len(read):
        raise ParameterValueError("megabytes", f"must be more for {len(read):,} texts and {n_units:,} units")
    tracking = track(model, X, properties, most)
    parts = shared(read, affordable)
    page = _page(_data(model, title, tracking, read, parts))
    replace(os.fspath(path), [page])
    shown, given = (sum(len(each.ids) for each in several) for several in (parts, read))
    return Explorer(os.fspath(path), len(page), shown, given, tracking)


def _page(data: dict[str, Any]) -> bytes:
    """The page with its data: ASCII in which nothing of a text can end the element that it stands in.

    Only the script and the style of the template run: the policy of the page has their digests.
    """
    template = resources.files("pycharrnn.lab").joinpath("explorer.html").read_text("utf-8")
    policy = ["default-src 'none'", "base-uri 'none'", "form-action 'none'"]
    for element in ("script", "style"):
        [content] = re.findall(rf"(?s)<{element}>(.*?)</{element}>", template)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        policy.append(f"{element}-src 'sha256-{digest}'")
    written = json.dumps(data, separators=(",", ":"))  # all that is not ASCII as escapes, lone surrogates too
    for character in "<>&":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return template.replace("{{policy}}", "; ".join(policy)).replace("{{data}}", written).encode()


def _data(
    model: Trained, title: str, tracking: Tracking, read: Sequence[Passage], parts: Sequence[Passage]
) -> dict[str, Any]:
    """All that the page knows."""
    vocabulary, built, *_, ngrams = learned(model)
    recordings = [Recording.of(model, part) for part in parts]
    scales = np.max([np.abs(each.states).max(axis=1) for each in recordings], axis=0).astype(np.float64)
    scales[scales == 0] = 1.0
    labels = [*map(stand_in, vocabulary), *[END] * (vocabulary.end is not None)]
    network = f"{built.row.name.upper()}, {built.num_layers} x {built.hidden_size} units"
    return {
        "title": _visible(title) or network,
        "network": network,
        "alone": ngrams is not None,
        "labels": labels,
        "pictures": [LINE_END, TAB, END],
        "layers": built.num_layers,
        "states": list(built.row.states),
        "hidden": built.hidden_size,
        "scales": [float(f"{scale:.5g}") for scale in scales],
        "properties": list(map(_visible, tracking.properties)),
        "chosen": _packed(np.round(1000 * tracking.chosen), "<i2"),
        "heldOut": _packed(np.round(1000 * tracking.held_out), "<i2"),
        "measured": tracking.n_characters,
        "texts": [
            _text(part, len(whole.ids), recording, scales)
            for part, whole, recording in zip(parts, read, recordings, strict=True)
        ],
    }


def _text(part: Passage, given: int, recording: Recording, scales: Floats) -> dict[str, Any]:
    """What the page knows of a text."""
    bits = np.where(np.isnan(recording.bits), _LARGEST, np.minimum(np.round(1000 * recording.bits), _LARGEST - 1))
    return {
        "name": _visible(part.name),
        "given": given,
        "n": len(part.ids),
        "symbols": _packed(part.ids, "<u4"),
        "bits": _packed(bits, "<u2"),
        "likely": _packed(recording.likely, "<u4"),
        "alternatives": recording.likely.shape[1],
        "shares": _packed(np.round(_LARGEST * recording.shares), "<u2"),
        "values": _packed(quantised(recording.states, scales), "<i1"),
    }


def quantised(states: Array, scales: Floats) -> npt.NDArray[np.int8]:
    """Return values in 255 steps, from minus to plus the scale of each row.

    Examples
    --------
    >>> quantised(np.array([[-2.0, 0.0, 1.0]]), np.array([2.0]))
    array([[-127,    0,   64]], dtype=int8)
    """
    return np.round(127 * (states / scales[:, None])).astype(np.int8)


def _packed(values: Array, dtype: str) -> str:
    """An array as base64."""
    return base64.b64encode(values.astype(dtype).tobytes()).decode()


def _visible(text: str) -> str:
    """A name without characters that act."""
    return "".join(map(stand_in, text))
