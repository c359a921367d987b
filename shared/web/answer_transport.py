"""What one answer is written to: its head goes out with the beginning of its body.

uvicorn writes them one by one. Each is a call of the system, and wakes the client.
"""

import asyncio
from collections.abc import Callable


class AnswerTransport:
    """Holds what is written first until more is written or the event loop has done what is due now,
    as the body of a short answer follows at once.

    `close`: called instead of the transport's, so that the client has time to read the answer.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        close: Callable[[], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.is_closing = transport.is_closing
        self._transport = transport
        self._close = close
        self._loop = loop
        self._has_begun = False
        self._held: bytes | None = None

    def write(self, data: bytes) -> None:
        """Write a part of the answer."""
        if not self._has_begun:
            self._has_begun = True
            self._held = data
            self._loop.call_soon(self._flush)
        elif self._held is None:
            self._transport.write(data)
        else:
            held, self._held = self._held, None
            self._transport.writelines([held, data])

    def close(self) -> None:
        """Write what is held, and end the connection."""
        self._flush()
        self._close()

    def _flush(self) -> None:
        held, self._held = self._held, None
        if held is not None and not self.is_closing():
            self._transport.write(held)
