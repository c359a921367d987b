"""The trash, and what is taken back: the real services, over HTTP."""

import pytest

from services.indexer.care import check, strays
from services.indexer.care.folder import opened
from shared.clients import browsing, curation, indexer
from shared.contracts.curation import BulkRequest
from shared.contracts.filters import Filter
from shared.contracts.indexer import ImagePatch
from shared.contracts.jobs import JobState
from shared.core.errors import Conflict, NotFound
from shared.media.identity import content_id


def record(service, image_id):
    """What is known of an image, but for when it was looked at."""
    image = service.send(indexer.get_image(image_id))
    return image.model_copy(update={"undo": None})


def trashed(service) -> list[str]:
    return [one.id for one in service.send(curation.list_trash()).images]


def listed(service) -> set[str]:
    return {one.id for one in service.ask(browsing.list_images()).images}


# --- the trash --------------------------------------------------------------------------------


def test_a_deleted_picture_is_gone_at_once_and_restored_as_it_was(service, picture):
    [item, other] = service.add(picture(0), picture(1), tags=["dog"], metadata='{"by": "Ann"}')
    before = record(service, item.id)
    service.send(indexer.delete_image(item.id))
    assert service.found(picture(0)) == [other.id]
    assert listed(service) == service.tagged("dog") == {other.id}
    [one] = service.send(curation.list_trash()).images
    assert (one.id, one.tags, one.metadata, one.uri) == (item.id, ["dog"], {"by": "Ann"}, "0.png")
    assert one.expires_at > one.deleted_at
    with pytest.raises(NotFound):
        service.send(indexer.get_image(item.id))
    answer = service.send(curation.restore_images([item.id, "unknown"]))
    assert (answer.restored, answer.unknown, answer.unsearchable) == ([item.id], ["unknown"], [])
    assert record(service, item.id) == before
    assert service.finds_itself(picture(0))
    assert listed(service) == service.tagged("dog") == {item.id, other.id}
    assert trashed(service) == []


def test_a_restore_embeds_nothing(service, picture, monkeypatch):
    [item, _] = service.add(picture(0), picture(1))
    service.send(indexer.delete_image(item.id))
    embedding = service.parts.additions._embedding
    monkeypatch.setattr(embedding, "images", lambda *_: pytest.fail("it was embedded"))
    service.send(curation.restore_images([item.id]))
    monkeypatch.undo()
    assert service.finds_itself(picture(0))


def test_the_file_of_a_picture_in_the_trash_is_kept_until_that_is_emptied(service, picture):
    [item] = service.add(picture(0))
    service.send(indexer.delete_image(item.id))
    thumbnail = service.send(curation.get_trashed_thumbnail(item.id))
    assert thumbnail.content.startswith(b"\xff\xd8\xff")
    service.send(curation.restore_images([item.id]))
    assert service.send(indexer.get_image_file(item.id))[0] == picture(0)
    service.send(indexer.delete_image(item.id))
    upload, thumbnail_file = service.parts.files.kept(item.id)
    assert upload.exists()
    assert service.send(curation.empty_trash()).deleted == 1
    assert not upload.exists()
    assert not thumbnail_file.exists()
    assert trashed(service) == []
    assert service.send(curation.restore_images([item.id])).unknown == [item.id]


def test_a_picture_that_is_brought_again_leaves_the_trash_and_keeps_its_file(service, picture):
    [item] = service.add(picture(0), tags=["dog"])
    service.send(indexer.delete_image(item.id))
    service.add(picture(0))
    assert trashed(service) == []
    assert service.send(curation.empty_trash()).deleted == 0
    assert service.send(indexer.get_image_file(item.id))[0] == picture(0)
    assert service.finds_itself(picture(0))


def test_without_a_trash_a_delete_is_for_good(start, picture):
    with start(trash_days=0) as service:
        [item] = service.add(picture(0))
        upload, _ = service.parts.files.kept(item.id)
        assert service.send(indexer.delete_image(item.id)).undo is None
        assert trashed(service) == []
        assert service.send(curation.list_trash(limit=1)).days == 0
        assert not upload.exists()


def test_what_was_in_the_trash_too_long_goes(start, picture):
    with start(trash_days=1e-9) as service:
        [item] = service.add(picture(0))
        service.send(indexer.delete_image(item.id))
        service.parts.trash.purge_expired()
        assert trashed(service) == []


def test_the_trash_comes_by_pages(service, picture):
    ids = [item.id for item in service.add(*map(picture, range(5)))]
    for image_id in ids:
        service.send(indexer.delete_image(image_id))
    first = service.send(curation.list_trash(limit=2))
    second = service.send(curation.list_trash(limit=2, cursor=first.next))
    last = service.send(curation.list_trash(limit=2, cursor=second.next))
    found = [one.id for page in (first, second, last) for one in page.images]
    assert found == ids[::-1]
    assert (first.total, last.next) == (5, None)


