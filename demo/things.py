"""The subjects that people make, and mostly move, drawn in a box from -1 to 1."""

from __future__ import annotations

import math
from random import Random

from demo.canvas import Pen, Point, Subject, arc
from demo.palette import CREAM, GOLD, INK, WHITE, WOOD, Palette, darken, jitter


def _boat(pen: Pen, rng: Random, palette: Palette) -> None:
    sail = rng.choice((WHITE, CREAM, palette.accent))
    pen.stroke([(0.02, -0.94), (0.02, 0.5)], 0.055, WOOD)
    pen.polygon([(0.08, -0.86), (0.8, 0.34), (0.08, 0.34)], sail)
    pen.polygon([(0.08, 0.02), (0.6, 0.02), (0.72, 0.2), (0.08, 0.2)], palette.light)
    pen.polygon([(-0.05, -0.72), (-0.05, 0.34), (-0.62, 0.34)], darken(sail, 0.1))
    pen.polygon([(0.02, -0.98), (0.3, -0.9), (0.02, -0.82)], palette.main)
    pen.blob(
        [
            (-0.94, 0.46),
            (-0.4, 0.5),
            (0.4, 0.5),
            (0.94, 0.44),
            (0.66, 0.88),
            (0, 0.94),
            (-0.62, 0.88),
        ],
        palette.main,
    )
    pen.blob(
        [(-0.78, 0.7), (0, 0.74), (0.8, 0.68), (0.66, 0.88), (0, 0.94), (-0.62, 0.88)], palette.dark
    )
    pen.stroke([(-0.86, 0.5), (0, 0.55), (0.86, 0.49)], 0.06, WHITE)
    for x in (-0.7, -0.1, 0.5):
        pen.stroke([(x - 0.3, 0.95), (x, 0.92), (x + 0.34, 0.95)], 0.045, (226, 244, 250, 235))


def _car(pen: Pen, rng: Random, palette: Palette) -> None:
    cabin = rng.uniform(-0.06, 0.04)
    pen.blob(
        [
            (cabin - 0.62, 0.12),
            (cabin - 0.46, -0.36),
            (cabin - 0.1, -0.5),
            (cabin + 0.3, -0.46),
            (cabin + 0.62, 0.1),
        ],
        palette.main,
    )
    glass = (196, 226, 240)
    pen.blob(
        [(cabin - 0.5, 0.04), (cabin - 0.38, -0.28), (cabin - 0.06, -0.36), (cabin - 0.04, 0.04)],
        glass,
    )
    pen.blob(
        [(cabin + 0.06, 0.04), (cabin + 0.06, -0.36), (cabin + 0.26, -0.32), (cabin + 0.48, 0.04)],
        glass,
    )
    pen.rect(-0.98, 0.02, 0.98, 0.54, palette.main, 0.2)
    pen.rect(-0.98, 0.34, 0.98, 0.56, palette.dark, 0.1)
    pen.stroke([(-0.9, 0.16), (0.86, 0.16)], 0.04, palette.light)
    pen.rect(-0.98, 0.14, -0.84, 0.3, GOLD, 0.06)
    pen.rect(0.88, 0.14, 0.98, 0.3, (240, 100, 80), 0.04)
    pen.rect(cabin + 0.1, 0.22, cabin + 0.26, 0.27, WHITE, 0.02)
    for x in (-0.54, 0.54):
        pen.disc(x, 0.54, 0.27, 0.27, INK)
        pen.disc(x, 0.54, 0.15, 0.15, (206, 208, 218))
        pen.disc(x, 0.54, 0.06, 0.06, INK)


def _balloon(pen: Pen, rng: Random, palette: Palette) -> None:
    def side(x: float) -> list[Point]:
        """The seam of the envelope whose widest point is at `x`."""
        upper = arc(0, -0.36, x, 0.6, -math.pi / 2, 0, 20)
        return [*upper, (x * 0.93, -0.1), (x * 0.66, 0.2), (x * 0.34, 0.42), (x * 0.26, 0.48)]

    seams = (0.64, 0.42, 0.15)
    stripes = (palette.main, palette.accent, palette.main)
    for x, colour in zip(seams, stripes, strict=True):
        pen.polygon([*side(x), *reversed(side(-x))], colour)
    pen.polygon([*side(0.64), *reversed(side(0.42))], palette.dark)
    for x in (-0.14, -0.05, 0.05, 0.14):
        pen.stroke([(x, 0.48), (x * 0.8, 0.74)], 0.018, INK)
    basket = jitter(WOOD, rng)
    pen.rect(-0.15, 0.72, 0.15, 0.98, basket, 0.04)
    pen.rect(-0.17, 0.7, 0.17, 0.77, darken(basket, 0.25), 0.03)


