"""Counting matches: right where pictures lie apart, silent where nothing is learnt."""

import numpy as np
import pytest

from shared.contracts.counting import Counting
from shared.maths.count_fitting import Search, fit
from shared.maths.counting import Count, Counter, length_of, whole_numbers
from shared.maths.evidence import Evidence

PICTURES = 400


def _search(kind: int, rng: np.random.Generator, gap: float, matches: int | None = None) -> Search:
    """A search whose matches have cosines higher by `gap` than the others."""
    count = int(rng.integers(2, 40)) if matches is None else matches
    cosines = rng.normal(0.0, 0.1, PICTURES)
    matched = np.zeros(PICTURES, bool)
    matched[:count] = True
    cosines[:count] += gap

    def evidence(rows: np.ndarray) -> tuple[Evidence, np.ndarray]:
        order = rows[np.argsort(-cosines[rows], kind="stable")]
        moved = np.full(len(order), np.nan)
        moved[:150] = cosines[order[:150]]
        return Evidence(cosines[order], moved, 0.0, 0.12), order

    whole, order = evidence(np.arange(PICTURES))
    absent, _ = evidence(np.flatnonzero(~matched))
    return Search(whole, matched[order], count, kind, absent)


def _learnt(gap: float) -> Counting | None:
    rng = np.random.default_rng(0)
    return fit([_search(kind, rng, gap) for kind in range(30) for _ in range(8)])


@pytest.fixture(scope="module")
def counter() -> Counter:
    learnt = _learnt(0.6)
    assert learnt is not None
    assert learnt.is_telling
    return Counter(learnt)


def test_intervals_hold_the_truth_and_are_narrow_where_matches_lie_apart(counter):
    rng = np.random.default_rng(1)
    searches = [_search(0, rng, 0.6) for _ in range(200)]
    counts = [counter.count(one.evidence).whole for one in searches]
    inside = [low <= s.matches <= high for s, (low, _, high) in zip(searches, counts, strict=True)]
    assert np.mean(inside) >= 0.85
    halves = [(h - low) / 2 / s.matches for s, (low, _, h) in zip(searches, counts, strict=True)]
    assert np.median(halves) <= 1 / 3


def test_what_has_no_match_is_told_from_what_has_one(counter):
    rng = np.random.default_rng(2)
    searches = [_search(0, rng, 0.6) for _ in range(100)]
    there = [counter.count(one.evidence) for one in searches]
    gone = [counter.count(one.absent) for one in searches if one.absent is not None]
    assert np.mean([one.whole[0] == 0 for one in there]) <= 0.1
    assert np.mean([one.whole[0] == 0 for one in gone]) >= 0.9
    assert np.mean([one.present for one in there]) > np.mean([one.present for one in gone]) + 0.5


def test_scores_that_tell_nothing_give_no_counts():
    learnt = _learnt(0.0)
    assert learnt is None or not learnt.is_telling


def test_few_searches_teach_nothing():
    rng = np.random.default_rng(0)
    assert fit([_search(kind, rng, 0.6) for kind in range(5)]) is None
    assert fit([]) is None


def test_a_promised_list_holds_a_match_as_often_as_promised():
    rng = np.random.default_rng(3)
    learnt = fit([_search(kind, rng, 0.15, 3) for kind in range(30) for _ in range(10)])
    assert learnt is not None
    counter = Counter(learnt)
    searches = [_search(0, rng, 0.15, 3) for _ in range(400)]
    counts = [counter.count(one.evidence) for one in searches]
    former = 0.0
    for promise in (0.8, 0.9, 0.95):
        lengths = [counter.promised(count, promise) for count in counts]
        holds = [
            bool(one.matched[:length].any())
            for one, length in zip(searches, lengths, strict=True)
            if length is not None
        ]
        assert np.mean(holds) >= promise - 0.04
        mean = float(np.mean([length for length in lengths if length is not None]))
        assert former < mean < PICTURES / 3
        former = mean


def test_a_promise_that_searches_without_a_match_break_is_not_made():
    rng = np.random.default_rng(4)
    searches = [_search(kind, rng, 0.6) for kind in range(30) for _ in range(4)]
    lost = [
        Search(one.absent, np.zeros(len(one.absent), bool), 0, one.kind, None)
        for one in searches
        if one.absent is not None
    ]
    learnt = fit([*searches, *lost])
    assert learnt is not None
    counter = Counter(learnt)
    # The least clear searches are as often lost as not.
    unclear = counter.count(lost[0].evidence)
    assert counter.promised(unclear, 0.9) is None
    clear = max((counter.count(one.evidence) for one in searches), key=lambda c: c.presence)
    assert counter.promised(clear, 0.9) == 1


def test_a_filter_keeps_its_share_of_the_count(counter):
    one = _search(0, np.random.default_rng(5), 0.6, 30)
    whole = counter.count(one.evidence)
    none = counter.count(one.evidence, np.zeros(PICTURES, bool))
    assert none.whole == (0, 0, 0)
    half = np.zeros(PICTURES, bool)
    half[np.flatnonzero(one.matched)[::2]] = True
    kept = counter.count(one.evidence, half)
    assert kept.matches < 0.7 * whole.matches
    assert kept.low <= 15 <= kept.high


def test_a_list_ends_where_its_evidence_is_enough():
    chances = np.array([0.5, 0.5, 0.5, 0.5])
    one = -np.log(0.5)
    assert length_of(chances, 0.0) == 1
    assert length_of(chances, one) == 1
    assert length_of(chances, 1.5 * one) == 2
    assert length_of(chances, 100.0) == 4


@pytest.mark.parametrize(
    ("ends", "whole"),
    [((3.2, 5.4, 9.9), (4, 5, 9)), ((3.2, 3.3, 3.4), (3, 3, 3)), ((-1.0, 0.2, 0.9), (0, 0, 0))],
)
def test_whole_numbers_lie_within_the_interval(ends, whole):
    assert whole_numbers(*ends) == whole
    assert Count(np.empty(0), ends[1], ends[0], ends[2], 0.0).whole == whole
