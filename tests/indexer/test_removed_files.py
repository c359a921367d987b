"""Stored files of deleted images go, those of others stay, whoever is killed when."""

import io
import threading
from contextlib import contextmanager, suppress

import pytest
from sqlalchemy import insert, select, text, update

from services.indexer.catalog import removed_files
from services.indexer.catalog.database import Database
from services.indexer.catalog.removed_files import RemovedFiles, UploadGone
from services.indexer.catalog.schema import counters, images, locations, trash
from services.indexer.catalog.source_claims import Origins
from services.indexer.catalog.stored_names import first_upload, thumbnail, upload_of
from services.indexer.catalog.trash import Trash
from services.indexer.ingest.uploads import Upload
from services.indexer.storage import file_removal
from services.indexer.storage.blob_store import LocalBlobStore
from services.indexer.storage.file_removal import FileRemoval
from services.indexer.storage.image_files import ImageFiles
from services.indexer.storage.upload_files import UploadFiles
from shared.clients import curation, indexer
from shared.core import failpoints
from shared.core.errors import Misconfigured
from shared.media.limited.scaler import Scaler
from tests.indexer.running import until


class Killed(BaseException):
    """A process that ends here."""


@contextmanager
def hanging(monkeypatch, owner, name):
    """Have the first call of a method wait, until the event that this gives is set."""
    reached, goes_on, former = threading.Event(), threading.Event(), getattr(owner, name)

    def hang(*args, **kwargs):
        if not reached.is_set():
            reached.set()
            assert goes_on.wait(60)
        return former(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, hang)
        try:
            yield reached, goes_on
        finally:
            goes_on.set()


@pytest.fixture(params=["sqlite", "postgresql"])
def catalogue(request):
    """Settings of either database."""
    is_file = request.param == "sqlite"
    return {} if is_file else {"database_url": request.getfixturevalue("postgres").new()}


def stored(service):
    return [path for path in service.data.glob("images/*/*/*") if not path.name.startswith(".")]


def test_an_upload_that_is_killed_once_recorded_has_its_file_whatever_is_removed_meanwhile(
    start, catalogue, picture, monkeypatch
):
    with start(trash_days=0, **catalogue) as service:
        [item] = service.add(picture(0))
        with hanging(monkeypatch, LocalBlobStore, "remove") as (reached, goes_on):
            deleting = threading.Thread(
                target=service.parts.trash.delete, args=([item.id],), daemon=True
            )
            deleting.start()
            assert reached.wait(60)
            reach = failpoints.reach

            def kill(name):
                reach(name)
                if name == "addition.recorded":
                    raise Killed

            with monkeypatch.context() as patched:
                patched.setattr(failpoints, "reach", kill)
                data = picture(0)
                with pytest.raises(Killed):
                    service.parts.additions.add(
                        [Upload("a.png", io.BytesIO(data), len(data))], [], {}
                    )
            goes_on.set()
            deleting.join()
        assert service.send(indexer.get_image(item.id)).id == item.id
        assert service.send(indexer.get_image_file(item.id))[0] == picture(0)
    with start(trash_days=0, **catalogue) as service:
        assert service.send(indexer.get_image_file(item.id))[0] == picture(0)


def test_a_removal_that_comes_late_takes_no_file_of_a_picture_that_was_uploaded_again(
    start, catalogue, picture, monkeypatch, request
):
    with start(trash_days=0, **catalogue) as service:
        [item] = service.add(picture(0))
        with hanging(monkeypatch, LocalBlobStore, "remove") as (reached, goes_on):
            late = threading.Thread(
                target=service.parts.trash.delete, args=([item.id],), daemon=True
            )
            late.start()
            assert reached.wait(60)
            if catalogue:
                server = request.getfixturevalue("postgres")
                server.end_connections(catalogue["database_url"])
            # Another worker removes it meanwhile.
            other = FileRemoval(service.parts.files, service.parts.database)
            until(lambda: other.drain() or not stored(service))
            service.add(picture(0))
            goes_on.set()
            late.join()
        assert service.send(indexer.get_image_file(item.id))[0] == picture(0)


