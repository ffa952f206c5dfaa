"""Model and checkpoint files: one safetensors file, replaced atomically and read strictly.

The file, byte by byte::

    8 bytes   length of the header, little-endian
    header    ASCII JSON, filled up with spaces to a multiple of 8 bytes
    tensors   little-endian, C order, without gaps; sorted by dtype (widest first), then by name

    header  = {"__metadata__": {"pycharrnn": about}, name: {"dtype", "shape", "data_offsets"}, ...}
    about   = JSON text of {"format", "format_version", "metadata", "sha256"}, keys sorted, no spaces
    sha256  = SHA-256 of the whole file with 64 zeros where the digest stands

Metadata, shapes and digest determine every byte of the header. So most of reading is to build the header
that `save` would have written, and to compare: spaces, repeated keys or overlapping offsets show up. Hence
the header is made here and not by the safetensors package: it must stay the same over all versions of that,
and checking it must not take another copy of the tensors. The checksum finds accidents; a forger computes it
anew, so nothing here trusts it. No text in a file is used as code, class or path.
"""

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from pycharrnn.errors import ModelFileError
from pycharrnn.files.atomic import replace
from pycharrnn.packing import identify, looks_like_text

Specs = dict[str, tuple[tuple[int, ...], str]]  # tensor name -> shape, dtype name


Layout = Callable[[dict[str, Any]], Specs]


Tensors = dict[str, npt.NDArray[Any]]


_VERSION = 1


_KINDS = {"model": "CharRNN.load", "checkpoint": "CharRNN.resume"}  # and what opens them


_HEAD = 512  # bytes that tell what another file is


_MAX_HEADER = 1 << 20  # bounds what parsing untrusted JSON can cost


_KEYS = {"format", "format_version", "metadata", "sha256"}


_NO_DIGEST = "0" * 64


# NumPy's name -> safetensors' name, in the official writer's order, which aligns every tensor.
_DTYPES = {"int64": "I64", "float64": "F64", "float32": "F32", "uint32": "U32", "int32": "I32", "uint8": "U8"}


def save(
    path: str | os.PathLike[str],
    tensors: Mapping[str, npt.NDArray[Any]],
    metadata: Mapping[str, Any],
    *,
    kind: str = "model",
) -> None:
    """Write arrays and metadata to one file: the same bytes for the same input, all of them or none.

    Parameters
    ----------
    path : str or path-like
        An existing file is replaced and keeps its permissions; a symbolic link stays one.
    tensors : mapping of str to ndarray
        Names in printable ASCII; float32, float64 (finite), uint32, int32, int64, uint8 in any memory order.
    metadata : mapping
        What JSON gives back unchanged: dicts with str keys, lists, str, int, finite float, bool, None. The
        limit is 1 MiB with the names of the tensors; long series of numbers belong in a tensor.
    kind : {"model", "checkpoint"}
        `load` must be told the same.

    Raises
    ------
    ValueError, TypeError
        If something cannot be stored; the disk is not touched.
    OSError
        If the file cannot be written durably; the path holds the old or the new one, never a part.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from pycharrnn.files import container
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     container.save(pathlib.Path(folder, "tiny.safetensors"), {"W": np.eye(2)}, {"size": 2})
    """
    about: dict[str, Any] = {"format": _format(kind), "format_version": _VERSION}
    about |= {"metadata": dict(metadata), "sha256": _NO_DIGEST}
    arrays = {name: np.asarray(tensor) for name, tensor in tensors.items()}
    entries = _entries({name: (array.shape, array.dtype.name) for name, array in arrays.items()})
    body = []
    for name in entries:
        dtype = arrays[name].dtype.newbyteorder("<")
        # C order whatever the strides, and a snapshot: what is checked and hashed is what is written.
        body.append(arrays[name].astype(dtype, copy=False).tobytes())
        _check_finite(name, np.frombuffer(body[-1], dtype))
    about["sha256"] = _digest(about, entries, body)
    header = _header(about, entries)
    if len(header) - 8 > _MAX_HEADER:
        raise ValueError(f"metadata and names take {len(header) - 8} bytes; {_MAX_HEADER} are allowed")
    # JSON would turn the key 1 into "1", a tuple into a list and two surrogates into one character.
    if json.loads(_json(about["metadata"])) != about["metadata"]:
        raise ValueError("metadata would not come back from JSON as it is: use str keys and lists")
    replace(os.fsdecode(path), [header, *body])


