"""Choice of the engine that runs a network: the configured one, or the fastest with correct
results.

An engine is accepted only if its features agree with torch in fp32, so the engine isn't part of a
model's fingerprint. Speed decides only between engines whose features agree within SAME_FEATURES,
so that two replicas on the same kind of processor give the same answers.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from services.embedder.engines import processor
from services.embedder.engines.compiled import CompiledEngine
from services.embedder.engines.eager import CPU, EagerEngine
from services.embedder.engines.engine import Engine, EngineUnavailable, Floats
from services.embedder.engines.engine_benchmark import images_per_second
from services.embedder.engines.engine_options import Inference, Precision
from services.embedder.engines.memory import Memory
from services.embedder.engines.network import PixelNetwork
from services.embedder.engines.openvino import OpenVINOEngine
from services.embedder.engines.pictures import built_in
from shared.maths.floats import SAME_FEATURES, furthest

AGREEMENT = 0.999
"""The least cosine to the features of eager fp32, on each of the built-in pictures."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EngineOptions:
    """Engine settings; `cache_dir`: folder for choices and compiled networks, if any."""

    inference: Inference = Inference.AUTO
    precision: Precision = Precision.AUTO
    device: torch.device = CPU
    cache_dir: Path | None = None

    def kinds(self) -> list[Inference]:
        """The engines that take part, the standard first. Compiling takes too long for a try."""
        if self.inference is not Inference.AUTO:
            return [self.inference]
        if self.device.type == "cpu":
            return [Inference.OPENVINO, Inference.EAGER]
        return [Inference.EAGER]

    def precisions(self) -> list[Precision]:
        """The precisions to try, the fastest first."""
        if self.precision is not Precision.AUTO:
            return [self.precision]
        return processor.precisions(self.device)


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

    def choose(self) -> Engine:
        """Return the engine; eager fp32 if no other works, in which case the log says why."""
        asked = f"{self._wish.inference}-{self._wish.precision}"
        remembered = self._memory.recall(asked)
        # The engine chosen last time isn't tried first: those before it may have become available.
        self._refused = set(remembered.refused) if remembered else set()
        engines: list[Engine] = []
        for engine in self._interchangeable():
            if remembered and engine.name == remembered.chosen:
                log.info("%s runs on %s, as measured before", self._model, engine.name)
                return engine
            engines.append(engine)
        fastest, rates, shown = engines[0], {}, ""
        if len(engines) > 1:
            rates = images_per_second(engines, self._pictures)
            fastest = max(engines, key=lambda engine: rates[engine.name])
            speeds = ", ".join(f"{name} {rate:.1f}" for name, rate in rates.items())
            shown = f" (images per second: {speeds})"
        self._memory.keep(asked, fastest.name, self._refused, rates)
        log.info("%s runs on %s%s", self._model, fastest.name, shown)
        return fastest

    def _interchangeable(self) -> Iterator[Engine]:
        """Yield the engines to choose among by speed: the standard, and those that agree with it.

        The standard is the first accepted one, in a fixed order for each processor.
        """
        kinds = dict.fromkeys([*self._wish.kinds(), Inference.EAGER])
        accepted = (engine for kind in kinds if (engine := self._accepted(kind)) is not None)
        standard = next(accepted, None)
        if standard is None:
            standard = EagerEngine(self._network, Precision.FP32, self._wish.device)
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
            try:
                engine = self._build(kind, precision)
                # A batch and a single picture, because engines may compute them differently.
                found = np.concatenate([engine(self._pictures), engine(self._pictures[:1])])
                worst = _least_cosine(found, self._expected)
            except EngineUnavailable as error:
                log.warning("%s can't run on %s: %s", self._model, kind, error)
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
            return CompiledEngine(self._network, precision, device)
        if kind is Inference.EAGER:
            return EagerEngine(self._network, precision, device)
        if device.type != "cpu":
            raise EngineUnavailable(f"it's for CPUs, and ISE_DEVICE is {device}.")
        kept = self._memory.file("openvino.xml")
        return OpenVINOEngine(self._network, self._size, precision, kept)


def _least_cosine(found: Floats, expected: Floats) -> float:
    if found.shape != expected.shape:
        return float("nan")
    dots = (found * expected).sum(axis=1)
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    with np.errstate(invalid="ignore"):
        return float((dots / norms).min())
