import asyncio

import pytest
from fastapi import Request

from services.embedder.batching.disconnects import unless_gone
from shared.core.errors import BadImage


def request(*messages):
    """A request whose client sends these, then nothing more."""
    pending = list(messages)

    async def receive():
        if not pending:
            await asyncio.Event().wait()
        return {"type": pending.pop(0)}

    return Request({"type": "http"}, receive)


def test_the_result_is_given():
    async def work():
        await asyncio.sleep(0.01)
        return 7

    assert asyncio.run(unless_gone(request(), work())) == 7


def test_errors_come_through():
    async def work():
        raise BadImage("odd")

    with pytest.raises(BadImage):
        asyncio.run(unless_gone(request(), work()))


def test_hanging_up_cancels_the_work():
    ended = []

    async def work():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    assert asyncio.run(unless_gone(request("http.request", "http.disconnect"), work())) is None
    assert ended == [True]