def load(path: str | os.PathLike[str], layout: Layout, *, kind: str = "model") -> tuple[Tensors, dict[str, Any]]:
    """Read a file that `save` wrote, and nothing else, in at most twice its size of memory.

    Parameters
    ----------
    path : str or path-like
        The file.
    layout : callable
        Gets the metadata, which may come from anybody, and returns ``{name: (shape, dtype name)}`` for all
        tensors, in Python ints. A ValueError, KeyError or TypeError from it means bad metadata.
    kind : {"model", "checkpoint"}
        What the file must be.

    Returns
    -------
    tensors : dict of str to ndarray
        Writable, each with memory of its own, in native byte order.
    metadata : dict
        Equal to what was saved.

    Raises
    ------
    ModelFileError
        If anything in the file is not as `save` writes it.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from pycharrnn.files import container
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "tiny.safetensors")
    ...     container.save(path, {"W": np.eye(2)}, {"size": 2})
    ...     container.load(path, lambda metadata: {"W": ((metadata["size"],) * 2, "float64")})
    ({'W': array([[1., 0.],
           [0., 1.]])}, {'size': 2})
    """
    _format(kind)  # a wrong `kind` is the caller's mistake, not the file's
    name = os.fsdecode(path)
    with open(name, "rb") as file:
        try:
            return _read(file, layout, kind)
        except ModelFileError as error:
            raise ModelFileError(f"{name!a} {error}") from None
        except (ValueError, RecursionError) as error:
            damage = f"is not an intact pycharrnn {kind}: {_plain(error)}"
            raise ModelFileError(f"{name!a} {damage}; save it again or fetch the file anew") from error


def _read(file: BinaryIO, layout: Layout, kind: str) -> tuple[Tensors, dict[str, Any]]:
    """Each check relies on those above it; no tensor is read before the header and the length are right."""
    size = os.fstat(file.fileno()).st_size
    head = file.read(8)
    length = int.from_bytes(head, "little")
    if found := _other(head + file.read(_HEAD - 8), size):
        raise ModelFileError(f"is not a pycharrnn {kind}: it {found}")
    file.seek(8)
    if length > 1 << 40:
        raise ValueError("it does not begin like one, with the length of its header")
    if len(head) < 8 or length > min(size - 8, _MAX_HEADER):
        raise ValueError(f"byte 0 announces {length} bytes of header, of {size}; {_MAX_HEADER} are allowed")
    head += file.read(length)
    try:
        header = json.loads(head[8:].decode("ascii"))
        text = header.pop("__metadata__")["pycharrnn"]
        about = json.loads(text)
        found, version = about["format"], about["format_version"]
    except (AttributeError, KeyError, TypeError) as error:
        if _is_foreign(header):
            raise ModelFileError(
                f"is not a pycharrnn {kind}: it is a safetensors file of another program, with no "
                "pycharrnn entry in its header"
            ) from error
        raise ValueError("its header has no pycharrnn entry with a format and a version") from error

    for other, opener in _KINDS.items():
        if found == _format(other) != _format(kind):
            raise ModelFileError(f"is a pycharrnn {other}, not a {kind}: use {opener}")
    if found != _format(kind) or type(version) is not int or version < 1:  # True is an int, too
        raise ValueError(f"it has the format {found!a}, version {version!a}")
    if version > _VERSION:
        problem = f"has format version {_plain(version)}, this pycharrnn reads up to {_VERSION}"
        raise ModelFileError(f"{problem}: upgrade pycharrnn")
    if about.keys() != _KEYS or not isinstance(about["metadata"], dict):
        raise ValueError(f"its pycharrnn entry has keys {sorted(about)}, or metadata that is no object")
    if text != _json(about, sort_keys=True):  # which knows no NaN either
        raise ValueError("its pycharrnn entry is not canonical JSON (spaces, escapes, repeated keys, ...)")
    try:
        specs = layout(about["metadata"])
        entries = _entries(specs)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"its metadata is wrong: {type(error).__name__}: {error}") from error
    for name in sorted(header.keys() | entries.keys()):
        has, wants = header.get(name, "nothing"), entries.get(name, "nothing")
        if has != wants:
            raise ValueError(f"tensor {name!a}: the header has {has}, the metadata calls for {wants}")
    body_size = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
    if size != len(head) + body_size:
        raise ValueError(f"it has {size} bytes, its header calls for {len(head) + body_size}")
    if head != _header(about, entries):
        raise ValueError("its header is not canonical JSON (spaces, escapes, repeated keys, order, ...)")

    body = file.read(body_size)
    if len(body) != body_size:
        raise ValueError("it was cut short while being read")
    if about["sha256"] != _digest({**about, "sha256": _NO_DIGEST}, entries, [body]):
        raise ValueError("its checksum does not match its bytes")
    tensors = {}
    for name, (shape, dtype) in specs.items():
        little = np.dtype(dtype).newbyteorder("<")
        view: npt.NDArray[Any] = np.ndarray(shape, little, body, entries[name]["data_offsets"][0])
        _check_finite(name, view)
        tensors[name] = view.astype(dtype)
    return tensors, about["metadata"]