def test_an_upload_that_is_killed_before_it_is_recorded_leaves_no_file(
    start, catalogue, picture, monkeypatch
):
    with start(**catalogue) as service:
        with service.parts.additions._files.writing(["x"]) as names:
            service.parts.files.keep("x", names.new["x"], "a.png", picture(0))
        (left,) = stored(service)
        service.parts.removal.tidy()
        # It may still be recorded.
        assert left.exists()
        with monkeypatch.context() as patched:
            patched.setattr(removed_files, "_WRITTEN_S", -1)
            service.parts.removal.tidy()
        assert not left.exists()
        with service.parts.additions._files.writing(["x"]) as names:
            service.parts.files.keep("x", names.new["x"], "a.png", picture(0))
    with start(**catalogue) as service:
        assert stored(service) == []


def test_an_upload_that_fails_leaves_no_file(start, picture, monkeypatch):
    with start() as service:

        def refuse(*_, **__):
            raise Misconfigured("the catalogue is away")

        with monkeypatch.context() as patched:
            patched.setattr(service.parts.images, "record", refuse)
            with pytest.raises(Misconfigured):
                service.add(picture(0))
        assert stored(service) == []
        service.add(picture(0))
        assert len(stored(service)) == 1


def test_what_an_upload_was_writing_is_not_recorded_once_it_was_given_up(images, entry, tmp_path):
    files = ImageFiles(tmp_path, 32, 1000)
    removal = FileRemoval(files, images.database)
    writing, one = UploadFiles(files, images.database, removal), entry("a")
    with writing.writing([one.id]) as names:
        place = writing.keep(names, one.id, "a.png", b"a")
        RemovedFiles(images.database).abandon_all()
        with pytest.raises(UploadGone):
            images.record([entry("a", path=place.path)], {}, uploads={})
    assert images.count() == 0


def test_a_file_that_was_written_after_its_writer_was_taken_for_dead_is_removed(
    images, entry, tmp_path
):
    files = ImageFiles(tmp_path, 32, 1000)
    removal = FileRemoval(files, images.database)
    writing, one = UploadFiles(files, images.database, removal), entry("a")
    with suppress(UploadGone), writing.writing([one.id]) as names:
        # Another worker starts, and sees none at work.
        FileRemoval(files, images.database).start(is_alone=True)
        place = writing.keep(names, one.id, "a.png", b"a")
        images.record([entry("a", path=place.path)], {}, uploads={})
    assert images.count() == 0
    assert not files.has(names.new[one.id])
    assert RemovedFiles(images.database).due("", 10) == []


def test_an_upload_that_fails_once_it_is_recorded_keeps_its_file(images, entry, tmp_path):
    files = ImageFiles(tmp_path, 32, 1000)
    removal = FileRemoval(files, images.database)
    writing, one = UploadFiles(files, images.database, removal), entry("a")
    with suppress(Killed), writing.writing([one.id]) as names:
        place = writing.keep(names, one.id, "a.png", b"a")
        images.record([entry("a", path=place.path)], {}, uploads={})
        raise Killed
    assert files.has(names.new[one.id])


def test_a_start_on_a_full_disk_goes_on(images, entry, tmp_path, monkeypatch):
    files = ImageFiles(tmp_path, 32, 1000)
    removal = FileRemoval(files, images.database)
    RemovedFiles(images.database).begin(["uploads/a"])
    monkeypatch.setenv(failpoints.VARIABLE, "catalogue.commit=full")
    failpoints._armed.cache_clear()
    try:
        removal.start(is_alone=True)
    finally:
        monkeypatch.undo()
        failpoints._armed.cache_clear()
    assert RemovedFiles(images.database).due("", 10) == []
    removal.start(is_alone=True)
    assert RemovedFiles(images.database).due("", 10) == []


