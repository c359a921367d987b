"""A joint space that begins from labels: word search without tags, and with tags on top."""

import json
import tracemalloc
from importlib import resources

import numpy as np
import pytest
import torch
from gensim.models import KeyedVectors

from services.embedder.matching.combined import CombinedNetwork
from services.embedder.matching.label_map import GENERAL_DIM, _class_bases
from services.embedder.matching.store import Matcher, NetworkStore, read_matcher
from services.embedder.matching.training import train
from services.embedder.matching.training_set import TrainingSet
from services.embedder.words.meanings import Meanings
from services.embedder.words.vectors import Words
from shared.contracts.embedder import TrainingSettings
from shared.core.errors import FingerprintMismatch, UnknownTerm
from shared.labels.head import LabelClass, LabelHead

CLASSES = ["dalmatian", "chihuahua", "tabby", "flamingo", "ostrich", "airliner", "sports car"]
MORE = ["pizza", "grand piano", "violin", "hammerhead", "sunglasses", "folding chair", "daisy"]
DIM = 32
QUICK = TrainingSettings(epochs=2, hidden=16, batch_size=32)


@pytest.fixture(scope="module")
def head():
    """Fourteen of ImageNet's classes; the feature of each class alone is its own direction."""
    table = json.loads(
        resources.files("services.embedder")
        .joinpath("assets/imagenet1k_wordnet.json")
        .read_text(encoding="utf-8")
    )
    synsets = {table["synsets"][one]["lemmas"][0]: f"n{one}" for one in table["classes"]}
    names = CLASSES + MORE
    weight = np.zeros((len(names), DIM), np.float32)
    weight[np.arange(len(names)), np.arange(len(names))] = 12
    classes = tuple(LabelClass((name,), synsets[name]) for name in names)
    return LabelHead(weight, np.zeros(len(names), np.float32), classes, "some")


@pytest.fixture(scope="module")
def words():
    """Random vectors; `puppy` lies near `chihuahua`, and `jet` near `airliner`."""
    rng = np.random.default_rng(0)
    names = [*CLASSES, "pizza", "piano", "violin", "chair", "red", "puppy", "jet", "filler"]
    vectors = rng.normal(size=(len(names), 24)).astype("f4")
    for near, to in (("puppy", "chihuahua"), ("jet", "airliner")):
        noise = 0.3 * rng.normal(size=24)
        vectors[names.index(near)] = vectors[names.index(to)] + noise.astype("f4")
    keyed = KeyedVectors(24)
    keyed.add_vectors(names, vectors)
    return Words(keyed)


@pytest.fixture(scope="module")
def meanings(words, head):
    return Meanings(words, head)


def pictures(count=12, seed=0):
    """Pictures of every class, and the class of each."""
    rng = np.random.default_rng(seed)
    shown = np.repeat(np.arange(len(CLASSES + MORE)), count)
    features = 0.15 * np.abs(rng.normal(size=(len(shown), DIM))).astype("f4")
    features[np.arange(len(shown)), shown] += 1
    return features, shown


def untagged(features):
    return TrainingSet(features, [], [[] for _ in features], "cnn-1")


@pytest.fixture(scope="module")
def network(words, meanings):
    made, _ = train(untagged(pictures()[0]), words, QUICK, meanings=meanings)
    return made


def found(network, meanings, term, features=None, shown=None, first=10):
    """The classes of the first hits of a term."""
    if features is None:
        features, shown = pictures(seed=1)
    vector = network.project_words(np.stack(meanings.embed([term])))[0]
    order = np.argsort(-(network.project_images(features) @ vector), kind="stable")
    return {(CLASSES + MORE)[shown[i]] for i in order[:first]}


