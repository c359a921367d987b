"""The embedder on a GPU beside what the GPU, and the decoder, give alone.

In each round, in turn: a plain loop over the compiled network, transfers included; our engine in
process; the decoder alone; the service over HTTP, decoding included. Then single pictures. All of
it runs on a CPU, too (`--device cpu`), which shows that it works, and no more.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch
from torch import Tensor

from benchmarks.embedding import contenders, networks
from services.embedder.backbones.backbone import Backbone
from services.embedder.backbones.gpu_decoding import gpu_decoder
from services.embedder.batching.lanes import Lane
from services.embedder.decoding.decoder import DecodeLimits
from services.embedder.decoding.pool import DecodeLane, Decoders, File
from services.embedder.decoding.task import Task
from services.embedder.engines.choice import Chooser, EngineOptions
from services.embedder.engines.cuda import LowPrecision
from services.embedder.engines.eager import TYPES
from services.embedder.engines.engine import Pixels
from services.embedder.engines.engine_options import Inference, Precision
from services.embedder.engines.network import PixelNetwork
from services.embedder.registry import load_backbone
from shared.clients.embedder import list_models
from shared.clients.transport import Client

BARE, OURS, DECODER, HTTP = "a bare loop", "our engine", "the decoder alone", "over HTTP"
_CHOICE_S = 900.0
_SINGLE = 50
_PHOTOS = 512


@dataclass(frozen=True)
class Asked:
    """The device, the engine (a bare loop of `eager` isn't compiled, either), and the amount."""

    device: torch.device
    inference: Inference
    batch: int
    rounds: int


def measure(
    name: str,
    weights: dict[str, Path],
    photos: Path,
    folder: Path,
    asked: Asked,
) -> dict[str, Any]:
    """Measure one network."""
    device, inference, batch = asked.device, asked.inference, asked.batch
    file = networks.weights_of(name, weights, folder)
    backbone = load_backbone(name, file)
    size = backbone.preprocessing.crop
    paths = sorted(photos.rglob("*.jpg"))
    files = [path.read_bytes() for path in paths[:: max(1, len(paths) // _PHOTOS)][:_PHOTOS]]
    options = EngineOptions(inference, device=device, cache_dir=folder / "cache")
    ours = Chooser(backbone.network, size, backbone.fingerprint, options).choose().engine
    precision = Precision(ours.name.partition("-")[2])
    is_compiled = inference is not Inference.EAGER
    bare = _bare_loop(backbone.network, precision, device, is_compiled)
    with _processes(backbone) as decode:
        some = np.resize(np.stack(decode(files[:32])), (batch, *size, 3))
    more = {
        "ISE_DEVICE": str(device),
        "ISE_INFERENCE": str(inference),
        "ISE_DECODE_DEVICE": device.type,
    }
    with (
        _decoder(backbone, device) as decoder,
        contenders.serving(name, file, folder, more=more) as url,
        contenders.over_http(url, clients=4, files_a_call=64) as embed,
    ):
        _wait_for_engine(url)
        found = _in_turn(
            {
                BARE: (partial(bare, some), batch),
                OURS: (partial(ours, some), batch),
                DECODER: (partial(decoder, files), len(files)),
                HTTP: (partial(embed, files), len(files)),
            },
            asked.rounds,
        )
        over_http = _single_over_http(url, files)
    alone = [_seconds(partial(ours, some[:1])) for _ in range(_SINGLE)]
    rates = {key: float(np.median(each)) for key, each in found.items()}
    return {
        "network": name,
        "device": _name(device),
        "engine": ours.name,
        "batch": batch,
        "load_before": os.getloadavg()[0],
        "images_per_second": rates,
        "of_the_loop": rates[OURS] / rates[BARE],
        "of_the_lower": rates[HTTP] / min(rates[BARE], rates[DECODER]),
        "single_ms": 1e3 * float(np.median(alone)),
        "single_over_http_ms": over_http,
        "rounds": found,
    }


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def _bare_loop(
    network: PixelNetwork, precision: Precision, device: torch.device, is_compiled: bool
) -> Callable[[Pixels], Tensor]:
    """Return what a person would write: pixels to the device, the network, features back."""
    kind = TYPES.get(precision, torch.float32)
    module: Any = LowPrecision(network, kind).to(device) if device.type == "cuda" else network
    forward = torch.compile(module) if is_compiled else module

    def loop(pixels: Pixels) -> Tensor:
        given = torch.from_numpy(pixels)
        if device.type == "cuda":
            given = given.pin_memory()
        with torch.inference_mode():
            found: Tensor = forward(given.to(device, non_blocking=True)).float().cpu()
        return found

    return loop


@contextmanager
def _processes(backbone: Backbone) -> Iterator[Callable[[Sequence[bytes]], list[Pixels]]]:
    """Give what decodes files in as many processes as the service has, which run already."""
    task = Task(backbone.preprocessing, 100_000_000)
    decoders = Decoders(os.cpu_count() or 1, DecodeLimits(60.0, 2**31))

    async def decoded(files: Sequence[bytes]) -> list[Pixels]:
        lane: DecodeLane = Lane(bulk=True)
        calls = (decoders.decode(lane, File(data, task)) for data in files)
        return [found.pixels for found, _ in await asyncio.gather(*calls)]

    with asyncio.Runner() as runner:
        runner.run(decoders.__aenter__())
        try:
            yield lambda files: runner.run(decoded(files))
        finally:
            runner.run(decoders.__aexit__())


@contextmanager
def _decoder(
    backbone: Backbone, device: torch.device
) -> Iterator[Callable[[Sequence[bytes]], object]]:
    """Give the decoder that the service uses on this device."""
    gpu = None
    if device.type == "cuda":
        gpu = gpu_decoder(backbone.preprocessing, device, backbone.forward)
    if gpu is None:
        with _processes(backbone) as decode:
            yield decode
        return

    def decoded(files: Sequence[bytes]) -> None:
        for start in range(0, len(files), 128):
            gpu(files[start : start + 128])

    yield decoded


def _wait_for_engine(url: str) -> None:
    end = time.monotonic() + _CHOICE_S
    with Client(url) as client:
        while client.send(list_models()).visual.speed is None:
            if time.monotonic() > end:
                raise RuntimeError(f"no engine was chosen in {_CHOICE_S:g} s")
            time.sleep(1)


def _in_turn(
    ways: dict[str, tuple[Callable[[], object], int]], rounds: int
) -> dict[str, list[float]]:
    """Return images per second of each, by round."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for way, _ in ways.values():
        way()
    for _ in range(rounds):
        for name, (way, count) in ways.items():
            rates[name].append(count / _seconds(way))
        print("  " + ", ".join(f"{name} {found[-1]:.0f}" for name, found in rates.items()))
    return rates


def _seconds(way: Callable[[], object]) -> float:
    began = time.perf_counter()
    way()
    return time.perf_counter() - began


def _single_over_http(url: str, files: Sequence[bytes]) -> dict[str, float]:
    """Return the milliseconds of a single picture, and of them those of its decoding."""
    whole, decoding = [], []
    with httpx.Client(base_url=url, timeout=60) as http:
        for data in files[:_SINGLE]:
            began = time.perf_counter()
            answer = http.post("/v1/embed/images", files={"files": data}).raise_for_status()
            whole.append(1e3 * (time.perf_counter() - began))
            stages = dict(
                stage.split(";dur=") for stage in answer.headers["Server-Timing"].split(", ")
            )
            decoding.append(float(stages["decode"]))
    beyond = np.subtract(whole, decoding)
    return {"whole": float(np.median(whole)), "beyond_decoding": float(np.median(beyond))}
