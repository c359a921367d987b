"""Images per second, JPEG decode included: all contenders on the same files in turn, in rounds."""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.embedding import contenders
from services.embedder.backbones.backbone import Backbone
from services.embedder.backbones.torchvision_ops import ensure_torchvision_ops
from services.embedder.engines import machine_limit
from services.embedder.engines.eager import CPU, EagerEngine
from services.embedder.engines.engine import Engine, EngineUnavailable
from services.embedder.engines.engine_options import Precision
from services.embedder.engines.mixed import MixedEngine
from services.embedder.engines.openvino import OpenVINOEngine
from services.embedder.engines.pictures import built_in
from services.embedder.engines.processor import precisions
from services.embedder.preprocess import Preprocessing

PLAIN, HTTP = "timm eager fp32, one at a time", "the service over HTTP"
HTTP_INT8 = f"{HTTP}, ISE_PRECISION=int8"
BARE = "without decoding"
_LEAST_PROCESSOR_S = 1e-4


Round = tuple[float, float]
"""Seconds an image: that passed, and of the processors."""


@dataclass(frozen=True)
class Rules:
    """How often, and on how many images; over HTTP six times as many, in calls of some files."""

    rounds: int = 5
    images: int = 16
    files_a_call: int = 16
    clients: int = 3
    batches: tuple[int, ...] = (1, 2, 4, 8, 16)
    is_int8: bool = False
    in_process: bool = True


def compare(
    backbone: Backbone,
    weights: str,
    name: str,
    photos: Sequence[bytes],
    folder: Path,
    rules: Rules,
    keep: Callable[[dict[str, Any]], None],
) -> None:
    """Each contender's median rate, and how many times the plain one it is, of the same round.

    `keep` gets the result of the rounds so far after each, so that a run that is ended has one.
    """
    module = copy.deepcopy(backbone.network.module)
    module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with ExitStack() as stack:
        decoders = stack.enter_context(ThreadPoolExecutor(torch.get_num_threads()))
        taking: dict[str, tuple[contenders.Embed, int]] = {
            PLAIN: (contenders.plain(module, transform(backbone.preprocessing)), rules.images)
        }
        for engine in engines(backbone) if rules.in_process else []:
            for batch in rules.batches:
                way = contenders.in_process(backbone, engine, batch, decoders)
                taking[f"{engine.name}, batch {batch}"] = (way, rules.images)
            alone = contenders.bare(backbone, engine, rules.batches[-1], photos)
            taking[f"{engine.name}, batch {rules.batches[-1]}, {BARE}"] = (alone, rules.images)
        url = stack.enter_context(contenders.serving(name, weights, folder))
        way = stack.enter_context(contenders.over_http(url, rules.clients, rules.files_a_call))
        taking[HTTP] = (way, 6 * rules.images)
        if rules.is_int8:
            other = stack.enter_context(contenders.serving(name, weights, folder, "int8"))
            quantized = contenders.over_http(other, rules.clients, rules.files_a_call)
            taking[HTTP_INT8] = (stack.enter_context(quantized), 6 * rules.images)
        expected = taking[PLAIN][0](photos[: rules.images])
        http_cosines = cosines(way(photos[: rules.images]), expected)
        model = contenders.model_of(url)
        head = {
            "http_engine": model.engine,
            "http_speed": model.speed and model.speed.model_dump(),
            "processor_uses": torch.backends.cpu.get_cpu_capability(),
            "http_least_cosine": float(http_cosines.min()),
        }
        for rounds, limits in _in_turn(taking, photos, rules.rounds, _limits(backbone)):
            keep({**head, **_figures(rounds, limits)})


def _figures(rounds: dict[str, list[Round]], limits: dict[str, list[float]]) -> dict[str, Any]:
    return {
        "contenders": {name: _told(found, rounds[PLAIN]) for name, found in rounds.items()},
        "limits": {precision: float(np.median(found)) for precision, found in limits.items()},
        "shares": {
            name: {precision: _share(rounds[name], limit) for precision, limit in limits.items()}
            for name in rounds
            if name in (HTTP, HTTP_INT8) or name.endswith(BARE)
        },
    }