def _other(head: bytes, size: int) -> str:
    """What a file is that begins like this, unless it begins like a model, in words that follow "it"."""
    if not size:
        return "is empty"
    kind = identify(head)
    if kind is not None and kind != "a safetensors file":
        return f"looks like {kind}"
    return "looks like text" if kind is None and looks_like_text(head) else ""


def _is_foreign(header: object) -> bool:
    """Whether this is the header of a safetensors file that was never a model's."""
    if not isinstance(header, dict) or "pycharrnn" in (header.get("__metadata__") or ()):
        return False
    return all(isinstance(entry, dict) and "dtype" in entry for name, entry in header.items() if name != "__metadata__")


def _format(kind: str) -> str:
    if kind not in _KINDS:
        raise ValueError(f"kind must be one of {sorted(_KINDS)}, not {kind!a}")
    return f"pycharrnn {kind}"


def _entries(specs: Specs) -> dict[str, dict[str, Any]]:
    """Return the header's tensor entries in the order of the file; all sizes are Python ints."""
    for name, (shape, dtype) in specs.items():
        if not (name.isascii() and name.isprintable()) or name == "__metadata__":
            raise ValueError(f"tensor name {name!a}: use printable ASCII, and not '__metadata__'")
        if dtype not in _DTYPES:
            raise ValueError(f"tensor {name!a} has dtype {dtype}; supported are {', '.join(_DTYPES)}")
        if not all(type(n) is int and 0 <= n < 1 << 63 for n in shape):
            raise ValueError(f"tensor {name!a} cannot have shape {shape}")
    order, entries, end = list(_DTYPES), {}, 0
    for name, (shape, dtype) in sorted(specs.items(), key=lambda item: (order.index(item[1][1]), item[0])):
        start, end = end, end + math.prod(shape) * np.dtype(dtype).itemsize
        entries[name] = {"dtype": _DTYPES[dtype], "shape": list(shape), "data_offsets": [start, end]}
    return entries


def _header(about: dict[str, Any], entries: dict[str, dict[str, Any]]) -> bytes:
    """Everything before the tensors, in the one spelling that `save` writes and `load` accepts."""
    text = _json({"__metadata__": {"pycharrnn": _json(about, sort_keys=True)}, **entries})
    text += " " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text.encode("ascii")


def _json(value: dict[str, Any], sort_keys: bool = False) -> str:
    return json.dumps(value, sort_keys=sort_keys, separators=(",", ":"), allow_nan=False)


def _digest(about: dict[str, Any], entries: dict[str, dict[str, Any]], body: Iterable[bytes]) -> str:
    import hashlib  # here, for it is slow to import and seldom needed

    digest = hashlib.sha256(_header(about, entries))
    for piece in body:
        digest.update(piece)
    return digest.hexdigest()


def _check_finite(name: str, array: npt.NDArray[Any]) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"tensor {name!a} holds NaN or infinite values")


def _plain(value: object) -> str:
    """Printable ASCII of bounded length: text out of a file must not reach a terminal as it is."""
    return "".join(c if c.isascii() and c.isprintable() else ascii(c)[1:-1] for c in str(value)[:300])
