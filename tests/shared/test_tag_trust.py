"""How surely a picture shows its tag: mistakes stand out, and right ones are believed."""

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.maths import calibration, tag_trust
from shared.maths.standard_scores import ScoreSample

pytestmark = pytest.mark.floats


def classes(count: int, each: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(count, 16))
    labels = np.repeat(np.arange(count), each)
    return tag_trust.unit(centres[labels] + rng.normal(size=(len(labels), 16))), labels


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_mistaken_tags_are_told_from_right_ones(share: float) -> None:
    vectors, labels = classes(20, 30)
    rng = np.random.default_rng(1)
    given = np.where(rng.random(len(labels)) < share, rng.permutation(labels), labels)
    inside, outside, right = [], [], []
    for label in range(20):
        own = given == label
        carriers = vectors[own]
        inside.append(tag_trust.likeness(carriers, carriers, np.ones(len(carriers), bool)))
        others = vectors[~own][::20]
        outside.append(tag_trust.likeness(others, carriers, np.zeros(len(others), bool)))
        right.append(labels[own] == label)
    curve = tag_trust.fit(np.concatenate(inside), np.concatenate(outside))
    assert curve is not None
    told, truth = curve(np.concatenate(inside)), np.concatenate(right)
    found = calibration.reliability(told, truth)
    assert found.brier < 0.9 * found.base_rate_brier
    assert told[truth].mean() > 0.8 > told[~truth].mean()


def test_of_one_score_nothing_is_learnt() -> None:
    assert tag_trust.fit(np.empty(0), np.ones(3)) is None


def test_standard_scores_mean_the_same_for_every_term() -> None:
    vectors, _ = classes(20, 30)
    sample = ScoreSample.of(vectors)
    for term in (vectors[3], 5 * vectors[500]):
        scores = vectors @ term / np.linalg.norm(term)
        expected = scores.mean() + 2 * scores.std()
        found = sample.cosines(term, np.array([2.0]))
        assert found is not None
        assert found[0] == pytest.approx(expected, rel=1e-5)
    assert sample.cosines(np.zeros(16), np.array([2.0])) is None


def test_where_a_picture_stands_out_the_same_score_says_more() -> None:
    vectors, _ = classes(20, 30)
    term = vectors[3]
    scores = vectors @ term
    standard = (scores - scores.mean()) / scores.std()
    offset = 0.5 * np.log1p(standard.max()) + 0.25 * np.quantile(standard, 0.99)
    found = ScoreSample.of(vectors).cosines(term, np.array([2.0]), peak=0.5, crowd=0.25)
    assert found is not None
    assert found[0] == pytest.approx(scores.mean() + (2 - offset) * scores.std(), rel=1e-4)
