import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.indexer.recall import measure
from services.query.search.collection import Collection, SegmentCache
from services.query.search.probing import curve_for, expected_recall, probes_for, widest_curve
from shared.contracts.query import Metric, RecallCurve, RecallPoint

NONE = np.empty(0, np.int64)


def curve(points, k=10, metric=Metric.COSINE):
    made = [RecallPoint(nprobe=n, recall=r, scanned_fraction=0.5) for n, r in points]
    return RecallCurve(space="visual", metric=metric, k=k, queries=9, points=made)


@st.composite
def curves(draw):
    clusters = draw(st.integers(1, 40))
    probes = sorted({1, clusters, *draw(st.lists(st.integers(1, clusters)))})
    recalls = st.lists(st.floats(0, 1), min_size=len(probes), max_size=len(probes))
    return curve(zip(probes, [*sorted(draw(recalls))[:-1], 1.0], strict=True)), clusters


@given(curves(), st.floats(0.01, 1))
def test_the_fewest_measured_probes_that_reach_the_target_are_taken(case, target):
    measured, clusters = case
    nprobe = probes_for(measured, target, clusters)
    assert expected_recall(measured, nprobe, clusters) >= target
    fewer = [p for p in measured.points if p.nprobe < nprobe]
    assert all(p.recall < target for p in fewer)


@given(curves())
def test_expected_recall_rises_with_the_probes_through_each_measured_point(case):
    measured, clusters = case
    values = [expected_recall(measured, n, clusters) for n in range(1, clusters + 1)]
    assert np.all(np.diff(values) >= -1e-12)
    assert values[-1] == 1
    for point in measured.points[:-1]:
        assert values[point.nprobe - 1] == pytest.approx(point.recall)


def test_between_two_points_recall_is_on_the_line():
    measured = curve([(1, 0.2), (5, 0.6), (9, 1.0)])
    assert expected_recall(measured, 4, 9) == pytest.approx(0.5)


def test_nothing_is_promised_that_was_not_measured():
    assert expected_recall(None, 3, 9) is None
    assert expected_recall(None, 9, 9) == expected_recall(None, 12, 9) == 1
    assert probes_for(None, 0.5, 9) == 9
    assert probes_for(curve([(1, 0.5), (9, 0.9)]), 0.95, 9) == 9


def test_the_curve_is_of_the_metric_and_of_the_least_k_that_covers_the_limit():
    ten, hundred, other = curve([], 10), curve([], 100), curve([], 10, Metric.L2)
    given_curves = [hundred, other, ten]
    assert [curve_for(given_curves, Metric.COSINE, n) for n in (1, 10, 11, 100, 101)] == [
        ten,
        ten,
        hundred,
        hundred,
        None,
    ]
    assert curve_for(given_curves, Metric.L2, 10) == other
    assert curve_for(given_curves, Metric.L2, 50) is None
    assert curve_for([hundred], Metric.L2, 5) is None
    assert widest_curve(given_curves, Metric.COSINE) == hundred
    assert widest_curve([ten], Metric.L2) is None


@pytest.mark.parametrize("built_for", Metric)
@pytest.mark.parametrize("given_queries", [False, True])
def test_the_recall_that_was_measured_is_what_scanning_finds(library, built_for, given_queries):
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(180, 5)).astype(np.float32) * rng.uniform(1, 9, (180, 1))
    vectors = vectors.astype(np.float32)
    manifest = library.publish(visual=library.space(vectors, 7, built_for))
    space = Collection(manifest, SegmentCache(library.snapshots)).visual
    queries = rng.normal(size=(40, 5)).astype(np.float32) if given_queries else None
    measured = measure(space.segments[0], "visual", built_for, seed=0, queries=queries)
    most = len(vectors) - (not given_queries)
    assert {(c.metric, c.k) for c in measured} == {
        (m, k) for m in Metric for k in (10, 30, 100, most)
    }
    asked = (
        [(q, NONE) for q in queries]
        if given_queries
        else [(vector, np.array([ordinal])) for ordinal, vector in enumerate(vectors)]
    )
    for one in measured:
        recalls, scanned = np.zeros(7), np.zeros(7)
        for query, dead in asked:
            ranked = space.ranked_clusters(query)
            found = [space.scan(query, ranked, n, one.k, one.metric, dead) for n in range(1, 8)]
            exact = set(found[-1].ordinals[: one.k].tolist())
            for n, part in enumerate(found):
                recalls[n] += len(exact & set(part.ordinals[: one.k].tolist())) / one.k
                scanned[n] += (part.scanned + len(dead)) / len(vectors)
        assert [p.nprobe for p in one.points] == list(range(1, 8))
        wanted = recalls / len(asked)
        np.testing.assert_allclose([p.recall for p in one.points], wanted, atol=1e-9)
        if given_queries:
            wanted = scanned / len(asked)
            np.testing.assert_allclose([p.scanned_fraction for p in one.points], wanted)
