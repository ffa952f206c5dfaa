"""Who may ask: the hosts and origins that a server answers, and what browsers are told about its answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from pycharrnn.messages import shown
from pycharrnn.serving.answers import Receive, Send, encoded
from pycharrnn.serving.refusals import Refused

Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]
_OWN_PAGES = (b"cross-origin-resource-policy", b"same-origin")
_METHODS = b"GET, POST, OPTIONS"


def hostname(host: str) -> str:
    """Return the name of a Host header, without the port.

    Examples
    --------
    >>> hostname("LOCALHOST:8000"), hostname("[::1]:8000"), hostname("example.org")
    ('localhost', '::1', 'example.org')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


class Gate:
    """Refuses what comes from elsewhere, before anything reads it.

    A page of another site can make a browser send requests to this machine. It names its own host, if it has bent its
    name to this machine's address, or its own origin.

    Parameters
    ----------
    application : callable
        The ASGI application behind the gate.
    hosts : collection of str or None
        Names that a request may call this server by; None is all.
    origins : collection of str
        Origins of pages that may use it, beside its own; "*" is all.
    """

    def __init__(self, application: Application, hosts: Collection[str] | None, origins: Collection[str]) -> None:
        self._application = application
        self._hosts = hosts
        self._origins = origins

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        origin = headers.get(b"origin")
        allowed = origin is not None and ("*" in self._origins or origin in self._origins)
        more = [*_HEADERS, _OWN_PAGES]
        if origin is not None and allowed:
            more = [*_HEADERS, (b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"origin")]

        async def marked(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *more]
            await send(message)

        refused = self._refused(headers.get(b"host", ""), origin, allowed)
        if refused is not None:
            await _answer(marked, refused.status, encoded(refused.body()), [(b"content-type", b"application/json")])
        elif scope["method"] == "OPTIONS" and allowed:
            names = headers.get(b"access-control-request-headers", "").encode("latin-1")
            asked = [(b"access-control-allow-methods", _METHODS), (b"access-control-allow-headers", names)]
            await _answer(marked, 204, b"", asked)
        else:
            await self._application(scope, receive, marked)

    def _refused(self, host: str, origin: str | None, allowed: bool) -> Refused | None:
        """Why a request is refused, if it is."""
        if self._hosts is not None and hostname(host) not in self._hosts:
            names = ", ".join(sorted(self._hosts))
            return Refused(403, f"this server is {names}, not {shown(hostname(host))}", None, "wrong_host")
        if origin is not None and not allowed and origin.partition("://")[2].lower() != host.lower():
            advice = "start the server with --allow-origin to let it in"
            return Refused(403, f"pages of {shown(origin)} may not use this server; {advice}", None, "wrong_origin")
        return None


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Send a whole answer."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
