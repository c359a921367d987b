"""A convolutional network (or any other) as a source of image features."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from services.embedder import fingerprint
from services.embedder.engines import converter
from services.embedder.engines.calibration import calibration_of
from services.embedder.engines.choice import Chooser, Chosen, EngineOptions
from services.embedder.engines.eager import EagerEngine
from services.embedder.engines.engine import EngineUnavailable
from services.embedder.engines.engine_options import Precision
from services.embedder.engines.network import PixelNetwork
from services.embedder.engines.quantized import QuantizedNetwork, drawn_calibration
from services.embedder.engines.speed import Speed
from services.embedder.preprocess import Preprocessing
from shared.core.errors import BadImage, ISEError, Misconfigured
from shared.labels.head import LabelHead

PATIENCE_S = 6.0
"""Processor seconds that a start takes at most, from when it begins to load networks, until torch
serves in place of an engine that isn't chosen yet. All networks share them.

Not of the clock: on a busy machine, too, a small network is served by one engine from the start.
"""
_LONGEST_WAIT_S = 60.0
_LOOK_S = 0.02

log = logging.getLogger(__name__)


class Backbone:
    """A network without its classifier: preprocessed pixels in, pooled features out.

    `module` maps normalised images (n, 3, height, width) float32 to features (n, dim) float32, not
    normalised. `pooling` says in a word how it pools. It runs by torch in fp32 until it is told
    otherwise. Safe to call from one thread at a time. `head`: the classifier over named classes
    that the weights bring, if they do; it is no part of the fingerprint.
    """

    def __init__(
        self,
        architecture: str,
        module: nn.Module,
        preprocessing: Preprocessing,
        pooling: str,
        head: LabelHead | None = None,
    ) -> None:
        self.architecture = architecture
        self.preprocessing = preprocessing
        self.head = head
        self.takes_mixed = False
        """True if its search results were measured in mixed precision."""
        self.network = PixelNetwork(module, preprocessing.mean, preprocessing.std)
        self._chosen = Chosen(EagerEngine(self.network))
        self.dim = self._measure()
        self.fingerprint = fingerprint.of_backbone(
            architecture, module.state_dict(), preprocessing, pooling
        )

    @property
    def engine(self) -> str:
        """The engine that runs the network, with its precision."""
        return self._chosen.engine.name

    @property
    def speed(self) -> Speed | None:
        """The measured speed of the engine, once that is known."""
        return self._chosen.speed

    @property
    def batch(self) -> int:
        """The images at a time at which the engine is fastest; 0 where that wasn't measured."""
        return self._chosen.batch

    def run_by(
        self,
        options: EngineOptions,
        patience_s: float | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """Choose the engine: the configured one, or the fastest.

        Where that takes more than `patience_s` of the processor (None: no matter), or compiles,
        or the network is large, torch serves eagerly until it is done. In int8 the model gets
        another fingerprint, and is waited for; `tell` hears what it waits for.

        Raises Misconfigured.
        """
        if options.precision is Precision.INT8 and self._quantize(options, tell):
            return
        options = replace(options, takes_mixed=self.takes_mixed)
        size = self.preprocessing.crop
        # A large network takes long in any case, most of it in another process.
        is_long = options.compiles or converter.is_large(self.network)
        done = threading.Event()

        def choose() -> None:
            try:
                # At the usual priority: processes and threads that serve later inherit it.
                chooser = Chooser(self.network, size, self.fingerprint, options)
                if options.device.type != "cpu":
                    self._chosen = Chosen(chooser.stopgap())
                self._chosen = chooser.choose()
            except Exception:
                # The engine that serves goes on to.
                log.exception("no engine can be chosen for %s", self.fingerprint)
            finally:
                done.set()

        if patience_s is None:
            self._chosen = Chooser(self.network, size, self.fingerprint, options).choose()
            return
        # A daemon, so that compiling doesn't keep the service from ending.
        threading.Thread(target=choose, name="engine", daemon=True).start()
        if not _is_soon(done, 0.0 if is_long else patience_s):
            log.info(
                "%s is served by %s while a faster engine is made ready",
                *(self.fingerprint, self.engine),
            )

    def _quantize(self, options: EngineOptions, tell: Callable[[str], None] | None) -> bool:
        """Run in int8, or say in the log why not."""
        size = self.preprocessing.crop
        if options.device.type != "cpu":
            log.warning("%s doesn't run in int8: that is for CPUs", self.fingerprint)
            return False
        calibration = (
            drawn_calibration(size)
            if options.calibration is None
            else calibration_of(options.calibration, self.preprocessing)
        )
        quantized = QuantizedNetwork(
            self.network, size, self.fingerprint, calibration, options.cache_dir
        )
        try:
            engine, speed = quantized.engine(tell)
        except EngineUnavailable as error:
            log.warning("%s doesn't run in int8: %s", self.fingerprint, error)
            return False
        self._chosen = Chosen(engine, speed)
        self.fingerprint = quantized.fingerprint
        shown = f": {speed}" if speed else ""
        log.info("%s runs on %s%s", self.fingerprint, engine.name, shown)
        return True

    def features(self, batch: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32] | ISEError]:
        """Pixels, each (height, width, 3) uint8 -> features, each (dim,) float32.

        An image whose features aren't finite gets a BadImage in its place. Raises MemoryError.
        """
        return [
            row
            if np.isfinite(row).all()
            else BadImage("The network gave no finite features for this image.")
            for row in self.forward(np.stack(batch))
        ]

    def forward(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, height, width, 3) uint8 -> (n, dim) float32."""
        try:
            return self._chosen.engine(pixels)
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
                raise MemoryError(str(error)) from error
            raise

    def _measure(self) -> int:
        """The number of features, by a blank image, which warms the network up as well."""
        shape = self.forward(self.preprocessing.blank()[None]).shape
        if len(shape) != 2 or shape[0] != 1:
            raise Misconfigured(
                f"ISE_BACKBONE={self.architecture} gives no pooled features (but shape {shape}); "
                "choose a classification network."
            )
        return int(shape[1])


def _is_soon(done: threading.Event, patience_s: float) -> bool:
    """Wait for an event while this process has used less than `patience_s` of the processor."""
    began, used = time.monotonic(), time.process_time()
    while not done.wait(_LOOK_S):
        is_late = time.monotonic() - began > _LONGEST_WAIT_S
        if is_late or time.process_time() - used > patience_s:
            return done.is_set()
    return True
