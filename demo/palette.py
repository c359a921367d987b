"""Colours: the named hues a picture may be tagged with, and arithmetic on them."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from random import Random

Colour = tuple[int, int, int]

WHITE: Colour = (250, 248, 242)
INK: Colour = (46, 44, 58)
CREAM: Colour = (250, 232, 200)
GOLD: Colour = (250, 204, 84)
WOOD: Colour = (140, 94, 62)
STONE: Colour = (150, 150, 160)

HUES: dict[str, Colour] = {
    "red": (216, 62, 58),
    "orange": (240, 138, 48),
    "yellow": (248, 204, 66),
    "green": (88, 166, 88),
    "blue": (58, 124, 204),
    "purple": (138, 94, 190),
    "pink": (242, 134, 168),
    "white": (240, 238, 232),
    "black": (64, 60, 72),
    "gray": (150, 152, 164),
    "brown": (156, 104, 68),
}
"""The hues by the word they are tagged with."""

ACCENTS: tuple[Colour, ...] = (WHITE, CREAM, GOLD, (112, 196, 196), (244, 154, 130))


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Blend two colours; `share` (0 to 1) is how much of the second is taken."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def lighten(colour: Colour, share: float) -> Colour:
    """Move a colour towards white by `share` (0 to 1)."""
    return mix(colour, (255, 255, 255), share)


def darken(colour: Colour, share: float) -> Colour:
    """Move a colour towards a cool black by `share` (0 to 1); pure black looks dirty."""
    return mix(colour, (20, 16, 44), share)


def deepen(colour: Colour) -> Colour:
    """The shaded side of a colour: darker and fuller, so that orange does not turn to brown."""
    hue, saturation, value = _to_hsv(colour)
    return _from_hsv(hue if hue > 0.2 else max(0.0, hue - 0.025), saturation * 1.12, value * 0.84)


def jitter(colour: Colour, rng: Random, amount: float = 1.0) -> Colour:
    """Vary hue, saturation and brightness a little, so that one name has many shades."""
    hue, saturation, value = _to_hsv(colour)
    return _from_hsv(
        (hue + rng.uniform(-0.018, 0.018) * amount) % 1.0,
        saturation * (1 + rng.uniform(-0.14, 0.14) * amount),
        value * (1 + rng.uniform(-0.08, 0.08) * amount),
    )


@dataclass(frozen=True)
class Palette:
    """The colours one subject is drawn with: a main hue, its two shades and an accent."""

    main: Colour
    light: Colour
    dark: Colour
    accent: Colour


def palette_of(name: str, rng: Random) -> Palette:
    """Make a palette around the hue called `name` (a key of `HUES`)."""
    main = jitter(HUES[name], rng)
    accents = [accent for accent in ACCENTS if _distance(accent, main) > 110]
    return Palette(
        main=main,
        light=lighten(main, 0.34),
        dark=deepen(main),
        accent=jitter(rng.choice(accents), rng, 0.5),
    )


def _distance(first: Colour, second: Colour) -> int:
    return sum(abs(a - b) for a, b in zip(first, second, strict=True))


def _to_hsv(colour: Colour) -> tuple[float, float, float]:
    red, green, blue = (part / 255 for part in colour)
    return colorsys.rgb_to_hsv(red, green, blue)


def _from_hsv(hue: float, saturation: float, value: float) -> Colour:
    parts = colorsys.hsv_to_rgb(hue, min(1.0, saturation), min(1.0, value))
    red, green, blue = (round(part * 255) for part in parts)
    return red, green, blue
