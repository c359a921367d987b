"""OpenVINO on the CPU: the network as a graph that is compiled for the processor."""

import importlib.util
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from services.embedder.engines.engine import EngineUnavailable, Floats, Pixels
from services.embedder.engines.network import PixelNetwork
from services.embedder.engines.wish import Precision
from shared import durable

_HINTS = {Precision.FP32: "f32", Precision.BF16: "bf16"}

log = logging.getLogger(__name__)


class OpenVINOEngine:
    """Runs a network image by image, so that no image's features depend on its batch.

    `kept`: a file that the compiled graph is read from, or else written to, where one is given.
    Raises EngineUnavailable.
    """

    def __init__(
        self,
        network: PixelNetwork,
        size: tuple[int, int],
        precision: Precision,
        kept: Path | None = None,
    ) -> None:
        if importlib.util.find_spec("openvino") is None:
            raise EngineUnavailable("openvino isn't installed (pip install openvino)")
        self.name = f"openvino-{precision}"
        self._compiled = _compiled(network, size, precision, kept)
        self._request = self._compiled.create_infer_request()

    def __call__(self, pixels: Pixels) -> Floats:
        return np.concatenate([self._features(image[None]) for image in pixels])

    def _features(self, image: Pixels) -> Floats:
        self._request.infer({0: image}, share_inputs=True)
        found: Floats = self._request.get_output_tensor(0).data.astype(np.float32)
        return found


def _compiled(
    network: PixelNetwork, size: tuple[int, int], precision: Precision, kept: Path | None
) -> Any:
    import openvino

    core = openvino.Core()
    if precision is Precision.BF16 and "BF16" not in core.get_property(
        "CPU", "OPTIMIZATION_CAPABILITIES"
    ):
        raise EngineUnavailable("the processor has no bf16")
    options = {
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    try:
        if kept is not None and kept.is_file():
            try:
                return core.import_model(kept.read_bytes(), "CPU", options)
            except RuntimeError as error:
                log.warning("%s can't be used and is made anew (%s)", kept, _first_line(error))
        compiled = core.compile_model(_converted(network, size), "CPU", options)
    except RuntimeError as error:
        raise EngineUnavailable(_first_line(error)) from error
    if kept is not None:
        try:
            durable.write_bytes(kept, compiled.export_model().getvalue())
        except OSError as error:
            log.warning("the compiled network can't be kept (%s)", error)
    return compiled


def _converted(network: PixelNetwork, size: tuple[int, int]) -> Any:
    """The network as OpenVINO's model of one image.

    By the front end itself: `openvino.convert_model`, which wraps it, reports its use to a server.
    """
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    example = torch.zeros((1, *size, 3), dtype=torch.uint8)
    with warnings.catch_warnings(), torch.inference_mode():
        # Tracing is deprecated in torch, but what takes its place converts many times slower.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            network, example, strict=False
        )
        # Named, so that it lives for as long as the front end reads from it.
        decoder = TorchScriptPythonDecoder(traced, example_input=example)
        front_end = FrontEndManager().load_by_framework("pytorch")
        model = front_end.convert(front_end.load(decoder))
    model.reshape([1, *size, 3])
    return model


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
