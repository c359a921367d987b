"""Candidate pairs of pictures, and what a second look at each finds; kept on disk.

Each step is kept in parts, so that a run that was ended goes on where it was.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.duplicates.local_features import SIFT, described
from benchmarks.duplicates.pictures import Picture, thumbnail
from services.indexer.comparing.evidence import compare
from services.indexer.comparing.hashes import HashIndex, hash_of
from services.indexer.comparing.look import Features, Look, look_at

NEIGHBOURS = 6
_AT_ONCE = 500
_BATCH = 16
_LOOKS_KEY, _KEY = "1", "1"
"""Of what is kept; another one if looks, or evidence, are made otherwise."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of pictures by number, first < second, with the numbers of the evidence.

    covers: share of what each shows that the other shows, too, (n, 2). similar: cosine of their
    features. by_features, by_hash: what made it a candidate; neither, if it is a true pair that
    nothing proposed.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    numbers: NDArray[np.float32]
    covers: NDArray[np.float32]
    similar: NDArray[np.float32]
    by_features: NDArray[np.bool_]
    by_hash: NDArray[np.bool_]


def compared(
    pictures: Sequence[Picture], network: str, weights: str, folder: Path, kind: str = SIFT
) -> Pairs:
    """Return all candidates and all true pairs, each looked at. kind: of local features."""
    files = [one.file for one in pictures]
    # What was kept of the product's own features stays valid.
    version = _KEY if kind == SIFT else f"{_KEY}-{kind}"
    listing = "\n".join([version, network, weights, *map(str, files)])
    key = hashlib.sha256(listing.encode()).hexdigest()
    whole = folder / f"pairs-{key[:16]}.npz"
    if whole.exists():
        with np.load(whole) as stored:
            return Pairs(**stored)
    units = _units(files, network, weights, folder)
    print(f"  looking at {len(files)} pictures", flush=True)
    looks = _kept(folder / "looks", files, _looks, _LOOKS_KEY)
    by_features = _near(units)
    hashes = np.stack([hash_of(look) for look in looks])
    by_hash = {(min(a, b), max(a, b)) for a, b in HashIndex(hashes).find(hashes) if a != b}
    wanted = sorted(by_features | by_hash | _true(pictures))
    print(f"  comparing {len(wanted)} pairs", flush=True)
    global _shared
    _shared = [described(look, kind) for look in looks]
    rows = np.array(_kept(folder / "evidence", wanted, _evidence, version + str(files)), np.float32)
    first, second = np.array(wanted).T
    found = Pairs(
        first,
        second,
        rows[:, :-2],
        rows[:, -2:],
        np.einsum("ij,ij->i", units[first], units[second]),
        np.array([pair in by_features for pair in wanted]),
        np.array([pair in by_hash for pair in wanted]),
    )
    np.savez(whole, **vars(found))
    return found


# The looks of all pictures, which forked processes share.
_shared: list[Look] = []


def _looks(files: Sequence[Path]) -> list[Look]:
    return [look_at(thumbnail(file)) for file in files]


def _evidence(pairs: Sequence[tuple[int, int]]) -> list[list[float]]:
    found = [compare(_shared[a], _shared[b]) for a, b in pairs]
    return [[*map(float, one.numbers()), one.covers_first, one.covers_second] for one in found]


def _kept(
    folder: Path, items: Sequence[Any], work: Callable[[Any], list[Any]], key: str
) -> list[Any]:
    """Do some work in parts, in all processes, and keep what each part gives."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE)]
    names = [
        folder
        / f"{hashlib.sha256((key + repr(list(map(str, part)))).encode()).hexdigest()[:20]}.npy"
        for part in parts
    ]
    lacking = [(name, part) for name, part in zip(names, parts, strict=True) if not name.exists()]
    if lacking:
        with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            list(pool.map(partial(_one, work), *zip(*lacking, strict=True)))
    found: list[Any] = []
    for name in names:
        found += _unpacked(name)
    return found


def _one(work: Callable[[Any], list[Any]], name: Path, part: Sequence[Any]) -> None:
    found = work(part)
    if isinstance(found[0], Look):
        found = [
            np.array([one.gray, one.features.places, one.features.descriptors, one.small], object)
            for one in found
        ]
    temporary = name.with_suffix(f".{os.getpid()}")
    with temporary.open("wb") as out:
        np.save(out, np.array([*found, None], object)[:-1], allow_pickle=True)
    temporary.rename(name)


def _unpacked(name: Path) -> list[Any]:
    found = list(np.load(name, allow_pickle=True))
    if not isinstance(found[0], np.ndarray):
        return found
    return [Look(gray, Features(places, rows), small) for gray, places, rows, small in found]


def _units(files: list[Path], network: str, weights: str, folder: Path) -> NDArray[np.float32]:
    """The features of files at length 1, by the engine that the product uses."""
    from services.embedder.engines.choice import EngineOptions
    from services.embedder.engines.engine_options import Inference, Precision
    from services.embedder.registry import load_backbone

    backbone: Any = None
    found = []
    for part in (files[start : start + _AT_ONCE] for start in range(0, len(files), _AT_ONCE)):
        listing = "\n".join([network, weights, *(f"{file} {file.stat().st_size}" for file in part)])
        kept = folder / f"features-{hashlib.sha256(listing.encode()).hexdigest()[:16]}.npy"
        if not kept.exists():
            if backbone is None:
                backbone = load_backbone(network, weights)
                backbone.run_by(EngineOptions(Inference.OPENVINO, Precision.FP32))
            np.save(kept, _embedded(backbone, part))
            print(f"  {len(part)} embedded", flush=True)
        found.append(np.load(kept))
    rows = np.concatenate(found)
    units: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return units


def _embedded(backbone: Any, files: Sequence[Path]) -> NDArray[np.float32]:
    found = []
    with ThreadPoolExecutor(2) as readers:

        def pixels(file: Path) -> NDArray[np.uint8]:
            with Image.open(file) as image:
                read: NDArray[np.uint8] = backbone.preprocessing(image.convert("RGB"))
            return read

        for start in range(0, len(files), _BATCH):
            found += list(backbone.features(list(readers.map(pixels, files[start:][:_BATCH]))))
    return np.stack(found)


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
