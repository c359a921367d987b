"""A data directory, its copy in a store, and the directory of who follows that."""

from pathlib import Path

import numpy as np

from services.indexer.replication.snapshot_mirror import Mirror
from services.indexer.segments.store import SegmentStore
from shared.objects.address import store_at
from shared.objects.store import Objects
from shared.snapshots.follower import Follower
from shared.snapshots.manifest import Manifest
from shared.snapshots.store import SnapshotStore
from shared.snapshots.tombstones import Tombstones
from tests.indexer.s3 import S3Server


class Copies:
    """What a mirror and a follower do, without services."""

    def __init__(self, folder: Path, s3: S3Server, url: str) -> None:
        self.url = url
        self.s3 = s3
        self.objects = Objects(s3.url)
        self.address = store_at(url, "URL")
        self.here, self.there = folder / "here", folder / "there"
        self.snapshots = SnapshotStore(self.here)
        self.tombstones = Tombstones(self.here)
        self.mirror = Mirror(self.here, self.objects, self.address)
        self.follower = Follower(self.there, self.objects, self.address, every_s=60)

    def publish(self, *others: Manifest) -> Manifest:
        """A snapshot of one new segment, and those of others."""
        number = (self.snapshots.current_number() or 0) + 1
        new = SegmentStore(self.here).tag_vectors({f"tag-{number}": np.ones(4, np.float32)})
        files = [new, *(file for other in others for file in other.tag_vectors)]
        manifest = Manifest(
            number=number, created_at="", reason="test", revision=0, images=0, tag_vectors=files
        )
        self.snapshots.publish(manifest)
        return manifest

    def followed(self) -> Manifest | None:
        return SnapshotStore(self.there).current()

    def same(self) -> bool:
        current = self.followed()
        assert current is not None
        for file in current.files():
            SnapshotStore(self.there).verified(file)
        gone = Tombstones(self.there).read().tolist()
        return current == self.snapshots.current() and gone == self.tombstones.read().tolist()

    def stored(self) -> set[str]:
        bucket, _, folder = self.address.path.partition("/")
        return {key.removeprefix(f"{folder}/") for key in self.s3.keys(bucket)}
