"""Labels of photos: how often the likeliest one is right, where its probability is high enough.

A label is right if the photo's tag is one of its names, or a word above it in WordNet. Of a tag
that stands for no class, no label can be right by that: these photos are told apart.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.matching import photos
from services.embedder.registry import load_backbone
from services.embedder.words.hierarchy import Hierarchy
from shared.core.errors import NotFound
from shared.labels.head import LabelHead

_LEAST = (0.3, 0.5, 0.8, 0.9)
_SYNSET = re.compile(r"n\d{8}(?=_)")


def measure(folder: Path, network: str, weights: str, cache: Path) -> dict[str, Any]:
    """Measure the labels of photos in folders that are their tags, or of files that name their
    synset, as `n01440764_tench.jpg`. Raises NotFound where the network names no classes.
    """
    head = load_backbone(network, weights).head
    if head is None:
        raise NotFound(f"The weights of {network} bring no classifier whose classes have names.")
    if any(path.is_dir() for path in folder.iterdir()):
        own, features = _by_folder(folder, network, weights, cache, head)
    else:
        own, features = _by_name(folder, network, weights, cache, head)
    logits = np.asarray(features, np.float32) @ head.weight.T + head.bias
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    best, sure = chances.argmax(axis=1), chances.max(axis=1)
    right = own[np.arange(len(own)), best]
    has_class = own.any(axis=1)
    found: dict[str, Any] = {
        "collection": folder.name,
        "photos": len(own),
        "photos_with_a_class": int(has_class.sum()),
    }
    for least in _LEAST:
        taken = sure >= least
        found[f"from {least}"] = {
            "labelled": float(taken.mean()),
            "right": float(right[taken & has_class].mean()),
            "labelled_with_a_class": int((taken & has_class).sum()),
            "labelled_without": int((taken & ~has_class).sum()),
        }
    return found


def _by_folder(
    folder: Path, network: str, weights: str, cache: Path, head: LabelHead
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """The classes that are right for each photo, (n, classes), and features (n, dim)."""
    hierarchy, terms = Hierarchy(head.classes), photos.terms_of(folder)
    numbers, _, features = photos.labelled(folder, network, weights, cache)
    names = [path.name for path in sorted(folder.iterdir()) if path.is_dir()]
    right = np.zeros((len(names), len(head.classes)), bool)
    for row, name in enumerate(names):
        classes = hierarchy.find(terms.get(name, name).replace("_", " "))
        if classes is not None:
            right[row] = classes > 0
    return right[numbers], features


def _by_name(
    folder: Path, network: str, weights: str, cache: Path, head: LabelHead
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    synsets = {one.synset: number for number, one in enumerate(head.classes)}
    files = [file for file in sorted(folder.iterdir()) if _SYNSET.match(file.name)]
    _, features = photos.features_of(files, network, weights, cache)
    right = np.zeros((len(files), len(head.classes)), bool)
    for row, file in enumerate(files):
        found = _SYNSET.match(file.name)
        if found is not None and found.group() in synsets:
            right[row, synsets[found.group()]] = True
    return right, features
