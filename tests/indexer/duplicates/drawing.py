"""Pictures with something to see, and what may be done to them."""

import io
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


@cache
def scene(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A drawing of overlapping shapes on a soft ground, another one for each seed."""
    rng = np.random.default_rng(seed)
    ground = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    image = ground.resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y = rng.uniform(0, size[0]), rng.uniform(0, size[1])
        w, h = rng.uniform(8, size[0] / 5, 2)
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        shape((x, y, x + w, y + h), fill=colour, outline=(0, 0, 0))
    return image.filter(ImageFilter.GaussianBlur(0.7))


def coded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """The bytes of a file."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def thumbnail(image: Image.Image) -> bytes:
    """A small JPEG, as the indexer keeps one."""
    small = image.convert("RGB")
    small.thumbnail((320, 320))
    return coded(small, quality=85)