def test_of_two_uploads_of_a_picture_at_once_one_file_stays(images, entry, tmp_path):
    files = ImageFiles(tmp_path, 32, 1000)
    removal = FileRemoval(files, images.database)
    writing, one = UploadFiles(files, images.database, removal), entry("a")
    with writing.writing([one.id]) as first, writing.writing([one.id]) as second:
        for names in (first, second):
            place = writing.keep(names, one.id, "a.png", b"a")
            images.record([entry("a", path=place.path)], {}, uploads={})
    assert RemovedFiles(images.database).due("", 10) == [second.new[one.id]]
    assert {place.path for place in images.places(one.id)} == {str(files.kept(first.new[one.id]))}
    with writing.writing([one.id]) as names:
        assert (names.new, names.missing) == ({}, {})


def test_a_picture_whose_file_is_missing_gets_it_by_an_upload(service, picture):
    [item] = service.add(("castle.png", picture(0)))
    service.add(("keep.png", picture(0)))
    (lost,) = stored(service)
    lost.unlink()
    service.add(("tower.png", picture(0)))
    assert service.send(indexer.get_image_file(item.id))[0] == picture(0)
    names = {"castle.png", "keep.png", "tower.png"}
    assert set(service.send(indexer.get_image(item.id)).uris) == names
    assert len({place.path for place in service.parts.images.places(item.id)}) == 1


def test_an_upload_of_an_older_version_keeps_its_name_until_it_is_deleted(start, picture):
    with start(trash_days=0) as service:
        [item] = service.add(picture(0))
        (path,) = stored(service)
        old = service.parts.files.kept(first_upload(item.id))
        path.rename(old)
        with service.parts.database.write() as db:
            db.execute(update(locations).values(path=str(old)))
        service.add(picture(0))
        assert stored(service) == [old]
        assert service.send(indexer.get_image_file(item.id))[0] == picture(0)
        service.send(indexer.delete_image(item.id))
        assert stored(service) == []
        service.add(picture(0))
        assert upload_of(item.id, str(stored(service)[0])) != upload_of(item.id, str(old))


def test_an_undo_brings_back_no_file_that_was_removed(service, picture):
    [item] = service.add(picture(0), tags=["a"])
    first = service.send(indexer.delete_image(item.id)).undo
    service.add(picture(0))
    service.send(indexer.delete_image(item.id))
    service.send(curation.empty_trash())
    service.add(picture(0))
    service.send(indexer.delete_image(item.id))
    service.send(curation.undo_change(first))
    assert service.send(indexer.get_image_file(item.id))[0] == picture(0)
    assert len(stored(service)) == 1


def test_a_thumbnail_that_is_made_during_the_deletion_goes_too(start, picture, monkeypatch):
    with start(trash_days=0) as service:
        [item] = service.add(picture(0))
        made = threading.Thread(
            target=lambda: service.send(indexer.get_thumbnail(item.id)), daemon=True
        )
        with hanging(monkeypatch, Scaler, "thumbnail") as (reached, goes_on):
            made.start()
            assert reached.wait(60)
            service.send(indexer.delete_image(item.id))
            goes_on.set()
            made.join()
        assert stored(service) == []


def test_a_thumbnail_whose_maker_was_killed_goes_with_the_second_removal(
    start, picture, monkeypatch
):
    with start(trash_days=0) as service:
        [item] = service.add(picture(0))
        service.send(indexer.delete_image(item.id))
        late = service.parts.files.kept(thumbnail(item.id))
        late.parent.mkdir(parents=True, exist_ok=True)
        late.write_bytes(b"late")
        service.parts.removal.tidy()
        assert late.exists()
        monkeypatch.setattr(removed_files, "_MADE_S", -1)
        service.parts.removal.tidy()
        assert not late.exists()
        assert RemovedFiles(service.parts.database).due("", 10) == []


