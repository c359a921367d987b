"""The trash of the real services, over HTTP."""

import pytest

from services.indexer.care import check, strays
from services.indexer.care.folder import opened
from shared.clients import curation, indexer
from shared.core.errors import NotFound
from shared.media.identity import content_id
from tests.indexer.curation.records import listed, record, trashed


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
    upload, thumbnail_file = sorted(service.data.glob("images/*/*/*"), reverse=True)
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
        (upload,) = service.data.glob("images/uploads/*/*")
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


def test_checks_and_backups_know_the_trash(service, picture):
    [item, _] = service.add(picture(0), picture(1))
    service.send(indexer.delete_image(item.id))
    with opened(service.data, service.settings.catalog_url) as folder:
        assert list(check.findings(folder)) == []
        assert list(strays.findings(folder, folder.snapshots.readable())) == []
        assert item.id in {image_id for image_id, _ in folder.uploads().values()}
        assert item.id in folder.trashed()
