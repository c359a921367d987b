"""torch on an NVIDIA GPU: weights in low precision, channels last; CUDA graphs; torch.compile.

Convolutions and linear maps hold their weights in the precision that they compute in, so no call
converts them, as autocast does. Batch norms keep theirs in fp32, which cuDNN takes beside
activations of 16 bits: their statistics lose too much in bf16.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from services.embedder.engines.eager import TYPES
from services.embedder.engines.engine import EngineUnavailable, Floats, Pixels
from services.embedder.engines.engine_options import Precision
from services.embedder.engines.network import PixelNetwork

GRAPH_SIZES = (1, 2, 4, 8)
"""Batches that are recorded as CUDA graphs: there launching kernels takes longer than they do."""
_WARM_UP = 3
_NORMS = (nn.modules.batchnorm._BatchNorm,)

Forward = Callable[[Tensor], Tensor]


class CudaEngine:
    """Runs a copy of a network on a GPU.

    Batches up to the largest of GRAPH_SIZES are padded and replayed as a CUDA graph; larger ones
    run compiled, or eagerly. `compiled`: compile the network first, which takes a minute or more.
    Raises EngineUnavailable.
    """

    def __init__(
        self,
        network: PixelNetwork,
        size: tuple[int, int],
        precision: Precision,
        device: torch.device,
        compiled: bool = False,
    ) -> None:
        self.name = f"{'compile' if compiled else 'eager'}-{precision}"
        self._device = device
        self._size = size
        copied = LowPrecision(copy.deepcopy(network), TYPES[precision]).to(device)
        self._forward: Forward = copied
        if compiled:
            # Shapes are fixed for graphs; the rest shares one program for any size.
            self._forward = torch.compile(copied, dynamic=True)
        self._graphs: dict[int, _Graph] = {}
        # Streams of its own: one computes, while the other copies the next pixels.
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        try:
            self._record()
        except (
            torch._dynamo.exc.TorchDynamoException,
            torch._inductor.exc.InductorError,
        ) as error:
            raise EngineUnavailable(str(error).partition("\n")[0]) from error

    def __call__(self, pixels: Pixels) -> Floats:
        return self.begin(pixels)()

    def begin(self, pixels: Pixels) -> Callable[[], Floats]:
        """Start on pixels, and return what waits for their features.

        They are copied while the GPU works on those of an earlier call, and must stay as they are
        until their features are there: see `pin`.
        """
        given = torch.from_numpy(pixels)
        with torch.inference_mode():
            # Bytes: a quarter of the size of floats. Pinned, so that nothing waits for the copy.
            pinned = given if given.is_pinned() else given.pin_memory()
            with torch.cuda.stream(self._copying):
                batch = pinned.to(self._device, non_blocking=True)
            with torch.cuda.stream(self._stream):
                self._stream.wait_stream(self._copying)
                # Memory of the one stream that the other uses: not to be given away before that.
                batch.record_stream(self._stream)
                features = self.on_device(batch).float()
                found = torch.empty(features.shape, dtype=torch.float32, pin_memory=True)
                found.copy_(features, non_blocking=True)
                done = torch.cuda.Event()  # type: ignore[no-untyped-call]
                done.record(self._stream)

        def finish() -> Floats:
            done.synchronize()
            floats: Floats = found.numpy()
            return floats

        return finish

    def on_device(self, batch: Tensor) -> Tensor:
        """Return the features of pixels that are on the GPU, on the current stream."""
        graph = next((self._graphs[n] for n in sorted(self._graphs) if n >= len(batch)), None)
        if graph is None:
            return self._forward(batch)
        return graph(batch)

    def _record(self) -> None:
        """Run every kind of batch, then record the small ones."""
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            for count in (2 * GRAPH_SIZES[-1], *reversed(GRAPH_SIZES)):
                pixels = torch.zeros(
                    (count, *self._size, 3), dtype=torch.uint8, device=self._device
                )
                for _ in range(_WARM_UP):
                    self._forward(pixels)
                if count in GRAPH_SIZES:
                    self._stream.synchronize()
                    self._graphs[count] = _Graph(self._forward, pixels, self._stream)


class LowPrecision(nn.Module):
    """A pixel network whose convolutions and linear maps are in `kind`."""

    def __init__(self, network: PixelNetwork, kind: torch.dtype) -> None:
        super().__init__()
        self._kind = kind
        self.network = network
        if kind is not torch.float32:
            for layer in network.module.modules():
                if not isinstance(layer, _NORMS):
                    for parameter in layer.parameters(recurse=False):
                        parameter.data = parameter.data.to(kind)
                    for buffer in layer.buffers(recurse=False):
                        if buffer.is_floating_point():
                            buffer.data = buffer.data.to(kind)

    def forward(self, pixels: Tensor) -> Tensor:
        images = pixels.permute(0, 3, 1, 2).float()
        images = images.sub(self.network.mean).div(self.network.std).to(self._kind)
        features: Tensor = self.network.module(images)
        return features.float()


class _Graph:
    """A recorded pass over a fixed number of images, in memory of its own."""

    def __init__(self, forward: Forward, pixels: Tensor, stream: torch.cuda.Stream) -> None:
        self._pixels = pixels
        self._graph = torch.cuda.CUDAGraph()
        # Other threads may use the GPU meanwhile: another engine serves.
        with torch.cuda.graph(self._graph, stream=stream, capture_error_mode="thread_local"):
            self._features = forward(pixels)

    def __call__(self, batch: Tensor) -> Tensor:
        self._pixels[: len(batch)].copy_(batch)
        self._graph.replay()
        return self._features[: len(batch)].clone()


def pin(pixels: Pixels, device: torch.device) -> None:
    """Let a GPU read memory by itself, for as long as this process runs, where that is possible."""
    with torch.cuda.device(device):
        runtime = torch.cuda.cudart()  # type: ignore[no-untyped-call]
        # An error just leaves it as it was: pixels are then copied once more.
        runtime.cudaHostRegister(pixels.ctypes.data, pixels.nbytes, 0)
