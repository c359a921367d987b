"""Decoding, scaling and cropping of plain JPEGs on an NVIDIA GPU, in batches.

nvJPEG runs in the service itself, not in a process that a bad file can't harm, so it is for files
that are trusted (ISE_DECODE_DEVICE=cuda). It may spread colours over pixels otherwise than the
decoder of the CPU does, so it gets only the formats in which features agree. Everything else goes
to the processes.
"""

import io
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from services.embedder.backbones.torchvision_ops import compiled_ops_load
from services.embedder.decoding.plain_jpeg import plain_jpeg
from services.embedder.engines.agreement import least_cosine
from services.embedder.engines.pictures import drawn
from services.embedder.preprocess import Preprocessing, middle

Pixels = NDArray[np.uint8]
Features = Callable[[Pixels], NDArray[np.float32]]

AGREEMENT = 0.999
"""The least cosine of features to those of pictures that were decoded on the CPU."""
_SIDES = (320, 480)
_INTERPOLATIONS = ("bilinear", "bicubic")
_SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
"""Those that Pillow writes; files with others are for the processes."""

log = logging.getLogger(__name__)


class GpuDecoder:
    """Decodes JPEGs to the pixels of a network: (height, width, 3) uint8 each.

    `formats`: those in which features agree with the CPU's, as `PlainJpeg` names them.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        device: torch.device,
        formats: frozenset[str] = frozenset(),
    ) -> None:
        self.formats = formats
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
    """Return a decoder of the formats that a GPU decodes well; None, and a log line, where none."""
    if device.type != "cuda" or not compiled_ops_load():
        log.warning(
            "JPEGs are decoded on the CPU: ISE_DECODE_DEVICE=cuda needs a GPU, and a torchvision "
            "that was built for the installed torch"
        )
        return None
    if preprocessing.interpolation not in _INTERPOLATIONS:
        log.info("JPEGs are decoded on the CPU: no GPU scales by %s", preprocessing.interpolation)
        return None
    formats = agreeing_formats(GpuDecoder(preprocessing, device), preprocessing, features)
    return GpuDecoder(preprocessing, device, formats) if formats else None


def agreeing_formats(
    decode: Callable[[Sequence[bytes]], Sequence[Pixels]],
    preprocessing: Preprocessing,
    features: Features,
) -> frozenset[str]:
    """Return the formats in which decoded pictures give the features of the CPU's decoder.

    The log names the others.
    """
    pictures = [Image.fromarray(picture) for picture in drawn(*_SIDES, range(4))]
    agreeing = set()
    for is_progressive in (False, True):
        for subsampling in _SUBSAMPLINGS:
            options = {"subsampling": subsampling, "progressive": is_progressive}
            files = [_encoded(picture, options) for picture in pictures]
            plain = plain_jpeg(files[0], 2 * _SIDES[0] * _SIDES[1])
            assert plain is not None  # noqa: S101 - made above
            expected = features(np.stack([preprocessing(_opened(data)) for data in files]))
            try:
                cosine = least_cosine(features(np.stack(decode(files))), expected)
            except (RuntimeError, ValueError) as error:
                log.warning("JPEGs (%s) are decoded on the CPU: %s", plain.format, error)
                continue
            # Written so that NaN is refused.
            if cosine >= AGREEMENT:
                agreeing.add(plain.format)
                continue
            log.warning(
                "JPEGs (%s) are decoded on the CPU: with the GPU's the cosine of features is %.5f, "
                "less than %g",
                *(plain.format, cosine, AGREEMENT),
            )
    return frozenset(agreeing)


def _encoded(picture: Image.Image, options: Mapping[str, Any]) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90, **options)
    return file.getvalue()


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")
