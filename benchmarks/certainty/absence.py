"""Is there any match? Ways to tell, compared on classes that nothing was learnt from.

Each photo of drawn collections is a query twice: with its class there, and with it taken out. All
ways add features to those that the product judges presence by, and a logistic regression is fitted
on 600 queries of four fifths of the classes.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.certainty.collections import Floats, Labels, drawn, stored
from benchmarks.certainty.presence_features import WAYS, Seen
from benchmarks.matching import photos
from benchmarks.matching.images import index_of
from shared.engines.evidence import Gathered, Reach, gather, moments_of, without
from shared.maths.count_fitting import Search, area_under_curve, fit
from shared.maths.counting import Counter
from shared.maths.linear_algebra import one_thread
from shared.maths.regression import logistic

_MOST, _FOLDS, _LEAST = 600, 5, 3
_PENALTY, _FALSE_ABSENT = 5.0, 0.05
_KEPT = 150
"""Hits whose labels the ways may see."""

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class _Query:
    search: Search
    there: Seen
    absent: Seen


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of `python -m benchmarks`."""
    parser = commands.add_parser("absence", help="ways to tell whether anything matches")
    parser.add_argument("--photos", type=Path, required=True, help="a folder of a folder a tag")
    parser.add_argument("--network", default="mini")
    parser.add_argument("--weights", default="", help="a safetensors file")
    parser.add_argument("--collections", type=int, default=3)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure, print and return the figures of each way."""
    labels, fingerprint, features = photos.labelled(
        args.photos, args.network, args.weights, args.data / "matching"
    )
    whole = np.asarray(features, np.float32)
    judged: dict[str, list[Mapping[str, Rows]]] = {name: [] for name in WAYS}
    with one_thread():
        for seed in range(args.collections):
            rows = drawn(labels, _LEAST, np.random.default_rng(seed))
            queries = list(_queries(stored(fingerprint, whole[rows]), labels[rows]))
            order = np.random.default_rng(seed).permutation(len(queries)).tolist()
            for learnt_from, held in _folds([queries[i] for i in order], seed):
                for name, scores in _scores(learnt_from, held, seed).items():
                    judged[name].append(scores)
    found = {name: _figures(folds) for name, folds in judged.items()}
    for name, figures in found.items():
        print(f"  {name}: {json.dumps(figures)}", flush=True)
    return {"model": fingerprint, "ways": found}


def _queries(vectors: Floats, labels: Labels) -> Iterator[_Query]:
    sizes = np.bincount(labels)
    with TemporaryDirectory() as folder:
        index = index_of(Path(folder), vectors)
        moments, reach = moments_of(index), Reach(index.clusters)
        if moments is None:
            return
        for ordinal, vector in enumerate(vectors):
            found = gather(index, index.ask(vector), moments, reach, None, [ordinal], True)
            if found is None:
                continue
            matched = labels[found.ordinals] == labels[ordinal]
            absent = without(found, vector, ~matched, True) if matched.any() else None
            if absent is None:
                continue
            matches, kind = int(sizes[labels[ordinal]]) - 1, int(labels[ordinal])
            search = Search(found.evidence, matched, matches, kind, absent.evidence)
            yield _Query(search, _seen(found, labels, sizes), _seen(absent, labels, sizes))


def _seen(found: Gathered, labels: Labels, sizes: Labels) -> Seen:
    first = found.vectors[:60]
    units = first / np.linalg.norm(first, axis=1, keepdims=True)
    return Seen(found.evidence, units @ units.T, labels[found.ordinals[:_KEPT]], sizes)


def _folds(queries: Sequence[_Query], seed: int) -> Iterator[tuple[list[_Query], list[_Query]]]:
    """Queries to learn from and queries of other classes."""
    fold = _fold_of(queries, seed)
    for number in range(_FOLDS):
        others = [queries[i] for i in np.flatnonzero(fold != number)[:_MOST].tolist()]
        yield others, [queries[i] for i in np.flatnonzero(fold == number).tolist()]


def _fold_of(queries: Sequence[_Query], seed: int) -> Labels:
    kinds = np.array([one.search.kind for one in queries])
    order = np.random.default_rng(seed).permutation(np.unique(kinds)).tolist()
    numbers = {kind: place % _FOLDS for place, kind in enumerate(order)}
    return np.array([numbers[kind] for kind in kinds.tolist()])


def _scores(
    learnt_from: Sequence[_Query], held: Sequence[_Query], seed: int
) -> dict[str, dict[str, Rows]]:
    """Log-odds by each way: of matching and absent queries held out, and the bound."""
    fold = _fold_of(learnt_from, seed)
    # The probabilities of a query's hits are by what other classes teach, as for a new one.
    seen: list[tuple[Rows, Rows]] = [(np.empty(0), np.empty(0))] * len(learnt_from)
    for number in range(_FOLDS):
        counter = _counter([learnt_from[i] for i in np.flatnonzero(fold != number).tolist()])
        for i in np.flatnonzero(fold == number).tolist():
            seen[i] = _chances(counter, learnt_from[i])
    whole = _counter(learnt_from)
    new = [_chances(whole, one) for one in held]
    found: dict[str, dict[str, Rows]] = {}
    for name, way in WAYS.items():
        there, absent = _rows(way, learnt_from, seen)
        held_there, held_absent = _rows(way, held, new)
        weights = _fitted(there, absent)
        own = np.empty(len(there))
        for number in range(_FOLDS):
            here = fold == number
            own[here] = there[here] @ _fitted(there[~here], absent[~here])
        least = float(np.quantile(own, _FALSE_ABSENT))
        found[name] = {
            "there": held_there @ weights - least,
            "absent": held_absent @ weights - least,
        }
    return found


def _counter(queries: Sequence[_Query]) -> Counter:
    learnt = fit([one.search for one in queries])
    if learnt is None:
        raise ValueError("a collection of the benchmark has too few classes")
    return Counter(learnt)


def _chances(counter: Counter, query: _Query) -> tuple[Rows, Rows]:
    return counter.chances(query.there.evidence), counter.chances(query.absent.evidence)


def _rows(
    way: Callable[[Seen, Rows], Rows],
    queries: Sequence[_Query],
    chances: Sequence[tuple[Rows, Rows]],
) -> tuple[Rows, Rows]:
    pairs = list(zip(queries, chances, strict=True))
    there = np.stack([way(one.there, told) for one, (told, _) in pairs])
    return there, np.stack([way(one.absent, told) for one, (_, told) in pairs])


def _fitted(there: Rows, absent: Rows) -> Rows:
    truth = np.repeat([True, False], [len(there), len(absent)])
    return logistic(np.concatenate([there, absent]), truth, _PENALTY)


def _figures(folds: Sequence[Mapping[str, Rows]]) -> dict[str, float]:
    # Each fold's bound is 0, so that folds of unlike scales are comparable.
    there = np.concatenate([one["there"] for one in folds])
    absent = np.concatenate([one["absent"] for one in folds])
    return {
        "auroc": area_under_curve(there, absent),
        "false_absent": float((there < 0).mean()),
        "absent_found": float((absent < 0).mean()),
        "queries": len(there),
    }
