"""Time of `GET /v1/images` on a drawn collection, at any depth of the cursor, over the real app.

python -m benchmarks.browsing --images 100000
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks import results
from services.indexer.clustering.streaming import assign, train_centroids
from services.indexer.segments.store import SegmentStore
from services.query.app import create_app
from services.query.config import QuerySettings
from shared.contracts.metric import Metric
from shared.engines.ivf.partition import Partition
from shared.snapshots.items import Item
from shared.snapshots.manifest import Manifest, SpaceManifest
from shared.snapshots.store import SnapshotStore

_DIM = 4
_FILTER = json.dumps({"must": [{"tag": "dog"}, {"key": "file.width", "gte": 2000}]})


def publish(folder: Path, count: int) -> None:
    """Write a snapshot of images with dates, in two items files."""
    rng = np.random.default_rng(0)
    store, snapshots = SegmentStore(folder), SnapshotStore(folder)
    for made in (snapshots.folder, store.folder):
        made.mkdir(parents=True, exist_ok=True)
    vectors = rng.normal(size=(count, _DIM)).astype(np.float32)
    centroids = train_centroids(vectors[:10_000], 16, Metric.COSINE, seed=0)
    blocks = [(0, vectors)]
    lists = assign(blocks, count, centroids, Metric.COSINE)
    postings = store.postings(
        "visual", Partition(centroids, Metric.COSINE), blocks, lists, np.arange(count)
    )
    space = SpaceManifest(
        fingerprint="model",
        dim=_DIM,
        metric=Metric.COSINE,
        clusters=16,
        seed=0,
        postings=[postings],
    )
    cut = count - count // 50
    items = [store.items(_item(n, rng) for n in part) for part in (range(cut), range(cut, count))]
    manifest = Manifest(
        number=1,
        created_at="now",
        reason="benchmark",
        revision=1,
        images=count,
        items=items,
        visual=space,
    )
    snapshots.publish(manifest)


def _item(number: int, rng: np.random.Generator) -> Item:
    added = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number * 7)
    taken = datetime(1990, 1, 1, tzinfo=UTC) + timedelta(minutes=int(rng.integers(0, 18_000_000)))
    facts: dict[str, Any] = {"width": int(rng.integers(500, 5000)), "format": "JPEG"}
    if number % 10:
        facts["taken_at"] = taken.strftime("%Y-%m-%dT%H:%M:%S+02:00")
    return Item(
        number,
        f"{number:032x}",
        ["dog"] if number % 3 else ["cat"],
        [f"folder {number % 97}/IMG_{int(rng.integers(0, 99_999)):05}.jpg"],
        {"album": f"album {number % 50}"},
        added_at=added.isoformat(),
        file=facts,
    )


async def measure(folder: Path, count: int, limit: int, rounds: int) -> dict[str, Any]:
    """Return milliseconds of the first page, of pages at random depths, and of the timeline."""
    app = create_app(QuerySettings(_env_file=None, data_dir=folder))
    transport = httpx.ASGITransport(app)
    rng = np.random.default_rng(1)
    found: dict[str, Any] = {}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:

        async def timed(path: str, **params: Any) -> tuple[float, Any]:
            start = time.perf_counter()
            answer = await client.get(path, params=params)
            took = 1000 * (time.perf_counter() - start)
            answer.raise_for_status()
            return took, answer.json()

        found["open"], _ = await timed("/v1/stats")
        for sort in ("-added", "-taken", "name"):
            for name, asked in (("", {}), (" filtered", {"filter": _FILTER})):
                first, page = await timed("/v1/images", sort=sort, limit=limit, **asked)
                deep = []
                for depth in rng.integers(0, max(1, page["total"] - 2 * limit), rounds).tolist():
                    there = await timed("/v1/images", sort=sort, limit=1, offset=depth, **asked)
                    cursor = there[1]["next"]
                    at = {"sort": sort, "limit": limit, "cursor": cursor}
                    deep.append((await timed("/v1/images", **at, **asked))[0])
                key = f"{sort}{name}"
                found[f"{key} first"] = first
                found[f"{key} p50"] = statistics.median(deep)
                found[f"{key} p99"] = sorted(deep)[int(0.99 * len(deep))]
        found["timeline first"], _ = await timed("/v1/images/timeline")
        found["timeline again"], _ = await timed("/v1/images/timeline")
    return {name: round(value, 2) for name, value in found.items()} | {"images": count}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="keeps the collection for the next run")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = given.folder or Path(made)
        if not (folder / "snapshots").exists():
            publish(folder, given.images)
        load = os.getloadavg()[0]
        found = asyncio.run(measure(folder, given.images, given.limit, given.rounds))
    found |= {"limit": given.limit, "load": round(load, 1)}
    print(json.dumps(found, indent=2))
    results.write(given.results, "browsing", found)


if __name__ == "__main__":
    main()