def test_of_two_workers_that_remove_a_thumbnail_neither_takes_it_for_the_second_time(images):
    listed, name = RemovedFiles(images.database), thumbnail("a")
    with images.database.write() as db:
        removed_files.release(db, {"a": []})
    assert listed.due("", 10) == [name]
    for _ in range(2):
        listed.forget([name])
    with images.database.read() as db:
        rows = db.execute(select(removed_files.removed_files)).all()
    assert [(row.name, row.state) for row in rows] == [(name, "again")]


def test_files_that_cannot_be_removed_stay_listed_and_are_tried_again(
    images, entry, tmp_path, monkeypatch
):
    files = ImageFiles(tmp_path, 32, 1000)
    removal, listed = FileRemoval(files, images.database), RemovedFiles(images.database)
    writing = UploadFiles(files, images.database, removal)
    entries = [entry(one) for one in "abcde"]
    ids = [one.id for one in entries]
    with writing.writing(ids) as names:
        for content, image_id in zip("abcde", ids, strict=True):
            place = writing.keep(names, image_id, "a.png", b"a")
            images.record([entry(content, path=place.path)], {}, uploads={})
    for image_id in ids:
        Origins(images.database).delete_all([image_id], {}.update, keeps=True)
    # One came again meanwhile, by another way: its file is needed no more.
    images.record([entry("b", path="/b.png")], {})
    assert Trash(images.database).purge(None) == 4
    # The first of all, which holds up none that come after it.
    stuck = max(names.new.values())
    monkeypatch.setattr(file_removal, "_AT_ONCE", 2)
    with monkeypatch.context() as patched:
        remove = LocalBlobStore.remove

        def refuse(store, key):
            if key == stuck:
                raise PermissionError(13, "Permission denied")
            remove(store, key)

        patched.setattr(LocalBlobStore, "remove", refuse)
        removal.drain()
    assert listed.due("", 10) == [stuck]
    assert [name for name in names.new.values() if files.has(name)] == [stuck]
    removal.drain()
    assert listed.due("", 10) == []
    assert not files.has(stuck)


def test_an_older_catalogues_removals_are_taken_over_but_for_files_that_a_row_names(
    catalogue, tmp_path
):
    """An image that was deleted for good may be one again, with its file in a folder."""
    url = catalogue.get("database_url") or f"sqlite:///{tmp_path / 'catalog.sqlite'}"

    def kept(image_id):
        return f"/data/images/{first_upload(image_id)}"

    paths = {"in a folder": "/photos/a.jpg", "uploaded": kept("uploaded"), "a vector": None}
    trashed = {"trashed": kept("trashed"), "trashed from a folder": "/photos/b.jpg"}
    database = Database(url)
    with database.write() as db:
        for at, (image_id, path) in enumerate(paths.items(), start=1):
            row = {"id": image_id, "ordinal": at, "sha256": "", "bytes": 1, "metadata": {}}
            db.execute(insert(images), [row | {"revision": 1, "created_at": ""}])
            if path is not None:
                place = {"path": path, "uri": "a", "ordinal": at, "mtime_ns": 0, "bytes": 1}
                db.execute(insert(locations), [place])
        for image_id, path in trashed.items():
            record = {"places": [[path, "b", 0, 1, 0]], "features": []}
            row = {"id": image_id, "deleted_at": "", "record": record}
            db.execute(insert(trash), [row])
        # As version 12 had it.
        for name in ("removed_files", "unusable_files"):
            db.exec_driver_sql(f"DROP TABLE {name}")
        db.exec_driver_sql("CREATE TABLE removed_files (id VARCHAR(200) PRIMARY KEY)")
        for image_id in (*paths, *trashed, "gone"):
            db.execute(text("INSERT INTO removed_files VALUES (:id)"), {"id": image_id})
        db.execute(counters.update().where(counters.c.name == "version").values(value=12))
    database.close()
    database = Database(url)
    left = ["in a folder", "a vector", "trashed from a folder", "gone"]
    due = RemovedFiles(database).due("", 100)
    assert due == sorted([*map(first_upload, left), thumbnail("gone")])
    database.close()
