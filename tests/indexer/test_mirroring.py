"""What the indexer copies to a store, and that it stays right whatever happens there."""

import errno
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from services.indexer.replication.prefix_owner import PrefixOwner
from services.indexer.replication.snapshot_mirror import Mirror
from services.indexer.segments.store import SegmentStore
from shared.core.errors import Conflict, Unavailable
from shared.core.loop import Loop
from shared.files import sums
from shared.objects.address import Address
from shared.objects.store import Objects
from shared.snapshots.manifest import LabelsManifest, TextsManifest
from shared.snapshots.store import pointer
from shared.snapshots.texts import ReadText
from shared.snapshots.tombstones import encoded
from tests.indexer.copying import Copies
from tests.indexer.running import until


class Slow(Objects):
    """A store to which a file goes only when it's let."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint)
        self.has_begun, self.may_end = threading.Event(), threading.Event()

    def put(self, path: Path, address: Address) -> None:
        self.has_begun.set()
        assert self.may_end.wait(60)
        super().put(path, address)


class Away(Objects):
    def put(self, path: Path, address: Address) -> None:
        raise Unavailable(f"{address} doesn't answer.")


def dead_in_store(copies: Copies) -> bytes:
    return copies.objects.read(copies.address.child("tombstones"))


def current_in_store(copies: Copies) -> bytes:
    return copies.objects.read(copies.address.child("snapshots/CURRENT"))


def test_deletions_are_copied_while_a_large_snapshot_is_on_its_way(copies: Copies) -> None:
    copies.publish()
    slow = Slow(copies.s3.url)
    mirror = Mirror(copies.here, slow, copies.address)
    mirror.start()
    try:
        assert slow.has_begun.wait(120)
        copies.tombstones.add([5])
        mirror.consider()
        until(lambda: dead_in_store(copies) == encoded(np.array([5])))
        assert "snapshots/CURRENT" not in copies.stored()
    finally:
        slow.may_end.set()
        mirror.stop()


def test_another_deletion_is_copied_though_there_are_as_many(copies: Copies) -> None:
    copies.publish()

    def fail() -> None:
        with copies.tombstones.adding() as add:
            add([5])
            copies.mirror.copy()
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    copies.tombstones.add([7])
    copies.mirror.copy()
    assert dead_in_store(copies) == encoded(np.array([7]))


def test_what_another_worker_wrote_late_is_put_right(copies: Copies) -> None:
    copies.publish()
    copies.tombstones.add([1])
    copies.mirror.copy()
    late = dead_in_store(copies), current_in_store(copies)
    copies.publish()
    copies.tombstones.add([2])
    copies.mirror.copy()
    right = dead_in_store(copies), current_in_store(copies)
    assert right != late
    for key, data in zip(("tombstones", "snapshots/CURRENT"), late, strict=True):
        copies.objects.write(copies.address.child(key), data)
    copies.mirror.copy()
    assert (dead_in_store(copies), current_in_store(copies)) == right


def test_what_is_missing_in_the_store_comes_back_at_the_next_start(copies: Copies) -> None:
    copies.publish()
    copies.mirror.copy()
    whole = copies.stored()
    bucket, _, folder = copies.address.path.partition("/")
    for key in whole:
        copies.objects.remove(Address(copies.address.protocol, f"{bucket}/{folder}/{key}"))
    Mirror(copies.here, copies.objects, copies.address).copy()
    assert copies.stored() == whole


def test_objects_that_are_not_the_mirrors_stop_nothing(copies: Copies) -> None:
    for name in ("old copy", "9" * 5000, "-1"):
        where = copies.address.child(f"snapshots/{name[:900]}/manifest.json")
        copies.objects.write(where, b"{}")
    for _ in range(4):
        copies.publish()
        copies.mirror.copy()
    assert current_in_store(copies) == pointer(4).encode()


def test_an_old_manifest_that_is_damaged_keeps_none_from_going(copies: Copies) -> None:
    copies.publish()
    copies.mirror.copy()
    copies.objects.write(copies.address.child("snapshots/000001/manifest.json"), b"{")
    for _ in range(3):
        copies.publish()
        copies.mirror.copy()
    manifests = {key for key in copies.stored() if key.endswith("manifest.json")}
    assert manifests == {f"snapshots/00000{n}/manifest.json" for n in (3, 4)}


def test_a_snapshot_of_before_there_were_sums_is_copied_with_one(copies: Copies) -> None:
    copies.publish()
    sums.path_of(copies.snapshots.path(1)).unlink()
    copies.mirror.copy()
    copies.follower.follow()
    assert copies.same()


def test_a_network_is_left_to_its_snapshot_where_the_store_is_away(
    copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.indexer.replication.snapshot_mirror._PAUSES_S", (0.0,))
    folder = copies.here / "networks" / "one"
    folder.mkdir(parents=True)
    (folder / "network.safetensors").write_bytes(b"weights")
    Mirror(copies.here, Away(copies.s3.url), copies.address).network("one")
    weights = "networks/one/network.safetensors"
    assert weights not in copies.stored()
    copies.mirror.network("one")
    assert copies.stored() == {"COLLECTION", weights, f"{weights}.sha256"}


def test_a_loop_goes_on_after_what_nobody_expected() -> None:
    done: list[int] = []

    def work() -> None:
        done.append(1)
        if len(done) == 1:
            raise KeyError("what")

    loop = Loop("test", work, "It can't be done now", 3600)
    loop.start()
    until(lambda: loop.warning is not None)
    assert loop.warning == "It can't be done now: KeyError, see the log."
    loop.consider()
    until(lambda: loop.warning is None)
    loop.stop()
    assert len(done) == 2


def test_a_place_is_one_collections_alone(
    copies: Copies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.indexer.replication.snapshot_mirror._PAUSES_S", ())
    copies.publish()
    copies.mirror.copy()
    right = dead_in_store(copies), current_in_store(copies), copies.stored()
    other = Copies(tmp_path / "other", copies.s3, copies.url)
    for _ in range(2):
        other.publish()
    other.tombstones.add([1, 2, 3])
    for step in (other.mirror.copy, other.mirror.copy_deletions):
        with pytest.raises(
            Conflict, match=r"holds the copies of another collection, not of .*other"
        ):
            step()
    other.mirror.network("match-1")
    assert (dead_in_store(copies), current_in_store(copies), copies.stored()) == right
    # A worker of the same collection, or the same one after a restart.
    copies.publish()
    Mirror(copies.here, copies.objects, copies.address).copy()
    copies.follower.follow()
    assert copies.same()
    # The way that the sentence tells.
    copies.objects.remove(copies.address.child("COLLECTION"))
    other.mirror.copy()
    with pytest.raises(Conflict):
        copies.mirror.copy()
    assert dead_in_store(copies) == encoded(np.array([1, 2, 3]))


def test_workers_that_begin_at_once_are_one_collection(copies: Copies) -> None:
    copies.here.mkdir(exist_ok=True)
    claims = [PrefixOwner(copies.here, copies.objects, copies.address) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda claim: claim._name(), claims))
    assert len(names) == 1
    assert [path.name for path in copies.here.iterdir()] == ["COLLECTION"]


def test_a_name_that_can_not_be_given_leaves_nothing_behind(
    copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    copies.publish()
    before = sorted(copies.here.rglob("*"))
    with monkeypatch.context() as disk:
        disk.setattr("shared.files.durable.fsync_file", full)
        with pytest.raises(OSError, match="No space left"):
            copies.mirror.copy()
    assert sorted(copies.here.rglob("*")) == before
    assert copies.s3.keys(copies.address.path.partition("/")[0]) == []
    copies.mirror.copy()
    copies.follower.follow()
    assert copies.same()


def test_texts_are_copied_too(copies: Copies) -> None:
    published = copies.publish()
    file = SegmentStore(copies.here).texts([ReadText(0, [])])
    texts = TextsManifest(revision=1, files=[file])
    copies.snapshots.rewrite(published.model_copy(update={"texts": texts}))
    copies.mirror.copy()
    copies.follower.follow()
    assert copies.same()
    followed = copies.followed()
    assert followed is not None
    assert followed.texts == texts


def test_a_snapshot_whose_labels_or_texts_are_missing_is_copied_without_them(
    copies: Copies,
) -> None:
    published = copies.publish()
    lost = published.tag_vectors[0].model_copy(update={"name": "labels-lost.hdf5"})
    labels = LabelsManifest(fingerprint="m", digest="d", head=lost, files=[lost])
    texts = TextsManifest(revision=1, files=[lost])
    copies.snapshots.rewrite(published.model_copy(update={"labels": labels, "texts": texts}))
    mirror = Mirror(copies.here, copies.objects, copies.address)
    mirror.copy()
    there = mirror._read(published.number)
    assert (there.labels, there.texts) == (None, None)
    assert there.vital_files() == published.vital_files()
    assert current_in_store(copies) == pointer(published.number).encode()
