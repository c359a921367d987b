"""One decoding process, as the service sees it."""

import asyncio
import mmap
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from services.embedder.decoding.task import (
    ANSWER,
    PICTURE,
    SHARED_FILE,
    SHARED_PIXELS,
    Outcome,
    Task,
)
from shared.core.errors import BadImage
from shared.media.limited.allowance import Allowance
from shared.media.limited.process import launched

_START_SECONDS = 60.0
_BUFFER_BYTES = 2**20
"""Asked of the kernel, so that most files and all pixels go over in one call."""


@dataclass(frozen=True)
class DecodeLimits:
    """Bounds on one file."""

    seconds: float
    memory_bytes: int


@dataclass(frozen=True)
class Decoded:
    """Preprocessed pixels, (height, width, 3) uint8, and the seconds taken.

    `size`: width and height of the picture, in proportion. `note`: damage of a file that was read
    nevertheless. `colors`: shares as `shared.media.colors` packs them, where they were asked for.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    seconds: float
    note: str | None = None
    colors: bytes | None = None


class DecoderEnded(Exception):
    """The process ended in the middle of a file, for whichever reason."""


class Decoder:
    """A process that decodes one file at a time; `start` makes it, `end` ends it."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        channel: socket.socket,
        shared: mmap.mmap,
        limits: DecodeLimits,
    ) -> None:
        self._process = process
        self._channel = channel
        self._shared = memoryview(shared)
        self._limits = limits

    @classmethod
    async def start(cls, limits: DecodeLimits) -> Self:
        """A process that is ready. Raises DecoderEnded, OSError and TimeoutError.

        To be called on the thread that lives as long as the process shall: on Linux it ends with
        the thread that started it.
        """
        ours, child_end = socket.socketpair()
        memory = _anonymous_file()
        try:
            with child_end:
                for end in (ours, child_end):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
                ours.setblocking(False)
                shared = mmap.mmap(memory, SHARED_FILE + SHARED_PIXELS)
                process = launched(
                    f"{__package__}.worker",
                    (child_end.fileno(), memory),
                    *(child_end.fileno(), memory, os.getpid(), limits.memory_bytes),
                )
        except BaseException:
            ours.close()
            raise
        finally:
            os.close(memory)
        decoder = cls(process, ours, shared, limits)
        try:
            async with _within(Allowance(process.pid, _START_SECONDS)):
                await decoder._answer()
        except BaseException:
            await decoder.end()
            raise
        return decoder

    @property
    def pid(self) -> int:
        return self._process.pid

    async def decode(self, task: Task, data: bytes) -> Decoded:
        """Raises BadImage, DecoderEnded, and TimeoutError, after which only `end` may be called."""
        async with _within(Allowance(self.pid, self._limits.seconds)):
            try:
                request = task.request(data, self._shared)
                await asyncio.get_running_loop().sock_sendall(self._channel, request)
            except OSError as error:
                raise DecoderEnded from error
            outcome, body, seconds = await self._answer()
        if outcome is Outcome.PIXELS:
            width, height, length, colors_length = PICTURE.unpack_from(body)
            end_of_note = PICTURE.size + length
            begin = end_of_note + colors_length
            note = body[PICTURE.size : end_of_note].decode() or None
            colors = bytes(body[end_of_note:begin]) if colors_length else None
            if task.pixels > SHARED_PIXELS:
                pixels = np.frombuffer(body, np.uint8, offset=begin)
            else:
                # A copy, since the next file's pixels come to the same place.
                pixels = np.array(self._shared[SHARED_FILE : SHARED_FILE + task.pixels])
            shaped = pixels.reshape(*task.preprocessing.crop, 3)
            return Decoded(shaped, (width, height), seconds, note, colors)
        if outcome is Outcome.OUT_OF_MEMORY:
            raise BadImage(
                f"It needs more memory to decode than {self._limits.memory_bytes:,} bytes "
                "(ISE_DECODE_BYTES)."
            )
        raise BadImage(body.decode())

    async def end(self) -> int:
        """Kill the process; return its exit code, or the negative number of an earlier signal."""
        self._channel.close()
        code = self._process.poll()
        self._process.kill()
        ended = await asyncio.shield(asyncio.to_thread(self._process.wait))
        return ended if code is None else code

    async def _answer(self) -> tuple[Outcome, bytearray, float]:
        outcome, size, seconds = ANSWER.unpack(await self._receive(ANSWER.size))
        return Outcome(outcome), await self._receive(size), seconds

    async def _receive(self, size: int) -> bytearray:
        buffer = bytearray(size)
        loop = asyncio.get_running_loop()
        view = memoryview(buffer)
        while view:
            try:
                count = await loop.sock_recv_into(self._channel, view)
            except OSError as error:
                raise DecoderEnded from error
            if not count:
                raise DecoderEnded
            view = view[count:]
        return buffer


@asynccontextmanager
async def _within(allowance: Allowance) -> AsyncIterator[None]:
    """Raises TimeoutError in what is done within, once the time is used up."""
    loop = asyncio.get_running_loop()
    later: asyncio.Handle
    async with asyncio.timeout(None) as limit:

        def look() -> None:
            nonlocal later
            if left := allowance.left():
                later = loop.call_later(left, look)
            else:
                limit.reschedule(loop.time())

        later = loop.call_soon(look)
        try:
            yield
        finally:
            later.cancel()


def _anonymous_file() -> int:
    """Return a new file without a name, for memory that is shared with a process."""
    if hasattr(os, "memfd_create"):
        memory = os.memfd_create("ise-decoding")
    else:
        with tempfile.TemporaryFile() as file:
            memory = os.dup(file.fileno())
    os.ftruncate(memory, SHARED_FILE + SHARED_PIXELS)
    return memory


def ending(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
