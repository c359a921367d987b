"""Who follows a copy shows nothing deleted, goes back to nothing, and removes only its own."""

import hashlib
import threading
from pathlib import Path

import pytest

from shared.core.errors import Corrupt, Misconfigured
from shared.objects.address import Address
from shared.objects.store import Objects
from shared.snapshots.follower import Follower
from shared.snapshots.store import number_in
from shared.snapshots.tombstones import Tombstones
from tests.indexer.copying import Copies
from tests.indexer.running import until


class Slow(Objects):
    """A store from which a file comes only when it's let."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint)
        self.has_begun, self.may_end = threading.Event(), threading.Event()

    def get(self, address: Address, path: Path) -> None:
        self.has_begun.set()
        assert self.may_end.wait(60)
        super().get(address, path)


class Full(Objects):
    """A disk that has room for so many files only."""

    def __init__(self, endpoint: str, room: int) -> None:
        super().__init__(endpoint)
        self.room = room

    def get(self, address: Address, path: Path) -> None:
        if self.room == 0:
            raise OSError(28, "No space left on device")
        self.room -= 1
        super().get(address, path)


def test_deletions_come_while_a_large_snapshot_is_on_its_way(copies: Copies) -> None:
    copies.publish()
    copies.mirror.copy()
    slow = Slow(copies.s3.url)
    follower = Follower(copies.there, slow, copies.address, every_s=60)
    follower.start()
    try:
        assert slow.has_begun.wait(120)
        copies.tombstones.add([5])
        copies.mirror.copy_deletions()
        follower.wake()
        until(lambda: Tombstones(copies.there).read().tolist() == [5])
        assert not (copies.there / "snapshots" / "CURRENT").exists()
    finally:
        slow.may_end.set()
        follower.stop()


def test_a_snapshot_comes_with_the_deletions_of_its_download(copies: Copies) -> None:
    class Deleting(Objects):
        def get(self, address: Address, path: Path) -> None:
            copies.tombstones.add([5])
            copies.mirror.copy_deletions()
            super().get(address, path)

    copies.publish()
    copies.mirror.copy()
    deleting = Deleting(copies.s3.url)
    Follower(copies.there, deleting, copies.address, every_s=60).follow()
    assert copies.same()


def test_what_nobody_expected_is_told_and_tried_again(copies: Copies) -> None:
    class Odd(Objects):
        is_well = False

        def get(self, address: Address, path: Path) -> None:
            if not self.is_well:
                raise ValueError("odd")
            super().get(address, path)

    copies.publish()
    copies.mirror.copy()
    odd = Odd(copies.s3.url)
    follower = Follower(copies.there, odd, copies.address, every_s=60)
    follower.start()
    try:
        until(lambda: "ValueError" in str(follower.warning))
        odd.is_well = True
        follower.wake()
        until(lambda: follower.warning is None)
    finally:
        follower.stop()
    assert copies.same()


def test_without_the_list_of_deletions_nothing_is_taken(copies: Copies) -> None:
    copies.publish()
    copies.tombstones.add([5])
    copies.mirror.copy()
    copies.objects.remove(copies.address.child("tombstones"))
    with pytest.raises(Corrupt, match="tombstones is missing, so deleted pictures would be shown"):
        copies.follower.follow()
    assert not (copies.there / "snapshots" / "CURRENT").exists()
    copies.mirror.copy()
    copies.follower.follow()
    assert copies.same()


def test_it_does_not_go_back(copies: Copies) -> None:
    for _ in range(2):
        copies.publish()
    copies.mirror.copy()
    copies.follower.follow()
    restored = Copies(copies.here.parent / "restored", copies.s3, copies.url)
    copies.objects.remove(copies.address.child("COLLECTION"))
    # The first has a lower number, the second the same one and other content.
    for _ in range(2):
        restored.publish()
        restored.mirror.copy()
        # A store may tell times in seconds: one that has seen nothing yet looks at it all.
        follower = Follower(copies.there, copies.objects, copies.address, every_s=60)
        with pytest.raises(Misconfigured, match="start this service on an empty ISE_DATA_DIR"):
            follower.follow()
        assert copies.followed() == copies.snapshots.current()


def test_a_folder_has_one_follower(copies: Copies) -> None:
    copies.publish()
    copies.mirror.copy()
    copies.follower.start()
    try:
        second = Follower(copies.there, copies.objects, copies.address, every_s=60)
        with pytest.raises(Misconfigured, match="Another service follows ISE_SNAPSHOTS_FROM into"):
            second.start()
    finally:
        copies.follower.stop()
    second.start()
    second.stop()


def test_a_folder_is_held_while_a_download_goes_on(copies: Copies) -> None:
    copies.publish()
    copies.mirror.copy()
    slow = Slow(copies.s3.url)
    follower = Follower(copies.there, slow, copies.address, every_s=60)
    second = Follower(copies.there, copies.objects, copies.address, every_s=60)
    follower.start()
    assert slow.has_begun.wait(120)
    follower.stop()
    with pytest.raises(Misconfigured, match="Another service follows"):
        second.start()
    slow.may_end.set()
    until(lambda: copies.followed() is not None)
    follower.stop()
    second.start()
    second.stop()


def test_an_indexer_that_came_since_keeps_its_files(copies: Copies) -> None:
    copies.publish()
    copies.mirror.copy()
    copies.follower.follow()
    (copies.there / ".lock").touch()
    own = copies.there / "segments" / "being-written.hdf5"
    own.touch()
    copies.publish()
    copies.mirror.copy()
    with pytest.raises(Misconfigured, match="belongs to an indexer"):
        copies.follower.follow()
    assert own.exists()


def test_networks_on_their_way_are_not_its_own(copies: Copies) -> None:
    other = copies.there / "networks" / "one" / ".network.safetensors.123.tmp"
    other.parent.mkdir(parents=True)
    other.touch()
    copies.follower.start()
    copies.follower.stop()
    assert other.exists()


def test_what_failed_downloads_left_makes_room_for_the_next(copies: Copies) -> None:
    first = copies.publish()
    copies.mirror.copy()
    copies.follower.follow()
    for _ in range(3):
        copies.publish(copies.publish())
        copies.mirror.copy()
        full = Full(copies.s3.url, room=1)
        with pytest.raises(OSError, match="No space"):
            Follower(copies.there, full, copies.address, every_s=60).follow()
        there = {path.name for path in (copies.there / "segments").iterdir()}
        assert len(there) <= 2
        assert first.files()[0].name in there


def test_what_nobody_wrote_is_damage() -> None:
    with pytest.raises(Corrupt):
        number_in("9" * 5000, "CURRENT")


@pytest.mark.parametrize("name", ["..", "", "a/b.hdf5", "a\0.hdf5", "other.txt"])
def test_a_name_of_no_segment_is_refused(copies: Copies, name: str) -> None:
    manifest = copies.publish()
    copies.mirror.copy()
    file = manifest.tag_vectors[0].model_copy(update={"name": name})
    data = manifest.model_copy(update={"tag_vectors": [file]}).model_dump_json().encode()
    sha256 = hashlib.sha256(data).hexdigest()
    where = copies.address.child("snapshots/000001/manifest.json")
    copies.objects.write(where, data)
    copies.objects.write(Address(where.protocol, f"{where.path}.sha256"), sha256.encode())
    with pytest.raises(Corrupt, match="is no name of a segment"):
        copies.follower.follow()
