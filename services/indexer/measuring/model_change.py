"""Measures what another model changes: expected of a sample, and found in the whole collection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.indexer.measuring.calibration import CalibrationQuery, first_hits
from services.indexer.measuring.recall import work_for
from shared.contracts.query import Metric
from shared.contracts.stats import RecallCurve
from shared.engines.engine import Index, is_small
from shared.engines.ivf.rerank import CANDIDATES, averaged_distances
from shared.maths.linear_algebra import one_thread
from shared.maths.model_change import HITS, Change, expected_change, precision_by_weight
from shared.maths.projection import Projection

Floats = NDArray[np.float32]
Tags = Mapping[int, Sequence[str]]

SAMPLE = 500
_PER_TAG = 12
_DRAWS = 5000
_RANKED = 100
_QUERIES = 2000
_COUNTED = 20_000
_RECALL = 0.95


@dataclass(frozen=True)
class TagSample:
    """Tagged pictures that stand for all: their ordinals, (n,), rising.

    weights: how many times each was drawn. kinds: number of the tag that it was drawn for.
    """

    ordinals: NDArray[np.int64]
    weights: NDArray[np.float64]
    kinds: NDArray[np.int64]

    def at(self, rows: NDArray[np.bool_]) -> "TagSample":
        """Return some of them."""
        return TagSample(self.ordinals[rows], self.weights[rows], self.kinds[rows])


def tag_sample(tags: Tags, seed: int, size: int = SAMPLE) -> TagSample:
    """Draw a dozen pictures of each of some tags, tags in proportion to their pictures: `size`
    pictures, and up to eleven more.

    So that pictures of a tag lie as close to each other in the sample as may be, and every picture
    of the collection counts alike. The tag of a picture is the rarest that it carries.
    """
    counts: dict[str, int] = {}
    for keys in tags.values():
        for key in keys:
            counts[key] = counts.get(key, 0) + 1
    groups: dict[str, list[int]] = {}
    for ordinal in sorted(tags):
        if tags[ordinal]:
            kind = min(tags[ordinal], key=lambda key: (counts[key], key))
            groups.setdefault(kind, []).append(ordinal)
    names = sorted(groups)
    rng = np.random.default_rng(seed)
    sizes = np.array([len(groups[name]) for name in names], np.float64)
    drawn: dict[int, int] = {}
    taken = 0
    for number in rng.choice(len(names), _DRAWS, p=sizes / sizes.sum()).tolist() if names else ():
        left = len(groups[names[number]]) - _PER_TAG * drawn.get(number, 0)
        drawn[number] = drawn.get(number, 0) + 1
        taken += min(_PER_TAG, max(left, 0))
        if taken >= size:
            break
    ordinals, weights, kinds = [], [], []
    for number, times in sorted(drawn.items()):
        some = rng.permutation(groups[names[number]])[: _PER_TAG * times].tolist()
        ordinals += some
        weights += [_PER_TAG * times / len(some)] * len(some)
        kinds += [number] * len(some)
    order = np.argsort(ordinals, kind="stable")
    return TagSample(
        np.array(ordinals, np.int64)[order],
        np.array(weights, np.float64)[order],
        np.array(kinds, np.int64)[order],
    )


def ranked(features: Floats, width: int | None) -> NDArray[np.int64]:
    """The pictures of a sample nearest to each of them, itself left out, in the default order.

    features: raw, (n, dim). width: number of principal components to compare, if not all.
    """
    points = _unit(features)
    if width is not None and len(points) > width:
        points = _unit(Projection.learn(features, width)(points))
    found = []
    with one_thread():
        for query in range(len(points)):
            cosines = points @ points[query]
            cosines[query] = -np.inf
            near = np.argsort(-cosines, kind="stable")[: min(CANDIDATES, len(points) - 1)]
            moved = averaged_distances(
                np.vstack([points[query][None], points[near]]), Metric.COSINE
            )
            found.append(near[np.argsort(moved, kind="stable")][:_RANKED])
    return np.stack(found)


def expected_of(
    sample: TagSample,
    tags: Tags,
    former: NDArray[np.int64],
    new: NDArray[np.int64],
    seed: int,
) -> Change | None:
    """The expected change of P@10, from the rankings of a sample by both models."""
    tagged = [ordinal for ordinal in sorted(tags) if tags[ordinal]]
    # Of very many pictures, some stand for all.
    some = np.random.default_rng(seed).permutation(tagged)[:_COUNTED].tolist()
    share = len(tagged) / max(len(some), 1)
    count, counted = len(sample.ordinals), set(some)
    there = set(sample.ordinals.tolist())
    carriers: dict[str, set[int]] = {}
    for ordinal in counted | there:
        for key in tags[ordinal]:
            carriers.setdefault(key, set()).add(ordinal)
    matched = np.zeros((count, count), bool)
    places = {ordinal: row for row, ordinal in enumerate(sample.ordinals.tolist())}
    matches = np.empty(count)
    for row, ordinal in enumerate(sample.ordinals.tolist()):
        sets = [carriers[key] for key in tags[ordinal]]
        everywhere = sets[0] if len(sets) == 1 else set().union(*sets)
        matches[row] = share * len((everywhere & counted) - {ordinal})
        matched[row, [places[one] for one in everywhere & there]] = True
    np.fill_diagonal(matched, False)
    here = matched.sum(axis=1)
    matches = np.maximum(matches, here)
    # A query whose matches all lie outside of the sample tells nothing.
    kept = (here > 0) & (count - 1 > here)
    by_match = matches / np.maximum(here, 1)
    by_other = (len(tagged) - 1 - matches) / np.maximum(count - 1 - here, 1)
    before, after = (
        precision_by_weight(np.take_along_axis(matched, order, axis=1), by_match, by_other)[kept]
        for order in (former, new)
    )
    return expected_change(before, after, sample.weights[kept], sample.kinds[kept], seed)


def agreement(former: NDArray[np.int64], new: NDArray[np.int64]) -> float:
    """The share of the first ten neighbours in a sample that both models have."""
    shared = [
        len(np.intersect1d(one, other))
        for one, other in zip(former[:, :HITS], new[:, :HITS], strict=True)
    ]
    most = min(HITS, int(former.shape[1]))
    return float(np.mean(shared)) / most


def precisions(
    index: Index,
    tags: Tags,
    queries: Sequence[int],
    curves: Sequence[RecallCurve],
    reranks: bool,
) -> dict[int, float]:
    """P@10 of searches by pictures of an index, by ordinal, among the tagged ones."""
    asked: list[CalibrationQuery] = []
    for ordinal in queries:
        own, vector = set(tags[ordinal]), index.vector(ordinal)
        if vector is None:
            continue

        def matches(other: int, own: set[str] = own) -> bool:
            return not own.isdisjoint(tags[other])

        asked.append(CalibrationQuery(vector, matches, ordinal))
    work = None if is_small(index) else work_for(curves, Metric.COSINE, 2 * HITS + 1, _RECALL)
    with one_thread():
        pairs = first_hits(index, asked, tags, Metric.COSINE, work, reranks)
    found: dict[int, float] = {}
    for number, query in enumerate(asked):
        if query.itself is not None:
            first = pairs.matched[pairs.queries == number][:HITS]
            found[query.itself] = float(first.sum()) / HITS
    return found


def measured_queries(tags: Tags, seed: int) -> list[int]:
    """Tagged pictures to measure P@10 with, of tags that others carry, too."""
    counts: dict[str, int] = {}
    for keys in tags.values():
        for key in keys:
            counts[key] = counts.get(key, 0) + 1
    found = [one for one in sorted(tags) if any(counts[key] > 1 for key in tags[one])]
    chosen: list[int] = np.random.default_rng(seed).permutation(found)[:_QUERIES].tolist()
    return chosen


def _unit(rows: NDArray[np.floating]) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Floats = np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)
    return scaled
