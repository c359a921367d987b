"""Heat over a picture, as a PNG."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from shared.contracts.explanation import Heat

_WARM, _COLD = np.array([214, 39, 40.0]), np.array([31, 119, 180.0])
_STRONGEST = 0.75
"""Opacity of the strongest heat."""
_UNSEEN = 0.35
"""Brightness of the part of a picture that the network didn't see."""
_BAR = 14
_MARGIN = 4


def overlay(picture: NDArray[np.uint8], heat: Heat) -> bytes:
    """Draw the heat map: red cells increase the similarity, blue cells reduce it.

    `picture`: (height, width, 3). Parts that the network didn't see are dark. The bar at the bottom
    shows the scale, in hundredths of a similarity of 1.
    """
    height, width = picture.shape[:2]
    left, right = (round(x * width) for x in (heat.seen.left, heat.seen.right))
    top, bottom = (round(y * height) for y in (heat.seen.top, heat.seen.bottom))
    grid = np.array(heat.grid, np.float32)
    most = float(np.abs(grid).max()) or 1.0
    size = (max(1, right - left), max(1, bottom - top))
    smooth = np.asarray(Image.fromarray(grid / most).resize(size, Image.Resampling.BICUBIC))
    page = Image.fromarray((picture * _UNSEEN).astype(np.uint8))
    # Pillow clips a crop that extends beyond the picture.
    seen = np.asarray(Image.fromarray(picture).crop((left, top, left + size[0], top + size[1])))
    page.paste(Image.fromarray(_tinted(seen, smooth)), (left, top))
    ImageDraw.Draw(page).rectangle(
        (left, top, left + size[0] - 1, top + size[1] - 1), outline="white"
    )
    out = io.BytesIO()
    _with_scale(page, most).save(out, "PNG")
    return out.getvalue()


def _tinted(pixels: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    strength = np.clip(np.abs(heat), 0, 1)[..., None] * _STRONGEST
    colour = np.where(heat[..., None] > 0, _WARM, _COLD)
    tinted: NDArray[np.uint8] = (pixels * (1 - strength) + colour * strength).astype(np.uint8)
    return tinted


def _with_scale(page: Image.Image, most: float) -> Image.Image:
    """The page, and below it the colours from the least to the most that a cell adds."""
    labels = [f"{100 * most * sign:+.2g}" for sign in (-1, 1)]
    sheet = Image.new("RGB", (page.width, page.height + 2 * _BAR + _MARGIN), "white")
    sheet.paste(page, (0, 0))
    heat = np.linspace(-1, 1, page.width, dtype=np.float32)[None].repeat(_BAR, axis=0)
    white = np.full((*heat.shape, 3), 255, np.uint8)
    sheet.paste(Image.fromarray(_tinted(white, heat)), (0, page.height))
    draw = ImageDraw.Draw(sheet)
    below = page.height + _BAR
    draw.text((_MARGIN, below), labels[0], fill="black")
    draw.text((page.width // 2, below), "0", fill="black", anchor="ma")
    draw.text((page.width - _MARGIN, below), labels[1], fill="black", anchor="ra")
    return sheet
