"""Conversion of a picture to the pixels that a network was trained on.

Gives the same result as torchvision's `Resize` and `CenterCrop` on a PIL image (and timm's
evaluation transform, which consists of them), up to rounding. Pixels stay 8-bit here; `backbone.py`
scales and normalises them in batches.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_SUPPORT = {"bilinear": 1.0, "bicubic": 2.0, "lanczos": 3.0, "nearest": 1.0}
"""Radius of each filter in source pixels when it enlarges."""


@dataclass(frozen=True)
class Preprocessing:
    """Input format of a network.

    `resize`: (height, width) in pixels of the resized picture; if the aspect ratio is kept, it
    applies to the short side only. `crop`: (height, width) of the centre crop, the network's input.
    `squash`: resize both sides regardless of the aspect ratio. `mean`, `std`: of RGB in [0, 1].
    """

    resize: tuple[int, int]
    crop: tuple[int, int]
    interpolation: str = "bilinear"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    squash: bool = False

    def __call__(self, image: Image.Image) -> NDArray[np.uint8]:
        """RGB image of any size -> (height, width, 3) uint8."""
        width, height = self.resized(*image.size)
        crop_height, crop_width = self.crop
        left, right = _window(image.width, width, crop_width, self.interpolation)
        top, bottom = _window(image.height, height, crop_height, self.interpolation)
        # Resize only what the crop shows: a picture of 1 x 50,000 pixels would have billions of
        # pixels once resized.
        scale_x, scale_y = image.width / width, image.height / height
        seen = image.resize(
            (right - left, bottom - top),
            Image.Resampling[self.interpolation.upper()],
            box=(left * scale_x, top * scale_y, right * scale_x, bottom * scale_y),
        )
        x = middle(width, crop_width) - left
        y = middle(height, crop_height) - top
        cut = seen.crop((x, y, x + crop_width, y + crop_height))
        return np.asarray(cut, dtype=np.uint8)

    def seen(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the crop in a picture of that size, whose sides are 1."""
        resized_width, resized_height = self.resized(width, height)
        crop_height, crop_width = self.crop
        left, top = middle(resized_width, crop_width), middle(resized_height, crop_height)
        return (
            left / resized_width,
            top / resized_height,
            (left + crop_width) / resized_width,
            (top + crop_height) / resized_height,
        )

    @property
    def least(self) -> int:
        """Pixels a side of a decoded picture beyond which more make no difference.

        Measured: with three times the size that it's resized to, features have a cosine of at
        least 0.9999 to those of the whole picture; with twice, 0.9995. A little less than three
        times, since photos of 12 megapixels at a quarter of their size have 750 lines.
        """
        return math.ceil(2.9 * max(self.resize))

    def blank(self) -> NDArray[np.uint8]:
        """A grey picture, (height, width, 3) uint8, for warming up and for checks."""
        return np.full((*self.crop, 3), 128, dtype=np.uint8)

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of a picture of that size after resizing, before the crop."""
        target_height, target_width = self.resize
        if self.squash:
            return target_width, target_height
        short = min(target_height, target_width)
        if width <= height:
            return short, max(short, int(short * height / width))
        return max(short, int(short * width / height)), short


def middle(size: int, crop: int) -> int:
    """Return where a centre crop begins."""
    return round((size - crop) / 2.0)


def _window(source: int, resized: int, crop: int, interpolation: str) -> tuple[int, int]:
    """The part of the resized axis to make: the crop, and a margin as wide as the filter."""
    margin = math.ceil(_SUPPORT[interpolation] * max(1.0, resized / source)) + 1
    start = middle(resized, crop)
    return min(max(0, start - margin), start), max(
        min(resized, start + crop + margin), start + crop
    )
