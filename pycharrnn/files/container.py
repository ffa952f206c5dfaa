"""Model and checkpoint files: one safetensors file, replaced whole or not at all and read strictly."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from pycharrnn.errors import ModelFileError, named_errors
from pycharrnn.files.atomic import file_name, replace
from pycharrnn.files.header import Claims, Header, Specs, format_name, printable
from pycharrnn.files.rounding import BFLOAT16, rounded, widened
from pycharrnn.packing import identify, looks_like_text

__all__ = ["Layout", "Specs", "Tensors", "load", "save"]

Layout = Callable[[dict[str, Any]], Specs]
Tensors = dict[str, npt.NDArray[Any]]
Check = Callable[[Tensors, dict[str, Any]], None]

_HEAD = 512  # bytes that tell what another file is
_MAX_HEADER = 1 << 20  # bounds what parsing untrusted JSON can cost
_PIECE = 1 << 18  # numbers that are checked at once


def save(
    path: str | os.PathLike[str],
    tensors: Mapping[str, npt.NDArray[Any]],
    metadata: Mapping[str, Any],
    *,
    kind: str = "model",
    narrow: Collection[str] = (),
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
    narrow : collection of str, default ()
        Names of tensors of float32 or float64 that are rounded to bfloat16.

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
    path = file_name(path)
    arrays = {name: np.asarray(tensor) for name, tensor in tensors.items()}
    types = {name: BFLOAT16 if name in narrow else array.dtype.name for name, array in arrays.items()}
    header = Header(kind, dict(metadata), {name: (array.shape, types[name]) for name, array in arrays.items()})
    format_name(kind)
    body = []
    for name in header.entries:
        array = arrays[name]
        if name in narrow:
            _check_finite(name, array)  # a NaN may round to a number
            array = rounded(array)
        dtype = array.dtype.newbyteorder("<")
        # A snapshot in C order: the bytes that are checked and hashed are the bytes that are written.
        body.append(array.astype(dtype, copy=False).tobytes())
        _check_finite(name, _numbers(np.frombuffer(body[-1], dtype), types[name]))
    head = header.signed(body).encode()
    if len(head) - 8 > _MAX_HEADER:
        raise ValueError(f"metadata and names take {len(head) - 8} bytes; {_MAX_HEADER} are allowed")
    # JSON would turn the key 1 into "1", a tuple into a list and two surrogates into one character.
    if json.loads(json.dumps(header.metadata, allow_nan=False)) != header.metadata:
        raise ValueError("metadata would not come back from JSON as it is: use str keys and lists")
    replace(path, [head, *body])


def load(
    path: str | os.PathLike[str], layout: Layout, check: Check | None = None, *, kind: str = "model"
) -> tuple[Tensors, dict[str, Any]]:
    """Read a file that `save` wrote, and nothing else, in hardly more memory than its size.

    Parameters
    ----------
    path : str or path-like
        The file.
    layout : callable
        Gets the metadata, which may come from anybody, and returns ``{name: (shape, dtype name)}`` for all
        tensors, in Python ints. A ValueError, KeyError or TypeError from it means bad metadata.
    check : callable or None, default None
        Gets tensors and metadata. A ValueError from it means bad tensors.
    kind : {"model", "checkpoint"}
        What the file must be.

    Returns
    -------
    tensors : dict of str to ndarray
        Writable, each with memory of its own, in native byte order; bfloat16 as float32.
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
    format_name(kind)  # a wrong `kind` is the caller's mistake, not the file's
    name = file_name(path)
    with named_errors(name), open(name, "rb", opener=_without_waiting) as file:
        try:
            tensors, metadata = _read(file, layout, kind)
            if check is not None:
                check(tensors, metadata)
            return tensors, metadata
        except ModelFileError as error:
            raise ModelFileError(f"{name!a} {error}") from None
        except (ValueError, RecursionError) as error:
            damage = f"is not an intact pycharrnn {kind}: {printable(error)}"
            raise ModelFileError(f"{name!a} {damage}; save it again or fetch the file anew") from error


def _without_waiting(name: str, flags: int) -> int:
    """Open a file; a pipe to which nobody writes would be waited for without end."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def _read(file: BinaryIO, layout: Layout, kind: str) -> tuple[Tensors, dict[str, Any]]:
    """Each check relies on those above it; no tensor is read before the header and the length are right."""
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise ModelFileError(f"is not a pycharrnn {kind}: it is a pipe or a device; copy what it gives to a file")
    size = status.st_size
    head = _head(file, size, kind)
    claims = Claims.parse(head[8:], kind)
    try:
        specs = layout(claims.metadata)
        called_for = Header(kind, claims.metadata, specs).body_size
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"its metadata is wrong: {type(error).__name__}: {error}") from error
    header = claims.header(specs)
    if size != len(head) + called_for:
        raise ValueError(f"it has {size} bytes, its header calls for {len(head) + called_for}")
    if head != header.encode():
        raise ValueError("its header is not canonical JSON (spaces, escapes, repeated keys, order, ...)")

    read: Tensors = {}
    if header != header.signed(_pieces(file, header, read)):
        raise ValueError("its checksum does not match its bytes")
    tensors = {name: _numbers(array, header.specs[name][1]) for name, array in read.items()}
    for name, array in tensors.items():
        _check_finite(name, array)
    types = {name: "float32" if dtype == BFLOAT16 else dtype for name, (_, dtype) in specs.items()}
    return {name: tensors[name].astype(dtype, copy=False) for name, dtype in types.items()}, claims.metadata


def _pieces(file: BinaryIO, header: Header, read: Tensors) -> Iterator[memoryview]:
    """Read one tensor after the other into memory of its own, and yield its bytes."""
    for name in header.entries:
        shape, dtype = header.specs[name]
        read[name] = np.empty(shape, np.dtype("uint16" if dtype == BFLOAT16 else dtype).newbyteorder("<"))
        piece = read[name].reshape(-1).view(np.uint8).data
        if file.readinto(piece) != len(piece):  # type: ignore[attr-defined]
            raise ValueError("it was cut short while being read")
        yield piece


def _head(file: BinaryIO, size: int, kind: str) -> bytes:
    """Return the header with its length before it, if the file can be of this kind."""
    head = file.read(8)
    length = int.from_bytes(head, "little")
    if found := _other(head + file.read(_HEAD - 8), size):
        raise ModelFileError(f"is not a pycharrnn {kind}: it {found}")
    file.seek(8)
    if length > 1 << 40:
        raise ValueError("it does not begin like one, with the length of its header")
    if len(head) < 8 or length > min(size - 8, _MAX_HEADER):
        raise ValueError(f"byte 0 announces {length} bytes of header, of {size}; {_MAX_HEADER} are allowed")
    return head + file.read(length)


def _other(head: bytes, size: int) -> str:
    """Return what a file with this beginning is, in words that follow "it"; "" if it may be a model."""
    if not size:
        return "is empty"
    kind = identify(head)
    if kind is not None and kind != "a safetensors file":
        return f"looks like {kind}"
    return "looks like text" if kind is None and looks_like_text(head) else ""


def _numbers(stored: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    """The numbers of a tensor: itself, but for bfloat16, of which NumPy sees the bits."""
    return widened(stored) if dtype == BFLOAT16 else stored


def _check_finite(name: str, array: npt.NDArray[Any]) -> None:
    if array.dtype.kind != "f":
        return
    flat = array.reshape(-1)
    if not all(np.isfinite(flat[start : start + _PIECE]).all() for start in range(0, flat.size, _PIECE)):
        raise ValueError(f"tensor {name!a} holds NaN or infinite values")
