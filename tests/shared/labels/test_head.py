"""Label head: the likeliest classes of stored features, and the head as bytes."""

import numpy as np
import pytest

from shared.core.errors import Corrupt
from shared.labels.head import MOST_LABELS, LabelClass, LabelHead, shown


def head(classes=50, dim=8, seed=0, **changes):
    random = np.random.default_rng(seed)
    names = tuple(LabelClass((f"class {n}", f"Genus_{n}"), f"n{n:08d}") for n in range(classes))
    weight = random.normal(size=(classes, dim)).astype(np.float32)
    bias = random.normal(size=classes).astype(np.float32)
    return LabelHead(weight, bias, changes.pop("names", names), "test", **changes)


def softmax(logits):
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def test_the_likeliest_classes_come_first_with_their_probabilities():
    one = head()
    features = np.random.default_rng(1).normal(size=(5000, 8)).astype(np.float32)
    ids, chances = one.top(features)
    exact = softmax(features.astype(np.float64) @ one.weight.T.astype(np.float64) + one.bias)
    assert ids.shape == chances.shape == (5000, MOST_LABELS)
    assert (ids.dtype, chances.dtype) == (np.uint16, np.float16)
    assert (np.diff(chances.astype(np.float32), axis=1) <= 0).all()
    np.testing.assert_allclose(chances, np.take_along_axis(exact, ids.astype(int), 1), atol=1e-3)
    np.testing.assert_allclose(chances[:, 0], exact.max(axis=1), atol=1e-3)


def test_a_temperature_flattens_the_probabilities():
    features = np.random.default_rng(1).normal(size=(20, 8)).astype(np.float32)
    _, sharp = head().top(features)
    _, flat = head(temperature=4.0).top(features)
    assert flat[:, 0].mean() < sharp[:, 0].mean()


def test_fewer_classes_than_are_stored_give_them_all():
    ids, chances = head(classes=3).top(np.zeros((2, 8), np.float32))
    assert ids.shape == (2, 3)
    np.testing.assert_allclose(chances.astype(float).sum(axis=1), 1, atol=1e-2)


def test_large_features_overflow_nothing():
    _, chances = head().top(np.full((1, 8), 1e6, np.float32))
    assert np.isfinite(chances).all()


def test_a_name_and_its_synonym_find_the_class_in_any_spelling():
    one = head()
    assert one.named("CLASS_7") == [7]
    assert one.named("genus 7") == [7]
    assert one.named("unheard of") == []


def test_two_classes_may_share_a_name():
    names = (LabelClass(("crane",)), LabelClass(("crane",)), LabelClass(("tench",)))
    assert head(classes=3, names=names).named("crane") == [0, 1]


def test_a_head_comes_back_from_its_bytes():
    one = head(temperature=1.5)
    back = LabelHead.from_bytes(one.to_bytes())
    np.testing.assert_array_equal(back.weight, one.weight)
    np.testing.assert_array_equal(back.bias, one.bias)
    assert back.classes == one.classes
    assert (back.source, back.temperature) == ("test", 1.5)
    assert back.digest == one.digest


def test_the_digest_tells_heads_apart():
    assert len({head().digest, head(seed=1).digest, head(temperature=2.0).digest}) == 3
    assert head().digest == head().digest


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 nothing", head().to_bytes()[:500]])
def test_damaged_bytes_are_refused(data):
    with pytest.raises(Corrupt):
        LabelHead.from_bytes(data)


def test_only_labels_worth_showing_are_shown():
    ids = np.array([4, 2, 9, 1], np.uint16)
    chances = np.array([0.5, 0.25, 0.125, 0.01], np.float16)
    assert list(shown(ids, chances, 0.05, 5)) == [(4, 0.5), (2, 0.25), (9, 0.125)]
    assert list(shown(ids, chances, 0.05, 1)) == [(4, 0.5)]