def test_bases_of_thousands_of_classes_take_little_memory():
    rng = np.random.default_rng(0)
    memberships = (rng.random((3000, 150)) < 0.02).astype(np.float64)
    tracemalloc.start()
    try:
        pictures, terms = _class_bases(memberships)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60e6
    # A word finds the classes below it, and each class itself.
    shown = pictures @ (memberships.T @ terms).T
    below = memberships > 0
    assert shown[below].mean() > 5 * np.abs(shown[~below].mean())
    itself = np.einsum("ij,ij->i", pictures, terms)
    assert itself.mean() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("shape", [(14, 3), (14, 0), (80, 70), (200, 5)])
def test_general_directions_are_orthonormal_however_few_words_there_are(shape):
    rng = np.random.default_rng(1)
    pictures, terms = _class_bases((rng.random(shape) < 0.3).astype(np.float64))
    general = min(GENERAL_DIM, shape[0])
    products = pictures[:, :general].T @ terms[:, :general]
    np.testing.assert_allclose(products, np.eye(general), atol=1e-8)


class TestWords:
    def test_a_class_is_found_by_its_name(self, network, meanings):
        for name in ("flamingo", "dalmatian", "sports car", "Sports-Cars"):
            hits = found(network, meanings, name)
            assert hits == {name.lower().replace("-", " ").rstrip("s")}

    def test_a_general_word_finds_what_lies_below_it(self, network, meanings):
        assert found(network, meanings, "dog", first=24) == {"dalmatian", "chihuahua"}
        assert found(network, meanings, "birds", first=24) == {"flamingo", "ostrich"}
        assert found(network, meanings, "musical instrument", first=24) == {"grand piano", "violin"}

    def test_a_word_that_no_class_has_is_found_by_what_is_near_to_it(self, network, meanings):
        assert found(network, meanings, "jet", first=5) == {"airliner"}

    def test_of_a_phrase_the_parts_that_mean_something_count(self, network, meanings):
        assert found(network, meanings, "a dalmatian in the red") == {"dalmatian"}

    def test_a_class_is_found_where_word2vec_lacks_its_name(self, network, meanings, words):
        assert words.find("hammerhead") is None
        assert found(network, meanings, "hammerhead") == {"hammerhead"}

    def test_words_for_almost_anything_stand_for_no_class(self, meanings):
        for word in ("object", "whole", "artifact", "piece", "substance", "part"):
            assert meanings.hierarchy.find(word) is None

    def test_a_word_that_nothing_knows_is_told(self, meanings):
        with pytest.raises(UnknownTerm, match="xyzzy"):
            meanings.embed(["xyzzy"])
        assert meanings.embed(["xyzzy"], allow_unknown=True) == [None]


class TestVectors:
    def test_have_length_one(self, network, meanings):
        images = network.project_images(pictures(seed=1)[0])
        terms = network.project_words(np.stack(meanings.embed(["dog", "jet", "red car"])))
        for rows in (images, terms):
            np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)

    def test_of_the_same_pictures_are_the_same(self, words, meanings, network):
        again, report = train(untagged(pictures()[0]), words, QUICK, meanings=meanings)
        assert (report.terms, report.epochs, report.labels) == (0, 0, meanings.digest)
        features = pictures(seed=1)[0]
        np.testing.assert_allclose(
            again.project_images(features), network.project_images(features), atol=1e-5
        )

    def test_a_picture_is_told_by_its_neighbours_too(self, words, meanings):
        """One of twelve flamingos is mislabelled; it looks like the others all the same."""
        features, shown = pictures(count=30)
        look = np.zeros((len(features), DIM), np.float32)
        look[np.arange(len(shown)), len(CLASSES + MORE) + shown] = 3
        features = np.concatenate([features[:, :14], look[:, 14:28], features[:, 28:]], axis=1)
        odd = int(np.flatnonzero(shown == CLASSES.index("flamingo"))[0])
        features[odd, :14] = 0
        features[odd, CLASSES.index("tabby")] = 0.5
        made, _ = train(untagged(features), words, QUICK, meanings=meanings)
        vectors = made.project_words(np.stack(meanings.embed(["flamingo", "tabby"])))
        flamingo, tabby = made.project_images(features[odd : odd + 1])[0] @ vectors.T
        assert flamingo > tabby

    @pytest.mark.parametrize("count", [0, 1, 2, 3])
    def test_few_pictures_or_none_are_no_error(self, count, words, meanings):
        made, _ = train(untagged(pictures()[0][:count]), words, QUICK, meanings=meanings)
        assert found(made, meanings, "dog", *pictures(seed=1), first=12) <= {
            *("dalmatian", "chihuahua")
        }

    def test_gradients_reach_the_features(self, network, meanings):
        """Heat maps of a term rest on them."""
        features = torch.from_numpy(pictures(seed=1)[0][:1]).requires_grad_(True)
        goal = torch.from_numpy(network.project_words(np.stack(meanings.embed(["dalmatian"]))))
        (network.joint_images(features) @ goal[0]).sum().backward()
        assert features.grad is not None
        assert features.grad[0].argmax() == CLASSES.index("dalmatian")


