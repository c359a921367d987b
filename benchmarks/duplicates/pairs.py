"""Candidate pairs of pictures, and what a second look at each finds; kept on disk."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.duplicates.pictures import Picture
from benchmarks.matching import photos
from services.indexer.comparing.evidence import compare
from services.indexer.comparing.hashes import found_by_hash, hash_of
from services.indexer.comparing.look import Look, look_at
from shared.maths.linear_algebra import one_thread

NEIGHBOURS = 6


@dataclass(frozen=True)
class Pairs:
    """Pairs of pictures by number, first < second, with the numbers of the evidence.

    similar: cosine of their features. by_features, by_hash: what made it a candidate; neither, if
    it is a true pair that no one proposed.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    numbers: NDArray[np.float32]
    similar: NDArray[np.float32]
    by_features: NDArray[np.bool_]
    by_hash: NDArray[np.bool_]


def compared(pictures: Sequence[Picture], network: str, weights: str, folder: Path) -> Pairs:
    """Return all candidates and all true pairs, each looked at."""
    files = [one.file for one in pictures]
    _, features = photos.features_of(files, network, weights, folder)
    units = np.asarray(features, np.float32)
    units = units / np.linalg.norm(units, axis=1, keepdims=True)
    code = b"".join(path.read_bytes() for path in sorted(Path(_code()).glob("[el]*.py")))
    key = "\n".join([*map(str, files), network, str(NEIGHBOURS)]).encode() + code
    kept = folder / f"pairs-{hashlib.sha256(key).hexdigest()[:16]}.npz"
    if kept.exists():
        with np.load(kept) as found:
            return Pairs(**found)
    with one_thread():
        print(f"  looking at {len(files)} pictures", flush=True)
        looks = [look_at(thumbnail(file)) for file in files]
        by_features = _near(units)
        hashes = np.stack([hash_of(look) for look in looks])
        by_hash = {(min(a, b), max(a, b)) for a, b in found_by_hash(hashes, hashes) if a != b}
        wanted = sorted(by_features | by_hash | _true(pictures))
        print(f"  comparing {len(wanted)} pairs", flush=True)
        rows = [compare(looks[a], looks[b]).numbers() for a, b in wanted]
    first, second = np.array(wanted).T
    found = Pairs(
        first,
        second,
        np.stack(rows),
        np.einsum("ij,ij->i", units[first], units[second]),
        np.array([pair in by_features for pair in wanted]),
        np.array([pair in by_hash for pair in wanted]),
    )
    np.savez(kept, **vars(found))
    return found


def thumbnail(file: Path) -> bytes:
    """Return what the indexer keeps of a picture."""
    with Image.open(file) as image:
        small = image.convert("RGB")
    small.thumbnail((320, 320))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=85, progressive=True)
    return out.getvalue()


def looks_of(pictures: Sequence[Picture]) -> list[Look]:
    return [look_at(thumbnail(one.file)) for one in pictures]


def _code() -> Path:
    from services.indexer import comparing

    return Path(comparing.__path__[0])


def _near(units: NDArray[np.float32]) -> set[tuple[int, int]]:
    found: set[tuple[int, int]] = set()
    for start in range(0, len(units), 1024):
        products = units[start : start + 1024] @ units.T
        rows = np.arange(start, start + len(products))
        products[np.arange(len(products)), rows] = -1
        near = np.argpartition(-products, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        for row, its in zip(rows.tolist(), near.tolist(), strict=True):
            found |= {(min(row, one), max(row, one)) for one in its}
    return found


def _true(pictures: Sequence[Picture]) -> set[tuple[int, int]]:
    """Each original with each of its copies."""
    whole = {one.original: n for n, one in enumerate(pictures) if not one.change}
    return {
        (whole[one.original], n)
        for n, one in enumerate(pictures)
        if one.change and one.original in whole
    }
