"""Collections on disk, and which of them is current."""

import logging
import os
import threading

import numpy as np
import pytest

from services.query.search.snapshot_reader import SnapshotReader
from shared.core.errors import Corrupt, Unavailable
from shared.files import durable
from shared.snapshots.items import Item
from shared.snapshots.store import SnapshotStore

NONE = np.empty(0, np.int64)


@pytest.fixture
def vectors():
    return np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)


def items(count, tags=("a",)):
    return [Item(i, f"id-{i}", list(tags)) for i in range(count)]


def damage(library, file):
    path = library.segments.path(file)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_before_the_first_snapshot_the_collection_is_empty(library):
    collection, dead = SnapshotReader(library.folder).current()
    assert (collection.manifest.number, collection.live(dead)) == (0, 0)
    assert collection.carriers("a", dead).tolist() == []
    assert collection.find("x", dead) is None


def test_a_new_snapshot_is_taken_up_at_the_next_call_and_the_old_goes_on(library, vectors):
    reader = SnapshotReader(library.folder)
    library.publish(items(20), visual=library.space(vectors[:20], 2))
    old, dead = reader.current()
    published = library.publish(items(30, "b"), visual=library.space(vectors, 3))
    new, _ = reader.current()
    assert reader.current()[0] is new
    assert (new.manifest.number, new.live(dead), new.item(29).id) == (2, 30, "id-29")
    library.segments.remove_unless({file.name for file in published.files()})
    assert (old.manifest.number, old.live(dead), old.item(29)) == (1, 20, None)
    assert old.carriers("a", dead).tolist() == list(range(20))
    index = old.visual.index
    asked = index.ask(vectors[4])
    assert index.scan(asked, index.rank(asked, 2), 1, index.metric).ordinals[0] == 4


@pytest.mark.parametrize("error", [PermissionError(13, "denied"), Unavailable("Not now.")])
def test_a_snapshot_that_can_not_be_opened_for_a_moment_is_taken_up_after_it(
    library, vectors, monkeypatch, error
):
    def denied(*_: object) -> None:
        raise error

    reader = SnapshotReader(library.folder)
    library.publish(items(20), visual=library.space(vectors[:20], 2))
    old, _ = reader.current()
    library.publish(items(30), visual=library.space(vectors, 3))
    with monkeypatch.context() as closed:
        closed.setattr(SnapshotStore, "verified", denied)
        assert reader.current()[0] is old
    assert reader.current()[0].manifest.number == 2


def test_files_that_two_snapshots_share_are_opened_once(library, vectors):
    reader = SnapshotReader(library.folder)
    first = library.publish(items(30), visual=library.space(vectors, 2))
    old, _ = reader.current()
    retagged = library.segments.items([Item(3, "id-3", ["new"])])
    library.publish(items=[*first.items, retagged], visual=first.visual)
    new, _ = reader.current()
    assert new is not old
    assert new.visual.index.segments[0] is old.visual.index.segments[0]


def test_a_newer_record_stands_before_an_older_one(library, vectors):
    first = library.publish(items(5, ["Old", "both"]), visual=library.space(vectors[:5]))
    newer = library.segments.items([Item(1, "id-1", ["New", "BOTH"]), Item(3, "id-3", [])])
    newest = library.segments.items([Item(3, "id-3", ["old"], metadata={"n": 3})])
    library.publish(items=[*first.items, newer, newest], visual=first.visual)
    collection, dead = SnapshotReader(library.folder).current()
    assert collection.carriers("old", dead).tolist() == [0, 2, 3, 4]
    assert collection.carriers("NEW", dead).tolist() == [1]
    assert collection.carriers("both", dead).tolist() == [0, 1, 2, 4]
    assert (
        collection.find("id-3", dead)
        == collection.item(3)
        == Item(3, "id-3", ["old"], [], {"n": 3})
    )
    found = collection.tags(dead).page("", "", False, 10).tags
    assert [(tag.key, tag.name, tag.count) for tag in found] == [
        ("both", "both", 4),
        ("new", "New", 1),
        ("old", "Old", 4),
    ]


def test_a_deletion_hides_an_image_at_once_and_in_every_snapshot(library, vectors):
    reader = SnapshotReader(library.folder)
    library.publish(items(5), visual=library.space(vectors[:5]))
    before, dead = reader.current()
    assert before.find("id-2", dead).ordinal == 2
    library.tombstones.add([2])
    collection, dead = reader.current()
    assert collection is before
    assert (collection.find("id-2", dead), collection.live(dead)) == (None, 4)
    assert collection.carriers("a", dead).tolist() == [0, 1, 3, 4]
    library.publish(items(5), visual=library.space(vectors[:5]))
    collection, dead = reader.current()
    assert collection.find("id-2", dead) is None


