"""Choice of the engine that runs a network: the configured one, or the fastest with correct
results.

An engine is accepted only if its features agree with torch in fp32, so the engine isn't part of a
model's fingerprint. Speed decides only between engines whose features agree within SAME_FEATURES,
so that two replicas on the same kind of processor give the same answers; and only where another is
clearly faster than the standard, so that they also choose the same one. int8 is no part of the
choice: see `quantized.py`.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from services.embedder.engines import processor
from services.embedder.engines.agreement import least_cosine
from services.embedder.engines.apart import ApartEngine
from services.embedder.engines.batch_size import best_batch, rate_of
from services.embedder.engines.cuda import CudaEngine
from services.embedder.engines.eager import CPU, EagerEngine
from services.embedder.engines.engine import Engine, EngineUnavailable
from services.embedder.engines.engine_benchmark import images_per_second, speed_of
from services.embedder.engines.engine_options import Inference, Precision
from services.embedder.engines.memory import Choice, Memory
from services.embedder.engines.mixed import MixedEngine
from services.embedder.engines.network import PixelNetwork
from services.embedder.engines.openvino import OpenVINOEngine
from services.embedder.engines.pictures import built_in
from services.embedder.engines.speed import Speed
from shared.maths.floats import SAME_FEATURES, furthest

AGREEMENT = 0.999
"""The least cosine to the features of eager fp32, on each of the built-in pictures."""

_CLEARLY = 1.1
"""Times the standard's speed from which another engine is taken; less is noise of the machine."""
_BATCH = 8

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Chosen:
    """An engine, and its speed where that could be measured.

    `batch`: images at a time at which it is fastest; 0: not measured.
    """

    engine: Engine
    speed: Speed | None = None
    batch: int = 0


@dataclass(frozen=True)
class EngineOptions:
    """Engine settings; `cache_dir`: folder for choices and compiled networks, if any.

    `calibration`: folder of pictures for int8; None: the included ones. `takes_mixed`: `auto` may
    take `mixed`, with which the network's search results were measured.
    """

    inference: Inference = Inference.AUTO
    precision: Precision = Precision.AUTO
    device: torch.device = CPU
    cache_dir: Path | None = None
    calibration: Path | None = None
    takes_mixed: bool = False

    def kinds(self) -> list[Inference]:
        """The engines that take part, the standard first. On a CPU, compiling gains nothing."""
        if self.inference is not Inference.AUTO:
            return [self.inference]
        if self.device.type == "cpu":
            return [Inference.OPENVINO, Inference.EAGER]
        return [Inference.COMPILE]

    @property
    def compiles(self) -> bool:
        """Return True where the choice compiles, which takes up to minutes."""
        return Inference.COMPILE in self.kinds()

    def precisions(self) -> list[Precision]:
        """The precisions to try, the fastest first."""
        if self.precision not in (Precision.AUTO, Precision.INT8):
            return [self.precision]
        found = processor.precisions(self.device)
        return [one for one in found if one is not Precision.MIXED or self.takes_mixed]


