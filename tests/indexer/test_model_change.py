"""A sample tells what another model changes in the whole collection."""

import numpy as np
import pytest

from services.indexer.jobs.context import JobContext
from services.indexer.measuring import model_change
from services.indexer.measuring.judged_pairs import JudgedHits, share_ordered
from shared.maths.model_change import LEAST_KINDS, expected_change, precision_by_weight

TAGS, OF_EACH = 60, 25


def test_where_each_hit_stands_for_itself_it_is_the_precision_of_the_first_ten():
    matched = np.random.default_rng(0).random((20, 40)) < 0.5
    one = np.ones(20)
    assert precision_by_weight(matched, one, one) == pytest.approx(matched[:, :10].mean(axis=1))


def test_hits_that_stand_for_many_fill_the_first_ten_sooner():
    matched = np.array([[True, False, True, True]])
    # One picture that matches, then eight of the nine that are left: 1 + 8 others, 1 match.
    assert precision_by_weight(matched, np.array([1.0]), np.array([8.0])) == pytest.approx([0.2])
    # Twelve others at once leave room for nine only.
    assert precision_by_weight(matched, np.array([1.0]), np.array([12.0])) == pytest.approx([0.1])


def test_too_few_tags_tell_nothing():
    kinds = np.arange(LEAST_KINDS - 1)
    flat = np.ones(len(kinds))
    assert expected_change(flat, flat, flat, kinds, 0) is None


def test_tags_are_drawn_in_proportion_to_their_pictures():
    tags = {n: ["large" if n < 3000 else f"small {n % 100}"] for n in range(6000)}
    share = [
        sample.weights[sample.ordinals < 3000].sum() / sample.weights.sum()
        for sample in (model_change.tag_sample(tags, seed) for seed in range(20))
    ]
    assert np.mean(share) == pytest.approx(0.5, abs=0.06)
    sample = model_change.tag_sample(tags, 0)
    assert len(np.unique(sample.ordinals)) == len(sample.ordinals)
    assert 500 <= len(sample.ordinals) < 512


def test_no_more_is_drawn_than_there_is():
    assert len(model_change.tag_sample({}, 0).ordinals) == 0
    few = {n: [f"tag {n % 3}"] for n in range(10)}
    assert model_change.tag_sample(few, 0).ordinals.tolist() == list(range(10))


@pytest.mark.slow
def test_what_comes_lies_in_the_interval_and_a_better_model_is_told_to_be_one():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(TAGS), OF_EACH)
    centres = rng.normal(size=(TAGS, 24))
    former, new = (
        (centres[labels] + noise * rng.normal(size=(len(labels), 24))).astype(np.float32)
        for noise in (1.6, 1.0)
    )
    tags = {n: [str(label)] for n, label in enumerate(labels.tolist())}
    sample = model_change.tag_sample(tags, 0)
    rankings = [model_change.ranked(one[sample.ordinals], None) for one in (former, new)]
    told = model_change.expected_of(sample, tags, rankings[0], rankings[1], 0)
    whole = [
        (labels[model_change.ranked(one, None)[:, :10]] == labels[:, None]).mean()
        for one in (former, new)
    ]
    assert told is not None
    assert told.low > 0
    assert told.low <= whole[1] - whole[0] <= told.high
    assert model_change.agreement(rankings[0], rankings[0]) == 1
    assert 0 < model_change.agreement(*rankings) < 1


def test_judged_pairs_are_ordered_by_nearness():
    judged = JudgedHits({7: [8]}, {7: [9], 8: [9]})
    pairs = judged.pairs(np.array([7, 8, 9]))
    assert pairs.tolist() == [[0, 1, 2]]
    assert judged.ordinals.tolist() == [7, 8, 9]
    features = np.array([[1, 0], [1, 0.1], [0, 1]], np.float32)
    assert share_ordered(features, pairs) == 1
    assert share_ordered(features[[0, 2, 1]], pairs) == 0


def test_work_beside_a_job_leaves_its_numbers_alone():
    job = JobContext.unwatched()
    beside = job.aside()
    beside.count(5)
    beside.fail("broken.jpg", "It is broken.")
    assert (job.progress().total, job.failed) == (0, 0)
    job.cancelled.set()
    assert beside.cancelled.is_set()
