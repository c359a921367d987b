"""Learns how likely a hit of some score matches, from the tags that images carry."""

import threading
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.indexer.measuring.recall import work_for
from shared.contracts.calibration import Calibration
from shared.contracts.query import Metric
from shared.contracts.stats import RecallCurve, RecallPoint
from shared.core.errors import Corrupt
from shared.engines.engine import Index, is_small
from shared.engines.ivf.rerank import CANDIDATES, rank_keys
from shared.maths import distances
from shared.maths.calibrated import Pairs, calibrated
from shared.maths.linear_algebra import one_thread

_QUERIES = 1000
_HITS = 20
_RECALL = 0.95
_SAME = 1e-5
_LOOK_S = 0.25

Reached = Callable[[int, int], None]
"""Called with the numbers of finished and of all queries; it may raise to end the work."""


def calibrate(
    index: Index,
    tags: Mapping[int, Sequence[str]],
    curves: Sequence[RecallCurve],
    seed: int,
    reranks: bool = False,
    reached: Reached = lambda done, total: None,
) -> list[Calibration]:
    """Return calibrations of search by image, by metric: the probability that two images share a
    tag.

    `tags`: tag keys by ordinal. `reranks`: whether answers are re-ranked by default. A sample of
    tagged images is searched, each without itself; hits without tags are ignored. Empty if there is
    too little data.
    """
    postings = index.segments[0]
    tagged = np.flatnonzero(np.isin(postings.ordinals, np.fromiter(tags, np.int64, len(tags))))
    rng = np.random.default_rng(seed)
    rows = rng.permutation(tagged)[:_QUERIES]
    asked = (_of_image(index, int(postings.ordinals[row]), tags) for row in rows.tolist())
    return _fitted("visual", index, asked, tags, curves, reranks, reached)


def calibrate_terms(
    index: Index,
    vectors: Mapping[str, NDArray[np.float32]],
    carriers: Mapping[str, Sequence[int]],
    curves: Sequence[RecallCurve],
    seed: int,
    reached: Reached = lambda done, total: None,
) -> list[Calibration]:
    """Return calibrations of search by term, by metric: the probability that an image carries the
    term.

    `vectors` and ordinals of `carriers`, by tag key. A sample of the tags is searched; hits without
    any tag are ignored. Empty if there is too little data.
    """
    tagged = {ordinal for ordinals in carriers.values() for ordinal in ordinals}
    keys = np.random.default_rng(seed).permutation(sorted(vectors))[:_QUERIES].tolist()
    asked = (CalibrationQuery(vectors[key], frozenset(carriers[key]).__contains__) for key in keys)
    return _fitted("joint", index, asked, tagged, curves, reranks=False, reached=reached)


@dataclass(frozen=True)
class CalibrationQuery:
    """A query with the ordinals that match it, and its own if it is an image."""

    vector: NDArray[np.float32]
    matches: Callable[[int], bool]
    itself: int | None = None


def _of_image(index: Index, ordinal: int, tags: Mapping[int, Sequence[str]]) -> CalibrationQuery:
    own = set(tags[ordinal])
    vector = index.vector(ordinal)
    if vector is None:
        raise Corrupt(f"Image {ordinal} has no vector in the index.")
    return CalibrationQuery(vector, lambda other: not own.isdisjoint(tags[other]), ordinal)


def _fitted(
    space: str,
    index: Index,
    queries: Iterable[CalibrationQuery],
    tagged: Container[int],
    curves: Sequence[RecallCurve],
    reranks: bool,
    reached: Reached,
) -> list[Calibration]:
    asked = list(queries)
    done = dict.fromkeys(Metric, 0)
    given_up = threading.Event()

    def hits(metric: Metric) -> Pairs:
        def count(number: int) -> None:
            done[metric] = number
            if given_up.is_set():
                raise _GivenUp

        # As a search by default does it.
        work = None if is_small(index) else work_for(curves, metric, _HITS + 1, _RECALL)
        return first_hits(index, asked, tagged, metric, work, reranks, count)

    # The matrix products of one query are small, so threads within one would mostly wait.
    with one_thread(), ThreadPoolExecutor(len(Metric)) as threads:
        running = {metric: threads.submit(hits, metric) for metric in Metric}
        try:
            while wait(running.values(), _LOOK_S, FIRST_EXCEPTION).not_done:
                reached(sum(done.values()), len(Metric) * len(asked))
        except BaseException:
            given_up.set()
            raise
    found = [calibrated(pairs.result(), space, metric) for metric, pairs in running.items()]
    return [one for one in found if one is not None]


class _GivenUp(Exception):
    """Nobody wants the hits any more."""


def first_hits(
    index: Index,
    queries: Sequence[CalibrationQuery],
    tagged: Container[int],
    metric: Metric,
    work: RecallPoint | None,
    reranks: bool,
    reached: Callable[[int], None] = lambda done: None,
) -> Pairs:
    """Return the scores of a search's first hits and whether they matched; only `tagged` ones
    count.
    """
    nprobe, radius, depth = index.clusters, None, None
    if work is not None:
        nprobe, radius, depth = work.nprobe, work.reach, work.depth
    scores: list[float] = []
    matched: list[bool] = []
    numbers: list[int] = []
    for number, query in enumerate(queries):
        reached(number)
        asked = index.ask(query.vector)
        lists = index.rank(asked, nprobe, radius)
        k = CANDIDATES if reranks else _HITS + 1
        found = index.scan(asked, lists, k, metric, depth and max(depth, k))
        keys = found.distances
        if reranks:
            keys = rank_keys(
                found, index.vectors, asked.vector, metric, _SAME, np.ones(len(keys), bool)
            )
        found = found.at(np.argsort(keys, kind="stable"))
        if query.itself is not None:
            found = found.without([query.itself])
        hits = zip(found.ordinals[:_HITS].tolist(), found.distances[:_HITS].tolist(), strict=True)
        for hit, distance in hits:
            if hit in tagged:
                scores.append(distances.score(distance, metric))
                matched.append(query.matches(hit))
                numbers.append(number)
    return Pairs(np.array(scores), np.array(matched, bool), np.array(numbers, np.int64))
