"""HEAD, conditional requests and ranges (RFC 9110), for every route that answers GET.

A route's headers enable them: `ETag` or `Last-Modified` for conditional requests, `Accept-Ranges:
bytes` for ranges. The route's answer, bytes or a stream from a file, is cut to the requested part;
an answer that can seek, see `SEEK`, reads and sends no more than that.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.core.errors import OutsideRange
from shared.web import problem

IS_HEAD = "ise.head"
"""Key in a request's scope for requests of headers only."""

SEEK = "ise.seek"
"""Key in the start of an answer for a function that takes the only bytes to send."""

# RFC 9110, 15.4.5: headers to omit from a 304; those of security and of the request are kept.
_OF_THE_BODY = ("content-length", "content-type", "content-disposition", "accept-ranges")
_ONE_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*$", re.IGNORECASE)
_ENTITY_TAG = re.compile(r'(?:W/)?"[^"]*"|\*')


def outside_range(size: int) -> OutsideRange:
    """Return the error for a part beyond the end."""
    return OutsideRange(f"The range lies outside of the {size:,} bytes of the file.", bytes=size)


def etag_of(content: bytes) -> str:
    """Return a strong entity tag for bytes."""
    return f'"{sha256(content).hexdigest()[:32]}"'


def matches(if_none_match: str, etag: str) -> bool:
    """Return whether a client's entity tags match, by weak comparison."""
    plain = etag.removeprefix("W/")
    given = _ENTITY_TAG.findall(if_none_match)
    return "*" in given or plain in {tag.removeprefix("W/") for tag in given}


class ConditionalMiddleware:
    """Answers HEAD as GET without a body, 304 to matching clients, and 206 or 416 to ranges."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        if scope["method"] == "GET":
            await self.app(scope, receive, _Answer(scope, send).send)
            return
        answer = _Answer(scope, send, is_head=True)
        as_get = {**scope, "method": "GET", IS_HEAD: True}
        try:
            await self.app(as_get, answer.receive, answer.send)
        finally:
            # Routes leave values in the scope for logs and metrics.
            scope.update({**as_get, "method": "HEAD"})


class _Answer:
    """One answer on its way to a client."""

    def __init__(self, scope: Scope, send: Send, is_head: bool = False) -> None:
        self._request = Headers(scope=scope)
        self._send = send
        self._is_head = is_head
        self._asked = False
        self._ended = asyncio.Event()
        self._scope = scope
        # Bytes of the body to skip and to send; None sends all.
        self._skip = 0
        self._left: int | None = 0 if is_head else None

    async def receive(self) -> Message:
        """Give HEAD no body; and once its headers are sent, have a stream end."""
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._ended.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self._ended.is_set():
            return
        if message["type"] == "http.response.start":
            await self._start(message)
        elif message["type"] == "http.response.body":
            await self._body(message)
        else:
            await self._send(message)

    async def _start(self, message: Message) -> None:
        headers = MutableHeaders(raw=list(message["headers"]))
        message = {**message, "headers": headers.raw}
        seek: Callable[[range], None] | None = message.pop(SEEK, None)
        if message["status"] == 200:
            if self._is_known(headers):
                for name in _OF_THE_BODY:
                    del headers[name]
                message["status"], self._left = 304, 0
            elif (size := _size(headers)) is not None and self._wants_part(headers):
                part = part_of(self._request["range"], size)
                if part is None:
                    pass
                elif not part:
                    if seek is not None:
                        seek(part)
                    await self._refuse(size)
                    return
                else:
                    headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
                    headers["content-length"] = str(len(part))
                    message["status"] = 206
                    if not self._is_head:
                        self._skip, self._left = part.start, len(part)
        if seek is not None and self._left is not None:
            seek(range(self._skip, self._skip + self._left))
            self._skip = 0
        await self._send(message)
        if self._left == 0:
            await self._end()

    async def _body(self, message: Message) -> None:
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._left is None:
            await self._send(message)
            return
        skipped = min(self._skip, len(body))
        self._skip -= skipped
        body = body[skipped : skipped + self._left]
        self._left -= len(body)
        if self._left == 0 or not more:
            await self._send({"type": "http.response.body", "body": body, "more_body": False})
            self._ended.set()
        elif body:
            await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def _end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        self._ended.set()

    def _is_known(self, headers: Mapping[str, str]) -> bool:
        """Return whether the client already has the answer."""
        if (given := self._request.get("if-none-match")) is not None:
            return "etag" in headers and matches(given, headers["etag"])
        since = _time(self._request.get("if-modified-since"))
        changed = _time(headers.get("last-modified"))
        return since is not None and changed is not None and changed <= since

    def _wants_part(self, headers: Mapping[str, str]) -> bool:
        if "range" not in self._request or headers.get("accept-ranges") != "bytes":
            return False
        given = self._request.get("if-range")
        # With a weak tag, or if the file has changed, send all of it. A date tells less than a tag:
        # two files of one image may have the same.
        return given is None or given == headers.get("etag", headers.get("last-modified"))

    async def _refuse(self, size: int) -> None:
        self._ended.set()
        answer = problem.refuse(outside_range(size), self._scope)
        await answer(self._scope, self.receive, self._send)


def part_of(header: str, size: int) -> range | None:
    """Return the bytes of a `Range`: empty if it has none; None for several ranges or a malformed
    header, which RFC 9110 allows to answer completely.
    """
    found = _ONE_RANGE.match(header)
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return range(max(0, size - int(found[2])), size) if int(found[2]) else range(0)
    first = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    if found[2] and int(found[2]) < first:
        return None
    return range(first, last + 1)


def _size(headers: Mapping[str, str]) -> int | None:
    text = headers.get("content-length", "")
    return int(text) if text.isdigit() else None


def _time(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    # A date without a zone can't be compared with one that has a zone.
    return found if found.tzinfo else None
