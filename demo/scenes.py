"""The settings: a sky under one light, and the place that lies beneath it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from PIL import Image

from demo.canvas import Box, Pen, blank_layer, glow, gradient, settle
from demo.light import LIGHTS, Light
from demo.palette import Colour, jitter, lighten
from demo.places import INDOORS, PLACES


@dataclass
class Scene:
    """A background in the making: painted in place, sky first, so that a subject may stand between.

    `horizon` is in pixels from the top.
    """

    image: Image.Image
    place: str
    light: Light
    horizon: float
    tags: tuple[str, ...]

    def lay(self, layer: Image.Image) -> None:
        """Lay a settled layer over what is painted so far."""
        self.image.paste(layer, (0, 0), layer)


def paint_sky(size: tuple[int, int], place: str, light_name: str, rng: Random) -> Scene:
    """Begin the place called `place` on a picture of `size` pixels with the sky above it."""
    light = LIGHTS[light_name]
    horizon = size[1] * rng.uniform(0.58, 0.72)
    stops = [jitter(colour, rng, 0.7) for colour in rng.choice(light.skies)]
    image = gradient(size, [*stops, stops[-1]])
    scene = Scene(image, place, light, horizon, (*PLACES[place].tags, *light.tags))
    if place in INDOORS:
        return scene
    reach, level = _extent(scene)
    layer = blank_layer(size)
    pen = _scene_pen(layer, scene)
    if light_name == "night":
        _star_dust(pen, rng, reach)
    else:
        _clouds(pen, rng, reach, lighten(stops[-1], 0.45), level)
    scene.lay(settle(layer))
    return scene


def hang_lamp(scene: Scene, beside: Box, rng: Random) -> None:
    """Hang a small sun or moon in an evening or night sky, and tag it, where `beside` leaves room.

    A picture tagged with a moon that its subject hides would teach a search nothing.
    """
    if scene.light is LIGHTS["day"] or scene.place in INDOORS:
        return
    night = scene.light is LIGHTS["night"]
    if PLACES[scene.place].tall and not night:
        return
    width, height = scene.image.size
    radius = height * (rng.uniform(0.05, 0.065) if night else rng.uniform(0.07, 0.095))
    left = (1.2 * radius, beside.x - 0.8 * beside.half - radius)
    right = (beside.x + 0.8 * beside.half + radius, width - 1.2 * radius)
    low, high = max(left, right, key=lambda gap: gap[1] - gap[0])
    if low > high:
        return
    above = (0.1, 0.2) if night else (0.45, 0.85)
    y = scene.horizon * rng.uniform(*above) + (radius if night else -radius)
    layer = blank_layer(scene.image.size)
    colour: Colour = (250, 244, 214) if night else (255, 240, 190)
    Pen(layer, Box(rng.uniform(low, high), y, radius)).disc(0, 0, 1, 1, colour)
    lamp = settle(layer)
    scene.lay(glow(lamp, radius * 0.7, 0.7))
    scene.lay(lamp)
    scene.tags += ("moon",) if night else ("sun",)


def paint_ground(scene: Scene, rng: Random) -> None:
    """Paint what lies beneath the sky, over whatever was laid before it."""
    layer = blank_layer(scene.image.size)
    reach, level = _extent(scene)
    PLACES[scene.place].draw(_scene_pen(layer, scene), rng, scene.light, reach, level)
    scene.lay(settle(layer))


def snowfall(scene: Scene, rng: Random) -> None:
    """Let snow fall over a finished picture, in place."""
    width, height = scene.image.size
    layer = blank_layer((width, height))
    pen = Pen(layer, Box(0, 0, 1))
    for _ in range(60):
        radius = rng.choice((1.0, 1.4, 1.8, 2.6))
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        pen.disc(x, y, radius, radius, (255, 255, 255, 225))
    scene.lay(settle(layer))


def _extent(scene: Scene) -> tuple[float, float]:
    """How far the scene reaches to either side, and its horizon, in halves of its height."""
    width, height = scene.image.size
    return width / height, scene.horizon / height * 2 - 1


def _scene_pen(layer: Image.Image, scene: Scene) -> Pen:
    width, height = scene.image.size
    return Pen(layer, Box(width / 2, height / 2, height / 2))


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
