"""OpenVINO in two precisions: the first layers of a network in fp32, the others in bf16.

Rounding in the first layers weighs most, since all others build on it. Of networks whose features
bf16 spoils, like those of mobile ones, many keep them this way, at nearly the speed of bf16.
"""

import importlib.util
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch

from services.embedder.engines.engine import EngineUnavailable, Floats, Pixels
from services.embedder.engines.engine_options import Precision
from services.embedder.engines.network import PixelNetwork
from services.embedder.engines.openvino import last_line, model_of
from services.embedder.engines.openvino_types import make_tables

FIRST = 3 / 8
"""The share of convolutions that stay in fp32."""
WEAK = 0.05
"""Features of less than this part of the usual length are computed again, all in fp32: a picture of
one colour may leave so little that rounding outweighs it."""

_CONVOLUTIONS = ("Convolution", "GroupConvolution")


class MixedEngine:
    """Runs a network image by image, each of some threads one at a time. Raises EngineUnavailable.

    `usual`: the usual length of features. `kept`: as for OpenVINOEngine.
    """

    def __init__(
        self, network: PixelNetwork, size: tuple[int, int], usual: float, kept: Path | None = None
    ) -> None:
        if importlib.util.find_spec("openvino") is None:
            raise EngineUnavailable("openvino isn't installed (pip install openvino)")
        import openvino

        make_tables()
        self.name = f"openvino-{Precision.MIXED}"
        self._weak = WEAK * usual
        core, threads = openvino.Core(), torch.get_num_threads()
        model = model_of(core, network, size, kept)
        try:
            parts = [*zip(halves(model), ("f32", "bf16"), strict=True)]
            self._alone = _Chain(core, parts, threads, streams=1)
            together = [_Compiled(core, part, hint, threads, threads) for part, hint in parts]
            self._exact = _Chain(core, [(model, "f32")], threads, streams=1)
        except RuntimeError as error:
            raise EngineUnavailable(last_line(error)) from error
        self._free: SimpleQueue[_Chain] = SimpleQueue()
        for _ in range(threads):
            self._free.put(_Chain.of(together))
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="mixed")

    def __call__(self, pixels: Pixels) -> Floats:
        if len(pixels) == 1:
            found = self._alone(pixels)[None]
        else:
            images = [pixels[row : row + 1] for row in range(len(pixels))]
            found = np.stack([*self._threads.map(self._one, images)])
        for row in np.flatnonzero(np.linalg.norm(found, axis=1) < self._weak):
            found[row] = self._exact(pixels[row : row + 1])
        return found

    def _one(self, image: Pixels) -> Floats:
        chain = self._free.get()
        try:
            return chain(image)
        finally:
            self._free.put(chain)


class _Compiled:
    """A part of a network, compiled for some streams that share `threads`."""

    def __init__(self, core: Any, part: Any, hint: str, threads: int, streams: int) -> None:
        options = {
            "INFERENCE_PRECISION_HINT": hint,
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": streams,
        }
        self._model = core.compile_model(part, "CPU", options)

    def request(self) -> Any:
        """Return a new request of this part."""
        return self._model.create_infer_request()


class _Chain:
    """Requests of parts that follow one another, each on the memory that the former wrote to."""

    def __init__(
        self, core: Any, parts: Sequence[tuple[Any, str]], threads: int, streams: int
    ) -> None:
        self._link([_Compiled(core, part, hint, threads, streams) for part, hint in parts])

    @classmethod
    def of(cls, parts: Sequence[_Compiled]) -> "_Chain":
        """Return a chain of parts that others share."""
        chain = cls.__new__(cls)
        chain._link(parts)
        return chain

    def _link(self, parts: Sequence[_Compiled]) -> None:
        self._first, *self._others = [part.request() for part in parts]
        before = self._first
        for request in self._others:
            request.set_input_tensor(before.get_output_tensor())
            before = request
        self._last = before

    def __call__(self, image: Pixels) -> Floats:
        self._first.infer({0: image}, share_inputs=True)
        for request in self._others:
            request.infer()
        features: Floats = np.array(self._last.get_output_tensor().data[0], dtype=np.float32)
        return features


def halves(model: Any) -> tuple[Any, Any]:
    """Part a model where one tensor carries everything, after about FIRST of its convolutions.

    Raises EngineUnavailable where there is no such place.
    """
    import openvino
    from openvino import opset13 as opset

    count = sum(op.get_type_name() in _CONVOLUTIONS for op in model.get_ordered_ops())
    most = round(FIRST * count)
    places = [place for place, before in _narrows(model) if 0 < before <= most]
    if not places:
        raise EngineUnavailable("the network can't be parted after its first layers")
    name = places[-1]
    first, others = model.clone(), model.clone()
    end = next(op for op in first.get_ordered_ops() if op.get_friendly_name() == name)
    first = openvino.Model([end.output(0)], first.get_parameters(), "first")
    begin = next(op for op in others.get_ordered_ops() if op.get_friendly_name() == name)
    given = opset.parameter(begin.get_output_partial_shape(0), begin.get_output_element_type(0))
    for target in begin.output(0).get_target_inputs():
        target.replace_source_output(given.output(0))
    return first, openvino.Model(others.get_results(), [given], "others")


def _narrows(model: Any) -> Iterator[tuple[str, int]]:
    """Yield the operations whose output alone carries everything, and the convolutions up to it."""
    ops = model.get_ordered_ops()
    numbers = {op.get_friendly_name(): number for number, op in enumerate(ops)}
    fixed: set[str] = set()
    until: dict[str, int] = {}
    convolutions = 0
    for number, op in enumerate(ops):
        name, kind = op.get_friendly_name(), op.get_type_name()
        sources = [value.get_node().get_friendly_name() for value in op.input_values()]
        if kind != "Parameter" and all(source in fixed for source in sources):
            fixed.add(name)
            continue
        convolutions += kind in _CONVOLUTIONS
        users = [
            numbers[target.get_node().get_friendly_name()]
            for output in op.outputs()
            for target in output.get_target_inputs()
        ]
        until = {live: last for live, last in until.items() if last > number}
        if users:
            until[name] = max(users)
        if [*until] == [name] and len(op.outputs()) == 1:
            yield name, convolutions
