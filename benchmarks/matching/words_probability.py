"""Words on photos without tags: is the packaged probability right on terms that it lacks?

No collection without tags can teach its own probabilities. So a curve is fitted across terms on
photos whose tags nobody showed the joint space, and packaged: numbers only. Collections differ in
how many pictures match a term, if any does, so each is taken as it is and in random parts: some of
its folders, from 3 photos to all of each, asked for their terms and a few that lie in none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.matching import photos
from services.embedder.backbones.lite_backbone import load_lite
from services.embedder.matching.combined import CombinedNetwork
from services.embedder.matching.label_map import learnt_map
from services.embedder.words.meanings import Meanings
from services.embedder.words.vectors import load_words
from shared.maths import calibration
from shared.maths.standard_scores import Shape

Floats = NDArray[np.float64]

_MOST = 3000
"""Photos of a collection, about."""
_HITS = 20
_FOLDS, _STEPS, _RIDGE = 10, 40, 3.0
_PARTS = 60
_LEAST_FOLDERS, _LEAST_EACH, _LEAST_PHOTOS = 10, 3, 60
_MASS = 3000.0
"""Pairs that each set of hits counts as, so that no set outweighs the others."""
_KNOTS = np.linspace(-7, 7, 29)
_DIFFERING = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0)
_DRAWN = 60


@dataclass(frozen=True)
class Collection:
    """Scores of photos to terms, (n, terms), the folder of each photo, and that of each term."""

    name: str
    scores: Floats
    folders: NDArray[np.int64]
    terms: NDArray[np.int64]


@dataclass(frozen=True)
class Hits:
    """First hits: rows of standard score, peak and crowd, (n, 3); which match; terms by number."""

    name: str
    rows: Floats
    matched: NDArray[np.bool_]
    terms: NDArray[np.int64]


def measure(folders: Sequence[Path], cache: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure terms by the joint space that has seen no tag; also return the curve to package."""
    collections = [_collection(folder, cache) for folder in folders]
    sets, first = [], 0
    for number, one in enumerate(collections):
        sets += [_as_it_is(one, first), _in_parts(one, first, number)]
        first += len(one.terms)
    told = _held_out(sets, first)
    found: dict[str, Any] = {
        one.name: _worth(chances, one.matched) for one, chances in zip(sets, told, strict=True)
    }
    for hits, chances in zip(sets[::2], told[::2], strict=True):
        found[hits.name]["expected_error_of_exact"] = _of_exact(chances, hits)
    for start, name in ((0, "all as they are"), (1, "all in parts")):
        matched = np.concatenate([one.matched for one in sets[start::2]])
        found[name] = _worth(np.concatenate(told[start::2]), matched)
    for number, one in enumerate(collections):
        others = [some for at, some in enumerate(sets) if at // 2 != number]
        if others:
            other = sets[2 * number]
            found[f"{one.name}, fitted on the others"] = _worth(
                _chances(_logistic(others), other.rows), other.matched
            )
    weights = _logistic(sets)
    whole = found["all as they are"]
    packaged = {
        "peak_weight": round(float(weights[2] / weights[1]), 4),
        "crowd_weight": round(float(weights[3] / weights[1]), 4),
        "scores": [round(float(one), 4) for one in (_KNOTS - weights[0]) / weights[1]],
        "probabilities": [round(float(one), 5) for one in 1 / (1 + np.exp(-_KNOTS))],
        "queries": first,
        "pairs": sum(len(one.matched) for one in sets[::2]),
        **{name: whole[name] for name in ("expected_error", "brier", "base_rate_brier")},
        "predicted": whole["predicted"],
        "matched": whole["matched"],
    }
    return found, packaged


def _collection(folder: Path, cache: Path) -> Collection:
    backbone = load_lite()
    if backbone.head is None:
        raise RuntimeError("the backbone has no named classifier")
    meanings = Meanings(load_words(), backbone.head)
    each = max(1, _MOST // sum(path.is_dir() for path in folder.iterdir()))
    labels, _, features = photos.labelled(folder, "lite", "", cache, each)
    terms = photos.terms_of(folder)
    names = [path.name for path in sorted(folder.iterdir()) if path.is_dir()]
    tags = [terms.get(name, name).replace("_", " ") for name in names]
    whole = np.asarray(features, np.float32)
    network = CombinedNetwork(learnt_map(meanings, whole), None, meanings.words.dim).eval()
    rows = meanings.embed(tags, allow_unknown=True)
    known = np.array([number for number, row in enumerate(rows) if row is not None])
    vectors = network.project_words(np.stack([row for row in rows if row is not None]))
    scores = (network.project_images(whole) @ vectors.T).astype(np.float64)
    return Collection(folder.name, scores, labels, known)


def _as_it_is(one: Collection, first: int) -> Hits:
    matched = one.folders[:, None] == one.terms[None]
    return _hits(one.name, one.scores, matched, first + np.arange(len(one.terms)))


def _in_parts(one: Collection, first: int, seed: int) -> Hits:
    rng = np.random.default_rng(seed)
    folders = np.unique(one.folders)
    found: list[Hits] = []
    while len(found) < _PARTS:
        count = int(np.exp(rng.uniform(np.log(_LEAST_FOLDERS), np.log(len(folders)))))
        kept = rng.choice(folders, count, replace=False)
        rows = []
        for folder in kept:
            own = np.flatnonzero(one.folders == folder)
            each = int(np.exp(rng.uniform(np.log(_LEAST_EACH), np.log(len(own) + 1))))
            rows.append(rng.choice(own, min(len(own), each), replace=False))
        photos_kept = np.concatenate(rows)
        if len(photos_kept) < _LEAST_PHOTOS:
            continue
        has_some = np.isin(one.terms, kept)
        asked, absent = np.flatnonzero(has_some), np.flatnonzero(~has_some)
        few = rng.choice(absent, min(len(absent), max(1, len(asked) // 4)), replace=False)
        asked = np.concatenate([asked, few])
        matched = one.folders[photos_kept][:, None] == one.terms[asked][None]
        found.append(_hits("", one.scores[np.ix_(photos_kept, asked)], matched, first + asked))
    return Hits(
        f"{one.name} in parts",
        np.concatenate([some.rows for some in found]),
        np.concatenate([some.matched for some in found]),
        np.concatenate([some.terms for some in found]),
    )


def _hits(name: str, scores: Floats, matched: NDArray[np.bool_], terms: NDArray[np.int64]) -> Hits:
    rows, right, numbers = [], [], []
    for column, term in enumerate(terms.tolist()):
        own = scores[:, column]
        shape = Shape.of(own)
        if shape is None:
            continue
        best = np.argsort(-own, kind="stable")[:_HITS]
        standard = (own[best] - shape.mean) / shape.spread
        rows += [[one, shape.peak, shape.crowd] for one in standard.tolist()]
        right.append(matched[best, column])
        numbers += [term] * len(best)
    return Hits(name, np.array(rows), np.concatenate(right), np.array(numbers))


def _held_out(sets: Sequence[Hits], terms: int) -> list[Floats]:
    """Probabilities of hits of each set by curves that were fitted without their terms."""
    folds = np.random.default_rng(0).permutation(terms) % _FOLDS
    told = [np.zeros(len(one.matched)) for one in sets]
    for fold in range(_FOLDS):
        others = []
        for one in sets:
            kept = folds[one.terms] != fold
            others.append(Hits(one.name, one.rows[kept], one.matched[kept], one.terms[kept]))
        weights = _logistic(others)
        for one, chances in zip(sets, told, strict=True):
            own = folds[one.terms] == fold
            chances[own] = _chances(weights, one.rows[own])
    return told


def _logistic(sets: Sequence[Hits]) -> Floats:
    """Weights of one, standard score, peak and crowd, by Newton's method with a ridge."""
    rows = np.concatenate([one.rows for one in sets])
    right = np.concatenate([one.matched for one in sets]).astype(np.float64)
    mass = np.concatenate([np.full(len(one.matched), _MASS / len(one.matched)) for one in sets])
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    made = np.column_stack([np.ones(len(rows)), (rows - mean) / spread])
    ridge = _RIDGE * np.eye(made.shape[1])
    ridge[0, 0] = 1e-6
    weights = np.zeros(made.shape[1])
    for _ in range(_STEPS):
        chances = 1 / (1 + np.exp(-made @ weights))
        curvature = (made * (mass * chances * (1 - chances))[:, None]).T @ made + ridge
        slope = made.T @ (mass * (right - chances)) - ridge @ weights
        weights += np.linalg.solve(curvature, slope)
    slopes = weights[1:] / spread
    return np.concatenate([[weights[0] - slopes @ mean], slopes])


def _chances(weights: Floats, rows: Floats) -> Floats:
    found: Floats = 1 / (1 + np.exp(-(weights[0] + rows @ weights[1:])))
    return found


def _worth(told: Floats, matched: NDArray[np.bool_]) -> dict[str, Any]:
    worth = calibration.reliability(told, matched)
    return {
        "pairs": len(matched),
        "expected_error": round(worth.expected_error, 4),
        "brier": round(worth.brier, 4),
        "base_rate_brier": round(worth.base_rate_brier, 4),
        "predicted": [round(one, 4) for one in worth.predicted.tolist()],
        "matched": [round(one, 4) for one in worth.matched.tolist()],
    }


def _of_exact(told: Floats, hits: Hits) -> float:
    """Return the ECE that an exactly right curve would be measured to have on these terms.

    All hits of a term may be right, or all wrong, whatever their scores, so that few terms leave
    much to chance. Terms are drawn that differ as much as these do, with probabilities as told.
    """
    rng = np.random.default_rng(0)
    terms, which = np.unique(hits.terms, return_inverse=True)
    each = np.bincount(which)
    spread = float(np.std(np.bincount(which, hits.matched - told) / each))
    logits = np.linspace(-20, 20, 801)
    errors = [0.0]
    for differing in _DIFFERING:
        drawn = rng.normal(size=2000) * differing
        mean = (1 / (1 + np.exp(-(logits[:, None] + drawn)))).mean(axis=1)
        own = np.interp(told, mean, logits)
        errors, spreads = [], []
        for _ in range(_DRAWN):
            chances = 1 / (1 + np.exp(-(own + differing * rng.normal(size=len(terms))[which])))
            right = rng.random(len(told)) < chances
            errors.append(calibration.reliability(told, right).expected_error)
            spreads.append(np.std(np.bincount(which, right - told) / each))
        if np.mean(spreads) >= spread:
            break
    return round(float(np.mean(errors)), 4)
