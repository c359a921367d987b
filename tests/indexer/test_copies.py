"""The copy of the published in an object store, and the way back, without services."""

import pytest

from services.indexer.replication.snapshot_mirror import Mirror
from shared.core.errors import Corrupt, NotFound
from shared.snapshots.manifest import Manifest
from shared.snapshots.store import SnapshotStore
from tests.indexer.copying import Copies


def test_only_what_is_new_is_copied_and_what_is_old_goes(copies: Copies) -> None:
    with pytest.raises(NotFound, match="contains no snapshot yet"):
        copies.follower.follow()
    kept: list[Manifest] = []
    for _ in range(4):
        kept.append(copies.publish(*kept[-1:]))
        copies.mirror.copy()
        copies.follower.follow()
        assert copies.same()
    copies.tombstones.add([3, 1])
    assert not copies.same()
    copies.mirror.copy()
    copies.follower.follow()
    assert copies.same()
    named = {f"segments/{file.name}" for one in kept[-2:] for file in one.files()}
    assert {key for key in copies.stored() if key.startswith("segments/")} == named
    assert {key for key in copies.stored() if key.endswith(".json")} == {
        "snapshots/000003/manifest.json",
        "snapshots/000004/manifest.json",
    }
    there = {path.name for path in (copies.there / "segments").iterdir()}
    assert {f"segments/{name}" for name in there} == named


def test_a_snapshot_may_name_again_what_went_from_the_store(copies: Copies) -> None:
    first = copies.publish()
    copies.mirror.copy()
    for _ in range(3):
        copies.publish()
        copies.mirror.copy()
    assert f"segments/{first.files()[0].name}" not in copies.stored()
    copies.publish(first)
    copies.mirror.copy()
    copies.follower.follow()
    assert copies.same()


def test_a_mirror_that_starts_anew_copies_nothing_twice(copies: Copies) -> None:
    copies.publish()
    copies.mirror.copy()
    copies.follower.follow()
    before = {key: copies.objects.look(copies.address.child(key)) for key in copies.stored()}
    again = Mirror(copies.here, copies.objects, copies.address)
    again.copy()
    after = {key: copies.objects.look(copies.address.child(key)) for key in copies.stored()}
    del before["tombstones"], after["tombstones"]
    assert after == before


@pytest.mark.parametrize(
    "of",
    [
        "segment",
        pytest.param("manifest", marks=pytest.mark.slow),
        pytest.param("current", marks=pytest.mark.slow),
        "tombstones",
    ],
)
def test_what_is_damaged_on_the_way_is_never_taken(copies: Copies, of: str) -> None:
    copies.publish()
    copies.tombstones.add([1])
    copies.mirror.copy()
    copies.follower.follow()
    former = SnapshotStore(copies.there).current()
    now = copies.publish()
    copies.tombstones.add([2])
    copies.mirror.copy()
    key = {
        "segment": f"segments/{now.files()[0].name}",
        "manifest": "snapshots/000002/manifest.json",
        "current": "snapshots/CURRENT",
        "tombstones": "tombstones",
    }[of]
    where = copies.address.child(key)
    data = bytearray(copies.objects.read(where))
    data[len(data) // 2] ^= 1
    copies.objects.write(where, bytes(data))
    with pytest.raises(Corrupt, match=str(where)):
        copies.follower.follow()
    assert SnapshotStore(copies.there).current() == former
    data[len(data) // 2] ^= 1
    copies.objects.write(where, bytes(data))
    copies.follower.follow()
    assert copies.same()


@pytest.mark.slow
def test_a_local_file_that_was_damaged_is_downloaded_anew(copies: Copies) -> None:
    first = copies.publish()
    copies.mirror.copy()
    copies.follower.follow()
    path = copies.there / "segments" / first.files()[0].name
    path.write_bytes(b"x" * path.stat().st_size)
    copies.publish(first)
    copies.mirror.copy()
    copies.follower.follow()
    assert copies.same()
