"""Searching with far less memory than the vectors take, nothing of them cached at first."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import cgroup
from benchmarks.collection import Collection
from benchmarks.contenders.contender import Place, Setting
from benchmarks.harness import build_once, processors
from benchmarks.sweep import Sweep
from benchmarks.worker import Start, Worker

NAMES = ("ours", "faiss-ondisk")
_TARGET = 0.95
_K = 10
_MIB = 2**20
_SPARE_MIB = 150
_SHARE = 8


def compare(collection: Collection, root: Path, rounds: int, block: int) -> dict[str, Any]:
    """Each under the limit in turn, with the same queries, from a cold cache each round."""
    place = Place(collection, root / collection.name)
    rows, dim = collection.base.shape
    limit = rows * dim * 4 // _SHARE + _SPARE_MIB * _MIB
    found: dict[str, Any] = {
        "collection": collection.name,
        "rows": rows,
        "dim": dim,
        "limit_mib": limit / _MIB,
        "target": _TARGET,
    }
    reason = cgroup.unavailable()
    if reason is not None:
        print(f"  memory-bound: left out, {reason}")
        return {**found, "left_out": reason}
    needed = {name: _needed(name, place) for name in NAMES}
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name in NAMES}
    for number in range(rounds):
        numbers = (np.arange(block) + number * block) % len(collection.queries)
        for name in NAMES if number % 2 == 0 else NAMES[::-1]:
            measured[name].append(_cold(name, place, needed[name], numbers, limit))
            print(f"  {name}: {measured[name][-1]}")
    found["contenders"] = {
        name: {
            "setting": needed[name],
            **{
                figure: float(np.median([one[figure] for one in measured[name]]))
                for figure in measured[name][0]
            },
        }
        for name in NAMES
    }
    ratios = np.array([one["ms"] for one in measured["faiss-ondisk"]]) / np.array(
        [one["ms"] for one in measured["ours"]]
    )
    return {**found, "times_faiss_ondisk": float(np.median(ratios))}


def _needed(name: str, place: Place) -> Setting:
    """The least setting for the recall, found without a limit."""
    build_once("ours", place)
    build_once(name, place)
    with Worker(Start(name, processors()[:1])) as worker:
        ladder = worker.call("open", place=place)[0]
        sweep = Sweep(worker, place.collection, _K, queries=500, own=False)
        point = sweep.least(ladder, _TARGET)
    if point is None:
        raise RuntimeError(f"{name} does not reach a recall of {_TARGET}")
    return point.setting


def _cold(name: str, place: Place, setting: Setting, numbers: Any, limit: int) -> dict[str, float]:
    """One pass over some queries in a new process under the limit."""
    cgroup.forget_cached(place.folder(name))
    with (
        cgroup.limited(limit, "ise-bench") as procs,
        Worker(Start(name, processors()[:1], procs)) as worker,
    ):
        worker.call("open", place=place)
        cgroup.forget_cached(place.folder(name))
        before = worker.call("read_bytes")
        answers, seconds = worker.call("search", numbers=numbers, k=_K, setting=setting, warm=False)
        read = worker.call("read_bytes") - before
        held = worker.call("held")
    return {
        "recall": float(place.collection.recalls(numbers, answers, _K, False).mean()),
        "ms": 1e3 * float(seconds.mean()),
        "p50_ms": 1e3 * float(np.median(seconds)),
        "p99_ms": 1e3 * float(np.quantile(seconds, 0.99)),
        "read_mib_per_query": read / len(numbers) / _MIB,
        "anonymous_mib": held["anonymous_mib"],
    }
