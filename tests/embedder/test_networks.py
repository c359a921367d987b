"""Training sets and networks as files."""

import json
import re

import numpy as np
import pytest
import torch

from services.embedder.matching.network import MatchingNetwork
from services.embedder.matching.store import CURRENT, FILE, Matcher, NetworkStore, safe_name
from services.embedder.matching.training_set import read_training_set
from shared.core.errors import (
    Conflict,
    Corrupt,
    FingerprintMismatch,
    InvalidInput,
    ISEError,
    NotFound,
)
from shared.files import durable, sums
from tests.floats import assert_same

pytestmark = pytest.mark.floats

GOOD_TAGS = {"fingerprint": "cnn-1", "terms": ["ä", "b"], "image_terms": [[0], [1, 0]]}


class TestTrainingSet:
    def write(self, folder, features, tags):
        np.save(folder / "features.npy", features)
        (folder / "tags.json").write_text(json.dumps(tags), encoding="utf-8")
        return folder

    def test_is_read(self, tmp_path):
        read = read_training_set(self.write(tmp_path, np.ones((2, 3), "f4"), GOOD_TAGS))
        assert (read.terms, read.image_terms) == (["ä", "b"], [[0], [1, 0]])
        assert read.features.shape == (2, 3)

    @pytest.mark.parametrize(
        ("features", "change"),
        [
            (np.ones((3, 3), "f4"), {}),
            (np.ones((2, 3), "f8"), {}),
            (np.ones(2, "f4"), {}),
            (np.ones((2, 3), "f4"), {"image_terms": [[0], [2]]}),
            (np.ones((2, 3), "f4"), {"image_terms": [[0], [-1]]}),
            (np.ones((2, 3), "f4"), {"terms": None}),
        ],
    )
    def test_damage_is_told(self, features, change, tmp_path):
        with pytest.raises(Corrupt):
            read_training_set(self.write(tmp_path, features, GOOD_TAGS | change))

    def test_absent(self, tmp_path):
        with pytest.raises(NotFound):
            read_training_set(tmp_path / "none")


