"""Labels are filtered by, suggested, counted and accepted as tags."""

import numpy as np

from services.indexer.workflows import labelling
from shared.clients import indexer, query
from shared.contracts.labels import AcceptLabelsRequest, LabelsQuery
from shared.media.identity import content_id
from shared.snapshots.image_labels import ImageLabels
from shared.snapshots.labels import LabelsFile, read_head
from tests.indexer.labels.labelled import accept, manifest, strongest


def test_an_answer_and_a_record_show_the_labels(service, picture):
    service.add(picture(1), picture(2))
    answer = service.ask(query.search_image(picture(1), limit=1))
    record = service.ask(query.get_image(content_id(picture(1))))
    [first] = answer.hits
    assert [label.name for label in first.labels] == [label.name for label in record.labels]
    assert all(0.05 <= label.probability <= 1 for label in first.labels)
    assert first.tags == record.tags == []


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
