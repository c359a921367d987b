"""What an ingest did is undone."""

import pytest

from shared.clients import curation, indexer
from shared.contracts.indexer import ImagePatch
from shared.contracts.jobs import JobState
from shared.core.errors import Conflict, NotFound
from shared.media.identity import content_id
from tests.indexer.curation.records import listed, record, trashed


def test_an_ingest_of_a_wrong_folder_is_undone(service, folder_of, picture):
    kept = folder_of({"dog/a.png": 1, "dog/b.png": 2}, "right")
    service.ingest(kept)
    shared_id, other_id = (content_id(picture(n)) for n in (1, 2))
    service.send(indexer.patch_image(other_id, ImagePatch(tags=["dog", "mine"])))
    before = [record(service, image_id) for image_id in (shared_id, other_id)]
    seen = listed(service)
    # One of its pictures is there already, and gets another tag and place.
    wrong = folder_of({"cat/copy.png": 1, "cat/c.png": 3, "cat/d.png": 4}, "wrong")
    job = service.ingest(wrong)
    assert record(service, shared_id).tags == ["cat", "dog"]
    service.send(indexer.patch_image(other_id, ImagePatch(tags=["dog", "mine", "since"])))
    undo = service.succeeded(service.send(curation.undo_job(job.id)))
    assert undo.result["trashed"] == 2
    assert undo.result["changed"] == 1
    assert listed(service) == seen
    assert record(service, shared_id) == before[0]
    assert record(service, other_id).tags == ["dog", "mine", "since"]
    assert service.tagged("cat", exact_term=True) == set()
    assert set(trashed(service)) == {content_id(picture(3)), content_id(picture(4))}
    with pytest.raises(Conflict, match="can't be undone"):
        service.send(curation.undo_job(job.id))
    # What came by it can be had back one by one, or by another ingest.
    service.send(curation.restore_images([content_id(picture(3))]))
    assert record(service, content_id(picture(3))).tags == ["cat"]
    service.ingest(wrong)
    assert len(listed(service)) == 4


def test_a_picture_that_came_by_another_way_too_stays_when_a_job_is_undone(
    service, folder_of, picture
):
    source = folder_of({"cat/a.png": 1, "cat/b.png": 2})
    job = service.ingest(source)
    service.add(("mine.png", picture(1)), tags=["mine"])
    service.succeeded(service.send(curation.undo_job(job.id)))
    found = record(service, content_id(picture(1)))
    assert (found.tags, found.uris) == (["mine"], ["mine.png"])
    assert listed(service) == {found.id}


def test_a_file_that_an_ingest_replaced_is_its_former_picture_again(service, folder_of, picture):
    source = folder_of({"a.png": 1, "b.png": 2})
    service.ingest(source)
    former = record(service, content_id(picture(1)))
    (source / "a.png").write_bytes(picture(9))
    job = service.ingest(source)
    assert record(service, former.id).uris == []
    service.succeeded(service.send(curation.undo_job(job.id)))
    assert record(service, former.id) == former
    assert content_id(picture(9)) not in listed(service)


def test_a_job_that_did_not_end_or_changed_nothing_is_not_undone(service, folder_of):
    source = folder_of({"a.png": 1})
    service.ingest(source)
    second = service.ingest(source)
    with pytest.raises(Conflict, match="changed no picture"):
        service.send(curation.undo_job(second.id))
    with pytest.raises(NotFound):
        service.send(curation.undo_job("nothing"))
    assert service.send(indexer.get_job(second.id)).state is JobState.SUCCEEDED


def test_a_jobs_change_is_undone_by_the_jobs_own_undo_only(service, folder_of):
    job = service.ingest(folder_of({"a.png": 1}))
    with pytest.raises(Conflict, match=f"/v1/jobs/{job.id}/undo"):
        service.send(curation.undo_change(job.id))
    assert len(listed(service)) == 1
    service.succeeded(service.send(curation.undo_job(job.id)))
    assert listed(service) == set()


def test_an_undo_that_was_broken_off_is_finished_by_the_next_run(service, folder_of, monkeypatch):
    source = folder_of({f"{n}.png": n for n in range(5)})
    job = service.ingest(source)
    monkeypatch.setattr("services.indexer.catalog.undoing._AT_ONCE", 2)
    editor = service.parts.editor

    class Killed(Exception):
        pass

    def stop(_: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        editor.take_back(job.id, stop)
    assert editor.steps_of(job.id) == 3
    undo = service.succeeded(service.send(curation.undo_job(job.id)))
    assert undo.result["trashed"] == 3
    assert listed(service) == set()
    assert len(trashed(service)) == 5
