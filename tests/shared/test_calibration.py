"""Isotonic regression and what it's judged by."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.maths import calibration


def drawn(count, seed=0):
    """Scores, and matches whose chance is the square of the score."""
    rng = np.random.default_rng(seed)
    scores = rng.random(count)
    return scores, rng.random(count) < scores**2


def test_it_learns_the_true_chance():
    curve = calibration.fit(*drawn(100_000))
    at = np.linspace(0.05, 0.95, 19)
    assert np.abs(curve(at) - at**2).max() < 0.05


def test_held_out_pairs_are_met_and_the_base_rate_is_beaten():
    curve = calibration.fit(*drawn(5000))
    scores, matched = drawn(5000, seed=1)
    found = calibration.reliability(curve(scores), matched)
    assert found.expected_error < 0.03
    assert found.brier < 0.8 * found.base_rate_brier
    assert len(found.predicted) == len(found.matched) == 15


def test_a_wrong_probability_is_told():
    scores, matched = drawn(5000)
    found = calibration.reliability(np.full(len(scores), 0.9), matched)
    assert found.expected_error == pytest.approx(0.9 - matched.mean(), abs=1e-9)
    assert found.brier > found.base_rate_brier


pairs = st.lists(
    st.tuples(st.floats(-1, 1, allow_subnormal=False), st.booleans()), min_size=1, max_size=300
)


@given(pairs)
def test_the_curve_rises_and_stays_within_bounds(given_pairs):
    scores = np.array([score for score, _ in given_pairs])
    matched = np.array([match for _, match in given_pairs])
    curve = calibration.fit(scores, matched)
    if matched.all() or not matched.any():
        assert curve is None
        return
    assert (np.diff(curve.scores) > 0).all()
    told = curve(np.linspace(-2, 2, 50))
    assert (np.diff(told) >= 0).all()
    assert ((told > 0) & (told < 1)).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7), st.integers(0, 10**6))
def test_pooling_is_the_least_squares_rising_sequence(values, seed):
    values = np.array(values)
    masses = np.random.default_rng(seed).integers(1, 5, len(values)).astype(float)
    pooled = calibration._pooled(values, masses)
    assert (np.diff(pooled) >= -1e-12).all()

    def error(sequence):
        return float((masses * (values - sequence) ** 2).sum())

    # The best rising sequence takes its values from weighted means of runs.
    means = [
        np.average(values[a:b], weights=masses[a:b])
        for a, b in itertools.combinations(range(len(values) + 1), 2)
    ]
    rising = itertools.combinations_with_replacement(sorted(set(means)), len(values))
    best = min(error(np.array(one)) for one in itertools.islice(rising, 20_000))
    assert error(pooled) <= best + 1e-9


def test_equal_scores_are_one_knot():
    scores = np.full(200, 0.5)
    matched = np.arange(200) % 4 == 0
    curve = calibration.fit(scores, matched)
    assert len(curve.scores) == 1
    assert curve(np.array([0.1, 0.9])) == pytest.approx([0.25, 0.25], abs=0.05)
