"""Photos whose folder is their tag, as features of a backbone, which are computed once."""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from services.embedder.engines.choice import EngineOptions
from services.embedder.engines.engine_options import Inference, Precision
from services.embedder.matching.training_set import TrainingSet
from services.embedder.preprocess import Preprocessing
from services.embedder.registry import load_backbone
from services.embedder.words.vectors import Words

_BATCH = 32
_SUFFIXES = (".jpg", ".jpeg", ".png")


def load(
    photos: Path, network: str, weights: str, words: Words, cache: Path, per_tag: int | None
) -> TrainingSet:
    """The photos of every tag whose words all have a vector, `per_tag` of each at most.

    A file `classes.tsv` among the folders may say which term a folder's name stands for.
    """
    terms = terms_of(photos)
    folders = sorted(path for path in photos.iterdir() if path.is_dir())
    tags: list[str] = []
    files: list[Path] = []
    image_terms: list[list[int]] = []
    for folder in folders:
        term = terms.get(folder.name, folder.name)
        if any(words.find(word) is None for word in re.split(r"[\s_-]+", term)):
            continue
        found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
        found = found[:per_tag]
        files += found
        image_terms += [[len(tags)]] * len(found)
        tags.append(term)
    fingerprint, features = features_of(files, network, weights, cache)
    return TrainingSet(features, tags, image_terms, fingerprint)


def labelled(
    photos: Path, network: str, weights: str, cache: Path, per_tag: int | None = None
) -> tuple[NDArray[np.int64], str, NDArray[np.float32]]:
    """Return the number of each photo's folder, the model's fingerprint, and the features.

    per_tag: photos of each folder at most.
    """
    folders = sorted(path for path in photos.iterdir() if path.is_dir())
    found = [
        sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)[:per_tag]
        for folder in folders
    ]
    labels = np.repeat(np.arange(len(folders)), [len(files) for files in found])
    files = [file for some in found for file in some]
    return labels, *features_of(files, network, weights, cache)


def terms_of(photos: Path) -> dict[str, str]:
    """The terms of folders whose names stand for others."""
    listing = photos / "classes.tsv"
    if not listing.exists():
        return {}
    lines = listing.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t")[:2] for line in lines if "\t" in line)


def features_of(
    files: list[Path], network: str, weights: str, cache: Path
) -> tuple[str, NDArray[np.float32]]:
    """Return the features of each file, (n, dim), kept in `cache`."""
    backbone = load_backbone(network, weights)
    listing = "\n".join([backbone.fingerprint, *(f"{p} {p.stat().st_size}" for p in files)])
    kept = cache / f"{hashlib.sha256(listing.encode()).hexdigest()[:16]}.npy"
    if not kept.exists():
        # In bf16 some networks' features differ, so that it isn't taken and eager fp32 is slow.
        backbone.run_by(EngineOptions(Inference.OPENVINO, Precision.FP32))
        features = np.empty((len(files), backbone.dim), np.float32)
        with ThreadPoolExecutor(torch.get_num_threads()) as readers:
            for start in range(0, len(files), _BATCH):
                batch = files[start : start + _BATCH]
                pixels = readers.map(lambda file: _pixels(file, backbone.preprocessing), batch)
                for row, found in enumerate(backbone.features(list(pixels)), start):
                    if isinstance(found, Exception):
                        raise found
                    features[row] = found
                if start // _BATCH % 20 == 0:
                    print(f"  {start} of {len(files)} photos embedded", flush=True)
        cache.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".partial")
        with partial.open("wb") as out:
            np.save(out, features)
        partial.rename(kept)
    return backbone.fingerprint, np.load(kept, mmap_mode="r")


def _pixels(file: Path, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    with Image.open(file) as image:
        return preprocessing(image.convert("RGB"))
