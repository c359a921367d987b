"""Twelve kinds of change that leave a picture the same one, and moves that don't."""

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Rng = np.random.Generator
Change = Callable[[Image.Image, Rng], Image.Image]

_WORDS = ("PREVIEW", "sample only", "(c) 2019", "proof", "my photos", "DRAFT", "Holiday album")


def reencoded(image: Image.Image, rng: Rng) -> Image.Image:
    """Written again as a JPEG of quality 20 to 60, or a WebP."""
    out = io.BytesIO()
    image.save(out, str(rng.choice(["JPEG", "WEBP"])), quality=int(rng.integers(20, 61)))
    return Image.open(out).convert("RGB")


def scaled(image: Image.Image, rng: Rng) -> Image.Image:
    """Smaller or larger: 0.35 to 1.6 of the side."""
    factor = rng.uniform(0.35, 0.75) if rng.random() < 0.7 else rng.uniform(1.2, 1.6)
    size = [max(48, round(side * factor)) for side in image.size]
    return image.resize((size[0], size[1]), Image.Resampling.BICUBIC)


def cropped(image: Image.Image, rng: Rng) -> Image.Image:
    """A part of 60 to 90 % of each side."""
    width, height = (round(side * rng.uniform(0.6, 0.9)) for side in image.size)
    left = int(rng.integers(0, image.width - width + 1))
    top = int(rng.integers(0, image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


def turned(image: Image.Image, rng: Rng) -> Image.Image:
    """A quarter, a half, three quarters; or by 2 to 12 degrees, with empty corners or cut."""
    kind = int(rng.integers(0, 5))
    if kind < 3:
        return image.rotate(90 * (kind + 1), expand=True)
    angle = float(rng.uniform(2, 12) * rng.choice([-1, 1]))
    tilted = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=(0, 0, 0))
    if kind == 3:
        return tilted
    cut = 0.5 * abs(np.sin(np.radians(angle)))
    x, y = round(cut * image.height), round(cut * image.width)
    return tilted.crop((x, y, image.width - x, image.height - y))


def mirrored(image: Image.Image, rng: Rng) -> Image.Image:
    """Left to right, or upside down."""
    return ImageOps.mirror(image) if rng.random() < 0.8 else ImageOps.flip(image)


def watermarked(image: Image.Image, rng: Rng) -> Image.Image:
    """Words across it, half transparent, once or many times."""
    layer = Image.new("RGBA", (image.width * 2, image.height * 2), (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    size = int(image.width * rng.uniform(0.07, 0.14))
    shade = (255, 255, 255, int(rng.integers(70, 170)))
    word = str(rng.choice(_WORDS))
    if rng.random() < 0.5:
        for y in range(0, layer.height, size * 3):
            for x in range(0, layer.width, size * 7):
                draw.text((x, y), word, font=_font(size), fill=shade)
    else:
        draw.text((image.width * 0.7, image.height), word, font=_font(size * 2), fill=shade)
    layer = layer.rotate(float(rng.uniform(-40, 40)))
    box = image.width // 2, image.height // 2
    layer = layer.crop((*box, box[0] + image.width, box[1] + image.height))
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def bordered(image: Image.Image, rng: Rng) -> Image.Image:
    """A frame of 4 to 15 % of the side, of one colour."""
    colour = tuple(int(c) for c in rng.integers(0, 256, 3)) if rng.random() < 0.5 else (255,) * 3
    return ImageOps.expand(image, round(min(image.size) * rng.uniform(0.04, 0.15)), colour)


def brightened(image: Image.Image, rng: Rng) -> Image.Image:
    """Lighter or darker, with more or less contrast."""
    image = ImageEnhance.Brightness(image).enhance(float(rng.uniform(0.6, 1.5)))
    return ImageEnhance.Contrast(image).enhance(float(rng.uniform(0.6, 1.5)))


def greyed(image: Image.Image, rng: Rng) -> Image.Image:
    """Without colour."""
    return ImageOps.grayscale(image).convert("RGB")


def blurred(image: Image.Image, rng: Rng) -> Image.Image:
    """Out of focus by 1 to 2.5 pixels in 300."""
    return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(1, 2.5)) * image.width / 300))


