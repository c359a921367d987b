"""A real server in front of an embedder: it accepts calls, and leaves those that one names without
an answer."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from starlette.types import Receive, Scope, Send

Wanted = Callable[[str], bool]


class HangingEmbedder:
    """Forwards calls to `target`, but those of the paths that `hang` names, until `resume`."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._hangs: Wanted = lambda path: False
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.hanging = 0
        self.reached = threading.Event()
        """Set while a call has no answer."""
        self.url = ""

    def hang(self, at: Wanted = lambda path: True) -> None:
        """Leave other calls without an answer; those that hang now are looked at anew."""
        self.reached.clear()
        self._hangs = at
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._look_anew)

    def resume(self) -> None:
        self.hang(lambda path: False)

    def _look_anew(self) -> None:
        former, self._changed = self._changed, asyncio.Event()
        former.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self._loop = asyncio.get_running_loop()
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.hanging += 1
        while self._hangs(scope["path"]):
            self.reached.set()
            await self._changed.wait()
        self.hanging -= 1
        query = scope["query_string"].decode()
        dropped = ("host", "content-length", "transfer-encoding", "connection")
        headers = [(k, v) for k, v in scope["headers"] if k.decode() not in dropped]
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            url = f"{self._target}{scope['path']}" + (f"?{query}" if query else "")
            answer = await client.request(scope["method"], url, content=body, headers=headers)
        told = [(k.lower(), v) for k, v in answer.headers.raw if k.lower() != b"transfer-encoding"]
        kept: list[Any] = [(k, v) for k, v in told if k not in (b"content-encoding", b"connection")]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": kept})
        await send({"type": "http.response.body", "body": answer.content})


@contextmanager
def hanging_embedder(target: str) -> Iterator[HangingEmbedder]:
    """Run one in front of an embedder until the block ends."""
    app = HangingEmbedder(target)
    listener = socket.create_server(("127.0.0.1", 0))
    app.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield app
    finally:
        app.resume()
        server.should_exit = True
        thread.join()
        listener.close()
