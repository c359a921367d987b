"""The two engines side by side: recall at the same target, time, and whether exact is exact."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.features import chunks
from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.clustering.streaming import Blocks
from services.indexer.jobs.context import JobContext
from services.indexer.measuring.recall import work_for
from services.indexer.segments.engine import NewSpace
from services.indexer.segments.spaces import Spaces
from services.indexer.segments.store import SegmentStore
from shared.cli.service import free_port
from shared.contracts.indexer import BuildSettings
from shared.contracts.query import Metric
from shared.contracts.stats import RecallCurve, RecallPoint
from shared.core.engine import Engine
from shared.engines.engine import Index
from shared.engines.milvus.server import Milvus
from shared.engines.table import Engines
from shared.snapshots.manifest import SpaceManifest

_K = 10
_TARGETS = (0.8, 0.9, 0.95, 0.99)
_BLOCK = 8192

Floats = NDArray[np.float32]


def measure(
    folder: Path, rows: int, dim: int, asked: int, index_types: list[str], uri: str
) -> dict[str, Any]:
    """Measure each engine's recall@10 on held-out queries, by the curve that it measured.

    uri: of a Milvus server; empty: Milvus Lite's is started.
    """
    drawn = np.concatenate(list(chunks(rows + asked, dim)))
    vectors, queries = drawn[:rows], drawn[rows:]
    truth: list[NDArray[np.int64]] | None = None
    found = []
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as name, _served(uri, Path(name)) as at:
        for engine in ["local", *index_types]:
            milvus = None if engine == "local" else Milvus(at)
            data = Path(name) / engine
            (data / "segments").mkdir(parents=True)
            segments = SegmentStore(data)
            chosen = Engine.LOCAL if milvus is None else Engine.MILVUS
            spaces = Spaces(segments, Engines(milvus), chosen, engine)
            started = time.perf_counter()
            space = _space(segments, spaces, vectors)
            index = spaces.index(space)
            curves = spaces.of(space).measure(space, "visual", 0)
            seconds = time.perf_counter() - started
            exact = [_scan(index, query, None) for query in queries]
            truth = truth or exact
            told = {
                "engine": engine if space.milvus is None else f"Milvus, {space.milvus.index_type}",
                "build_s": round(seconds, 1),
                "clusters": space.clusters,
                "exact_equal": sum(map(np.array_equal, truth, exact)),
                "at": [_at(index, curves, queries, truth, target) for target in _TARGETS],
            }
            print(f"  {told}", flush=True)
            found.append(told)
            if milvus is not None:
                milvus.close()
    return {"rows": rows, "dim": dim, "queries": asked, "engines": found}


def _space(segments: SegmentStore, spaces: Spaces, vectors: Floats) -> SpaceManifest:
    where = FeatureRows(*[np.arange(len(vectors))] * 3)

    def blocks(rows: FeatureRows) -> Blocks:
        for start in range(0, len(rows), _BLOCK):
            yield start, vectors[rows.rows[start : start + _BLOCK]]

    new = NewSpace("visual", "", "benchmark", where, blocks, [segments.items([])])
    return spaces.chosen.build(new, BuildSettings(), JobContext.unwatched())


def _at(
    index: Index,
    curves: list[RecallCurve],
    queries: Floats,
    truth: list[NDArray[np.int64]],
    target: float,
) -> dict[str, Any]:
    work = work_for(curves, Metric.COSINE, _K, target)
    recalls, seconds = [], []
    for query, wanted in zip(queries, truth, strict=True):
        started = time.perf_counter()
        found = _scan(index, query, work)
        seconds.append(time.perf_counter() - started)
        recalls.append(np.isin(wanted, found).mean())
    return {
        "target": target,
        "nprobe": work.nprobe if work else index.clusters,
        "reach": work.reach if work else None,
        "expected": round(work.recall, 4) if work else 1.0,
        "recall": round(float(np.mean(recalls)), 4),
        "median_ms": round(1000 * float(np.median(seconds)), 2),
    }


def _scan(index: Index, query: Floats, work: RecallPoint | None) -> NDArray[np.int64]:
    nprobe, reach, depth = index.clusters, None, None
    if work is not None:
        nprobe, reach, depth = work.nprobe, work.reach, work.depth
    asked = index.ask(query)
    lists = index.rank(asked, nprobe, reach)
    return index.scan(asked, lists, _K, Metric.COSINE, depth).ordinals[:_K]


@contextmanager
def _served(uri: str, folder: Path) -> Iterator[str]:
    if uri:
        yield uri
        return
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "shared.engines.milvus.lite",
        "--data-dir",
        str(folder / "lite.db"),
    ]
    with (folder / "milvus.log").open("w") as log:
        server = subprocess.Popen(  # noqa: S603
            [*command, "--port", str(port)], stdout=log, stderr=log
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()
