"""Asks a running engine and compares its answers with the labels."""

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.clients import query
from shared.clients.transport import Client
from shared.contracts.answer import SearchResponse
from shared.contracts.query import MAX_LIMIT
from shared.core.errors import InvalidInput
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
    with ThreadPoolExecutor(_THREADS) as pool:

        def ask(image_id: str) -> tuple[QueryResult, float, list[tuple[float, bool]]]:
            answer = client.send(query.search_id(image_id, limit=plan.depth, **options))
            return _judged(image_id, answer, plan)

        judged = list(pool.map(ask, plan.queries))
        few = plan.queries[:_CURVE_QUERIES]
        exact = list(pool.map(lambda one: _exact(client, one, options), few))
        plain = {**options, "rerank": "none"}
        held = list(pool.map(lambda one, away: _recalled(client, one, plain, away)[0], few, exact))
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
    exact = [_exact(client, one, {}) for one in few]
    points = []
    probes = [n for n in (1, 2, 4, 8, 16, 32, 64, 128, 256) if n < clusters] + [clusters]
    for nprobe in probes:
        options = {"nprobe": nprobe, "rerank": "none"}
        pairs = zip(few, exact, strict=True)
        told = [_recalled(client, one, options, away) for one, away in pairs]
        recalls, times = zip(*told, strict=True)
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


def _recalled(
    client: Client, image_id: str, options: Options, exact: list[float]
) -> tuple[float, float]:
    """The share of the exact top 10 that was found, ties with it count, and the milliseconds."""
    got, ms = _timed(client, image_id, options)
    return sum(away <= exact[-1] for away in got) / len(exact) if exact else 1.0, ms


def _exact(client: Client, image_id: str, options: Options) -> list[float]:
    """The distances of the exact top 10, before any re-rank."""
    how = {k: v for k, v in options.items() if k not in ("nprobe", "recall_target")}
    return _timed(client, image_id, {**how, "rerank": "none", "exact": True})[0]


def _timed(client: Client, image_id: str, options: Options) -> tuple[list[float], float]:
    """The distances of the first 10, without the image itself, and the milliseconds it took."""
    call = query.search_id(image_id, **{"limit": _TOP + 1, **options})
    started = time.perf_counter()
    answer = client.send(call)
    ms = 1000 * (time.perf_counter() - started)
    return [hit.distance for hit in answer.hits if hit.id != image_id][:_TOP], ms


def _reliability(pairs: list[tuple[float, bool]]) -> calibration.Reliability | None:
    if not pairs:
        return None
    predicted = np.array([one for one, _ in pairs])
    return calibration.reliability(predicted, np.array([matched for _, matched in pairs], bool))


def _column(results: Sequence[QueryResult], figure: str) -> NDArray[np.float64]:
    return np.array([one.figures[figure] for one in results])
