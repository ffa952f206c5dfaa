"""The paths of the server: a page, the models, and completions."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import re
import time
from collections.abc import AsyncIterator, Collection, Sequence
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from pycharrnn import CharRNN
from pycharrnn.messages import shown
from pycharrnn.serving.answers import Answer, encoded
from pycharrnn.serving.completions import NAMES, read, understand
from pycharrnn.serving.desk import CLOSED, Closed, Desk, Full
from pycharrnn.serving.gate import Gate
from pycharrnn.serving.limits import Limits
from pycharrnn.serving.refusals import Refused, failed, refusal
from pycharrnn.serving.texts import Text

_BODY = 20  # seconds in which a request must have come
_DRAINED = 64  # times as much as a request may have is read all the same, and dropped


class Service:
    """A model as an ASGI application.

    Parameters
    ----------
    model : CharRNN
        What writes.
    name : str
        What clients call it.
    limits : Limits
        What it takes on.
    hosts : collection of str or None, default None
        Names that a request may call the server by; None is all.
    origins : collection of str, default ()
        Origins of pages that may use it, beside its own.

    Attributes
    ----------
    application : callable
        The ASGI application.
    """

    def __init__(
        self,
        model: CharRNN,
        name: str,
        limits: Limits,
        hosts: Collection[str] | None = None,
        origins: Collection[str] = (),
    ) -> None:
        self._name = name
        self._limits = limits
        self._unknown = model.on_unknown
        self._desk = Desk(model, self._tell, model.n_threads, limits.max_streams)
        self._vocabulary = self._desk.bound.vocabulary
        self._created = int(time.time())
        self._page, self._policy = _page()
        self._loop: asyncio.AbstractEventLoop | None = None
        routes = [
            Route("/", self._show),
            Route("/v1/models", self._models),
            Route("/v1/models/{name:path}", self._model),
            Route("/v1/completions", self._completions, methods=["POST"]),
        ]
        handlers: dict[Any, Any] = {Refused: _refuse, HTTPException: _missing, Exception: _fail}
        built = Starlette(routes=routes, exception_handlers=handlers, lifespan=self._living)
        self.application = Gate(built, hosts, origins)

    @property
    def n_texts(self) -> int:
        """How many texts are being written."""
        return self._desk.n_texts

    def close(self) -> None:
        """End all texts, tell their clients, and take no more."""
        self._desk.close()

    @contextlib.asynccontextmanager
    async def _living(self, application: Any) -> AsyncIterator[None]:
        """Know the loop of the clients as long as it runs."""
        self._loop = asyncio.get_running_loop()
        yield
        await asyncio.to_thread(self.close)

    def _tell(self, texts: Sequence[Text]) -> None:
        """Wake the clients of texts."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and its clients with it
            if self._loop is not None:
                self._loop.call_soon_threadsafe(_wake, texts)

    # --- paths --------------------------------------------------------------------------------------------------

    async def _show(self, request: Request) -> Response:
        """The page."""
        return HTMLResponse(self._page, headers={"content-security-policy": self._policy})

    async def _models(self, request: Request) -> Response:
        """The list of the one model."""
        return _json({"object": "list", "data": [self._about()]})

    async def _model(self, request: Request) -> Response:
        """The one model."""
        self._check_name(request.path_params["name"])
        return _json(self._about())

    async def _completions(self, request: Request) -> Answer:
        """Texts."""
        given = read(await self._body(request))
        self._check_name(given.get("model"))
        wanted = understand(given, self._vocabulary, self._unknown, self._limits)
        news = asyncio.Event()
        try:
            texts = self._desk.submit(wanted.wish, news.set)
        except Full:
            n, most = len(wanted.prompts), self._limits.max_streams
            told = f"this server writes {most:,} texts at once, and has no room for {n:,} more"
            raise Refused(429, f"{told}; try again in a moment", None, "rate_limit_exceeded") from None
        except Closed:
            raise Refused(CLOSED.status, CLOSED.why) from None
        except (ValueError, TypeError, ImportError) as error:
            raise refusal(error, NAMES | {"bias": "logit_bias"} if "logit_bias" in given else NAMES) from None
        return Answer(wanted, texts, news, self._name, lambda: self._desk.n_texts)

    async def _body(self, request: Request) -> bytes:
        """The body of a request, if it is JSON and not too long."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        most = self._limits.max_body
        body = bytearray()
        size = 0
        try:
            async with asyncio.timeout(_BODY):
                async for part in request.stream():  # to its end: who still sends may not see the answer
                    size += len(part)
                    body += part if size <= most else b""
                    if size > _DRAINED * most:
                        break
        except TimeoutError:
            raise Refused(408, f"the request did not come within {_BODY} seconds") from None
        except ClientDisconnect:
            raise Refused(400, "the client has left") from None
        if size > most:
            raise Refused(413, f"a request may have {most:,} bytes, and no more")
        if kind != "application/json":
            raise Refused(415, f"the Content-Type must be application/json, got {shown(kind)}")
        return bytes(body)

    def _check_name(self, name: Any) -> None:
        """Refuse a model that is not the one."""
        if name is not None and name != self._name:
            told = f"there is no model {shown(name)}; this server has {shown(self._name)}"
            raise Refused(404, told, "model", "model_not_found")

    def _about(self) -> dict[str, Any]:
        """The model, as the protocol says it, and what the page must know."""
        documents = self._vocabulary.end is not None
        own = {"documents": documents, "max_tokens": self._limits.max_length, "characters": len(self._vocabulary)}
        return {
            "id": self._name,
            "object": "model",
            "created": self._created,
            "owned_by": "pycharrnn",
            "pycharrnn": own,
        }


def _wake(texts: Sequence[Text]) -> None:
    """Let the clients of texts see what is new."""
    for text in texts:
        text.news()


def _page() -> tuple[str, str]:
    """The page, and the policy that lets a browser run its own script and style, and nothing else."""
    page = resources.files("pycharrnn.serving").joinpath("page.html").read_text(encoding="utf-8")

    def allowed(element: str) -> str:
        [found] = re.findall(f"<{element}>(.*?)</{element}>", page, re.DOTALL)
        return f"'sha256-{base64.b64encode(hashlib.sha256(found.encode()).digest()).decode()}'"

    own = f"script-src {allowed('script')}; style-src {allowed('style')}; connect-src 'self'; img-src data:"
    return page, f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def _json(found: dict[str, Any], status: int = 200) -> Response:
    """An answer of JSON."""
    return Response(encoded(found), status, media_type="application/json")


async def _refuse(request: Request, error: Refused) -> Response:
    """Tell why a request is refused."""
    response = _json(error.body(), error.status)
    if error.status in (429, 503):
        response.headers["retry-after"] = "1"
    if error.status in (408, 413):
        response.headers["connection"] = "close"
    return response


async def _missing(request: Request, error: HTTPException) -> Response:
    """Tell that there is no such path, or no such method of it."""
    path = f"{request.method} {request.url.path}"
    return _json(failed(f"{error.detail}: {shown(path)}", error.status_code), error.status_code)


async def _fail(request: Request, error: Exception) -> Response:
    """Tell that the fault is ours."""
    return _json(failed("the server failed to answer"), 500)
