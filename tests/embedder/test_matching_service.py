"""Trainings and joint vectors by HTTP."""

import json
import logging

import numpy as np
import pytest

from shared.clients import embedder
from shared.contracts.embedder import (
    FINGERPRINT_HEADER,
    ImageSpace,
    TrainingDone,
    TrainingProgress,
)
from shared.core.errors import InvalidInput
from tests.floats import assert_same

TAGS = ["dog", "butterfly", "airplane", "wild_cat"]


@pytest.fixture(scope="module")
def trained(start, tmp_path_factory, encoded):
    """The app, and a network that it trained on pictures with tags by their seeds."""
    data_dir = tmp_path_factory.mktemp("trained")
    with start(data_dir) as service:
        files = [encoded("JPEG", seed=i % 4, quality=40 + i) for i in range(48)]
        rows = service.send(embedder.embed_images(files, ImageSpace.MATCHING))
        folder = data_dir / "training" / "set-1"
        folder.mkdir(parents=True)
        np.save(folder / "features.npy", rows.vectors)
        terms = {"terms": [*TAGS, "qqxzv"], "image_terms": [[i % 4] for i in range(48)]}
        (folder / "tags.json").write_text(json.dumps({"fingerprint": rows.fingerprint} | terms))
        events = _train(service, "set-1")
        done = events[-1]
        assert isinstance(done, TrainingDone), done
        home = data_dir / "networks" / done.fingerprint
        home.mkdir(parents=True)
        (home / "network.safetensors").write_bytes(done.network)
        (data_dir / "networks" / "CURRENT").write_text(done.fingerprint)
        yield service, events, files, rows


def _train(service, name, **settings):
    body = {
        "training_set": name,
        "settings": {"epochs": 20, "hidden": 32, "holdout": 0.25} | settings,
    }
    answer = service.request("POST", "/v1/matching/train", json=body)
    assert answer.status_code == 200, answer.text
    return [embedder._EVENTS.validate_json(line) for line in answer.text.splitlines() if line]


class TestMatching:
    def test_training_tells_of_itself(self, trained):
        _, events, _, _ = trained
        assert all(isinstance(event, TrainingProgress) for event in events[:-1])
        assert len(events) > 1
        report = events[-1].report
        assert (report.images, report.held_out, report.terms) == (36, 12, 4)
        assert report.terms_without_word == ["qqxzv"]
        assert report.mean_average_precision == 1.0

    def test_a_term_finds_its_images(self, trained):
        service, _, files, _ = trained
        images = service.send(embedder.embed_images(files[:4], ImageSpace.JOINT))
        terms = service.send(embedder.embed_terms(TAGS))
        assert images.fingerprint == terms.fingerprint
        np.testing.assert_array_equal((terms.vectors @ images.vectors.T).argmax(axis=1), range(4))

    def test_stored_features_project_to_the_same_vectors(self, trained):
        service, events, files, rows = trained
        name = events[-1].fingerprint
        stored = service.send(embedder.project(rows.vectors, rows.fingerprint, name))
        fresh = service.send(embedder.embed_images(files, ImageSpace.JOINT, name))
        assert stored.fingerprint == fresh.fingerprint == name
        np.testing.assert_allclose(stored.vectors, fresh.vectors, atol=1e-4)

    def test_unknown_terms_keep_their_place(self, trained):
        service, _, _, _ = trained
        call = embedder.embed_terms(["qqxzv", "dog"], allow_unknown=True)
        rows = service.send(call).vectors
        assert np.isnan(rows[0]).all()
        assert_same(rows[1], service.send(embedder.embed_terms(["dog"])).vectors[0])
        nothing = service.send(embedder.embed_terms(["qqxzv"], allow_unknown=True))
        assert nothing.vectors.shape == (1, 128)

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"\0" * 1023, "no whole number of rows"),
            (np.full(256, np.nan, "<f4").tobytes(), "NaN or infinite"),
            (np.full(512, np.inf, "<f4").tobytes(), "NaN or infinite"),
        ],
    )
    def test_features_that_cannot_be(self, content, sentence, trained):
        service, _, _, _ = trained
        answer = service.request("POST", "/v1/matching/project", content=content)
        assert answer.status_code == 422
        assert answer.json()["type"] == "urn:ise:problem:bad-vector"
        assert sentence in answer.json()["detail"]

    def test_no_features_give_no_rows(self, trained):
        service, events, _, fresh = trained
        none = np.empty((0, 256), "f4")
        rows = service.send(embedder.project(none, fresh.fingerprint, events[-1].fingerprint))
        assert rows.vectors.shape == (0, 128)

    def test_features_of_another_model_are_refused(self, trained):
        service, _, _, rows = trained
        answer = service.request(
            "POST",
            "/v1/matching/project",
            content=rows.vectors.tobytes(),
            headers={FINGERPRINT_HEADER: "other-0123456789abcdef"},
        )
        assert answer.status_code == 409
        assert "other-0123456789abcdef" in answer.json()["detail"]
        assert rows.fingerprint in answer.json()["detail"]

    def test_a_set_of_another_model_is_refused(self, trained):
        service, _, _, rows = trained
        folder = service.settings.data_dir / "training" / "foreign"
        folder.mkdir()
        np.save(folder / "features.npy", rows.vectors[:1])
        tags = {"fingerprint": "other-1", "terms": ["dog"], "image_terms": [[0]]}
        (folder / "tags.json").write_text(json.dumps(tags))
        answer = service.request("POST", "/v1/matching/train", json={"training_set": "foreign"})
        assert answer.status_code == 409
        assert "other-1" in answer.json()["detail"]

    def test_an_absent_set(self, trained):
        service, _, _, _ = trained
        for name, status in (("none", 404), ("..", 422)):
            answer = service.request("POST", "/v1/matching/train", json={"training_set": name})
            assert answer.status_code == status

    def test_nothing_to_learn_is_the_last_event(self, trained):
        service, _, _, rows = trained
        folder = service.settings.data_dir / "training" / "wordless"
        folder.mkdir()
        np.save(folder / "features.npy", rows.vectors[:2])
        tags = {"fingerprint": rows.fingerprint, "terms": ["qqxzv"], "image_terms": [[0], [0]]}
        (folder / "tags.json").write_text(json.dumps(tags))
        problem = _train(service, "wordless")[-1].problem
        assert problem["status"] == 422
        assert "word vector" in problem["detail"]

    def test_one_training_at_a_time(self, trained):
        service, _, _, _ = trained
        body = {"training_set": "set-1", "settings": {"epochs": 200}}
        call = ("POST", "/v1/matching/train", {"json": body})
        answers = service.together(call, call)
        overloaded = [
            answer.status_code == 429 or '"urn:ise:problem:overloaded"' in answer.text
            for answer in answers
        ]
        assert sorted(overloaded) == [False, True]

    def test_an_unforeseen_error_is_an_event_too(self, trained, monkeypatch, caplog):
        service, _, _, _ = trained
        broken = "services.embedder.matching.trainer.train"
        monkeypatch.setattr(broken, lambda *_, **__: 1 / 0)
        with caplog.at_level(logging.CRITICAL):
            problem = _train(service, "set-1")[-1].problem
        assert problem["status"] == 500
        assert "ZeroDivisionError" in problem["detail"]

    def test_networks_are_listed(self, trained):
        service, events, _, _ = trained
        assert service.send(embedder.list_models()).networks == [events[-1].fingerprint]

    def test_names_lead_nowhere_else(self, trained):
        service, _, _, rows = trained
        with pytest.raises(InvalidInput):
            service.send(embedder.project(rows.vectors[:1], rows.fingerprint, "../training"))
