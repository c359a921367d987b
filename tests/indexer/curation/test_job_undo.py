"""What an ingest did is undone."""

import pytest

from services.indexer.publishing.sync_note import SyncNote
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


def test_what_a_sync_deleted_and_changed_is_as_before_after_its_undo(service, folder_of, picture):
    source = folder_of({"dog/a.png": 1, "dog/b.png": 2, "dog/e.png": 5, "cat/c.png": 3})
    service.ingest(source, sync=True)
    gone, moved, other = (content_id(picture(n)) for n in (1, 2, 3))
    service.send(indexer.patch_image(gone, ImagePatch(tags=["dog", "mine"])))
    before = {image_id: record(service, image_id) for image_id in listed(service)}
    (source / "dog/a.png").unlink()
    (source / "dog/b.png").rename(source / "cat/b.png")
    (source / "cat/c.png").write_bytes(picture(9))
    job = service.ingest(source, sync=True)
    assert job.result["delete"] == 1
    assert {gone, other}.isdisjoint(listed(service))
    assert set(trashed(service)) == {gone, other}
    assert record(service, moved).tags == ["cat"]
    undo = service.succeeded(service.send(curation.undo_job(job.id)))
    assert (undo.result["restored"], undo.result["trashed"]) == (2, 1)
    assert {image_id: record(service, image_id) for image_id in listed(service)} == before
    assert service.found(picture(1))[0] == gone
    assert service.tagged("mine", exact_term=True) == {gone}
    assert trashed(service) == [content_id(picture(9))]
    # A sync follows the files again.
    service.ingest(source, sync=True)
    assert gone not in listed(service)


def test_a_file_that_comes_back_is_taken_in_from_the_trash_by_the_next_sync(
    service, folder_of, picture
):
    source = folder_of({"dog/a.png": 1, "dog/b.png": 2, "c.png": 3})
    service.ingest(source, sync=True)
    gone = content_id(picture(1))
    service.send(indexer.patch_image(gone, ImagePatch(tags=["dog", "mine"])))
    (source / "dog/a.png").unlink()
    job = service.ingest(source, sync=True)
    (source / "dog/a.png").write_bytes(picture(1))
    service.ingest(source, sync=True)
    assert record(service, gone).tags == ["dog", "mine"]
    assert trashed(service) == []
    # There is nothing left to bring back, which the undo tells.
    undo = service.succeeded(service.send(curation.undo_job(job.id)))
    assert (undo.result["restored"], undo.result["left"]) == (0, 1)


def test_paths_that_went_round_are_given_back_whatever_an_undo_does_at_once(
    service, folder_of, picture, monkeypatch
):
    names = [f"{n}.png" for n in range(5)]
    source = folder_of({name: n for n, name in enumerate(names)})
    service.ingest(source, sync=True)
    before = {image_id: record(service, image_id) for image_id in listed(service)}
    for n, name in enumerate(names):
        (source / name).write_bytes(picture((n + 1) % len(names)))
    job = service.ingest(source, sync=True)
    assert job.result["change"] == len(names)
    monkeypatch.setattr("services.indexer.catalog.undoing._AT_ONCE", 1)
    service.succeeded(service.send(curation.undo_job(job.id)))
    assert {image_id: record(service, image_id) for image_id in listed(service)} == before


def test_a_syncs_deletion_that_was_broken_off_is_undone_with_the_rest(service, folder_of, picture):
    """Killed between the tombstone, which decides, and the catalogue."""
    source = folder_of({"a.png": 1, "b.png": 2, "c.png": 3})
    service.ingest(source, sync=True)
    (source / "b.png").unlink()
    job = service.ingest(source, sync=True)
    before = listed(service)
    parts, gone = service.parts, content_id(picture(1))
    number = parts.images.ordinal(gone)
    SyncNote(service.data).add([number], job.id)
    parts.index.tombstones.add([number])
    parts.deletions.finish()
    assert trashed(service) == [gone, content_id(picture(2))]
    assert parts.origins.dismissed() == []
    undo = service.succeeded(service.send(curation.undo_job(job.id)))
    assert undo.result["restored"] == 2
    assert listed(service) == {*before, gone, content_id(picture(2))}
