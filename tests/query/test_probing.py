import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.indexer.measuring.recall import measure
from services.query.search.probing import (
    curve_for,
    expected_recall,
    plan,
    widest_curve,
)
from shared.contracts.query import Metric, SearchOptions
from shared.contracts.stats import RecallCurve, RecallPoint
from shared.engines.ivf.coarse import Coarse
from shared.engines.ivf.partition import Partition
from tests.shared.indexes import clustered, index_of

pytestmark = pytest.mark.floats

NONE = np.empty(0, np.int64)


def curve(points, k=10, metric=Metric.COSINE):
    made = [RecallPoint(nprobe=n, recall=r, scanned_fraction=n / 40) for n, r in points]
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
    nprobe = measured.least_work(target).nprobe
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
    assert curve([(1, 0.5), (9, 0.9)]).least_work(0.95) is None
    near = RecallPoint(nprobe=6, reach=0.25, recall=0.85, scanned_fraction=0.15)
    assert expected_recall(None, 2, 9, near) is None


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
def test_the_recall_that_was_measured_is_what_scanning_finds(tmp_path, built_for, given_queries):
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(180, 5)).astype(np.float32) * rng.uniform(1, 9, (180, 1))
    vectors = vectors.astype(np.float32)
    index = index_of(tmp_path, vectors, 7, built_for)
    queries = rng.normal(size=(40, 5)).astype(np.float32) if given_queries else None
    measured = measure(index, "visual", seed=0, queries=queries)
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
        points = [*one.by_reach, *one.points]
        recalls, scanned = np.zeros(len(points)), np.zeros(len(points))
        for query, deleted in asked:
            found = found_at(index, query, one, deleted, points)
            exact = set(found[-1].ordinals[: one.k].tolist())
            for n, part in enumerate(found):
                recalls[n] += len(exact & set(part.ordinals[: one.k].tolist())) / one.k
                scanned[n] += (part.scanned + len(deleted)) / len(vectors)
        assert [(p.nprobe, p.reach, p.depth) for p in one.points] == [
            (n, None, None) for n in range(1, 8)
        ]
        assert [p.nprobe for p in one.by_reach] == [2, 4, 6, 7, 7, 7, 7]
        assert one.by_reach[-1] == one.points[-1]
        wanted = recalls / len(asked)
        np.testing.assert_allclose([p.recall for p in points], wanted, atol=1e-9)
        if given_queries:
            wanted = scanned / len(asked)
            np.testing.assert_allclose([p.scanned_fraction for p in points], wanted)


@pytest.mark.parametrize("built_for", Metric)
def test_with_codes_too_and_it_never_falls_as_probes_rise(tmp_path, built_for):
    index = index_of(tmp_path, clustered(4000, 24), 40, built_for, coded=True)
    queries = clustered(30, 24, seed=1)
    for one in measure(index, "visual", seed=0, queries=queries):
        coded = index.is_coded(one.metric)
        assert coded or one.metric is not built_for
        for points in (one.points, one.by_reach):
            assert all((p.depth is not None) == coded for p in points[:-1])
            recalls = np.zeros(len(points))
            for query in queries:
                found = found_at(index, query, one, NONE, points)
                exact = found[-1].ordinals[: one.k]
                recalls += [np.isin(exact, part.ordinals[: one.k]).mean() for part in found]
            told = [p.recall for p in points]
            assert told == sorted(told)
            assert told[-1] == 1
            # Equal distances between codes may come in another order when fewer lists are looked
            # at.
            np.testing.assert_allclose(told, recalls / len(queries), atol=0.005 if coded else 1e-9)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(0, 4))
def test_a_reach_leaves_out_what_is_farther_and_keeps_the_order(seed, count, reach):
    rng = np.random.default_rng(seed)
    # Whole numbers, so that some are as far as others.
    centroids = rng.integers(-2, 3, (9, 2)).astype(np.float32)
    coarse = Coarse(Partition(centroids, Metric.L2))
    asked = coarse.ask(rng.integers(-2, 3, 2).astype(np.float32))
    near = coarse.gaps(asked) <= np.float32(reach)
    plain = coarse.rank(asked, count)
    assert coarse.rank(asked, count, reach).tolist() == [n for n in plain.tolist() if near[n]]


def found_at(index, query, curve, deleted, points):
    asked, mask = index.ask(query), index.mask(deleted)
    return [
        index.scan(
            asked, index.rank(asked, p.nprobe, p.reach), curve.k, curve.metric, p.depth, mask
        )
        for p in points
    ]


def test_work_is_planned_by_what_was_measured_for_as_many_hits():
    def planned(k, **options):
        measured = [coded_curve(10, (50, 90)), coded_curve(100, (400, 700))]
        return plan(measured, Metric.COSINE, k, 9, SearchOptions(**options), 0.8)

    def work(planned):
        return planned.nprobe, planned.depth, planned.target

    assert work(planned(10)) == (2, 50, 0.8)
    assert work(planned(11)) == (2, 400, 0.8)
    assert work(planned(10, recall_target=0.9)) == (4, 90, 0.9)
    assert work(planned(10, recall_target=0.99)) == (9, None, 0.99)
    assert work(planned(10, nprobe=3)) == (3, 90, None)
    assert work(planned(10, nprobe=99)) == (9, None, None)
    assert work(planned(10, exact=True)) == (9, None, None)
    beyond = planned(250)
    assert work(beyond) == (2, 1000, 0.8)
    assert beyond.curve is None


def test_a_target_takes_the_reach_that_was_measured_and_a_number_of_probes_is_kept_to():
    near = RecallPoint(nprobe=6, reach=0.25, depth=70, recall=0.85, scanned_fraction=0.15)
    all_of_it = RecallPoint(nprobe=9, recall=1, scanned_fraction=1)
    measured = coded_curve(10, (50, 90)).model_copy(update={"by_reach": [near, all_of_it]})

    def planned(k=10, **options):
        chosen = plan([measured], Metric.COSINE, k, 9, SearchOptions(**options), 0.8)
        return chosen.nprobe, chosen.radius, chosen.depth

    assert planned() == (6, 0.25, 70)
    assert planned(k=20) == (6, 0.25, 140)
    assert planned(recall_target=0.9) == (4, None, 90)
    assert planned(recall_target=0.95) == (9, None, None)
    assert planned(nprobe=3) == (3, None, 90)
    assert expected_recall(measured, 2, 9, near) == 0.85
    assert expected_recall(measured, 9, 9, near) == 1
    assert expected_recall(measured, 2, 9) == 0.8


def test_the_recall_to_expect_is_that_of_the_point_which_is_searched_with():
    """Two points may have one reach, and neither is looked up by it."""
    points = [
        RecallPoint(nprobe=n, reach=0.25, recall=recall, scanned_fraction=n / 40)
        for n, recall in ((4, 0.7), (6, 0.85))
    ]
    measured = curve([(9, 1.0)]).model_copy(update={"by_reach": points})
    chosen = plan([measured], Metric.COSINE, 10, 9, SearchOptions(), 0.8)
    assert (chosen.nprobe, chosen.radius) == (6, 0.25)
    assert expected_recall(chosen.curve, 5, 9, chosen.near) == 0.85


def coded_curve(k, depths):
    points = [
        RecallPoint(nprobe=2, depth=depths[0], recall=0.8, scanned_fraction=0.2),
        RecallPoint(nprobe=4, depth=depths[1], recall=0.9, scanned_fraction=0.4),
        RecallPoint(nprobe=9, recall=1, scanned_fraction=1),
    ]
    return RecallCurve(space="visual", metric=Metric.COSINE, k=k, queries=1, points=points)
