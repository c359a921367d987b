"""Servers in the tests' process end when they are told to, not at their next tick.

uvicorn looks ten times a second whether it should end, and then waits as long again for its
connections: most of the time of a test that asks one thing of a service.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn

_TICK_S, _MOMENT_S = 0.1, 0.002


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Has `should_exit` wake its server, whose loops for connections then look more often."""

    async def main_loop(self: Any) -> None:
        loop, ending = asyncio.get_running_loop(), asyncio.Event()
        self.__dict__["wake"] = lambda: loop.call_soon_threadsafe(ending.set)
        counter = 0
        while not await self.on_tick(counter):
            counter += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), _TICK_S)

    def set_exit(self: Any, exits: bool) -> None:
        self.__dict__["exits"] = exits
        if exits and "wake" in self.__dict__:
            # It may have ended by itself.
            with suppress(RuntimeError):
                self.__dict__["wake"]()

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(min(seconds, _MOMENT_S))

    names = {name: getattr(asyncio, name) for name in dir(asyncio) if not name.startswith("_")}
    should_exit = property(lambda self: self.__dict__.get("exits", False), set_exit)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(uvicorn.server, "asyncio", SimpleNamespace(**{**names, "sleep": sleep}))
        patched.setattr(uvicorn.Server, "main_loop", main_loop)
        patched.setattr(uvicorn.Server, "should_exit", should_exit, raising=False)
        yield
