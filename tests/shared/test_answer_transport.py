"""The head of an answer goes out with a short body, and never waits for a long one."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from shared.web.answer_transport import AnswerTransport
from tests.shared.test_protocol import connect, served


class Recorded:
    """A transport that notes what is written to it."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def writelines(self, parts: list[bytes]) -> None:
        self.calls.append(b"".join(parts))

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True


def calls_of(*steps: bytes | None, ends: bool = False) -> list[bytes]:
    """What reaches a transport of writes one after the other; None: the event loop goes on."""

    async def run() -> list[bytes]:
        below = Recorded()
        answer = AnswerTransport(below, below.close, asyncio.get_running_loop())
        for step in steps:
            if step is None:
                await asyncio.sleep(0)
            else:
                answer.write(step)
        if ends:
            answer.close()
            assert below.is_closed
        await asyncio.sleep(0)
        return below.calls

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([b"head", b"body"], [b"headbody"], id="a short answer"),
        pytest.param([b"head", None, b"body"], [b"head", b"body"], id="a body that comes later"),
        pytest.param([b"head"], [b"head"], id="a head alone"),
        pytest.param([b"head", b"a", b"b"], [b"heada", b"b"], id="a body of parts"),
        pytest.param([b"head", b""], [b"head"], id="a body of nothing"),
    ],
)
@pytest.mark.parametrize("ends", [False, True])
def test_all_is_written_in_order(steps, expected, ends):
    assert calls_of(*steps, ends=ends) == expected


def test_nothing_is_written_to_a_connection_that_was_lost():
    async def run() -> list[bytes]:
        below = Recorded()
        answer = AnswerTransport(below, below.close, asyncio.get_running_loop())
        answer.write(b"head")
        below.close()
        await asyncio.sleep(0)
        return below.calls

    assert asyncio.run(run()) == []


def test_a_head_arrives_though_its_body_waits():
    app = FastAPI()
    go_on = threading.Event()

    async def parts() -> AsyncIterator[bytes]:
        while not go_on.is_set():
            await asyncio.sleep(0.01)
        yield b"the body"

    @app.get("/waiting")
    async def waiting() -> StreamingResponse:
        return StreamingResponse(parts())

    with served(app) as port, connect(port) as connection:
        connection.sendall(b"GET /waiting HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received = connection.recv(65536)
        assert received.startswith(b"HTTP/1.1 200")
        assert b"the body" not in received
        go_on.set()
        while part := connection.recv(65536):
            received += part
    assert b"the body" in received
