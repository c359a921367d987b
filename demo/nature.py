"""The subjects that grow, live or stand in the sky, drawn in a box from -1 to 1."""

from __future__ import annotations

import math
from random import Random

from demo.canvas import Pen, Point, Subject, arc
from demo.palette import GOLD, INK, WHITE, WOOD, Palette, darken, jitter, lighten, mix


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


def _fish(pen: Pen, rng: Random, palette: Palette) -> None:
    pen.blob([(0.5, 0), (0.94, -0.5), (0.84, 0), (0.94, 0.5)], palette.dark)
    pen.blob([(-0.3, -0.36), (0.0, -0.72), (0.44, -0.6), (0.3, -0.2)], palette.dark)
    pen.blob([(-0.1, 0.36), (0.1, 0.66), (0.36, 0.52), (0.3, 0.2)], palette.dark)
    pen.blob(
        [
            (-0.96, 0.04),
            (-0.6, -0.4),
            (-0.1, -0.5),
            (0.4, -0.24),
            (0.66, 0),
            (0.4, 0.26),
            (-0.1, 0.5),
            (-0.6, 0.42),
        ],
        palette.main,
    )
    pen.blob(
        [(-0.86, 0.16), (-0.3, 0.24), (0.4, 0.12), (0.1, 0.4), (-0.3, 0.48), (-0.64, 0.38)],
        palette.light,
    )
    for x in rng.sample((-0.24, 0.02, 0.26), rng.randint(2, 3)):
        half = 0.46 - abs(x + 0.1) * 0.5
        pen.blob(
            [
                (x, -half),
                (x + 0.09, -half * 0.9),
                (x + 0.14, 0),
                (x + 0.07, half * 0.9),
                (x, half * 0.94),
                (x + 0.05, 0),
            ],
            palette.accent,
        )
    pen.blob([(-0.22, 0.06), (0.12, 0.0), (0.18, 0.22), (-0.06, 0.24)], palette.dark)
    pen.disc(-0.6, -0.12, 0.14, 0.14, WHITE)
    pen.disc(-0.62, -0.12, 0.075, 0.075, INK)
    pen.stroke([(-0.9, 0.12), (-0.78, 0.17)], 0.035, palette.dark)


def _bird(pen: Pen, rng: Random, palette: Palette) -> None:
    beak = (244, 162, 60)
    pen.polygon([(-0.88, -0.34), (-0.56, -0.5), (-0.56, -0.22)], beak)
    pen.polygon([(0.3, 0.1), (1, -0.14), (0.96, 0.06), (0.98, 0.22), (0.4, 0.36)], palette.dark)
    pen.blob(
        [
            (-0.68, -0.4),
            (-0.4, -0.64),
            (-0.1, -0.44),
            (0.3, -0.1),
            (0.6, 0.14),
            (0.3, 0.42),
            (-0.2, 0.5),
            (-0.56, 0.24),
            (-0.6, -0.1),
        ],
        palette.main,
    )
    pen.blob(
        [(-0.6, -0.12), (-0.42, 0.0), (-0.1, 0.3), (0.1, 0.42), (-0.2, 0.48), (-0.52, 0.24)],
        palette.accent,
    )
    lift = rng.choice((-0.95, -0.8))
    pen.blob(
        [
            (-0.24, -0.16),
            (0.0, -0.5),
            (0.32, lift),
            (0.72, lift - 0.02),
            (0.54, -0.4),
            (0.36, 0.1),
            (0.04, 0.14),
        ],
        palette.dark,
    )
    pen.blob(
        [(-0.1, -0.12), (0.12, -0.44), (0.4, lift + 0.16), (0.4, -0.36), (0.26, 0.02)],
        palette.light,
    )
    pen.disc(-0.46, -0.38, 0.075, 0.075, WHITE)
    pen.disc(-0.47, -0.38, 0.045, 0.045, INK)


