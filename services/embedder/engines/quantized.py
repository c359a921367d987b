"""int8 by post-training quantisation: an engine whose model has a fingerprint of its own.

Its features differ too much from those of other engines to be compared with them. They are taken
only if they nearly agree, on pictures that calibration hasn't seen.
"""

import hashlib
import importlib.util
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from services.embedder.engines import processor
from services.embedder.engines.agreement import least_cosine
from services.embedder.engines.eager import CPU, EagerEngine
from services.embedder.engines.engine import EngineUnavailable, Floats, Pixels
from services.embedder.engines.engine_benchmark import images_per_second, speed_of
from services.embedder.engines.engine_options import Precision
from services.embedder.engines.memory import Choice, Memory
from services.embedder.engines.network import PixelNetwork
from services.embedder.engines.openvino import OpenVINOEngine
from services.embedder.engines.pictures import drawn
from services.embedder.engines.speed import Speed
from services.embedder.fingerprint import short_digest
from shared.files import durable

AGREEMENT = 0.995
"""The least cosine to the features of fp32, on each of the pictures held out."""

# Raise this number when quantisation changes; then features do, too.
_SCHEME = 1
_DRAWN = 128
_HELD_OUT = 32
_SECONDS = 1800.0
_TIMED = 8
_STARTING_S = 15.0
_PASSES = 5
_RESULT = "result.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Calibration:
    """Pixels (n, height, width, 3) that value ranges are learned from, and others for a check."""

    pixels: Pixels
    held_out: Pixels

    @property
    def digest(self) -> str:
        """Identity of the calibration, hex."""
        content = np.ascontiguousarray(self.pixels)
        return hashlib.sha256(f"{content.shape}".encode() + content.tobytes()).hexdigest()


def drawn_calibration(size: tuple[int, int]) -> Calibration:
    """Return the included calibration, the same everywhere: drawn pictures."""
    return Calibration(
        drawn(*size, range(100, 100 + _DRAWN)), drawn(*size, range(1000, 1000 + _HELD_OUT))
    )


def fingerprint_of(model: str, calibration: Calibration) -> str:
    """Return the fingerprint of a model in int8: its name, and other digits."""
    described = {"model": model, "scheme": _SCHEME, "calibration": calibration.digest}
    return f"{model.rpartition('-')[0]}-{short_digest({'int8': described})}"


class QuantizedNetwork:
    """The int8 form of a network, made once and kept in `cache_dir`, if there is one."""

    def __init__(
        self,
        network: PixelNetwork,
        size: tuple[int, int],
        model: str,
        calibration: Calibration,
        cache_dir: Path | None,
    ) -> None:
        self._network = network
        self._size = size
        self._model = model
        self._calibration = calibration
        self.fingerprint = fingerprint_of(model, calibration)
        self._folder = cache_dir and cache_dir / "int8" / self.fingerprint
        # Features are the same everywhere, but the speed is that of a processor.
        self._memory = Memory(cache_dir, self.fingerprint, CPU)
        self._tell: Callable[[str], None] | None = None

    def engine(
        self, tell: Callable[[str], None] | None = None
    ) -> tuple[OpenVINOEngine, Speed | None]:
        """Return the engine, quantising first where that wasn't done, which takes minutes.

        `tell` then hears about how long. Its speed is compared with what fp32 allows. Raises
        EngineUnavailable, also where its features disagree.
        """
        self._tell = tell
        cosine = self._cosine()
        if cosine is not None and not cosine >= AGREEMENT:
            raise EngineUnavailable(_disagreement(cosine))
        engine = self.unchecked()
        if cosine is None:
            held_out = self._calibration.held_out
            expected: Floats = EagerEngine(self._network)(held_out)
            cosine = least_cosine(engine(held_out), expected)
            self._keep(cosine)
            # Written so that NaN is refused.
            if not cosine >= AGREEMENT:
                raise EngineUnavailable(_disagreement(cosine))
            log.info(
                "%s: features in int8 have a cosine of at least %.4f to %s",
                *(self.fingerprint, cosine, self._model),
            )
        return engine, self._speed(engine)

    def unchecked(self) -> OpenVINOEngine:
        """Return the engine, whether its features agree or not. Raises EngineUnavailable."""
        kept = self._folder and self._folder / "openvino.xml"
        return OpenVINOEngine(self._network, self._size, Precision.INT8, kept, self._quantized)

    def _speed(self, engine: OpenVINOEngine) -> Speed | None:
        """Return the speed that was measured on this kind of processor, or measure it."""
        remembered = self._memory.recall(Precision.INT8)
        if remembered is not None and remembered.speed is not None:
            return remembered.speed
        some = self._calibration.held_out[:_TIMED]
        rates = images_per_second([engine], some)
        speed = speed_of(engine, rates[engine.name], self._network, some, CPU)
        if not processor.is_busy():
            self._memory.keep(Precision.INT8, Choice(engine.name, speed=speed), rates)
        return speed

    def _quantized(self, model: Any) -> Any:
        if importlib.util.find_spec("nncf") is None:
            raise EngineUnavailable(
                "nncf isn't installed (pip install 'image-search-engine[int8]')"
            )
        import openvino

        sentence = (
            f"{self._model} is quantised to int8, once, which takes about "
            f"{self._expected_s():.0f} s."
        )
        log.info("%s", sentence)
        if self._tell is not None:
            self._tell(sentence)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            given, pixels, result = folder / "model.xml", folder / "pixels.npy", folder / "int8.xml"
            openvino.save_model(model, given, compress_to_fp16=False)
            np.save(pixels, self._calibration.pixels)
            self._run(given, pixels, result)
            read = openvino.Core().read_model(result)
            # The file is mapped into memory, and is gone with its folder.
            return read.clone()

    def _expected_s(self) -> float:
        """Return about how many seconds quantisation takes: some passes over the calibration."""
        eager, picture = EagerEngine(self._network), self._calibration.pixels[:1]
        eager(picture)
        began = time.perf_counter()
        eager(picture)
        one = time.perf_counter() - began
        return _STARTING_S + _PASSES * one * len(self._calibration.pixels)

    def _run(self, *paths: Path) -> None:
        arguments = [sys.executable, "-m", "services.embedder.engines.quantizer", *map(str, paths)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "NNCF_CI": "1"}
        try:
            done = subprocess.run(  # noqa: S603
                arguments,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineUnavailable(f"quantisation ended without a result ({error})") from error
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            last = lines[-1] if lines else f"exit code {done.returncode}"
            raise EngineUnavailable(f"quantisation failed ({last})")

    def _cosine(self) -> float | None:
        """Return the least cosine to fp32 that an earlier start measured."""
        if self._folder is None:
            return None
        try:
            return float(json.loads((self._folder / _RESULT).read_text())["least_cosine"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _keep(self, cosine: float) -> None:
        if self._folder is None:
            return
        content = {"model": self._model, "least_cosine": cosine}
        try:
            durable.write_text(self._folder / _RESULT, json.dumps(content) + "\n")
        except OSError as error:
            log.warning("the agreement of int8 can't be stored (%s)", error)


def _disagreement(cosine: float) -> str:
    return (
        f"the cosine of its features and those of fp32 is {cosine:.4f}, less than {AGREEMENT:g}; "
        "calibrate it with pictures of yours (ISE_CALIBRATION), or use another precision"
    )
