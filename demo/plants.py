"""The subjects that grow, drawn in a box from -1 to 1."""

from __future__ import annotations

import math
from random import Random

from demo.canvas import Pen, Point, Subject, arc
from demo.palette import GOLD, WHITE, WOOD, Palette, darken, jitter, lighten


def _tree(pen: Pen, rng: Random, palette: Palette) -> None:
    trunk = jitter(WOOD, rng)
    pen.polygon([(-0.12, 0.1), (0.12, 0.1), (0.17, 1), (-0.17, 1)], trunk)
    pen.stroke([(0, 0.42), (0.3, 0.1)], 0.09, trunk)
    crown = [
        (
            0.62 * math.cos(turn) * rng.uniform(0.82, 1.0),
            -0.34 + 0.44 * math.sin(turn) * rng.uniform(0.82, 1.0),
            rng.uniform(0.28, 0.36),
        )
        for turn in (step * math.tau / 9 for step in range(9))
    ]
    pen.disc(0, -0.34, 0.6, 0.48, palette.main)
    for x, y, radius in crown:
        pen.disc(x, y, radius, radius, palette.main)
    for x, y, radius in crown:
        if x + y < -0.3:
            pen.disc(x + 0.06, y + 0.08, radius * 0.62, radius * 0.55, palette.light)
        elif y > -0.2:
            pen.disc(x, y + 0.06, radius * 0.6, radius * 0.4, palette.dark)


def _flower(pen: Pen, rng: Random, palette: Palette) -> None:
    stem = jitter((84, 150, 78), rng)
    pen.stroke([(0, -0.2), (0.04, 0.4), (0, 1)], 0.07, stem)
    for side, height in ((1, 0.56), (-1, 0.72)):
        pen.disc(side * 0.27, height, 0.27, 0.11, stem, -side * 0.5)
        pen.disc(side * 0.27, height - 0.02, 0.2, 0.04, lighten(stem, 0.25), -side * 0.5)
    petals = rng.randint(6, 9)
    start = rng.uniform(0, 1)
    for colour, reach, wide in ((palette.main, 0.42, 0.3), (palette.light, 0.36, 0.14)):
        for step in range(petals):
            turn = start + step * math.tau / petals
            x, y = reach * math.cos(turn), -0.32 + reach * math.sin(turn)
            pen.disc(x, y, 0.27, wide * 5 / petals, colour, turn)
    pen.disc(0, -0.32, 0.24, 0.24, darken(GOLD, 0.16))
    pen.disc(-0.03, -0.35, 0.18, 0.18, GOLD)


def _mushroom(pen: Pen, rng: Random, palette: Palette) -> None:
    pen.blob(
        [(-0.2, -0.1), (0.2, -0.1), (0.22, 0.5), (0.3, 0.95), (-0.3, 0.95), (-0.22, 0.5)],
        (246, 234, 212),
    )
    pen.blob([(0.04, 0), (0.2, 0), (0.2, 0.5), (0.27, 0.9), (0.08, 0.9)], (226, 208, 186))
    pen.disc(0, 0.04, 0.8, 0.16, (232, 212, 188))
    cap: list[Point] = [
        *arc(0, 0.02, 0.92, 0.9, math.pi, math.tau),
        *arc(0, 0.02, 0.92, 0.14, 0, math.pi),
    ]
    pen.polygon(cap, palette.main)
    pen.polygon(
        [*arc(0, 0.02, 0.92, 0.14, 0, math.pi), *arc(0, 0, 0.92, 0.04, math.pi, 0)], palette.dark
    )
    for x, y, radius in (
        (-0.46, -0.3, 0.13),
        (0.02, -0.6, 0.15),
        (0.42, -0.34, 0.16),
        (-0.06, -0.16, 0.11),
        (0.68, -0.08, 0.08),
        (-0.72, -0.06, 0.08),
    ):
        size = radius * rng.uniform(0.8, 1.15)
        pen.disc(x, y, size, size * 0.84, WHITE)


def _cactus(pen: Pen, rng: Random, palette: Palette) -> None:
    arms: list[tuple[list[Point], float]] = []
    for side in (-1, 1):
        elbow, tip = rng.uniform(0.0, 0.4), rng.uniform(-0.55, -0.2)
        bend = arc(
            side * 0.28, elbow - 0.24, 0.28, 0.24, math.pi / 2, math.pi / 2 - side * math.pi / 2, 10
        )
        arms.append(([(0, elbow), *bend, (side * 0.56, tip)], 0.24))
    arms.append(([(0, -0.75), (0, 0.95)], 0.4))
    for points, width in arms:
        pen.stroke(points, width, palette.main)
    for points, width in arms:
        pen.stroke(points, width * 0.2, palette.dark)
    for x in (-0.12, 0.12):
        pen.stroke([(x, -0.74), (x, 0.95)], 0.035, palette.light)
    for turn in range(5):
        angle = turn * math.tau / 5
        pen.disc(
            0.08 * math.cos(angle), -0.93 + 0.08 * math.sin(angle), 0.08, 0.08, (242, 120, 150)
        )
    pen.disc(0, -0.93, 0.05, 0.05, GOLD)


def _apple(pen: Pen, rng: Random, palette: Palette) -> None:
    body: list[Point] = [
        (0, -0.46),
        (0.42, -0.6),
        (0.84, -0.3),
        (0.82, 0.3),
        (0.44, 0.9),
        (0, 0.82),
    ]
    body += [(-x, y) for x, y in body[-2:0:-1]]
    pen.blob(body, palette.main)
    pen.blob(
        [(0.5, -0.4), (0.8, -0.2), (0.78, 0.34), (0.4, 0.86), (0.1, 0.8), (0.5, 0.4)], palette.dark
    )
    pen.disc(-0.44, -0.14, 0.13, 0.27, palette.light, 0.35)
    pen.disc(0, -0.46, 0.22, 0.07, palette.dark)
    pen.stroke([(0, -0.44), (0.03, -0.7), (0.1, -0.92)], 0.08, jitter(WOOD, rng))
    leaf = jitter((104, 174, 84), rng)
    pen.blob([(0.06, -0.68), (0.3, -0.92), (0.66, -0.88), (0.44, -0.66)], leaf)
    pen.stroke([(0.12, -0.7), (0.52, -0.84)], 0.03, lighten(leaf, 0.4))


SUBJECTS: dict[str, Subject] = {
    "tree": Subject(
        _tree,
        "ground",
        ("meadow", "meadow", "snow", "city"),
        ("green", "orange", "pink"),
        (0.7, 0.92),
    ),
    "flower": Subject(
        _flower,
        "ground",
        ("meadow", "meadow", "table", "forest"),
        ("red", "pink", "purple", "yellow", "blue"),
        (0.7, 0.92),
        8,
    ),
    "mushroom": Subject(
        _mushroom,
        "ground",
        ("forest", "forest", "meadow"),
        ("red", "orange", "brown"),
        (0.6, 0.82),
        6,
    ),
    "cactus": Subject(
        _cactus, "ground", ("desert", "desert", "table"), ("green",), (0.62, 0.86), foot=1.1
    ),
    "apple": Subject(
        _apple,
        "ground",
        ("table", "table", "meadow"),
        ("red", "green", "yellow"),
        (0.5, 0.72),
        14,
        foot=0.88,
    ),
}
"""The subjects by the word they are tagged with."""
