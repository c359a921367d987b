"""The settings: a sky under one light, and the place that lies beneath it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from PIL import Image, ImageFilter

from demo.canvas import Box, Pen, blank_layer, gradient, settle
from demo.light import LIGHTS, Light
from demo.palette import Colour, jitter, lighten
from demo.places import INDOORS, PLACES


@dataclass(frozen=True)
class Scene:
    """A painted background: the picture, its horizon in pixels from the top, light and tags."""

    image: Image.Image
    horizon: float
    light: Light
    tags: tuple[str, ...]


def paint_scene(
    size: tuple[int, int], name: str, light_name: str, rng: Random, *, lamp: bool
) -> Scene:
    """Paint the place called `name` on a picture of `size` pixels.

    `lamp` allows a small sun or moon in the sky; it is tagged where there is one.
    """
    width, height = size
    place, light = PLACES[name], LIGHTS[light_name]
    horizon = height * rng.uniform(0.58, 0.72)
    sky = [jitter(colour, rng, 0.7) for colour in rng.choice(light.skies)]
    image = gradient(size, [*sky, sky[-1]])
    tags = [*place.tags, *light.tags]
    pen_box = Box(width / 2, height / 2, height / 2)
    reach = width / height
    level = horizon / height * 2 - 1

    layer = blank_layer(size)
    pen = Pen(layer, pen_box)
    if name not in INDOORS:
        if light_name == "night":
            _star_dust(pen, rng, reach)
        if lamp and light_name != "day":
            image = _hang_lamp(image, pen, rng, light_name, reach, level)
            tags.append("moon" if light_name == "night" else "sun")
        if light_name != "night":
            _clouds(pen, rng, reach, lighten(sky[-1], 0.45), level)
    place.draw(pen, rng, light, reach, level)
    settled = settle(layer)
    image.paste(settled, (0, 0), settled)
    return Scene(image, horizon, light, tuple(tags))


def snowfall(image: Image.Image, rng: Random) -> None:
    """Let snow fall over a finished picture, in place."""
    layer = blank_layer(image.size)
    width, height = image.size
    pen = Pen(layer, Box(0, 0, 1))
    for _ in range(60):
        radius = rng.choice((1.0, 1.4, 1.8, 2.6))
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        pen.disc(x, y, radius, radius, (255, 255, 255, 225))
    flakes = settle(layer)
    image.paste(flakes, (0, 0), flakes)


def _hang_lamp(
    image: Image.Image, pen: Pen, rng: Random, light_name: str, reach: float, level: float
) -> Image.Image:
    x = rng.uniform(-0.8, 0.8) * reach
    night = light_name == "night"
    y = rng.uniform(-0.82, -0.6) if night else level - rng.uniform(0.0, 0.22)
    radius = rng.uniform(0.09, 0.12) if night else rng.uniform(0.16, 0.24)
    glow = blank_layer(image.size)
    colour: Colour = (226, 228, 255) if night else (255, 236, 170)
    half = image.height / 2
    Pen(glow, Box(image.width / 2, half, half)).disc(
        x, y, radius * 1.9, radius * 1.9, (*colour, 120)
    )
    halo = settle(glow).filter(ImageFilter.BoxBlur(half * radius * 0.6))
    image.paste(halo, (0, 0), halo)
    pen.disc(x, y, radius, radius, (250, 244, 214) if night else (255, 240, 190))
    return image


def _star_dust(pen: Pen, rng: Random, reach: float) -> None:
    for _ in range(rng.randint(24, 44)):
        radius = rng.choice((0.006, 0.008, 0.012))
        x, y = rng.uniform(-reach, reach), rng.uniform(-1, 0.3)
        pen.disc(x, y, radius, radius, (255, 250, 226, rng.randint(120, 255)))


def _clouds(pen: Pen, rng: Random, reach: float, colour: Colour, level: float) -> None:
    for _ in range(rng.randint(1, 3)):
        x, y = rng.uniform(-reach, reach), rng.uniform(-0.9, level - 0.4)
        length = rng.uniform(0.2, 0.4)
        for shift, thick in ((0.0, 0.036), (0.07, 0.026)):
            start = x + shift * 1.8
            pen.stroke(
                [(start - length, y + shift), (start + length, y + shift)],
                thick * 2,
                (*colour, 170),
            )
