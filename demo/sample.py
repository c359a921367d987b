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

from demo import buildings, creatures, heavens, plants, things
from demo.canvas import Box, Pen, Subject, blank_layer, glow, lit, settle, soft_shadow
from demo.palette import palette_of
from demo.places import PLACES
from demo.scenes import Scene, hang_lamp, paint_ground, paint_sky, snowfall

SUBJECTS: dict[str, Subject] = {
    **plants.SUBJECTS,
    **creatures.SUBJECTS,
    **heavens.SUBJECTS,
    **buildings.SUBJECTS,
    **things.SUBJECTS,
}
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
    lights = [light for light in PLACES[place].lights if light in subject.lights]
    light = rng.choice(lights)
    hue = rng.choice(subject.hues)
    scene = paint_sky(size, place, light, rng)
    box = _box_for(subject, scene, rng)
    if subject.stance != "light":
        hang_lamp(scene, box, rng)
    behind = subject.stance in ("light", "range")
    if not behind:
        paint_ground(scene, rng)
    layer = blank_layer(size)
    # Its own generator: what a subject draws by chance must not change the scene around it.
    chance = Random(rng.getrandbits(64))
    subject.draw(Pen(layer, box), chance, palette_of(hue, chance))
    _lay_subject(scene, subject, box, settle(layer))
    if behind:
        paint_ground(scene, rng)
    if place == "snow":
        snowfall(scene, rng)
    tags = dict.fromkeys((name, *scene.tags, hue))
    return Picture(_grain(scene.image, rng), tuple(tags))


def _box_for(subject: Subject, scene: Scene, rng: Random) -> Box:
    width, height = scene.image.size
    half = rng.uniform(*subject.size) * min(width, height) / 2
    x = _within(width, half, rng)
    match subject.stance:
        case "ground":
            # A foot well below the horizon, or the subject would hover above its ground.
            lowest = 0.97 * height
            highest = max(scene.horizon + 0.15 * height, 2 * half)
            y = rng.uniform(min(highest, lowest), lowest) - subject.foot * half
        case "water":
            y = max(rng.uniform(scene.horizon + 0.12 * height, 0.95 * height) - 0.9 * half, half)
        case "light":
            y = max(rng.uniform(0.35, 0.75) * scene.horizon, half * 0.9)
        case "range":
            y = scene.horizon - half * rng.uniform(0.5, 0.64)
        case "span":
            x = width * rng.uniform(0.38, 0.62)
            y = scene.horizon - half * rng.uniform(0.4, 0.6)
        case "air":
            y = _within(height, half, rng)
    tilt = radians(rng.uniform(-subject.tilt, subject.tilt))
    return Box(x, y, half, tilt, mirrored=rng.random() < 0.5)


def _within(length: int, half: float, rng: Random) -> float:
    """A middle that keeps `half` to either side within `length`, all in pixels."""
    return rng.uniform(half, length - half) if 2 * half < length else length / 2


def _lay_subject(scene: Scene, subject: Subject, box: Box, layer: Image.Image) -> None:
    """Lay the subject's layer over its scene, lit and shadowed as its stance asks."""
    if subject.stance == "light":
        scene.lay(glow(layer, box.half * 0.22, 0.5))
        scene.lay(layer)
        return
    if subject.stance == "ground":
        foot = blank_layer(layer.size)
        Pen(foot, Box(box.x, box.y, box.half)).disc(0.08, subject.foot, 0.66, 0.07, (0, 0, 0))
        scene.lay(soft_shadow(settle(foot), (0, 0), 4, 0.3))
    layer = lit(layer, scene.light.above, scene.light.below)
    scene.lay(soft_shadow(layer, (4, 5), 4.5, 0.26))
    scene.lay(layer)


def _grain(image: Image.Image, rng: Random) -> Image.Image:
    """Add a fine paper grain: flat fills alone look sterile, and make even edges ring in JPEG."""
    width, height = image.size
    noise = Image.frombytes("L", image.size, rng.randbytes(width * height))
    fine = noise.point([value * 7 // 256 for value in range(256)])
    return ImageChops.subtract(image, Image.merge("RGB", (fine, fine, fine)), 1, 3)


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
