"""Thumbnails and key frames, made in processes of limited memory and time; for code in threads."""

import logging
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Self

from shared.core.budget import Budget
from shared.core.errors import BadImage, Unavailable
from shared.media.limited.allowance import Allowance
from shared.media.limited.process import launched
from shared.media.limited.weight import decoding_weight
from shared.media.limited.worker import ANSWER, FRAME, REQUEST, Outcome

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


@dataclass(frozen=True)
class _Asked:
    """A call of a process. frames: as in `worker.REQUEST`. file: as in `thumbnail`."""

    data: bytes
    pixels: int
    frames: int
    max_pixels: int
    file: BinaryIO | None

    @property
    def header(self) -> bytes:
        is_head = self.file is not None
        return REQUEST.pack(self.pixels, self.frames, is_head, self.max_pixels, len(self.data))


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

    def thumbnail(
        self, data: bytes, pixels: int, max_pixels: int, file: BinaryIO | None = None
    ) -> bytes:
        """Return a JPEG whose longer side has at most that many pixels.

        file: the whole video, where the data are its head alone.

        Raises BadImage, and Unavailable where no process or memory can be had.
        """
        return self._made(_Asked(data, pixels, 0, max_pixels, file))

    def key_frames(
        self, data: bytes, most: int, pixels: int, max_pixels: int, file: BinaryIO | None = None
    ) -> list[tuple[float, bytes]]:
        """Return up to `most` frames of a video, as PNG, each with its time in seconds.

        pixels: of the longer side, at most. file: as of `thumbnail`, which raises the same.
        """
        body = self._made(_Asked(data, pixels, most, max_pixels, file))
        found, at = [], 0
        while at < len(body):
            time_s, size = FRAME.unpack_from(body, at)
            at += FRAME.size + size
            found.append((time_s, body[at - size : at]))
        return found

    def _made(self, asked: _Asked) -> bytes:
        # First a process, so that files that wait for one hold no memory.
        if not self._free.acquire(timeout=_WAIT_S):
            raise Unavailable("Too many pictures are being decoded; try again.", retry_after=5)
        try:
            if self._memory is None:
                return self._scaled(asked)
            with self._memory.held(decoding_weight(asked.data) + len(asked.data), _WAIT_S):
                return self._scaled(asked)
        finally:
            self._free.release()

    def close(self) -> None:
        """End the processes; those at work end with their file."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()

    def _scaled(self, asked: _Asked) -> bytes:
        try:
            try:
                return self._attempt(asked)
            except _Ended:
                # It may have been killed from outside while it was idle.
                return self._attempt(asked)
        except _Ended:
            raise BadImage("The decoder broke down over it, twice.", is_passing=True) from None

    def _attempt(self, asked: _Asked) -> bytes:
        process = self._taken()
        try:
            outcome, body = process.scale(asked)
        except BaseException as error:
            process.end()
            self.replaced += 1
            log.warning("replacing a scaling process (%s)", type(error).__name__)
            if isinstance(error, TimeoutError):
                raise BadImage(
                    f"It took over {self._limits.seconds:g} seconds to decode "
                    "(ISE_DECODE_SECONDS).",
                    is_passing=True,
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

    def scale(self, asked: _Asked) -> tuple[Outcome, bytes]:
        """Raises TimeoutError, _Ended; the process is then of no more use."""
        allowance = Allowance(self._process.pid, self._limits.seconds)
        self._send(asked.header, allowance)
        self._send(asked.data, allowance)
        if (file := asked.file) is not None:

            def send_file(mark: memoryview) -> int:
                return socket.send_fds(self._channel, [mark], [file.fileno()])

            self._within(allowance, send_file, memoryview(b"F"))
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