@pytest.fixture(scope="module")
def taught(words, meanings):
    """Sports cars are tagged `red`; nothing else has a tag but flamingos, `filler`."""
    features, shown = pictures(count=40)
    names = {"sports car": 0, "flamingo": 1}
    rows = [[names[n]] if (n := (CLASSES + MORE)[s]) in names else [] for s in shown]
    tagged = TrainingSet(features, ["red", "filler"], rows, "cnn-1")
    settings = TrainingSettings(epochs=8, hidden=16, batch_size=16)
    return train(tagged, words, settings, meanings=meanings)


class TestTags:
    def test_are_learnt_on_top(self, taught, meanings):
        network, report = taught
        assert isinstance(network, CombinedNetwork)
        assert network.trained is not None
        assert (report.terms, report.labels) == (2, meanings.digest)
        features, shown = pictures(seed=1)
        some = np.isin(shown, [CLASSES.index("sports car"), CLASSES.index("flamingo")])
        assert found(network, meanings, "red", features[some], shown[some]) == {"sports car"}

    def test_leave_the_words_without_tags_as_they_are(self, taught, meanings):
        assert found(taught[0], meanings, "dog", first=24) == {"dalmatian", "chihuahua"}


class TestStore:
    def test_keeps_what_labels_and_tags_taught(self, network, meanings, tmp_path):
        matcher = Matcher(network, "cnn-1", meanings.fingerprint, meanings.digest)
        folder = tmp_path / matcher.fingerprint
        folder.mkdir()
        (folder / "network.safetensors").write_bytes(matcher.to_bytes())
        store = NetworkStore(tmp_path, "cnn-1", meanings.fingerprint, meanings=meanings)
        assert store.fingerprints() == [matcher.fingerprint]
        read = store.get(matcher.fingerprint)
        features = pictures(seed=1)[0]
        np.testing.assert_allclose(
            read.network.project_images(features), network.project_images(features), atol=1e-6
        )
        rows = np.stack(meanings.embed(["dog", "jet"]))
        np.testing.assert_allclose(
            read.network.project_words(rows), network.project_words(rows), atol=1e-6
        )

    def test_a_network_of_other_classes_is_refused(self, network, meanings, words, head, tmp_path):
        path = tmp_path / "network.safetensors"
        matcher = Matcher(network, "cnn-1", meanings.fingerprint, meanings.digest)
        path.write_bytes(matcher.to_bytes())
        other = LabelHead(head.weight * 2, head.bias, head.classes, head.source)
        for hosted in (None, Meanings(words, other)):
            with pytest.raises(FingerprintMismatch, match="ise build"):
                read_matcher(path, hosted)


def test_names_of_classes_and_of_what_stands_above_them_are_told_from_misspellings(meanings):
    assert meanings.are_named(["dalmatian", "hammerhead"])
    assert meanings.are_named(["carnivores", "red"])
    assert not meanings.are_named(["hammerhaed"])
    assert not meanings.are_named(["hammerhead", "qqxzv"])
