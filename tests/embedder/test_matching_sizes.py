"""The matching network is trained on any number of tags and images, or says why it can't be."""

import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import given, settings
from hypothesis import strategies as st

from services.embedder.matching.training import train
from services.embedder.matching.training_set import TrainingSet
from services.embedder.words.vectors import Words
from shared.contracts.embedder import TrainingSettings
from shared.core.errors import InvalidInput

QUICK = TrainingSettings(epochs=1, hidden=16)
TAGS, DIM = 40, 48
LAYOUTS = ("one tag each", "all tags on all", "drawn")


@pytest.fixture(scope="module")
def words() -> Words:
    keyed = KeyedVectors(24)
    vectors = np.random.default_rng(1).normal(size=(TAGS, 24)).astype(np.float32)
    keyed.add_vectors([f"known{n}" for n in range(TAGS)], vectors)
    return Words(keyed)


def tagged(tags: int, images: int, known: int, layout: str, alike: bool, seed: int) -> TrainingSet:
    """Images of random features; the first `known` of the tags have a word vector."""
    rng = np.random.default_rng(seed)
    features = np.maximum(rng.normal(size=(images, DIM)), 0).astype(np.float32)
    if alike:
        features[:] = features[0]
    terms = [f"known{n}" if n < known else f"qqzzx{n}" for n in range(tags)]
    carried = {
        "one tag each": lambda image: [image % tags],
        "all tags on all": lambda image: list(range(tags)),
        "drawn": lambda image: rng.choice(tags, rng.integers(0, tags + 1), replace=False).tolist(),
    }[layout]
    return TrainingSet(features, terms, [carried(i) if tags else [] for i in range(images)], "cnn")


def check(training_set: TrainingSet, words: Words) -> None:
    carried = {training_set.terms[tag] for row in training_set.image_terms for tag in row}
    if not any(words.find(term) is not None for term in carried):
        with pytest.raises(InvalidInput, match=r"^Matching can't be trained: "):
            train(training_set, words, QUICK)
        return
    network, report = train(training_set, words, QUICK)
    assert report.images + report.held_out <= len(training_set.features)
    known = [vector for t in training_set.terms if (vector := words.find(t)) is not None]
    for joint in (
        network.project_images(training_set.features),
        network.project_words(np.stack(known)),
    ):
        np.testing.assert_allclose(np.linalg.norm(joint, axis=1), 1, atol=1e-3)


CASES = {
    "tags": st.integers(0, TAGS),
    "images": st.integers(1, 40),
    "share": st.sampled_from([0.0, 0.5, 1.0]),
    "layout": st.sampled_from(LAYOUTS),
    "alike": st.booleans(),
    "seed": st.integers(0, 1000),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("tags", [1, 2, 8, 9, 10, 11])
def test_a_few_folders_of_photos_can_be_trained_on(tags, layout, words):
    check(tagged(tags, 6 * tags, tags, layout, alike=False, seed=0), words)


def test_tags_without_a_word_vector_are_left_out(words):
    for tags in (10, 11):
        training_set = tagged(tags, 6 * tags, 8, "one tag each", alike=False, seed=0)
        _, report = train(training_set, words, QUICK)
        assert (report.terms, len(report.terms_without_word)) == (8, tags - 8)


def test_one_tag_alone_lies_where_its_word_does(words):
    """Nothing tells its images apart, so another term finds all of them alike."""
    training_set = tagged(1, 6, 1, "one tag each", alike=False, seed=0)
    network, _ = train(training_set, words, QUICK)
    images = network.project_images(training_set.features)
    own, other = network.project_words(np.stack([words.features(f"known{n}") for n in (0, 1)]))
    assert (images @ own).min() > 0.99
    np.testing.assert_allclose(images @ other, own @ other, atol=0.05)


@settings(max_examples=25, deadline=None)
@given(**CASES)
def test_any_number_of_tags_and_images_is_trained_on_or_told_of(words, share, **case):
    check(tagged(known=round(share * case["tags"]), **case), words)


@pytest.mark.slow
@settings(max_examples=600, deadline=None)
@given(**CASES)
def test_many_numbers_of_tags_and_images_are_trained_on_or_told_of(words, share, **case):
    check(tagged(known=round(share * case["tags"]), **case), words)