def test_an_image_deleted_and_added_again_is_found_by_its_new_number(library, vectors):
    first = library.publish(items(3), visual=library.space(vectors[:3]))
    library.tombstones.add([1])
    again = library.segments.items([Item(7, "id-1", ["b"])])
    library.publish(items=[*first.items, again], visual=first.visual)
    collection, dead = SnapshotReader(library.folder).current()
    assert collection.find("id-1", dead).ordinal == 7


@pytest.mark.parametrize("part", ["visual", "items", "manifest", "missing", "format"])
def test_a_damaged_snapshot_is_not_served_and_the_one_before_goes_on(
    library, vectors, caplog, part
):
    reader = SnapshotReader(library.folder)
    library.publish(items(5), visual=library.space(vectors[:5]))
    good, _ = reader.current()
    fields = {"format": 99} if part == "format" else {}
    bad = library.publish(items(9), visual=library.space(vectors[:9]), **fields)
    if part == "manifest":
        library.snapshots.path(2).write_text("{")
    elif part == "missing":
        library.segments.path(bad.visual.postings[0]).unlink()
    elif part != "format":
        damage(library, bad.items[0] if part == "items" else bad.visual.postings[0])
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert reader.current()[0] is good
    assert len([r for r in caplog.records if "can't be served" in r.getMessage()]) == 1
    library.publish(items(7), visual=library.space(vectors[:7]))
    assert reader.current()[0].manifest.number == 3


def test_a_damaged_snapshot_is_served_once_it_is_there_anew(library, vectors):
    reader = SnapshotReader(library.folder)
    library.publish(items(5), visual=library.space(vectors[:5]))
    reader.current()
    bad = library.publish(items(9), visual=library.space(vectors[:9]))
    damage(library, bad.items[0])
    assert reader.current()[0].manifest.number == 1
    assert reader.warning
    # As a replica does that downloads it once more.
    damage(library, bad.items[0])
    library.snapshots.use(2)
    assert reader.current()[0].manifest.number == 2
    assert reader.warning is None


def test_a_damaged_snapshot_with_none_before_it_is_an_error_until_it_is_mended(library, vectors):
    reader = SnapshotReader(library.folder)
    published = library.publish(items(5), visual=library.space(vectors[:5]))
    damage(library, published.items[0])
    for _ in range(2):
        with pytest.raises(Corrupt, match="damaged"):
            reader.current()
    damage(library, published.items[0])
    assert reader.current()[0].manifest.number == 1


def test_a_damaged_pointer_is_an_error_and_not_an_empty_collection(library, vectors):
    library.publish(items(5), visual=library.space(vectors[:5]))
    durable.write_text(library.snapshots.folder / "CURRENT", "x")
    with pytest.raises(Corrupt, match="CURRENT"):
        SnapshotReader(library.folder).current()


def test_a_missing_pointer_is_an_error_and_not_an_empty_collection_but_for_who_serves(
    library, vectors
):
    library.publish(items(5), visual=library.space(vectors[:5]))
    running = SnapshotReader(library.folder)
    served, _ = running.current()
    (library.snapshots.folder / "CURRENT").unlink()
    assert running.current()[0] is served
    # The first snapshot's manifest is there a moment before what names it the current one.
    assert SnapshotReader(library.folder).current()[0].manifest.number == 0
    os.utime(library.snapshots.path(served.manifest.number), (0, 0))
    with pytest.raises(Corrupt, match="CURRENT is missing"):
        SnapshotReader(library.folder).current()


def test_threads_that_ask_while_snapshots_and_deletions_come_see_all_that_was_acknowledged(
    library, vectors
):
    reader, space = SnapshotReader(library.folder), library.space(vectors)
    library.publish(items(30), visual=space)
    acknowledged, wrong, done = [1, 0], [], threading.Event()

    def ask():
        while not done.is_set():
            number, deleted = acknowledged
            collection, dead = reader.current()
            if collection.manifest.number < number or len(dead) < deleted:
                wrong.append((collection.manifest.number, len(dead), number, deleted))
            if collection.live(dead) != 30 - len(dead):
                wrong.append("a snapshot with other files")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for step in range(12):
        acknowledged[0] = library.publish(items(30), visual=space).number
        library.tombstones.add([step])
        acknowledged[1] = step + 1
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_tag_is_carried_as_long_as_one_image_with_it_lives(library, vectors):
    first = library.publish(items(3, ["old"]), visual=library.space(vectors[:3]))
    newer = library.segments.items([Item(1, "id-1", ["new"])])
    library.publish(items=[*first.items, newer], visual=first.visual)
    reader = SnapshotReader(library.folder)
    for deleted, old, new in (
        ([], True, True),
        ([0], True, True),
        ([2], False, True),
        ([1], False, False),
    ):
        library.tombstones.add(deleted)
        collection, dead = reader.current()
        assert (
            collection.is_carried("OLD", dead) is old is bool(len(collection.carriers("old", dead)))
        )
        assert collection.is_carried("new", dead) is new
    assert not collection.is_carried("other", dead)
