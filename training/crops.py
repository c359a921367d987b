"""Crops: fixed ones that the teacher sees once, and jittered views of them for the student.

A box is (left, top, width, height) in fractions of its picture, float32, so it fits any size that
the picture is kept at.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

CENTRE = 0.875
"""The part of the short side that the first crop shows: what a served network is asked with."""
MIN_AREA = 0.3
"""The least area of a random crop, of its picture."""
MAX_STRETCH = 4 / 3
SHIFT, ZOOM = 0.04, 0.06
"""Deviations of a view from its crop: of its centre, in sides, and of the log of its sides."""
COLOUR = 0.3
"""Brightness, contrast and saturation of a view are each scaled by up to this much."""

Boxes = NDArray[np.float32]


def fixed_boxes(sizes: NDArray[np.int64], index: int, seed: int) -> Boxes:
    """One box per picture, (n, 4): the centre square for index 0, else drawn by (seed, index).

    `sizes` is (n, 2), width and height in pixels.
    """
    if index == 0:
        sides = CENTRE * sizes.min(axis=1, keepdims=True) / sizes
        return np.concatenate([(1 - sides) / 2, sides], axis=1).astype(np.float32)
    rng = np.random.default_rng([seed, index])
    area = rng.uniform(MIN_AREA, 1.0, len(sizes)) * sizes.prod(axis=1)
    stretch = np.exp(rng.uniform(-np.log(MAX_STRETCH), np.log(MAX_STRETCH), len(sizes)))
    pixels = np.stack([np.sqrt(area * stretch), np.sqrt(area / stretch)], axis=1)
    sides = np.minimum(pixels / sizes, 1.0)
    corner = rng.uniform(size=sides.shape) * (1 - sides)
    return np.concatenate([corner, sides], axis=1).astype(np.float32)


def cut(image: Image.Image, box: NDArray[np.float32], side: int) -> NDArray[np.uint8]:
    """The box (4,) of an RGB image as (side, side, 3) uint8, antialiased, stretched to a square."""
    width, height = image.size
    left, top, wide, high = (float(value) for value in box)
    pixels = (left * width, top * height, (left + wide) * width, (top + high) * height)
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, box=pixels))


def jitter_boxes(boxes: Tensor, generator: torch.Generator) -> Tensor:
    """(b, 4) boxes moved and scaled a little, kept inside their pictures."""
    noise = torch.randn(boxes.shape, generator=generator)
    sides = (boxes[:, 2:] * torch.exp(ZOOM * noise[:, 2:])).clamp(max=1.0)
    centre = boxes[:, :2] + boxes[:, 2:] * (0.5 + SHIFT * noise[:, :2])
    corner = torch.minimum((centre - sides / 2).clamp(min=0.0), 1 - sides)
    return torch.cat([corner, sides], dim=1)


def sample_views(canvases: Tensor, boxes: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Views of (b, 3, s, s) uint8 canvases: (b, 3, side, side) float32 in [0, 1], half mirrored."""
    batch = len(canvases)
    mirror = torch.where(torch.rand(batch, generator=generator) < 0.5, -1.0, 1.0)
    theta = torch.zeros(batch, 2, 3)
    theta[:, 0, 0] = boxes[:, 2] * mirror
    theta[:, 1, 1] = boxes[:, 3]
    theta[:, :, 2] = 2 * (boxes[:, :2] + boxes[:, 2:] / 2) - 1
    grid = functional.affine_grid(theta, [batch, 3, side, side], align_corners=False)
    pixels = canvases.float().div_(255)
    return functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def jitter_colour(views: Tensor, generator: torch.Generator) -> Tensor:
    """(b, 3, h, w) float32 in [0, 1], its brightness, contrast and saturation changed per view."""
    gains = 1 + COLOUR * (2 * torch.rand(3, len(views), 1, 1, 1, generator=generator) - 1)
    brightness, contrast, saturation = gains.unbind()
    views = views * brightness
    grey = views.mean(dim=1, keepdim=True)
    views = grey + (views - grey) * saturation
    mean = views.mean(dim=(1, 2, 3), keepdim=True)
    return (mean + (views - mean) * contrast).clamp(0.0, 1.0)
