"""`python -m benchmarks duplicates`: fit, measure and draw."""

import argparse
import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.duplicates.pictures import Picture, made


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of `python -m benchmarks`."""
    parser = commands.add_parser("duplicates", help="duplicates within a budget of error")
    parser.add_argument(
        "--photos", type=Path, required=True, help="with caltech101/ and imagenet-samples/"
    )
    parser.add_argument("--originals", type=int, default=2000)
    parser.add_argument("--copies", type=int, default=2, help="of each original")
    parser.add_argument("--network", default="lite")
    parser.add_argument("--weights", default="", help="a safetensors file")
    parser.add_argument(
        "--local",
        choices=("sift", "orb", "orb-500", "akaze"),
        default="sift",
        help="local features of the second look; the product's are sift",
    )
    parser.add_argument("--write", type=Path, help="file for the judge to package")
    parser.add_argument("--plot", type=Path, help="file of the plot, an .svg")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure, print and return the figures."""
    from benchmarks.duplicates.fitting import write
    from benchmarks.duplicates.local_features import costs
    from benchmarks.duplicates.measuring import BUDGETS, Trial
    from benchmarks.duplicates.pairs import compared

    folder = args.data / "duplicates"
    name = f"{args.originals}x{args.copies}"
    pictures = made(args.photos, folder / name, args.originals, args.copies)
    pairs = compared(pictures, args.network, args.weights, folder, args.local)
    shown = _shown(pictures, args.photos)
    trial = Trial(pictures, pairs, shown)
    if args.write is not None:
        write(args.write, trial.packaged())
    found: dict[str, Any] = {
        "originals": args.originals,
        "copies": sum(bool(one.change) and one.change != "moved" for one in pictures),
        "look_alikes": sum(one.original >= args.originals for one in pictures),
        "network": args.network,
        "local": args.local,
        "costs": costs(pictures, args.local),
        "pairs": len(pairs.first),
        "known_duplicates": int((shown != [one.original for one in pictures]).sum()),
        "proposed": _proposed(pictures, trial),
        "whole": {str(budget): trial.whole(budget) for budget in BUDGETS},
        "runs": trial.runs(),
    }
    for budget, figures in found["whole"].items():
        figures["errors"] = [
            [pictures[a].file.name, pictures[b].file.name, round(score, 2)]
            for a, b, score in figures["errors"]
        ]
        told = {name: value for name, value in figures.items() if name != "found_by_kind"}
        print(budget, json.dumps(told), flush=True)
    print(json.dumps(found["costs"]))
    for figures in found["runs"]:
        print(json.dumps(figures))
    print(json.dumps(found["whole"]["0.02"]["found_by_kind"], indent=1))
    if args.plot is not None:
        from benchmarks.duplicates.plot import draw

        draw(found, args.plot)
    return found


def _shown(pictures: Sequence[Picture], photos: Path) -> NDArray[np.int64]:
    """The photo that each picture shows; duplicates of the source, judged by eye, are one."""
    shown = np.array([one.original for one in pictures])
    numbers = {
        str(one.file.relative_to(photos)): one.original
        for one in pictures
        if one.file.is_relative_to(photos)
    }
    with (Path(__file__).parent / "known.csv").open(newline="") as rows:
        for first, second in csv.reader(rows):
            if first in numbers and second in numbers:
                shown[shown == numbers[second]] = shown[_photo(pictures, numbers[first])]
    return shown


def _photo(pictures: Sequence[Picture], original: int) -> int:
    """Return the number of the picture that is a photo itself."""
    return next(n for n, one in enumerate(pictures) if one.original == original)


def _proposed(pictures: Sequence[Picture], trial: Any) -> dict[str, float]:
    """Share of the true pairs of an original and a copy that became candidates, by kind."""
    found: dict[str, list[bool]] = {}
    for n in np.flatnonzero(trial.is_same).tolist():
        first, second = (pictures[int(one[n])] for one in (trial.pairs.first, trial.pairs.second))
        if not first.change and second.change:
            found.setdefault(second.change, []).append(bool(trial.proposed[n]))
    return {name: float(np.mean(its)) for name, its in sorted(found.items())}
