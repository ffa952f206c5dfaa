"""Corpora by name: two that are always there, and one that is downloaded once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial

from pycharrnn.arguments import close
from pycharrnn.messages import shown

__all__ = ["load", "names", "tinyshakespeare", "topics"]


def tinyshakespeare() -> str:
    """Return 40,000 lines of Shakespeare's plays: 1,115,394 characters, 65 of them distinct; public domain.

    The package holds them, so this corpus is always there and the same everywhere.

    Returns
    -------
    str
        The corpus, with LF line ends.

    Raises
    ------
    OSError
        If the installation lacks the file, or its bytes are not those that were packaged.
    ImportError
        If this Python lacks the module ``bz2``.

    References
    ----------
    Andrej Karpathy, "char-rnn", 2015: https://github.com/karpathy/char-rnn, ``data/tinyshakespeare/input.txt``.

    Examples
    --------
    >>> tinyshakespeare()[:14]
    'First Citizen:'
    """
    import hashlib  # these two only now: they take long to import, and `import pycharrnn` must not
    from importlib.resources import files

    try:
        import bz2
    except ImportError as error:
        raise ImportError(
            "this Python lacks the module bz2, which unpacks the corpus 'tinyshakespeare'; install the complete "
            "standard library, or train on a text of your own"
        ) from error
    file = files("pycharrnn.text").joinpath("tinyshakespeare.txt.bz2")
    advice = "install pycharrnn again, or train on a text of your own"
    try:
        data = bz2.decompress(file.read_bytes())
    except (OSError, ValueError) as error:
        raise OSError(f"the corpus 'tinyshakespeare' cannot be read from {str(file)!a}: {error}; {advice}") from None
    if hashlib.sha256(data).hexdigest() != _TINYSHAKESPEARE_SHA256:
        raise OSError(f"{str(file)!a} has been changed: it is not the corpus 'tinyshakespeare'; {advice}")
    return data.decode("ascii")


_TINYSHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


def topics() -> str:
    """Return the language topics of Python's own ``help()``: some 430 kilobytes of technical English.

    They come with CPython, and so **they differ from one Python release to the next**. CPython 3.11.7 has 426,537
    characters, 103 of them distinct; 3.12.1 has 442,502 (104); 3.13.0 has 451,243 (104). Do not compare losses across
    Python releases; `tinyshakespeare` is the same in all of them. The topics are sorted by name, with a blank line
    between two, and have lost their tables; one character in a thousand is not ASCII.

    Returns
    -------
    str
        The corpus, with LF line ends.

    Raises
    ------
    ImportError
        If this Python lacks the module ``pydoc_data``.

    Examples
    --------
    >>> topics().startswith('The "assert" statement')
    True
    """
    try:
        from pydoc_data.topics import topics as texts
    except ImportError as error:
        raise ImportError(
            "this Python lacks the module pydoc_data, which holds the corpus 'topics'; install the complete "
            "standard library (Debian, Ubuntu: apt install python3), or train on a text of your own"
        ) from error
    text = "\n\n".join(texts[key].strip("\n") for key in sorted(texts)) + "\n"
    # Without its tables, drawn with + and |: their rules and padding would be most of what a model learns to write.
    return "\n".join(line for line in text.split("\n") if not line.lstrip(" ").startswith(("|", "+")))


def _download(name: str, url: str, sha256: str, cut: Callable[[str], str] = str) -> str:
    """Return the text of a file, downloaded or from the cache, with LF line ends; `cut` takes the corpus out of it."""
    import logging  # these and the others only now: they take longer to import than all of the package
    from pathlib import Path

    try:
        import pooch
        import requests
    except ImportError as error:
        raise ImportError(f'the corpus {name!a} is downloaded with pooch: pip install "pycharrnn[datasets]"') from error
    file = Path(os.environ.get("PYCHARRNN_CACHE") or pooch.os_cache("pycharrnn"), f"{name}.txt").expanduser()
    advice = f"connect to the internet and try again, save {url} as {str(file)!a}, or train on a text of your own"
    caller_handles = sys.exception()
    get = pooch.HTTPDownloader(timeout=30, stream=False)  # a stream is left open when the server says no
    quiet = logging.Filter(__name__)  # lets through what this module logs: nothing
    pooch.get_logger().addFilter(quiet)
    try:
        pooch.retrieve(url, sha256, file.name, file.parent, downloader=get)
    except requests.RequestException as error:
        reason: BaseException = error
        while reason.__context__ not in (None, caller_handles):  # down to the one that says something
            reason = reason.__context__
        raise ConnectionError(f"the corpus {name!a} cannot be downloaded: {reason!a}; {advice}") from None
    except ValueError:  # the wrong hash; an error of the connection all the same, since the URL's bytes never change
        what = f"what came from {url} is not the corpus {name!a}, whose file has the SHA-256 {sha256}"
        raise ConnectionError(f"{what}: a proxy or a sign-in page may have answered; {advice}") from None
    except OSError as error:
        advice = "set the environment variable PYCHARRNN_CACHE to a folder that can be written to"
        raise OSError(f"the corpus {name!a} cannot be kept as {str(file)!a}: {error}; {advice}") from None
    finally:
        pooch.get_logger().removeFilter(quiet)
    return cut(file.read_text(encoding="utf-8"))


def _cut_gutenberg(text: str) -> str:
    """Take the licence and the small print off both ends of a Project Gutenberg text."""
    first, last = "*** START OF THIS PROJECT GUTENBERG EBOOK ", "End of the Project Gutenberg EBook"
    corpus, end, _ = text.partition(first)[2].partition(last)
    if not end:  # nor without the start, behind which there is nothing then
        raise ValueError(f"a Project Gutenberg text has the line {first!a} and below it {last!a}, but this one has not")
    return corpus


# The address holds the hash of a commit, so that the bytes behind it never change.
_GITHUB = "https://raw.githubusercontent.com"
NAMES: dict[str, Callable[[], str]] = {
    "topics": topics,
    "tinyshakespeare": tinyshakespeare,
    "mysterious_island": partial(
        _download,
        "mysterious_island",
        url=f"{_GITHUB}/GITenberg/The-Mysterious-Island_1268/40364dbafe55d93558ba866a8b054bed1395515a/1268-0.txt",
        sha256="355bfdc3f9b5e384b1918e817dd086ce0df97f4d294c69f032fb70b95c1e737c",
        cut=_cut_gutenberg,
    ),
}


def names() -> tuple[str, ...]:
    """Return the names that `load` knows.

    Returns
    -------
    tuple of str
        The names.

    Examples
    --------
    >>> names()
    ('topics', 'tinyshakespeare', 'mysterious_island')
    """
    return tuple(NAMES)


def load(name: str) -> str:
    """Return the corpus of that name.

    ===================  ==========  ========  =====================================================================
    name                 characters  distinct  source and licence
    ===================  ==========  ========  =====================================================================
    `topics`             ~ 430,000   ~ 100     Python's ``help()``, see `topics`; PSF License. Always there, but not
                                               the same in another Python release
    `tinyshakespeare`    1,115,394   65        40,000 lines of Shakespeare's plays, see `tinyshakespeare`; public
                                               domain. Always there, and always the same
    `mysterious_island`  1,112,350   80        Jules Verne, *The Mysterious Island*, Project Gutenberg's book 1268
                                               without its front and back matter; public domain
    ===================  ==========  ========  =====================================================================

    `mysterious_island`, 1 MB, is downloaded with pooch (``pip install "pycharrnn[datasets]"``) the first time it is
    asked for. It is kept in the folder that the environment variable ``PYCHARRNN_CACHE`` names, or in the user's cache
    folder (on Linux ``~/.cache/pycharrnn``). The SHA-256 of all but `topics` is checked every time.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    str
        The corpus, with LF line ends.

    Raises
    ------
    ValueError
        If there is no corpus of that name.
    ImportError
        If pooch is missing, or for "topics" the module ``pydoc_data``.
    ConnectionError
        If the corpus is not in the cache and cannot be downloaded.
    OSError
        If the cache folder cannot be written to, or the installation is damaged.

    Examples
    --------
    >>> load("topics") == topics()
    True
    """
    if not isinstance(name, str) or name not in NAMES:
        raise ValueError(
            f"unknown corpus {shown(name)}{close(name, names())}; the known ones are: {', '.join(names())}"
        )
    return NAMES[name]()
