"""OpenVINO on the CPU: the network as a graph that is compiled for the processor."""

import importlib.util
import logging
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from services.embedder.engines import converter
from services.embedder.engines.engine import EngineUnavailable, Floats, Pixels
from services.embedder.engines.engine_options import Precision
from services.embedder.engines.network import PixelNetwork
from services.embedder.engines.openvino_types import make_tables
from shared.files import durable

_HINTS = {Precision.FP32: "f32", Precision.BF16: "bf16", Precision.INT8: "f32"}

log = logging.getLogger(__name__)


class OpenVINOEngine:
    """Runs a network image by image, so that an image's features don't depend on its batch.

    A single image uses all threads; of several images, each thread runs one at a time, without
    waiting for the others. `kept`: an .xml file (with a .bin file) that the converted network is
    read from, or written to if it doesn't exist. `prepare`: applied to a network that was just
    converted. Raises EngineUnavailable.
    """

    def __init__(
        self,
        network: PixelNetwork,
        size: tuple[int, int],
        precision: Precision,
        kept: Path | None = None,
        prepare: Callable[[Any], Any] | None = None,
    ) -> None:
        if importlib.util.find_spec("openvino") is None:
            raise EngineUnavailable("openvino isn't installed (pip install openvino)")
        import openvino

        make_tables()
        self.name = f"openvino-{precision}"
        core, threads = openvino.Core(), torch.get_num_threads()
        try:
            model = model_of(core, network, size, kept, prepare)
            hints = {
                "INFERENCE_PRECISION_HINT": _HINTS[precision],
                "INFERENCE_NUM_THREADS": threads,
            }
            alone = core.compile_model(model, "CPU", {**hints, "NUM_STREAMS": 1})
            together = core.compile_model(model, "CPU", {**hints, "NUM_STREAMS": threads})
        except RuntimeError as error:
            raise EngineUnavailable(last_line(error)) from error
        self._dim = int(alone.output(0).shape[1])
        self._alone = alone.create_infer_request()
        self._together = openvino.AsyncInferQueue(together, threads)

    def __call__(self, pixels: Pixels) -> Floats:
        found = np.empty((len(pixels), self._dim), dtype=np.float32)
        if len(pixels) == 1:
            self._alone.infer({0: pixels}, share_inputs=True)
            found[0] = self._alone.get_output_tensor(0).data[0]
            return found

        def done(request: Any, row: int) -> None:
            found[row] = request.get_output_tensor(0).data[0]

        self._together.set_callback(done)
        for row in range(len(pixels)):
            self._together.start_async({0: pixels[row : row + 1]}, row, share_inputs=True)
        self._together.wait_all()
        return found


def model_of(
    core: Any,
    network: PixelNetwork,
    size: tuple[int, int],
    kept: Path | None,
    prepare: Callable[[Any], Any] | None = None,
) -> Any:
    """Return the network as OpenVINO's model of one image, stored or converted."""
    if kept is not None and kept.is_file():
        try:
            return core.read_model(kept)
        except RuntimeError as error:
            log.warning("%s can't be read and is rebuilt (%s)", kept, last_line(error))
    model = _quietly_converted(core, network, size)
    if prepare is not None:
        model = prepare(model)
    if kept is not None:
        try:
            _keep(model, kept)
        except (OSError, RuntimeError) as error:
            log.warning("the converted network can't be stored (%s)", last_line(error))
    return model


def _quietly_converted(core: Any, network: PixelNetwork, size: tuple[int, int]) -> Any:
    """Convert a network, a large one without keeping this process's other threads waiting."""
    if converter.is_large(network):
        try:
            with converter.converted_apart(network, size) as path:
                # The file is mapped into memory, and is gone with its folder.
                return core.read_model(path).clone()
        except RuntimeError as error:
            log.warning("a network is converted in the service itself (%s)", last_line(error))
    return converted(network, size)


def converted(network: PixelNetwork, size: tuple[int, int]) -> Any:
    """Convert with the front end itself: `openvino.convert_model`, which wraps it, reports to a
    server.
    """
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    example = torch.zeros((1, *size, 3), dtype=torch.uint8)
    with warnings.catch_warnings(), torch.inference_mode():
        # torch deprecates tracing, but the front end has no other way that is as fast.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            network, example, strict=False
        )
        # A variable keeps the decoder alive while the front end reads from it.
        decoder = TorchScriptPythonDecoder(traced, example_input=example)
        front_end = FrontEndManager().load_by_framework("pytorch")
        model = front_end.convert(front_end.load(decoder))
    model.reshape([1, *size, 3])
    return model


def _keep(model: Any, path: Path) -> None:
    import openvino

    durable.make_dir(path.parent)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        draft = Path(folder) / path.name
        openvino.save_model(model, draft, compress_to_fp16=False)
        # The weights first, so that a graph on disk always has its weights.
        draft.with_suffix(".bin").replace(path.with_suffix(".bin"))
        draft.replace(path)


def last_line(error: Exception) -> str:
    """Return the end of an error: OpenVINO's begin with where in its source they come from."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
