"""Cold starts of the embedder: seconds until it's ready, and until its engine is chosen.

Each start has an empty cache. Until the engine is chosen, and some time after, a person asks for
the features of a single photo, over and over.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np

from benchmarks.embedding import contenders, networks

_AFTER = 40
_EVERY_S = 0.05


@dataclass(frozen=True)
class Start:
    """One kind of start. `matching`: the second network, if it is another."""

    network: str
    inference: str
    precision: str = ""
    matching: str = ""

    @property
    def name(self) -> str:
        """Return a name for people."""
        both = f"{self.network} + {self.matching}" if self.matching else self.network
        return f"{both}, {self.inference}{' ' + self.precision if self.precision else ''}"


def of(network: str, engine: str) -> Start:
    """Return the start of a network (`classic`: its two) by an engine, or `int8`."""
    inference, precision = ("openvino", "int8") if engine == "int8" else (engine, "")
    if network == "classic":
        return Start("inception_resnet_v2", inference, precision, "resnet50")
    return Start(network, inference, precision)


def measure(kinds: list[Start], photos: Path, folder: Path, most_s: float) -> dict[str, Any]:
    """Measure each start; `most_s`: how long the engine is waited for."""
    some = [path.read_bytes() for path in sorted(photos.rglob("*.jpg"))[:8]]
    found = {}
    for kind in kinds:
        found[kind.name] = _one(kind, some, folder, most_s)
        print(f"  {kind.name}: {found[kind.name]}", flush=True)
    return {"load_before": os.getloadavg()[0], "starts": found}


def _one(kind: Start, photos: list[bytes], folder: Path, most_s: float) -> dict[str, Any]:
    weights = networks.weights_of(kind.network, {}, folder)
    more = {"ISE_INFERENCE": kind.inference}
    if kind.matching:
        more["ISE_MATCHING_BACKBONE"] = kind.matching
        more["ISE_MATCHING_WEIGHTS"] = networks.weights_of(kind.matching, {}, folder)
    with TemporaryDirectory() as name:
        began = time.perf_counter()
        with contenders.serving(kind.network, weights, Path(name), kind.precision, more) as url:
            ready = time.perf_counter() - began
            with httpx.Client(base_url=url, timeout=300) as http:
                meanwhile, chosen = _until_chosen(http, photos, most_s)
                after = [_asked(http, photos[i % len(photos)]) for i in range(_AFTER)]
                engine = _visual(http)["engine"]
    return {
        "ready_s": ready,
        "chosen_s": None if chosen is None else chosen - began,
        "engine": engine,
        "asked_meanwhile": len(meanwhile),
        "meanwhile_p50_ms": float(np.median(meanwhile)) if meanwhile else None,
        "meanwhile_longest_ms": max(meanwhile, default=None),
        "after_p50_ms": float(np.median(after)),
        "after_longest_ms": max(after),
    }


def _until_chosen(
    http: httpx.Client, photos: list[bytes], most_s: float
) -> tuple[list[float], float | None]:
    """Return milliseconds of the answers before the engine was chosen, and when that was."""
    asked: list[float] = []
    end = time.perf_counter() + most_s
    while _visual(http)["speed"] is None:
        if time.perf_counter() > end:
            return asked, None
        asked.append(_asked(http, photos[len(asked) % len(photos)]))
        time.sleep(_EVERY_S)
    return asked, time.perf_counter()


def _visual(http: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = http.get("/v1/models").raise_for_status().json()["visual"]
    return found


def _asked(http: httpx.Client, photo: bytes) -> float:
    began = time.perf_counter()
    http.post("/v1/embed/images", files={"files": photo}).raise_for_status()
    return 1e3 * (time.perf_counter() - began)
