"""A data folder of the product's own, with vectors in place of pictures, built by its own code."""

import threading
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text

from services.indexer.catalog.database import Database, next_revision
from services.indexer.catalog.images import Images
from services.indexer.clustering.streaming import cluster_count
from services.indexer.embedding.canaries import Canaries
from services.indexer.embedding.client import Embedding, ModelPair
from services.indexer.embedding.registry import Embedders
from services.indexer.jobs.context import JobContext
from services.indexer.publishing.collection import Collection
from services.indexer.publishing.index_files import IndexFiles
from services.indexer.storage.feature_store import FeatureStore
from services.indexer.storage.image_files import ImageFiles
from services.indexer.workflows.index_builder import IndexBuilder
from shared.clients.transport import Client
from shared.contracts.indexer import BuildSettings
from shared.contracts.jobs import Progress
from shared.contracts.query import Metric
from shared.files import durable
from shared.snapshots.manifest import SpaceManifest
from shared.snapshots.store import SnapshotStore

FINGERPRINT = "external:benchmark"
_NEVER_ASKED = "http://127.0.0.1:9"
# SQLite makes the rows itself, as ten million of them take minutes otherwise.
_NUMBERS = """
    INSERT INTO {table} ({columns})
    WITH RECURSIVE numbers(n) AS (
        SELECT :first UNION ALL SELECT n + 1 FROM numbers LIMIT :rows
    ) SELECT {values} FROM numbers
"""
_IMAGES = _NUMBERS.format(
    table="images",
    columns="ordinal, id, sha256, bytes, metadata, revision, created_at",
    values="n + 1, printf('%08d', n), printf('%064x', n), 0, '{}', :change, "
    "'2026-01-01T00:00:00+00:00'",
)
_LOCATIONS = _NUMBERS.format(
    table="locations",
    columns="path, uri, ordinal, mtime_ns, bytes",
    values="printf('/pictures/%08d.jpg', n), printf('%08d.jpg', n), n + 1, 0, 0",
)
_FEATURES = _NUMBERS.format(
    table="features",
    columns='fingerprint, ordinal, shard, "row", revision',
    values=f"'{FINGERPRINT}', n + 1, :shard, n - :first, :change",
)


def fill(data_dir: Path, blocks: Iterable[NDArray[np.float32]]) -> int:
    """Stores vectors as features and records an image for each; gives their number.

    Image `row_id(n)` is row n, counted from 0.
    """
    durable.make_dir(data_dir)
    features = FeatureStore(data_dir)
    database = _database(data_dir)
    rows = 0
    for block in blocks:
        shard = features.append(FINGERPRINT, block)
        with database.write() as db:
            of = {"first": rows, "rows": len(block), "shard": shard, "change": next_revision(db)}
            for statement in (_IMAGES, _LOCATIONS, _FEATURES):
                db.execute(text(statement), of)
        rows += len(block)
    database.close()
    return rows


def build(data_dir: Path, times_auto: float = 1, metric: Metric = Metric.L2) -> dict[str, float]:
    """Clusters and publishes as a build job does; the seconds of each stage.

    times_auto: how many times the clusters of `auto`. metric: what the collection is built for.
    """
    stages = _Stages()
    database = _database(data_dir)
    images, features = Images(database), FeatureStore(data_dir)
    canaries = Canaries(features, database)
    embedding = Embedding(Embedders([Client(_NEVER_ASKED)]), canaries, attempts=1)
    files = ImageFiles(data_dir, thumbnail_pixels=1, max_pixels=1)
    index = IndexFiles.at(data_dir)
    collection = Collection.of(index, images, features, files, embedding)
    collection.publisher.start()
    job = JobContext(stages.hear, lambda path, reason: None, threading.Event())
    pair = ModelPair(FINGERPRINT, FINGERPRINT)
    settings = BuildSettings(metric=metric)
    if times_auto != 1:
        clusters = round(times_auto * cluster_count("auto", images.count()))
        settings = settings.model_copy(update={"clusters": clusters})
    IndexBuilder(collection, features, index).build(pair, settings, None, job)
    database.close()
    return stages.seconds()


def space(data_dir: Path) -> tuple[SpaceManifest, list[Path]]:
    """Return the built space, and the files of its posting lists."""
    store = SnapshotStore(data_dir)
    manifest = store.current()
    if manifest is None or manifest.visual is None:
        raise FileNotFoundError(f"nothing was built in {data_dir}")
    return manifest.visual, [store.segments / file.name for file in manifest.visual.postings]


def row_id(row: int) -> str:
    """The id of the image that stands for a row."""
    return f"{row:08d}"


class _Stages:
    """Start of each stage of a build, by its name without the figures in it."""

    def __init__(self) -> None:
        self._began: list[tuple[str, float]] = []

    def hear(self, progress: Progress, gained: bool) -> None:
        name = "".join(c for c in progress.stage.replace(" of ", " ") if not c.isdigit()).strip()
        if not self._began or self._began[-1][0] != name:
            self._began.append((name, time.perf_counter()))

    def seconds(self) -> dict[str, float]:
        ends = [began for _, began in self._began[1:]] + [time.perf_counter()]
        return {name: end - began for (name, began), end in zip(self._began, ends, strict=True)}


def _database(data_dir: Path) -> Database:
    return Database(f"sqlite:///{(data_dir / 'catalog.sqlite').resolve()}")
