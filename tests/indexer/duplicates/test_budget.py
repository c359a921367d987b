"""Choice of deletions: a budget bounds what is wrong, and no chain deletes anything."""

import numpy as np
import pytest

from services.indexer.comparing.budget import Deletion, Edge, Ranking, quantile, rank
from services.indexer.comparing.judge import Judge, packaged

SURE, DOUBTFUL = 12.0, 1.5


@pytest.fixture(scope="module")
def judge():
    """Scores are log odds; look-alikes score as much as 6 once in a million."""
    tail = np.array([[-5.0, 0.0], [0.0, np.log(1e-3)], [6.0, np.log(1e-6)]])
    return Judge(np.zeros(8), np.ones(8), np.ones(8), 0.0, 0.5, -5.0, tail, 1.0, 1.0, 1e9)


def choose(edges, compared, order, judge, budget):
    return rank(edges, compared, compared, order, judge).within(budget)


def edge(first, second, score=SURE, covers=(1.0, 1.0), exact=False):
    return Edge(first, second, score, *covers, exact)


def ordered(*best_first):
    return {one: (float(-place),) for place, one in enumerate(best_first)}


def test_a_chain_of_likeness_deletes_only_what_was_compared_with_the_kept(judge):
    edges = [edge(1, 2), edge(2, 3), edge(3, 4)]
    found = choose(edges, 100, ordered(1, 2, 3, 4), judge, 0.01)
    assert {(one.gone, one.kept) for one in found.deletions} == {(2, 1), (4, 3)}


def test_the_best_of_a_group_stays(judge):
    edges = [edge(1, 2), edge(1, 3), edge(2, 3)]
    found = choose(edges, 100, ordered(3, 1, 2), judge, 0.01)
    assert {(one.gone, one.kept) for one in found.deletions} == {(1, 3), (2, 3)}


def test_a_part_never_stands_for_the_whole(judge):
    # The second picture shows half of the first, in more pixels.
    part = [edge(1, 2, covers=(0.5, 1.0))]
    assert choose(part, 100, ordered(2, 1), judge, 0.01).deletions == []
    found = choose(part, 100, ordered(1, 2), judge, 0.01)
    assert [(one.gone, one.kept) for one in found.deletions] == [(2, 1)]


def test_a_larger_budget_deletes_more_and_tells_of_more_wrong(judge):
    edges = [edge(2 * n, 2 * n + 1, SURE if n % 2 else 6.0) for n in range(300)]
    order = ordered(*range(600))
    small, large = (choose(edges, 2000, order, judge, budget) for budget in (0.001, 0.05))
    assert 150 <= small.within < 300
    assert small.most == 0
    assert large.within == 300
    assert 0 < large.expected <= large.most <= 15


def test_what_is_told_is_within_the_budget(judge):
    rng = np.random.default_rng(0)
    edges = [edge(2 * n, 2 * n + 1, float(rng.normal(5, 3))) for n in range(500)]
    for budget in (0.002, 0.01, 0.03, 0.1):
        found = choose(edges, 5000, ordered(*range(1000)), judge, budget)
        assert found.most <= budget * found.within
        assert found.expected <= found.most or found.most == 0


def test_the_same_pixels_are_no_risk(judge):
    found = choose([edge(1, 2, DOUBTFUL, exact=True)], 10, ordered(1, 2), judge, 0.001)
    assert (found.within, found.expected, found.most) == (1, 0, 0)


def test_unsure_pairs_are_told_of_and_stay(judge):
    found = choose([edge(1, 2, 4.0)], 10, ordered(1, 2), judge, 0.01)
    assert (len(found.deletions), found.within) == (1, 0)


def test_nothing_compared_gives_nothing_to_delete(judge):
    assert choose([], 0, {}, judge, 0.01).deletions == []


def test_pictures_that_are_gone_are_left_out(judge):
    assert choose([edge(1, 2)], 10, ordered(1), judge, 0.01).deletions == []


@pytest.mark.parametrize(("mean", "most"), [(0, 0), (0.05, 0), (0.06, 1), (1, 3), (10, 15)])
def test_the_bound_holds_in_95_of_100_cases(mean, most):
    assert quantile(mean, 1e9) == most


def test_the_bound_holds_where_rates_differ_between_collections_and_wrong_ones_come_together():
    rng = np.random.default_rng(0)
    for mean in (0.5, 2.0, 9.0):
        rates = rng.gamma(2.0, mean / 1.5 / 2.0, 20_000)
        wrong = 1.5 * rng.poisson(rates)
        assert 0.95 <= np.mean(wrong <= quantile(mean, 2.0, 1.5)) <= 0.99


def test_a_rare_true_pair_is_believed_less(judge):
    scores = np.array([3.0, 3.0, -2.0])
    many, few = judge.probabilities(scores, 0), judge.probabilities(scores, 100_000)
    assert few[0] < many[0] < 1


def test_look_alikes_get_rarer_with_the_score_and_never_impossible():
    shares = [packaged().wrong_share(score) for score in range(-10, 60)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] >= 0 < shares[20]


def test_a_long_list_is_cut_as_if_every_length_were_tried():
    rng = np.random.default_rng(0)
    for scale in (0.2, 0.7, 1.5):
        expected = np.cumsum(rng.gamma(0.05, scale, 3000))
        ranking = Ranking([Deletion(1, 2, 0.0, 1.0, exact=False)] * 3000, expected, 2.0, 1.5)
        for budget in (0.005, 0.01, 0.02, 0.05):
            fits = [
                count
                for count in range(1, 3001)
                if quantile(expected[count - 1], 2.0, 1.5) <= int(budget * count + 1e-9)
            ]
            assert ranking.within(budget).within == max(fits, default=0)
