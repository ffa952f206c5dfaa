"""What a notebook shows of an object: a small table, perhaps above a picture."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["table"]


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
