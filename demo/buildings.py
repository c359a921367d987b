"""The subjects that people build, drawn in a box from -1 to 1."""

from __future__ import annotations

import math
from random import Random

from demo.canvas import Pen, Point, Subject, arc
from demo.palette import CREAM, GOLD, INK, STONE, WHITE, WOOD, Palette, darken, jitter, lighten


def _house(pen: Pen, rng: Random, palette: Palette) -> None:
    wall = jitter(rng.choice((CREAM, WHITE, (236, 206, 178), (206, 222, 226))), rng)
    pen.rect(0.36, -0.86, 0.58, -0.2, darken(palette.dark, 0.2))
    pen.rect(-0.78, -0.16, 0.78, 1, wall)
    pen.rect(0.5, -0.16, 0.78, 1, darken(wall, 0.1))
    pen.polygon([(-0.98, -0.06), (0, -0.94), (0.98, -0.06)], palette.main)
    pen.polygon([(0, -0.94), (0.98, -0.06), (0.66, -0.06)], palette.dark)
    pen.rect(-0.98, -0.1, 0.98, 0, palette.dark)
    door = jitter(WOOD, rng)
    pen.rect(-0.17, 0.36, 0.17, 1, door, 0.05)
    pen.disc(0.09, 0.7, 0.03, 0.03, GOLD)
    for x in (-0.48, 0.48):
        pen.rect(x - 0.19, 0.18, x + 0.19, 0.62, WHITE)
        pen.rect(x - 0.15, 0.22, x + 0.15, 0.58, (255, 226, 140))
        pen.stroke([(x, 0.22), (x, 0.58)], 0.035, WHITE)
        pen.stroke([(x - 0.15, 0.4), (x + 0.15, 0.4)], 0.035, WHITE)
    pen.disc(0, -0.44, 0.14, 0.14, WHITE)
    pen.disc(0, -0.44, 0.1, 0.1, (255, 226, 140))


def _castle(pen: Pen, rng: Random, palette: Palette) -> None:
    stone = jitter(rng.choice((STONE, (196, 176, 160), (206, 204, 212))), rng)
    shade = darken(stone, 0.16)
    for x, wide, top in ((0.0, 0.26, -0.42), (-0.66, 0.24, -0.12), (0.66, 0.24, -0.12)):
        pen.stroke([(x, top - 0.5), (x, top - 0.72)], 0.03, INK)
        pen.polygon([(x, top - 0.72), (x + 0.24, top - 0.64), (x, top - 0.56)], palette.light)
        pen.rect(x - wide, top, x + wide, 1, stone)
        pen.rect(x + wide * 0.4, top, x + wide, 1, shade)
        pen.polygon([(x - wide - 0.08, top), (x, top - 0.54), (x + wide + 0.08, top)], palette.main)
        pen.polygon([(x, top - 0.54), (x + wide + 0.08, top), (x + wide * 0.4, top)], palette.dark)
        pen.rect(x - 0.06, top + 0.12, x + 0.06, top + 0.36, INK, 0.05)
    wall = lighten(stone, 0.14)
    pen.rect(-0.62, 0.34, 0.62, 1, wall)
    for step in range(6):
        left = -0.62 + step * 0.224
        pen.rect(left, 0.22, left + 0.12, 0.36, wall)
    pen.polygon(
        [(-0.2, 1), *arc(0, 0.68, 0.2, 0.2, math.pi, math.tau), (0.2, 1)], darken(WOOD, 0.3)
    )
    for _ in range(7):
        x, y = rng.uniform(-0.56, 0.4), rng.uniform(0.44, 0.9)
        if abs(x + 0.05) > 0.3:
            pen.rect(x, y, x + 0.12, y + 0.05, shade)


def _lighthouse(pen: Pen, rng: Random, palette: Palette) -> None:
    pen.blob(
        [(-0.72, 1.06), (-0.5, 0.76), (-0.1, 0.7), (0.3, 0.74), (0.62, 0.84), (0.78, 1.06)],
        (112, 106, 120),
    )
    pen.blob([(-0.5, 1.06), (-0.34, 0.86), (0.1, 0.84), (0.4, 1.06)], (138, 132, 146))
    bands = rng.choice((5, 6, 7))
    for band in range(bands):
        top, low = -0.5 + 1.3 * band / bands, -0.5 + 1.3 * (band + 1) / bands
        colour = WHITE if band % 2 else palette.main
        a, b = 0.19 + 0.13 * band / bands, 0.19 + 0.13 * (band + 1) / bands
        pen.polygon([(-a, top), (a, top), (b, low), (-b, low)], colour)
        pen.polygon([(a * 0.4, top), (a, top), (b, low), (b * 0.4, low)], darken(colour, 0.14))
    pen.rect(-0.28, -0.56, 0.28, -0.48, INK)
    pen.rect(-0.15, -0.78, 0.15, -0.56, (255, 232, 140))
    pen.stroke([(0, -0.78), (0, -0.56)], 0.03, INK)
    pen.polygon(
        [(-0.23, -0.78), *arc(0, -0.78, 0.21, 0.2, math.pi, math.tau), (0.23, -0.78)], palette.dark
    )
    pen.rect(-0.06, 0.52, 0.06, 0.78, INK, 0.05)


def _bridge(pen: Pen, rng: Random, palette: Palette) -> None:
    far, deck, top = 3.2, 0.3, rng.uniform(-0.92, -0.7)
    towers = (-0.8, 0.8)
    cable: list[Point] = [(-far, deck - 0.3)]
    for step in range(-24, 25):
        x = step * 0.1
        swing = (abs(x) - 0.8) / 0.8
        sag = (x / 0.8) ** 2 if abs(x) <= 0.8 else max(0.0, 1 - swing)
        cable.append((x, deck - 0.12 + (top - deck + 0.12) * sag))
    cable.append((far, deck - 0.3))
    for x, y in cable[1:-1]:
        pen.stroke([(x, y), (x, deck)], 0.016, palette.light)
    pen.stroke(cable[1:-1], 0.05, palette.dark)
    for x in towers:
        for leg in (-0.1, 0.1):
            pen.rect(x + leg - 0.045, top - 0.06, x + leg + 0.045, 0.95, palette.main)
        for bar in (top, top + 0.34, deck + 0.2):
            pen.rect(x - 0.14, bar, x + 0.14, bar + 0.07, palette.dark)
        pen.rect(x - 0.22, 0.82, x + 0.22, 1, darken(STONE, 0.2), 0.04)
    pen.rect(-far, deck, far, deck + 0.11, palette.main)
    pen.rect(-far, deck + 0.09, far, deck + 0.15, palette.dark)


SUBJECTS: dict[str, Subject] = {
    "house": Subject(
        _house,
        "ground",
        ("meadow", "forest", "snow", "city"),
        ("red", "blue", "orange", "green"),
        (0.62, 0.84),
        1.5,
    ),
    "castle": Subject(
        _castle,
        "ground",
        ("meadow", "desert", "forest"),
        ("red", "blue", "purple", "pink"),
        (0.7, 0.88),
        1.5,
    ),
    "lighthouse": Subject(
        _lighthouse, "water", ("sea",), ("red", "blue", "black"), (0.8, 0.96), 1.5
    ),
    "bridge": Subject(
        _bridge, "span", ("sea",), ("red", "gray", "green", "orange"), (0.6, 0.8), 1.5
    ),
}
"""The subjects by the word they are tagged with."""
