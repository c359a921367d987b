"""The places a picture may show: what lies beneath the sky."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from demo.canvas import Pen, Point
from demo.light import Light
from demo.palette import CREAM, GOLD, HUES, WHITE, Colour, darken, jitter, lighten, mix


@dataclass(frozen=True)
class Place:
    """A place: how its ground is drawn, its tags, and the lights it is seen in.

    One that is `tall` hides what stands low in the sky.
    """

    draw: Callable[[Pen, Random, Light, float, float], None]
    tags: tuple[str, ...]
    lights: tuple[str, ...] = ("day", "day", "sunset", "night")
    tall: bool = False


def _ridge(
    pen: Pen, rng: Random, reach: float, level: float, height: float, colour: Colour
) -> None:
    """One rolling line of hills, filled down to the picture's foot."""
    phases = rng.uniform(0, math.tau), rng.uniform(0, math.tau)
    pace = rng.uniform(1.2, 2.0)
    points: list[Point] = [(reach + 0.1, 1.1), (-reach - 0.1, 1.1)]
    steps = 48
    for step in range(steps + 1):
        x = -reach - 0.1 + (2 * reach + 0.2) * step / steps
        wave = math.sin(pace * x + phases[0]) + 0.4 * math.sin(2.3 * pace * x + phases[1])
        points.append((x, level + height * wave))
    pen.polygon(points, colour)


def _tufts(pen: Pen, rng: Random, reach: float, level: float, colour: Colour) -> None:
    for _ in range(16):
        x, y = rng.uniform(-reach, reach), rng.uniform(level + 0.2, 1)
        for lean in (-0.03, 0.0, 0.03):
            pen.stroke([(x, y), (x + lean, y - 0.06)], 0.012, colour)


def _fir(pen: Pen, x: float, foot: float, height: float, colour: Colour) -> None:
    for step in range(3):
        top = foot - height * (1 - step * 0.24)
        low = foot - height * (0.52 - step * 0.24)
        half = height * (0.17 + 0.07 * step)
        pen.polygon([(x, top), (x + half, low), (x - half, low)], colour)
    pen.rect(x - height * 0.04, foot - height * 0.05, x + height * 0.04, foot + 0.05, colour)


def _meadow(pen: Pen, rng: Random, light: Light, reach: float, level: float) -> None:
    green = jitter((136, 196, 100), rng)
    _ridge(pen, rng, reach, level - 0.06, 0.07, light.on(lighten(green, 0.35)))
    _ridge(pen, rng, reach, level + 0.05, 0.04, light.on(green))
    _tufts(pen, rng, reach, level, light.on(darken(green, 0.16)))
    for _ in range(26):
        x, y = rng.uniform(-reach, reach), rng.uniform(level + 0.16, 1)
        bloom = rng.choice((WHITE, GOLD, HUES["pink"]))
        pen.disc(x, y, 0.02, 0.016, light.on(bloom))


def _forest(pen: Pen, rng: Random, light: Light, reach: float, level: float) -> None:
    green = jitter((56, 116, 84), rng)
    for row, (share, tall) in enumerate(((0.42, 0.95), (0.2, 0.7), (0.0, 0.45))):
        colour = light.on(lighten(green, share))
        pen.rect(-reach - 0.1, level + 0.06 * row + 0.05, reach + 0.1, 1.1, colour)
        x = -reach - rng.uniform(0, 0.2)
        while x < reach + 0.2:
            _fir(pen, x, level + 0.06 * row + 0.08, tall * rng.uniform(0.8, 1.25), colour)
            x += rng.uniform(0.17, 0.3)
    _ridge(pen, rng, reach, level + 0.16, 0.025, light.on(mix(green, (150, 180, 90), 0.45)))
    _tufts(pen, rng, reach, level, light.on(green))


def _snow(pen: Pen, rng: Random, light: Light, reach: float, level: float) -> None:
    white = jitter((240, 246, 252), rng, 0.4)
    _ridge(pen, rng, reach, level - 0.1, 0.1, light.on(mix(white, (150, 180, 220), 0.4)))
    for _ in range(rng.randint(4, 8)):
        tall = rng.uniform(0.28, 0.5)
        _fir(pen, rng.uniform(-reach, reach), level + 0.08, tall, light.on((112, 146, 160)))
    _ridge(pen, rng, reach, level + 0.06, 0.03, light.on(mix(white, (170, 196, 230), 0.16)))
    _ridge(pen, rng, reach, level + 0.3, 0.04, light.on(white))


def _desert(pen: Pen, rng: Random, light: Light, reach: float, level: float) -> None:
    sand = jitter((238, 196, 126), rng)
    for _ in range(rng.randint(1, 3)):
        x, half, top = rng.uniform(-reach, reach), rng.uniform(0.2, 0.4), rng.uniform(0.2, 0.45)
        colour = light.on(jitter((206, 130, 92), rng))
        crown = level - top
        pen.polygon(
            [
                (x - half, level + 0.1),
                (x - half * 0.7, crown),
                (x + half * 0.6, crown),
                (x + half, level + 0.1),
            ],
            colour,
        )
    _ridge(pen, rng, reach, level, 0.04, light.on(lighten(sand, 0.25)))
    _ridge(pen, rng, reach, level + 0.14, 0.05, light.on(sand))
    _ridge(pen, rng, reach, level + 0.42, 0.06, light.on(mix(sand, (214, 142, 84), 0.3)))


