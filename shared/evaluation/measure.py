"""Asks a running engine and compares its answers with the labels."""

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.clients import query
from shared.clients.transport import Client
from shared.contracts.answer import SearchResponse
from shared.contracts.query import MAX_LIMIT
from shared.core import problem
from shared.core.errors import InvalidInput, TooLarge
from shared.evaluation import metrics
from shared.evaluation.labels import Labels
from shared.evaluation.results import (
    Bin,
    Comparison,
    CurvePoint,
    Estimate,
    QueryResult,
    SettingResult,
)
from shared.maths import calibration

FIGURES = ("mAP", "P@1", "P@10", "R@10", "R@100", "NDCG@10")
_TOP = 10
_CURVE_QUERIES = 100
_THREADS = 2
# Searches that are sent in one call, and most hits of all of them.
_TOGETHER = 50
_HITS_TOGETHER = 20_000

Progress = Callable[[str], None]
Options = Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """Queries of an evaluation, each without itself, and the number of hits looked at."""

    labels: Labels
    queries: Sequence[str]
    depth: int

    @classmethod
    def of(cls, labels: Labels, images: int, count: int, seed: int) -> "Plan":
        """Draws `count` of the images that have something to find. Raises InvalidInput."""
        sizes = Counter(name for names in labels.values() for name in names)
        able = sorted(i for i, names in labels.items() if any(sizes[n] > 1 for n in names))
        if not able:
            raise InvalidInput("No two images share a label, so there is nothing to find.")
        chosen = random.Random(seed).sample(able, min(count, len(able)))  # noqa: S311
        # One more, for the query itself.
        return cls(labels, chosen, min(images, MAX_LIMIT))


def setting(client: Client, name: str, options: Options, plan: Plan) -> SettingResult:
    """Label quality, recall and time of searches with some options."""
    whole = [{"id": one, "limit": plan.depth, **options} for one in plan.queries]
    judged = [
        _judged(image_id, answer, plan)
        for image_id, answer in zip(plan.queries, asked_together(client, whole), strict=True)
    ]
    few = plan.queries[:_CURVE_QUERIES]
    exact = _exact(client, few, options)
    plain = {"limit": _TOP + 1, **options, "rerank": "none"}
    found = _distances(client, few, plain)
    held = [_held(got, away) for got, away in zip(found, exact, strict=True)]
    # Sequentially, because the time of concurrent requests includes waiting for each other.
    times = [_timed(client, one, options)[1] for one in few]
    results = [one for one, _, _ in judged]
    pairs = [pair for _, _, pairs_of_query in judged for pair in pairs_of_query]
    bins = _reliability(pairs)
    return SettingResult(
        name=name,
        options=dict(options),
        figures={f: estimate(_column(results, f)) for f in FIGURES},
        recall_at_10=float(np.mean(held)),
        median_ms=float(np.median(times)),
        p95_ms=float(np.percentile(times, 95)),
        expected_error=None if bins is None else bins.expected_error,
        reliability=[]
        if bins is None
        else [
            Bin(predicted=float(p), matched=float(m))
            for p, m in zip(bins.predicted, bins.matched, strict=True)
        ],
        queries=results,
    )


def curve(client: Client, plan: Plan) -> list[CurvePoint]:
    """Recall against the time of requests, one at a time, over the clusters that are probed."""
    clusters = client.send(query.get_stats()).clusters
    few = plan.queries[:_CURVE_QUERIES]
    exact = _exact(client, few, {})
    points = []
    probes = [n for n in (1, 2, 4, 8, 16, 32, 64, 128, 256) if n < clusters] + [clusters]
    for nprobe in probes:
        options = {"nprobe": nprobe, "rerank": "none"}
        # One at a time, as their time is told.
        told = [_timed(client, one, options) for one in few]
        recalls = [_held(got, away) for (got, _), away in zip(told, exact, strict=True)]
        times = [ms for _, ms in told]
        points.append(
            CurvePoint(
                nprobe=nprobe,
                recall_at_10=float(np.mean(recalls)),
                median_ms=float(np.median(times)),
            )
        )
    return points


def compared(first: SettingResult, second: SettingResult) -> Comparison | None:
    """Return the paired differences; None if no query is in both."""
    second_results = {one.id: one for one in second.queries}
    shared = [(one, second_results[one.id]) for one in first.queries if one.id in second_results]
    if not shared:
        return None
    return Comparison(
        first=first.name,
        second=second.name,
        queries=len(shared),
        differences={
            figure: estimate(np.array([b.figures[figure] - a.figures[figure] for a, b in shared]))
            for figure in FIGURES
        },
    )


