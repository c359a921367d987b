"""The models of this process: loaded from the settings, and served until the process ends."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import torch

from services.embedder.backbones.backbone import PATIENCE_S, Backbone
from services.embedder.backbones.gpu_decoding import GpuDecoder, gpu_decoder
from services.embedder.config import EmbedderSettings
from services.embedder.decoding.decoder import DecodeLimits
from services.embedder.decoding.pool import Decoders
from services.embedder.decoding.sharing import SharedDecoders
from services.embedder.device import device_of, images_a_pass
from services.embedder.engines import processor
from services.embedder.engines.choice import EngineOptions
from services.embedder.explaining.explainer import Explainer
from services.embedder.images import ImageEmbedder, Limits, Load
from services.embedder.matching.download import Download
from services.embedder.matching.joint import JointSpaces, TermEncoder
from services.embedder.matching.store import NetworkStore
from services.embedder.matching.trainer import Trainer
from services.embedder.registry import load_backbone
from services.embedder.towers.aligned import AlignedSpace
from services.embedder.towers.source import PREFIX as TOWERS
from services.embedder.towers.text_tower import TextTower, load_text_tower
from services.embedder.words.meanings import Meanings
from services.embedder.words.vectors import Words, load_words
from shared.core.budget import MIB, Budget
from shared.core.errors import Conflict, ISEError, Misconfigured, Unavailable
from shared.objects.address import snapshots_from
from shared.objects.store import Objects

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Models:
    """Loaded models. `matching` is `visual` itself where both are the same network."""

    visual: Backbone
    matching: Backbone
    words: Words | TextTower
    meanings: Meanings | None = None


@dataclass(frozen=True)
class Hosted:
    """The models that serve requests."""

    visual: ImageEmbedder
    matching: ImageEmbedder
    words: TermEncoder
    meanings: Meanings | None
    networks: JointSpaces
    trainer: Trainer | None
    decoders: Decoders
    explainer: Explainer

    @property
    def failure(self) -> str | None:
        """Reason why no images can be embedded now, or None."""
        return self.visual.failure or self.matching.failure or self.decoders.failure

    @property
    def joint(self) -> str | None:
        """The fingerprint of the joint space that came with its towers; None: one is trained."""
        return self.networks.fingerprints()[0] if self.trainer is None else None

    def training(self) -> Trainer:
        """Return the trainer of matching networks. Raises Conflict."""
        if self.trainer is None:
            raise Conflict(
                f"The towers of {self.words.architecture} (ISE_MATCHING) were trained together, so "
                "there is no matching network to train. `ise build` makes the joint space."
            )
        return self.trainer


Tell = Callable[[str], None]


def load_models(settings: EmbedderSettings, tell: Tell | None = None) -> Models:
    """Load and warm up all models; takes seconds. `tell` hears what takes longer.

    Raises Misconfigured.
    """
    began = time.process_time()
    cores = processor.physical_cores()
    if settings.torch_threads or cores < torch.get_num_threads():
        torch.set_num_threads(settings.torch_threads or cores)
    check_matching(settings)
    visual = load_visual(settings, tell, began)
    matching = visual
    if _matching_source(settings) != _visual_source(settings):
        matching = load_matching(settings, tell, began)
    if matching.fingerprint == visual.fingerprint:
        matching = visual
    words = _load_terms(settings)
    meanings = None
    if isinstance(words, Words) and matching.head is not None:
        meanings = Meanings(words, matching.head)
    return Models(visual, matching, words, meanings)


def check_matching(settings: EmbedderSettings) -> None:
    """Raises Misconfigured where settings of the matching side are at odds."""
    if settings.matching and not settings.matching.startswith(TOWERS):
        raise Misconfigured(
            f"ISE_MATCHING={settings.matching} is unknown; use {TOWERS}<model>, or "
            "leave it empty to have a matching network trained."
        )
    if settings.matching and (settings.matching_backbone or settings.words):
        raise Misconfigured(
            "ISE_MATCHING brings its own towers of images and of text; unset ISE_MATCHING_BACKBONE "
            "and ISE_WORDS, or ISE_MATCHING."
        )


def _load_terms(settings: EmbedderSettings) -> Words | TextTower:
    if not settings.matching:
        return load_words(settings.words, settings.hub_seconds, settings.cache_dir)
    name, weights = _matching_source(settings)
    device = device_of(settings.device)
    return load_text_tower(name, weights, "ISE_MATCHING_WEIGHTS", settings.hub_seconds, device)


def load_visual(
    settings: EmbedderSettings, tell: Tell | None = None, began: float | None = None
) -> Backbone:
    """Load the backbone of image -> image, warm, on its device. Raises Misconfigured.

    `began`: this process's processor seconds at the begin of the start that it belongs to.
    """
    return _loaded(settings, *_visual_source(settings), "ISE_WEIGHTS", tell, began)


def load_matching(
    settings: EmbedderSettings, tell: Tell | None = None, began: float | None = None
) -> Backbone:
    """Load the backbone of tag -> image, warm, on its device. Raises Misconfigured.

    `began`: as for `load_visual`.
    """
    return _loaded(settings, *_matching_source(settings), "ISE_MATCHING_WEIGHTS", tell, began)


def _visual_source(settings: EmbedderSettings) -> tuple[str, str]:
    return settings.visual_backbone, settings.weights


def _matching_source(settings: EmbedderSettings) -> tuple[str, str]:
    return settings.tag_backbone, settings.tag_weights


def _loaded(
    settings: EmbedderSettings,
    name: str,
    weights: str,
    setting: str,
    tell: Tell | None,
    began: float | None,
) -> Backbone:
    used = time.process_time() if began is None else began
    backbone = load_backbone(name, weights, setting, settings.hub_seconds)
    device = device_of(settings.device)
    options = EngineOptions(
        settings.inference,
        settings.precision,
        device,
        settings.cache_dir,
        settings.calibration,
    )
    patience_s = max(0.0, PATIENCE_S - (time.process_time() - used))
    backbone.run_by(options, patience_s, tell)
    return backbone


def shared_decoders(settings: EmbedderSettings) -> SharedDecoders:
    """Return the decoding processes that the settings ask for; none runs yet."""
    return SharedDecoders(
        settings.decode_processes or os.cpu_count() or 1,
        DecodeLimits(settings.decode_seconds, settings.decoder_bytes),
    )


class Host:
    """Loads the models in the background; meanwhile it reports which ones are missing."""

    def __init__(
        self,
        settings: EmbedderSettings,
        memory: Budget | None = None,
        decoders: SharedDecoders | None = None,
    ) -> None:
        """`memory`: budget that decoded pictures share with the rest of the service. `decoders`:
        those of all hosts of this process.
        """
        self._settings = settings
        self._memory = memory or Budget(settings.memory * MIB, "ISE_MEMORY")
        self._decoders = decoders or shared_decoders(settings)
        self._hosted: Hosted | None = None
        self._stage = "The models are being loaded."
        self.failure: ISEError | None = None
        self.instance = uuid4().hex[:12]

    def not_ready(self) -> str | None:
        """Return why the service can't serve, in a sentence, or None if it can."""
        if self.failure is not None:
            return self.failure.detail
        if self._hosted is None:
            return self._stage
        return self._hosted.failure

    def _enter(self, stage: str) -> None:
        """Note what loading waits for; called in its thread."""
        self._stage = stage

    def hosted(self) -> Hosted:
        """The models, or Unavailable while there are none."""
        if self._hosted is None:
            raise Unavailable(self.not_ready() or "The models are gone.", retry_after=2)
        return self._hosted

    def loads(self) -> dict[str, Load]:
        """Return the load of each network by its fingerprint."""
        return {one.backbone.fingerprint: one.load() for one in self._embedders()}

    def decoders_replaced(self) -> int:
        """Number of decoding processes that hung or died."""
        return self._hosted.decoders.replaced if self._hosted else 0

    def _embedders(self) -> set[ImageEmbedder]:
        return {self._hosted.visual, self._hosted.matching} if self._hosted else set()

    async def run(self, on_failure: Callable[[ISEError], None]) -> None:
        """Loads, then serves until cancelled; `on_failure` hears why where loading fails."""
        async with AsyncExitStack() as stack:
            try:
                models = await asyncio.to_thread(load_models, self._settings, self._enter)
                self._hosted = await self._host(models, stack)
            except Exception as error:
                if not isinstance(error, ISEError):
                    log.exception("the models can't be loaded")
                self.failure = _readable(error)
                on_failure(self.failure)
                return
            log.info(
                "ready: visual %s, matching %s, words %s",
                models.visual.fingerprint,
                models.matching.fingerprint,
                models.words.fingerprint,
            )
            await asyncio.Event().wait()

    async def _host(self, models: Models, stack: AsyncExitStack) -> Hosted:
        settings = self._settings
        decoders = await stack.enter_async_context(self._decoders.used())
        limits = Limits(
            max_batch=settings.max_batch or images_a_pass(device_of(settings.device)),
            queue_size=settings.queue_size,
            max_pixels=settings.max_pixels,
            max_image_bytes=settings.max_image_bytes,
            seconds=settings.embed_seconds,
            is_fixed=bool(settings.max_batch),
        )
        visual = await stack.enter_async_context(
            ImageEmbedder(
                models.visual,
                partial(load_visual, settings),
                decoders,
                limits,
                self._memory,
                await self._gpu_decoder(models.visual),
            )
        )
        matching = visual
        if models.matching is not models.visual:
            matching = await stack.enter_async_context(
                ImageEmbedder(
                    models.matching,
                    partial(load_matching, settings),
                    decoders,
                    limits,
                    self._memory,
                    await self._gpu_decoder(models.matching),
                )
            )
        networks: JointSpaces
        trainer: Trainer | None = None
        words, fingerprint = models.words, models.matching.fingerprint
        if isinstance(words, TextTower):
            networks = AlignedSpace(words.dim, fingerprint, words.fingerprint)
        else:
            trainer = Trainer(
                settings.data_dir / "training",
                fingerprint,
                words,
                settings.max_training_images,
                models.meanings,
            )
            stack.push_async_callback(trainer.close)
            networks = NetworkStore(
                settings.data_dir / "networks",
                fingerprint,
                words.fingerprint,
                settings.networks_in_memory,
                _download(settings),
                models.meanings,
            )
        return Hosted(
            visual, matching, words, models.meanings, networks, trainer, decoders, Explainer()
        )

    async def _gpu_decoder(self, backbone: Backbone) -> GpuDecoder | None:
        if self._settings.decode_device == "cpu":
            return None
        device = device_of(self._settings.device)
        return await asyncio.to_thread(
            gpu_decoder, backbone.preprocessing, device, backbone.forward
        )


def _download(settings: EmbedderSettings) -> Download | None:
    address = snapshots_from(settings.snapshots_from)
    return None if address is None else Download(Objects(settings.s3_endpoint), address)


def _readable(error: Exception) -> ISEError:
    if isinstance(error, ISEError):
        return error
    return Misconfigured(
        f"The models can't be loaded ({type(error).__name__}: {error}). "
        "Look at ISE_BACKBONE, ISE_WEIGHTS, ISE_MATCHING and ISE_WORDS."
    )
