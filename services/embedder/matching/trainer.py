"""Runs one training at a time, in a thread of its own, and reports its progress."""

import asyncio
import base64
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from services.embedder.matching.store import Matcher, safe_name
from services.embedder.matching.training import train
from services.embedder.matching.training_set import TrainingSet, read_training_set
from services.embedder.words.meanings import Meanings
from services.embedder.words.vectors import Words
from shared.contracts.embedder import TrainingDone, TrainingProgress, TrainingSettings
from shared.core.errors import FingerprintMismatch, Overloaded

_EVERY = 0.5
"""Seconds between two events: often enough for a progress bar, and to show that it's alive."""


class Trainer:
    """Trains on sets that the indexer published below `folder`, for the hosted models."""

    def __init__(
        self,
        folder: Path,
        image_fingerprint: str,
        words: Words,
        max_images: int = 100_000,
        meanings: Meanings | None = None,
    ) -> None:
        self._meanings = meanings
        self._folder = folder
        self._image_fingerprint = image_fingerprint
        self._words = words
        self._max_images = max_images
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="training")
        self._running: asyncio.Future[TrainingDone] | None = None
        self._cancel = threading.Event()

    async def open(self, name: str) -> TrainingSet:
        """Open the training set of that name, which must fit the hosted models.

        Raises Overloaded during another training, NotFound, Corrupt and FingerprintMismatch.
        """
        self._refuse_if_busy()
        training_set = await asyncio.to_thread(read_training_set, self._folder / safe_name(name))
        if training_set.fingerprint != self._image_fingerprint:
            raise FingerprintMismatch(
                f"The training set {name} has features of {training_set.fingerprint}; hosted is "
                f"{self._image_fingerprint}. Compute the images' features again: `ise ingest`.",
                training_set=training_set.fingerprint,
                hosted=self._image_fingerprint,
            )
        return training_set

    async def events(
        self, training_set: TrainingSet, settings: TrainingSettings
    ) -> AsyncGenerator[TrainingProgress | TrainingDone | None, None]:
        """Train, yielding progress twice a second, None before there is any, TrainingDone last.

        Closing the generator ends the training. Raises Overloaded, and the errors of `train`.
        """
        self._refuse_if_busy()
        cancel = self._cancel = threading.Event()
        latest: TrainingProgress | None = None

        def on_progress(epoch: int, loss: float) -> None:
            nonlocal latest
            latest = TrainingProgress(epoch=epoch, epochs=settings.epochs, loss=loss)

        def work() -> TrainingDone:
            network, report = train(
                training_set,
                self._words,
                settings,
                meanings=self._meanings,
                max_images=self._max_images,
                on_progress=on_progress,
                cancelled=cancel.is_set,
            )
            matcher = Matcher(
                network, training_set.fingerprint, self._words.fingerprint, report.labels
            )
            encoded = base64.b64encode(matcher.to_bytes())
            return TrainingDone(fingerprint=matcher.fingerprint, report=report, network=encoded)

        running = asyncio.get_running_loop().run_in_executor(self._thread, work)
        self._running = running
        try:
            while not running.done():
                await asyncio.wait([running], timeout=_EVERY)
                yield latest
            yield await running
        finally:
            cancel.set()
            # If the caller has disconnected, nothing else retrieves the outcome.
            running.add_done_callback(_heed)

    async def close(self) -> None:
        """Cancel a running training, and wait for its end."""
        self._cancel.set()
        await asyncio.to_thread(self._thread.shutdown, wait=True)

    def _refuse_if_busy(self) -> None:
        if self._running is not None and not self._running.done():
            raise Overloaded(
                "A training is already running; only one can run at a time.", retry_after=10
            )


def _heed(running: asyncio.Future[TrainingDone]) -> None:
    if not running.cancelled():
        running.exception()