def estimate(values: NDArray[np.float64]) -> Estimate:
    found = metrics.interval(values)
    return Estimate(mean=found.mean, low=found.low, high=found.high)


def _judged(
    image_id: str, answer: SearchResponse, plan: Plan
) -> tuple[QueryResult, float, list[tuple[float, bool]]]:
    own = plan.labels[image_id]
    # Images without labels can't be judged.
    hits = [hit for hit in answer.hits if hit.id != image_id and hit.id in plan.labels]
    right = np.array([not own.isdisjoint(plan.labels[hit.id]) for hit in hits], bool)
    total = sum(not own.isdisjoint(names) for i, names in plan.labels.items() if i != image_id)
    figures = {
        "mAP": metrics.average_precision(right, total),
        "P@1": metrics.precision(right, 1),
        "P@10": metrics.precision(right, 10),
        "R@10": metrics.recall(right, 10, total),
        "R@100": metrics.recall(right, 100, total),
        "NDCG@10": metrics.ndcg(right, 10, total),
    }
    pairs = [
        (hit.probability, bool(matched))
        for hit, matched in zip(hits[:_TOP], right, strict=False)
        if hit.probability is not None
    ]
    top = [hit.id for hit in hits[:_TOP]]
    result = QueryResult(id=image_id, figures=figures, top=top, right=right[:_TOP].tolist())
    return result, answer.timings_ms.get("total", 0.0), pairs


def asked_together(client: Client, asked: Sequence[Options]) -> list[SearchResponse]:
    """Return the answers to searches, of which some are sent in each call. Raises their errors."""
    hits = max((int(one["limit"]) for one in asked), default=1)
    count = max(1, min(_TOGETHER, _HITS_TOGETHER // max(hits, 1)))
    pieces = [asked[start : start + count] for start in range(0, len(asked), count)]
    with ThreadPoolExecutor(_THREADS) as pool:
        return [one for piece in pool.map(partial(_together, client), pieces) for one in piece]


def _together(client: Client, asked: Sequence[Options]) -> list[SearchResponse]:
    try:
        told = client.send(query.search_batch(asked)).answers
    except TooLarge:
        # The service takes fewer (ISE_MAX_SEARCHES).
        if len(asked) == 1:
            raise
        half = len(asked) // 2
        return [*_together(client, asked[:half]), *_together(client, asked[half:])]
    found = []
    for one in told:
        if one.problem is not None:
            raise problem.from_body(one.problem.status, one.problem.model_dump())
        if one.answer is not None:
            found.append(one.answer)
    return found


def _held(got: list[float], exact: list[float]) -> float:
    """Return the share of the exact top 10 that was found; ties with it count."""
    return sum(away <= exact[-1] for away in got) / len(exact) if exact else 1.0


def _exact(client: Client, queries: Sequence[str], options: Options) -> list[list[float]]:
    """Return the distances of the exact top 10 of each image, before any re-rank."""
    how = {k: v for k, v in options.items() if k not in ("nprobe", "recall_target")}
    how = {"limit": _TOP + 1, **how, "rerank": "none", "exact": True}
    return _distances(client, queries, how)


def _distances(client: Client, queries: Sequence[str], options: Options) -> list[list[float]]:
    asked = [{"id": one, **options} for one in queries]
    answers = asked_together(client, asked)
    return [_firsts(one, answer) for one, answer in zip(queries, answers, strict=True)]


def _firsts(image_id: str, answer: SearchResponse) -> list[float]:
    """Return the distances of the first 10 hits, without the image itself."""
    return [hit.distance for hit in answer.hits if hit.id != image_id][:_TOP]


def _timed(client: Client, image_id: str, options: Options) -> tuple[list[float], float]:
    """The distances of the first 10, without the image itself, and the milliseconds it took."""
    call = query.search_id(image_id, **{"limit": _TOP + 1, **options})
    started = time.perf_counter()
    answer = client.send(call)
    ms = 1000 * (time.perf_counter() - started)
    return _firsts(image_id, answer), ms


def _reliability(pairs: list[tuple[float, bool]]) -> calibration.Reliability | None:
    if not pairs:
        return None
    predicted = np.array([one for one, _ in pairs])
    return calibration.reliability(predicted, np.array([matched for _, matched in pairs], bool))


def _column(results: Sequence[QueryResult], figure: str) -> NDArray[np.float64]:
    return np.array([one.figures[figure] for one in results])
