"""The models of this process: loaded from the settings, and served until the process ends."""

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass

import torch

from services.embedder.backbones.backbone import Backbone
from services.embedder.backbones.registry import load_backbone
from services.embedder.config import EmbedderSettings
from services.embedder.device import device_of, images_a_pass
from services.embedder.engines.choice import Wish
from services.embedder.images import ImageEmbedder, Limits
from services.embedder.matching.store import NetworkStore
from services.embedder.matching.trainer import Trainer
from services.embedder.words.vectors import Words, load_words
from shared.errors import ISEError, Misconfigured, Unavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Models:
    """What is loaded. `matching` is `visual` itself where both are the same network."""

    visual: Backbone
    matching: Backbone
    words: Words


@dataclass(frozen=True)
class Hosted:
    """What serves."""

    visual: ImageEmbedder
    matching: ImageEmbedder
    words: Words
    networks: NetworkStore
    trainer: Trainer


def load_models(settings: EmbedderSettings) -> Models:
    """Loads and warms up all models; takes seconds. Raises Misconfigured."""
    if settings.torch_threads:
        torch.set_num_threads(settings.torch_threads)
    visual_source = (settings.visual_backbone, settings.weights)
    matching_source = (settings.tag_backbone, settings.tag_weights)
    seconds = settings.hub_seconds
    visual = load_backbone(*visual_source, "ISE_WEIGHTS", seconds)
    matching = visual
    if matching_source != visual_source:
        matching = load_backbone(*matching_source, "ISE_MATCHING_WEIGHTS", seconds)
    if matching.fingerprint == visual.fingerprint:
        matching = visual
    wish = Wish(
        settings.inference, settings.precision, device_of(settings.device), settings.cache_dir
    )
    visual.run_by(wish)
    if matching is not visual:
        matching.run_by(wish)
    log.info("networks run on %s", wish.device)
    return Models(visual, matching, load_words(settings.words, seconds))


class Host:
    """Loads the models in the background; says what is missing until they serve."""

    def __init__(self, settings: EmbedderSettings) -> None:
        self._settings = settings
        self._hosted: Hosted | None = None
        self.failure: ISEError | None = None

    def not_ready(self) -> str | None:
        """Why the service can't serve, in a sentence, or None when it can."""
        if self.failure is not None:
            return self.failure.detail
        if self._hosted is None:
            return "The models are being loaded."
        return self._hosted.visual.failure or self._hosted.matching.failure

    def hosted(self) -> Hosted:
        """The models, or Unavailable while there are none."""
        if self._hosted is None:
            raise Unavailable(self.not_ready() or "The models are gone.", retry_after=2)
        return self._hosted

    async def run(self, on_failure: Callable[[ISEError], None]) -> None:
        """Loads, then serves until cancelled; `on_failure` hears why where loading fails."""
        async with AsyncExitStack() as stack:
            try:
                models = await asyncio.to_thread(load_models, self._settings)
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
        threads = settings.decode_threads or os.cpu_count() or 1
        decoders = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        stack.callback(decoders.shutdown, wait=False, cancel_futures=True)
        limits = Limits(
            max_batch=settings.max_batch or images_a_pass(device_of(settings.device)),
            queue_size=settings.queue_size,
            max_pixels=settings.max_pixels,
            max_image_bytes=settings.max_image_bytes,
            seconds=settings.embed_seconds,
        )
        visual = await stack.enter_async_context(
            ImageEmbedder(models.visual, decoders, 2 * threads, limits)
        )
        matching = visual
        if models.matching is not models.visual:
            matching = await stack.enter_async_context(
                ImageEmbedder(models.matching, decoders, 2 * threads, limits)
            )
        fingerprints = (models.matching.fingerprint, models.words.fingerprint)
        trainer = Trainer(
            settings.data_dir / "training",
            models.matching.fingerprint,
            models.words,
            settings.max_training_images,
        )
        stack.push_async_callback(trainer.close)
        networks = NetworkStore(
            settings.data_dir / "networks", *fingerprints, settings.networks_in_memory
        )
        return Hosted(visual, matching, models.words, networks, trainer)


def _readable(error: Exception) -> ISEError:
    if isinstance(error, ISEError):
        return error
    return Misconfigured(
        f"The models can't be loaded ({type(error).__name__}: {error}). "
        "Look at ISE_BACKBONE, ISE_WEIGHTS and ISE_WORDS."
    )
