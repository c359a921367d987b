"""Collections of originals, their changed copies and look-alikes, as files."""

import io
import os
import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.duplicates.changes import CHANGES, moved

_PIXELS = 320


@dataclass(frozen=True)
class Picture:
    """A file; `original`: number of the photo that it shows, `change`: what was done to it.

    scene: number of the photo whose scene it shows, which a move leaves as it is. fold, half:
    parts of the classes, the second one of each fold.
    """

    file: Path
    original: int
    change: str
    scene: int
    fold: int
    half: int


def made(photos: Path, folder: Path, originals: int, copies: int, seed: int = 0) -> list[Picture]:
    """Return the pictures: a folder of photos by class, its look-alikes and its changed copies.

    photos: has `caltech101/<class>/` and `imagenet-samples/`. copies: changes of each original; all
    twelve come equally often. There are as many look-alikes as originals: other photos of the same
    classes, single ones of others, and moved ones, as of a burst.
    """
    rng = np.random.default_rng(seed)
    first, others = _parted(photos, originals)
    files = [*first, *others]
    number_of_moved = max(0, originals - len(others))
    folder.mkdir(parents=True, exist_ok=True)
    found = [
        Picture(file, n, "", n, *_parts(file)) for n, file in enumerate(files[: 2 * originals])
    ]
    names = list(CHANGES)
    wanted = [
        (file, n, names[(n * copies + i) % len(names)])
        for n, file in enumerate(first)
        for i in range(copies)
    ]
    chosen = np.sort(rng.permutation(len(first))[:number_of_moved]).tolist()
    wanted += [(first[n], n, "moved") for n in chosen]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        copied = list(pool.map(_copy, repeat(folder), *zip(*wanted, strict=True), chunksize=50))
    for (file, n, name), path in zip(wanted, copied, strict=True):
        # A moved picture is another one, of the same scene.
        shown = len(files) + n if name == "moved" else n
        found.append(Picture(path, shown, name, n, *_parts(file)))
    return found


def thumbnail(file: Path) -> bytes:
    """Return what the indexer keeps of a picture."""
    with Image.open(file) as image:
        image.draft("RGB", (640, 640))
        small = image.convert("RGB")
    small.thumbnail((320, 320))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=85, progressive=True)
    return out.getvalue()


def _parted(photos: Path, originals: int) -> tuple[list[Path], list[Path]]:
    """The originals, evenly from all classes, and other photos."""
    classes = sorted(path for path in (photos / "caltech101").iterdir() if path.is_dir())
    by_class = [sorted(path.glob("*.jpg")) for path in classes]
    each = -(-originals // len(classes))
    first = [file for files in by_class for file in files[:each]][:originals]
    beside = [file for files in by_class for file in files[each : each + max(1, each // 4)]]
    singles = sorted((photos / "imagenet-samples").glob("*.[jJ]*"))
    return first, [*beside, *singles[: originals // 2]]


def _parts(file: Path) -> tuple[int, int]:
    """Pictures of a class are of one fold, and of one half, since they may resemble each other."""
    name = file.parent.name.encode() + file.stem[-3:].encode() * ("imagenet" in str(file))
    return sum(name) % 2, zlib.crc32(name) % 2


def _copy(folder: Path, file: Path, number: int, name: str) -> Path:
    path = folder / f"{number:05d}-{name}.jpg"
    if not path.exists():
        rng = np.random.default_rng([number, *name.encode()])
        with Image.open(file) as opened:
            image = opened.convert("RGB")
        image.thumbnail((_PIXELS, _PIXELS))
        change = moved if name == "moved" else CHANGES[name]
        partial = path.with_suffix(f".{os.getpid()}")
        change(image, rng).save(partial, "JPEG", quality=90)
        partial.rename(path)
    return path
