"""The two engines side by side: recall at the same target, time, and whether exact is exact."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import full_milvus, memory
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
_PROBES = (8, 16, 32, 64, 128, 256)
_BLOCK = 8192
_EXACT, _EXACT_QUICK = 10, 3

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Asked:
    """Measurement: its vectors, queries held out of them, indexes of Milvus, and which Milvus.

    uri: of a server. python: an interpreter with the package `milvus`, whose server is started.
    With neither, Milvus Lite's server is started. is_quick: Milvus searches set numbers of lists,
    instead of those by a curve that takes long to measure.
    """

    vectors: Floats
    queries: Floats
    source: str
    index_types: list[str]
    uri: str = ""
    python: str = ""
    is_quick: bool = False


def generated(rows: int, dim: int, queries: int) -> tuple[Floats, Floats]:
    """Return vectors and queries of one draw."""
    drawn = np.concatenate(list(chunks(rows + queries, dim)))
    return drawn[:rows], drawn[rows:]


def real(source: Path, queries: int) -> tuple[Floats, Floats]:
    """Return the vectors of `base_*.npy` and the first queries of `query_*.npy` in a folder."""
    base, asked = (next(source.glob(f"{kind}_f16_*.npy")) for kind in ("base", "query"))
    return np.load(base).astype(np.float32), np.load(asked)[:queries].astype(np.float32)


def measure(folder: Path, asked: Asked) -> dict[str, Any]:
    """Measure each engine's recall@10 on held-out queries, by the curve that it measured."""
    truth: list[NDArray[np.int64]] | None = None
    found = []
    version = ""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as name, _served(asked, Path(name)) as served:
        for engine in ["local", *asked.index_types]:
            milvus = None if engine == "local" else Milvus(served.uri)
            data = Path(name) / engine
            (data / "segments").mkdir(parents=True)
            segments = SegmentStore(data)
            chosen = Engine.LOCAL if milvus is None else Engine.MILVUS
            spaces = Spaces(segments, Engines(milvus), chosen, engine)
            before = served.memory_mib()
            started = time.perf_counter()
            space = _space(segments, spaces, asked.vectors)
            filled = time.perf_counter()
            index = spaces.index(space)
            is_set = asked.is_quick and milvus is not None
            curves = [] if is_set else spaces.of(space).measure(space, "visual", 0)
            measured = time.perf_counter()
            # Of an index that rounds vectors, an exact answer reads them all.
            few = _EXACT_QUICK if asked.is_quick else _EXACT
            some = asked.queries if truth is None else asked.queries[:few]
            exact = [_search(index, query, None) for query in some]
            truth = truth or exact
            told: dict[str, Any] = {
                "engine": engine if space.milvus is None else f"Milvus, {space.milvus.index_type}",
                "asked": engine,
                "build_s": round(filled - started, 1),
                "measure_s": round(measured - filled, 1),
                "clusters": space.clusters,
                "exact_asked": len(exact),
                "exact_equal": sum(map(np.array_equal, truth, exact)),
                "at": [_at(index, one, asked.queries, truth) for one in _works(curves, is_set)],
            }
            if milvus is not None:
                told["server_mib"] = round(served.memory_mib() - before)
                version = _version(milvus)
            print(f"  {told}", flush=True)
            found.append(told)
            if milvus is not None:
                _dropped(milvus, space)
                milvus.close()
    rows, dim = asked.vectors.shape
    return {
        "rows": rows,
        "dim": dim,
        "source": asked.source,
        "queries": len(asked.queries),
        "server": served.title,
        "version": version,
        "engines": found,
    }


def _space(segments: SegmentStore, spaces: Spaces, vectors: Floats) -> SpaceManifest:
    where = FeatureRows(*[np.arange(len(vectors))] * 3)

    def blocks(rows: FeatureRows) -> Blocks:
        for start in range(0, len(rows), _BLOCK):
            yield start, vectors[rows.rows[start : start + _BLOCK]]

    new = NewSpace("visual", "", "benchmark", where, blocks, [segments.items([])])
    return spaces.chosen.build(new, BuildSettings(), JobContext.unwatched())


def _works(
    curves: list[RecallCurve], is_set: bool
) -> list[tuple[float | None, RecallPoint | None]]:
    """Return targets and what reaches them; or, without targets, set numbers of lists."""
    if is_set:
        return [
            (None, RecallPoint(nprobe=nprobe, recall=0.0, scanned_fraction=0.0))
            for nprobe in _PROBES
        ]
    return [(target, work_for(curves, Metric.COSINE, _K, target)) for target in _TARGETS]


def _at(
    index: Index,
    asked: tuple[float | None, RecallPoint | None],
    queries: Floats,
    truth: list[NDArray[np.int64]],
) -> dict[str, Any]:
    target, work = asked
    recalls, seconds = [], []
    for query, wanted in zip(queries, truth, strict=True):
        started = time.perf_counter()
        found = _search(index, query, work)
        seconds.append(time.perf_counter() - started)
        recalls.append(np.isin(wanted, found).mean())
    return {
        "target": target,
        "nprobe": work.nprobe if work else index.clusters,
        "reach": work.reach if work else None,
        "expected": round(work.recall, 4) if work else 1.0,
        "recall": round(float(np.mean(recalls)), 4),
        "median_ms": round(1000 * float(np.median(seconds)), 3),
        "p99_ms": round(1000 * float(np.quantile(seconds, 0.99)), 3),
    }


def _search(index: Index, query: Floats, work: RecallPoint | None) -> NDArray[np.int64]:
    nprobe, reach, depth = index.clusters, None, None
    if work is not None:
        nprobe, reach, depth = work.nprobe, work.reach, work.depth
    found = index.search(index.ask(query), nprobe, reach, _K, Metric.COSINE, depth)
    return found.ordinals[:_K]


def _version(milvus: Milvus) -> str:
    with milvus.asked() as client:
        return str(client.get_server_version())


def _dropped(milvus: Milvus, space: SpaceManifest) -> None:
    """Drop a space's collections, so that the next has the server's memory to itself."""
    assert space.milvus is not None  # noqa: S101
    with milvus.asked() as client:
        for name in client.list_collections():
            if name.startswith(space.milvus.collection):
                client.drop_collection(name)


class _Server:
    """Milvus that is asked. title: how the table names it."""

    def __init__(self, uri: str, title: str, memory_mib: Callable[[], float]) -> None:
        self.uri = uri
        self.title = title
        self.memory_mib = memory_mib


@contextmanager
def _served(asked: Asked, folder: Path) -> Iterator[_Server]:
    if asked.uri:
        yield _Server(asked.uri, "a server", lambda: 0.0)
        return
    if asked.python:
        with full_milvus.started(asked.python, folder) as full:
            yield _Server(full.uri, "the standalone server", full.memory_mib)
        return
    port = free_port()
    command = [sys.executable, "-m", "shared.engines.milvus.lite"]
    with (folder / "milvus.log").open("w") as log:
        server = subprocess.Popen(  # noqa: S603
            [*command, "--data-dir", str(folder / "lite.db"), "--port", str(port)],
            stdout=log,
            stderr=log,
        )
    try:
        uri = f"http://127.0.0.1:{port}"
        yield _Server(uri, "Milvus Lite", lambda: memory.resident(server.pid))
    finally:
        server.kill()
        server.wait()
