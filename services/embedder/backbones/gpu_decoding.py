"""Decoding, scaling and cropping of plain JPEGs on an NVIDIA GPU, in batches.

nvJPEG runs in the service itself, not in a process that a bad file can't harm, so it is for files
that are trusted (ISE_DECODE_DEVICE=cuda). Everything but plain JPEGs goes to the processes.
"""

import io
import logging
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from services.embedder.backbones.torchvision_ops import compiled_ops_load
from services.embedder.engines.agreement import least_cosine
from services.embedder.engines.pictures import drawn
from services.embedder.preprocess import Preprocessing, middle

Pixels = NDArray[np.uint8]
Features = Callable[[Pixels], NDArray[np.float32]]

AGREEMENT = 0.999
"""The least cosine of features to those of pictures that were decoded on the CPU."""
_SIDES = (320, 480)
_INTERPOLATIONS = ("bilinear", "bicubic")

log = logging.getLogger(__name__)


class GpuDecoder:
    """Decodes JPEGs to the pixels of a network: (height, width, 3) uint8 each."""

    def __init__(self, preprocessing: Preprocessing, device: torch.device) -> None:
        self._preprocessing = preprocessing
        self._device = device

    def __call__(self, files: Sequence[bytes]) -> list[Pixels]:
        """Return the pixels of each file. Raises RuntimeError for a batch with a bad one."""
        from torchvision.io import ImageReadMode, decode_jpeg

        # nvJPEG reads files from the host's memory, and needs buffers that can be written to.
        buffers = [torch.frombuffer(bytearray(data), dtype=torch.uint8) for data in files]
        with torch.inference_mode():
            pictures = decode_jpeg(buffers, mode=ImageReadMode.RGB, device=self._device)
            batch = torch.stack([prepared(picture, self._preprocessing) for picture in pictures])
            pixels = batch.cpu().numpy()
        return list(pixels)


def prepared(picture: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Scale and crop a picture (3, height, width) uint8 on its device, as `Preprocessing` does.

    Returns (height, width, 3) uint8. Differs by rounding from Pillow's integers.
    """
    height, width = int(picture.shape[1]), int(picture.shape[2])
    to_width, to_height = preprocessing.resized(width, height)
    scaled = functional.interpolate(
        picture[None].float(),
        (to_height, to_width),
        mode=preprocessing.interpolation,
        align_corners=False,
        antialias=True,
    )
    crop_height, crop_width = preprocessing.crop
    left, top = middle(to_width, crop_width), middle(to_height, crop_height)
    cut = scaled[0, :, top : top + crop_height, left : left + crop_width]
    return cut.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous()


def gpu_decoder(
    preprocessing: Preprocessing, device: torch.device, features: Features
) -> GpuDecoder | None:
    """Return a decoder whose pictures give the features of the CPU's; else None, and a log line."""
    if device.type != "cuda" or not compiled_ops_load():
        log.warning(
            "JPEGs are decoded on the CPU: ISE_DECODE_DEVICE=cuda needs a GPU, and a torchvision "
            "that was built for the installed torch"
        )
        return None
    if preprocessing.interpolation not in _INTERPOLATIONS:
        log.info("JPEGs are decoded on the CPU: no GPU scales by %s", preprocessing.interpolation)
        return None
    decoder = GpuDecoder(preprocessing, device)
    pictures = [Image.fromarray(picture) for picture in drawn(*_SIDES, range(4))]
    expected = features(np.stack([preprocessing(_through(picture)) for picture in pictures]))
    try:
        found = features(np.stack(decoder([_encoded(picture) for picture in pictures])))
    except (RuntimeError, ValueError) as error:
        log.warning("JPEGs are decoded on the CPU: the GPU can't (%s)", error)
        return None
    cosine = least_cosine(found, expected)
    if cosine >= AGREEMENT:
        return decoder
    log.warning(
        "JPEGs are decoded on the CPU: with the GPU's the cosine of features is %.5f, less than %g",
        *(cosine, AGREEMENT),
    )
    return None


def _encoded(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def _through(picture: Image.Image) -> Image.Image:
    """Return a picture as it comes back from a file."""
    return Image.open(io.BytesIO(_encoded(picture))).convert("RGB")
