"""From files to features: decode in processes, run the network in batches, answer in order."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from services.embedder.backbones.backbone import Backbone
from services.embedder.batching.batcher import Batcher, Seat, Work
from services.embedder.batching.lanes import Lane
from services.embedder.decoding.decoder import Decoded
from services.embedder.decoding.plain_jpeg import blank_jpeg, plain_jpeg
from services.embedder.decoding.pool import DecodeLane, Decoders, File
from services.embedder.decoding.task import Task
from services.embedder.preprocess import Preprocessing
from shared.contracts.crop import Crop
from shared.core import deadline
from shared.core.budget import Budget
from shared.core.errors import BadImage, FingerprintMismatch, ISEError, Overloaded, Unavailable
from shared.media.colors import packed, shares_of
from shared.media.limited.weight import decoding_weight

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

_STUCK_S = 120.0
"""A batch that takes longer will not end."""


@dataclass(frozen=True)
class Limits:
    """Bounds on one call and on all calls together; `seconds` is for a whole call.

    `max_batch` holds until the best size of batches is measured, or for good if `is_fixed`.
    """

    max_batch: int
    queue_size: int
    max_pixels: int
    max_image_bytes: int
    seconds: float
    is_fixed: bool = True


@dataclass(frozen=True)
class Stages:
    """The seconds that one file spent; `queue` is waiting, for a process and for the network."""

    decode: float
    queue: float
    inference: float


@dataclass(frozen=True)
class EmbeddedImages:
    """`vectors` (n, dim) float32 and `stages`, in the order of the files.

    `notes`: damage of files that were read nevertheless, by index. `colors`: those of all files, as
    `shared.media.colors` packs them, where they were asked for.
    """

    vectors: Floats
    stages: list[Stages]
    notes: dict[int, str]
    colors: bytes | None = None


@dataclass(frozen=True)
class _Done:
    """The result of one file."""

    vector: Floats
    stages: Stages
    note: str | None
    colors: bytes | None


@dataclass(frozen=True)
class Load:
    """Load of the embedder: admitted and waiting images by lane, and since the start: refused
    images, restarts of the network, and batches by size.
    """

    in_hand: int
    waiting: Mapping[str, int]
    refused: int
    restarts: int
    batches: Mapping[int, int]


class JpegDecoder(Protocol):
    """Decodes plain JPEGs of some formats, in batches."""

    @property
    def formats(self) -> frozenset[str]: ...

    def __call__(self, files: Sequence[bytes]) -> Sequence[Pixels]: ...


class ImageEmbedder:
    """A backbone behind a batcher; an async context manager that serves inside the block.

    `reload` loads the same backbone again after a failure.
    """

    def __init__(
        self,
        backbone: Backbone,
        reload: Callable[[], Backbone],
        decoders: Decoders,
        limits: Limits,
        memory: Budget,
        gpu: JpegDecoder | None = None,
    ) -> None:
        """`memory`: budget that pictures take from while they are decoded."""
        self.backbone = backbone
        self._reload = reload
        self._decoders = decoders
        self._limits = limits
        self._memory = memory
        self._batcher: Batcher[Pixels, Floats] = Batcher(
            backbone.features,
            backbone.preprocessing.blank(),
            self._renewed,
            max_batch=self._batch,
            queue_size=limits.queue_size,
            seconds=max(limits.seconds, _STUCK_S),
            name=backbone.fingerprint,
        )
        self._on_gpu = None if gpu is None else self._gpu_batcher(gpu)
        self._gpu_formats: frozenset[str] = frozenset() if gpu is None else gpu.formats

    @property
    def failure(self) -> str | None:
        """Reason why no images can be embedded now, or None."""
        return self._batcher.failure

    def _batch(self) -> int:
        measured = 0 if self._limits.is_fixed else self.backbone.batch
        return measured or self._limits.max_batch

    def load(self) -> Load:
        """Return the pending work and its outcomes since the start."""
        batcher = self._batcher
        return Load(
            in_hand=batcher.in_hand,
            waiting=batcher.waiting,
            refused=batcher.refused,
            restarts=batcher.restarts,
            batches=dict(batcher.batches),
        )

    async def __aenter__(self) -> Self:
        await self._batcher.__aenter__()
        if self._on_gpu is not None:
            await self._on_gpu.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._on_gpu is not None:
            await self._on_gpu.__aexit__(*exc)
        await self._batcher.__aexit__(*exc)

    async def embed(
        self,
        files: Sequence[bytes],
        bulk: bool = False,
        crops: Sequence[Crop | None] | None = None,
        is_admitted: bool = False,
        colors: bool = False,
    ) -> EmbeddedImages:
        """Return the features of each file.

        `bulk`: no one waits, so interactive calls go first. `crops`: the relevant box of each file;
        None: all of it. `is_admitted`: the call has its places already. `colors`: also tell the
        shares of their colours.

        Raises BadImage, whose `items` lists bad files by index, Overloaded, and Unavailable if the
        deadline passes or the model failed.
        """
        left = deadline.remaining()
        seconds = self._limits.seconds if left is None else min(left, self._limits.seconds)
        with self._batcher.admit(len(files), bulk, is_admitted) as seat:
            lane: DecodeLane = Lane(bulk)
            try:
                async with asyncio.timeout(seconds):
                    outcomes = await asyncio.gather(
                        *(
                            self._embed_one(data, crop, lane, seat, colors)
                            for data, crop in zip(files, crops or repeat(None), strict=False)
                        ),
                        return_exceptions=True,
                    )
            except TimeoutError as error:
                raise Unavailable(
                    f"{len(files)} images took over {seconds:.3g} seconds "
                    "(ISE_EMBED_SECONDS); send fewer at a time.",
                    retry_after=5,
                ) from error
        return _gathered(outcomes)

    async def decode(self, data: bytes, preprocessing: Preprocessing | None = None) -> Decoded:
        """Return the pixels of one file, for the network or a given preprocessing.

        Raises BadImage, Overloaded, and Unavailable if it takes too long.
        """
        with self._batcher.admit(1, is_admitted=True):
            try:
                async with asyncio.timeout(self._limits.seconds):
                    decoded, _ = await self._decode(data, Lane(bulk=False), preprocessing)
            except TimeoutError as error:
                raise Unavailable(
                    f"The picture took over {self._limits.seconds:.3g} seconds to decode "
                    "(ISE_EMBED_SECONDS); try again.",
                    retry_after=5,
                ) from error
        return decoded

    async def _embed_one(
        self,
        data: bytes,
        crop: Crop | None,
        lane: DecodeLane,
        seat: Seat[Pixels, Floats],
        wants_colors: bool,
    ) -> _Done:
        decoded, waited = await self._decode(data, lane, crop=crop, colors=wants_colors)
        colors = decoded.colors
        if wants_colors and colors is None:
            # The GPU decoded it.
            colors = packed(await asyncio.to_thread(shares_of, decoded.pixels))
        timed = await seat.run(decoded.pixels)
        stages = Stages(decoded.seconds, waited + timed.queued, timed.ran)
        return _Done(timed.value, stages, decoded.note, colors)

    async def _decode(
        self,
        data: bytes,
        lane: DecodeLane,
        preprocessing: Preprocessing | None = None,
        crop: Crop | None = None,
        colors: bool = False,
    ) -> tuple[Decoded, float]:
        if len(data) > self._limits.max_image_bytes:
            raise BadImage(
                f"The file has {len(data):,} bytes, over the limit of "
                f"{self._limits.max_image_bytes:,} (ISE_MAX_IMAGE_BYTES)."
            )
        if self._on_gpu is not None and crop is None and preprocessing is None:
            found = await self._decode_on_gpu(self._on_gpu, data, lane.bulk)
            if found is not None:
                return found
        box = None if crop is None else (crop.x, crop.y, crop.width, crop.height)
        shape = preprocessing or self.backbone.preprocessing
        task = Task(shape, self._limits.max_pixels, box, colors)
        # Several large pictures at once would take more memory than the service may have.
        async with self._memory.held_async(decoding_weight(data), self._limits.seconds):
            return await self._decoders.decode(lane, File(data, task))

    def _gpu_batcher(self, decode: JpegDecoder) -> Batcher[bytes, Pixels]:
        limits = self._limits
        return Batcher(
            decode,
            blank_jpeg(),
            lambda: decode,
            max_batch=limits.max_batch,
            queue_size=limits.queue_size + 1,
            seconds=max(limits.seconds, _STUCK_S),
            name=f"JPEGs of {self.backbone.fingerprint}",
        )

    async def _decode_on_gpu(
        self, batcher: Batcher[bytes, Pixels], data: bytes, bulk: bool
    ) -> tuple[Decoded, float] | None:
        """Return the pixels of a plain JPEG; None: the file is for the processes."""
        plain = plain_jpeg(data, self._limits.max_pixels)
        if plain is None or plain.format not in self._gpu_formats:
            return None
        try:
            with batcher.admit(1, bulk) as seat:
                timed = await seat.run(data)
        except ISEError:
            # Damaged, or the GPU is short of memory: the processes say which.
            return None
        return Decoded(timed.value, plain.size, timed.ran), timed.queued

    def _renewed(self) -> Work[Pixels, Floats]:
        fresh = self._reload()
        if fresh.fingerprint != self.backbone.fingerprint:
            raise FingerprintMismatch(
                f"the weights changed from {self.backbone.fingerprint} to {fresh.fingerprint} "
                "meanwhile; restart the embedder"
            )
        self.backbone = fresh
        return fresh.features


def _gathered(
    outcomes: Sequence[_Done | BaseException],
) -> EmbeddedImages:
    done: list[_Done] = []
    bad: list[dict[str, object]] = []
    for index, outcome in enumerate(outcomes):
        if not isinstance(outcome, BaseException):
            done.append(outcome)
        elif isinstance(outcome, ISEError) and not isinstance(outcome, Unavailable | Overloaded):
            passing = {"is_passing": True} if outcome.extra.get("is_passing") else {}
            bad.append({"index": index, "error": outcome.detail, **passing})
        else:
            raise outcome
    if bad:
        first = f"file {bad[0]['index']}: {bad[0]['error']}"
        raise BadImage(f"{len(bad)} of {len(outcomes)} files can't be used; {first}", items=bad)
    return EmbeddedImages(
        vectors=np.stack([one.vector for one in done]),
        stages=[one.stages for one in done],
        notes={index: one.note for index, one in enumerate(done) if one.note},
        colors=b"".join(one.colors for one in done if one.colors is not None) or None,
    )
