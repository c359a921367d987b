"""One network, measured."""

import os
from pathlib import Path
from typing import Any

from benchmarks.embedding import agreement, networks, speed
from services.embedder.backbones.registry import load_backbone


def measure(
    name: str,
    weights: dict[str, Path],
    photos: Path,
    folder: Path,
    rules: speed.Rules,
    compared: int,
) -> dict[str, Any]:
    """Speed, and where `compared` photos are asked for, what the engines do to features."""
    paths = sorted(photos.rglob("*.jpg"))
    every = max(1, len(paths) // max(compared, 200))
    files = [path.read_bytes() for path in paths[::every]]
    file = networks.weights_of(name, weights, folder)
    backbone = load_backbone(name, file)
    found: dict[str, Any] = {
        "network": name,
        "input": "x".join(map(str, backbone.preprocessing.crop)),
        "random_weights": file.endswith(networks.RANDOM),
        # What else ran: 0 on a quiet machine.
        "load_before": os.getloadavg()[0],
        **speed.compare(backbone, file, name, files, folder, rules),
    }
    if compared:
        found["agreement"] = agreement.compare(backbone, files[:compared])
    return found
