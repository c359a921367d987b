"""The drawing surface: an oversized layer, and a pen that draws on it inside a tilted box."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from demo.palette import Colour, Palette

OVERSAMPLE = 3
"""Layers are drawn this many times larger and averaged down, as ImageDraw does not antialias."""

Point = tuple[float, float]
Paint = Colour | tuple[int, int, int, int]
Stance = Literal["ground", "water", "air", "light", "range", "span"]


@dataclass(frozen=True)
class Box:
    """Place of a subject: centre and half side in picture pixels, tilt in radians."""

    x: float
    y: float
    half: float
    tilt: float = 0.0
    mirrored: bool = False


class Pen:
    """Draws filled shapes in the coordinates of a box: x and y from -1 to 1, y downwards."""

    def __init__(self, layer: Image.Image, box: Box) -> None:
        self._draw = ImageDraw.Draw(layer)
        self._box = box
        self._unit = box.half * OVERSAMPLE
        self._cos = math.cos(box.tilt)
        self._sin = math.sin(box.tilt)

    def polygon(self, points: Sequence[Point], fill: Paint) -> None:
        """Fill a polygon."""
        self._draw.polygon([self._place(point) for point in points], fill=fill)

    def blob(self, points: Sequence[Point], fill: Paint) -> None:
        """Fill the smooth closed curve through `points`."""
        self.polygon(smooth(points), fill)

    def disc(
        self, x: float, y: float, rx: float, ry: float, fill: Paint, turn: float = 0.0
    ) -> None:
        """Fill an ellipse of radii `rx` and `ry`, turned by `turn` radians."""
        cos, sin = math.cos(turn), math.sin(turn)
        rim = arc(0.0, 0.0, rx, ry, 0.0, math.tau)
        self.polygon([(x + u * cos - v * sin, y + u * sin + v * cos) for u, v in rim], fill)

    def rect(
        self, left: float, top: float, right: float, bottom: float, fill: Paint, round_by: float = 0
    ) -> None:
        """Fill a rectangle, its corners rounded by the radius `round_by`."""
        if not round_by:
            self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], fill)
            return
        quarter = math.pi / 2
        centres = (
            (right - round_by, bottom - round_by),
            (left + round_by, bottom - round_by),
            (left + round_by, top + round_by),
            (right - round_by, top + round_by),
        )
        points: list[Point] = []
        for turn, (x, y) in enumerate(centres):
            points += arc(x, y, round_by, round_by, turn * quarter, (turn + 1) * quarter, 8)
        self.polygon(points, fill)

    def stroke(self, points: Sequence[Point], width: float, fill: Paint) -> None:
        """Draw a line of `width` through `points`, with round ends and joints."""
        placed = [self._place(point) for point in points]
        thick = max(1, round(width * self._unit))
        self._draw.line(placed, fill=fill, width=thick, joint="curve")
        radius = thick / 2
        for x, y in (placed[0], placed[-1]):
            self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)

    def _place(self, point: Point) -> Point:
        x = -point[0] if self._box.mirrored else point[0]
        y = point[1]
        return (
            self._box.x * OVERSAMPLE + (x * self._cos - y * self._sin) * self._unit,
            self._box.y * OVERSAMPLE + (x * self._sin + y * self._cos) * self._unit,
        )


Drawer = Callable[[Pen, Random, Palette], None]


@dataclass(frozen=True)
class Subject:
    """How one subject is drawn, and where it may stand.

    `stance` is what carries it: ground, water or air; a light shines in the sky and a range rises
    at its edge, both behind the ground; a span crosses the picture. `size` is the least and the
    largest half side as a share of half the picture's short side, `tilt` the largest tilt in
    degrees, `foot` the y it stands on; `lights` narrows the times of day its places offer.
    """

    draw: Drawer
    stance: Stance
    places: tuple[str, ...]
    hues: tuple[str, ...]
    size: tuple[float, float] = (0.62, 0.86)
    tilt: float = 4.0
    foot: float = 0.95
    lights: tuple[str, ...] = ("day", "sunset", "night")


def arc(
    x: float, y: float, rx: float, ry: float, start: float, end: float, steps: int = 40
) -> list[Point]:
    """The points of an elliptic arc from `start` to `end` radians, clockwise on the screen."""
    angles = (start + (end - start) * step / steps for step in range(steps + 1))
    return [(x + rx * math.cos(angle), y + ry * math.sin(angle)) for angle in angles]


def smooth(points: Sequence[Point], steps: int = 8) -> list[Point]:
    """The closed Catmull-Rom curve through `points`, `steps` points for each given one."""
    count = len(points)
    curve: list[Point] = []
    for index in range(count):
        ring = [points[(index + shift) % count] for shift in (-1, 0, 1, 2)]
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = ring
        for step in range(steps):
            t = step / steps
            curve.append((_spline(ax, bx, cx, dx, t), _spline(ay, by, cy, dy, t)))
    return curve


def _spline(a: float, b: float, c: float, d: float, t: float) -> float:
    linear, square, cube = c - a, 2 * a - 5 * b + 4 * c - d, 3 * b - a - 3 * c + d
    return b + 0.5 * t * (linear + t * (square + t * cube))


def gradient(size: tuple[int, int], stops: Sequence[Colour]) -> Image.Image:
    """A picture of `size` pixels that runs from the first colour (top) through to the last."""
    column = Image.new("RGB", (1, len(stops)))
    column.putdata(list(stops))
    # The stops sit at pixel centres: the half pixel beyond the first and the last is cut off.
    inner = (0.0, 0.5, 1.0, len(stops) - 0.5)
    return column.resize(size, Image.Resampling.BILINEAR, box=inner)


def blank_layer(size: tuple[int, int]) -> Image.Image:
    """A clear layer to draw on with a pen, for a picture of `size` pixels."""
    return Image.new("RGBA", (size[0] * OVERSAMPLE, size[1] * OVERSAMPLE), (0, 0, 0, 0))


def settle(layer: Image.Image) -> Image.Image:
    """Average a layer down to the picture's own pixels; this is what smooths the edges."""
    return layer.reduce(OVERSAMPLE)