def _umbrella(pen: Pen, rng: Random, palette: Palette) -> None:
    handle = arc(0.14, 0.78, 0.14, 0.16, math.pi, 0, 12)
    pen.stroke([(0, -0.9), (0, 0.78), *handle], 0.07, jitter(WOOD, rng))
    edges = (-0.96, -0.5, 0.0, 0.5, 0.96)
    top, rim = -0.8, 0.06
    dome = arc(0, rim, 0.96, rim - top, math.pi, math.tau)
    scallops: list[Point] = []
    for right, left in zip(edges[:0:-1], edges[-2::-1], strict=True):
        scallops += arc((left + right) / 2, rim, (right - left) / 2, 0.1, 0, -math.pi, 12)
    pen.polygon([*dome, *scallops], palette.main)
    for left, right, colour in ((-0.5, 0.0, palette.accent), (0.5, 0.96, palette.dark)):
        bottom = arc((left + right) / 2, rim, (right - left) / 2, 0.1, 0, -math.pi, 12)
        rise = arc(0, rim, -left, rim - top, math.pi, 1.5 * math.pi, 16) if left < 0 else []
        if left < 0:
            pen.polygon([*rise, (right, rim), *bottom], colour)
        else:
            outer = arc(0, rim, right, rim - top, -math.pi / 2, 0, 16)
            inner = arc(0, rim, left, rim - top, 0, -math.pi / 2, 16)
            pen.polygon([*outer, *bottom, *inner], colour)
    pen.disc(0, top - 0.06, 0.04, 0.1, palette.dark)


def _snowman(pen: Pen, rng: Random, palette: Palette) -> None:
    snow, shade = (248, 250, 255), (208, 220, 238)
    for side in (-1, 1):
        lift = rng.uniform(-0.4, -0.1)
        pen.stroke([(side * 0.34, 0.06), (side * 0.8, lift)], 0.05, WOOD)
        pen.stroke([(side * 0.66, lift * 0.7), (side * 0.72, lift - 0.16)], 0.035, WOOD)
    for y, radius in ((0.58, 0.46), (0.02, 0.36), (-0.44, 0.27)):
        pen.disc(0, y, radius, radius * 0.94, shade)
        pen.disc(-radius * 0.1, y - radius * 0.08, radius * 0.88, radius * 0.84, snow)
    pen.rect(-0.27, -0.28, 0.27, -0.15, palette.main, 0.06)
    pen.rect(0.1, -0.22, 0.24, 0.16, palette.dark, 0.04)
    for x in (-0.1, 0.1):
        pen.disc(x, -0.5, 0.04, 0.045, INK)
    pen.polygon([(0, -0.46), (-0.34, -0.38), (0, -0.38)], (240, 138, 60))
    for y in (0.0, 0.16, 0.46, 0.64):
        pen.disc(-0.03, y, 0.04, 0.04, INK)
    pen.rect(-0.22, -1, 0.22, -0.66, INK, 0.03)
    pen.rect(-0.22, -0.78, 0.22, -0.68, palette.main)
    pen.rect(-0.34, -0.7, 0.34, -0.63, INK, 0.03)


def _rocket(pen: Pen, rng: Random, palette: Palette) -> None:
    flame = rng.uniform(0.9, 1.0)
    pen.blob([(-0.17, 0.5), (0.17, 0.5), (0.12, 0.76), (0, flame), (-0.12, 0.76)], (246, 146, 60))
    pen.blob([(-0.09, 0.5), (0.09, 0.5), (0.05, 0.66), (0, 0.8), (-0.05, 0.66)], (255, 226, 130))
    for side in (-1, 1):
        pen.blob(
            [(side * 0.24, 0.04), (side * 0.52, 0.34), (side * 0.54, 0.66), (side * 0.2, 0.46)],
            palette.main,
        )
    hull = (240, 240, 246)
    body: list[Point] = [(0, -0.98), (0.22, -0.6), (0.32, -0.14), (0.26, 0.3), (0.17, 0.54)]
    body += [(-x, y) for x, y in body[:0:-1]]
    pen.polygon(body, hull)
    pen.polygon(
        [
            (0.06, -0.86),
            (0.22, -0.6),
            (0.32, -0.14),
            (0.26, 0.3),
            (0.17, 0.54),
            (0.06, 0.54),
            (0.16, -0.14),
        ],
        darken(hull, 0.14),
    )
    pen.polygon(
        [(0, -0.98), (0.22, -0.6), (0.22, -0.56), (-0.22, -0.56), (-0.22, -0.6)], palette.main
    )
    pen.rect(-0.2, 0.44, 0.2, 0.56, palette.main)
    pen.disc(0, -0.2, 0.17, 0.17, palette.dark)
    pen.disc(0, -0.2, 0.12, 0.12, (150, 214, 236))
    pen.disc(-0.04, -0.24, 0.04, 0.04, WHITE)
    pen.blob([(-0.05, 0.16), (0.05, 0.16), (0.06, 0.62), (0, 0.7), (-0.06, 0.62)], palette.dark)


SUBJECTS: dict[str, Subject] = {
    "boat": Subject(
        _boat, "water", ("sea",), ("red", "blue", "green", "white", "yellow"), (0.62, 0.84), 7
    ),
    "car": Subject(
        _car,
        "ground",
        ("city", "city", "desert", "snow"),
        ("red", "blue", "yellow", "green", "pink"),
        (0.66, 0.86),
        2,
        foot=0.81,
    ),
    "balloon": Subject(
        _balloon,
        "air",
        ("sky", "meadow", "desert", "sea"),
        ("red", "yellow", "purple", "blue", "pink"),
        (0.68, 0.88),
        9,
    ),
    "umbrella": Subject(
        _umbrella,
        "ground",
        ("city", "city", "desert", "meadow"),
        ("red", "yellow", "blue", "purple", "pink"),
        (0.66, 0.86),
        22,
    ),
    "snowman": Subject(_snowman, "ground", ("snow",), ("red", "blue", "green"), (0.7, 0.9), 5),
    "rocket": Subject(
        _rocket, "air", ("sky", "sky", "city", "desert"), ("red", "blue", "orange"), (0.74, 0.9), 30
    ),
}
"""The subjects by the word they are tagged with."""
