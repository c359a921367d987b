"""Trash, bulk changes and undo in the catalogue, in each of the two databases."""

import pytest
from sqlalchemy import event

from services.indexer.catalog.bulk_changes import BulkEdit, BulkTable
from services.indexer.catalog.facts import Facts
from services.indexer.catalog.feature_places import FeaturePlace
from services.indexer.catalog.images import Images
from services.indexer.catalog.locations import SourceEntry
from services.indexer.catalog.removed_files import RemovedFiles
from services.indexer.catalog.source_claims import Origins
from services.indexer.catalog.states import records_of
from services.indexer.catalog.stored_names import thumbnail
from services.indexer.catalog.trash import Trash
from services.indexer.catalog.undo_log import UndoLog
from services.indexer.catalog.undoing import undo_some


@pytest.fixture
def buried():
    """Everything that was deleted, by number."""
    return {}


@pytest.fixture
def add(images, entry, feature_place):
    """Records images by their content; gives their ids."""

    def record(*contents, undo=None, **said):
        entries = [entry(content, **said) for content in contents]
        places = {e.id: [feature_place(row=row)] for row, e in enumerate(entries)}
        images.record(entries, places, undo=undo)
        return [e.id for e in entries]

    return record


def records(images, ids):
    numbers = [images.ordinal(image_id) for image_id in ids]
    with images.database.read() as db:
        return records_of(db, numbers)


def undo(images, token, buried):
    done, more = undo_some(images.database, token, buried.update, True)
    assert not more
    return {name: count for name, count in done.items() if count}


def test_a_deleted_image_comes_back_with_all_that_it_had(images, add, buried):
    ids = add("a", "b", source="/source", tags=["Dog"], metadata={"x": 1})
    Facts(images.database).put({ids[0]: {"width": 7}})
    before = records(images, ids)
    number = images.ordinal(ids[0])
    origins, trash = Origins(images.database), Trash(images.database)
    assert origins.delete_all([ids[0], "none"], buried.update, keeps=True) == [ids[0]]
    assert buried == {number: ids[0]}
    assert [one.path for one in origins.dismissed()] == ["/a.jpg"]
    found, total, more = trash.page(10)
    assert ([one.id for one in found], total, more) == ([ids[0]], 1, False)
    assert trash.restore(ids) == {ids[0]: {"m"}}
    assert records(images, ids) == before
    assert images.ordinal(ids[0]) > number
    assert origins.dismissed() == []
    assert trash.page(10)[1] == 0


def test_pages_of_the_trash_are_in_order_and_purged_by_age(images, add, buried):
    ids = add(*"abcdef")
    origins, trash = Origins(images.database), Trash(images.database)
    for image_id in ids:
        origins.delete_all([image_id], buried.update, keeps=True)
    first, total, more = trash.page(4)
    rest, _, last = trash.page(4, (first[-1].deleted_at, first[-1].id))
    assert [one.id for one in (*first, *rest)] == ids[::-1]
    assert (total, more, last) == (6, True, False)
    removed = RemovedFiles(images.database)
    assert trash.purge(first[2].deleted_at) == 3
    assert removed.due("", 10) == sorted(map(thumbnail, ids[:3]))
    add("d")
    assert trash.purge(None) == 2
    assert removed.due("", 10) == sorted(map(thumbnail, [*ids[:3], *ids[4:]]))


def test_a_change_of_many_is_one_and_is_taken_back(images, add, buried):
    ids = add(*"abc", tags=["Old"], metadata={"n": 1})
    before = records(images, ids)
    table = BulkTable(images.database)
    edit = BulkEdit(["New"], ["old"], {"n": None, "m": 2})
    assert table.edit(ids, edit, "t").changed == 3
    for one in records(images, ids).values():
        assert (one["tags"], one["metadata"]) == ({"new": "New"}, {"m": 2})
    assert UndoLog(images.database).count("t") == 3
    assert undo(images, "t", buried) == {"changed": 3}
    assert records(images, ids) == before
    assert not UndoLog(images.database).has("t")


def test_a_renamed_tag_merges_and_comes_apart_again(images, add, buried):
    ids = [*add("a", tags=["car"]), *add("b", tags=["car", "Auto"])]
    before = records(images, ids)
    table = BulkTable(images.database)
    assert table.rename("CAR", "auto", "t") == (2, 1)
    assert [one["tags"] for one in records(images, ids).values()] == [
        {"auto": "auto"},
        {"auto": "Auto"},
    ]
    undo(images, "t", buried)
    assert records(images, ids) == before


def test_what_a_job_added_and_changed_is_taken_back(images, add, buried):
    [kept] = add("a", source="/right", tags=["Dog"])
    before = records(images, [kept])
    job = {"undo": "job", "source": "/wrong"}
    add("a", path="/wrong/a.jpg", tags=["Cat"], metadata={"w": 1}, **job)
    [gone] = add("b", path="/wrong/b.jpg", tags=["Cat"], **job)
    # Twice in one job: what counts is how it was before the first.
    add("a", path="/wrong/again.jpg", tags=["Bird"], **job)
    assert set(records(images, [kept])[kept]["tags"]) == {"bird", "cat", "dog"}
    assert undo(images, "job", buried) == {"changed": 1, "trashed": 1}
    assert records(images, [kept]) == before
    assert list(buried.values()) == [gone]
    assert images.count() == 1


