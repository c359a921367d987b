"""Folders of photos: which pictures they hold, and how one is read."""

from collections.abc import Iterable
from pathlib import Path

from PIL import Image

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".webp"})

HELD_OUT_TAGS = (
    "bass",
    "butterfly",
    "cellphone",
    "dalmatian",
    "elephant",
    "emu",
    "faces",
    "flamingo",
    "headphone",
    "inline_skate",
    "kangaroo",
    "lamp",
    "menorah",
    "metronome",
    "motorbikes",
    "nautilus",
    "revolver",
    "scissors",
    "wild_cat",
    "windsor_chair",
)
"""The Caltech 101 classes that training never sees.

`random.Random(0).sample(sorted(tags), 20)` of the 100 tags used, sorted.
"""


def list_photos(folders: Iterable[Path], exclude_tags: Iterable[str] = ()) -> list[Path]:
    """Every picture under the folders, sorted, but those whose own folder is in `exclude_tags`."""
    excluded = frozenset(exclude_tags)
    found = [
        path
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES and path.parent.name not in excluded
    ]
    if not found:
        raise ValueError("no pictures in the folders given")
    return found


def read_rgb(path: Path) -> Image.Image:
    """The picture as RGB, fully decoded."""
    with Image.open(path) as image:
        return image.convert("RGB")


def centre_crop(image: Image.Image, short_side: int, side: int) -> Image.Image:
    """Antialiased resize to `short_side` pixels, then the centre square of `side` pixels."""
    scale = short_side / min(image.size)
    width, height = (max(side, round(length * scale)) for length in image.size)
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - side) // 2, (height - side) // 2
    return resized.crop((left, top, left + side, top + side))
