"""Searches of small collections drawn from tagged photos, whose classes have different sizes."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.matching.images import index_of
from services.indexer.clustering import transforms
from services.indexer.measuring import counting
from shared.engines.evidence import Reach, moments_of
from shared.maths.count_fitting import Search
from shared.maths.evidence import PLACES, Evidence
from shared.maths.standard_scores import ScoreSample
from shared.snapshots.transform import transformed

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

_NEAREST = 1000


def drawn(labels: Labels, least: int, rng: np.random.Generator) -> Labels:
    """Rows of a collection that has `least` to all photos of each class."""
    rows = []
    for one in np.unique(labels):
        here = rng.permutation(np.flatnonzero(labels == one))
        rows.append(here[: int(rng.integers(min(least, len(here)), len(here) + 1))])
    return np.sort(np.concatenate(rows))


def stored(fingerprint: str, features: Floats) -> Floats:
    """Features as a build of these pictures stores them."""
    dim = features.shape[1]
    name = transforms.chosen("auto", fingerprint, len(features), dim)
    transform = transforms.learned(name, features, dim)
    return np.concatenate([block for _, block in transformed([(0, features)], transform)])


def picture_searches(vectors: Floats, labels: Labels, seed: int) -> list[Search]:
    """Every picture as a query, by the way that the indexer learns to count."""
    tags = {number: [f"{label:06d}"] for number, label in enumerate(labels.tolist())}
    kinds = np.unique(labels)
    with TemporaryDirectory() as folder:
        index = index_of(Path(folder), vectors)
        moments = moments_of(index)
        if moments is None:
            return []
        where = Reach(index.clusters)
        found = list(counting.searches(index, tags, where, moments, seed, True, most=len(labels)))
    return [_of_kind(one, int(kinds[one.kind])) for one in found]


def _of_kind(search: Search, kind: int) -> Search:
    return Search(search.evidence, search.matched, search.matches, kind, search.absent)


def word_searches(
    terms: Floats, kinds: Sequence[int], images: Floats, labels: Labels
) -> list[Search]:
    """Words as queries to pictures in the joint space, by cosine."""
    moments = ScoreSample.of(images)
    units = images / np.maximum(np.linalg.norm(images, axis=1, keepdims=True), 1e-12)
    found = []
    for term, kind in zip(terms, kinds, strict=True):
        level = moments.level(term)
        matches = labels == kind
        if level is None or not matches.any():
            continue
        cosines = (units @ (term / np.linalg.norm(term))).astype(np.float64)
        order = np.argsort(-cosines, kind="stable")[:_NEAREST]
        others = np.argsort(-np.where(matches, -9, cosines), kind="stable")
        others = others[: min(_NEAREST, int((~matches).sum()))]
        found.append(
            Search(
                _evidence(cosines[order], level),
                matches[order],
                int(matches.sum()),
                kind,
                _evidence(cosines[others], level),
            )
        )
    return found


def _evidence(cosines: NDArray[np.float64], level: tuple[float, float]) -> Evidence:
    moved = np.full(len(cosines), np.nan)
    moved[:PLACES] = cosines[:PLACES]
    return Evidence(cosines, moved, *level)