def _butterfly(pen: Pen, rng: Random, palette: Palette) -> None:
    spots = [(rng.uniform(0.42, 0.62), rng.uniform(-0.5, -0.34)), (0.42, rng.uniform(0.34, 0.46))]
    for side in (-1, 1):
        upper = [
            (0.05, -0.06),
            (0.3, -0.6),
            (0.78, -0.82),
            (0.94, -0.5),
            (0.74, -0.06),
            (0.3, 0.06),
        ]
        lower = [(0.05, 0.02), (0.4, 0.08), (0.72, 0.3), (0.62, 0.72), (0.34, 0.76), (0.14, 0.4)]
        for wing, colour in ((upper, palette.main), (lower, palette.light)):
            middle = (sum(x for x, _ in wing) / 6, sum(y for _, y in wing) / 6)
            pen.blob([(side * x, y) for x, y in wing], mix(palette.dark, INK, 0.7))
            inner = [
                (middle[0] + (x - middle[0]) * 0.82, middle[1] + (y - middle[1]) * 0.82)
                for x, y in wing
            ]
            pen.blob([(side * x, y) for x, y in inner], colour)
        for x, y in spots:
            pen.disc(side * x, y, 0.12, 0.1, palette.accent)
        pen.stroke([(0, -0.4), (side * 0.1, -0.66), (side * 0.24, -0.8)], 0.03, INK)
    pen.disc(0, 0.05, 0.075, 0.46, INK)
    pen.disc(0, -0.4, 0.1, 0.1, INK)


def _cat(pen: Pen, rng: Random, palette: Palette) -> None:
    pen.stroke([(0.36, 0.84), (0.74, 0.8), (0.82, 0.46), (0.7, 0.2)], 0.15, palette.dark)
    pen.blob(
        [(-0.3, -0.1), (0.3, -0.1), (0.5, 0.5), (0.48, 0.96), (-0.48, 0.96), (-0.5, 0.5)],
        palette.main,
    )
    pen.disc(0, 0.36, 0.22, 0.34, palette.light)
    for side in (-1, 1):
        pen.disc(side * 0.2, 0.93, 0.17, 0.1, palette.light)
        pen.polygon([(side * 0.1, -0.7), (side * 0.5, -1), (side * 0.54, -0.44)], palette.main)
        pen.polygon(
            [(side * 0.22, -0.68), (side * 0.44, -0.86), (side * 0.46, -0.52)], (240, 160, 164)
        )
    pen.disc(0, -0.38, 0.56, 0.44, palette.main)
    for x in (-0.14, 0, 0.14):
        pen.stroke([(x, -0.76), (x * 0.8, -0.6)], 0.05, palette.dark)
    pen.disc(0, -0.22, 0.24, 0.17, palette.light)
    eyes = rng.choice(((132, 190, 90), (240, 196, 80), (110, 180, 214)))
    for side in (-1, 1):
        pen.disc(side * 0.24, -0.42, 0.12, 0.13, eyes)
        pen.disc(side * 0.24, -0.42, 0.05, 0.12, INK)
        pen.disc(side * 0.24 - 0.03, -0.47, 0.03, 0.03, WHITE)
        for drop in (-0.04, 0.06):
            pen.stroke(
                [(side * 0.24, -0.22 + drop * 0.4), (side * 0.7, -0.24 + drop * 1.6)], 0.018, WHITE
            )
        pen.stroke([(0, -0.22), (side * 0.04, -0.15), (side * 0.11, -0.14)], 0.028, INK)
    pen.polygon([(-0.07, -0.3), (0.07, -0.3), (0, -0.22)], (226, 112, 126))


def _owl(pen: Pen, rng: Random, palette: Palette) -> None:
    pen.blob(
        [
            (-0.5, -0.6),
            (0, -0.78),
            (0.5, -0.6),
            (0.62, 0.1),
            (0.44, 0.8),
            (0, 0.92),
            (-0.44, 0.8),
            (-0.62, 0.1),
        ],
        palette.main,
    )
    pen.disc(0, 0.36, 0.38, 0.48, palette.light)
    for row in range(3):
        for column in range(3 - row % 2):
            x = (column - (1 - (row % 2) * 0.5)) * 0.2
            pen.disc(x, 0.26 + row * 0.17, 0.08, 0.05, palette.dark)
    eyes = rng.choice((GOLD, (244, 160, 70)))
    for side in (-1, 1):
        pen.polygon([(side * 0.12, -0.7), (side * 0.56, -1), (side * 0.52, -0.5)], palette.dark)
        pen.blob(
            [(side * 0.5, -0.2), (side * 0.74, 0.2), (side * 0.6, 0.66), (side * 0.42, 0.3)],
            palette.dark,
        )
        pen.disc(side * 0.24, -0.34, 0.27, 0.27, WHITE)
        pen.disc(side * 0.23, -0.34, 0.19, 0.19, eyes)
        pen.disc(side * 0.22, -0.34, 0.1, 0.1, INK)
        pen.disc(side * 0.22 - 0.04, -0.39, 0.035, 0.035, WHITE)
        for toe in (-0.08, 0, 0.08):
            pen.disc(side * 0.2 + toe, 0.93, 0.045, 0.07, (240, 160, 70))
    pen.polygon([(-0.1, -0.24), (0.1, -0.24), (0, -0.02)], (240, 160, 70))


