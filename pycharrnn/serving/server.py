"""A server on a port: it runs in a thread of its own, so that signals stay with the main one."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from pycharrnn import CharRNN
from pycharrnn.errors import ParameterValueError
from pycharrnn.messages import shown
from pycharrnn.serving.application import Service
from pycharrnn.serving.gate import LOOPBACK
from pycharrnn.serving.limits import Limits

_CLIENTS = 4  # connections for each text that may be written
_SILENT = 20.0  # seconds after which a connection that has asked for nothing is closed
_BACKLOG = 128  # connections that wait to be taken: each is a line of the log where no more files can be open
_GRACE = 5  # seconds in which clients may take what is left when the server ends


class Connection(H11Protocol):
    """A connection that is closed if no request comes for long: it would take the place of another client."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._patience = self.loop.call_later(_SILENT, self._end_if_silent)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the connection at once: a timer that goes on would keep all of it until it ends."""
        if self._patience is not None:
            self._patience.cancel()
        super().connection_lost(exc)

    def _end_if_silent(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


class Server:
    """A model on the network.

    Parameters
    ----------
    model : CharRNN
        What writes.
    name : str
        What clients call it.
    host : str, default "127.0.0.1"
        The address on which it listens. Any address but one of loopback lets other machines in, and nothing asks them
        who they are.
    port : int, default 0
        The port; 0 takes one that is free.
    origins : collection of str, default ()
        Origins of pages of other sites that may use it, such as "http://localhost:3000"; "*" is all.
    limits : Limits, optional
        What it takes on.

    Attributes
    ----------
    url : str
        Where it is found.
    is_open : bool
        Whether other machines may reach it.

    Raises
    ------
    OSError
        If the port is taken, or the address is none of this machine.

    Examples
    --------
    >>> import urllib.request
    >>> model = CharRNN(hidden_size=16, random_state=0).fit("hello world. " * 20)
    >>> with Server(model, "hello").running() as server:
    ...     urllib.request.urlopen(f"{server.url}/v1/models/hello").status
    200
    """

    def __init__(
        self,
        model: CharRNN,
        name: str,
        host: str = "127.0.0.1",
        port: int = 0,
        origins: Collection[str] = (),
        limits: Limits | None = None,
    ) -> None:
        limits = Limits() if limits is None else limits
        self._socket = _listening(host, port)
        address, self.port = self._socket.getsockname()[:2]
        self.is_open = not (address.startswith("127.") or address == "::1")
        self.url = f"http://{f'[{address}]' if ':' in address else address}:{self.port}"
        hosts = None if self.is_open else LOOPBACK | {address}
        self.service = Service(model, name, limits, hosts, origins)
        config = uvicorn.Config(
            self.service.application,
            log_config=None,
            access_log=False,
            log_level="warning",
            lifespan="on",
            ws="none",
            server_header=False,
            http=Connection,
            limit_concurrency=_connections(limits),
            backlog=_BACKLOG,
            timeout_graceful_shutdown=_GRACE,
        )
        self._server = uvicorn.Server(config)
        self._ended = threading.Event()  # not a join: one that a signal interrupts takes the thread for ended

    @contextlib.contextmanager
    def running(self) -> Iterator[Server]:
        """Serve while the context runs. At its end open streams are told, and get the time to end."""
        threading.Thread(target=self._run, name="pycharrnn-http", daemon=True).start()
        try:
            while not self._server.started:
                if self._ended.wait(0.01):
                    raise RuntimeError("the server has not started")
            yield self
        finally:
            self.service.close()
            self._server.should_exit = True
            self.wait()

    def _run(self) -> None:
        try:
            self._server.run([self._socket])
        finally:
            self._ended.set()

    def wait(self) -> None:
        """Wait until the server ends, or a signal comes."""
        while not self._ended.wait(0.1):  # some systems interrupt no longer waiting
            continue


def _connections(limits: Limits) -> int:
    """How many connections there may be: fewer than files can be open."""
    wanted = _CLIENTS * limits.max_streams + 64
    try:
        import resource  # of POSIX
    except ImportError:
        return wanted
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return wanted if files == resource.RLIM_INFINITY else max(8, min(wanted, files - 64))


def name_of(path: str) -> str:
    """Return what clients call the model of a file: the name of the file, without what its kind is called.

    Examples
    --------
    >>> name_of("models/book.safetensors")
    'book'
    """
    return Path(os.fsencode(path).decode("utf-8", "replace")).name.removesuffix(".safetensors") or "model"


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens on an address."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError):
        raise ParameterValueError("host", f"must be an address of this machine, got {shown(host)}") from None
    try:
        return socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise ParameterValueError("host", f"must be an address of this machine, got {shown(host)}") from None
        raise OSError(error.errno, os.strerror(error.errno or 0), f"{host}:{port}") from None
