"""The times of day: how the sky looks, and what its light does to colours."""

from __future__ import annotations

from dataclasses import dataclass

from demo.palette import Colour, mix


@dataclass(frozen=True)
class Light:
    """A time of day: its skies (colours from the top down), and what it does to colours."""

    tags: tuple[str, ...]
    skies: tuple[tuple[Colour, ...], ...]
    veil: Colour
    depth: float
    above: Colour
    below: Colour

    def on(self, colour: Colour) -> Colour:
        """A colour of the ground as this light shows it."""
        return mix(colour, self.veil, self.depth)


LIGHTS: dict[str, Light] = {
    "day": Light(
        tags=(),
        skies=(
            ((96, 176, 232), (176, 220, 244), (236, 246, 248)),
            ((126, 200, 226), (206, 236, 236), (250, 244, 224)),
            ((150, 186, 224), (214, 226, 240), (248, 238, 236)),
        ),
        veil=(255, 255, 255),
        depth=0.0,
        above=(255, 255, 255),
        below=(222, 218, 228),
    ),
    "sunset": Light(
        tags=("sunset",),
        skies=(
            ((92, 70, 140), (232, 104, 112), (252, 186, 104)),
            ((222, 92, 92), (248, 156, 92), (254, 218, 140)),
            ((70, 84, 156), (214, 120, 156), (254, 192, 140)),
        ),
        veil=(216, 98, 84),
        depth=0.28,
        above=(255, 240, 226),
        below=(216, 176, 186),
    ),
    "night": Light(
        tags=("night",),
        skies=(
            ((12, 16, 48), (30, 40, 92), (66, 76, 138)),
            ((16, 12, 44), (48, 36, 96), (96, 72, 136)),
            ((8, 22, 48), (20, 56, 96), (56, 100, 136)),
        ),
        veil=(16, 22, 66),
        depth=0.6,
        above=(236, 238, 255),
        below=(168, 172, 216),
    ),
}
"""The lights by name."""