class Chooser:
    """Chooses for one network, whose input has `size` (height, width)."""

    def __init__(
        self, network: PixelNetwork, size: tuple[int, int], fingerprint: str, options: EngineOptions
    ) -> None:
        self._network = network
        self._size = size
        self._model = fingerprint
        self._wish = options
        self._memory = Memory(options.cache_dir, fingerprint, options.device)
        self._refused: set[str] = set()
        self._pictures = built_in(*size)
        reference = EagerEngine(network)
        # One by one, so that an engine whose features depend on the batch is found too.
        alone = [reference(picture[None]) for picture in self._pictures]
        self._expected = np.concatenate([*alone, alone[0]])

    def choose(self) -> Chosen:
        """Return the engine; eager fp32 if no other works, in which case the log says why."""
        asked = f"{self._wish.inference}-{self._wish.precision}"
        remembered = self._memory.recall(asked)
        # The engine chosen last time isn't tried first: those before it may have become available.
        self._refused = set(remembered.refused) if remembered else set()
        engines: list[Engine] = []
        for engine in self._interchangeable():
            if remembered and engine.name == remembered.chosen:
                if remembered.at_once and isinstance(engine, EagerEngine):
                    engine.at_once = remembered.at_once
                speed = remembered.speed or self._timed(asked, engine, remembered)
                shown = f": {speed}" if speed else ""
                log.info("%s runs on %s, as measured before%s", self._model, engine.name, shown)
                return Chosen(engine, speed, remembered.batch)
            engines.append(engine)
        for engine in engines:
            self._batch(engine)
        rates = images_per_second(engines, self._pictures)
        chosen = self._fastest(engines, rates)
        speed = speed_of(
            chosen, rates[chosen.name], self._network, self._pictures, self._wish.device
        )
        at_once = chosen.at_once if isinstance(chosen, EagerEngine) else 0
        kept = None if processor.is_busy() else speed
        batch = self._best_batch(chosen)
        choice = Choice(chosen.name, frozenset(self._refused), kept, at_once, batch)
        self._memory.keep(asked, choice, rates)
        shown = f": {speed}" if speed else ""
        if len(engines) > 1:
            speeds = ", ".join(f"{name} {rate:.1f}" for name, rate in rates.items())
            shown += f" (images per second: {speeds})"
        log.info("%s runs on %s%s", self._model, chosen.name, shown)
        return Chosen(chosen, speed, batch)

    def stopgap(self) -> Engine:
        """Return an engine that is ready at once, for the time of the choice."""
        device = self._wish.device
        if device.type == "cpu":
            return EagerEngine(self._network)
        for precision in self._wish.precisions():
            if precision not in processor.precisions(device):
                continue
            try:
                return CudaEngine(self._network, self._size, precision, device)
            except (EngineUnavailable, RuntimeError) as error:
                log.warning("%s can't run on eager-%s: %s", self._model, precision, error)
        return EagerEngine(self._network)

    def _timed(self, asked: str, engine: Engine, remembered: Choice) -> Speed | None:
        """Measure the speed of a remembered engine that was chosen on a busy machine."""
        rates = images_per_second([engine], self._pictures)
        rate = rates[engine.name]
        speed = speed_of(engine, rate, self._network, self._pictures, self._wish.device)
        if speed is not None and not processor.is_busy():
            self._memory.keep(asked, replace(remembered, speed=speed), rates)
        return speed

    def _fastest(self, engines: list[Engine], rates: Mapping[str, float]) -> Engine:
        standard = engines[0]
        fastest = max(engines, key=lambda engine: rates[engine.name])
        return fastest if rates[fastest.name] > _CLEARLY * rates[standard.name] else standard

    def _batch(self, engine: Engine) -> None:
        """Let the eager engine take several images at a time where it's the same and faster."""
        if not isinstance(engine, EagerEngine) or engine.name != f"eager-{Precision.FP32}":
            return
        together = EagerEngine(self._network, at_once=_BATCH)
        expected = engine(self._pictures)
        if not furthest(together(self._pictures), expected) <= SAME_FEATURES:
            return
        began = time.perf_counter()
        engine(self._pictures)
        middle = time.perf_counter()
        together(self._pictures)
        if time.perf_counter() - middle < middle - began:
            engine.at_once = _BATCH

    def _best_batch(self, engine: Engine) -> int:
        if self._wish.device.type == "cpu":
            return 0
        return best_batch(lambda size: rate_of(engine, self._pictures, size))

    def _interchangeable(self) -> Iterator[Engine]:
        """Yield the engines to choose among by speed: the standard, and those that agree with it.

        The standard is the first accepted one, in a fixed order for each processor.
        """
        kinds = dict.fromkeys([*self._wish.kinds(), Inference.EAGER])
        accepted = (engine for kind in kinds if (engine := self._accepted(kind)) is not None)
        standard = next(accepted, None)
        if standard is None:
            standard = self._fallback()
        yield standard
        if self._wish.inference is not Inference.AUTO:
            return
        features = standard(self._pictures)
        for other in accepted:
            apart = furthest(other(self._pictures), features)
            if apart <= SAME_FEATURES:
                yield other
                continue
            log.info(
                "%s is not compared with %s for %s: their features differ by %.1g, more than %g",
                *(other.name, standard.name, self._model, apart, SAME_FEATURES),
            )

    def _accepted(self, kind: Inference) -> Engine | None:
        """Return that kind of engine in the first precision in which its features are right."""
        for precision in self._wish.precisions():
            if f"{kind}-{precision}" in self._refused:
                # It disagreed at an earlier start, and each trial takes seconds.
                continue
            if precision is Precision.MIXED and kind is not Inference.OPENVINO:
                continue
            try:
                engine = self._build(kind, precision)
                # A batch and a single picture, because engines may compute them differently.
                found = np.concatenate([engine(self._pictures), engine(self._pictures[:1])])
                worst = least_cosine(found, self._expected)
            except EngineUnavailable as error:
                log.warning("%s can't run on %s: %s", self._model, kind, error)
                if precision is Precision.MIXED:
                    continue
                return None
            except RuntimeError as error:
                # Some of torch's operators don't support every precision.
                log.warning("%s can't run on %s-%s: %s", self._model, kind, precision, error)
                continue
            # Written so that NaN is refused.
            if worst >= AGREEMENT:
                return engine
            # Only disagreement is remembered: an engine that failed to run may have been short of
            # memory.
            self._refused.add(engine.name)
            log.warning(
                "%s doesn't run on %s: the cosine of its features and those of eager fp32 is %.5f, "
                "less than %g",
                self._model,
                engine.name,
                worst,
                AGREEMENT,
            )
        return None

    def _build(self, kind: Inference, precision: Precision) -> Engine:
        device = self._wish.device
        if precision not in processor.precisions(device):
            raise EngineUnavailable(f"{device} has no fast {precision}.")
        if kind is Inference.COMPILE:
            kept_compiled = self._memory.file("compiled")
            return ApartEngine(self._network, self._size, precision, device, kept_compiled)
        if device.type != "cpu":
            if kind is Inference.OPENVINO:
                raise EngineUnavailable(f"it's for CPUs, and ISE_DEVICE is {device}.")
            return CudaEngine(self._network, self._size, precision, device)
        if kind is Inference.EAGER:
            return EagerEngine(self._network, precision)
        kept = self._memory.file("openvino.xml")
        if precision is Precision.MIXED:
            usual = float(np.median(np.linalg.norm(self._expected, axis=1)))
            return MixedEngine(self._network, self._size, usual, kept)
        return OpenVINOEngine(self._network, self._size, precision, kept)

    def _fallback(self) -> Engine:
        """Return an engine that needs nothing."""
        if self._wish.device.type == "cpu":
            return EagerEngine(self._network)
        return CudaEngine(self._network, self._size, Precision.FP32, self._wish.device)