def test_a_sync_leaves_out_what_is_in_the_trash_and_knows_what_was_restored(service, folder_of):
    source = folder_of({"a.png": 1, "b.png": 2, "c.png": 3})
    service.ingest(source, sync=True)
    target = content_id((source / "a.png").read_bytes())
    before = record(service, target)
    service.send(indexer.delete_image(target))
    job = service.ingest(source, sync=True)
    assert job.result["dismissed"] == 1
    assert target not in listed(service)
    service.send(curation.restore_images([target]))
    job = service.ingest(source, sync=True)
    assert job.result["unchanged"] == 3
    assert job.result["embedded"] == job.result["dismissed"] == 0
    assert record(service, target) == before
    # What was emptied from the trash stays away too.
    service.send(indexer.delete_image(target))
    service.send(curation.empty_trash())
    assert service.ingest(source, sync=True).result["dismissed"] == 1
    assert target not in listed(service)


def test_a_restored_picture_that_moved_meanwhile_is_found_at_its_new_place(service, folder_of):
    source = folder_of({"a.png": 1, "b.png": 2, "c.png": 3})
    service.ingest(source, sync=True)
    target = content_id((source / "a.png").read_bytes())
    service.send(indexer.delete_image(target))
    (source / "a.png").rename(source / "moved.png")
    service.ingest(source, sync=True)
    service.send(curation.restore_images([target]))
    service.ingest(source, sync=True)
    assert record(service, target).uris == ["moved.png"]


def test_a_place_that_another_picture_has_by_now_stays_with_it(service, folder_of, picture):
    source = folder_of({"a.png": 1, "b.png": 2})
    service.ingest(source)
    target = content_id((source / "a.png").read_bytes())
    service.send(indexer.delete_image(target))
    (source / "a.png").write_bytes(picture(7))
    service.ingest(source)
    service.send(curation.restore_images([target]))
    assert record(service, content_id(picture(7))).uris == ["a.png"]
    assert record(service, target).uris == []


# --- many at once -----------------------------------------------------------------------------


def bulk(service, **asked):
    return service.send(curation.change_images(BulkRequest(**asked)))


def test_tags_and_metadata_of_many_pictures_change_at_once_and_back(service, picture):
    ids = [item.id for item in service.add(*map(picture, range(3)), tags=["a", "b"])]
    service.send(indexer.patch_image(ids[0], ImagePatch(tags=["b"], metadata={"x": 1, "y": 2})))
    before = [record(service, image_id) for image_id in ids]
    answer = bulk(
        service,
        ids=[*ids, "unknown"],
        add_tags=["New", "b"],
        remove_tags=["A"],
        metadata={"x": None, "album": "trip"},
    )
    assert (answer.changed, answer.unknown, answer.failed) == (3, ["unknown"], [])
    for image_id in ids:
        assert record(service, image_id).tags == ["b", "New"]
    assert record(service, ids[0]).metadata == {"y": 2, "album": "trip"}
    assert service.tagged("new") == set(ids)
    undone = service.send(curation.undo_change(answer.undo))
    assert (undone.changed, undone.left) == (3, 0)
    assert [record(service, image_id) for image_id in ids] == before
    assert service.tagged("new") == set()
    with pytest.raises(NotFound, match="nothing to undo"):
        service.send(curation.undo_change(answer.undo))


def test_what_was_changed_since_stays_when_a_change_is_taken_back(service, picture):
    [item] = service.add(picture(0), tags=["a"])
    answer = bulk(service, ids=[item.id], add_tags=["wrong"])
    bulk(service, ids=[item.id], add_tags=["later"])
    service.send(curation.undo_change(answer.undo))
    assert record(service, item.id).tags == ["a", "later"]


def test_a_filter_names_the_pictures_of_a_change(service, picture):
    ids = [item.id for item in service.add(picture(0), picture(1), tags=["old"])]
    [other] = service.add(picture(2))
    wanted = Filter.model_validate({"must": [{"tag": "old"}]})
    assert bulk(service, filter=wanted, add_tags=["seen"]).changed == 2
    assert service.tagged("seen") == set(ids)
    answer = bulk(service, filter=wanted, delete=True)
    assert answer.deleted == 2
    assert listed(service) == {other.id}
    undone = service.send(curation.undo_change(answer.undo))
    assert undone.restored == 2
    assert listed(service) == {*ids, other.id}
    assert service.tagged("seen") == set(ids)


def test_a_change_without_an_effect_has_nothing_to_undo(service, picture):
    [item] = service.add(picture(0), tags=["a"])
    answer = bulk(service, ids=[item.id], add_tags=["A"], remove_tags=["z"])
    assert (answer.changed, answer.undo) == (0, None)


