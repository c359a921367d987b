"""The subjects that live, drawn in a box from -1 to 1."""

from __future__ import annotations

from random import Random

from demo.canvas import Pen, Subject
from demo.palette import GOLD, INK, WHITE, Palette, mix


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


SUBJECTS: dict[str, Subject] = {
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
}
"""The subjects by the word they are tagged with."""