class TestStore:
    @pytest.fixture
    def publish(self, tmp_path):
        def put(seed=0, image="cnn-1", words="words-1", anchored=True):
            network = MatchingNetwork(6, 4, 16)
            generator = torch.Generator().manual_seed(seed)
            with torch.no_grad():
                network.image.initialise(generator)
                network.word.initialise(generator)
            if anchored:
                network.anchor(torch.randn(5, 4, generator=generator))
            matcher = Matcher(network.eval(), image, words)
            folder = tmp_path / matcher.fingerprint
            folder.mkdir()
            (folder / FILE).write_bytes(matcher.to_bytes())
            (tmp_path / CURRENT).write_text(matcher.fingerprint + "\n")
            return matcher

        return put

    def store(self, tmp_path, capacity=2):
        return NetworkStore(tmp_path, "cnn-1", "words-1", capacity)

    def test_a_network_comes_back_as_it_was(self, publish, tmp_path):
        written = publish()
        read = self.store(tmp_path).get(written.fingerprint)
        features = np.random.default_rng(0).normal(size=(3, 6)).astype("f4")
        assert_same(read.network.project_images(features), written.network.project_images(features))
        assert read.fingerprint == written.fingerprint

    def test_one_from_before_there_were_anchors_is_as_it_was(self, publish, tmp_path):
        name = publish(anchored=False).fingerprint
        network = self.store(tmp_path).get(name).network
        assert not network.takes_context
        words = np.random.default_rng(0).normal(size=(3, 4)).astype("f4")
        plain = network.word(torch.from_numpy(words)).detach().numpy()
        assert_same(network.project_words(words), plain)

    def test_anchors_draw_what_is_near_to_them(self, publish, tmp_path):
        network = self.store(tmp_path).get(publish().fingerprint).network
        assert network.takes_context
        features = np.random.default_rng(0).normal(size=(40, 6)).astype("f4")
        plain = network.image(torch.from_numpy(features)).detach().numpy()
        drawn = network.project_images(features)
        anchors = network.anchors.numpy()
        nearest = (plain @ anchors.T).argmax(axis=1)
        assert np.allclose(np.linalg.norm(drawn, axis=1), 1, atol=1e-5)
        towards = ((drawn - plain) * anchors[nearest]).sum(axis=1)
        assert towards.mean() > 0.01
        weights = np.exp(plain @ anchors.T / 0.2)
        near = weights / weights.sum(axis=1, keepdims=True) @ anchors
        expected = plain + near / np.linalg.norm(near, axis=1, keepdims=True)
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(drawn, expected, atol=1e-5)

    def test_current_is_followed(self, publish, tmp_path):
        store = self.store(tmp_path)
        with pytest.raises(Conflict, match="ise build"):
            store.get()
        first = publish(0)
        assert store.get().fingerprint == first.fingerprint
        second = publish(1)
        assert store.get().fingerprint == second.fingerprint
        assert store.fingerprints() == sorted([first.fingerprint, second.fingerprint])

    def test_more_than_fit_into_memory(self, publish, tmp_path):
        store = self.store(tmp_path, capacity=2)
        prints = [publish(seed).fingerprint for seed in range(4)]
        assert [store.get(name).fingerprint for name in prints * 2] == prints * 2

    @pytest.mark.parametrize(
        ("image", "words", "way_out"),
        [
            ("cnn-2", "words-1", "`ise build`"),
            ("cnn-2", "words-2", "`ise build`"),
            ("cnn-1", "words-2", "`ise train-matching`"),
        ],
    )
    def test_one_of_other_models_is_refused(self, image, words, way_out, publish, tmp_path):
        name = publish(image=image, words=words).fingerprint
        with pytest.raises(FingerprintMismatch) as caught:
            self.store(tmp_path).get(name)
        for part in ("-1", "-2"):
            assert part in caught.value.detail
        assert re.findall("`ise [^`]*`", caught.value.detail) == [way_out]

    def test_damage_is_told(self, publish, tmp_path):
        name = publish().fingerprint
        path = tmp_path / name / FILE
        content = bytearray(path.read_bytes())
        content[-5] ^= 0xFF
        path.write_bytes(content)
        with pytest.raises(Corrupt):
            self.store(tmp_path).get(name)
        path.write_bytes(content[:-100])
        with pytest.raises(Corrupt):
            self.store(tmp_path).get(name)

    def test_no_byte_changes_and_none_is_missing_without_being_told(self, publish, tmp_path):
        name = publish().fingerprint
        path = tmp_path / name / FILE
        sums.write(path, durable.sha256_of(path))
        intact = path.read_bytes()
        # All of the header, which says what the numbers are; and some of these.
        flips = [*range(700), *range(700, len(intact), 97)]
        for at in flips:
            path.write_bytes(intact[:at] + bytes([intact[at] ^ 0x01]) + intact[at + 1 :])
            with pytest.raises(Corrupt, match=FILE):
                self.store(tmp_path).get(name)
        for length in range(0, len(intact), 97):
            path.write_bytes(intact[:length])
            with pytest.raises(Corrupt, match=FILE):
                self.store(tmp_path).get(name)
        path.unlink()
        with pytest.raises(NotFound, match=name):
            self.store(tmp_path).get(name)

    def test_fingerprint_covers_weights_and_inputs(self, publish):
        matchers = [publish(0), publish(1), publish(0, image="cnn-2"), publish(0, words="words-2")]
        assert len({matcher.fingerprint for matcher in matchers}) == 4

    @pytest.mark.parametrize("name", ["", "..", ".", "../x", "a/b", "a\\b", "x" * 200, "a\0"])
    def test_names_lead_nowhere_else(self, name, tmp_path):
        with pytest.raises(InvalidInput):
            safe_name(name)
        with pytest.raises(ISEError):
            self.store(tmp_path).get(name)
