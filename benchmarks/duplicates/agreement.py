"""How many local features agree on a pair, by kind of features and of change.

A first look at other features than the product's, of few photos; `python -m benchmarks duplicates
--local` measures what a judge makes of them.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.duplicates.changes import CHANGES
from benchmarks.duplicates.local_features import KINDS, costs, described
from benchmarks.duplicates.pictures import Picture, made, thumbnail
from services.indexer.comparing.evidence import compare
from services.indexer.comparing.look import Look, look_at

_ENOUGH = 8
"""Agreeing features without which the judge gives no high score."""


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure, print and return the figures of each kind of features."""
    name = f"agreement-{args.originals}"
    pictures = made(
        args.photos, args.data / "duplicates" / name, args.originals, copies=len(CHANGES)
    )
    looks = [look_at(thumbnail(one.file)) for one in pictures]
    found: dict[str, Any] = {"originals": args.originals, "kinds": {}}
    for kind in args.kinds:
        told = _agreement(pictures, [described(look, kind) for look in looks])
        found["kinds"][kind] = {**costs(pictures, kind), **told}
        print(f"  {kind}: {json.dumps(found['kinds'][kind])}", flush=True)
    return found


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of `python -m benchmarks`."""
    parser = commands.add_parser("local-features", help="SIFT, ORB and AKAZE on few pairs")
    parser.add_argument(
        "--photos", type=Path, required=True, help="with caltech101/ and imagenet-samples/"
    )
    parser.add_argument("--originals", type=int, default=12)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))


def _agreement(pictures: Sequence[Picture], looks: Sequence[Look]) -> dict[str, Any]:
    """Agreeing features of an original and its copies, and of it and copies of other photos."""
    originals = [n for n, one in enumerate(pictures) if not one.change]
    place = {pictures[n].original: number for number, n in enumerate(originals)}
    by_kind: dict[str, list[float]] = {name: [] for name in CHANGES}
    others = []
    for n, one in enumerate(pictures):
        if one.change not in by_kind:
            continue
        number = place[one.original]
        by_kind[one.change].append(compare(looks[originals[number]], looks[n]).inliers)
        other = originals[(number + 1) % len(originals)]
        others.append(compare(looks[other], looks[n]).inliers)
    same = np.concatenate([np.array(values) for values in by_kind.values()])
    return {
        "pairs": len(same),
        "enough": float((same >= _ENOUGH).mean()),
        "median": float(np.median(same)),
        "others_with_enough": float((np.array(others) >= _ENOUGH).mean()),
        "most_of_others": float(max(others)),
        "enough_by_kind": {
            name: float((np.array(values) >= _ENOUGH).mean()) for name, values in by_kind.items()
        },
    }
