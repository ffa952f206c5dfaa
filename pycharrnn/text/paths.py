"""Strings that look like paths: who passes one as a text may mean the file."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from pycharrnn.errors import PathLikeTextWarning, warn

__all__ = ["warn_of_paths"]

_LONGEST_PATH = 260
_LONGEST_URL = 2000
_LOOK = 100  # so many documents are looked at
_SPACES = 2  # of a name like "War and Peace.txt"; a sentence that ends with the name of a file has more

# A string looks like a path by its end,
_TEXTS = "txt|text|md|rst|[ct]sv|jsonl?|ndjson|log|xml|html?|tex|rtf|pdf|docx?|odt|epub|dat|abc|pgn|fasta|safetensors"
_ENDS = re.compile(rf".*[^\s.]\.({_TEXTS})(\.(gz|bz2|xz|zip|zst))?|.*[^\s.]\.(gz|bz2|xz|zip|7z)", re.IGNORECASE)
# by its beginning and the separators after that, which "and/or", "/x/" and "1/2" do not have,
_BEGINS = re.compile(
    r"(~|\.\.?)/[\w.-].*|/[\w.-]+(/[\w.-]+)+/?|[A-Za-z]:[/\\][\w.-].*|\\\\[\w.-]+\\[\w.$-]+.*", re.ASCII
)
# by both, with one part at least, or as a pattern of such names.
_PARTS = re.compile(r"[\w.-]{3,}[/\\]|[\w.-]{2,}([/\\][\w.-]+)+([/\\]|\.[A-Za-z]\w{0,4})", re.ASCII)
_PATTERN = re.compile(r"[^\s*]*\*[^\s*]*\.[A-Za-z*]\w{0,7}|[^\s*]*[\w.-]/\*{1,2}|[^\s*]*\*\*/\S+")
_ROOTED = re.compile(r"(~|\.\.?)?/\w|[A-Za-z]:[/\\]|\\\\")
_CODE = re.compile(r"[a-z0-9_-]+\.(py|js|ts|c|h|cc|cpp|java|go|rs|sh|sql|ipynb)")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://\S+")


def warn_of_paths(X: str | Sequence[str], name: str) -> None:
    """Warn if a text, or more than half of the first documents, is surely meant as a path.

    Parameters
    ----------
    X : str or sequence of str
        The text or the documents.
    name : str
        What the warning calls X.
    """
    alone = isinstance(X, str)
    texts = [str(text) for text in ([X] if alone else X[:_LOOK])]  # NumPy's show themselves as np.str_('...')
    advised = [(text, advice) for text in texts if (advice := _meant(text, alone))]
    if 2 * len(advised) > len(texts):
        use = "is used as the text itself" if alone else "holds the texts of documents"
        text, advice = advised[0]
        warn(
            f"{name} {use}, but {text!a} {advice}; if it is meant as a text, silence this with "
            'warnings.simplefilter("ignore", pycharrnn.PathLikeTextWarning)',
            PathLikeTextWarning,
        )


def _meant(text: str, alone: bool = False) -> str:
    """Return what is meant by a text that looks like a path or a URL, and what to do; "" if it may be a text."""
    if not 1 < len(text) <= _LONGEST_URL or re.search(r"[\0\r\n]", text) or not re.search(r"\w", text):
        return ""
    if _URL.fullmatch(text):
        return "looks like a URL: download it, and pass pathlib.Path(...) of the file"
    if len(text) > _LONGEST_PATH:
        return ""
    if os.path.isdir(text):  # which answers False to what cannot be a path at all, such as lone surrogates
        return f"is the name of a folder: to read its files, pass read_documents({text!a})"
    home = ".expanduser()" * text.startswith("~")
    path = f"to read the file, pass pathlib.Path({text!a}){home}"
    path = path if alone else f"to read the files, pass each as pathlib.Path(...){home}"
    if os.path.isfile(text):
        return f"is the name of a file: {path}"
    if _PATTERN.fullmatch(text):
        return "looks like a pattern of file names: to read the files, pass read_documents(folder, pattern=...)"
    spaces = len(text.split()) - 1
    within = _PARTS.fullmatch(text) or ("/" in text and os.path.isdir(text.partition("/")[0]))
    one_word = _BEGINS.fullmatch(text) or within or (alone and _CODE.fullmatch(text))
    if (one_word and not spaces) or (_ENDS.fullmatch(text) and (spaces <= _SPACES or _ROOTED.match(text))):
        return f"looks like a path, though nothing is there: {path}"
    return ""