def captioned(image: Image.Image, rng: Rng) -> Image.Image:
    """A line of text, on a bar over the foot or the head of it, or beside it."""
    bar = round(image.height * rng.uniform(0.1, 0.18))
    text = " ".join(str(word) for word in rng.choice(_WORDS, 3))
    dark = bool(rng.random() < 0.5)
    ground, ink = ((0, 0, 0), (255, 255, 255)) if dark else ((255, 255, 255), (0, 0, 0))
    if rng.random() < 0.4:
        # As memes have it: the picture keeps its pixels.
        whole = Image.new("RGB", (image.width, image.height + bar), ground)
        whole.paste(image, (0, bar))
        top = 0
    else:
        whole, top = image.copy(), int(rng.choice([0, image.height - bar]))
        ImageDraw.Draw(whole).rectangle((0, top, image.width, top + bar), fill=ground)
    draw = ImageDraw.Draw(whole)
    draw.text((bar * 0.3, top + bar * 0.2), text, font=_font(int(bar * 0.55)), fill=ink)
    return whole


def filtered(image: Image.Image, rng: Rng) -> Image.Image:
    """Another mood: colours mixed anew, a tone curve, a vignette."""
    pixels = np.asarray(image, np.float32) / 255
    mix = np.eye(3) * 0.75 + rng.uniform(0, 0.25, (3, 3))
    pixels = np.clip(pixels @ (mix / mix.sum(axis=0)).astype(np.float32), 0, 1)
    pixels = pixels ** rng.uniform(0.7, 1.4, 3).astype(np.float32)
    y, x = (np.linspace(-1, 1, side)[:, None] for side in (image.height, image.width))
    shade = 1 - rng.uniform(0, 0.5) * np.clip((y**2 + x.T**2) / 2, 0, 1)
    pixels *= shade[..., None].astype(np.float32)
    return Image.fromarray((pixels * 255).astype(np.uint8))


CHANGES: dict[str, Change] = {
    "re-encoded": reencoded,
    "scaled": scaled,
    "cropped": cropped,
    "turned": turned,
    "mirrored": mirrored,
    "watermarked": watermarked,
    "bordered": bordered,
    "brightness": brightened,
    "greyscale": greyed,
    "blurred": blurred,
    "captioned": captioned,
    "filtered": filtered,
}


def moved(image: Image.Image, rng: Rng) -> Image.Image:
    """The next shot of a burst: another moment of the scene, so not the same picture.

    What stands in the middle has moved by 4 to 10 % of the side, its surroundings show through
    parallax, and the frame is a little off.
    """
    pixels = np.asarray(image, np.float32)
    h, w = pixels.shape[:2]
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    cy, cx = h * rng.uniform(0.35, 0.65), w * rng.uniform(0.35, 0.65)
    spread = min(h, w) * rng.uniform(0.18, 0.32)
    bump = np.exp(-((yy - cy) ** 2 + (xx - cx) ** 2) / (2 * spread**2))
    angle = rng.uniform(0, 2 * np.pi)
    far = min(h, w) * rng.uniform(0.04, 0.10)
    dy, dx = far * np.sin(angle) * bump, far * np.cos(angle) * bump
    # Near and far parts of the ground move apart as the camera does.
    depth = rng.uniform(-0.02, 0.02, 2)
    dy += depth[0] * (yy - h / 2) * (yy / h) + rng.uniform(-3, 3)
    dx += depth[1] * (xx - w / 2) * (yy / h) + rng.uniform(-3, 3)
    at_y, at_x = np.clip(yy + dy, 0, h - 1.001), np.clip(xx + dx, 0, w - 1.001)
    shot = _sampled(pixels, at_y, at_x) + rng.normal(0, 4, pixels.shape)
    return Image.fromarray(np.clip(shot, 0, 255).astype(np.uint8))


def _sampled(
    pixels: NDArray[np.float32], at_y: NDArray[np.float32], at_x: NDArray[np.float32]
) -> NDArray[np.float32]:
    y, x = at_y.astype(int), at_x.astype(int)
    fy, fx = (at_y - y)[..., None], (at_x - x)[..., None]
    above = pixels[y, x] * (1 - fx) + pixels[y, x + 1] * fx
    below = pixels[y + 1, x] * (1 - fx) + pixels[y + 1, x + 1] * fx
    mixed: NDArray[np.float32] = above * (1 - fy) + below * fy
    return mixed


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(8, size))
