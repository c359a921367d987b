"""The sample collection: some hundred tagged pictures, drawn anew wherever they are wanted."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from math import radians
from pathlib import Path
from random import Random

from PIL import Image, ImageChops

from demo import nature, things
from demo.canvas import Box, Pen, Subject, blank_layer, lit, settle, soft_shadow
from demo.palette import palette_of
from demo.places import PLACES
from demo.scenes import Scene, paint_scene, snowfall

SUBJECTS: dict[str, Subject] = {**nature.SUBJECTS, **things.SUBJECTS}
"""Everything the sample shows, by the word it is tagged with."""

SIZES: tuple[tuple[int, int], ...] = ((320, 240), (320, 240), (320, 240), (256, 256), (240, 320))
"""Width and height in pixels; landscape is the commonest."""

QUALITY = 88
MANIFEST = "manifest.csv"


@dataclass(frozen=True)
class Picture:
    """A finished picture and its tags, the main subject first."""

    image: Image.Image
    tags: tuple[str, ...]


def draw_sample(folder: Path, *, count: int = 480, seed: int = 7) -> Path:
    """Draw `count` pictures and their manifest under `folder`; return the manifest's path.

    The same seed gives the same bytes, and picture n does not depend on `count`. Drawing again
    overwrites; pictures of an earlier, longer sample stay, but the manifest lists them no more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = list(SUBJECTS)
    rows: list[tuple[str, str]] = []
    for index in range(count):
        name = names[index % len(names)]
        picture = draw_picture(name, Random(f"{seed}/{index}"))
        path = f"{name}-{index // len(names) + 1:02d}.jpg"
        picture.image.save(folder / path, "JPEG", quality=QUALITY)
        rows.append((path, ";".join(picture.tags)))
    manifest = folder / MANIFEST
    # Written aside and moved in last: a manifest that is there names only whole pictures.
    partial = folder / f"{MANIFEST}.part"
    with partial.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(("path", "tags"))
        writer.writerows(rows)
    partial.replace(manifest)
    return manifest


def draw_picture(name: str, rng: Random) -> Picture:
    """Draw one picture of the subject called `name` (a key of `SUBJECTS`)."""
    subject = SUBJECTS[name]
    size = rng.choice(SIZES)
    place = rng.choice(subject.places)
    light = _light_for(name, place, rng)
    hue = rng.choice(subject.hues)
    scene = paint_scene(size, place, light, rng, lamp=subject.stance != "light")
    layer = blank_layer(size)
    subject.draw(Pen(layer, _box_for(subject, scene, rng)), rng, palette_of(hue, rng))
    image = _lay(scene, subject, settle(layer))
    if place == "snow":
        snowfall(image, rng)
    return Picture(_grain(image, rng), tuple(dict.fromkeys((name, *scene.tags, hue))))


def _light_for(name: str, place: str, rng: Random) -> str:
    lights = PLACES[place].lights
    if name in ("moon", "star"):
        return "night"
    if name == "sun":
        lights = tuple(light for light in lights if light != "night")
    return rng.choice(lights)


def _box_for(subject: Subject, scene: Scene, rng: Random) -> Box:
    width, height = scene.image.size
    half = rng.uniform(*subject.size) * min(width, height) / 2
    slack = max(0.0, width / 2 - half)
    x = width / 2 + rng.uniform(-slack, slack)
    if subject.stance == "ground":
        # A foot below the horizon, or the subject would hover above its ground.
        foot = rng.uniform(max(scene.horizon + 0.12 * height, 2 * half * 0.98), 0.97 * height)
        y = foot - half
    elif subject.stance == "water":
        y = rng.uniform(scene.horizon + 0.1 * height, 0.95 * height) - half * 0.9
        y = max(y, half)
    elif subject.stance == "span":
        x = width / 2 + rng.uniform(-0.12, 0.12) * width
        y = scene.horizon - half * rng.uniform(0.5, 0.7)
    else:
        slack = max(0.0, height / 2 - half)
        y = height / 2 + rng.uniform(-slack, slack)
    tilt = radians(rng.uniform(-subject.tilt, subject.tilt))
    return Box(x, y, half, tilt, mirrored=rng.random() < 0.5)


def _lay(scene: Scene, subject: Subject, layer: Image.Image) -> Image.Image:
    """Lay the subject's layer over its scene, lit and shadowed as its stance asks."""
    image = scene.image
    if subject.stance != "light":
        layer = lit(layer, scene.light.above, scene.light.below)
        shadow = soft_shadow(layer, (5, 7), 6, 0.34)
        image.paste(shadow, (0, 0), shadow)
    image.paste(layer, (0, 0), layer)
    return image


def _grain(image: Image.Image, rng: Random) -> Image.Image:
    """Add a fine paper grain: flat fills alone look sterile, and make even edges ring in JPEG."""
    width, height = image.size
    noise = Image.frombytes("L", image.size, rng.randbytes(width * height))
    fine = noise.point([value * 10 // 256 for value in range(256)])
    return ImageChops.subtract(image, Image.merge("RGB", (fine, fine, fine)), 1, 5)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the sample from the command line."""
    parser = argparse.ArgumentParser(prog="python -m demo.sample", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="OUT", help="the folder to draw into")
    parser.add_argument("--count", type=int, default=480, help="how many pictures (480)")
    parser.add_argument("--seed", type=int, default=7, help="which sample (7)")
    options = parser.parse_args(arguments)
    print(draw_sample(options.folder, count=options.count, seed=options.seed))


if __name__ == "__main__":
    main()
