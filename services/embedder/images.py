"""From files to features: decode in threads, run the network in batches, answer in order."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from services.embedder.backbones.backbone import Backbone
from services.embedder.batching import Batcher, Lane, Timed
from shared.errors import BadImage, ISEError, Overloaded, Unavailable
from shared.images import decode

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Limits:
    """What one call, and all calls together, may take; `seconds` for a whole call."""

    max_batch: int
    queue_size: int
    max_pixels: int
    max_image_bytes: int
    seconds: float


@dataclass(frozen=True)
class EmbeddedImages:
    """`vectors` (n, dim) float32, in order of the files, and mean seconds a file of each stage."""

    vectors: Floats
    decode_seconds: float
    queue_seconds: float
    inference_seconds: float


class ImageEmbedder:
    """A backbone behind a batcher. An async context manager: it serves inside the block."""

    def __init__(
        self, backbone: Backbone, decoders: Executor, parallel_decodes: int, limits: Limits
    ) -> None:
        self.backbone = backbone
        self._decoders = decoders
        self._parallel_decodes = parallel_decodes
        self._limits = limits
        self._batcher: Batcher[Pixels, Floats] = Batcher(
            backbone.features,
            backbone.preprocessing.blank(),
            max_batch=limits.max_batch,
            queue_size=limits.queue_size,
            name=backbone.fingerprint,
        )

    @property
    def failure(self) -> str | None:
        """Why no more images can be embedded, or None."""
        return self._batcher.failure

    async def __aenter__(self) -> Self:
        await self._batcher.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._batcher.__aexit__(*exc)

    async def embed(self, files: Sequence[bytes]) -> EmbeddedImages:
        """The features of each file.

        Raises BadImage, whose `items` name each bad file by its index, Overloaded, and Unavailable
        where the deadline passes or the model broke.
        """
        with self._batcher.admit(len(files)) as lane:
            # So many at a time of one call: a later call's only image needn't wait for all these.
            slots = asyncio.Semaphore(self._parallel_decodes)
            try:
                async with asyncio.timeout(self._limits.seconds):
                    outcomes = await asyncio.gather(
                        *(self._embed_one(data, lane, slots) for data in files),
                        return_exceptions=True,
                    )
            except TimeoutError as error:
                raise Unavailable(
                    f"{len(files)} images took over {self._limits.seconds:g} seconds "
                    "(ISE_EMBED_SECONDS); send fewer at a time.",
                    retry_after=5,
                ) from error
        return _gathered(outcomes)

    async def _embed_one(
        self, data: bytes, lane: Lane[Pixels, Floats], slots: asyncio.Semaphore
    ) -> tuple[Timed[Floats], float]:
        loop = asyncio.get_running_loop()
        async with slots:
            pixels, seconds = await loop.run_in_executor(self._decoders, self._pixels, data)
        return await lane.run(pixels), seconds

    def _pixels(self, data: bytes) -> tuple[Pixels, float]:
        started = time.perf_counter()
        if len(data) > self._limits.max_image_bytes:
            raise BadImage(
                f"The file has {len(data):,} bytes, over the limit of "
                f"{self._limits.max_image_bytes:,} (ISE_MAX_IMAGE_BYTES)."
            )
        preprocessing = self.backbone.preprocessing
        pixels = preprocessing(decode(data, self._limits.max_pixels, preprocessing.least))
        return pixels, time.perf_counter() - started


def _gathered(outcomes: Sequence[tuple[Timed[Floats], float] | BaseException]) -> EmbeddedImages:
    done: list[tuple[Timed[Floats], float]] = []
    bad: list[dict[str, object]] = []
    for index, outcome in enumerate(outcomes):
        if not isinstance(outcome, BaseException):
            done.append(outcome)
        elif isinstance(outcome, ISEError) and not isinstance(outcome, Unavailable | Overloaded):
            bad.append({"index": index, "error": outcome.detail})
        else:
            raise outcome
    if bad:
        first = f"file {bad[0]['index']}: {bad[0]['error']}"
        raise BadImage(f"{len(bad)} of {len(outcomes)} files can't be used; {first}", items=bad)
    return EmbeddedImages(
        vectors=np.stack([timed.value for timed, _ in done]),
        decode_seconds=float(np.mean([seconds for _, seconds in done])),
        queue_seconds=float(np.mean([timed.queued for timed, _ in done])),
        inference_seconds=float(np.mean([timed.ran for timed, _ in done])),
    )
