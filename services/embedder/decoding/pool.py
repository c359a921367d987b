"""Some decoding processes, and the files that wait for one."""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Self

from services.embedder.batching.lanes import Lane, Lanes, Pending
from services.embedder.decoding.decoder import (
    Decoded,
    DecodeLimits,
    Decoder,
    DecoderEnded,
    ending,
)
from services.embedder.decoding.task import Task
from shared.core.errors import BadImage, ISEError, Unavailable

log = logging.getLogger(__name__)

_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 10.0


@dataclass
class File:
    """Bytes to decode, and how. `tried`: a process ended over it."""

    data: bytes
    task: Task
    tried: bool = False


Answer = tuple[Decoded, float]
DecodeLane = Lane[File, Answer]


class Decoders:
    """Async context manager with `count` decoding processes.

    A process that hangs or dies is replaced, and only its file fails: at once on a timeout, else if
    a second process dies of it too. So a process killed from outside loses no file.
    """

    def __init__(self, count: int, limits: DecodeLimits) -> None:
        self._count = count
        self._limits = limits
        self._lanes: Lanes[File, Answer] = Lanes()
        self._serving: list[asyncio.Task[None]] = []
        self._running: set[Decoder] = set()
        self.replaced = 0
        self.failure: str | None = None

    @property
    def pids(self) -> list[int]:
        """The processes that run now."""
        return [decoder.pid for decoder in self._running]

    async def __aenter__(self) -> Self:
        """Raises Unavailable where the processes can't be started."""
        started = await asyncio.gather(
            *(self._start() for _ in range(self._count)), return_exceptions=True
        )
        for outcome in started:
            if isinstance(outcome, BaseException):
                await self._end_all()
                raise outcome
            self._serving.append(asyncio.create_task(self._serve(outcome), name="decoding"))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._end_all()
        self._lanes.refuse_all(_shutting_down())

    async def decode(self, lane: DecodeLane, file: File) -> Answer:
        """Pixels, and the seconds that the file waited for a process.

        Raises BadImage, and Unavailable where no process can be had.
        """
        if self.failure is not None:
            raise Unavailable(self.failure, retry_after=5)
        return await self._lanes.put(lane, file)

    async def _serve(self, decoder: Decoder) -> None:
        while True:
            [pending] = await self._lanes.next(1)
            try:
                while not await self._answer(decoder, pending):
                    self._running.discard(decoder)
                    self.replaced += 1
                    log.warning("replacing a decoding process (%s)", ending(await decoder.end()))
                    decoder = await self._replacement(pending)
            except BaseException:
                pending.refuse(_shutting_down())
                raise

    async def _answer(self, decoder: Decoder, pending: Pending[File, Answer]) -> bool:
        """Return whether the process is still of use. If not, `pending` may be left without an
        answer.
        """
        if pending.future.done():
            return True
        file, waited = pending.item, time.perf_counter() - pending.since
        try:
            pending.answer((await decoder.decode(file.task, file.data), waited))
        except ISEError as error:
            pending.refuse(error)
        except TimeoutError:
            pending.refuse(
                BadImage(
                    f"It took over {self._limits.seconds:g} seconds to decode "
                    "(ISE_DECODE_SECONDS).",
                    is_passing=True,
                )
            )
            return False
        except DecoderEnded:
            # The process may have been killed while it was idle, so try a fresh one once.
            if file.tried:
                pending.refuse(BadImage("The decoder broke down over it, twice.", is_passing=True))
            file.tried = True
            return False
        return True

    async def _replacement(self, pending: Pending[File, Answer]) -> Decoder:
        """A new process, however long that takes; `pending` and all others needn't wait for it."""
        pause = _PAUSE_S
        while True:
            try:
                decoder = await self._start()
            except Unavailable as error:
                log.error("%s", error.detail)
                self.failure = error.detail
                pending.refuse(error)
                self._lanes.refuse_all(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            else:
                self.failure = None
                return decoder

    async def _start(self) -> Decoder:
        try:
            decoder = await Decoder.start(self._limits)
        except (OSError, TimeoutError, DecoderEnded) as error:
            reason = f"{type(error).__name__}: {error}".removesuffix(": ")
            raise Unavailable(
                f"No decoding process can be started ({reason}). Check whether "
                "ISE_DECODE_BYTES is too low or the machine is out of memory.",
                retry_after=5,
            ) from error
        self._running.add(decoder)
        return decoder

    async def _end_all(self) -> None:
        running, self._running = self._running, set()
        await asyncio.gather(*(decoder.end() for decoder in running))


def _shutting_down() -> Unavailable:
    return Unavailable("The service is shutting down.", retry_after=5)
