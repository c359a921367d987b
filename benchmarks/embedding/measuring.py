"""One network, measured."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.embedding import agreement, networks, speed
from services.embedder.backbones.backbone import Backbone
from services.embedder.registry import load_backbone

_PHOTOS = 200


def measure(
    name: str,
    weights: dict[str, Path],
    photos: Path,
    folder: Path,
    rules: speed.Rules,
    keep: Callable[[dict[str, Any]], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure how fast it is; `keep` gets the result so far after each round, too."""
    files = _files(photos, _PHOTOS)
    file = networks.weights_of(name, weights, folder)
    backbone = load_backbone(name, file)
    # What else ran: 0 on a quiet machine.
    whole = {**_of(name, file, backbone), "load_before": os.getloadavg()[0]}

    def so_far(found: dict[str, Any]) -> None:
        whole.update(found)
        keep(whole)

    speed.compare(backbone, file, name, files, folder, rules, so_far)
    return whole


def agree(
    name: str,
    weights: dict[str, Path],
    photos: Path,
    folder: Path,
    compared: int,
    calibration: Path | None = None,
) -> dict[str, Any]:
    """Measure the agreement of its engines on `compared` photos; of int8 if it's calibrated."""
    file = networks.weights_of(name, weights, folder)
    backbone = load_backbone(name, file)
    paths = _spread(photos, compared)[:compared]
    files, kinds = [path.read_bytes() for path in paths], [path.parent.name for path in paths]
    found = agreement.compare(backbone, files, kinds, calibration, folder / "cache")
    return {**_of(name, file, backbone), **found}


def _of(name: str, file: str, backbone: Backbone) -> dict[str, Any]:
    return {
        "network": name,
        "input": "x".join(map(str, backbone.preprocessing.crop)),
        "random_weights": file.endswith(networks.RANDOM),
    }


def _files(photos: Path, count: int) -> list[bytes]:
    return [path.read_bytes() for path in _spread(photos, count)]


def _spread(photos: Path, count: int) -> list[Path]:
    """About so many, from all of the folder."""
    paths = sorted(photos.rglob("*.jpg"))
    return paths[:: max(1, len(paths) // count)]
