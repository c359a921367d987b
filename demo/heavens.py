"""The subjects that stand before the sky, drawn in a box from -1 to 1."""

from __future__ import annotations

import math
from random import Random

from demo.canvas import Pen, Point, Subject, arc
from demo.palette import WHITE, Palette, lighten, mix


def _sun(pen: Pen, rng: Random, palette: Palette) -> None:
    rays = rng.randint(10, 14)
    for step in range(rays):
        turn = step * math.tau / rays
        tip = 0.98 if step % 2 else 0.86
        pen.polygon(
            [
                (tip * math.cos(turn), tip * math.sin(turn)),
                *arc(0, 0, 0.6, 0.6, turn - 0.16, turn + 0.16, 2),
            ],
            palette.light,
        )
    pen.disc(0, 0, 0.6, 0.6, palette.main)
    pen.disc(-0.06, -0.06, 0.48, 0.48, lighten(palette.main, 0.22))


def _moon(pen: Pen, rng: Random, palette: Palette) -> None:
    bite = rng.uniform(0.28, 0.5)
    horn = math.acos(bite / 0.74)
    outer = arc(0, 0, 0.74, 0.74, horn, math.tau - horn)
    inner_x = bite + 0.16
    reach = math.atan2(0.74 * math.sin(horn), bite - inner_x)
    radius = math.hypot(bite - inner_x, 0.74 * math.sin(horn))
    pen.polygon([*outer, *arc(inner_x, 0, radius, radius, math.tau - reach, reach)], palette.main)
    for x, y, size in ((-0.5, -0.1, 0.08), (-0.4, 0.3, 0.06), (-0.42, -0.38, 0.05)):
        pen.disc(x, y, size, size, palette.dark)


def _star(pen: Pen, rng: Random, palette: Palette) -> None:
    notch = rng.uniform(0.42, 0.5)
    points: list[Point] = []
    for step in range(10):
        turn = -math.pi / 2 + step * math.pi / 5
        reach = 0.92 if step % 2 == 0 else 0.92 * notch
        points.append((reach * math.cos(turn), reach * math.sin(turn)))
    pen.polygon(points, mix(palette.main, palette.dark, 0.5))
    for step in range(0, 10, 2):
        pen.polygon([(0, 0), points[step], points[step - 1]], palette.light)


def _cloud(pen: Pen, rng: Random, palette: Palette) -> None:
    lumps = [(-0.62, 0.16, 0.32), (-0.24, -0.1, 0.42), (0.24, -0.2, 0.48), (0.66, 0.14, 0.34)]
    placed = [(x, y + rng.uniform(-0.06, 0.06), r * rng.uniform(0.9, 1.1)) for x, y, r in lumps]
    # Three coats, each a little higher and lighter: the lit crown of every lump.
    shades = (mix(palette.main, (120, 130, 170), 0.3), palette.main, lighten(palette.main, 0.7))
    for coat, colour in enumerate(shades):
        rise, share = 0.1 * coat, 1 - 0.12 * coat
        pen.rect(-0.92 * share, 0.06 - rise, 0.98 * share, 0.5 - rise * 1.6, colour, 0.2)
        for x, y, radius in placed:
            pen.disc(x * share, y - rise * 0.6, radius * share, radius * share, colour)


def _mountain(pen: Pen, rng: Random, palette: Palette) -> None:
    peaks = [
        (-1.0, 0.0, 0.9),
        (1.05, rng.uniform(-0.3, 0.1), 0.95),
        (0.0, rng.uniform(-1.0, -0.8), 1.15),
    ]
    for x, top, half in peaks:
        rise = 0.9 - top
        pen.polygon([(x, top), (x + half, 0.9), (x - half, 0.9)], palette.main)
        pen.polygon(
            [(x, top), (x + half, 0.9), (x + half * 0.16, 0.9), (x - 0.06, top + rise * 0.5)],
            palette.dark,
        )
        low = top + rise * 0.3
        edge = half * 0.3
        drips = [
            (x + edge * share, low + rise * drop)
            for share, drop in (
                (1, 0),
                (0.55, -0.06),
                (0.2, 0.08),
                (-0.2, -0.05),
                (-0.6, 0.06),
                (-1, 0),
            )
        ]
        pen.polygon([(x, top), *drips], WHITE)
        pen.polygon([(x, top), *drips[:3]], lighten(palette.dark, 0.66))


SUBJECTS: dict[str, Subject] = {
    "sun": Subject(
        _sun,
        "light",
        ("sea", "desert", "meadow", "sky"),
        ("yellow", "orange"),
        (0.5, 0.68),
        20,
        lights=("day", "sunset"),
    ),
    "moon": Subject(
        _moon,
        "light",
        ("sea", "desert", "snow", "sky"),
        ("yellow", "white"),
        (0.56, 0.72),
        24,
        lights=("night",),
    ),
    "star": Subject(
        _star,
        "light",
        ("sky", "sky", "snow", "sea"),
        ("yellow", "white", "red"),
        (0.54, 0.76),
        16,
        lights=("night",),
    ),
    "cloud": Subject(
        _cloud,
        "light",
        ("sky", "sky", "sea", "meadow"),
        ("white", "gray", "pink"),
        (0.62, 0.84),
        3,
        lights=("day", "sunset"),
    ),
    "mountain": Subject(
        _mountain,
        "range",
        ("meadow", "snow", "desert"),
        ("blue", "purple", "brown"),
        (0.66, 0.84),
        2,
    ),
}
"""The subjects by the word they are tagged with."""