def _sun(pen: Pen, rng: Random, palette: Palette) -> None:
    rays = rng.randint(10, 14)
    pen.disc(0, 0, 0.98, 0.98, (*palette.light, 80))
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
    for radius, veil in ((1.0, 26), (0.88, 40)):
        pen.disc(0, 0, radius, radius, (*palette.light, veil))
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
    pen.disc(0, 0, 0.98, 0.98, (*palette.light, 46))
    pen.polygon(points, palette.main)
    for step in range(0, 10, 2):
        pen.polygon([(0, 0), points[step], points[step - 1]], palette.light)


def _cloud(pen: Pen, rng: Random, palette: Palette) -> None:
    lumps = [(-0.6, 0.16, 0.34), (-0.24, -0.12, 0.42), (0.24, -0.2, 0.46), (0.64, 0.12, 0.36)]
    placed = [(x, y + rng.uniform(-0.08, 0.08), r * rng.uniform(0.9, 1.1)) for x, y, r in lumps]
    pen.rect(-0.94, 0.08, 1.0, 0.5, palette.dark, 0.2)
    for colour, drop, share in (
        (palette.dark, 0.04, 1.0),
        (palette.main, -0.03, 0.96),
        (WHITE, -0.1, 0.66),
    ):
        for x, y, radius in placed:
            pen.disc(x, y + drop, radius * share, radius * share, colour)
        if colour == palette.main:
            pen.rect(-0.9, 0.08, 0.96, 0.4, colour, 0.16)


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
    "cactus": Subject(_cactus, "ground", ("desert", "desert", "table"), ("green",), (0.62, 0.88)),
    "apple": Subject(
        _apple, "ground", ("table", "table", "meadow"), ("red", "green", "yellow"), (0.5, 0.72), 14
    ),
    "fish": Subject(
        _fish, "air", ("depths",), ("red", "orange", "yellow", "pink", "purple"), (0.62, 0.84), 20
    ),
    "bird": Subject(
        _bird,
        "air",
        ("sky", "sky", "forest", "sea", "meadow"),
        ("blue", "red", "yellow", "white"),
        (0.62, 0.82),
        14,
    ),
    "butterfly": Subject(
        _butterfly,
        "air",
        ("meadow", "meadow", "forest", "sky"),
        ("blue", "orange", "purple", "pink", "yellow"),
        (0.62, 0.86),
        24,
    ),
    "cat": Subject(
        _cat,
        "ground",
        ("table", "city", "meadow", "snow"),
        ("orange", "gray", "black", "white"),
        (0.68, 0.88),
        3,
    ),
    "owl": Subject(
        _owl, "ground", ("forest", "forest", "snow"), ("brown", "gray", "purple"), (0.62, 0.84), 3
    ),
    "sun": Subject(
        _sun, "light", ("sea", "desert", "meadow", "sky"), ("yellow", "orange"), (0.5, 0.7), 20
    ),
    "moon": Subject(
        _moon,
        "light",
        ("sea", "desert", "snow", "sky", "forest"),
        ("yellow", "white"),
        (0.54, 0.74),
        24,
    ),
    "star": Subject(
        _star,
        "light",
        ("sky", "sky", "snow", "forest"),
        ("yellow", "white", "red"),
        (0.54, 0.76),
        16,
    ),
    "cloud": Subject(
        _cloud, "light", ("sky", "sky", "sea", "meadow"), ("white", "gray", "pink"), (0.62, 0.84), 3
    ),
    "mountain": Subject(
        _mountain,
        "span",
        ("meadow", "snow", "forest", "desert"),
        ("blue", "purple", "brown"),
        (0.66, 0.84),
        2,
    ),
}
"""The subjects by the word they are tagged with."""