def _sea(pen: Pen, rng: Random, light: Light, reach: float, level: float) -> None:
    water = jitter((54, 146, 190), rng)
    bands = 7
    for band in range(bands):
        top = level + (1 - level) * (band / bands) ** 1.5
        colour = mix(lighten(water, 0.36), darken(water, 0.2), band / bands)
        pen.rect(-reach - 0.1, top, reach + 0.1, 1.1, light.on(colour))
    for _ in range(34):
        y = rng.uniform(level + 0.04, 1)
        half = (0.04 + 0.12 * (y - level)) * rng.uniform(0.6, 1.4)
        x = rng.uniform(-reach, reach)
        foam = (*lighten(light.on(water), 0.5), 150)
        pen.stroke([(x - half, y), (x, y - 0.012), (x + half, y)], 0.014, foam)


def _city(pen: Pen, rng: Random, light: Light, reach: float, level: float) -> None:
    base = jitter((132, 150, 186), rng)
    window = GOLD if light.depth > 0.2 else lighten(base, 0.66)
    for share, low, high in ((0.45, 0.5, 0.95), (0.14, 0.25, 0.7)):
        x = -reach - rng.uniform(0, 0.2)
        while x < reach:
            wide, tall = rng.uniform(0.2, 0.34), rng.uniform(low, high)
            wall = light.on(lighten(jitter(base, rng, 1.5), share))
            pen.rect(x, level - tall, x + wide, level + 0.1, wall)
            columns = int(wide / 0.085)
            for row in range(int(tall / 0.11)):
                for column in range(columns):
                    if rng.random() < 0.62:
                        left = x + wide * (column + 0.5) / columns - 0.018
                        top = level - tall + 0.05 + row * 0.11
                        pen.rect(left, top, left + 0.036, top + 0.055, mix(wall, window, 0.75))
            x += wide + rng.uniform(-0.01, 0.05)
    pen.rect(-reach - 0.1, level, reach + 0.1, 1.1, light.on((196, 194, 200)))
    pen.rect(-reach - 0.1, level + 0.12, reach + 0.1, 1.1, light.on((112, 116, 132)))
    middle = level + 0.12 + (0.88 - level) / 2
    for step in range(-4, 5):
        x = step * 0.42
        pen.rect(x, middle, x + 0.2, middle + 0.035, light.on(CREAM))


def _sky(pen: Pen, rng: Random, light: Light, reach: float, level: float) -> None:
    """Nothing but air: the sky and its clouds are painted already."""


def _depths(pen: Pen, rng: Random, light: Light, reach: float, level: float) -> None:
    water = jitter((44, 140, 184), rng)
    bands = 24
    for band in range(bands):
        colour = mix(lighten(water, 0.4), darken(water, 0.5), band / bands)
        pen.rect(-reach - 0.1, -1.1 + 2.2 * band / bands, reach + 0.1, 1.1, colour)
    for _ in range(rng.randint(3, 6)):
        x, half = rng.uniform(-reach, reach), rng.uniform(0.05, 0.1)
        for side in (-1, 1):
            weed: list[Point] = [
                (x + side * half * math.sin(step * 0.9), 1 - step * 0.1) for step in range(7)
            ]
            pen.stroke(weed, 0.05, mix(water, (40, 150, 110), 0.7))
    _ridge(pen, rng, reach, 0.84, 0.03, mix(water, (232, 206, 150), 0.7))
    for _ in range(18):
        radius = rng.uniform(0.015, 0.045)
        x, y = rng.uniform(-reach, reach), rng.uniform(-1, 0.7)
        pen.disc(x, y, radius, radius, (*lighten(water, 0.6), 130))


def _table(pen: Pen, rng: Random, light: Light, reach: float, level: float) -> None:
    wall = jitter(rng.choice(((238, 214, 196), (196, 220, 216), (222, 212, 232))), rng)
    wood = jitter((186, 128, 84), rng)
    pen.rect(-reach - 0.1, -1.1, reach + 0.1, 1.1, wall)
    for step in range(-9, 10, 2):
        pen.rect(step * 0.18, -1.1, step * 0.18 + 0.18, 1.1, lighten(wall, 0.22))
    pen.rect(-reach - 0.1, level - 0.08, reach + 0.1, 1.1, lighten(wood, 0.2))
    pen.rect(-reach - 0.1, level - 0.03, reach + 0.1, 1.1, wood)
    for _ in range(9):
        x, y = rng.uniform(-reach, reach), rng.uniform(level + 0.06, 1)
        pen.stroke([(x - 0.3, y), (x + 0.3, y)], 0.012, darken(wood, 0.1))


INDOORS = frozenset({"table", "depths"})
"""The places under no sky."""

PLACES: dict[str, Place] = {
    "sea": Place(_sea, ("sea",)),
    "depths": Place(_depths, ("sea", "water"), ("day",)),
    "forest": Place(_forest, ("forest",), tall=True),
    "snow": Place(_snow, ("snow",)),
    "desert": Place(_desert, ("desert",)),
    "meadow": Place(_meadow, ("meadow",)),
    "city": Place(_city, ("city",), tall=True),
    "sky": Place(_sky, ("sky",)),
    "table": Place(_table, ("table",), ("day",)),
}
"""The places by name."""