def lit(layer: Image.Image, above: Colour, below: Colour) -> Image.Image:
    """Tint a settled layer as light falls on it: by `above` at its top, `below` at its foot."""
    extent = layer.getbbox()
    if extent is None:
        return layer
    left, top, right, bottom = extent
    tint = Image.new("RGB", layer.size, (255, 255, 255))
    tint.paste(gradient((right - left, bottom - top), (above, below)), (left, top))
    shaded = ImageChops.multiply(layer.convert("RGB"), tint)
    shaded.putalpha(layer.getchannel("A"))
    return shaded


def soft_shadow(
    layer: Image.Image, shift: tuple[int, int], blur: float, share: float
) -> Image.Image:
    """The blurred shadow of a settled layer: `shift` and `blur` in pixels, `share` its depth."""
    alpha = _spread(layer.getchannel("A"), blur, share)
    shadow = Image.new("RGBA", layer.size, (18, 16, 44, 0))
    shifted = Image.new("L", layer.size)
    shifted.paste(alpha, shift)
    shadow.putalpha(shifted)
    return shadow


def glow(layer: Image.Image, blur: float, share: float) -> Image.Image:
    """The light that a settled layer sheds around it: `blur` in pixels, `share` its strength."""
    halo = Image.new("RGBA", layer.size, (255, 240, 200, 0))
    halo.putalpha(_spread(layer.getchannel("A"), blur, share))
    return halo


def _spread(alpha: Image.Image, blur: float, share: float) -> Image.Image:
    """Blur an opacity and scale it by `share`."""
    return alpha.filter(ImageFilter.GaussianBlur(blur)).point(lambda value: int(value * share))