def test_a_picture_that_cannot_hold_a_change_stays_and_is_told_of(service, picture):
    [full, other] = service.add(picture(0), picture(1))
    many = [f"t{n}" for n in range(1000)]
    service.send(indexer.patch_image(full.id, ImagePatch(tags=many)))
    answer = bulk(service, ids=[full.id, other.id], add_tags=["one more"])
    assert answer.changed == 1
    assert [one.id for one in answer.failed] == [full.id]
    assert "1,000" in answer.failed[0].error


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"ids": ["a"]},
        {"add_tags": ["x"]},
        {"ids": ["a"], "filter": {"must": [{"tag": "x"}]}, "delete": True},
        {"ids": ["a"], "delete": True, "add_tags": ["x"]},
        {"filter": {}, "delete": True},
        {"ids": [], "delete": True},
        {"ids": ["a"], "add_tags": ["x" * 201]},
        {"ids": ["a"], "metadata": {"file": {"width": 1}}},
        {"ids": ["a"], "colour": 1},
    ],
)
def test_a_change_that_cannot_be_meant_is_refused(service, asked):
    assert service.http.post("/v1/images/bulk", json=asked).status_code == 422


def test_an_edit_of_one_picture_is_taken_back_too(service, picture):
    [item] = service.add(picture(0), tags=["a", "b"])
    answer = service.send(indexer.patch_image(item.id, ImagePatch(tags=["c"])))
    service.send(curation.undo_change(answer.undo))
    assert record(service, item.id).tags == ["a", "b"]
    gone = service.send(indexer.delete_image(item.id))
    service.send(curation.undo_change(gone.undo))
    assert service.finds_itself(picture(0))


# --- tags -------------------------------------------------------------------------------------


def test_a_tag_is_renamed_merged_and_back(service, picture):
    [first, second] = service.add(picture(0), picture(1), tags=["grand_piano"])
    [third] = service.add(picture(2), tags=["piano", "grand piano"])
    answer = service.send(curation.rename_tag("Grand Piano", "Piano"))
    assert (answer.changed, answer.merged) == (3, 1)
    assert service.tagged("piano", exact_term=True) == {first.id, second.id, third.id}
    assert service.tagged("grand piano", exact_term=True) == set()
    assert record(service, third.id).tags == ["piano"]
    service.send(curation.undo_change(answer.undo))
    assert record(service, first.id).tags == ["grand_piano"]
    assert record(service, third.id).tags == ["grand piano", "piano"]


def test_a_tag_is_spelt_anew(service, picture):
    [item] = service.add(picture(0), tags=["new york"])
    assert service.send(curation.rename_tag("new york", "New York")).changed == 1
    assert record(service, item.id).tags == ["New York"]
    again = service.send(curation.rename_tag("new york", "New York"))
    assert (again.changed, again.undo) == (0, None)
    with pytest.raises(NotFound, match="No image has the tag"):
        service.send(curation.rename_tag("nothing", "something"))


# --- a job ------------------------------------------------------------------------------------


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


# --- accidents --------------------------------------------------------------------------------


def test_a_deletion_that_was_broken_off_leads_to_the_trash(service, picture):
    """Killed between the tombstone, which decides, and the catalogue."""
    [item, other] = service.add(picture(0), picture(1), tags=["dog"])
    parts = service.parts
    number = parts.images.ordinal(item.id)
    with parts.deletions.burying(keeps_files=True) as bury:
        bury({number: item.id})
    assert listed(service) == {other.id}
    parts.deletions.finish()
    assert trashed(service) == [item.id]
    service.send(curation.restore_images([item.id]))
    assert record(service, item.id).tags == ["dog"]
    assert service.send(indexer.get_image_file(item.id))[0] == picture(0)


def test_what_was_restored_and_not_published_is_published_at_the_next_start(start, picture, until):
    with start() as service:
        [item] = service.add(picture(0))
        service.add(picture(1))
        service.send(indexer.delete_image(item.id))
        # As killed between the catalogue and the snapshot.
        assert set(service.parts.trash._trash.restore([item.id])) == {item.id}
        assert item.id not in listed(service)
    with start() as service:
        assert until(lambda: item.id in listed(service))


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


def test_checks_and_backups_know_the_trash(service, picture):
    [item, _] = service.add(picture(0), picture(1))
    service.send(indexer.delete_image(item.id))
    with opened(service.data, service.settings.catalog_url) as folder:
        assert list(check.findings(folder)) == []
        assert list(strays.findings(folder, folder.snapshots.readable())) == []
        assert item.id in folder.uploads()
        assert item.id in folder.trashed()
