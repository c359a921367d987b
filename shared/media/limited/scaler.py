"""Thumbnails, made in processes of limited memory and time; for code in threads."""

import logging
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from shared.core.budget import Budget
from shared.core.errors import BadImage, Unavailable
from shared.media.limited.allowance import Allowance
from shared.media.limited.process import launched
from shared.media.limited.weight import decoding_weight
from shared.media.limited.worker import ANSWER, REQUEST, Outcome

log = logging.getLogger(__name__)

_START_S = 60.0
_WAIT_S = 30.0
"""Seconds to wait for a process, and for memory."""
_MOST = 4


@dataclass(frozen=True)
class ScaleLimits:
    """Bounds on one file."""

    seconds: float = 20.0
    memory_bytes: int = 3 * 2**29


class _Ended(Exception):
    """The process ended in the middle of a file."""


class Scaler:
    """Up to `count` processes, started when they are first needed; `close` ends them.

    A process that hangs or ends is replaced, and only its file fails: at once if it takes too long,
    else if a second process ends over it too. `memory`: budget that files take from meanwhile.
    """

    def __init__(
        self,
        limits: ScaleLimits | None = None,
        memory: Budget | None = None,
        count: int | None = None,
    ) -> None:
        self._limits = limits or ScaleLimits()
        self._memory = memory
        self._free = threading.BoundedSemaphore(count or min(_MOST, os.cpu_count() or 1))
        self._idle: list[_Process] = []
        self._lock = threading.Lock()
        self._is_closed = False
        self.replaced = 0

    def thumbnail(self, data: bytes, pixels: int, max_pixels: int) -> bytes:
        """Return a JPEG whose longer side has at most that many pixels.

        Raises BadImage, and Unavailable where no process or memory can be had.
        """
        # First a process, so that files that wait for one hold no memory.
        if not self._free.acquire(timeout=_WAIT_S):
            raise Unavailable("Too many thumbnails are being made; try again.", retry_after=5)
        try:
            if self._memory is None:
                return self._scaled(data, pixels, max_pixels)
            with self._memory.held(decoding_weight(data) + len(data), _WAIT_S):
                return self._scaled(data, pixels, max_pixels)
        finally:
            self._free.release()

    def close(self) -> None:
        """End the processes; those at work end with their file."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()

    def _scaled(self, data: bytes, pixels: int, max_pixels: int) -> bytes:
        try:
            try:
                return self._attempt(data, pixels, max_pixels)
            except _Ended:
                # It may have been killed from outside while it was idle.
                return self._attempt(data, pixels, max_pixels)
        except _Ended:
            raise BadImage("The decoder broke down over it, twice.") from None

    def _attempt(self, data: bytes, pixels: int, max_pixels: int) -> bytes:
        process = self._taken()
        try:
            outcome, body = process.scale(data, pixels, max_pixels)
        except BaseException as error:
            process.end()
            self.replaced += 1
            log.warning("replacing a scaling process (%s)", type(error).__name__)
            if isinstance(error, TimeoutError):
                raise BadImage(
                    f"It took over {self._limits.seconds:g} seconds to decode (ISE_DECODE_SECONDS)."
                ) from error
            raise
        self._give_back(process)
        if outcome is Outcome.SCALED:
            return body
        if outcome is Outcome.OUT_OF_MEMORY:
            raise BadImage(
                f"It needs more memory to decode than {self._limits.memory_bytes:,} bytes "
                "(ISE_DECODE_BYTES, ISE_MEMORY)."
            )
        raise BadImage(body.decode())

    def _taken(self) -> "_Process":
        with self._lock:
            if self._idle:
                return self._idle.pop()
        try:
            return _Process.start(self._limits)
        except (OSError, _Ended) as error:
            raise Unavailable(
                f"No decoding process can be started ({type(error).__name__}). Check whether the "
                "machine is out of memory, or ISE_DECODE_BYTES is too low.",
                retry_after=5,
            ) from error

    def _give_back(self, process: "_Process") -> None:
        with self._lock:
            if not self._is_closed:
                self._idle.append(process)
                return
        process.end()


class _Process:
    """One process, which scales one file at a time."""

    def __init__(
        self, process: subprocess.Popen[bytes], channel: socket.socket, limits: ScaleLimits
    ) -> None:
        self._process = process
        self._channel = channel
        self._limits = limits

    @classmethod
    def start(cls, limits: ScaleLimits) -> Self:
        """Raises OSError, _Ended."""
        ours, child_end = socket.socketpair()
        with child_end:
            try:
                process = launched(
                    f"{__package__}.worker",
                    (child_end.fileno(),),
                    *(child_end.fileno(), limits.memory_bytes, limits.seconds),
                )
            except BaseException:
                ours.close()
                raise
        started = cls(process, ours, limits)
        try:
            started._answer(Allowance(process.pid, _START_S))
        except BaseException:
            started.end()
            raise
        return started

    def scale(self, data: bytes, pixels: int, max_pixels: int) -> tuple[Outcome, bytes]:
        """Raises TimeoutError, _Ended; the process is then of no more use."""
        allowance = Allowance(self._process.pid, self._limits.seconds)
        self._send(REQUEST.pack(pixels, max_pixels, len(data)), allowance)
        self._send(data, allowance)
        return self._answer(allowance)

    def end(self) -> None:
        self._channel.close()
        self._process.kill()
        self._process.wait()

    def _answer(self, allowance: Allowance) -> tuple[Outcome, bytes]:
        outcome, size = ANSWER.unpack(self._received(ANSWER.size, allowance))
        return Outcome(outcome), self._received(size, allowance)

    def _send(self, data: bytes, allowance: Allowance) -> None:
        view = memoryview(data)
        while view:
            view = view[self._within(allowance, self._channel.send, view) :]

    def _received(self, size: int, allowance: Allowance) -> bytes:
        buffer = bytearray(size)
        view = memoryview(buffer)
        while view:
            count = self._within(allowance, self._channel.recv_into, view)
            if not count:
                raise _Ended
            view = view[count:]
        return bytes(buffer)

    def _within(
        self, allowance: Allowance, transfer: Callable[[memoryview], int], view: memoryview
    ) -> int:
        """Return the bytes transferred. Raises TimeoutError, _Ended."""
        while left := allowance.left():
            self._channel.settimeout(left)
            try:
                return transfer(view)
            except TimeoutError:
                continue
            except OSError as error:
                raise _Ended from error
        raise TimeoutError
