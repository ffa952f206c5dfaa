"""Answers to requests for completions: one object, or parts as they come."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from pycharrnn.serving.completions import Completions
from pycharrnn.serving.refusals import failed
from pycharrnn.serving.scores import Score
from pycharrnn.serving.texts import Failure, Part, Text

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_JSON = [(b"content-type", b"application/json")]
_EVENTS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
_RUN, _NUMBERS = f"{time.time_ns():x}-", itertools.count()  # what makes the names of answers differ
_EACH = 0.0005  # seconds between two parts of a stream, for each stream that there is: so many parts can be sent
_LEAST = 0.02  # seconds between two parts of a stream
_STALLED = 60  # seconds that a client may take no part
_SURROGATES = re.compile("[\ud800-\udfff]")


def encoded(found: Mapping[str, Any]) -> bytes:
    r"""Return an object as JSON, all of it ASCII.

    A lone surrogate, which no other program would take, becomes U+FFFD.

    Examples
    --------
    >>> encoded({"text": "\ud800 \x1b"})
    b'{"text":"\\ufffd \\u001b"}'
    """
    return json.dumps(_clean(found), allow_nan=False, separators=(",", ":")).encode("ascii")


def _clean(found: Any) -> Any:
    """The same without lone surrogates."""
    if isinstance(found, str):
        return _SURROGATES.sub("\ufffd", found)
    if isinstance(found, Mapping):
        return {_clean(key): _clean(value) for key, value in found.items()}
    return [_clean(one) for one in found] if isinstance(found, list) else found


class Answer:
    """What a client gets for its texts: an ASGI application for one request.

    Parameters
    ----------
    wanted : Completions
        What the client asked for.
    texts : sequence of Text
        What is being written for it.
    news : asyncio.Event
        Set when one of them has news.
    model : str
        What the model is called.
    n_streams : callable
        Says how many texts there are for all clients.
    """

    def __init__(
        self,
        wanted: Completions,
        texts: Sequence[Text],
        news: asyncio.Event,
        model: str,
        n_streams: Callable[[], int],
    ) -> None:
        self._wanted = wanted
        self._texts = texts
        self._news = news
        self._n_streams = n_streams
        self._about = {"id": f"cmpl-{_RUN}{next(_NUMBERS)}", "object": "text_completion", "created": int(time.time())}
        self._about["model"] = model
        self._offsets = [0] * len(texts)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer, until all is said or the client has left."""
        answering = asyncio.create_task(self._stream(send) if self._wanted.wish.eager else self._whole(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait([answering, leaving], return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                await answering
        except OSError:  # the client has left in the middle of a part
            return
        finally:
            for text in self._texts:
                text.left = True
            for task in (answering, leaving):
                task.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)

    async def _whole(self, send: Send) -> None:
        """Send one object when all texts have ended."""
        while not all(text.end for text in self._texts):
            await self._news.wait()
            self._news.clear()
        parts = [text.fetch() for text in self._texts]
        failure = next((part.end for part in parts if isinstance(part.end, Failure)), None)
        if failure is None:
            choices = [self._choice(i, part, first=True) for i, part in enumerate(parts)]
            body = {**self._about, "choices": choices, "usage": self._usage()}
        else:
            body = failed(*failure)
        await _send(send, _start(200 if failure is None else failure.status, _JSON))
        await _send(send, {"type": "http.response.body", "body": encoded(body)})

    async def _stream(self, send: Send) -> None:
        """Send each part soon after it is ready; the end of each text is a part, too."""
        await _send(send, _start(200, _EVENTS))
        prompted = self._wanted.wish.echo and self._wanted.wish.n_likely is None
        begun: set[int] = set()
        ended: set[int] = set()
        while True:
            for i, text in enumerate(self._texts):
                if i in ended:
                    continue
                part = text.fetch()
                if isinstance(part.end, Failure):
                    await _send(send, _event(failed(*part.end)))
                    await _send(send, {"type": "http.response.body"})
                    return
                if part.text or part.end or (prompted and i not in begun):
                    await _send(send, _event(self._part([self._choice(i, part, i not in begun)])))
                    begun.add(i)
                if part.end:
                    ended.add(i)
            if len(ended) == len(self._texts):
                break
            await asyncio.sleep(max(_LEAST, _EACH * self._n_streams()) if begun else 0)
            await self._news.wait()
            self._news.clear()
        if self._wanted.counts:
            await _send(send, _event({**self._about, "choices": [], "usage": self._usage()}))
        await _send(send, {"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    def _part(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        """An object of a stream."""
        return {**self._about, "choices": choices, **({"usage": None} if self._wanted.counts else {})}

    def _choice(self, i: int, part: Part, first: bool) -> dict[str, Any]:
        """What is said of a text, or of a part of it."""
        scored = self._wanted.wish.n_likely is not None
        prompt = self._wanted.prompts[i] if self._wanted.wish.echo and first and not scored else ""
        text = prompt + part.text
        logprobs = _logprobs(part.scores, self._offsets[i]) if scored else None
        self._offsets[i] += len(text)
        return {"index": i, "text": text, "logprobs": logprobs, "finish_reason": part.end or None}

    def _usage(self) -> dict[str, int]:
        """Characters that were read and written."""
        written = sum(text.n_written for text in self._texts)
        read = self._wanted.n_read
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _logprobs(scores: Sequence[Score], offset: int) -> dict[str, Any]:
    """Scores as the protocol has them."""
    return {
        "tokens": [score.token for score in scores],
        "token_logprobs": [score.logprob for score in scores],
        "top_logprobs": [score.likely if score.logprob is not None else None for score in scores],
        "text_offset": [offset + i for i in range(len(scores))],
    }


def _start(status: int, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    """The beginning of an answer."""
    return {"type": "http.response.start", "status": status, "headers": headers}


def _event(found: Mapping[str, Any]) -> dict[str, Any]:
    """An event of a stream, as a part of the answer."""
    return {"type": "http.response.body", "body": b"data: " + encoded(found) + b"\n\n", "more_body": True}


async def _send(send: Send, message: MutableMapping[str, Any]) -> None:
    """Send a part of an answer; a client that does not take it has left."""
    async with asyncio.timeout(_STALLED):
        await send(message)


async def _left(receive: Receive) -> None:
    """Wait until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        continue
