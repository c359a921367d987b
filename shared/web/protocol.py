"""uvicorn's HTTP protocol with limits on request heads.

uvicorn and its parser limit neither the size nor the duration of a request head, and a long header
takes quadratic time.
"""

import asyncio
from http import HTTPStatus
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from shared.web import problem
from shared.web.answer_transport import AnswerTransport
from shared.web.connections import REFUSED, Connections, Told
from shared.web.headers import DEFAULTS

MOST_HEAD_BYTES = 64 * 1024
"""Most bytes of all headers together."""
MOST_LINE_BYTES = 32 * 1024
"""Most bytes of the URL in a request's first line."""
MOST_HEADERS = 256
HEAD_SECONDS = 10.0
"""Seconds for a connection to send a complete request head."""
_LINGER_SECONDS = 1.0
"""Seconds for which input is discarded after a refusal, so that the client can read the answer."""
_PIECE = 4096
"""The parser gets a head in pieces, so that it is stopped soon after it is too long."""

TOO_LONG = f"The address of the request is over {MOST_LINE_BYTES} bytes. Send a POST instead."
TOO_LARGE = (
    f"The headers are over {MOST_HEAD_BYTES} bytes or {MOST_HEADERS} lines. Send fewer or shorter "
    "ones."
)
TOO_SLOW = f"The head of the request took over {HEAD_SECONDS:g} seconds. Send it again."
BROKEN = "This is not an HTTP request. Check its first line and its headers."
FULL = "All connections are in use. Try again in a moment."


class BoundedProtocol(HttpToolsProtocol):
    """Refuses heads that are too long or too slow, and connections beyond the places there are."""

    def __init__(
        self,
        connections: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._places = connections
        self._has_head = False
        self._refused = False
        # Bytes of the head or of trailers, since the message or the last part of its body began.
        self._silent = 0
        self._header_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._linger_timer: asyncio.TimerHandle | None = None
        self._told = Told()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if not self._places.enter(self, self.client[0] if self.client else ""):
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, FULL)
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._places.leave(self)
        self._end_head_timer()
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        at = 0
        while at < len(data) and not self._is_closing:
            piece = data[at:] if self._has_head else data[at : at + _PIECE]
            at += len(piece)
            self._silent += len(piece)
            super().data_received(piece)
            if self._silent > MOST_HEAD_BYTES + len(self.url if self.scope else b""):
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, TOO_LARGE)
        self._await_head()

    def send_400_response(self, msg: str) -> None:
        # A callback refused the request and so stopped the parser.
        self._refuse(HTTPStatus.BAD_REQUEST, BROKEN)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._silent = self._header_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MOST_LINE_BYTES:
            self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG, TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        # Called for the trailers of a body, too.
        self._header_bytes += len(name) + len(value) + len(b": \r\n")
        if self._header_bytes > MOST_HEAD_BYTES or len(self.headers) >= MOST_HEADERS:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, TOO_LARGE)
        elif not self._has_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._is_closing:
            return
        self._has_head = True
        self._end_head_timer()
        self._places.work(self)
        super().on_headers_complete()
        cast(dict[str, Any], self.scope)[REFUSED] = self._told
        if self.cycle is not None:
            answering = AnswerTransport(self.transport, self._end, self.loop)
            self.cycle.transport = cast(asyncio.Transport, answering)

    def on_body(self, body: bytes) -> None:
        self._silent = 0
        if not self._is_closing:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._has_head = False
        self._silent = 0
        if self._is_closing:
            return
        super().on_message_complete()
        if not self.is_answering:
            # The rest of a body that was refused: only now does the connection wait for a next one.
            self._end_head_timer()
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_closing and not self.is_answering:
            self._places.wait(self, self._leave)

    @property
    def is_answering(self) -> bool:
        """True if a request was accepted whose answer isn't complete."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _is_closing(self) -> bool:
        return self._refused or self.transport.is_closing()

    def _await_head(self) -> None:
        """Close the connection unless a head arrives in time; not while a request is being
        answered.

        More bytes of it don't extend the time, nor does the rest of an unwanted body.
        """
        if self._is_closing or self.is_answering:
            return
        self._places.wait(self, self._leave)
        is_idle = self.timeout_keep_alive_task is not None
        if self._head_timer is None and not is_idle:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.is_answering:
            return
        if self._has_head:
            self._end()
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, TOO_SLOW)

    def _end_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end(self) -> None:
        """Close the connection after an answer; if a body is still arriving, discard it meanwhile.

        To close at once would reset the connection, and the client would lose the answer.
        """
        if self._is_closing:
            return
        if not self._has_head:
            self.transport.close()
            return
        self._refused = True
        self._linger()

    def _linger(self) -> None:
        self._places.wait(self, self._leave)
        self._linger_timer = self.loop.call_later(_LINGER_SECONDS, self.transport.abort)
        # Reading was paused if nobody wanted the body.
        self.flow.resume_reading()
        self.transport.write_eof()

    def _leave(self) -> None:
        self._refused = True
        self._end_head_timer()
        self._unset_keepalive_if_required()
        # Unsent data for a client that doesn't read would keep the descriptor open.
        self.transport.abort()

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer with a problem document, unless an answer is under way, and close."""
        if self._is_closing:
            return
        self._refused = True
        self._end_head_timer()
        self._unset_keepalive_if_required()
        if self.is_answering or self._has_head:
            # An answer to this request has begun or was sent.
            self.transport.close()
            return
        self.transport.write(_answer(status, detail))
        self._linger()


def bounded(connections: Connections) -> type[asyncio.Protocol]:
    """The protocol as uvicorn wants it, a class, for a server with these places."""

    class Bounded(BoundedProtocol):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(connections, *args, **kwargs)

    return Bounded


def _answer(status: HTTPStatus, detail: str) -> bytes:
    response = problem.plain_response(status, detail, "", {**DEFAULTS, "Connection": "close"})
    lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode()]
    lines += [name + b": " + value for name, value in response.raw_headers]
    return b"\r\n".join([*lines, b"", bytes(response.body)])