def _limits(backbone: Backbone) -> dict[str, Callable[[], float]]:
    """Return for each precision the images per second that a matrix product allows now."""
    work = machine_limit.operations(backbone.network, backbone.preprocessing.blank()[None])
    return {
        str(precision): lambda precision=precision: (  # type: ignore[misc]
            machine_limit.measured_peak(precision, CPU) / work
        )
        for precision in precisions(CPU)
        if precision is not Precision.MIXED
    }


def _share(found: list[Round], limits: list[float]) -> float:
    """Return the part of the limit that was reached, within a round."""
    pairs = zip(found, limits, strict=True)
    return float(np.median([1 / wall / limit for (wall, _), limit in pairs]))


def _told(found: list[Round], plain: list[Round]) -> dict[str, Any]:
    wall, processor = (np.array(each) for each in zip(*found, strict=True))
    plain_wall, plain_processor = (np.array(each) for each in zip(*plain, strict=True))
    # Of a short round the clock may not have seen anything.
    processor = np.maximum(processor, _LEAST_PROCESSOR_S)
    return {
        "images_per_second": float(1 / np.median(wall)),
        "times_plain": float(np.median(plain_wall / wall)),
        "processor_ms": float(1e3 * np.median(processor)),
        "times_plain_processor": float(np.median(plain_processor / processor)),
        "rounds": found,
    }


def engines(backbone: Backbone) -> list[Engine]:
    """All that run here but the compiled one, which takes minutes to start."""
    found: list[Engine] = []
    for precision in reversed(precisions(CPU)):
        if precision is Precision.MIXED:
            continue
        found.append(EagerEngine(backbone.network, precision))
        try:
            found.append(OpenVINOEngine(backbone.network, backbone.preprocessing.crop, precision))
        except EngineUnavailable as error:
            print(f"  openvino-{precision} is left out: {error}")
    if Precision.MIXED in precisions(CPU):
        pixels = built_in(*backbone.preprocessing.crop)
        usual = float(np.median(np.linalg.norm(found[0](pixels), axis=1)))
        with suppress(EngineUnavailable):
            found.append(MixedEngine(backbone.network, backbone.preprocessing.crop, usual))
    return found


def transform(preprocessing: Preprocessing) -> Any:
    """The same preprocessing as timm does it."""
    ensure_torchvision_ops()
    from timm.data.transforms_factory import create_transform

    height, width = preprocessing.crop
    return create_transform(
        input_size=(3, height, width),
        interpolation=preprocessing.interpolation,
        mean=preprocessing.mean,
        std=preprocessing.std,
        crop_pct=height / preprocessing.resize[0],
    )


def cosines(found: contenders.Floats, expected: contenders.Floats) -> contenders.Floats:
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    cosine: contenders.Floats = (found * expected).sum(axis=1) / norms
    return cosine


def _in_turn(
    taking: dict[str, tuple[contenders.Embed, int]],
    photos: Sequence[bytes],
    rounds: int,
    limits: dict[str, Callable[[], float]],
) -> Iterator[tuple[dict[str, list[Round]], dict[str, list[float]]]]:
    """Yield after each round the times of each contender so far, and the machine's limits."""
    found: dict[str, list[Round]] = {name: [] for name in taking}
    allowed: dict[str, list[float]] = {precision: [] for precision in limits}
    for embed, count in taking.values():
        embed(photos[: min(count, 4)])
    names = list(taking)
    for number in range(rounds):
        # Each round begins with another one, and on other photos.
        turn = number * len(names) // rounds
        for precision, limit in limits.items():
            allowed[precision].append(limit())
        for name in names[turn:] + names[:turn]:
            embed, count = taking[name]
            some = [photos[(number * count + i) % len(photos)] for i in range(count)]
            started, used = time.perf_counter(), contenders.processor_seconds()
            embed(some)
            seconds = time.perf_counter() - started
            used = contenders.processor_seconds() - used
            found[name].append((seconds / count, used / count))
        told = ", ".join(f"{name} {1 / found[name][-1][0]:.1f}" for name in names)
        print(f"  round {number + 1}: limits {_rounded(allowed)}; {told}", flush=True)
        yield found, allowed


def _rounded(allowed: dict[str, list[float]]) -> str:
    return ", ".join(f"{precision} {found[-1]:.1f}" for precision, found in allowed.items())
