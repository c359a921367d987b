"""Contenders side by side: each built and opened in a process of its own, then asked in turn.

First each looks for the least setting that reaches a recall. Then, for each recall, all are asked
the same queries, a block each, round after round: so that a machine that is slower for a while is
slower for all. A contender's figure is the median of its rounds; a ratio is that of the same round.
"""

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.collection import Collection
from benchmarks.contenders import asks_rows
from benchmarks.contenders.contender import Place
from benchmarks.sweep import Point, Sweep
from benchmarks.worker import ContenderFailed, Start, Worker

FIRST = "ours"
REFERENCE = "faiss-ivfflat"


@dataclass(frozen=True)
class Rules:
    """Rules of a measurement: its subjects and repetitions."""

    k: int = 10
    targets: tuple[float, ...] = (0.95, 0.99)
    rounds: int = 9
    block: int = 100
    queries: int = 500
    # A block of a slow contender is cut to so many seconds, but not below so many queries.
    block_s: float = 2.0
    block_least: int = 5


def compare(
    collection: Collection, root: Path, names: Sequence[str], rules: Rules
) -> dict[str, Any]:
    """Builds what isn't built, measures, and gives it all as it goes into a result."""
    place = Place(collection, root / collection.name)
    rows, dim = collection.base.shape
    found: dict[str, dict[str, Any]] = {}
    names = [FIRST, *(name for name in names if name != FIRST)]
    with ExitStack() as stack:
        opened: dict[str, Worker] = {}
        for name in names:
            try:
                built = build_once(name, place)
                worker, entry = _searched(name, place, rules, stack)
            except ContenderFailed as failed:
                print(f"  {name}: left out. {failed}")
                found[name] = {"left_out": str(failed)}
                continue
            opened[name] = worker
            found[name] = {"build": built, **entry, "at": {}}
        for target in rules.targets:
            _in_turn(target, opened, found, collection, rules)
    return {
        "collection": collection.name,
        "rows": rows,
        "dim": dim,
        "k": rules.k,
        "clusters": len(place.centroids),
        "contenders": found,
    }


def processors() -> tuple[int, ...]:
    return tuple(sorted(os.sched_getaffinity(0)))


def build_once(name: str, place: Place) -> dict[str, Any]:
    """Builds a contender with all processors, unless it's there; what that took."""
    record = place.root / f"{name}.json"
    if record.exists():
        built: dict[str, Any] = json.loads(record.read_text())
        return built
    shutil.rmtree(place.folder(name), ignore_errors=True)
    print(f"  {name}: building")
    with Worker(Start(name, processors())) as worker:
        built = worker.call("build", place=place)
    record.write_text(json.dumps(built))
    return built


def _searched(
    name: str, place: Place, rules: Rules, stack: ExitStack
) -> tuple[Worker, dict[str, Any]]:
    """An open contender, and what it needs for each target."""
    # One processor each, and only one is asked at a time: no library has more than one thread.
    worker = stack.enter_context(Worker(Start(name, processors()[:1])))
    ladders = worker.call("open", place=place)
    own = asks_rows(name)
    sweep = Sweep(worker, place.collection, rules.k, rules.queries, own)
    needed: dict[str, Any] = {}
    for target in rules.targets:
        reached = [p for ladder in ladders if (p := sweep.least(ladder, target)) is not None]
        best = min(reached, key=lambda point: point.seconds, default=None)
        needed[_key(target)] = best and best.plain()
        print(f"  {name}: {_said(target, best)}")
    entry: dict[str, Any] = {"needed": needed, "held": worker.call("held")}
    asked = {}
    for target in rules.targets:
        setting = worker.call("planned", target=target, k=rules.k)
        if setting is not None:
            asked[_key(target)] = sweep.measure(setting).plain()
    if asked:
        entry["asked"] = asked
    entry["points"] = [point.plain() for point in sweep.points]
    return worker, entry


def _in_turn(
    target: float,
    opened: dict[str, Worker],
    found: dict[str, dict[str, Any]],
    collection: Collection,
    rules: Rules,
) -> None:
    needed = {name: found[name]["needed"][_key(target)] for name in opened}
    names = [name for name, point in needed.items() if point is not None]
    rounds: dict[str, list[float]] = {name: [] for name in names}
    every: dict[str, list[float]] = {name: [] for name in names}
    total = len(collection.queries)
    for number in range(rules.rounds):
        block = (np.arange(rules.block) + number * rules.block) % total
        for name in names[number % len(names) :] + names[: number % len(names)]:
            fits = int(rules.block_s / needed[name]["seconds"])
            some = block[: max(rules.block_least, fits)]
            setting = needed[name]["setting"]
            _, seconds = opened[name].call("search", numbers=some, k=rules.k, setting=setting)
            rounds[name].append(float(seconds.mean()))
            every[name].extend(seconds.tolist())
    for name in names:
        found[name]["at"][_key(target)] = {
            "ms": 1e3 * float(np.median(rounds[name])),
            "p50_ms": 1e3 * float(np.median(every[name])),
            "p99_ms": 1e3 * float(np.quantile(every[name], 0.99)),
            "per_second": 1 / float(np.median(rounds[name])),
            "rounds_ms": [1e3 * seconds for seconds in rounds[name]],
            "times_reference": _ratio(rounds.get(REFERENCE), rounds[name]),
            "times_ours": _ratio(rounds.get(FIRST), rounds[name]),
        }


def _ratio(reference: list[float] | None, own: list[float]) -> float | None:
    """How many times as fast as the reference: the median over rounds."""
    if reference is None:
        return None
    return float(np.median(np.array(reference) / np.array(own)))


def _key(target: float) -> str:
    return f"{target:g}"


def _said(target: float, point: Point | None) -> str:
    if point is None:
        return f"recall {target:g} not reached"
    return f"recall {point.recall:.4f} at {point.setting}, {1e3 * point.seconds:.3f} ms"
