"""Learns to count the matches of a search by picture, from the tags that images carry."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from services.indexer.measuring.recall import work_for
from services.indexer.measuring.tag_counting import tag_spread
from shared.contracts.counting import Counting
from shared.contracts.query import Metric
from shared.contracts.stats import RecallCurve
from shared.engines.engine import Index, is_small
from shared.engines.evidence import DEPTH, Reach, gather, moments_of, without
from shared.engines.ivf.index import InvertedIndex
from shared.maths.count_fitting import Search, fit
from shared.maths.linear_algebra import one_thread
from shared.maths.standard_scores import ScoreSample

_SEARCHES = 600
_PER_KIND = 25
_RECALL = 0.95
_LAST = 20


def learnt_counts(
    index: Index,
    tags: Mapping[int, Sequence[str]],
    curves: Sequence[RecallCurve],
    seed: int,
    reranks: bool,
    reached: Callable[[int, int], None],
) -> Mapping[str, object]:
    """Return what is learnt of counting matches, as fields of a `SpaceManifest`."""
    if not tags:
        return {}
    return {
        "counting": learn_counting(index, tags, curves, seed, reranks, reached),
        "tag_spread": tag_spread(index, tags, seed),
    }


def learn_counting(
    index: Index,
    tags: Mapping[int, Sequence[str]],
    curves: Sequence[RecallCurve],
    seed: int,
    reranks: bool,
    reached: Callable[[int, int], None] = lambda done, total: None,
) -> Counting | None:
    """Learn from tagged images as queries; None where there is too little to learn from.

    tags: tag keys by ordinal. A match shares a tag with the query; images without tags are neither.
    """
    if not isinstance(index, InvertedIndex) or not can_count(index):
        return None
    moments = moments_of(index)
    if moments is None:
        return None
    with one_thread():
        found = list(
            searches(index, tags, reach_of(index, curves), moments, seed, reranks, reached)
        )
    return fit(found, seed)


def can_count(index: InvertedIndex) -> bool:
    """Tell whether the nearest by cosine can be found without comparing a large index whole."""
    return is_small(index) or index.metric is Metric.COSINE


def reach_of(index: Index, curves: Sequence[RecallCurve]) -> Reach:
    """Return where a search looks by default."""
    work = None if is_small(index) else work_for(curves, Metric.COSINE, DEPTH, _RECALL)
    if work is None:
        return Reach(index.clusters)
    return Reach(work.nprobe, work.reach, work.depth)


def searches(
    index: InvertedIndex,
    tags: Mapping[int, Sequence[str]],
    reach: Reach,
    moments: ScoreSample,
    seed: int,
    reranks: bool,
    reached: Callable[[int, int], None] = lambda done, total: None,
    most: int = _SEARCHES,
) -> Iterator[Search]:
    """Yield searches by tagged images, of as many tags as there are, with their matches."""
    carriers: dict[str, set[int]] = {}
    for ordinal, keys in tags.items():
        for key in keys:
            carriers.setdefault(key, set()).add(ordinal)
    chosen = _chosen(tags, carriers, most, np.random.default_rng(seed))
    kinds = {key: number for number, key in enumerate(sorted(carriers))}
    tagged = np.sort(np.fromiter(tags, np.int64, len(tags)))
    for number, (ordinal, kind) in enumerate(chosen):
        reached(number, len(chosen))
        vector = index.vector(ordinal)
        matching = set().union(*(carriers[key] for key in tags[ordinal])) - {ordinal}
        found = (
            None
            if vector is None
            else gather(index, index.ask(vector), moments, reach, None, [ordinal], reranks)
        )
        if vector is None or found is None:
            continue
        mates = np.fromiter(matching, np.int64, len(matching))
        if not found.is_whole and np.isin(found.ordinals[-_LAST:], mates).any():
            # Nobody knows how many of its matches lie behind.
            continue
        # Images without tags may match as well, so they are no evidence either way.
        found = without(found, vector, np.isin(found.ordinals, tagged), reranks)
        if found is None:
            continue
        matched = np.isin(found.ordinals, mates)
        absent = without(found, vector, ~matched, reranks) if matched.any() else None
        yield Search(
            found.evidence,
            matched,
            len(matching),
            kinds[kind],
            None if absent is None else absent.evidence,
        )


def _chosen(
    tags: Mapping[int, Sequence[str]],
    carriers: Mapping[str, set[int]],
    most: int,
    rng: np.random.Generator,
) -> list[tuple[int, str]]:
    """Tagged images, each with a tag of its own, as evenly over the tags as there are images.

    The kind of an image is the rarest of its tags, which says most of it.
    """
    groups: dict[str, list[int]] = {}
    for ordinal in sorted(tags):
        if tags[ordinal]:
            kind = min(tags[ordinal], key=lambda key: (len(carriers[key]), key))
            groups.setdefault(kind, []).append(ordinal)
    order = rng.permutation(sorted(groups)).tolist()
    shuffled = {key: rng.permutation(groups[key])[:_PER_KIND].tolist() for key in order}
    found: list[tuple[int, str]] = []
    for place in range(_PER_KIND):
        found += [(shuffled[key][place], key) for key in order if place < len(shuffled[key])]
        if len(found) >= most:
            break
    return found[:most]
