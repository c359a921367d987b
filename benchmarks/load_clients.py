"""Clients that send without a pause, cheap enough to share a small machine with what they measure.

All of them are in one thread of one process: an event loop that sends bytes prepared beforehand and
reads no more of an answer than its head and its end.
"""

import asyncio
import multiprocessing
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

PAUSE_S = 0.05
"""Pause of a client that was refused; much less than it was told."""
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_OK, _REFUSED = 200, (429, 503)
_GIVE_UP_S = 60.0


@dataclass(frozen=True)
class Load:
    """Requests that each client sends again and again: paths, bodies and their type."""

    port: int
    path: str
    kind: str
    bodies: list[bytes]
    units: int
    """Pictures or searches in one request."""

    def requests(self) -> list[bytes]:
        """Return each request as it is sent."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {self.kind}\r\n"
            f"X-ISE-Files: {self.units}\r\nContent-Length: "
        ).encode()
        return [b"%b%d\r\n\r\n%b" % (head, len(body), body) for body in self.bodies]


def offered(loads: Sequence[Load], seconds: float) -> dict[str, Any]:
    """Measure what as many clients as `loads` get, from a process of their own."""
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_run, args=(there, list(loads), seconds))
    process.start()
    found: dict[str, Any] = here.recv()
    process.join()
    return found


def _run(pipe: Connection, loads: list[Load], seconds: float) -> None:
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        pipe.send(runner.run(_offer(loads, seconds)))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _offer(loads: list[Load], seconds: float) -> dict[str, Any]:
    prepared = {id(load): load.requests() for load in loads}
    loop = asyncio.get_running_loop()
    start, used = time.monotonic(), time.process_time()
    clients = [
        _Client(load, prepared[id(load)], start + seconds, number)
        for number, load in enumerate(loads)
    ]
    for client in clients:
        await client.connect()
    await asyncio.wait([loop.create_task(client.ended.wait()) for client in clients])
    # The service is busy until the last answer, and calls that share it end together.
    elapsed = time.monotonic() - start
    answered = np.array([ms for client in clients for ms in client.answered])
    refused = np.array([ms for client in clients for ms in client.refused])
    failed = sum((client.failed for client in clients), Counter[str]())
    return {
        "per_second": sum(len(c.answered) * c.load.units for c in clients) / elapsed,
        "p50_ms": _quantile(answered, 0.5),
        "refused": len(refused),
        "refusal_p50_ms": _quantile(refused, 0.5),
        "refusal_p99_ms": _quantile(refused, 0.99),
        "failed": failed.total(),
        "first_failure": next(iter(failed), None),
        "elapsed_s": elapsed,
        "client_cores": (time.process_time() - used) / elapsed,
    }


def _quantile(values: Any, share: float) -> float | None:
    return float(np.quantile(values, share)) if len(values) else None


class _Client(asyncio.Protocol):
    """One client on one connection, which it opens anew where the service closes it."""

    def __init__(self, load: Load, requests: list[bytes], end: float, seed: int) -> None:
        self.load = load
        self._requests = requests
        self._end = end
        self._random = random.Random(seed)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._began = 0.0
        self._asks = False
        self.answered: list[float] = []
        self.refused: list[float] = []
        self.failed: Counter[str] = Counter()
        self.ended = asyncio.Event()

    async def connect(self) -> None:
        try:
            await self._loop.create_connection(lambda: self, "127.0.0.1", self.load.port)
        except OSError as error:
            self.failed[type(error).__name__] += 1
            self._loop.call_later(PAUSE_S, self._next)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._asks:
            self._asks = False
            self.failed[type(error).__name__] += 1
            self._loop.call_later(PAUSE_S, self._next)

    def data_received(self, data: bytes) -> None:
        if not self._asks:
            return
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or (length := _LENGTH.search(head)) is None or len(body) < int(length[1]):
            return
        self._asks = False
        status, ms = int(head[9:12]), 1e3 * (time.monotonic() - self._began)
        if b"connection: close" in head.lower() and self._transport is not None:
            self._transport.abort()
            self._transport = None
        if status == _OK:
            self.answered.append(ms)
            self._next()
            return
        if status in _REFUSED:
            self.refused.append(ms)
        else:
            self.failed[str(status)] += 1
        self._loop.call_later(PAUSE_S, self._next)

    def _next(self) -> None:
        if time.monotonic() >= self._end:
            self.ended.set()
            if self._transport is not None:
                self._transport.abort()
        elif self._transport is None:
            self._opening = self._loop.create_task(self.connect())
        else:
            self._ask()

    def _ask(self) -> None:
        if self._transport is None:
            return
        self._received, self._asks, self._began = b"", True, time.monotonic()
        self._transport.write(self._random.choice(self._requests))
