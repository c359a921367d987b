"""Another service's answer, sent on while it arrives."""

import logging
from collections.abc import Callable, Mapping

import httpx
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

log = logging.getLogger(__name__)


class PassedOn(StreamingResponse):
    """Answer whose body isn't held: a slow reader slows the sender down.

    It is closed with its end, also if the client leaves. Of one that breaks off, the connection
    ends before the announced length.
    """

    def __init__(
        self, found: httpx.Response, headers: Mapping[str, str], on_end: Callable[[], None]
    ) -> None:
        """`found`: an answer that was opened, and whose body wasn't read yet. `on_end`: called once
        it is closed.
        """
        self._found = found
        self._on_end = on_end
        media_type = found.headers.get("Content-Type")
        super().__init__(found.aiter_raw(), found.status_code, headers, media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except httpx.TransportError as error:
            # The server closes the connection, as the answer has no end.
            log.warning("an answer ends before its time: %s", error or type(error).__name__)
        finally:
            self._on_end()
            await self._found.aclose()