def test_what_is_too_old_is_forgotten(images, add):
    add("a", undo="change")
    add("b", undo="job")
    log = UndoLog(images.database)
    log.forget_before("2000", "2000", ["job"])
    assert log.has("change")
    log.forget_before("9999", "2000", ["job"])
    assert (log.has("change"), log.has("job")) == (False, True)
    log.forget_before("2000", "9999", ["job"])
    assert not log.has("job")


def test_undone_tags_bring_back_no_place_that_a_file_left_since(images, add, entry, buried):
    [image_id] = add("a", path="/old/a.jpg", source="/source", tags=["Dog"])
    table = BulkTable(images.database)
    assert table.edit([image_id], BulkEdit(["Wrong"]), "t").changed == 1
    moved = entry("a", path="/new/a.jpg")
    origins = Origins(images.database)
    origins.put([SourceEntry("/source", image_id, moved.place, ("Cat",))], buried.update)
    origins.drop(["/old/a.jpg"], [], "/source", buried.update)
    undo(images, "t", buried)
    now = records(images, [image_id])[image_id]
    assert [place[0] for place in now["places"]] == ["/new/a.jpg"]
    assert [(claim[1], claim[4]) for claim in now["claims"]] == [("/new/a.jpg", ["Cat"])]
    assert set(now["tags"]) == {"cat"}


def test_replaced_images_get_their_files_back_however_many_steps_an_undo_takes(
    images, add, buried, monkeypatch
):
    monkeypatch.setattr("services.indexer.catalog.undoing._AT_ONCE", 1)
    names = "abcdef"
    ids = [add(name, path=f"/{name}.jpg", source="/source")[0] for name in names]
    before = records(images, ids)
    for name in names:
        add(name + name, path=f"/{name}.jpg", source="/source", undo="job")
    more = True
    while more:
        _, more = undo_some(images.database, "job", buried.update, True)
    assert records(images, ids) == before
    assert images.count() == len(names)


def test_an_undone_sync_brings_back_the_images_whose_files_it_replaced(database, entry, buried):
    images = Images(database, keeps_deleted=True)
    said = {"path": "/a.jpg", "source": "/source"}
    old, new = entry("a", tags=["Dog"], **said), entry("b", tags=["Cat"], **said)
    place = FeaturePlace("m", 1, 0)
    images.record([old], {old.id: [place]})
    before = records(images, [old.id])
    assert images.record([new], {new.id: [place]}, buried.update, "job") == [old.id]
    [kept] = Trash(database).page(10)[0]
    assert [one.path for one in kept.places] == ["/a.jpg"]
    assert undo(images, "job", buried) == {"restored": 1, "trashed": 1}
    assert records(images, [old.id]) == before
    assert images.count() == 1


@pytest.mark.parametrize("keeps", [True, False])
def test_the_files_of_a_deletion_that_is_finished_later_are_left_out_by_a_sync(
    database, entry, keeps
):
    images = Images(database, keeps_deleted=keeps)
    one = entry("a", source="/source")
    images.record([one], {})
    images.remove([images.ordinal(one.id)])
    assert [(d.image_id, d.path) for d in Origins(database).dismissed()] == [(one.id, "/a.jpg")]


def test_changes_of_many_go_by_parts_and_are_undone_together(images, add, buried, monkeypatch):
    monkeypatch.setattr("services.indexer.catalog.bulk_changes.AT_ONCE", 2)
    ids = add(*"abcde", tags=["Old"])
    before = records(images, ids)
    table = BulkTable(images.database)
    writes = []
    write = images.database.write
    monkeypatch.setattr(images.database, "write", lambda: writes.append(1) or write())
    done = table.edit([*ids, "none"], BulkEdit(["New"]), "edit")
    assert (done.changed, done.unknown, len(writes)) == (5, ["none"], 3)
    assert table.rename("new", "Newer", "rename") == (5, 0)
    assert table.rename("newer", "NEWER", "again") == (5, 0)
    assert table.rename("old", "newer", "merge") == (5, 5)
    for token in ("merge", "again", "rename", "edit"):
        assert UndoLog(images.database).count(token) == 5
        assert undo(images, token, buried) == {"changed": 5}
    assert records(images, ids) == before


def test_a_restore_of_many_takes_few_statements(images, add, buried):
    ids = add(*(f"picture {n}" for n in range(40)), source="/source")
    Origins(images.database).delete_all(ids, buried.update, keeps=True)
    statements = []

    def count(*_):
        statements.append(1)

    event.listen(images.database.engine, "before_cursor_execute", count)
    assert set(Trash(images.database).restore(ids)) == set(ids)
    event.remove(images.database.engine, "before_cursor_execute", count)
    assert len(statements) < 40


def test_of_two_restored_images_of_one_path_one_gets_it(images, add, buried):
    [first] = add("a", path="/x.jpg", source="/source")
    origins = Origins(images.database)
    origins.delete_all([first], buried.update, keeps=True)
    [second] = add("b", path="/x.jpg", source="/source")
    origins.delete_all([second], buried.update, keeps=True)
    assert set(Trash(images.database).restore([first, second])) == {first, second}
    found = records(images, [first, second])
    assert sorted(len(one["places"]) for one in found.values()) == [0, 1]
